//! The words of Batchyard: ids, states with their transition tables, the TES task and its placement.
//!
//! Start at [`task::Task`], the unit everything that runs is made of, and [`state`], the machines for runs and
//! calls. Nothing here does I/O, reads the clock or is asynchronous: times are arguments, in epoch milliseconds.

pub mod id;
pub mod state;
pub mod task;

pub use id::{CallId, RunId, Shard};
pub use state::{CallState, Illegal, RunState};
pub use task::{Placement, Task};
