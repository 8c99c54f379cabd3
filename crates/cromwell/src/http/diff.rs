//! `callcaching/diff`: what makes two calls different for the call cache.

use std::sync::Arc;

use axum::{
    Json as Body,
    extract::{RawQuery, State},
};
use batchyard_model::RunId;
use batchyard_store::{CallRecord, RunRecord, StoreError};
use batchyard_workflow::{
    blobs,
    documents::{EndDoc, StartDoc},
};
use serde_json::{Map, Value as Json, json};

use super::{Problem, blocking};
use crate::{
    metadata::{
        Context, Numbering,
        caching::{flat_hashes, told_hashes},
        call_status, full_name, is_meant,
    },
    service::Service,
};

/// One of the two calls as it is asked for.
struct Asked {
    side: &'static str,
    run: RunId,
    call: String,
    index: Option<i64>,
}

/// `GET callcaching/diff`
pub async fn diff(State(service): State<Arc<Service>>, RawQuery(text): RawQuery) -> Result<Body<Json>, Problem> {
    let (a, b) = read(text.as_deref().unwrap_or_default())
        .map_err(|problems| Problem::fail("Wrong parameters for call cache diff query").as_error().errors(problems))?;
    let answer = blocking(move || {
        let context = Context { store: service.store(), options: service.options() };
        let (a, b) = (find(context, &a), find(context, &b));
        match (a, b) {
            (Ok(a), Ok(b)) => Ok(compare(&a, &b)),
            (a, b) => {
                let problems = [a.err(), b.err()].into_iter().flatten().collect();
                Err(Problem::error("Failed to calculate diff for call A and call B").errors(problems))
            }
        }
    });
    Ok(Body(answer.await??))
}

fn read(text: &str) -> Result<(Asked, Asked), Vec<String>> {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let mut problems = Vec::new();
    let mut side = |side: &'static str| {
        let (run_key, call_key, index_key) = (format!("workflow{side}"), format!("call{side}"), format!("index{side}"));
        let run = value(&run_key).map(str::parse::<RunId>);
        let (call, index) = (value(&call_key), value(&index_key).map(str::parse::<i64>));
        match &run {
            None => problems.push(format!("missing {run_key} query parameter")),
            Some(Err(error)) => problems.push(format!("{run_key}: {error}")),
            Some(Ok(_)) => {}
        }
        match call {
            None => problems.push(format!("missing {call_key} query parameter")),
            Some(call) if !call.contains('.') => problems.push(format!("{call_key} must look like `workflow.call`, not `{call}`")),
            Some(_) => {}
        }
        if let Some(Err(_)) = index {
            problems.push(format!("{index_key} must be a whole number"));
        }
        Some(Asked { side, run: run?.ok()?, call: call?.to_owned(), index: index.and_then(Result::ok) })
    };
    let (a, b) = (side("A"), side("B"));
    match (a, b) {
        (Some(a), Some(b)) if problems.is_empty() => Ok((a, b)),
        _ => Err(problems),
    }
}

struct Found {
    run: RunRecord,
    call: CallRecord,
    index: i64,
    hashes: Map<String, Json>,
}

/// The highest attempt of the call that is meant.
fn find(context: Context<'_>, asked: &Asked) -> Result<Found, String> {
    let side = asked.side;
    let failed = |problem: String| format!("Failed to calculate diff for call {side}: {problem}");
    let run = context.load(asked.run).map_err(|error| failed(error.to_string()))?;
    let calls = context.store.list_call_summaries(asked.run).map_err(|error| failed(error.to_string()))?;
    let of_name: Vec<_> = calls.iter().filter(|call| is_meant(&run.name, &call.id.call, &asked.call)).collect();
    let numbering = Numbering::of(of_name.iter().map(|call| &call.id.shard));
    let index = asked.index.unwrap_or(-1);
    let chosen = of_name.iter().filter(|call| numbering.number(&call.id.shard) == index).max_by_key(|call| call.id.attempt);
    let chosen =
        chosen.ok_or_else(|| failed(format!("cannot find a call `{}` with index {index} in workflow {}", asked.call, asked.run)))?;
    let record = context.store.load_call(&chosen.id).map_err(|error| failed(error.to_string()))?;
    let call = record.ok_or_else(|| failed("the call is gone".into()))?;
    let hashes = hashes(context, &call).map_err(|error| failed(error.to_string()))?;
    if hashes.is_empty() {
        return Err(failed(format!("call `{}` has no call caching metadata: caching was off for it", asked.call)));
    }
    Ok(Found { run, index, hashes, call })
}

/// The hashes of a call by their full keys; none where caching was off for it.
fn hashes(context: Context<'_>, call: &CallRecord) -> Result<Map<String, Json>, StoreError> {
    let end: EndDoc = call.end_doc.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(told) = end.told {
        let caching = told.get("callCaching").map_or(Ok(None), |caching| blobs::whole(context.store, caching))?;
        return Ok(told_hashes(&caching.unwrap_or_default()));
    }
    let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
    Ok(if start.parts.is_empty() { Map::new() } else { flat_hashes(&start) })
}

fn compare(a: &Found, b: &Found) -> Json {
    let mut names: Vec<&String> = a.hashes.keys().chain(b.hashes.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| a.hashes.get(*name) != b.hashes.get(*name));
    let differences: Vec<Json> =
        differing.map(|name| json!({ "hashKey": name, "callA": a.hashes.get(name), "callB": b.hashes.get(name) })).collect();
    json!({ "callA": described(a), "callB": described(b), "hashDifferential": differences })
}

fn described(found: &Found) -> Json {
    json!({
        "executionStatus": call_status(found.run.state, found.call.state),
        "allowResultReuse": found.call.reusable,
        "callFqn": full_name(&found.run.name, &found.call.id.call),
        "jobIndex": found.index,
        "workflowId": found.run.id.to_string(),
    })
}
