//! The object store: paths, signed requests, transfers.

pub mod location;
pub mod multipart;
pub mod progress;
pub mod store;
pub mod transfer;
pub mod xml;
