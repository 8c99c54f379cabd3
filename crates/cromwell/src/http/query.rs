//! Searching for workflows.

use std::{io::Write, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{IntoResponse, Response},
};
use batchyard_model::{RunId, RunState};
use batchyard_store::{Parentage, RunFilter, RunSummary, Store};
use serde_json::{Map, Value as Json, json};

use super::{Problem, blocking, body::written, extract::Content};
use crate::{metadata::MetadataError, moment, service::Service};

/// Runs read at once; not more of them are one whole answer, of more it is sent while they are read.
const PAGE: u32 = 500;

/// `GET query`
pub async fn by_parameters(State(service): State<Arc<Service>>, RawQuery(text): RawQuery) -> Result<Response, Problem> {
    let text = text.unwrap_or_default();
    let pairs = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()));
    answer(service, pairs.collect()).await
}

/// `POST query`
pub async fn by_body(State(service): State<Arc<Service>>, Content(body): Content) -> Result<Response, Problem> {
    let wrong = |problem: String| Problem::fail(format!("the query must be a JSON list of objects with one text each: {problem}"));
    let items: Vec<Map<String, Json>> = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    let mut pairs = Vec::new();
    for (name, value) in items.into_iter().flatten() {
        let text = match value {
            Json::String(text) => text,
            Json::Bool(_) | Json::Number(_) => value.to_string(),
            _ => return Err(wrong(format!("the value of `{name}` is none"))),
        };
        pairs.push((name, text));
    }
    answer(service, pairs).await
}

async fn answer(service: Arc<Service>, pairs: Vec<(String, String)>) -> Result<Response, Problem> {
    let filter = read(&pairs).map_err(|problems| Problem::fail(problems.join("\n")))?;
    let (whole, asked) = (Arc::clone(&service), filter.clone());
    let answer = blocking(move || {
        let total = whole.store().count_runs(&asked)?;
        if asked.limit.min(u32::try_from(total).unwrap_or(u32::MAX)) > PAGE {
            return Ok::<_, MetadataError>((total, None));
        }
        let mut out = Vec::new();
        write(whole.store(), asked, total, &mut out)?;
        Ok((total, Some(out)))
    });
    match answer.await?? {
        (_, Some(whole)) => Ok(([(header::CONTENT_TYPE, "application/json")], whole).into_response()),
        (total, None) => Ok(written(move |out| write(service.store(), filter, total, out)).await),
    }
}

fn write(store: &Store, mut filter: RunFilter, total: u64, out: &mut dyn Write) -> Result<(), MetadataError> {
    let mut left = if total == 0 { 0 } else { filter.limit };
    out.write_all(b"{\"results\":[")?;
    let mut first = true;
    while left > 0 {
        filter.limit = left.min(PAGE);
        let runs = store.list_runs(&filter)?;
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        let labels = store.list_labels(&ids)?;
        for run in &runs {
            if !first {
                out.write_all(b",")?;
            }
            first = false;
            let labels = labels.get(&run.id).map_or(&[] as &[_], Vec::as_slice);
            serde_json::to_writer(&mut *out, &result(run, labels)).map_err(std::io::Error::from)?;
        }
        let count = u32::try_from(runs.len()).unwrap_or(u32::MAX);
        if count < filter.limit {
            break;
        }
        left -= count;
        filter.offset = 0;
        filter.after = runs.last().map(|run| (run.created_ms, run.id));
    }
    write!(out, "],\"totalResultsCount\":{total}}}")?;
    Ok(())
}

fn result(run: &RunSummary, labels: &[(String, String)]) -> Json {
    let mut keys = Map::new();
    let mut put = |name: &str, value: Json| drop(keys.insert(name.into(), value));
    put("id", json!(run.id.to_string()));
    if !run.name.is_empty() {
        put("name", json!(run.name));
    }
    put("status", json!(run.state.name()));
    put("submission", moment(run.created_ms));
    if let Some(start) = run.started_ms {
        put("start", moment(start));
    }
    if let Some(end) = run.ended_ms {
        put("end", moment(end));
    }
    if let Some(parent) = run.parent {
        put("parentWorkflowId", json!(parent.to_string()));
        put("rootWorkflowId", json!(run.root.unwrap_or(parent).to_string()));
    }
    if !labels.is_empty() {
        let labels: Map<String, Json> = labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        put("labels", Json::Object(labels));
    }
    put("metadataArchiveStatus", json!("Unarchived"));
    Json::Object(keys)
}

