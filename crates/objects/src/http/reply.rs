//! What is answered.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;

use super::{download::Download, head::Dialect, problem::Problem};

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    /// The head of an answer that has so many bytes.
    Length(u64),
    Bytes(Box<Download>),
}

impl Reply {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A document; `value`'s type names the outermost element.
    pub(super) fn xml(value: &impl Serialize) -> Result<Self, Problem> {
        let xml = quick_xml::se::to_string(value).map_err(|e| Problem::internal(e.to_string()))?;
        Ok(Self::document(xml))
    }

    /// A document that is written already.
    pub(super) fn document(xml: String) -> Self {
        let body = Content::Text(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}"));
        Self { status: 200, body, ..Self::default() }.header("content-type", "application/xml")
    }

    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn headers(mut self, headers: Vec<(String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn length(mut self, length: u64) -> Self {
        self.body = Content::Length(length);
        self
    }

    pub(super) fn bytes(mut self, download: Download) -> Self {
        self.body = Content::Bytes(Box::new(download));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            // Metadata may be UTF-8, as they came.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(name, value);
            }
        }
        match self.body {
            Content::Nothing => {}
            Content::Text(text) => *response.body_mut() = Body::from(text),
            Content::Length(length) => drop(headers.insert("content-length", HeaderValue::from(length))),
            Content::Bytes(download) => *response.body_mut() = Body::new(*download),
        }
        response
    }
}

/// A new id, in the original's form.
pub(super) fn request_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    id.truncate(24);
    id
}

/// Headers that every answer has.
pub(super) fn add_common(headers: &mut HeaderMap, dialect: Dialect, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        match dialect {
            Dialect::Oss => drop(headers.insert("x-oss-request-id", id)),
            Dialect::S3 => {
                headers.insert("x-amz-id-2", id.clone());
                headers.insert("x-amz-request-id", id);
            }
        }
    }
    headers.insert("server", HeaderValue::from_static("batchyard"));
}

/// ISO 8601 as XML has it: with a fraction that is always zero, which clients rely on.
pub(super) fn iso_date(ms: i64) -> String {
    let moment = jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{moment:.3}")
}

/// RFC 1123, as headers have it.
pub(super) fn http_date(ms: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

/// An ETag as the dialect writes it.
pub(super) fn etag(dialect: Dialect, etag: &str) -> String {
    match dialect {
        Dialect::Oss => format!("\"{}\"", etag.to_uppercase()),
        Dialect::S3 => format!("\"{etag}\""),
    }
}
