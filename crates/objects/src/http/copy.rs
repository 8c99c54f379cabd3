//! Copies of objects, and of objects into parts of uploads.

use percent_encoding::percent_decode_str;

use super::{
    Call, Input,
    access::{self, Need},
    condition, headers, multipart,
    problem::Problem,
    reply::{Reply, etag, iso_date},
    wire,
};
use crate::{MAX_PUT_BYTES, ObjectError, store::Found};

/// A copy of a whole object.
pub(super) fn object(call: &Call, _: Input) -> Result<Reply, Problem> {
    let (bucket, key) = source(call)?;
    let found = open(call, &bucket, &key)?;
    let replaces = call.head.own("metadata-directive").is_some_and(|directive| directive.eq_ignore_ascii_case("REPLACE"));
    let mut attributes = headers::attributes(&call.head)?;
    if bucket == call.bucket() && key == call.key() && !replaces && call.is_s3() {
        return Err(Problem::new(400, "InvalidRequest", "a copy to itself must replace the metadata"));
    }
    let replaces_tags = call.head.own("tagging-directive").is_some_and(|directive| directive.eq_ignore_ascii_case("REPLACE"));
    let old = &found.record.attributes;
    if !replaces_tags {
        attributes.tags.clone_from(&old.tags);
    }
    if !replaces {
        attributes.headers.clone_from(&old.headers);
        attributes.user.clone_from(&old.user);
    }
    let record = call.objects().copy(&found, call.bucket(), call.key(), Some(attributes), headers::condition(&call.head)?)?;
    // Clients of OSS read the header, those of S3 the document.
    let tag = etag(call.head.dialect, &record.etag);
    let reply = Reply::xml(&wire::Copied { last_modified: iso_date(record.modified_ms), etag: tag.clone() })?.header("etag", tag);
    Ok(if call.is_s3() { reply } else { reply.header("x-oss-hash-crc64ecma", record.crc64.to_string()) })
}

/// A copy of a range into a part.
pub(super) fn part(call: &Call, _: Input) -> Result<Reply, Problem> {
    let (id, number) = multipart::place(call)?;
    call.objects().check_upload(call.bucket(), call.key(), id)?;
    let (bucket, key) = source(call)?;
    let found = open(call, &bucket, &key)?;
    let (offset, length) = range(call, found.record.size)?;
    if length > MAX_PUT_BYTES {
        return Err(ObjectError::TooLarge { size: length, limit: MAX_PUT_BYTES }.into());
    }
    let mut draft = call.objects().draft()?;
    draft.read_from(&mut found.read(offset, length))?;
    let part = call.objects().put_part(call.bucket(), call.key(), id, number, draft.finish()?)?;
    let tag = etag(call.head.dialect, &part.etag);
    Ok(Reply::xml(&wire::CopiedPart { last_modified: iso_date(part.modified_ms), etag: tag.clone() })?.header("etag", tag))
}

fn open(call: &Call, bucket: &str, key: &str) -> Result<Found, Problem> {
    access::check_other(call, Need::Read, bucket, key)?;
    let found = call.objects().get(bucket, key)?;
    access::check_target(call, bucket, &found.record)?;
    condition::check(&call.head, &call.head.dialect.header("copy-source-"), &found.record)?;
    Ok(found)
}

/// Bucket and key of `/bucket/key`, percent-encoded.
fn source(call: &Call) -> Result<(String, String), Problem> {
    let text = call.head.own("copy-source").unwrap_or_default();
    let invalid = || Problem::argument("copy-source", text, "it is not of the form `/bucket/key`");
    let path = text.split_once("?versionId=").map_or(text, |(path, _)| path);
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    if bucket.is_empty() || key.is_empty() { Err(invalid()) } else { Ok((bucket.to_owned(), key.to_owned())) }
}

fn range(call: &Call, size: u64) -> Result<(u64, u64), Problem> {
    let Some(text) = call.head.own("copy-source-range") else { return Ok((0, size)) };
    let bounds = text.strip_prefix("bytes=").and_then(|rest| rest.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match bounds {
        Some((first, last)) if first <= last && last < size => Ok((first, last - first + 1)),
        _ => Err(Problem::argument("copy-source-range", text, "it is not of the form `bytes=first-last` inside of the object")),
    }
}
