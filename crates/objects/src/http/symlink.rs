//! Symbolic links, which only OSS has.

use percent_encoding::percent_decode_str;

use super::{
    Call, Input, headers,
    problem::Problem,
    reply::{Reply, etag, http_date},
};
use crate::{ObjectError, Put, name, sign::encode};

pub(super) fn put(call: &Call, _: Input) -> Result<Reply, Problem> {
    let invalid = |text: &str| Problem::argument("x-oss-symlink-target", text, "it is not the key of an object, percent-encoded");
    let text = call.head.header("x-oss-symlink-target").ok_or_else(|| invalid(""))?;
    let target = percent_decode_str(text).decode_utf8().map_err(|_| invalid(text))?;
    let put = Put { attributes: headers::attributes(&call.head)?, condition: headers::condition(&call.head)? };
    let record = call.objects().link(call.bucket(), call.key(), &target, put)?;
    Ok(Reply::empty(200).header("etag", etag(call.head.dialect, &record.etag)))
}

pub(super) fn get(call: &Call, _: Input) -> Result<Reply, Problem> {
    let record = call.objects().head(call.bucket(), call.key())?;
    let target = record.target.as_deref().ok_or_else(|| ObjectError::NotALink(name::shortened(call.key())))?;
    let reply =
        Reply::empty(200).header("x-oss-symlink-target", encode(target, true)).header("etag", etag(call.head.dialect, &record.etag));
    Ok(reply.header("last-modified", http_date(record.modified_ms)))
}
