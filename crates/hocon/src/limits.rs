//! Limits that keep any document, however hostile, from exhausting memory or the stack.

/// Largest document, in bytes.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// Deepest nesting of objects and lists, dotted keys and the places of includes counted.
pub(crate) const MAX_NESTING: usize = 100;
/// Longest chain of includes.
pub(crate) const MAX_INCLUDE_DEPTH: usize = 50;
/// Most documents that one load may read.
pub(crate) const MAX_DOCUMENTS: usize = 500;
/// Most problems that are told; the rest would only repeat the first ones.
pub(crate) const MAX_PROBLEMS: usize = 25;
/// Most remarks that are told.
pub(crate) const MAX_REMARKS: usize = 100;
/// Longest chain of substitutions that need each other.
pub(crate) const MAX_SUBSTITUTION_DEPTH: usize = 150;
/// Work of resolving, in bytes of text made; everything looked at counts as [`STEP_WORK`] more.
pub(crate) const MAX_RESOLVE_WORK: usize = 32_000_000;
/// What looking at one value costs beside copying its text.
pub(crate) const STEP_WORK: usize = 20;
