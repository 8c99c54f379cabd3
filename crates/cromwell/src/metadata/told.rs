//! What another program has told of a run or call that it has carried out, shown in its words.

use batchyard_model::RunState;
use batchyard_store::{CallRecord, Store, StoreError};
use batchyard_workflow::{
    blobs,
    documents::{EndDoc, StartDoc},
};
use serde_json::{Map, Value as Json, json};

use super::{Filter, call::status};
use crate::moment;

/// The full name of a call as clients know it: `workflow.call`. A name that has a dot is one already.
pub fn full_name(workflow: &str, call: &str) -> String {
    if call.contains('.') { call.trim_start_matches('.').to_owned() } else { format!("{workflow}.{call}") }
}

/// What is kept of the full name of a call of this workflow, so that [`full_name`] finds it again. Scatters inside scatters, which are
/// workflows of their own in the original, are called by a name without one.
pub fn kept_name(workflow: &str, full: &str) -> String {
    match full.strip_prefix(workflow).and_then(|rest| rest.strip_prefix('.')) {
        Some(own) if !own.is_empty() && !own.contains('.') => own.to_owned(),
        _ if full.contains('.') => full.to_owned(),
        _ => format!(".{full}"),
    }
}

/// Keys of an attempt without `shardIndex` and `attempt`; what the filter does not want is not read.
pub fn call_keys(
    store: &Store,
    run: RunState,
    call: &CallRecord,
    start: StartDoc,
    end: EndDoc,
    told: &Map<String, Json>,
    filter: &Filter,
) -> Result<Map<String, Json>, StoreError> {
    let mut keys = Map::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            keys.insert(name.into(), value);
        }
    };
    let some = |members: Map<String, Json>| Some(members).filter(|members| !members.is_empty()).map(Json::Object);
    put("executionStatus", Some(json!(status(run, call.state))));
    put("start", Some(start.queued_ms).filter(|at| *at > 0).map(moment));
    put("end", call.ended_ms.map(moment));
    put("backend", start.provider.map(Json::String));
    put("jobId", end.job_id.map(Json::String));
    put("subWorkflowId", start.child.map(Json::String));
    put("returnCode", call.exit_code.map(Json::from));
    put("callRoot", Some(start.dir).filter(|dir| !dir.is_empty()).map(Json::String));
    put("runtimeAttributes", some(start.runtime));
    if filter.wants("inputs") {
        put("inputs", some(blobs::whole_members(store, &start.inputs)?));
    }
    put("outputs", some(end.outputs));
    for (name, value) in told.iter().filter(|(name, _)| filter.wants(name)) {
        put(name, blobs::whole(store, value)?);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_calls_are_found_again() {
        for full in ["w.t", "x.t", "w.a.t", "ScatterAt3_4", "w"] {
            assert_eq!(full_name("w", &kept_name("w", full)), full);
        }
        assert_eq!(kept_name("w", "w.t"), "t");
    }
}
