//! Metadata: the JSON that the original builds from an event log, computed from the rows of runs and calls.
//!
//! [`write`] streams it: run keys first, then the calls in pages, so that the size of a run does not matter.
//! [`run`] makes the keys of a run, [`call`] those of a call, [`caching`] the hashes of a call.

pub mod caching;
mod call;
mod failures;
mod filter;
mod order;
mod run;
mod told;

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
};

use batchyard_model::{CallId, CallState, RunId, RunState};
use batchyard_store::{CallRecord, CallSummary, RunRecord, Store, StoreError};
use batchyard_workflow::engine::Live;
use serde_json::{Map, Value as Json, json};

use self::{call::OfRun, order::Line};
pub use self::{
    call::status as call_status,
    failures::of_run as failures_of_run,
    filter::Filter,
    order::Numbering,
    run::{OWN_LABELS, labels as run_labels},
    told::{full_name, is_called, is_meant, kept_name, shown_name},
};
use crate::{moment, service::Options};

/// How deep sub-workflows are expanded.
const MAX_DEPTH: usize = 50;
/// Calls that are explained at once: each is compared with many others.
const EXPLAINED: usize = 100;
/// Calls whose documents are in memory at once.
const PAGE: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Keys to show.
    pub filter: Filter,
    /// Whether sub-workflows are shown inside their calls.
    pub expand: bool,
    /// What the engine knows of calls of the family that nothing is stored of yet.
    pub live: Live,
}

/// Why metadata cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is no such run.
    #[error("Unrecognized workflow ID: {0}")]
    Unknown(RunId),
    /// The store does not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Who reads it has gone away.
    #[error("{0}")]
    Reader(#[from] io::Error),
}

/// What views are made from.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The state.
    pub store: &'c Store,
    /// How the server runs workflows.
    pub options: &'c Options,
}

impl Context<'_> {
    /// The run, or that there is none.
    ///
    /// # Errors
    /// There is no such run, or the store does not answer.
    pub fn load(&self, id: RunId) -> Result<RunRecord, MetadataError> {
        self.store.load_run(id)?.ok_or(MetadataError::Unknown(id))
    }
}

/// Writes the metadata of a run.
///
/// # Errors
/// There is no such run, the store does not answer, or `out` does not take it.
pub fn write(context: Context<'_>, id: RunId, query: &Query, out: &mut dyn Write) -> Result<(), MetadataError> {
    let record = context.load(id)?;
    write_run(context, &record, query, out, 0)
}

fn write_run(context: Context<'_>, record: &RunRecord, query: &Query, out: &mut dyn Write, depth: usize) -> Result<(), MetadataError> {
    let mut keys = run::keys(context, record)?;
    query.filter.apply(&mut keys, &["id"]);
    out.write_all(b"{")?;
    for (n, (name, value)) in keys.iter().enumerate() {
        out.write_all(if n > 0 { b",\n" } else { b"" })?;
        member(out, name, value)?;
    }
    if !query.filter.drops("calls") {
        // The id is always there, so something stands before.
        out.write_all(b",\n\"calls\":{")?;
        write_calls(context, record, query, out, depth)?;
        out.write_all(b"}")?;
    }
    out.write_all(b"}")?;
    Ok(())
}

fn member(out: &mut dyn Write, name: &str, value: &Json) -> io::Result<()> {
    serde_json::to_writer(&mut *out, name)?;
    out.write_all(b":")?;
    Ok(serde_json::to_writer(&mut *out, value)?)
}

