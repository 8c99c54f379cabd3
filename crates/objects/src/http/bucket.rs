//! Buckets.

use super::{
    Call, Input, headers,
    problem::Problem,
    reply::{Reply, iso_date},
    wire,
};
use crate::{Acl, Bucket, Listing, MAX_PAGE, keys::Role};

/// All buckets that the caller may use.
pub(super) fn list(call: &Call, _: Input) -> Result<Reply, Problem> {
    let head = &call.head;
    let prefix = head.parameter("prefix").unwrap_or_default().to_owned();
    let marker = head.parameter("marker").unwrap_or_default().to_owned();
    let limit = super::list::page_size(head, "max-keys", if call.is_s3() { MAX_PAGE } else { 100 })?;
    let mut all = call.objects().buckets()?;
    let account = call.caller.account();
    all.retain(|(name, row)| (call.caller.is(Role::Admin) || row.owner == account) && name.starts_with(&prefix) && *name > marker);
    let is_truncated = all.len() > limit;
    all.truncate(limit);
    let next_marker = all.last().filter(|_| is_truncated).map(|(name, _)| name.clone());
    let entries = all.iter().map(|(name, row)| entry(call, name, row)).collect();
    Reply::xml(&wire::Buckets {
        xmlns: wire::namespace(call.is_s3()),
        owner: wire::Owner::new(account),
        prefix,
        marker,
        max_keys: limit,
        is_truncated,
        next_marker,
        buckets: wire::BucketList { all: entries },
    })
}

fn entry(call: &Call, name: &str, row: &Bucket) -> wire::BucketEntry {
    let region = &call.service.options.region;
    wire::BucketEntry {
        name: name.to_owned(),
        creation_date: iso_date(row.created_ms),
        location: format!("oss-{region}"),
        region: region.clone(),
        extranet_endpoint: endpoint(call),
        intranet_endpoint: endpoint(call),
        storage_class: super::list::storage_class(call),
    }
}

/// Name under which the client has reached this server, without the bucket.
fn endpoint(call: &Call) -> String {
    let host = call.head.header("host").unwrap_or_default();
    let bucket = call.head.bucket.as_deref().filter(|_| !call.head.path.starts_with(&format!("/{}", call.bucket())));
    bucket.and_then(|bucket| host.strip_prefix(bucket)?.strip_prefix('.')).unwrap_or(host).to_owned()
}

/// Makes a bucket; one that the caller has already may get another ACL so.
pub(super) fn create(call: &Call, _: Input) -> Result<Reply, Problem> {
    let acl = headers::bucket_acl(&call.head)?;
    call.objects().create_bucket(call.bucket(), call.caller.account(), acl)?;
    Ok(Reply::empty(200).header("location", format!("/{}", call.bucket())))
}

/// Deletes an empty bucket.
pub(super) fn delete(call: &Call, _: Input) -> Result<Reply, Problem> {
    call.objects().delete_bucket(call.bucket())?;
    Ok(Reply::empty(204))
}

/// Whether there is one.
pub(super) fn head(call: &Call, _: Input) -> Result<Reply, Problem> {
    let reply = Reply::empty(200);
    Ok(if call.is_s3() { reply.header("x-amz-bucket-region", call.service.options.region.clone()) } else { reply })
}

/// Where it is.
pub(super) fn location(call: &Call, _: Input) -> Result<Reply, Problem> {
    let region = &call.service.options.region;
    let name = if call.is_s3() { region.clone() } else { format!("oss-{region}") };
    Reply::xml(&wire::Location { xmlns: wire::namespace(call.is_s3()), name })
}

/// All about it.
pub(super) fn info(call: &Call, _: Input) -> Result<Reply, Problem> {
    let row = call.objects().bucket(call.bucket())?;
    let bucket = wire::BucketDetails {
        entry: entry(call, call.bucket(), &row),
        owner: wire::Owner::new(&row.owner),
        access_control_list: wire::Grants { grant: if row.acl == Acl::Default { Acl::Private } else { row.acl }.as_str() },
        data_redundancy_type: "LRS",
    };
    Reply::xml(&wire::BucketInfo { bucket })
}

/// How much is in it. Unfinished uploads are counted up to a page of them.
pub(super) fn stat(call: &Call, _: Input) -> Result<Reply, Problem> {
    let (count, bytes) = call.objects().usage(call.bucket())?;
    let uploads = call.objects().uploads(call.bucket(), &Listing { limit: MAX_PAGE, ..Listing::default() }, None)?;
    Reply::xml(&wire::BucketStat {
        storage: bytes,
        object_count: count,
        multipart_upload_count: uploads.uploads.len(),
        standard_storage: bytes,
        standard_object_count: count,
    })
}

/// Versions are not kept, and were never switched on.
pub(super) fn versioning(call: &Call, _: Input) -> Result<Reply, Problem> {
    Reply::xml(&wire::Versioning { xmlns: wire::namespace(call.is_s3()) })
}
