//! Refusals: the one table from errors to status and code, and their XML.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use quick_xml::escape::escape;

use super::head::Dialect;
use crate::{ObjectError, sign::SignError};

/// Why a request gets no answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    /// In the words of OSS.
    pub(super) code: &'static str,
    /// In the words of S3, if they are others.
    s3: Option<(u16, &'static str)>,
    pub(super) message: String,
    /// Further elements of the XML.
    details: Vec<(&'static str, String)>,
    /// Further headers.
    headers: Vec<(&'static str, String)>,
    /// What only the server's log is told.
    pub(super) inside: Option<String>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, s3: None, message: message.into(), details: Vec::new(), headers: Vec::new(), inside: None }
    }

    pub(super) fn internal(inside: impl Into<String>) -> Self {
        let problem = Self::new(500, "InternalError", "the server could not do this; its log says why");
        Self { inside: Some(inside.into()), ..problem }
    }

    pub(super) fn argument(name: &'static str, value: &str, reason: &str) -> Self {
        let value = crate::name::shortened(value);
        let message = format!("`{name}` is `{value}`: {reason}");
        Self::new(400, "InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", value)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    fn or_s3(mut self, status: u16, code: &'static str) -> Self {
        self.s3 = Some((status, code));
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self, dialect: Dialect, is_head: bool, request_id: &str, host: &str) -> Response {
        let (status, code) = match (dialect, self.s3) {
            (Dialect::S3, Some(pair)) => pair,
            _ => (self.status, self.code),
        };
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
        let common = [("Code", code), ("Message", &self.message), ("RequestId", request_id), ("HostId", host)];
        for (name, value) in common.into_iter().chain(self.details.iter().map(|(name, value)| (*name, value.as_str()))) {
            xml.push_str(&format!("<{name}>{}</{name}>", escape(value)));
        }
        xml.push_str("</Error>");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(*name, value);
            }
        }
        if is_head {
            // There is no body to read the reason from.
            if let Ok(value) = HeaderValue::from_str(&BASE64_STANDARD.encode(&xml)) {
                headers.insert("x-oss-err", value);
            }
        } else if status != 304 {
            headers.insert("content-type", HeaderValue::from_static("application/xml"));
            *response.body_mut() = Body::from(xml);
        }
        response
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        use ObjectError as E;
        let text = error.to_string();
        let new = |status, code| Self::new(status, code, text.clone());
        match &error {
            E::NoSuchBucket(bucket) => new(404, "NoSuchBucket").with("BucketName", bucket),
            E::BucketTaken(bucket) => new(409, "BucketAlreadyExists").with("BucketName", bucket),
            E::BucketNotEmpty(bucket) => new(409, "BucketNotEmpty").with("BucketName", bucket),
            E::TooManyBuckets(_) => new(400, "TooManyBuckets"),
            E::InvalidBucketName(bucket) => new(400, "InvalidBucketName").with("BucketName", bucket),
            E::InvalidKey { key, .. } => new(400, "InvalidObjectName").or_s3(400, "InvalidArgument").with("ObjectName", key),
            E::NoSuchKey { key, .. } => new(404, "NoSuchKey").with("Key", key),
            E::NoSuchUpload(id) => new(404, "NoSuchUpload").with("UploadId", id),
            E::NoSuchCors(_) => new(404, "NoSuchCORSConfiguration"),
            E::NoSuchTarget(_) => new(404, "SymlinkTargetNotExist").or_s3(404, "NoSuchKey"),
            E::TargetIsLink(_) => new(400, "InvalidTargetType"),
            E::NotALink(_) => new(400, "NotSymlink"),
            E::PreconditionFailed(condition) => new(412, "PreconditionFailed").with("Condition", *condition),
            E::NotModified => new(304, "NotModified"),
            E::ObjectExists(_) => new(409, "FileAlreadyExists").or_s3(412, "PreconditionFailed"),
            E::RangeNotSatisfiable { size } => {
                new(416, "InvalidRange").with("ActualObjectSize", size.to_string()).with_header("content-range", format!("bytes */{size}"))
            }
            E::NotAppendable(_) => new(409, "ObjectNotAppendable"),
            E::WrongPosition { length, .. } => {
                new(409, "PositionNotEqualToLength").with_header("x-oss-next-append-position", length.to_string())
            }
            E::InvalidPart(number) => new(400, "InvalidPart").with("PartNumber", number.to_string()),
            E::PartOrder => new(400, "InvalidPartOrder"),
            E::PartTooSmall { size, limit, .. } => {
                new(400, "EntityTooSmall").with("ProposedSize", size.to_string()).with("MinSizeAllowed", limit.to_string())
            }
            E::TooLarge { limit, .. } => new(400, "EntityTooLarge").with("MaxSizeAllowed", limit.to_string()),
            E::MetadataTooLarge { .. } => new(400, "MetadataTooLarge"),
            E::InvalidArgument { name, value, .. } => new(400, "InvalidArgument").with("ArgumentName", *name).with("ArgumentValue", value),
            E::BadDigest { what: "SHA-256", .. } => new(400, "InvalidDigest").or_s3(400, "XAmzContentSHA256Mismatch"),
            E::BadDigest { .. } => new(400, "InvalidDigest").or_s3(400, "BadDigest"),
            E::DiskFull { .. } => Self { inside: Some(text), ..Self::new(507, "InsufficientStorage", "the server's disk is full") },
            E::Io { what, source } => Self::internal(format!("{what}: {source}")),
            E::Index(_) | E::NewerIndex { .. } => Self::internal(text),
        }
    }
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        let text = error.to_string();
        match error {
            SignError::Malformed(_) => Self::new(400, "InvalidArgument", text).or_s3(400, "AuthorizationHeaderMalformed"),
            SignError::Mismatch { string_to_sign } => Self::new(403, "SignatureDoesNotMatch", text).with("StringToSign", string_to_sign),
            SignError::Skewed { .. } => Self::new(403, "RequestTimeTooSkewed", text),
            SignError::Expired { .. } => Self::new(403, "AccessDenied", text),
        }
    }
}