fn write_calls(context: Context<'_>, record: &RunRecord, query: &Query, out: &mut dyn Write, depth: usize) -> Result<(), MetadataError> {
    let of_run = OfRun::new(context, record)?;
    let mut calls = context.store.list_call_summaries(record.id)?;
    let stored: HashSet<CallId> = calls.iter().map(|call| call.id.clone()).collect();
    let waiting: HashMap<&CallId, i64> =
        query.live.waiting.iter().filter(|(id, _)| id.run == record.id && !stored.contains(id)).map(|(id, since)| (id, *since)).collect();
    calls.extend(waiting.keys().map(|id| waiting_call(id)));
    let lines = order::lines(calls);
    let mut begun: Option<&str> = None;
    for group in order::groups(&lines, PAGE) {
        let Some(first) = group.first() else { continue };
        let shards: Vec<_> = group.iter().map(|line| line.call.id.shard.clone()).collect();
        let mut loaded: Vec<CallRecord> = context.store.load_shards(record.id, &first.call.id.call, &shards)?;
        for line in group {
            let keys = match (loaded.iter().position(|call| call.id == line.call.id), waiting.get(&line.call.id)) {
                (Some(at), _) => {
                    let call = loaded.swap_remove(at);
                    shown(context, of_run, &call, line, query)?
                }
                (None, Some(since)) => queued(*since, line, &query.filter),
                (None, None) => None,
            };
            let Some(mut keys) = keys else { continue };
            let child = if query.expand && depth < MAX_DEPTH { keys.shift_remove("subWorkflowId") } else { None };
            let name = &*line.call.id.call;
            if begun != Some(name) {
                out.write_all(if begun.is_some() { b"],\n" } else { b"" })?;
                serde_json::to_writer(&mut *out, &full_name(&record.name, name)).map_err(io::Error::from)?;
                out.write_all(b":[")?;
                begun = Some(name);
            } else {
                out.write_all(b",\n")?;
            }
            match child.as_ref().and_then(Json::as_str).and_then(|id| id.parse().ok()) {
                Some(id) => write_expanded(context, &keys, id, query, out, depth)?,
                None => serde_json::to_writer(&mut *out, &restored(keys, child)).map_err(io::Error::from)?,
            }
        }
    }
    if begun.is_some() {
        out.write_all(b"]")?;
    }
    Ok(())
}

/// The id that was taken out to see whether it is to be expanded.
fn restored(mut keys: Map<String, Json>, child: Option<Json>) -> Map<String, Json> {
    if let Some(child) = child {
        keys.insert("subWorkflowId".into(), child);
    }
    keys
}

fn write_expanded(
    context: Context<'_>,
    keys: &Map<String, Json>,
    child: RunId,
    query: &Query,
    out: &mut dyn Write,
    depth: usize,
) -> Result<(), MetadataError> {
    out.write_all(b"{")?;
    for (name, value) in keys {
        member(out, name, value)?;
        out.write_all(b",")?;
    }
    match context.store.load_run(child)? {
        Some(record) => {
            out.write_all(b"\"subWorkflowMetadata\":")?;
            write_run(context, &record, query, out, depth + 1)?;
        }
        None => member(out, "subWorkflowId", &json!(child.to_string()))?,
    }
    out.write_all(b"}")?;
    Ok(())
}

/// A call that waits, as a row would tell of it.
fn waiting_call(id: &CallId) -> CallSummary {
    let task = id.call.to_string();
    CallSummary { id: id.clone(), task, state: CallState::Queued, started_ms: None, ended_ms: None, exit_code: None, cached: false }
}

/// The keys of a call that waits; `None` when nothing of it is asked for.
fn queued(since_ms: i64, line: &Line, filter: &Filter) -> Option<Map<String, Json>> {
    let mut keys = Map::new();
    keys.insert("executionStatus".into(), json!(call::status(RunState::Running, CallState::Queued)));
    keys.insert("start".into(), moment(since_ms));
    filter.apply(&mut keys, &[]);
    if keys.is_empty() && !filter.is_empty() {
        return None;
    }
    keys.insert("shardIndex".into(), json!(line.shard));
    keys.insert("attempt".into(), json!(line.call.id.attempt));
    Some(keys)
}

/// The keys of a call as asked for; `None` when nothing of it is.
fn shown(
    context: Context<'_>,
    run: OfRun<'_>,
    call: &CallRecord,
    line: &Line,
    query: &Query,
) -> Result<Option<Map<String, Json>>, MetadataError> {
    let mut keys = call::keys(context, run, call, &query.filter)?;
    if let Some(job) = query.live.jobs.get(&call.id) {
        keys.entry("jobId").or_insert_with(|| json!(job));
    }
    let child = keys.get("subWorkflowId").cloned();
    query.filter.apply(&mut keys, &[]);
    if query.expand && !query.filter.drops("subWorkflowMetadata") {
        // Its own keys are filtered where it is written.
        keys = restored(keys, child);
    }
    if keys.is_empty() && !query.filter.is_empty() {
        return Ok(None);
    }
    keys.insert("shardIndex".into(), json!(line.shard));
    keys.insert("attempt".into(), json!(call.id.attempt));
    Ok(Some(keys))
}

