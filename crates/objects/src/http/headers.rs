//! Headers of requests that say something about an object, and headers of answers that say it again.

use std::collections::BTreeMap;

use super::{
    Call,
    head::{Dialect, Head},
    problem::Problem,
    reply::{etag, http_date},
};
use crate::{Acl, Attributes, Condition, Kind, Record};
use base64::{Engine, prelude::BASE64_STANDARD};

/// Standard headers that are kept with an object.
const KEPT: [&str; 6] = ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];
/// What an object is of which nobody said it.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// What the headers of a request say about the object that it makes.
pub(super) fn attributes(head: &Head) -> Result<Attributes, Problem> {
    let mut headers: BTreeMap<String, String> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), head.header(name)?.to_owned()))).collect();
    // How the bytes travelled is no property of the object.
    if let Some(encoding) = headers.remove("content-encoding") {
        let rest: Vec<&str> = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked" && !part.is_empty()).collect();
        if !rest.is_empty() {
            headers.insert("content-encoding".to_owned(), rest.join(","));
        }
    }
    let prefix = head.dialect.header("meta-");
    let user = head.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))).collect();
    let tags = match head.own("tagging") {
        Some(text) => form_urlencoded::parse(text.as_bytes()).into_owned().collect(),
        None => BTreeMap::new(),
    };
    Ok(Attributes { headers, user, tags, acl: object_acl(head)?.unwrap_or_default() })
}

/// The ACL in the header for objects, if there is one.
pub(super) fn object_acl(head: &Head) -> Result<Option<Acl>, Problem> {
    let name = if head.dialect == Dialect::S3 { "x-amz-acl" } else { "x-oss-object-acl" };
    parse_acl(name, head.header(name))
}

/// The ACL in the header for buckets, if there is one.
pub(super) fn bucket_acl(head: &Head) -> Result<Option<Acl>, Problem> {
    let name = if head.dialect == Dialect::S3 { "x-amz-acl" } else { "x-oss-acl" };
    match parse_acl(name, head.header(name))? {
        Some(Acl::Default) => Err(Problem::argument(name, "default", "a bucket needs one of private, public-read, public-read-write")),
        other => Ok(other),
    }
}

pub(super) fn parse_acl(name: &'static str, text: Option<&str>) -> Result<Option<Acl>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let acl = match text {
        // S3 knows these, which mean the owner alone here.
        "bucket-owner-read" | "bucket-owner-full-control" => Some(Acl::Default),
        other => Acl::parse(other),
    };
    acl.map(Some).ok_or_else(|| Problem::argument(name, text, "it is none of default, private, public-read, public-read-write"))
}

/// What must hold for an object to be written.
pub(super) fn condition(head: &Head) -> Result<Condition, Problem> {
    if head.header("x-oss-forbid-overwrite").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(Condition::Absent);
    }
    match (head.header("if-none-match"), head.header("if-match")) {
        (Some("*"), _) => Ok(Condition::Absent),
        (Some(other), _) => Err(Problem::argument("If-None-Match", other, "a write can only be made to depend on `*`")),
        (None, Some(etag)) => Ok(Condition::Etag(etag.trim_matches('"').to_owned())),
        (None, None) => Ok(Condition::Always),
    }
}

/// What an answer says about an object; parameters of the request may say something else.
pub(super) fn of_record(call: &Call, record: &Record) -> Vec<(String, String)> {
    let dialect = call.head.dialect;
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value));
    add("accept-ranges", "bytes".to_owned());
    add("etag", etag(dialect, &record.etag));
    add("last-modified", http_date(record.modified_ms));
    for name in KEPT {
        let own = record.attributes.headers.get(name).cloned();
        let value = call.head.parameter(&format!("response-{name}")).map(str::to_owned).or(own);
        if let Some(value) = value.or_else(|| (name == "content-type").then(|| DEFAULT_TYPE.to_owned())) {
            add(name, value);
        }
    }
    for (name, value) in &record.attributes.user {
        add(&dialect.header(&format!("meta-{name}")), value.clone());
    }
    if !record.attributes.tags.is_empty() {
        add(&dialect.header("tagging-count"), record.attributes.tags.len().to_string());
    }
    if dialect == Dialect::Oss {
        add("x-oss-object-type", record.kind.as_str().to_owned());
        add("x-oss-storage-class", "Standard".to_owned());
        add("x-oss-hash-crc64ecma", record.crc64.to_string());
        if record.kind == Kind::Appendable {
            add("x-oss-next-append-position", record.size.to_string());
        }
    }
    all
}

/// MD5 in Base64, where the ETag is one.
pub(super) fn content_md5(record: &Record) -> Option<String> {
    let is_md5 = record.etag.len() == 32 && record.kind != Kind::Appendable;
    is_md5.then(|| hex::decode(&record.etag).ok().map(|bytes| BASE64_STANDARD.encode(bytes))).flatten()
}
