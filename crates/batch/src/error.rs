//! The errors of the interface: one table from what went wrong to status, code and words.

use batchyard_store::StoreError;

use crate::wire::Problems;

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The original's code.
    pub code: String,
    /// Words for people.
    pub message: String,
}

impl ApiError {
    /// An error of this status.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        ApiError { status, code: code.into(), message: message.into() }
    }

    /// The request is wrong.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// There is no such thing, or it belongs to somebody else.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "InvalidResource.NotFound", format!("Specified resource is not found. There is no {what}."))
    }

    /// The thing is in a state that does not allow this.
    pub fn conflict(state: &str) -> Self {
        Self::new(409, "StateConflict", format!("User operation is invalid. The current resource state is {state}."))
    }

    /// A limit of the account.
    pub fn quota(name: &str, value: u64) -> Self {
        Self::new(403, "QuotaExhausted", format!("The {name} ({value}) quota is exhausted."))
    }

    /// The account may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// Something is wrong on our side.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        ApiError::bad(problems.code(), problems.message())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Absent { what, id } => ApiError::not_found(&format!("{what} `{id}`")),
            StoreError::Stale { state, .. } => ApiError::conflict(state),
            StoreError::Taken { what, id } => {
                ApiError::new(403, "InvalidResource.AlreadyExisting", format!("There is a {what} `{id}` already."))
            }
            StoreError::Unavailable { .. } => ApiError::new(503, "ServiceUnavailable", error.to_string()),
            _ => ApiError::internal(error.to_string()),
        }
    }
}
