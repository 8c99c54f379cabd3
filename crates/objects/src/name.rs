//! Names of buckets and keys.

use crate::{MAX_KEY_BYTES, ObjectError};

/// Whether this can be the name of a bucket.
pub(crate) fn is_bucket(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| inner(*b) || *b == b'-')
        && ends.iter().all(|end| end.is_some_and(|b| inner(*b)))
}

pub(crate) fn check_bucket(name: &str) -> Result<(), ObjectError> {
    if is_bucket(name) { Ok(()) } else { Err(ObjectError::InvalidBucketName(shortened(name))) }
}

pub(crate) fn check_key(key: &str) -> Result<(), ObjectError> {
    let reason = if key.is_empty() {
        "is empty"
    } else if key.len() > MAX_KEY_BYTES {
        "has more than 1023 bytes"
    } else if key.starts_with(['/', '\\']) {
        "begins with a slash"
    } else {
        return Ok(());
    };
    Err(ObjectError::InvalidKey { key: shortened(key), reason })
}

/// So much of a text that comes from outside as an error may repeat.
pub(crate) fn shortened(text: &str) -> String {
    const KEPT: usize = 100;
    if text.chars().count() <= KEPT { text.to_owned() } else { text.chars().take(KEPT).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets() {
        for good in ["abc", "a-b", "0ab", &"a".repeat(63)] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in ["ab", "Abc", "-ab", "ab-", "a.b", "a_b", "a/b", "..", "", &"a".repeat(64)] {
            assert!(!is_bucket(bad), "{bad}");
        }
    }

    #[test]
    fn keys() {
        for good in ["a", "a/../b", "..", "a//b", "a/", "ü", "a\nb", &"k".repeat(1023)] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "\\a", &"k".repeat(1024)] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }
}
