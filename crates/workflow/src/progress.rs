//! What an engine tells its surroundings while runs go on.

use batchyard_model::{CallId, CallState, RunId, RunState};

use crate::documents::Failure;

/// Something worth telling. Calls are told of once the store has recorded what is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run (or sub-workflow run) goes on from here.
    RunStarted {
        /// Which.
        run: RunId,
        /// Name of its workflow or task.
        name: String,
        /// Its directory.
        dir: String,
        /// Whether another run started it.
        child: bool,
    },
    /// A call's inputs are known; it waits.
    Queued {
        /// Which.
        call: CallId,
    },
    /// A call's command was started.
    Started {
        /// Which.
        call: CallId,
    },
    /// A scheduler has taken a call's command. Told at once; the id is also in the call's directory.
    Submitted {
        /// Which.
        call: CallId,
        /// Under this id.
        job_id: String,
    },
    /// An attempt has ended.
    Ended {
        /// Which.
        call: CallId,
        /// How.
        state: CallState,
        /// Whether an earlier result was taken.
        cached: bool,
        /// Whether it was done before this engine started (a resumed run).
        known: bool,
        /// Why it failed.
        failure: Option<Failure>,
    },
    /// A remark for the user.
    Note(String),
    /// A run has ended.
    RunEnded {
        /// Which.
        run: RunId,
        /// How.
        state: RunState,
        /// Whether another run started it.
        child: bool,
    },
}

/// Listens to an engine, on the engine's own thread: must be quick.
pub trait Progress {
    /// Something happened.
    fn tell(&mut self, event: Event);
    /// Called at least this often while nothing happens; the time until the next call in milliseconds.
    fn idle(&mut self) -> u64 {
        3_600_000
    }
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&mut self, _: Event) {}
}
