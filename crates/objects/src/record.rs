//! What the index keeps: buckets and objects, as JSON, so that fields can be added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Content;

/// Who may read or write without being the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acl {
    /// What the bucket says (objects), or the owner alone (buckets).
    #[default]
    Default,
    /// The owner alone.
    Private,
    /// Everybody may read.
    PublicRead,
    /// Everybody may read and write.
    PublicReadWrite,
}

impl Acl {
    /// Reads the protocol's word.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "default" => Self::Default,
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            _ => return None,
        })
    }

    /// The protocol's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
        }
    }
}

/// What pages of other origins may do with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CorsRule {
    /// Origins, with at most one `*` each.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Headers that a page may send, with at most one `*` each.
    pub headers: Vec<String>,
    /// Headers that a page may see.
    pub exposed: Vec<String>,
    /// How long a browser may remember the answer.
    pub max_age_seconds: Option<u32>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bucket {
    /// Account that made it.
    pub owner: String,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Who else may use it.
    pub acl: Acl,
    /// What pages of other origins may do.
    pub cors: Vec<CorsRule>,
}

/// How an object came to be, as the protocol calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Kind {
    /// Put in one request.
    #[default]
    Normal,
    /// Put together from parts.
    Multipart,
    /// Grows by appending.
    Appendable,
    /// Points to another key of its bucket.
    Symlink,
}

impl Kind {
    /// The protocol's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Multipart => "Multipart",
            Self::Appendable => "Appendable",
            Self::Symlink => "Symlink",
        }
    }
}

/// What its maker says about an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// Standard headers by lower-case name: `content-type`, `cache-control` and so on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Own metadata by lower-case name, without the dialect's prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<String, String>,
    /// Tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Who else may use it.
    pub acl: Acl,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// How it came to be.
    pub kind: Kind,
    /// Where its bytes are.
    pub content: Content,
    /// Bytes.
    pub size: u64,
    /// Lower-case text that changes with the bytes; MD5 for an object of one request.
    pub etag: String,
    /// CRC-64/XZ of the bytes.
    pub crc64: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Key that a symbolic link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What its maker says.
    pub attributes: Attributes,
}
