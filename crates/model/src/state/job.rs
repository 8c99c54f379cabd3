//! The life of a BatchCompute job, and of one of its instances; the states have the original's names.

use std::{fmt, str::FromStr};

use super::Illegal;
use crate::id::InvalidId;

/// State of a job, of one of its tasks, or of an instance of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// Accepted and stored; nothing of it runs.
    Waiting,
    /// Something of it was started.
    Running,
    /// It succeeded.
    Finished,
    /// It failed for good.
    Failed,
    /// It was ended by request.
    Stopped,
}

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobEvent {
    /// Its first instance is being started.
    Begin,
    /// All its tasks are done.
    Finish,
    /// A task failed, or it cannot be carried out at all.
    Fail,
    /// Somebody wants it to end.
    Stop,
    /// Somebody wants it to go on.
    Restart,
}

/// What happens to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceEvent {
    /// An attempt is being started.
    Begin,
    /// Its command succeeded and its outputs are stored.
    Finish,
    /// It failed and has no attempts left.
    Fail,
    /// It failed; another attempt follows.
    Retry,
    /// What ran it is gone, which is not its fault: it waits again.
    Lose,
    /// The job was stopped, or failed because of another instance.
    Stop,
    /// The job goes on after it was stopped or failed.
    Restart,
}

/// The state of a job after an event; the whole machine.
///
/// # Errors
/// [`Illegal`] when the state does not allow the event.
pub fn next_of_job(state: JobState, event: JobEvent) -> Result<JobState, Illegal> {
    use {JobEvent as E, JobState as S};
    Ok(match (state, event) {
        (S::Waiting | S::Running, E::Begin) => S::Running,
        // A job that goes on after a stop may have nothing left to do.
        (S::Waiting | S::Running, E::Finish) => S::Finished,
        (S::Waiting | S::Running, E::Fail) => S::Failed,
        (S::Waiting | S::Running, E::Stop) => S::Stopped,
        (S::Stopped | S::Failed, E::Restart) => S::Waiting,
        (state, event) => return Err(Illegal { machine: "job", state: state.name(), event: event.name() }),
    })
}

/// The state of an instance after an event; the whole machine.
///
/// # Errors
/// [`Illegal`] when the state does not allow the event.
pub fn next_of_instance(state: JobState, event: InstanceEvent) -> Result<JobState, Illegal> {
    use {InstanceEvent as E, JobState as S};
    Ok(match (state, event) {
        (S::Waiting | S::Running, E::Begin) => S::Running,
        (S::Running, E::Finish) => S::Finished,
        (S::Waiting | S::Running, E::Fail) => S::Failed,
        (S::Running, E::Retry | E::Lose) => S::Waiting,
        (S::Waiting | S::Running, E::Stop) => S::Stopped,
        (S::Stopped | S::Failed, E::Restart) => S::Waiting,
        (state, event) => return Err(Illegal { machine: "instance", state: state.name(), event: event.name() }),
    })
}

impl JobState {
    /// Every state, in the order of a life.
    pub const ALL: [JobState; 5] = [JobState::Waiting, JobState::Running, JobState::Finished, JobState::Failed, JobState::Stopped];

    /// The name stored in the database and sent to clients.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Waiting => "Waiting",
            JobState::Running => "Running",
            JobState::Finished => "Finished",
            JobState::Failed => "Failed",
            JobState::Stopped => "Stopped",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, JobState::Finished | JobState::Failed | JobState::Stopped)
    }
}

impl JobEvent {
    /// Every event.
    pub const ALL: [JobEvent; 5] = [JobEvent::Begin, JobEvent::Finish, JobEvent::Fail, JobEvent::Stop, JobEvent::Restart];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            JobEvent::Begin => "begin",
            JobEvent::Finish => "finish",
            JobEvent::Fail => "fail",
            JobEvent::Stop => "stop",
            JobEvent::Restart => "restart",
        }
    }
}

