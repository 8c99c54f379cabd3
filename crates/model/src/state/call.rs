//! The life of one attempt of a call.

use std::str::FromStr;

use super::Illegal;
use crate::id::InvalidId;

/// State of one attempt of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallState {
    /// Its inputs are known; it waits for cores and memory.
    Queued,
    /// Its process was started.
    Running,
    /// It succeeded, or an earlier success was taken for it.
    Done,
    /// It failed and is not tried again.
    Failed,
    /// It failed and another attempt follows.
    Retried,
    /// It was ended by request.
    Aborted,
}

/// What happens to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallEvent {
    /// Its process is being started.
    Start,
    /// Its outputs are known.
    Succeed,
    /// It failed for good.
    Fail,
    /// It failed; another attempt follows.
    Retry,
    /// It was ended by request.
    Abort,
    /// Its process is gone and left no result: it waits again.
    Vanish,
}

/// The state after an event; the whole machine.
///
/// # Errors
/// [`Illegal`] when the state does not allow the event.
pub fn next(state: CallState, event: CallEvent) -> Result<CallState, Illegal> {
    use {CallEvent as E, CallState as S};
    Ok(match (state, event) {
        (S::Queued, E::Start) | (S::Running, E::Start) => S::Running,
        // A cache hit and a sub-workflow are done without a process of their own.
        (S::Queued | S::Running, E::Succeed) => S::Done,
        // Inputs or runtime values can fail to evaluate before anything starts.
        (S::Queued | S::Running, E::Fail) => S::Failed,
        (S::Running, E::Retry) => S::Retried,
        (S::Queued | S::Running, E::Abort) => S::Aborted,
        (S::Running, E::Vanish) => S::Queued,
        (state, event) => return Err(Illegal { machine: "call", state: state.name(), event: event.name() }),
    })
}

impl CallState {
    /// Every state, in the order of a life.
    pub const ALL: [CallState; 6] =
        [CallState::Queued, CallState::Running, CallState::Done, CallState::Failed, CallState::Retried, CallState::Aborted];

    /// The name stored in the database and shown to people.
    pub fn name(self) -> &'static str {
        match self {
            CallState::Queued => "Queued",
            CallState::Running => "Running",
            CallState::Done => "Done",
            CallState::Failed => "Failed",
            CallState::Retried => "Retried",
            CallState::Aborted => "Aborted",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, CallState::Done | CallState::Failed | CallState::Retried | CallState::Aborted)
    }
}

impl CallEvent {
    /// Every event.
    pub const ALL: [CallEvent; 6] =
        [CallEvent::Start, CallEvent::Succeed, CallEvent::Fail, CallEvent::Retry, CallEvent::Abort, CallEvent::Vanish];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            CallEvent::Start => "start",
            CallEvent::Succeed => "succeed",
            CallEvent::Fail => "fail",
            CallEvent::Retry => "retry",
            CallEvent::Abort => "abort",
            CallEvent::Vanish => "vanish",
        }
    }
}

impl std::fmt::Display for CallState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CallState {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| InvalidId { what: "call state", text: text.into() })
    }
}
