//! What handlers take from a request; what cannot be taken is refused in the original's shape.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{StatusCode, request},
};
use serde::de::DeserializeOwned;

use super::Problem;

/// Segments of the path.
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Segments(segments)),
            // Only text that is no UTF-8 is none of our segments.
            Err(_) => Err(Problem::fail(format!("Invalid path: '{}' is no UTF-8 text.", parts.uri.path()))),
        }
    }
}

/// The whole body.
pub struct Content(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Content).map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            code => Problem::fail(format!("the request's body cannot be read: {}", error.body_text())).code(code),
        })
    }
}

/// A body that is larger than allowed.
pub fn too_large() -> Problem {
    Problem::fail("the request is larger than this server allows").code(StatusCode::PAYLOAD_TOO_LARGE)
}
