//! State machines: one file each, one pure `next` each, written as a table.

pub mod call;
pub mod job;
pub mod run;

pub use call::CallState;
pub use job::{Counts, JobState};
pub use run::RunState;

/// An event that a state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {machine} cannot take `{event}` while it is {state}")]
pub struct Illegal {
    /// `run`, `call`, `job` or `instance`.
    pub machine: &'static str,
    /// Name of the state.
    pub state: &'static str,
    /// Name of the event.
    pub event: &'static str,
}

#[cfg(test)]
mod tests {
    use super::{call, job, run};

    /// The whole table as text: a change of a transition shows up in review.
    #[test]
    fn transition_matrix() {
        let mut text = String::new();
        for state in run::RunState::ALL {
            for event in run::RunEvent::ALL {
                if let Ok(next) = run::next(state, event) {
                    text += &format!("run  {:<10} {:<9} -> {}\n", state.name(), event.name(), next.name());
                }
            }
        }
        for state in call::CallState::ALL {
            for event in call::CallEvent::ALL {
                if let Ok(next) = call::next(state, event) {
                    text += &format!("call {:<10} {:<9} -> {}\n", state.name(), event.name(), next.name());
                }
            }
        }
        for state in job::JobState::ALL {
            for event in job::JobEvent::ALL {
                if let Ok(next) = job::next_of_job(state, event) {
                    text += &format!("job  {:<10} {:<9} -> {}\n", state.name(), event.name(), next.name());
                }
            }
        }
        for state in job::JobState::ALL {
            for event in job::InstanceEvent::ALL {
                if let Ok(next) = job::next_of_instance(state, event) {
                    text += &format!("instance {:<10} {:<9} -> {}\n", state.name(), event.name(), next.name());
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nothing_leaves_a_terminal_state() {
        for state in run::RunState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for event in run::RunEvent::ALL.into_iter().filter(|e| *e != run::RunEvent::Resume) {
                assert!(run::next(state, event).is_err(), "{state:?} {event:?}");
            }
        }
        for state in call::CallState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for event in call::CallEvent::ALL {
                assert!(call::next(state, event).is_err(), "{state:?} {event:?}");
            }
        }
    }
}
