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

/// Whether a call of this workflow is meant by a name: the full one, or what [`is_called`] takes.
pub fn is_meant(workflow: &str, kept: &str, asked: &str) -> bool {
    is_called(kept, asked) || full_name(workflow, kept) == asked
}

/// Whether a call is meant by a name without that of its workflow: all of what is kept of its name, or the last part.
pub fn is_called(kept: &str, asked: &str) -> bool {
    kept == asked || kept.rsplit('.').next() == Some(asked)
}

/// The kept name, or an attempt that begins with it, as it is shown where the workflow is known.
pub fn shown_name(kept: &str) -> &str {
    kept.trim_start_matches('.')
}

/// An attempt that another program has told of.
pub struct ToldCall<'c> {
    /// State of the run.
    pub run: RunState,
    /// The attempt and its documents.
    pub call: &'c CallRecord,
    pub start: StartDoc,
    pub end: EndDoc,
    /// What was told beyond them.
    pub told: Map<String, Json>,
}

impl ToldCall<'_> {
    /// Keys of the attempt without `shardIndex` and `attempt`; what the filter does not want is not read.
    pub fn keys(self, store: &Store, filter: &Filter) -> Result<Map<String, Json>, StoreError> {
        let ToldCall { run, call, start, end, told } = self;
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

    #[test]
    fn calls_are_meant_by_full_and_short_names() {
        // The call `inner` of the workflow `sub`, which was called `s`.
        let meant = |full: &str, asked: &str| is_meant("s", &kept_name("s", full), asked);
        assert!(meant("sub.inner", "sub.inner") && meant("sub.inner", "inner") && !meant("sub.inner", "s.inner"));
        assert!(meant("s.t", "s.t") && meant("s.t", "t") && !meant("s.t", "other.t") && !meant("s.t", "s"));
        assert!(meant("ScatterAt3_4", "ScatterAt3_4") && !meant("ScatterAt3_4", "s.ScatterAt3_4"));
        assert!(meant("s.a.t", "s.a.t") && meant("s.a.t", "t") && !meant("s.a.t", "a.t"));
    }
}
