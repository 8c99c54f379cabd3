//! Who may do what.

use super::{Call, problem::Problem};
use crate::{Acl, Bucket, ObjectError, Record, keys::Role};

/// What an operation needs its caller to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// To have an account.
    Account,
    /// To have an account that may change things.
    Create,
    /// To look into the bucket.
    ReadBucket,
    /// To change what is in the bucket.
    Write,
    /// To own the bucket, and change it.
    Own,
    /// To own the bucket, and look at it.
    OwnRead,
    /// To read the object.
    Read,
}

/// # Errors
/// The bucket does not exist, or the caller may not.
pub(super) fn check(call: &Call, need: Need) -> Result<(), Problem> {
    let caller = &call.caller;
    if need == Need::Nothing {
        return Ok(());
    }
    let changes = matches!(need, Need::Create | Need::Write | Need::Own);
    if changes && caller.is(Role::Viewer) {
        return Err(Problem::denied("the access key may only read"));
    }
    if matches!(need, Need::Account | Need::Create) {
        return caller.key.as_ref().map(drop).ok_or_else(|| Problem::denied("the request must be signed"));
    }
    let bucket = call.objects().bucket(call.bucket())?;
    if is_owner(call, &bucket) {
        return Ok(());
    }
    let acl = match need {
        Need::Read | Need::Write => object_acl(call, call.bucket(), call.key())?.unwrap_or(bucket.acl),
        _ => bucket.acl,
    };
    allowed(need, acl)
}

/// The same question about another object than the request's.
///
/// # Errors
/// The bucket does not exist, or the caller may not.
pub(super) fn check_other(call: &Call, need: Need, bucket: &str, key: &str) -> Result<(), Problem> {
    let row = call.objects().bucket(bucket)?;
    if is_owner(call, &row) {
        return Ok(());
    }
    allowed(need, object_acl(call, bucket, key)?.unwrap_or(row.acl))
}

/// A link gives nobody what its target does not.
///
/// # Errors
/// The caller may not read the target.
pub(super) fn check_target(call: &Call, bucket: &str, record: &Record) -> Result<(), Problem> {
    record.target.as_deref().map_or(Ok(()), |target| check_other(call, Need::Read, bucket, target))
}

fn is_owner(call: &Call, bucket: &Bucket) -> bool {
    call.caller.is(Role::Admin) || call.caller.key.as_ref().is_some_and(|key| key.account == bucket.owner)
}

fn object_acl(call: &Call, bucket: &str, key: &str) -> Result<Option<Acl>, Problem> {
    if key.is_empty() {
        return Ok(None);
    }
    match call.objects().head(bucket, key) {
        Ok(record) => Ok(Some(record.attributes.acl).filter(|acl| *acl != Acl::Default)),
        Err(ObjectError::NoSuchKey { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn allowed(need: Need, acl: Acl) -> Result<(), Problem> {
    let reads = matches!(acl, Acl::PublicRead | Acl::PublicReadWrite);
    match need {
        Need::Read | Need::ReadBucket if reads => Ok(()),
        Need::Write if acl == Acl::PublicReadWrite => Ok(()),
        Need::Own | Need::OwnRead => Err(Problem::denied("only the bucket's owner may do this")),
        _ => Err(Problem::denied("the access control list does not allow this")),
    }
}
