//! An attempt of a call as Cromwell tells of it, as a record of ours.

use std::sync::Arc;

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};
use batchyard_store::{CallRecord, ForeignCall, Write};
use batchyard_workflow::{
    blobs,
    documents::{EndDoc, Failure, StartDoc, to_text},
};
use serde_json::{Map, Value as Json, json};

use super::{
    MAX_NAME,
    fold::{Broken, fold, moment},
};
use crate::metadata::{call_status, kept_name};

/// Events of an attempt that stand for the time in which something of it ran.
const RUNNING: [&str; 2] = ["RunningJob", "SubWorkflowRunningState"];

/// The writes that keep an attempt of a run: the record last, before it large values.
///
/// # Errors
/// What keeps it from becoming a record.
pub fn convert(run: RunId, workflow: &str, state: RunState, call: ForeignCall) -> Result<Vec<Write>, Broken> {
    let id = id_of(run, workflow, &call)?;
    let mut keys = fold(call.events)?;
    if let Some(events) = keys.get_mut("executionEvents").and_then(Json::as_array_mut) {
        group(events);
    }
    let mut writes = Vec::new();
    let status = text(&mut keys, "executionStatus").unwrap_or_default();
    let call_state = state_of(&status);
    if call_status(state, call_state) != status && !status.is_empty() {
        keys.insert("executionStatus".into(), json!(status));
    }
    let mut time = |key: &str| text(&mut keys, key).map(|text| moment(key, &text)).transpose();
    let (started, ended_ms) = (time("start")?, time("end")?);
    let running = begin_of(&keys, &RUNNING).map(|text| moment("executionEvents", text)).transpose()?;
    let cached = call_state == CallState::Done && keys.get("callCaching").and_then(|caching| caching.get("hit")) == Some(&Json::Bool(true));
    let exit_code = exit_code(&mut keys);
    let start = start(&mut keys, started, &mut writes)?;
    let end = end(keys, &mut writes);
    let task = id.call.rsplit('.').next().unwrap_or_default().to_owned();
    writes.push(Write::StartCall(CallRecord {
        id,
        task,
        state: call_state,
        started_ms: if cached { None } else { running.or(started) },
        ended_ms,
        exit_code,
        cached,
        cache_key: None,
        reusable: false,
        start_doc: to_text(&start),
        end_doc: Some(to_text(&end)),
    }));
    Ok(writes)
}

fn state_of(status: &str) -> CallState {
    match status {
        "Done" | "Bypassed" => CallState::Done,
        "Failed" => CallState::Failed,
        "RetryableFailure" => CallState::Retried,
        // Whatever it was about to do, its workflow has ended without it.
        _ => CallState::Aborted,
    }
}

/// Takes the exit status out; one that no record holds stays.
fn exit_code(keys: &mut Map<String, Json>) -> Option<i32> {
    let code = keys.get("returnCode").and_then(Json::as_i64).and_then(|code| i32::try_from(code).ok());
    if code.is_some() {
        keys.shift_remove("returnCode");
    }
    code
}

fn start(keys: &mut Map<String, Json>, started: Option<i64>, writes: &mut Vec<Write>) -> Result<StartDoc, Broken> {
    let start = StartDoc {
        inputs: kept_members(members(keys, "inputs"), writes),
        runtime: members(keys, "runtimeAttributes"),
        dir: text(keys, "callRoot").unwrap_or_default(),
        queued_ms: started.unwrap_or_default(),
        provider: text(keys, "backend"),
        child: text(keys, "subWorkflowId"),
        ..StartDoc::default()
    };
    if let Some(child) = &start.child {
        child.parse::<RunId>().map_err(|_| Broken::Id { key: "subWorkflowId".into(), text: child.clone() })?;
    }
    Ok(start)
}

/// All that is left is told as it is.
fn end(mut keys: Map<String, Json>, writes: &mut Vec<Write>) -> EndDoc {
    if let Some(reuse) = keys.get_mut("callCaching").and_then(|caching| caching.get_mut("allowResultReuse")) {
        // No call of ours can take it.
        *reuse = Json::Bool(false);
    }
    EndDoc {
        outputs: members(&mut keys, "outputs"),
        job_id: text(&mut keys, "jobId"),
        failure: failures(&keys).into_iter().next(),
        reused: keys.get("callCaching").and_then(|caching| caching.get("result")?.as_str()).and_then(reused),
        told: Some(kept_members(keys, writes)),
        ..EndDoc::default()
    }
}

