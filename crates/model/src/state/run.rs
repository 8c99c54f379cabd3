//! The life of a run.

use std::str::FromStr;

use super::Illegal;
use crate::id::InvalidId;

/// State of a run, named as Cromwell names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Accepted and stored, to begin when somebody says so.
    OnHold,
    /// Accepted and stored, not yet begun.
    Submitted,
    /// Its calls are being worked on.
    Running,
    /// An abort was asked for; running calls are being ended.
    Aborting,
    /// All calls done, outputs known.
    Succeeded,
    /// At least one call failed for good.
    Failed,
    /// Ended by request.
    Aborted,
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunEvent {
    /// An engine took it up.
    Start,
    /// Somebody asked to end it.
    Abort,
    /// Everything is done.
    Succeed,
    /// Nothing more can be done and a call failed.
    Fail,
    /// Its last running call is gone after an abort.
    Stopped,
    /// Somebody asked to go on from where it stopped.
    Resume,
    /// Somebody let it begin.
    Release,
}

/// The state after an event; the whole machine.
///
/// # Errors
/// [`Illegal`] when the state does not allow the event.
pub fn next(state: RunState, event: RunEvent) -> Result<RunState, Illegal> {
    use {RunEvent as E, RunState as S};
    Ok(match (state, event) {
        (S::Submitted, E::Start) | (S::Running, E::Start) => S::Running,
        (S::OnHold, E::Release) => S::Submitted,
        // Nothing has been started yet, so nothing has to be ended.
        (S::OnHold | S::Submitted, E::Abort) => S::Aborted,
        (S::Running | S::Aborting, E::Abort) => S::Aborting,
        (S::Running, E::Succeed) => S::Succeeded,
        (S::Submitted | S::Running, E::Fail) => S::Failed,
        (S::Aborting, E::Stopped) => S::Aborted,
        // Calls that were done stay done; the others are tried again.
        (S::Running | S::Aborting | S::Failed | S::Aborted, E::Resume) => S::Running,
        (state, event) => return Err(Illegal { machine: "run", state: state.name(), event: event.name() }),
    })
}

impl RunState {
    /// Every state, in the order of a life.
    pub const ALL: [RunState; 7] = [
        RunState::OnHold,
        RunState::Submitted,
        RunState::Running,
        RunState::Aborting,
        RunState::Succeeded,
        RunState::Failed,
        RunState::Aborted,
    ];

    /// The name stored in the database and shown to people.
    pub fn name(self) -> &'static str {
        match self {
            RunState::OnHold => "On Hold",
            RunState::Submitted => "Submitted",
            RunState::Running => "Running",
            RunState::Aborting => "Aborting",
            RunState::Succeeded => "Succeeded",
            RunState::Failed => "Failed",
            RunState::Aborted => "Aborted",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, RunState::Succeeded | RunState::Failed | RunState::Aborted)
    }
}

impl RunEvent {
    /// Every event.
    pub const ALL: [RunEvent; 7] =
        [RunEvent::Start, RunEvent::Abort, RunEvent::Succeed, RunEvent::Fail, RunEvent::Stopped, RunEvent::Resume, RunEvent::Release];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            RunEvent::Start => "start",
            RunEvent::Abort => "abort",
            RunEvent::Succeed => "succeed",
            RunEvent::Fail => "fail",
            RunEvent::Stopped => "stopped",
            RunEvent::Resume => "resume",
            RunEvent::Release => "release",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RunState {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| InvalidId { what: "run state", text: text.into() })
    }
}
