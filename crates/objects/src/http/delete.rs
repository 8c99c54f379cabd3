//! Deleting objects.

use super::{
    Call, Input,
    access::{self, Need},
    list::encoding,
    problem::Problem,
    reply::Reply,
    wire,
};
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
    let encoding = encoding(&call.head)?;
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    for key in wanted.objects.into_iter().map(|object| object.key) {
        match check(call, &key) {
            Ok(()) => good.push(key),
            Err(problem) => errors.push(wire::DeleteError { key: encoding.write(&key), code: problem.code, message: problem.message }),
        }
    }
    call.objects().delete_many(call.bucket(), good.clone())?;
    let is_quiet = wanted.quiet.is_some_and(|quiet| quiet.trim() == "true");
    let deleted = if is_quiet { Vec::new() } else { good.iter().map(|key| wire::DeletedEntry { key: encoding.write(key) }).collect() };
    Reply::xml(&wire::Deleted { xmlns: wire::namespace(call.is_s3()), encoding_type: encoding.name(), deleted, errors })
}

/// Whether one of many may be deleted.
fn check(call: &Call, key: &str) -> Result<(), Problem> {
    name::check_key(key)?;
    access::check_other(call, Need::Write, call.bucket(), key)
}