fn id_of(run: RunId, workflow: &str, call: &ForeignCall) -> Result<CallId, Broken> {
    let name = kept_name(workflow, &call.name);
    if name.chars().count() > MAX_NAME {
        return Err(Broken::Name(call.name.clone()));
    }
    let wrong = || Broken::Place { name: call.name.clone(), index: call.index.unwrap_or(-1), attempt: call.attempt };
    let shard = match call.index {
        None | Some(-1) => Shard::default(),
        Some(index) => Shard::from(vec![u32::try_from(index).map_err(|_| wrong())?]),
    };
    // What our tables hold, too.
    let attempt = i32::try_from(call.attempt).ok().and_then(|attempt| u32::try_from(attempt).ok()).ok_or_else(wrong)?;
    Ok(CallId { run, call: Arc::from(name), shard, attempt })
}

/// Takes a text out.
pub fn text(keys: &mut Map<String, Json>, key: &str) -> Option<String> {
    match keys.shift_remove(key) {
        Some(Json::String(text)) => Some(text),
        Some(other) => {
            keys.insert(key.to_owned(), other);
            None
        }
        None => None,
    }
}

/// Takes the members of an object out. One without any stays: that there are none is told as well.
pub fn members(keys: &mut Map<String, Json>, key: &str) -> Map<String, Json> {
    match keys.shift_remove(key) {
        Some(Json::Object(members)) if !members.is_empty() => members,
        Some(other) => {
            keys.insert(key.to_owned(), other);
            Map::new()
        }
        None => Map::new(),
    }
}

/// Members as rows keep them; large ones become texts of their own.
pub fn kept_members(members: Map<String, Json>, writes: &mut Vec<Write>) -> Map<String, Json> {
    members.into_iter().map(|(name, value)| (name, blobs::kept(value, writes))).collect()
}

/// Makes one of the events that belong to a group, as the original shows them: named as the group, from the first of them to the end
/// of the last.
fn group(events: &mut Vec<Json>) {
    let mut names: Vec<String> = events.iter().filter_map(|event| event["grouping"].as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (own, others): (Vec<Json>, Vec<Json>) = events.drain(..).partition(|event| event["grouping"] == *name);
        let begun = |event: &&Json| event["startTime"].as_str().unwrap_or_default().to_owned();
        let (first, last) = (own.iter().min_by_key(begun), own.iter().max_by_key(begun));
        *events = others;
        if let (Some(first), Some(last)) = (first, last) {
            let mut whole = json!({ "description": name, "startTime": first["startTime"] });
            if let Some(end) = last.get("endTime") {
                whole["endTime"] = end.clone();
            }
            events.push(whole);
        }
    }
}

/// When the first event of one of these names began.
fn begin_of<'k>(keys: &'k Map<String, Json>, names: &[&str]) -> Option<&'k str> {
    let events = keys.get("executionEvents")?.as_array()?;
    let named = events.iter().filter(|event| event["description"].as_str().is_some_and(|name| names.contains(&name)));
    named.filter_map(|event| event["startTime"].as_str()).min()
}

/// What went wrong, for people: the causes of what only says that something did, each in one text.
pub fn failures(keys: &Map<String, Json>) -> Vec<Failure> {
    let of = |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for failure in of(keys.get("failures")) {
        let causes = of(failure.get("causedBy"));
        let told = if causes.is_empty() { vec![failure] } else { causes };
        found.extend(told.iter().map(|cause| Failure::new(chain(cause))));
    }
    found
}

/// A message and those of its first causes.
fn chain(failure: &Json) -> String {
    let (mut text, mut at) = (String::new(), Some(failure));
    while let Some(failure) = at {
        let message = failure["message"].as_str().unwrap_or_default();
        if !message.is_empty() && !text.ends_with(message) {
            text += if text.is_empty() { "" } else { ": " };
            text += message;
        }
        at = failure["causedBy"].get(0);
    }
    text
}

/// The call whose result was taken, in our words: `Cache Hit: <id>:<workflow>.<call>:<index>`.
fn reused(result: &str) -> Option<String> {
    let mut parts = result.strip_prefix("Cache Hit: ")?.splitn(3, ':');
    let (run, name, index) = (parts.next()?, parts.next()?, parts.next()?);
    let name = name.rsplit('.').next().unwrap_or(name);
    let index = if index == "-1" { String::new() } else { format!("[{index}]") };
    Some(format!("{name}{index} of run {run}"))
}

