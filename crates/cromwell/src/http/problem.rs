//! What is wrong with a request, in the original's shape.

use axum::{
    Json as Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{metadata::MetadataError, service::ServiceError};

/// An answer that is no success.
#[derive(Clone, Debug)]
pub struct Problem {
    code: StatusCode,
    status: &'static str,
    message: String,
    errors: Vec<String>,
}

#[derive(Serialize)]
struct Wire<'p> {
    status: &'p str,
    message: &'p str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    errors: &'p [String],
}

impl Problem {
    fn new(code: StatusCode, status: &'static str, message: impl Into<String>) -> Self {
        Problem { code, status, message: message.into(), errors: Vec::new() }
    }

    /// The request is wrong.
    pub fn fail(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "fail", message)
    }

    /// The server had a problem.
    pub fn error(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "error", message)
    }

    /// The server cannot answer now.
    pub fn busy(message: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "fail", message)
    }

    /// An id that is none.
    pub fn invalid_id(text: &str) -> Self {
        Problem::fail(format!("Invalid workflow ID: '{text}'."))
    }

    /// The same with another code.
    pub fn code(self, code: StatusCode) -> Self {
        Problem { code, ..self }
    }

    /// The same as the server's problem.
    pub fn as_error(self) -> Self {
        Problem { status: "error", ..self }
    }

    /// The same with single problems beside the message.
    pub fn errors(self, errors: Vec<String>) -> Self {
        Problem { errors, ..self }
    }

    /// Its code.
    pub fn status_code(&self) -> StatusCode {
        self.code
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer.
    pub fn answer(&self) -> Response {
        let wire = Wire { status: self.status, message: &self.message, errors: &self.errors };
        match serde_json::to_string_pretty(&wire) {
            Ok(text) => (self.code, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
            // Texts always serialize.
            Err(_) => (self.code, Body(())).into_response(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.answer()
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let message = error.to_string();
        match error {
            ServiceError::Unknown(_) => Problem::fail(message).code(StatusCode::NOT_FOUND),
            ServiceError::NotInProgress(_) => Problem::error(message).code(StatusCode::NOT_FOUND),
            ServiceError::NotOnHold { .. } => Problem::error(message).code(StatusCode::FORBIDDEN),
            ServiceError::InUse(_) | ServiceError::Refused(_) => Problem::fail(message),
            ServiceError::Secret(_) => Problem::error(message),
            ServiceError::Closing => Problem::busy(message),
            ServiceError::Store(error) => Problem::error(message).errors(error.hint().map(str::to_owned).into_iter().collect()),
        }
    }
}

impl From<MetadataError> for Problem {
    fn from(error: MetadataError) -> Self {
        let message = error.to_string();
        match error {
            MetadataError::Unknown(_) => Problem::fail(message).code(StatusCode::NOT_FOUND),
            MetadataError::Store(_) | MetadataError::Reader(_) => Problem::error(message),
        }
    }
}

/// No such path.
pub async fn not_found() -> Problem {
    Problem::fail("The requested resource could not be found.").code(StatusCode::NOT_FOUND)
}

/// A path that is asked in another way.
pub async fn wrong_method() -> Problem {
    Problem::fail("HTTP method not allowed for this resource.").code(StatusCode::METHOD_NOT_ALLOWED)
}
