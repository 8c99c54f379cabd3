//! Runs one task somewhere: a local process, a container through its engine's command line, or a scheduler's job
//! through the commands of the configuration.
//!
//! Start at [`LocalRunner::run`], which blocks until an attempt has ended and returns its [`Outcome`]; a [`Control`]
//! ends it from another thread. [`Dispatcher`] has attempts run by a scheduler, without a thread for each. [`stage`] puts input files in place, [`container`] writes engine command lines,
//! [`script`] the script that leaves its exit status in `rc`, [`tree`] finds and ends every process of an attempt,
//! [`root`] gives one a view of its own of the file system, [`user`] the rights of somebody else.
//!
//! The record on disk is the truth: an attempt whose engine died goes on, leaves `rc`, and is adopted by the next
//! engine. This crate never decides what runs when; it never forks from a big process (`posix_spawn` only).

pub mod container;
pub mod control;
pub mod dispatch;
mod helper;
pub mod host;
pub mod local;
pub mod outcome;
pub mod root;
pub mod script;
pub mod stage;
pub mod tree;
pub mod user;

pub use control::{Control, EndedBy};
pub use dispatch::{Dispatcher, Order};
pub use local::{Job, Launch, LocalRunner, Shell, Trace, trace};
pub use outcome::{Exit, Outcome, RunError, Usage};
pub use user::{User, UserError};