#[cfg(test)]
mod tests {
    use batchyard_store::ForeignEvent;

    use super::*;

    fn call(name: &str, index: Option<i64>, attempt: i64, events: &[(&str, &str)]) -> ForeignCall {
        let event = |(key, text): &(&str, &str)| ForeignEvent { key: (*key).into(), value: Some(("string".into(), (*text).into())) };
        ForeignCall { name: name.into(), index, attempt, events: events.iter().map(event).collect() }
    }

    fn record(call: ForeignCall) -> Result<CallRecord, Broken> {
        let mut writes = convert(RunId::random(), "w", RunState::Failed, call)?;
        let Some(Write::StartCall(record)) = writes.pop() else { panic!("the record comes last") };
        Ok(record)
    }

    #[test]
    fn states_and_places() {
        let of = |status: &str| record(call("w.t", Some(3), 2, &[("executionStatus", status)])).unwrap();
        assert_eq!((of("Done").state, of("Starting").state, of("Bypassed").state), (CallState::Done, CallState::Aborted, CallState::Done));
        let told = |status: &str| serde_json::from_str::<EndDoc>(of(status).end_doc.as_deref().unwrap()).unwrap().told.unwrap();
        assert_eq!((told("Done"), told("Starting")["executionStatus"].as_str()), (Map::new(), Some("Starting")));
        assert_eq!(of("Done").id.to_string(), "t[3]#2");
        assert!(!of("Done").reusable && of("Done").cache_key.is_none(), "no call of ours may take its result");
        assert_eq!(&*record(call("ScatterAt3_4", None, 1, &[])).unwrap().id.call, ".ScatterAt3_4");
    }

    #[test]
    fn what_no_record_holds_is_told() {
        let told = |call: ForeignCall| record(call).unwrap_err().to_string();
        assert!(told(call(&format!("w.{}", "x".repeat(192)), None, 1, &[])).contains("longer than 191"));
        assert!(told(call("w.t", Some(-2), 1, &[])).contains("the index -2"));
        assert!(told(call("w.t", None, -1, &[])).contains("the attempt -1"));
        assert!(told(call("w.t", None, 1, &[("subWorkflowId", "x")])).contains("no id of a workflow"));
        assert!(told(call("w.t", None, 1, &[("end", "x")])).contains("no moment"));
    }

    #[test]
    fn large_values_are_kept_apart() {
        let long = "x".repeat(20_000);
        let writes =
            convert(RunId::random(), "w", RunState::Failed, call("w.t", None, 1, &[("inputs:a", &long), ("commandLine", &long)])).unwrap();
        assert_eq!(writes.iter().filter(|write| matches!(write, Write::PutBlob { .. })).count(), 2);
        let Some(Write::StartCall(record)) = writes.last() else { panic!("the record comes last") };
        assert!(record.start_doc.len() + record.end_doc.as_ref().unwrap().len() < 1000);
    }

    #[test]
    fn events_of_a_group_are_one() {
        let event = |name: &str, from: &str, until: &str| json!({"description": name, "startTime": from, "endTime": until});
        let mut events = vec![event("b", "2", "3"), event("Pending", "0", "1"), event("a", "1", "2")];
        events[0]["grouping"] = json!("Running");
        events[2]["grouping"] = json!("Running");
        group(&mut events);
        assert_eq!(events, [event("Pending", "0", "1"), event("Running", "1", "3")]);
    }

    #[test]
    fn failures_are_told_with_their_causes() {
        let leaf = |text: &str| json!({"message": text, "causedBy": []});
        let tree = json!([{"message": "Workflow failed", "causedBy": [leaf("a"), {"message": "b", "causedBy": [leaf("c")]}]}, leaf("d")]);
        let keys = Map::from_iter([("failures".to_owned(), tree)]);
        assert_eq!(failures(&keys).into_iter().map(|failure| failure.message).collect::<Vec<_>>(), ["a", "b: c", "d"]);
        assert_eq!(reused("Cache Hit: 11:w.t:3").as_deref(), Some("t[3] of run 11"));
        assert_eq!((reused("Cache Hit: 11:w.t:-1").as_deref(), reused("Cache Miss")), (Some("t of run 11"), None));
    }
}
