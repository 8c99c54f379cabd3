//! What an instance finds mounted.

use serde::{Deserialize, Serialize};

use super::Problems;

/// Mounts of a task or a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mounts {
    /// One for each place.
    pub entries: Vec<MountEntry>,
    /// Encoding of file names; kept, names are UTF-8 here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Whether files are locked over the network; kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<bool>,
    /// Whether reads are cached; kept, objects of the embedded store need no cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_support: Option<bool>,
    /// Bytes of a block of the cache; kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_block_size: Option<i64>,
    /// Bytes of the cache; kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_total_size: Option<i64>,
    /// Network file systems; kept.
    #[serde(rename = "NAS", skip_serializing_if = "serde_json::Value::is_null")]
    pub nas: serde_json::Value,
    /// Credentials for the object store; kept, the job's own account is what counts here.
    #[serde(rename = "OSS", skip_serializing_if = "serde_json::Value::is_null")]
    pub oss: serde_json::Value,
    /// Kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_strategy: Option<String>,
    /// Kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_topic_name: Option<String>,
}

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountEntry {
    /// What: `oss://bucket/prefix/`, `oss://bucket/key`, the same with `s3://`, or a network file system.
    pub source: String,
    /// Where in the instance.
    pub destination: String,
    /// Whether the instance may write there; what it writes stays with it.
    pub write_support: bool,
}

impl Mounts {
    /// Finds what is wrong.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (n, entry) in self.entries.iter().enumerate() {
            let at = format!("{path}.Entries[{n}]");
            check_pair(&entry.source, &entry.destination, &format!("{at}.Source"), &format!("{at}.Destination"), problems);
        }
    }
}

/// What an object or prefix and the local path that shows it must be.
pub fn check_pair(source: &str, destination: &str, at_source: &str, at_destination: &str, problems: &mut Problems) {
    if !is_stored(source) {
        let known = ["nas://", "smb://", "lustre://", "nasplus://"].iter().any(|scheme| source.starts_with(scheme));
        let text = if known {
            "is a network file system: mount it on this machine and name a folder as `file:///path/`"
        } else {
            "must begin with `oss://` or `s3://`"
        };
        problems.unless(source.starts_with("file:///"), at_source, text);
    } else if let Err(text) = check_oss(source, true) {
        problems.add(at_source, text);
    }
    check_local(destination, at_destination, problems);
    problems.unless(destination.starts_with('/'), at_destination, "must be an absolute path");
    if source.ends_with('/') != destination.ends_with('/') {
        problems.add(at_destination, "must end with `/` exactly when its source does: a folder for a prefix, a file for an object");
    }
}

/// Schemes of object stores.
const SCHEMES: [&str; 2] = ["oss://", "s3://"];

/// Whether a text is the address of something in an object store.
pub fn is_stored(url: &str) -> bool {
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

/// Bucket and key of an `oss://` address.
pub fn bucket_and_key(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("oss://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Whether a text is the address of an object or prefix, and what is wrong otherwise.
pub fn check_oss(url: &str, folder_allowed: bool) -> Result<(), String> {
    let s3 = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let Some((bucket, key)) = bucket_and_key(url).or(s3) else {
        return Err(format!("must be an address like `oss://bucket/key`, not `{url}`"));
    };
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || s3.is_some() && matches!(b, b'.' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(good) {
        return Err(format!("names no bucket: `{url}`"));
    }
    if (key.is_empty() || key.ends_with('/')) && !folder_allowed {
        return Err(format!("must name an object, not a prefix: `{url}`"));
    }
    Ok(())
}

/// Checks a local path.
pub fn check_local(path: &str, at: &str, problems: &mut Problems) {
    if path.is_empty() || path == "/" {
        problems.add(at, "must be a path in the instance, below `/`");
    } else if path.split('/').any(|part| part == "..") || path.contains('\0') {
        problems.add(at, "must not contain `..`");
    }
}
