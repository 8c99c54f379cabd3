//! A workflow as Cromwell tells of it, as a record of ours.

use batchyard_model::{RunId, RunState};
use batchyard_store::{ForeignEvent, ForeignWorkflow, RunRecord, Write};
use batchyard_workflow::{
    documents::{RunResultDoc, RunSpec, Submission, to_text},
    identity::text_hash,
};
use serde_json::{Map, Value as Json};

use super::{
    MAX_NAME,
    call::{failures, kept_members, members, text},
    fold::{Broken, fold, moment},
};

/// The language that every run of ours is in.
const WDL: &str = "WDL";

/// A run that is about to be written.
pub struct Converted {
    /// The run.
    pub record: RunRecord,
    /// Texts that it refers to.
    pub texts: Vec<Write>,
    /// Its labels by name.
    pub labels: Vec<(String, String)>,
}

/// When it was submitted, began and ended, and what it belongs to.
struct Course {
    created_ms: i64,
    started_ms: Option<i64>,
    ended_ms: Option<i64>,
    parent: Option<RunId>,
    root: Option<RunId>,
}

/// A run from what is told of a workflow that has ended, and from its labels.
///
/// # Errors
/// What keeps it from becoming a record.
pub fn convert(
    workflow: &ForeignWorkflow,
    id: RunId,
    state: RunState,
    events: Vec<ForeignEvent>,
    labels: Vec<(String, String)>,
) -> Result<Converted, Broken> {
    let mut keys = fold(events)?;
    for known in ["id", "status"] {
        keys.shift_remove(known);
    }
    let name = text(&mut keys, "workflowName").or_else(|| workflow.name.clone()).unwrap_or_default();
    if name.chars().count() > MAX_NAME {
        return Err(Broken::Name(name));
    }
    let Course { created_ms, started_ms, ended_ms, parent, root } = course(&mut keys)?;
    let mut texts = Vec::new();
    let spec = spec(&mut keys, &mut texts);
    let dir = text(&mut keys, "workflowRoot").unwrap_or_default();
    let labels = joined(labels, members(&mut keys, "labels"));
    let result = RunResultDoc {
        outputs: members(&mut keys, "outputs"),
        failures: failures(&keys),
        told: Some(kept_members(keys, &mut texts)),
        ..RunResultDoc::default()
    };
    let (spec, result) = (to_text(&spec), Some(to_text(&result)));
    let record = RunRecord { id, parent, root, name, state, dir, created_ms, started_ms, ended_ms, owner: None, spec, result };
    Ok(Converted { record, texts, labels })
}

fn course(keys: &mut Map<String, Json>) -> Result<Course, Broken> {
    let mut time = |key: &str| text(keys, key).map(|text| moment(key, &text)).transpose();
    let (submitted, started_ms, ended_ms) = (time("submission")?, time("start")?, time("end")?);
    let mut relative = |key: &str| {
        let id = text(keys, key);
        id.map(|text| text.parse().map_err(|_| Broken::Id { key: key.to_owned(), text })).transpose()
    };
    let (parent, root): (Option<RunId>, Option<RunId>) = (relative("parentWorkflowId")?, relative("rootWorkflowId")?);
    // A sub-workflow is never submitted.
    let created_ms = submitted.or(started_ms).or(ended_ms).ok_or(Broken::Timeless)?;
    Ok(Course { created_ms, started_ms, ended_ms, parent, root: root.or(parent).filter(|_| parent.is_some()) })
}

fn spec(keys: &mut Map<String, Json>, texts: &mut Vec<Write>) -> RunSpec {
    let language = text(keys, "actualWorkflowLanguage");
    if let Some(other) = language.filter(|language| language != WDL) {
        keys.insert("actualWorkflowLanguage".into(), Json::String(other));
    }
    RunSpec {
        version: text(keys, "actualWorkflowLanguageVersion").unwrap_or_default(),
        inputs: kept_members(members(keys, "inputs"), texts),
        submission: submission(members(keys, "submittedFiles"), texts),
        ..RunSpec::default()
    }
}

/// What was sent; `None` where nothing is told of it, as for sub-workflows.
fn submission(mut files: Map<String, Json>, texts: &mut Vec<Write>) -> Option<Submission> {
    if files.is_empty() {
        return None;
    }
    let mut keep = |content: String| {
        let hash = text_hash(&content);
        texts.push(Write::PutBlob { hash: hash.clone(), content });
        hash
    };
    let mut given = |name: &str| text(&mut files, name).filter(|text| !text.is_empty());
    let (source, inputs) = (given("workflow").map(&mut keep), keep(given("inputs").unwrap_or_else(|| "{}".into())));
    Some(Submission {
        source,
        url: given("workflowUrl"),
        on_behalf: None,
        root: given("root"),
        inputs,
        options: given("options").unwrap_or_default(),
        labels: given("labels").unwrap_or_default(),
        language: given("workflowType"),
        version: given("workflowTypeVersion"),
        imports: Some(members(&mut files, "imports"))
            .filter(|imports| !imports.is_empty())
            .map(|imports| keep(Json::Object(imports).to_string())),
    })
}

/// Labels of the table and those that only events tell of, without those that every run has.
fn joined(mut labels: Vec<(String, String)>, told: Map<String, Json>) -> Vec<(String, String)> {
    for (name, value) in told {
        if let Json::String(value) = value
            && labels.iter().all(|(known, _)| *known != name)
        {
            labels.push((name, value));
        }
    }
    labels.retain(|(name, _)| !crate::metadata::OWN_LABELS.contains(&name.as_str()));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert_from(events: &[(&str, &str)], labels: &[(&str, &str)]) -> Result<Converted, Broken> {
        let workflow = ForeignWorkflow { entry: 1, id: String::new(), name: Some("w".into()), status: None, is_deleted: false };
        let event = |(key, text): &(&str, &str)| ForeignEvent { key: (*key).into(), value: Some(("string".into(), (*text).into())) };
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        convert(&workflow, RunId::random(), RunState::Failed, events.iter().map(event).collect(), labels)
    }

    #[test]
    fn a_sub_workflow_was_never_submitted() {
        let (parent, root) = (RunId::random().to_string(), RunId::random().to_string());
        let events = [("start", "2026-02-05T12:00:00.000Z"), ("parentWorkflowId", &parent), ("rootWorkflowId", &root)];
        let record = convert_from(&events, &[]).unwrap().record;
        assert_eq!((record.created_ms, record.started_ms, record.ended_ms), (1_770_292_800_000, Some(1_770_292_800_000), None));
        assert_eq!((record.parent.unwrap().to_string(), record.root.unwrap().to_string()), (parent, root));
        assert_eq!(serde_json::from_str::<RunSpec>(&record.spec).unwrap().submission, None);
    }

    #[test]
    fn labels_of_the_table_count_more_than_those_of_events() {
        let events =
            [("submission", "2026-02-05T12:00:00.000Z"), ("labels:a", "old"), ("labels:b", "2"), ("labels:cromwell-workflow-id", "x")];
        let labels = convert_from(&events, &[("a", "new"), ("cromwell-workflow-id", "x")]).unwrap().labels;
        assert_eq!(labels, [("a".to_owned(), "new".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_no_record_holds_is_told() {
        let told = |events: &[(&str, &str)]| convert_from(events, &[]).map(|_| ()).unwrap_err().to_string();
        assert!(told(&[]).contains("nothing says when"));
        assert!(told(&[("parentWorkflowId", "x")]).contains("`parentWorkflowId` is `x`"));
        assert!(told(&[("workflowName", &"x".repeat(192))]).contains("longer than 191"));
    }
}
