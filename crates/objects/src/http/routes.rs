//! Which operation a request asks for, what its caller must be allowed, and what comes in its body.

use super::{
    Call, Input, access::Need, acl, append, bucket, copy, cors, delete, get, head::Head, list, multipart, problem::Problem, put,
    reply::Reply, symlink, tagging,
};

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    None,
    Document,
    Bytes,
}

/// An operation.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) need: Need,
    pub(super) body: BodyKind,
    /// What can be refused before the body is received.
    pub(super) check: fn(&Call) -> Result<(), Problem>,
    pub(super) run: fn(&Call, Input) -> Result<Reply, Problem>,
}

type Run = fn(&Call, Input) -> Result<Reply, Problem>;

fn plain(need: Need, run: Run) -> Operation {
    Operation { need, body: BodyKind::None, check: |_| Ok(()), run }
}

fn document(need: Need, run: Run) -> Operation {
    Operation { body: BodyKind::Document, ..plain(need, run) }
}

fn bytes(check: fn(&Call) -> Result<(), Problem>, run: Run) -> Operation {
    Operation { need: Need::Write, body: BodyKind::Bytes, check, run }
}

/// # Errors
/// There is no such operation.
pub(super) fn find(head: &Head) -> Result<Operation, Problem> {
    if head.method == "OPTIONS" {
        return Ok(plain(Need::Nothing, cors::preflight));
    }
    let found = match (head.bucket.is_some(), head.key.is_empty()) {
        (false, _) => service(head),
        (true, true) => of_bucket(head),
        (true, false) => of_object(head),
    };
    found.ok_or_else(|| match unsupported(head) {
        Some(name) => Problem::new(400, "NotImplemented", format!("`{name}` is not supported by this server")).with("Header", name),
        None => Problem::new(405, "MethodNotAllowed", "the method is not allowed here").with("Method", head.method.clone()),
    })
}

fn service(head: &Head) -> Option<Operation> {
    (head.method == "GET").then(|| plain(Need::Account, bucket::list))
}

/// Parts of a bucket or object that exist in the original and not here.
const UNSUPPORTED: [&str; 22] = [
    "accelerate",
    "analytics",
    "encryption",
    "inventory",
    "lifecycle",
    "live",
    "logging",
    "metaQuery",
    "notification",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "qos",
    "referer",
    "replication",
    "requestPayment",
    "resourceGroup",
    "restore",
    "select",
    "versions",
    "website",
    "worm",
];

fn unsupported(head: &Head) -> Option<&'static str> {
    UNSUPPORTED.into_iter().find(|name| head.has(name))
}

/// What the original says about parts of a bucket that were never set.
const NEVER_SET: [(&str, &str); 5] = [
    ("encryption", "NoSuchServerSideEncryptionRule"),
    ("lifecycle", "NoSuchLifecycle"),
    ("policy", "NoSuchBucketPolicy"),
    ("replication", "NoSuchReplicationConfiguration"),
    ("website", "NoSuchWebsiteConfiguration"),
];

/// # Errors
/// Always: it was never set.
fn never_set(call: &Call, _: Input) -> Result<Reply, Problem> {
    let code = NEVER_SET.into_iter().find(|(name, _)| call.head.has(name)).map_or("NotImplemented", |(_, code)| code);
    Err(Problem::new(404, code, "the bucket has nothing of this kind"))
}

fn of_bucket(head: &Head) -> Option<Operation> {
    let has = |name| head.has(name);
    let never = NEVER_SET.iter().any(|(name, _)| has(name));
    Some(match head.method.as_str() {
        "GET" if has("acl") => plain(Need::OwnRead, acl::get_bucket),
        "GET" if has("cors") => plain(Need::OwnRead, cors::get),
        "GET" if has("location") => plain(Need::OwnRead, bucket::location),
        "GET" if has("bucketInfo") => plain(Need::OwnRead, bucket::info),
        "GET" if has("stat") => plain(Need::OwnRead, bucket::stat),
        "GET" if has("versioning") => plain(Need::OwnRead, bucket::versioning),
        "GET" if has("tagging") => plain(Need::OwnRead, tagging::get_bucket),
        "GET" if has("uploads") => plain(Need::ReadBucket, multipart::list_uploads),
        "GET" if never => plain(Need::OwnRead, never_set),
        _ if unsupported(head).is_some() => return None,
        "GET" => plain(Need::ReadBucket, list::objects),
        "HEAD" => plain(Need::ReadBucket, bucket::head),
        "PUT" if has("acl") => document(Need::Own, acl::put_bucket),
        "PUT" if has("cors") => document(Need::Own, cors::put),
        "PUT" if has("tagging") || has("versioning") => return None,
        "PUT" => document(Need::Create, bucket::create),
        "DELETE" if has("cors") => plain(Need::Own, cors::delete),
        "DELETE" if has("tagging") => return None,
        "DELETE" => plain(Need::Own, bucket::delete),
        "POST" if has("delete") => document(Need::Write, delete::many),
        _ => return None,
    })
}

fn of_object(head: &Head) -> Option<Operation> {
    let has = |name| head.has(name);
    let is_copy = head.own("copy-source").is_some();
    Some(match head.method.as_str() {
        _ if unsupported(head).is_some() => return None,
        "GET" if has("acl") => plain(Need::OwnRead, acl::get_object),
        "GET" if has("symlink") => plain(Need::Read, symlink::get),
        "GET" if has("tagging") => plain(Need::Read, tagging::get),
        "GET" if has("uploadId") => plain(Need::ReadBucket, multipart::list_parts),
        "GET" if has("x-oss-process") => return None,
        "HEAD" | "GET" if has("objectMeta") => plain(Need::Read, get::meta),
        "GET" | "HEAD" => plain(Need::Read, get::object),
        "PUT" if has("acl") => document(Need::Own, acl::put_object),
        "PUT" if has("symlink") => plain(Need::Write, symlink::put),
        "PUT" if has("tagging") => document(Need::Write, tagging::put),
        "PUT" if has("uploadId") && is_copy => plain(Need::Write, copy::part),
        "PUT" if has("uploadId") => bytes(multipart::check_part, multipart::put_part),
        "PUT" if is_copy => plain(Need::Write, copy::object),
        "PUT" => bytes(put::check, put::object),
        "POST" if has("append") => bytes(append::check, append::object),
        "POST" if has("uploads") => plain(Need::Write, multipart::begin),
        "POST" if has("uploadId") => document(Need::Write, multipart::complete),
        "DELETE" if has("tagging") => plain(Need::Write, tagging::delete),
        "DELETE" if has("uploadId") => plain(Need::Write, multipart::abort),
        "DELETE" => plain(Need::Write, delete::object),
        _ => return None,
    })
}