/// The metadata of the calls that failed in a run and its sub-workflows, by the id of their run.
///
/// # Errors
/// There is no such run, or the store does not answer.
pub fn failed_jobs(context: Context<'_>, id: RunId) -> Result<Json, MetadataError> {
    context.load(id)?;
    let mut found = Map::new();
    for member in batchyard_workflow::owner::family(context.store, id)? {
        let record = context.load(member)?;
        let of_run = OfRun::new(context, &record)?;
        let mut calls: Map<String, Json> = Map::new();
        for line in order::lines(context.store.list_call_summaries(member)?) {
            if line.call.state != CallState::Failed {
                continue;
            }
            let Some(call) = context.store.load_call(&line.call.id)? else { continue };
            let mut keys = call::keys(context, of_run, &call, &Filter::default())?;
            if keys.contains_key("subWorkflowId") {
                continue;
            }
            keys.insert("shardIndex".into(), json!(line.shard));
            keys.insert("attempt".into(), json!(call.id.attempt));
            let list = calls.entry(full_name(&record.name, &call.id.call)).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(items) = list {
                items.push(Json::Object(keys));
            }
        }
        if !calls.is_empty() || member == id {
            found.insert(member.to_string(), json!({ "calls": calls, "id": member.to_string() }));
        }
    }
    Ok(Json::Object(found))
}

/// Paths of what the calls of a run wrote, by call: the `logs` answer.
///
/// # Errors
/// There is no such run, or the store does not answer.
pub fn logs(context: Context<'_>, id: RunId) -> Result<Json, MetadataError> {
    let record = context.load(id)?;
    let of_run = OfRun::new(context, &record)?;
    let filter = Filter { include: ["stdout", "stderr", "backendLogs"].map(str::to_owned).into(), exclude: Vec::new() };
    let mut calls: Map<String, Json> = Map::new();
    let lines = order::lines(context.store.list_call_summaries(id)?);
    for group in order::groups(&lines, PAGE) {
        let Some(first) = group.first() else { continue };
        let shards: Vec<_> = group.iter().map(|line| line.call.id.shard.clone()).collect();
        let loaded = context.store.load_shards(id, &first.call.id.call, &shards)?;
        for line in group {
            let Some(call) = loaded.iter().find(|call| call.id == line.call.id) else { continue };
            let mut keys = call::keys(context, of_run, call, &filter)?;
            filter.apply(&mut keys, &[]);
            if keys.is_empty() {
                continue;
            }
            keys.insert("attempt".into(), json!(call.id.attempt));
            keys.insert("shardIndex".into(), json!(line.shard));
            let list = calls.entry(full_name(&record.name, &call.id.call)).or_insert_with(|| Json::Array(Vec::new()));
            if let Json::Array(items) = list {
                items.push(Json::Object(keys));
            }
        }
    }
    let mut answer = Map::new();
    if !calls.is_empty() {
        answer.insert("calls".into(), Json::Object(calls));
    }
    answer.insert("id".into(), json!(id.to_string()));
    Ok(Json::Object(answer))
}

/// The calls of a run and its sub-workflows that have this name and this number in their scatter, all when neither is given.
///
/// # Errors
/// What kept the store from answering.
pub fn named_calls(context: Context<'_>, id: RunId, call: Option<&str>, index: Option<i64>) -> Result<HashSet<CallId>, StoreError> {
    let mut named = HashSet::new();
    for member in batchyard_workflow::owner::family(context.store, id)? {
        let workflow = call.map(|_| context.store.load_run(member)).transpose()?.flatten().map(|record| record.name).unwrap_or_default();
        let lines = order::lines(context.store.list_call_summaries(member)?);
        named.extend(lines.into_iter().filter(|line| line.is_named(&workflow, call, index)).map(|line| line.call.id));
    }
    Ok(named)
}

/// What kept calls of a run from taking earlier results: at most [`EXPLAINED`] of them, those that were run.
///
/// # Errors
/// There is no such run, or the store does not answer.
pub fn why(context: Context<'_>, id: RunId, call: Option<&str>, index: Option<i64>) -> Result<Json, MetadataError> {
    let record = context.load(id)?;
    let mut answers = Vec::new();
    for line in order::lines(context.store.list_call_summaries(id)?) {
        if !line.is_named(&record.name, call, index) || (line.call.cached && call.is_none()) {
            continue;
        }
        if answers.len() >= EXPLAINED {
            break;
        }
        let Some(loaded) = context.store.load_call(&line.call.id)? else { continue };
        let answer = batchyard_workflow::why::explain(context.store, record.created_ms, &loaded)?;
        answers.push(answer.to_json(&full_name(&record.name, &line.call.id.to_string())));
    }
    Ok(json!({ "id": id.to_string(), "calls": answers }))
}

/// The outputs of a run, empty until it has succeeded; those of another program's as it told of them.
///
/// # Errors
/// There is no such run, or the store does not answer.
pub fn outputs(context: Context<'_>, id: RunId) -> Result<Json, MetadataError> {
    let record = context.load(id)?;
    let outputs = run::outputs(&record, &mut run::result(&record));
    Ok(json!({ "outputs": outputs, "id": id.to_string() }))
}
