//! Paths of the object store: `oss://bucket/key`, `region#oss://bucket/key`, or relative to the configured path.

use std::fmt;

use crate::{api::encoded, failure::Failure};

/// A place in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Another region than the configured one.
    pub region: Option<String>,
    /// Bucket.
    pub bucket: String,
    /// Key, or a prefix of keys.
    pub key: String,
}

impl Location {
    /// Reads a path; `base` is the configured path, for relative ones.
    ///
    /// # Errors
    ///
    /// [`Failure::Told`] for paths without a bucket, or whatever `base` says.
    pub fn parse(path: &str, base: impl FnOnce() -> Result<String, Failure>) -> Result<Location, Failure> {
        let wrong = || Failure::told(format!("Invalid osspath `{path}`: it is oss://<bucket>/<key>"));
        let (region, absolute) = match path.split_once("#oss://") {
            Some((region, rest)) if is_word(region) => (Some(region.to_owned()), format!("oss://{rest}")),
            _ if path.starts_with("oss://") => (None, path.to_owned()),
            _ => (None, format!("{}{path}", base()?)),
        };
        let rest = absolute.strip_prefix("oss://").ok_or_else(wrong)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong());
        }
        Ok(Location { region, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The same bucket with another key.
    pub fn with_key(&self, key: impl Into<String>) -> Location {
        Location { key: key.into(), ..self.clone() }
    }

    /// Whether it names a folder.
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// The place as the source of a copy.
    pub fn as_source(&self) -> String {
        format!("/{}/{}", self.bucket, encoded(&self.key, "/"))
    }

    /// The last part of the key.
    pub fn name(&self) -> &str {
        self.key.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oss://{}/{}", self.bucket, self.key)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Location {
        Location::parse(path, || Ok("oss://home/base/".to_owned())).unwrap()
    }

    #[test]
    fn three_forms() {
        assert_eq!(read("oss://b/a/c.txt"), Location { region: None, bucket: "b".into(), key: "a/c.txt".into() });
        assert_eq!(read("cn-hangzhou#oss://b2/c/"), Location { region: Some("cn-hangzhou".into()), bucket: "b2".into(), key: "c/".into() });
        assert_eq!(read("x/y").to_string(), "oss://home/base/x/y");
        assert_eq!((read("oss://b/a/c.txt").name(), read("oss://b/a/").name()), ("c.txt", "a"));
        assert!(read("oss://b").is_folder());
        assert!(Location::parse("oss:///x", || Ok(String::new())).is_err());
    }
}
