//! What can go wrong with a store of somebody else, in words that say where and what mends it.

use std::{io, path::Path};

use opendal::ErrorKind;

/// What could not be done.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum RemoteError {
    #[error("`{url}` {reason}")]
    Address { url: String, reason: &'static str },
    #[error("the store `{url}` {reason}")]
    Settings { url: String, reason: String },
    #[error(
        "no store is configured for `{url}`: write a table `[[stores]]` in the configuration, with `url = \"{base}\"` and its `endpoint`, \
         `region` or `folder`"
    )]
    NoStore { url: String, base: String },
    #[error("`{url}` does not exist in its store ({place})")]
    NoSuchObject { url: String, place: String },
    #[error("the bucket of `{url}` does not exist ({place}): make it there, or mend `endpoint` or `region` of the store")]
    NoSuchBucket { url: String, place: String },
    #[error("`{url}` is refused by its store ({place}): {why}; check access key and secret of the store, and the rights of that key")]
    Refused { url: String, place: String, why: String },
    #[error("the store of `{url}` cannot be reached ({place}): {why}; check its `endpoint`, and that the service is running")]
    Unreachable { url: String, place: String, why: String },
    #[error("`{url}` is in a store that is only read here (`read-only`)")]
    ReadOnly { url: String },
    #[error("`{url}` is in a store that is not open to the account `{account}`: add it to `accounts` of the store")]
    NotForAccount { url: String, account: String },
    #[error("`{url}` was changed while it was read: try again")]
    Changed { url: String },
    #[error("`{url}` is not wanted any more")]
    Unwanted { url: String },
    #[error("`{url}` came with another checksum than its store tells: try again")]
    BadDigest { url: String },
    #[error("`{url}` holds more than {limit} {what}, which is the most that goes from or to a store at once: name a smaller folder")]
    TooMuch { url: String, limit: u64, what: &'static str },
    #[error("`{url}` has a key that cannot be the name of a file: {key}")]
    NoFileName { url: String, key: String },
    #[error("cannot {what} `{url}` ({place}): {why}")]
    Failed { what: &'static str, url: String, place: String, why: String },
    #[error("cannot {what}: {source}")]
    File { what: String, source: io::Error },
    #[error("cannot speak to stores: {0}")]
    Client(String),
}

impl RemoteError {
    pub(super) fn file(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{verb} `{}`", path.display());
        move |source| RemoteError::File { what, source }
    }

    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, RemoteError::NoSuchObject { .. })
    }

    /// Whether its store has refused it: some do so with what is not there, unless one may list what is. A store that does not know who asks
    /// has refused nothing in particular.
    pub fn is_refused(&self) -> bool {
        matches!(self, RemoteError::Refused { why, .. } if !STRANGERS.iter().any(|code| why.starts_with(code)))
    }

    /// What the library says, in our words.
    pub(super) fn from_library(what: &'static str, url: &str, place: &str, error: &opendal::Error) -> Self {
        let (url, place) = (url.to_owned(), place.to_owned());
        let (code, why) = reason(error);
        match (error.kind(), code.as_deref()) {
            (_, Some("NoSuchBucket")) => RemoteError::NoSuchBucket { url, place },
            (ErrorKind::NotFound, _) => RemoteError::NoSuchObject { url, place },
            (ErrorKind::PermissionDenied, _) => RemoteError::Refused { url, place, why },
            (_, Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AccessDenied")) => RemoteError::Refused { url, place, why },
            (ErrorKind::ConditionNotMatch, _) => RemoteError::Changed { url },
            // What no answer came to has a cause further down.
            (ErrorKind::Unexpected, None) if std::error::Error::source(error).is_some() => RemoteError::Unreachable { url, place, why },
            _ => RemoteError::Failed { what, url, place, why },
        }
    }
}

/// Codes of a service that does not take its caller for whom he says he is.
const STRANGERS: [&str; 6] =
    ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed", "InvalidSecurityToken"];

/// The code of a service, and words.
fn reason(error: &opendal::Error) -> (Option<String>, String) {
    let message = error.message();
    if let Some(code) = quoted(message, "code: \"").filter(|code| !code.is_empty()) {
        let words = quoted(message, "message: \"").unwrap_or_default();
        return (Some(code.to_owned()), if words.is_empty() { code.to_owned() } else { format!("{code}: {words}") });
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let deepest = if std::error::Error::source(error).is_some() { cause.to_string() } else { message.trim().to_owned() };
    (None, if deepest.is_empty() { "it gives no reason".to_owned() } else { deepest.chars().take(MAX_WORDS).collect() })
}

/// Characters of the words of a service that are told.
const MAX_WORDS: usize = 400;

/// What follows `name` up to the next quotation mark.
fn quoted<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.split_once(name)?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use opendal::Error;

    use super::*;

    #[test]
    fn a_service_is_quoted_in_short() {
        let said = |kind, text: &str| RemoteError::from_library("read", "s3://b/k", "http://host", &Error::new(kind, text)).to_string();
        let answer = r#"S3Error { code: "SignatureDoesNotMatch", message: "no match", resource: "", request_id: "1" }"#;
        assert!(said(ErrorKind::PermissionDenied, answer).contains("SignatureDoesNotMatch: no match; check access key"));
        let is_refused = |text: &str| {
            RemoteError::from_library("read", "s3://b/k", "http://host", &Error::new(ErrorKind::PermissionDenied, text)).is_refused()
        };
        let denied = r#"S3Error { code: "AccessDenied", message: "no", resource: "", request_id: "1" }"#;
        assert_eq!([answer, denied, ""].map(is_refused), [false, true, true]);
        let answer = r#"S3Error { code: "NoSuchBucket", message: "", resource: "", request_id: "1" }"#;
        assert!(said(ErrorKind::ConfigInvalid, answer).starts_with("the bucket of `s3://b/k` does not exist (http://host)"));
        assert_eq!(said(ErrorKind::NotFound, ""), "`s3://b/k` does not exist in its store (http://host)");
        let lost = Error::new(ErrorKind::Unexpected, "send").set_source(io::Error::other("connection refused"));
        let told = RemoteError::from_library("read", "s3://b/k", "http://host", &lost).to_string();
        assert!(told.contains("cannot be reached (http://host): connection refused; check its `endpoint`"), "{told}");
    }
}
