//! The words of Batchyard: ids, and states with their transition tables.
//!
//! Start at [`state`], the machines for runs and calls, jobs and instances. Nothing here does I/O, reads the clock or is asynchronous: times are arguments, in epoch milliseconds.

pub mod events;
pub mod id;
pub mod state;

pub use id::{CallId, JobId, Lineage, RunId, Shard, notice_id, service_id};
pub use state::{CallState, Counts, Illegal, JobState, RunState};
