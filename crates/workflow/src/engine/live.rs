//! What only the engine knows of its calls, because nothing of it is recorded while they wait or run.

use std::collections::HashMap;

use batchyard_model::{CallId, CallState};

use super::Engine;

/// Calls of a run and its sub-workflows as they are at this moment.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Calls that wait for room, with the moment since when, epoch milliseconds.
    pub waiting: Vec<(CallId, i64)>,
    /// Calls that run, with the number of their process or the id that a scheduler gave.
    pub jobs: HashMap<CallId, String>,
}

impl Engine<'_> {
    /// Calls whose command has not started, and those that run.
    pub(super) fn live(&self) -> Live {
        let mut live = Live::default();
        for call in self.calls.values() {
            match call.state {
                CallState::Queued => live.waiting.push((call.id.clone(), call.queued_ms)),
                _ => live.jobs.extend(call.control.as_ref().and_then(|control| control.job_id()).map(|job| (call.id.clone(), job))),
            }
        }
        live
    }
}
