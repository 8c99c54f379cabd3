//! Keys of a call.

use std::path::Path;

use batchyard_model::{CallState, RunState};
use batchyard_store::{CallRecord, RunRecord, StoreError};
use batchyard_workflow::{
    blobs,
    documents::{EndDoc, StartDoc},
    layout,
};
use serde_json::{Map, Value as Json, json};

use super::{
    Context, Filter,
    caching::{self, Switches},
    failures,
    told::ToldCall,
};
use crate::{LOCAL, moment};

/// The state of an attempt in the original's words.
pub fn status(run: RunState, call: CallState) -> &'static str {
    match call {
        CallState::Queued => "QueuedInCromwell",
        CallState::Running if run == RunState::Aborting => "Aborting",
        CallState::Running => "Running",
        CallState::Done => "Done",
        CallState::Failed => "Failed",
        CallState::Retried => "RetryableFailure",
        CallState::Aborted => "Aborted",
    }
}

/// A run whose calls are shown.
#[derive(Clone, Copy)]
pub struct OfRun<'r> {
    record: &'r RunRecord,
    switches: Switches,
}

impl<'r> OfRun<'r> {
    /// What the calls of this run have in common.
    pub fn new(context: Context<'_>, record: &'r RunRecord) -> Result<Self, StoreError> {
        Ok(OfRun { record, switches: Switches::of(context, record)? })
    }
}

/// Keys of an attempt without `shardIndex` and `attempt`; what the filter does not want is not worked out.
pub fn keys(context: Context<'_>, run: OfRun<'_>, call: &CallRecord, filter: &Filter) -> Result<Map<String, Json>, StoreError> {
    let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
    let mut end: EndDoc = call.end_doc.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(told) = end.told.take() {
        return ToldCall { run: run.record.state, call, start, end, told }.keys(context.store, filter);
    }
    let mut keys = Map::new();
    let mut put = |name: &str, value: Json| drop(keys.insert(name.into(), value));
    put("executionStatus", json!(status(run.record.state, call.state)));
    let began = Some(start.queued_ms).filter(|at| *at > 0).or(call.started_ms).or(call.ended_ms);
    if let Some(began) = began {
        put("start", moment(began));
    }
    if let Some(ended) = call.ended_ms {
        put("end", moment(ended));
    }
    if filter.wants("inputs") {
        put("inputs", Json::Object(blobs::whole_members(context.store, &start.inputs)?));
    }
    if filter.wants("outputs") && call.state == CallState::Done {
        put("outputs", Json::Object(end.outputs.clone()));
    }
    if let Some(failure) = &end.failure {
        if filter.wants("failures") {
            put("failures", json!([failures::cause(&run.record.name, failure, true)]));
        }
        if start.child.is_none() {
            put("retryableFailure", json!(call.state == CallState::Retried));
        }
    }
    if filter.wants("executionEvents") {
        put("executionEvents", events(call, &start, &end, began));
    }
    if call.id.shard.0.len() > 1 {
        // Ours: the place in nested scatters, outermost first.
        put("shardPath", json!(call.id.shard.0.as_ref()));
    }
    if let Some(child) = &start.child {
        put("subWorkflowId", json!(child));
        return Ok(keys);
    }
    put("backend", json!(start.provider.as_deref().unwrap_or(LOCAL)));
    // What a scheduler has given lies beside the script, too.
    let kept = || start.provider.as_ref().and_then(|_| layout::read_job_id(Path::new(&start.dir)));
    if let Some(job) = end.job_id.clone().or_else(kept) {
        put("jobId", json!(job));
    }
    if call.started_ms.is_some() && !call.cached {
        let backend = match call.state {
            CallState::Queued | CallState::Running => "Running",
            CallState::Done => "Done",
            CallState::Failed | CallState::Retried => "Failed",
            CallState::Aborted => "Aborted",
        };
        put("backendStatus", json!(backend));
    }
    if let Some(code) = call.exit_code {
        put("returnCode", json!(code));
    }
    if filter.wants("runtimeAttributes") && (call.started_ms.is_some() || call.cached) {
        put("runtimeAttributes", Json::Object(attributes(&start)));
    }
    if let Some(image) = &start.image {
        if image.in_container() {
            put("dockerImageUsed", json!(image.exact()));
        }
        if let Some(bytes) = image.bytes {
            put("compressedDockerSize", json!(bytes));
        }
        if !image.in_container() || image.requested != image.used {
            put("imageMapping", json!({ "requested": image.requested, "used": image.used, "mode": image.mode }));
        }
    }
    if call.started_ms.is_some() || call.cached {
        let written = end.reused_dir.as_deref().unwrap_or(&start.dir);
        put("callRoot", json!(start.dir));
        put("stdout", json!(format!("{written}/execution/stdout")));
        put("stderr", json!(format!("{written}/execution/stderr")));
        if filter.wants("commandLine")
            && let Some(command) = layout::read_command(Path::new(written), context.options.command_chars)
        {
            put("commandLine", json!(shortened(&command, context.options.command_chars)));
        }
        if filter.wants("callCaching") {
            put("callCaching", caching::describe(context, run.switches, call, &start, &end)?);
        }
    }
    if let Some(usage) = &end.usage {
        // Ours: what the attempt used.
        put("resourceUsage", json!(usage));
    }
    Ok(keys)
}

