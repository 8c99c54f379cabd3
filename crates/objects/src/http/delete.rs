//! Deleting objects.

use super::{Call, Input, list::encoding, problem::Problem, reply::Reply, wire};
use crate::{MAX_DELETED, name};

/// One object; that there was none is no error.
pub(super) fn object(call: &Call, _: Input) -> Result<Reply, Problem> {
    call.objects().delete(call.bucket(), call.key())?;
    Ok(Reply::empty(204))
}

/// Many, in one commit.
pub(super) fn many(call: &Call, input: Input) -> Result<Reply, Problem> {
    let wanted: wire::Delete = wire::parse(input.document())?;
    if wanted.objects.is_empty() || wanted.objects.len() > MAX_DELETED {
        return Err(Problem::new(400, "MalformedXML", format!("between 1 and {MAX_DELETED} objects can be deleted at once")));
    }
    let (good, bad): (Vec<_>, Vec<_>) = wanted.objects.into_iter().map(|object| object.key).partition(|key| name::check_key(key).is_ok());
    call.objects().delete_many(call.bucket(), good.clone())?;
    let encoding = encoding(&call.head)?;
    let is_quiet = wanted.quiet.is_some_and(|quiet| quiet.trim() == "true");
    let deleted = if is_quiet { Vec::new() } else { good.iter().map(|key| wire::DeletedEntry { key: encoding.write(key) }).collect() };
    let errors = bad.iter().map(|key| wire::DeleteError {
        key: encoding.write(key),
        code: "InvalidObjectName",
        message: "this cannot be the key of an object".to_owned(),
    });
    Reply::xml(&wire::Deleted { xmlns: wire::namespace(call.is_s3()), encoding_type: encoding.name(), deleted, errors: errors.collect() })
}
