//! Limits that keep any input, however hostile, from exhausting memory or the stack.

/// Largest source text, in bytes. A dense one takes fifty times as much memory as a tree.
pub const MAX_SOURCE_BYTES: usize = 16 << 20;
/// Most bytes of a main document and all it imports.
pub const MAX_SOURCES_BYTES: usize = 2 * MAX_SOURCE_BYTES;
/// Deepest nesting of brackets, types, blocks and placeholders.
pub const MAX_NESTING: usize = 200;
/// Deepest expression tree, which a long chain of binary operators also builds.
pub const MAX_TREE_DEPTH: usize = 2_000;
/// Longest chain of imports.
pub const MAX_IMPORT_DEPTH: usize = 64;
/// Most documents one main document may reach.
pub const MAX_DOCUMENTS: usize = 2_000;
/// Most findings reported for one document; the rest is counted.
pub const MAX_DIAGNOSTICS: usize = 200;
/// Stack, in bytes, that a thread needs to parse, check or evaluate a document at the limits above.
pub const STACK_BYTES: usize = 64 << 20;
/// Most names of one workflow, each counted once for every block it is in: outside of a block its names are known with other
/// types, so all of them take room.
pub const MAX_NAMES_IN_BLOCKS: usize = 1_000_000;