/// A text without its middle, of at most so many characters; 0 is without limit.
fn shortened(text: &str, most: usize) -> String {
    const LEFT_OUT: &str = "...";
    let count = text.chars().count();
    if most == 0 || count <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(LEFT_OUT.len());
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{begin}{LEFT_OUT}{end}")
}

/// Runtime attributes as texts, with the defaults that hold where the task is silent.
fn attributes(start: &StartDoc) -> Map<String, Json> {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut attributes: Map<String, Json> = start.runtime.iter().map(|(name, value)| (name.clone(), json!(text(value)))).collect();
    for (name, default) in [("failOnStderr", "false"), ("continueOnReturnCode", "0"), ("maxRetries", "0"), ("cpu", "1")] {
        attributes.entry(name).or_insert_with(|| json!(default));
    }
    attributes
}

/// The phases of an attempt; each ends where the next begins.
fn events(call: &CallRecord, start: &StartDoc, end: &EndDoc, began: Option<i64>) -> Json {
    let Some(began) = began else { return json!([]) };
    let sub_workflow = start.child.is_some();
    let mut marks: Vec<(i64, &str)> = Vec::new();
    if sub_workflow {
        marks.push((began, "SubWorkflowRunningState"));
    } else {
        marks.push((began, "PreparingJob"));
        let prepared = Some(start.prepared_ms).filter(|at| *at > 0);
        if call.cached {
            marks.push((prepared.unwrap_or(began), "CallCacheReading"));
        } else if let Some(started) = call.started_ms {
            if let Some(prepared) = prepared {
                marks.push((prepared, "RequestingExecutionToken"));
            }
            marks.push((started, "RunningJob"));
            if let (Some(usage), Some(ended)) = (&end.usage, call.ended_ms) {
                marks.push((started.saturating_add(usage.wall_ms as i64).min(ended), "UpdatingJobStore"));
            }
        }
    }
    let ends = marks.iter().skip(1).map(|(at, _)| Some(*at)).chain([call.ended_ms]);
    let events = marks.iter().zip(ends).map(|((at, description), until)| {
        let mut event = Map::new();
        event.insert("description".into(), json!(description));
        event.insert("startTime".into(), moment(*at));
        if let Some(until) = until {
            event.insert("endTime".into(), moment(until));
        }
        Json::Object(event)
    });
    Json::Array(events.collect())
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_commands_lose_their_middle() {
        assert_eq!(shortened("echo hello world", 0), "echo hello world");
        assert_eq!(shortened("echo hello world", 16), "echo hello world");
        assert_eq!(shortened("echo hello world", 10), "echo...rld");
        assert_eq!(shortened("äöüäöüäöü", 5), "ä...ü");
        assert_eq!(shortened("abcdef", 1), "...");
    }
}
