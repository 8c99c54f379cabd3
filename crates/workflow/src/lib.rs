//! Runs WDL workflows: dataflow execution, Cromwell's call directories, call caching, resuming.
//!
//! Start at [`engine::Engine`]; the engines of a process share one [`machine::Machine`]. [`plan`] compiles a workflow into steps, [`frame`] holds the values while it runs,
//! [`prepare`] and [`attempt`] work on single calls on other threads, [`documents`] is what the store keeps.
//!
//! What runs when is decided by `batchyard-core`, processes are started by `batchyard-runner`, and nothing counts
//! as happened before `batchyard-store` has it.

pub mod attempt;
mod attributes;
pub mod blobs;
pub mod clock;
pub mod complaint;
mod constants;
pub mod digests;
pub mod disks;
pub mod documents;
pub mod engine;
pub mod fetch;
pub mod forget;
pub mod frame;
pub mod given;
pub mod glob;
pub mod host;
pub mod identity;
pub mod layout;
pub mod limits;
pub mod machine;
pub mod memory;
pub mod outputs;
pub mod owner;
pub mod pace;
pub mod plan;
pub mod preflight;
pub mod prepare;
pub mod progress;
pub mod provider;
pub mod runtime;
pub mod secrets;
pub mod settings;
pub mod stamps;
pub mod stored;
pub mod task;
mod unwritten;
pub mod why;
