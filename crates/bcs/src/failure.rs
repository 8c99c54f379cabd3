//! What can go wrong between a command line and the service, and how it is told.

use std::{io, path::PathBuf};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The service refused; the text is the original's, which scripts match on.
    #[error("HTTP Status: {status}, Code: {code}, RequestID: {request_id}, Message: {message}.")]
    Service {
        /// HTTP status.
        status: u16,
        /// Error code of the service.
        code: String,
        /// Identifies the request in the server's log.
        request_id: String,
        /// The service's own words.
        message: String,
    },
    /// The object store refused.
    #[error("OSS {action} `{url}`: HTTP status {status}, code {code}: {message}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// On what.
        url: String,
        /// HTTP status.
        status: u16,
        /// Error code of the store.
        code: String,
        /// The store's own words.
        message: String,
    },
    /// Nobody answers.
    #[error("cannot reach `{url}`: {reason}")]
    Unreachable {
        /// Address of the request.
        url: String,
        /// Why.
        reason: String,
    },
    /// The answer is not what the protocol says.
    #[error("the answer of `{url}` cannot be read: {reason}")]
    Unreadable {
        /// Address of the request.
        url: String,
        /// Why.
        reason: String,
    },
    /// The command line is wrong; help is pointed to.
    #[error("{0}")]
    Argument(String),
    /// Something else that the person can mend.
    #[error("{0}")]
    Told(String),
    /// A file.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// `read`, `write`, ...
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads what is printed.
    #[error("cannot print: {0}")]
    Output(io::Error),
    /// What was watched did not end well; it has been printed.
    #[error("{0}")]
    Ended(String),
}

impl Failure {
    /// A text.
    pub fn told(text: impl Into<String>) -> Failure {
        Failure::Told(text.into())
    }

    /// Maps errors of a file.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Failure {
        let path = path.into();
        move |source| Failure::File { action, path, source }
    }

    /// Whether the object or its bucket does not exist.
    pub fn is_missing_object(&self) -> bool {
        matches!(self, Failure::Store { status: 404, .. })
    }

    /// Whether the service said `code`.
    pub fn is_code(&self, wanted: &str) -> bool {
        matches!(self, Failure::Service { code, .. } if code == wanted)
    }

    /// Whether the service said that it does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Failure::Service { status: 404, .. })
    }
}
