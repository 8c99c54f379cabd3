//! The Cromwell-compatible front end of a server.
//!
//! [`config`] reads Cromwell's configuration files into plain typed data.

pub mod config;