impl InstanceEvent {
    /// Every event.
    pub const ALL: [InstanceEvent; 7] = [
        InstanceEvent::Begin,
        InstanceEvent::Finish,
        InstanceEvent::Fail,
        InstanceEvent::Retry,
        InstanceEvent::Lose,
        InstanceEvent::Stop,
        InstanceEvent::Restart,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            InstanceEvent::Begin => "begin",
            InstanceEvent::Finish => "finish",
            InstanceEvent::Fail => "fail",
            InstanceEvent::Retry => "retry",
            InstanceEvent::Lose => "lose",
            InstanceEvent::Stop => "stop",
            InstanceEvent::Restart => "restart",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for JobState {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| InvalidId { what: "state of a job", text: text.into() })
    }
}

/// How many instances of a task, or tasks of a job, are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not started, or to be started again.
    pub waiting: u64,
    /// Started.
    pub running: u64,
    /// Succeeded.
    pub finished: u64,
    /// Failed for good.
    pub failed: u64,
    /// Ended by request.
    pub stopped: u64,
}

impl Counts {
    /// The number in a state.
    pub fn of(&mut self, state: JobState) -> &mut u64 {
        match state {
            JobState::Waiting => &mut self.waiting,
            JobState::Running => &mut self.running,
            JobState::Finished => &mut self.finished,
            JobState::Failed => &mut self.failed,
            JobState::Stopped => &mut self.stopped,
        }
    }

    /// One has gone from a state to another.
    pub fn moved(&mut self, from: JobState, to: JobState) {
        let before = self.of(from);
        *before = before.saturating_sub(1);
        *self.of(to) += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.waiting + self.running + self.finished + self.failed + self.stopped
    }

    /// The state of a task, which is the sum of its instances. `tolerant` when a job goes on although instances failed.
    pub fn state_of_task(&self, tolerant: bool) -> JobState {
        let open = self.waiting + self.running;
        if self.stopped > 0 && self.running == 0 {
            return if self.failed > 0 && !tolerant { JobState::Failed } else { JobState::Stopped };
        }
        if self.failed > 0 && !tolerant && self.running == 0 {
            return JobState::Failed;
        }
        if open == 0 {
            return JobState::Finished;
        }
        if self.running > 0 || self.finished > 0 || self.failed > 0 { JobState::Running } else { JobState::Waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_the_sum_of_its_instances() {
        let counts = |waiting, running, finished, failed, stopped| Counts { waiting, running, finished, failed, stopped };
        assert_eq!(counts(2, 0, 0, 0, 0).state_of_task(false), JobState::Waiting);
        assert_eq!(counts(1, 1, 0, 0, 0).state_of_task(false), JobState::Running);
        assert_eq!(counts(1, 0, 1, 0, 0).state_of_task(false), JobState::Running);
        assert_eq!(counts(0, 0, 2, 0, 0).state_of_task(false), JobState::Finished);
        assert_eq!(counts(0, 0, 1, 1, 0).state_of_task(false), JobState::Failed);
        assert_eq!(counts(0, 0, 1, 1, 0).state_of_task(true), JobState::Finished);
        assert_eq!(counts(0, 0, 1, 0, 1).state_of_task(false), JobState::Stopped);
        assert_eq!(counts(0, 0, 0, 1, 1).state_of_task(false), JobState::Failed);
        assert_eq!(counts(0, 0, 0, 0, 0).state_of_task(false), JobState::Finished);
    }

    #[test]
    fn nothing_but_a_restart_leaves_an_end() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_terminal()) {
            for event in JobEvent::ALL.into_iter().filter(|event| *event != JobEvent::Restart) {
                assert!(next_of_job(state, event).is_err(), "{state} {event:?}");
            }
            for event in InstanceEvent::ALL.into_iter().filter(|event| *event != InstanceEvent::Restart) {
                assert!(next_of_instance(state, event).is_err(), "{state} {event:?}");
            }
        }
        assert!(next_of_job(JobState::Finished, JobEvent::Restart).is_err());
        assert!(next_of_instance(JobState::Finished, InstanceEvent::Restart).is_err());
    }
}
