//! Everything that can grow has its limit here; the figures are the original's.

/// Bytes of a key.
pub const MAX_KEY_BYTES: usize = 1023;
/// Bytes of an object that comes in one request, of a part, and of all appended pieces: 5 GiB.
pub const MAX_PUT_BYTES: u64 = 5 << 30;
/// Bytes of a part that is not the last.
pub const MIN_PART_BYTES: u64 = 100 * 1024;
/// Parts of one upload.
pub const MAX_PARTS: u32 = 10_000;
/// Entries on one page of a listing.
pub const MAX_PAGE: usize = 1000;
/// Objects that one request may delete.
pub const MAX_DELETED: usize = 1000;
/// Bytes of all metadata of an object, names included.
pub const MAX_METADATA_BYTES: usize = 8 * 1024;
/// Tags of an object.
pub const MAX_TAGS: usize = 10;
/// Rules about other origins that a bucket may have.
pub const MAX_CORS_RULES: usize = 20;
/// Buckets of one store.
pub const MAX_BUCKETS: usize = 10_000;
/// Bytes of the body of a request that is a document.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// An object up to this size lies in the index itself, so that storing it costs one commit and no file.
pub const INLINE_BYTES: usize = 16 * 1024;
/// Appended pieces after which an object is put together as one file.
pub const MAX_PIECES: u32 = 1000;
/// Links that are followed from one symbolic link: a link to a link is not followed, as in the original.
pub const MAX_LINKS: usize = 1;
