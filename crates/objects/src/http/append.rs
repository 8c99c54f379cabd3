//! Appending to objects.

use super::{Call, Input, headers, problem::Problem, put, reply::Reply};
use crate::{Kind, ObjectError, Put, name};

/// What can be refused before the bytes come.
pub(super) fn check(call: &Call) -> Result<(), Problem> {
    name::check_key(call.key())?;
    headers::attributes(&call.head)?;
    let position = position(call)?;
    match call.objects().head(call.bucket(), call.key()) {
        Ok(record) if record.kind != Kind::Appendable => Err(ObjectError::NotAppendable(name::shortened(call.key())).into()),
        Ok(record) if record.size != position => Err(ObjectError::WrongPosition { position, length: record.size }.into()),
        Ok(_) => Ok(()),
        Err(ObjectError::NoSuchKey { .. }) if position == 0 => Ok(()),
        Err(ObjectError::NoSuchKey { .. }) => Err(ObjectError::WrongPosition { position, length: 0 }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Appends what came.
pub(super) fn object(call: &Call, input: Input) -> Result<Reply, Problem> {
    let put = Put { attributes: headers::attributes(&call.head)?, ..Put::default() };
    let record = call.objects().append(call.bucket(), call.key(), position(call)?, input.staged()?, put)?;
    Ok(put::stored(call, &record).header("x-oss-next-append-position", record.size.to_string()))
}

fn position(call: &Call) -> Result<u64, Problem> {
    let missing = || Problem::argument("position", "", "appending needs the length of the object");
    call.head.number("position")?.ok_or_else(missing)
}