/// The parameters of a query as a filter, or everything that is wrong with them.
pub fn read(pairs: &[(String, String)]) -> Result<RunFilter, Vec<String>> {
    let mut reading = Reading::default();
    for (name, value) in pairs {
        reading.pair(name, value);
    }
    reading.finish()
}

#[derive(Default)]
struct Reading {
    filter: RunFilter,
    problems: Vec<String>,
    unknown: Vec<String>,
    page: Option<u64>,
    page_size: Option<u64>,
    /// Keys that may be given once and were.
    once: Vec<String>,
    /// Whether only runs that were archived are asked for: there are none.
    nothing: bool,
}

impl Reading {
    fn pair(&mut self, name: &str, value: &str) {
        let key = name.to_ascii_lowercase();
        let single = ["submission", "start", "end", "page", "pagesize", "includesubworkflows", "newestfirst"];
        if single.contains(&key.as_str()) {
            if self.once.contains(&key) {
                self.problems.push(format!("Found more than one value for '{name}': give one"));
                return;
            }
            self.once.push(key.clone());
        }
        match key.as_str() {
            "id" => match value.parse() {
                Ok(id) => self.filter.ids.push(id),
                Err(_) => self.problems.push(format!("Invalid workflow ID: '{value}'.")),
            },
            "name" if is_name(value) => self.filter.names.push(value.to_owned()),
            "name" => self.problems.push(format!("Name values do not match allowed workflow naming pattern: {value}")),
            "status" => match value.parse::<RunState>() {
                Ok(state) => self.filter.states.push(state),
                Err(_) => {
                    let known: Vec<&str> = RunState::ALL.iter().map(|state| state.name()).collect();
                    self.problems.push(format!("Unrecognized status values: {value} (known: {})", known.join(", ")));
                }
            },
            "label" => self.label(name, value, |filter| &mut filter.labels_all),
            "labelor" => self.label(name, value, |filter| &mut filter.labels_any),
            "excludelabeland" => self.label(name, value, |filter| &mut filter.without_all),
            "excludelabelor" => self.label(name, value, |filter| &mut filter.without_any),
            "submission" => self.filter.created_from_ms = self.moment(name, value),
            "start" => self.filter.started_from_ms = self.moment(name, value),
            "end" => self.filter.ended_until_ms = self.moment(name, value),
            "page" => self.page = self.count(name, value),
            "pagesize" => self.page_size = self.count(name, value),
            "includesubworkflows" => {
                if let Some(include) = self.flag(name, value) {
                    self.filter.parent = if include { Parentage::Any } else { Parentage::TopLevelOnly };
                }
            }
            "newestfirst" => self.filter.oldest_first = self.flag(name, value) == Some(false),
            "additionalqueryresultfields" => {
                if !["labels", "parentworkflowid"].contains(&value.to_ascii_lowercase().as_str()) {
                    self.problems.push(format!("Unrecognized values for '{name}': {value} (known: labels, parentWorkflowId)"));
                }
            }
            "metadataarchivestatus" => match value {
                "Unarchived" => {}
                "Archived" | "ArchivedAndDeleted" | "ArchiveFailed" => self.nothing = true,
                _ => self.problems.push(format!("Unrecognized values for '{name}': {value}")),
            },
            _ => self.unknown.push(name.to_owned()),
        }
    }

    fn label(&mut self, key: &str, value: &str, list: impl FnOnce(&mut RunFilter) -> &mut Vec<(String, String)>) {
        match value.split_once(':') {
            Some((name, value)) if !name.is_empty() => list(&mut self.filter).push((name.to_owned(), value.to_owned())),
            _ => self.problems.push(format!("Label values for '{key}' must look like `name:value`, not `{value}`")),
        }
    }

