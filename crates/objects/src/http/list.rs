//! Lists of objects, in both versions.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{
    Call, Input,
    head::{Dialect, Head},
    problem::Problem,
    reply::{Reply, etag, iso_date},
    wire,
};
use crate::{Entry, Listing, MAX_PAGE, sign::encode};

/// Entries on a page if the request does not say it: OSS shows few, S3 all it can.
const DEFAULT_PAGE: usize = 100;

/// How names are written in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => encode(text, false),
        }
    }

    pub(super) fn name(self) -> Option<&'static str> {
        (self == Self::Url).then_some("url")
    }
}

pub(super) fn encoding(head: &Head) -> Result<Encoding, Problem> {
    match head.parameter("encoding-type") {
        None | Some("") => Ok(Encoding::Plain),
        Some("url") => Ok(Encoding::Url),
        Some(other) => Err(Problem::argument("encoding-type", other, "it can only be `url`")),
    }
}

/// Size of a page.
pub(super) fn page_size(head: &Head, name: &'static str, default: usize) -> Result<usize, Problem> {
    let size = head.number::<usize>(name)?.unwrap_or(default);
    if head.dialect == Dialect::Oss && !(1..=MAX_PAGE).contains(&size) {
        return Err(Problem::argument(name, &size.to_string(), "it must be between 1 and 1000"));
    }
    Ok(size.min(MAX_PAGE))
}

/// What the parameters of a list have in common.
pub(super) fn listing(head: &Head, after: String, limit: usize) -> Result<Listing, Problem> {
    let text = |name: &'static str| {
        let text = head.parameter(name).unwrap_or_default();
        if text.len() > crate::MAX_KEY_BYTES {
            Err(Problem::argument(name, text, "it is longer than a key can be"))
        } else {
            Ok(text.to_owned())
        }
    };
    Ok(Listing { prefix: text("prefix")?, delimiter: text("delimiter")?, after, limit })
}

/// A page of a bucket.
pub(super) fn objects(call: &Call, _: Input) -> Result<Reply, Problem> {
    let head = &call.head;
    let is_second = head.parameter("list-type") == Some("2");
    let encoding = encoding(head)?;
    let default = if call.is_s3() { MAX_PAGE } else { DEFAULT_PAGE };
    let marker = head.parameter("marker").unwrap_or_default().to_owned();
    let token = head.parameter("continuation-token").filter(|token| !token.is_empty());
    let start = head.parameter("start-after").map(str::to_owned);
    let after = match (is_second, token) {
        (false, _) => marker.clone(),
        (true, Some(token)) => read_token(token)?,
        (true, None) => start.clone().unwrap_or_default(),
    };
    let listing = listing(head, after, page_size(head, "max-keys", default)?)?;
    let page = call.objects().list(call.bucket(), &listing)?;
    let next = page.next().map(str::to_owned);
    let shows_owner = !is_second || head.parameter("fetch-owner") == Some("true");
    let owner = if shows_owner { Some(wire::Owner::new(&call.objects().bucket(call.bucket())?.owner)) } else { None };
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    let count = page.entries.len();
    for entry in page.entries {
        match entry {
            Entry::Prefix(prefix) => common_prefixes.push(wire::CommonPrefix { prefix: encoding.write(&prefix) }),
            Entry::Object(key, record) => contents.push(wire::Contents {
                key: encoding.write(&key),
                last_modified: iso_date(record.modified_ms),
                etag: etag(head.dialect, &record.etag),
                kind: (!call.is_s3()).then(|| record.kind.as_str()),
                size: record.size,
                storage_class: storage_class(call),
                owner: owner.clone(),
            }),
        }
    }
    Reply::xml(&wire::Listed {
        xmlns: wire::namespace(call.is_s3()),
        name: call.bucket().to_owned(),
        prefix: encoding.write(&listing.prefix),
        marker: (!is_second).then(|| encoding.write(&marker)),
        start_after: if is_second { start.map(|start| encoding.write(&start)) } else { None },
        continuation_token: if is_second { token.map(str::to_owned) } else { None },
        max_keys: listing.limit,
        delimiter: encoding.write(&listing.delimiter),
        encoding_type: encoding.name(),
        is_truncated: page.truncated,
        next_marker: if is_second { None } else { next.as_deref().map(|next| encoding.write(next)) },
        next_continuation_token: if is_second { next.as_deref().map(write_token) } else { None },
        key_count: is_second.then_some(count),
        contents,
        common_prefixes,
    })
}

/// The word of the dialect for how everything is stored here.
pub(super) fn storage_class(call: &Call) -> &'static str {
    if call.is_s3() { "STANDARD" } else { "Standard" }
}

fn write_token(name: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(name)
}

fn read_token(token: &str) -> Result<String, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Problem::argument("continuation-token", token, "it did not come from this server"))
}
