//! Addresses of objects: `oss://bucket/key` and `s3://bucket/key`.

use std::fmt;

use super::RemoteError;
use crate::MAX_KEY_BYTES;

/// How a store is spoken to, unless it is a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `oss://`: the object storage of Alibaba Cloud, and the embedded store.
    Oss,
    /// `s3://`: Amazon S3 and whatever speaks like it.
    S3,
}

impl Scheme {
    /// The name before `://`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Oss => "oss",
            Scheme::S3 => "s3",
        }
    }
}

/// An object, or all objects whose keys begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// What is before `://`.
    pub scheme: Scheme,
    /// Bucket.
    pub bucket: String,
    /// Key, or the beginning of keys; empty for the whole bucket.
    pub key: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.name(), self.bucket, self.key)
    }
}

impl Address {
    /// Whether a text is meant as an address of an object store, right or wrong.
    pub fn is_meant(text: &str) -> bool {
        split(text).is_some()
    }

    /// The scheme of an address, and what follows it.
    pub(super) fn scheme_of(text: &str) -> Option<(Scheme, &str)> {
        split(text)
    }

    /// Takes an address apart.
    ///
    /// # Errors
    /// It is none, or has a key that clients cannot tell from another one.
    pub fn parse(text: &str) -> Result<Address, RemoteError> {
        let wrong = |reason| RemoteError::Address { url: text.to_owned(), reason };
        let (scheme, rest) = split(text).ok_or_else(|| wrong("begins neither with `oss://` nor with `s3://`"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
        // The name becomes a part of a host name.
        if bucket.is_empty() || bucket.len() > 255 || !bucket.bytes().all(allowed) || bucket.contains("..") {
            return Err(wrong("names no bucket: its name has lower-case letters, digits and `-`"));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(wrong("has a longer key than a store takes"));
        }
        // The library beneath would silently make another key of these.
        if key.starts_with('/') || key.contains("//") || key.trim() != key {
            return Err(wrong("has a key with an empty part, or a blank at its begin or end, which cannot be asked for"));
        }
        Ok(Address { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The same for a single object.
    ///
    /// # Errors
    /// As [`Address::parse`]; and it is one of many objects.
    pub fn object(text: &str) -> Result<Address, RemoteError> {
        let address = Address::parse(text)?;
        if address.key.is_empty() || address.key.ends_with('/') {
            return Err(RemoteError::Address { url: text.to_owned(), reason: "names no object, but a folder of them" });
        }
        Ok(address)
    }

    /// The same for all objects of a folder: the key is empty or ends with a slash.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn folder(text: &str) -> Result<Address, RemoteError> {
        let mut address = Address::parse(text)?;
        if !address.key.is_empty() && !address.key.ends_with('/') {
            address.key.push('/');
        }
        Ok(address)
    }
}

fn split(text: &str) -> Option<(Scheme, &str)> {
    let schemes = [Scheme::Oss, Scheme::S3];
    schemes.into_iter().find_map(|scheme| Some((scheme, text.strip_prefix(scheme.name())?.strip_prefix("://")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = Address::parse("s3://my.data/a/b c.txt").unwrap();
        assert_eq!((address.scheme, &*address.bucket, &*address.key), (Scheme::S3, "my.data", "a/b c.txt"));
        assert_eq!(address.to_string(), "s3://my.data/a/b c.txt");
        assert_eq!(Address::folder("oss://data/in").unwrap().key, "in/");
        assert_eq!(Address::folder("oss://data").unwrap().key, "");
        assert!(Address::is_meant("oss://") && !Address::is_meant("gs://b/k") && !Address::is_meant("/oss://b/k"));
    }

    #[test]
    fn wrong_ones_are_refused() {
        for text in
            ["gs://b/k", "oss:///k", "oss://B/k", "oss://a..b/k", "oss://b@host/k", "s3://b//k", "s3://b/a//k", "s3://b/a ", "s3://b/ a"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert!(Address::parse(&format!("s3://b/{}", "x".repeat(2000))).is_err());
        assert!(Address::object("s3://b/folder/").is_err() && Address::object("s3://b").is_err());
    }
}
