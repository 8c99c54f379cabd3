//! Bytes.
pub mod sign;
