//! What an earlier engine has left of a run.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc};

use batchyard_model::{CallState, RunId, Shard};
use batchyard_store::{CallRecord, StoreError};

use super::Engine;
use crate::{
    documents::{EndDoc, Failure, StartDoc},
    owner::family,
};

/// Most failures of an earlier engine that are told again.
const MAX_FAILURES: usize = 100;

impl Engine<'_> {
    /// The recorded calls of a run; whatever happens from now on happens later.
    pub(super) fn taken_up(&mut self, records: Vec<CallRecord>) -> HashMap<(Arc<str>, Shard), CallRecord> {
        let latest = records.iter().filter_map(|record| record.started_ms.max(record.ended_ms)).max();
        self.clock.not_before(latest.unwrap_or(0));
        latest_attempts(records)
    }

    /// What has failed for good in a run and its sub-workflows.
    pub(super) fn earlier_failures(&self, run: RunId) -> Result<Vec<Failure>, StoreError> {
        let mut failures = Vec::new();
        for member in family(&self.store, run)? {
            self.store.scan_calls(member, |call| {
                // A sub-workflow has failed by a call of its own, which tells more.
                failures.extend((call.state == CallState::Failed).then(|| failure_of(&call)).flatten());
                if failures.len() < MAX_FAILURES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(failures)
    }
}

/// Why a recorded call has failed; nothing for a sub-workflow.
pub(super) fn failure_of(call: &CallRecord) -> Option<Failure> {
    let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
    if start.child.is_some() {
        return None;
    }
    let end: EndDoc = serde_json::from_str(call.end_doc.as_deref()?).ok()?;
    end.failure
}

/// The latest attempt of each call.
fn latest_attempts(records: Vec<CallRecord>) -> HashMap<(Arc<str>, Shard), CallRecord> {
    let mut latest: HashMap<(Arc<str>, Shard), CallRecord> = HashMap::new();
    for record in records {
        let key = (Arc::clone(&record.id.call), record.id.shard.clone());
        match latest.get(&key) {
            Some(known) if known.id.attempt > record.id.attempt => {}
            _ => drop(latest.insert(key, record)),
        }
    }
    latest
}
