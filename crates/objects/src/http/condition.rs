//! Conditions of reading: `If-Match` and its kin, in the order that HTTP gives them.

use super::{head::Head, problem::Problem};
use crate::{ObjectError, Record, sign::parse_http_date};

/// Checks the conditions in the headers whose names begin with `prefix` (empty, or `x-oss-copy-source-`).
///
/// # Errors
/// One does not hold: not modified (only with an empty prefix), or failed.
pub(super) fn check(head: &Head, prefix: &str, record: &Record) -> Result<(), Problem> {
    let header = |name: &str| head.header(&format!("{prefix}{name}"));
    let changed_at = record.modified_ms.div_euclid(1000);
    let unchanged = || if prefix.is_empty() { ObjectError::NotModified } else { ObjectError::PreconditionFailed("If-None-Match") };
    if let Some(wanted) = header("if-match") {
        if !matches(wanted, &record.etag) {
            return Err(ObjectError::PreconditionFailed("If-Match").into());
        }
    } else if header("if-unmodified-since").and_then(parse_http_date).is_some_and(|date| changed_at > date) {
        return Err(ObjectError::PreconditionFailed("If-Unmodified-Since").into());
    }
    if let Some(known) = header("if-none-match") {
        if matches(known, &record.etag) {
            return Err(unchanged().into());
        }
    } else if header("if-modified-since").and_then(parse_http_date).is_some_and(|date| changed_at <= date) {
        return Err(unchanged().into());
    }
    Ok(())
}

fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(|one| one.trim().trim_start_matches("W/").trim_matches('"')).any(|one| one == "*" || one.eq_ignore_ascii_case(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags() {
        assert!(matches("\"AB\"", "ab") && matches("ab", "ab") && matches("x, W/\"ab\"", "ab") && matches("*", "ab"));
        assert!(!matches("\"abc\"", "ab") && !matches("", "ab"));
    }
}