    fn moment(&mut self, key: &str, value: &str) -> Option<i64> {
        // A plus sign in a URL arrives as a blank.
        let parsed = value.trim().replace(' ', "+").parse::<jiff::Timestamp>();
        if parsed.is_err() {
            self.problems
                .push(format!("Unable to parse '{key}' from '{value}': give ISO 8601 with an offset, such as 2026-02-05T12:00:00.000Z"));
        }
        parsed.ok().map(jiff::Timestamp::as_millisecond)
    }

    fn count(&mut self, key: &str, value: &str) -> Option<u64> {
        let count = value.trim().parse::<u64>().ok().filter(|count| (1..=1 << 40).contains(count));
        if count.is_none() {
            self.problems.push(format!("Value for '{key}' must be a whole number from 1, not '{value}'"));
        }
        count
    }

    fn flag(&mut self, key: &str, value: &str) -> Option<bool> {
        let flag = value.trim().to_ascii_lowercase().parse().ok();
        if flag.is_none() {
            self.problems.push(format!("Value for '{key}' must be true or false, not '{value}'"));
        }
        flag
    }

    fn finish(mut self) -> Result<RunFilter, Vec<String>> {
        if !self.once.iter().any(|key| key == "includesubworkflows") {
            self.filter.parent = Parentage::Any;
        }
        if !self.unknown.is_empty() {
            self.problems.push(format!("Unrecognized query keys: {}", self.unknown.join(", ")));
        }
        let RunFilter { created_from_ms, started_from_ms, ended_until_ms, .. } = self.filter;
        if started_from_ms.zip(ended_until_ms).is_some_and(|(start, end)| start > end) {
            self.problems.push("Specified start date is after specified end date".into());
        }
        if created_from_ms.zip(started_from_ms).is_some_and(|(submission, start)| submission > start) {
            self.problems.push("Specified submission date is after specified start date".into());
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        // A page without a size is everything.
        self.filter.limit = u32::MAX;
        if let Some(size) = self.page_size {
            self.filter.limit = u32::try_from(size).unwrap_or(u32::MAX);
            self.filter.offset = (self.page.unwrap_or(1) - 1).saturating_mul(size);
        }
        if self.nothing {
            self.filter.ids = vec![RunId::random()];
        }
        Ok(self.filter)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<RunFilter, Vec<String>> {
        read(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn pages() {
        let filter = of(&[("page", "3"), ("PAGESIZE", "20")]).unwrap();
        assert_eq!((filter.offset, filter.limit), (40, 20));
        assert_eq!(of(&[("pageSize", "7")]).unwrap().limit, 7);
        assert_eq!(of(&[("page", "7")]).unwrap().offset, 0);
        assert!(of(&[("page", "0")]).is_err());
        assert!(of(&[("page", "1"), ("page", "2")]).unwrap_err()[0].contains("more than one"));
    }

    #[test]
    fn everything_wrong_is_told() {
        let problems = of(&[("Nonsense", "1"), ("name", "a b"), ("status", "Happy"), ("start", "yesterday"), ("label", "x")]).unwrap_err();
        assert_eq!(problems.len(), 5);
        assert!(problems[4].contains("Nonsense"));
        let order = of(&[("start", "2026-02-05T12:00:00Z"), ("end", "2026-02-05T12:00:00+01:00")]).unwrap_err();
        assert!(order[0].contains("after specified end date"));
    }

    #[test]
    fn sub_workflows_are_included_unless_told_otherwise() {
        assert_eq!(of(&[]).unwrap().parent, Parentage::Any);
        assert_eq!(of(&[("includeSubworkflows", "False")]).unwrap().parent, Parentage::TopLevelOnly);
        assert!(of(&[("newestFirst", "false")]).unwrap().oldest_first);
        assert_eq!(of(&[("start", "2026-02-05T12:00:00.000 01:00")]).unwrap().started_from_ms, Some(1_770_289_200_000));
    }
}
