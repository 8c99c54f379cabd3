//! Keys of a run.

use batchyard_model::RunState;
use batchyard_store::{RunRecord, Store, StoreError};
use batchyard_workflow::{
    blobs,
    documents::{RunResultDoc, RunSpec, Submission},
};
use serde_json::{Map, Value as Json, json};

use super::{Context, failures};
use crate::{VERSION, documents::is_web, moment};

/// Keys of the run's metadata, without `calls`.
pub fn keys(context: Context<'_>, record: &RunRecord) -> Result<Map<String, Json>, StoreError> {
    let spec: RunSpec = serde_json::from_str(&record.spec).unwrap_or_default();
    let mut result = result(record);
    let mut keys = Map::new();
    let mut put = |name: &str, value: Json| drop(keys.insert(name.into(), value));
    put("id", json!(record.id.to_string()));
    put("status", json!(record.state.name()));
    if !record.name.is_empty() {
        put("workflowName", json!(record.name));
    }
    put("submission", moment(record.created_ms));
    if let Some(start) = record.started_ms {
        put("start", moment(start));
    }
    if let Some(end) = record.ended_ms {
        put("end", moment(end));
    }
    if let Some(parent) = record.parent {
        put("parentWorkflowId", json!(parent.to_string()));
        put("rootWorkflowId", json!(record.root.unwrap_or(parent).to_string()));
    }
    if !spec.version.is_empty() {
        put("actualWorkflowLanguage", json!("WDL"));
        put("actualWorkflowLanguageVersion", json!(spec.version));
    }
    let inputs = match &result.told {
        None => inputs(context.store, record, &spec)?,
        // By the names that it gave them.
        Some(_) => blobs::whole_members(context.store, &spec.inputs)?,
    };
    let outputs = outputs(record, &mut result);
    for (name, members) in [("inputs", inputs), ("outputs", outputs)] {
        // Another program has told of those that there are.
        if result.told.is_none() || !members.is_empty() {
            put(name, Json::Object(members));
        }
    }
    if !record.dir.is_empty() {
        put("workflowRoot", json!(record.dir));
    }
    put("labels", Json::Object(labels(context.store, record)?));
    if let Some(told) = result.told {
        if spec.submission.is_some() {
            put("submittedFiles", submitted_files(context, &spec)?);
        }
        keys.extend(blobs::whole_members(context.store, &told)?);
        return Ok(keys);
    }
    if record.parent.is_none() {
        put("submittedFiles", submitted_files(context, &spec)?);
        put("workflowProcessingEvents", events(context, record));
    }
    if record.parent.is_none() && record.state == RunState::Succeeded && deletes(context, &spec) {
        // A run succeeds once they are gone.
        put("fileDeletionStatus", json!("Succeeded"));
    }
    if let Some(callback) = result.callback {
        let at = moment(callback.at_ms);
        put("workflowCallback", json!({ "successful": callback.successful, "url": callback.url, "timestamp": at }));
    }
    if let Some(folder) = log_folder(context, &spec) {
        put("workflowLog", json!(format!("{}/workflow.{}.log", folder.trim_end_matches('/'), record.id)));
    }
    if let Some(failures) = failures::of_run(context.store, record)? {
        put("failures", failures);
    }
    Ok(keys)
}

/// Whether the intermediate files of a run are deleted.
fn deletes(context: Context<'_>, spec: &RunSpec) -> bool {
    let settings = &context.options.settings;
    let wanted = settings
        .with_default_options(&context.options.opened_options(&spec.options))
        .get("delete_intermediate_output_files")
        .and_then(Json::as_bool);
    wanted.unwrap_or(false) && settings.may_delete_files
}

/// Where the log of a run is to be found when it has ended.
fn log_folder(context: Context<'_>, spec: &RunSpec) -> Option<String> {
    let options = context.options.settings.with_default_options(&context.options.opened_options(&spec.options));
    let name = crate::service::LOG_OPTION;
    let is_hidden = context.options.hides(name, spec.options.get(name).unwrap_or(&Json::Null));
    let copied = options.get(name).filter(|_| !is_hidden).and_then(Json::as_str).map(str::to_owned);
    let kept = context.options.log_dir.as_ref().filter(|_| !context.options.log_temporary);
    copied.or_else(|| kept.map(|folder| folder.to_string_lossy().into_owned()))
}

