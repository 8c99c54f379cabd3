//! The signed HTTP interface: who asks is found out first, then [`route`] says what is asked for.

mod auth;
mod nonces;
mod query;
mod route;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::json;
use uuid::Uuid;

pub(crate) use self::nonces::Nonces;
use self::route::Answer;
use crate::{error::ApiError, service::Service};

/// Most bytes of a body.
const MAX_BODY: usize = 256 << 10;
/// The version of the interface that clients speak.
const VERSIONS: [&str; 2] = ["2015-11-11", "2015-10-01"];

/// All of the interface. Ways to things are looked up by ourselves, because unknown ones have answers of their own.
pub fn router(service: Arc<Service>) -> Router {
    Router::new().fallback(move |request: Request| answer(Arc::clone(&service), request))
}

/// A request that was read.
pub(crate) struct Asked {
    pub method: String,
    /// The path and query as sent.
    pub target: String,
    pub path: String,
    pub query: query::Query,
    /// By lower-case name.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

async fn answer(service: Arc<Service>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let given = parts.headers.get("x-acs-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let request_id = given.unwrap_or_else(|| Uuid::new_v4().to_string().to_uppercase());
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let headers =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers: Vec<(String, String)> = headers.collect();
    let result = match to_bytes(body, MAX_BODY).await {
        Ok(body) => {
            let asked = Asked {
                method: parts.method.as_str().to_owned(),
                path: parts.uri.path().to_owned(),
                query: query::Query::parse(parts.uri.query().unwrap_or_default()),
                target,
                headers,
                body: body.to_vec(),
            };
            let work = move || inflated(asked).and_then(|asked| respond(&service, &asked));
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|_| Err(ApiError::internal("internal error while the request was worked on")))
        }
        Err(_) => Err(ApiError::new(403, "InvalidHttpBody", format!("The body cannot be read, or has more than {MAX_BODY} bytes."))),
    };
    let (status, body) = match result {
        Ok(Answer { status, body }) => (status, body.map(|body| body.to_string()).unwrap_or_default()),
        Err(error) => {
            let body = json!({ "Code": error.code, "Message": error.message, "RequestId": request_id });
            (error.status, body.to_string())
        }
    };
    reply(status, body, &request_id)
}

fn respond(service: &Service, asked: &Asked) -> Result<Answer, ApiError> {
    let version = asked.header("x-acs-version");
    if let Some(version) = version.filter(|version| !VERSIONS.contains(version)) {
        return Err(ApiError::new(403, "InvalidVersion.NotFound", format!("Version `{version}` is not known; this is `{}`.", VERSIONS[0])));
    }
    let caller = auth::caller(service, asked)?;
    route::answer(service, &caller, asked)
}

/// A body that the client has compressed.
fn inflated(mut asked: Asked) -> Result<Asked, ApiError> {
    use std::io::Read;
    if asked.header("x-acs-compress-type") != Some("deflate") {
        return Ok(asked);
    }
    let mut raw = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    let read = flate2::read::ZlibDecoder::new(asked.body.as_slice()).take(limit).read_to_end(&mut raw);
    if read.is_err() {
        raw.clear();
        let again = flate2::read::DeflateDecoder::new(asked.body.as_slice()).take(limit).read_to_end(&mut raw);
        again.map_err(|e| ApiError::new(403, "InvalidHttpBody", format!("The body is not deflated: {e}.")))?;
    }
    if raw.len() > MAX_BODY {
        return Err(ApiError::new(403, "InvalidHttpBody", format!("The body has more than {MAX_BODY} bytes.")));
    }
    asked.body = raw;
    Ok(asked)
}

fn reply(status: u16, body: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-acs-request-id", id.clone());
        headers.insert("request-id", id);
    }
    response
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
