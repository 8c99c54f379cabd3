//! The commands against a small HTTP server that records what it is asked and answers what it was told: requests, bodies,
//! signatures, printed text, files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod change;
mod config;
mod follow;
mod generate;
mod oss;
mod query;
mod stub;
mod submit;