/// How a run ended; empty until then.
pub fn result(record: &RunRecord) -> RunResultDoc {
    record.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Takes out the outputs that are shown of a run: none until it has succeeded, but all that another program told of.
pub fn outputs(record: &RunRecord, result: &mut RunResultDoc) -> Map<String, Json> {
    let are_shown = record.state == RunState::Succeeded || result.told.is_some();
    if are_shown { std::mem::take(&mut result.outputs) } else { Map::new() }
}

/// Labels that every run has by itself.
pub const OWN_LABELS: [&str; 2] = [crate::service::ID_LABEL, SUB_WORKFLOW_LABEL];
const SUB_WORKFLOW_LABEL: &str = "cromwell-sub-workflow-name";

/// Labels of a run as an object. A sub-workflow's tell which workflow it belongs to.
pub fn labels(store: &Store, record: &RunRecord) -> Result<Map<String, Json>, StoreError> {
    let mut labels: Map<String, Json> = Map::new();
    let root = record.root.or(record.parent).unwrap_or(record.id);
    labels.insert(crate::service::ID_LABEL.into(), json!(format!("cromwell-{root}")));
    if record.parent.is_some() {
        labels.insert(SUB_WORKFLOW_LABEL.into(), json!(record.name));
    }
    let stored = store.list_labels(&[record.id])?.remove(&record.id).unwrap_or_default();
    labels.extend(stored.into_iter().map(|(name, value)| (name, Json::String(value))));
    Ok(labels)
}

/// Inputs: with full names in draft-2; later versions show those of the workflow itself by their own names.
fn inputs(store: &Store, record: &RunRecord, spec: &RunSpec) -> Result<Map<String, Json>, StoreError> {
    let prefix = format!("{}.", record.name);
    let mut inputs = Map::new();
    let defaults = spec.defaults.iter().filter(|(name, _)| !spec.inputs.contains_key(*name));
    for (name, value) in spec.inputs.iter().chain(defaults) {
        let own = name.strip_prefix(&prefix).filter(|own| !own.contains('.') && spec.version != "draft-2");
        inputs.insert(own.unwrap_or(name).to_owned(), blobs::whole(store, value)?.unwrap_or_default());
    }
    Ok(inputs)
}

/// What was sent, as it was sent.
fn submitted_files(context: Context<'_>, spec: &RunSpec) -> Result<Json, StoreError> {
    let store = context.store;
    let text = |hash: Option<&String>| hash.map_or(Ok(None), |hash| store.load_blob(hash));
    let main = || spec.documents.first().map(|document| document.hash.clone());
    let none = Submission::default();
    let sent = spec.submission.as_ref().unwrap_or(&none);
    // Of one that was named by its URL, once it was brought.
    let source = text(sent.source.clone().or_else(main).as_ref())?.unwrap_or_default();
    let inputs = match &spec.submission {
        Some(sent) => text(Some(&sent.inputs))?.unwrap_or_else(|| "{}".into()),
        None => Json::Object(blobs::whole_members(store, &spec.inputs)?).to_string(),
    };
    let options = match sent.options.is_empty() {
        true => serde_json::to_string_pretty(&context.options.shown_options(&spec.options)).unwrap_or_default(),
        false => context.options.shown_options_text(&sent.options),
    };
    let labels = if sent.labels.is_empty() { "{}" } else { &sent.labels };
    let mut files = Map::new();
    let mut put = |name: &str, value: Json| drop(files.insert(name.into(), value));
    put("workflow", json!(source));
    put("workflowUrl", json!(sent.url.as_deref().unwrap_or_default()));
    put("root", json!(sent.root.as_deref().unwrap_or_default()));
    put("inputs", json!(inputs));
    put("options", json!(options));
    put("labels", json!(labels));
    for (name, given) in [("workflowType", &sent.language), ("workflowTypeVersion", &sent.version)] {
        if let Some(given) = given {
            put(name, json!(given));
        }
    }
    let mut imports = match text(sent.imports.as_ref())? {
        Some(imports) => serde_json::from_str(&imports).unwrap_or_default(),
        None => Map::new(),
    };
    // What came from the web meanwhile, beside the document itself.
    for document in spec.documents.iter().skip(1).filter(|document| is_web(&document.id)) {
        imports.insert(document.id.clone(), json!(text(Some(&document.hash))?.unwrap_or_default()));
    }
    if sent.imports.is_some() || !imports.is_empty() {
        put("imports", Json::Object(imports));
    }
    Ok(Json::Object(files))
}

fn events(context: Context<'_>, record: &RunRecord) -> Json {
    let event = |at: Option<i64>, description: &str| {
        at.map(|at| {
            json!({
                "cromwellId": context.options.name,
                "cromwellVersion": VERSION,
                "timestamp": moment(at),
                "description": description,
            })
        })
    };
    let all = [event(record.started_ms, "PickedUp"), event(record.ended_ms.filter(|_| record.started_ms.is_some()), "Finished")];
    Json::Array(all.into_iter().flatten().collect())
}
