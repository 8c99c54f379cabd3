//! PUT of objects.

use super::{Call, Input, headers, problem::Problem, reply::Reply, reply::etag};
use crate::{Condition, ObjectError, Put, Record, Staged, name};

/// What can be refused before the bytes come.
pub(super) fn check(call: &Call) -> Result<(), Problem> {
    name::check_key(call.key())?;
    headers::attributes(&call.head)?;
    let condition = headers::condition(&call.head)?;
    if condition == Condition::Absent && call.objects().head(call.bucket(), call.key()).is_ok() {
        return Err(ObjectError::ObjectExists(name::shortened(call.key())).into());
    }
    Ok(())
}

/// Stores what came.
pub(super) fn object(call: &Call, input: Input) -> Result<Reply, Problem> {
    let put = Put { attributes: headers::attributes(&call.head)?, condition: headers::condition(&call.head)? };
    let staged: Staged = input.staged()?;
    let record = call.objects().put(call.bucket(), call.key(), staged, put)?;
    Ok(stored(call, &record))
}

/// What is said about something that is stored.
pub(super) fn stored(call: &Call, record: &Record) -> Reply {
    let reply = Reply::empty(200).header("etag", etag(call.head.dialect, &record.etag));
    if call.is_s3() {
        return reply;
    }
    let reply = reply.header("x-oss-hash-crc64ecma", record.crc64.to_string());
    match headers::content_md5(record) {
        Some(md5) => reply.header("content-md5", md5),
        None => reply,
    }
}
