//! Who sent a request, and what its signature says about the body.

use super::{
    head::{Dialect, Head},
    problem::Problem,
};
use crate::{
    keys::{Key, Keyring, Role},
    sign::{SignError, UNSIGNED_PAYLOAD, oss_v1, oss_v4, s3},
};

/// The sender of a request.
pub(super) struct Caller {
    /// Nobody in particular, if the request is not signed.
    pub(super) key: Option<Key>,
    /// How the body is protected.
    pub(super) payload: Payload,
}

impl Caller {
    pub(super) fn account(&self) -> &str {
        self.key.as_ref().map_or("anonymous", |key| &key.account)
    }

    pub(super) fn is(&self, role: Role) -> bool {
        self.key.as_ref().is_some_and(|key| key.role == role)
    }
}

/// What is known of a body in advance.
pub(super) enum Payload {
    /// Nothing.
    Plain,
    /// Its SHA-256, hexadecimal.
    Hashed(String),
    /// It comes in chunks with sizes of their own, signed ones if there is a signer.
    Chunked(Option<s3::ChunkSigner>),
}

/// `now` in seconds since 1970.
pub(super) fn identify(head: &Head, keyring: &dyn Keyring, now: i64) -> Result<Caller, Problem> {
    if head.method == "OPTIONS" {
        // Browsers ask before they send what was signed.
        return Ok(Caller { key: None, payload: Payload::Plain });
    }
    let message = head.message();
    let known = |id: &str| {
        let unknown = || Problem::new(403, "InvalidAccessKeyId", "the access key id does not exist here, or is disabled");
        keyring.secret(id).ok_or_else(|| unknown().with("OSSAccessKeyId", id))
    };
    if let Some(claim) = oss_v4::claimed(&message)? {
        let key = known(claim.id()?)?;
        oss_v4::verify(&message, &claim, &key.secret, now)?;
        return Ok(Caller { payload: payload(head, None), key: Some(key) });
    }
    if let Some(claim) = s3::claimed(&message)? {
        let key = known(claim.id()?)?;
        let signer = s3::verify(&message, &claim, &key.secret, now)?;
        return Ok(Caller { payload: payload(head, Some(signer)), key: Some(key) });
    }
    if let Some(claim) = oss_v1::claimed(&message)? {
        let key = known(claim.id)?;
        oss_v1::verify(&message, claim, &key.secret, now)?;
        return Ok(Caller { payload: Payload::Plain, key: Some(key) });
    }
    if head.header("authorization").is_some() {
        let schemes = "the `Authorization` header is of no scheme that this server knows: OSS, OSS4-HMAC-SHA256, AWS4-HMAC-SHA256";
        return Err(SignError::Malformed(schemes.to_owned()).into());
    }
    Ok(Caller { key: None, payload: payload(head, None) })
}

fn payload(head: &Head, signer: Option<s3::ChunkSigner>) -> Payload {
    let name = if head.dialect == Dialect::S3 { "x-amz-content-sha256" } else { "x-oss-content-sha256" };
    match head.header(name) {
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => Payload::Chunked(signer),
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Payload::Chunked(None),
        None | Some(UNSIGNED_PAYLOAD) => Payload::Plain,
        Some(hash) => Payload::Hashed(hash.to_lowercase()),
    }
}
