//! The Cromwell-compatible front end of a server: submissions, REST and WES interfaces, metadata.
//!
//! Start at [`service::Service`] (what can be done) and [`http`] (how it is asked for). [`metadata`] computes what the
//! original keeps as events from the rows of runs and calls. Engines and queues are those of `batchyard-workflow`;
//! nothing here decides what runs when.

pub mod archive;
#[cfg(test)]
mod canned;
pub mod client;
pub mod config;
pub mod documents;
pub mod earlier;
pub mod http;
pub mod language;
pub mod metadata;
pub mod registry;
pub mod remote;
pub mod service;
pub mod submission;

use serde_json::Value as Json;

/// The version that clients are told: they look for a number that they know.
pub const VERSION: &str = "92";
/// Name of the backend that runs tasks on this machine.
pub const LOCAL: &str = "Local";

/// A moment as metadata shows it: ISO 8601, UTC, milliseconds.
pub fn moment(at_ms: i64) -> Json {
    // The range of the type is wider than any clock.
    let moment = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    Json::String(format!("{moment:.3}"))
}
