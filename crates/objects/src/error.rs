//! What can go wrong with the store.

use std::io;

/// What could not be done, and why. The HTTP layer has one table from these to both dialects' codes.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum ObjectError {
    #[error("bucket `{0}` does not exist")]
    NoSuchBucket(String),
    #[error("bucket `{0}` exists already and belongs to somebody else")]
    BucketTaken(String),
    #[error("bucket `{0}` still holds objects or unfinished uploads: delete them first")]
    BucketNotEmpty(String),
    #[error("the store has {0} buckets, as many as it takes")]
    TooManyBuckets(usize),
    #[error("bucket name `{0}` must be 3 to 63 lower-case letters, digits and `-`, and begin and end with a letter or digit")]
    InvalidBucketName(String),
    #[error("key `{key}` {reason}")]
    InvalidKey { key: String, reason: &'static str },
    #[error("`{key}` does not exist in bucket `{bucket}`")]
    NoSuchKey { bucket: String, key: String },
    #[error("upload `{0}` does not exist: it was completed or aborted, or belongs to another key")]
    NoSuchUpload(String),
    #[error("bucket `{0}` has no rules about other origins")]
    NoSuchCors(String),
    #[error("the symbolic link points to `{0}`, which does not exist")]
    NoSuchTarget(String),
    #[error("the symbolic link points to `{0}`, which is a link itself")]
    TargetIsLink(String),
    #[error("`{0}` is no symbolic link")]
    NotALink(String),
    #[error("the condition `{0}` does not hold")]
    PreconditionFailed(&'static str),
    #[error("the object is what the client has already")]
    NotModified,
    #[error("`{0}` exists already, and the request forbids to overwrite it")]
    ObjectExists(String),
    #[error("the range lies outside of the object's {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    #[error("`{0}` was not made by appending")]
    NotAppendable(String),
    #[error("position {position} is not the end of the object: it has {length} bytes")]
    WrongPosition { position: u64, length: u64 },
    #[error("part {0} was not uploaded, or is another than the request names")]
    InvalidPart(u32),
    #[error("the parts of the request are not in ascending order")]
    PartOrder,
    #[error("part {number} has {size} bytes; all but the last need at least {limit}")]
    PartTooSmall { number: u32, size: u64, limit: u64 },
    #[error("{size} bytes are more than the {limit} that are allowed")]
    TooLarge { size: u64, limit: u64 },
    #[error("the metadata have {size} bytes, more than the {limit} that are allowed")]
    MetadataTooLarge { size: usize, limit: usize },
    #[error("`{name}` is `{value}`: {reason}")]
    InvalidArgument { name: &'static str, value: String, reason: String },
    #[error("the body's {what} is `{found}`, the request says `{expected}`: send it again")]
    BadDigest { what: &'static str, expected: String, found: String },
    #[error("the disk has only {free} bytes left and {reserve} are kept free: make room, or store less")]
    DiskFull { free: u64, reserve: u64 },
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("the index of objects cannot be used: {0}")]
    Index(String),
    #[error("the index of objects is of version {found}, newer than this program's {known}: use a newer program")]
    NewerIndex { found: u64, known: u64 },
}

impl ObjectError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}

/// Everything that the index's library can say is the same to callers: the index failed.
macro_rules! index_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for ObjectError {
            fn from(error: $error) -> Self {
                Self::Index(error.to_string())
            }
        }
    )*};
}

index_errors!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    serde_json::Error
);
