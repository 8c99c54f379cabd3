//! Version 1 of the object store's signatures: HMAC-SHA1, in a header or in a URL.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Message, Pair, SignError, check_skew, compare, hmac_sha1, parse_compact_date, parse_http_date};

/// Parameters that are signed: those that name a part of a resource or change the reply.
const SIGNED: [&str; 59] = [
    "accessPoint",
    "accessPointPolicy",
    "acl",
    "append",
    "asyncFetch",
    "bucketInfo",
    "callback",
    "callback-var",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "group",
    "httpsConfig",
    "img",
    "inventory",
    "inventoryId",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "position",
    "qos",
    "qosInfo",
    "referer",
    "regionList",
    "replication",
    "requestPayment",
    "resourceGroup",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];
/// The rest of them, less used.
const SIGNED_TOO: [&str; 25] = [
    "bucketArchiveDirectRead",
    "policyStatus",
    "publicAccessBlock",
    "qosRequester",
    "redundancyTransition",
    "replicationLocation",
    "replicationProgress",
    "requesterQosInfo",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "transferAcceleration",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
    "x-oss-ac-forward-allow",
    "x-oss-ac-source-ip",
    "x-oss-ac-subnet-mask",
    "x-oss-ac-vpc-id",
    "x-oss-access-point-name",
    "x-oss-async-process",
    "x-oss-process",
    "x-oss-request-payer",
];
/// And those whose names begin so.
const SIGNED_PREFIXES: [&str; 4] = ["x-oss-traffic-limit", "x-oss-target-", "x-oss-redundancy-", "x-oss-write-"];

/// Where the signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Id of the key that signed.
    pub id: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// The last second of a URL's validity; in a header the request's date counts.
    pub expires: Option<&'a str>,
}

/// Finds the signature in the header or in the parameters; nothing if the request is not signed in this way.
///
/// # Errors
/// [`SignError::Malformed`] if it is there but cannot be read.
pub fn claimed<'a>(message: &Message<'a>) -> Result<Option<Claim<'a>>, SignError> {
    let header = message.headers.iter().find(|(n, _)| n == "authorization").map(|(_, v)| v.as_str());
    if let Some(rest) = header.and_then(|h| h.strip_prefix("OSS ")) {
        let parts = rest.trim().split_once(':');
        let (id, signature) =
            parts.ok_or_else(|| SignError::Malformed("the `Authorization` header is not `OSS key:signature`".to_owned()))?;
        return Ok(Some(Claim { id, signature, expires: None }));
    }
    let parameter = |name: &str| message.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let Some(id) = parameter("OSSAccessKeyId") else { return Ok(None) };
    match (parameter("Signature"), parameter("Expires")) {
        (Some(signature), Some(expires)) => Ok(Some(Claim { id, signature, expires: Some(expires) })),
        _ => Err(SignError::Malformed("a signed url needs `OSSAccessKeyId`, `Expires` and `Signature`".to_owned())),
    }
}

/// The text that is signed; `expires` takes the place of the date in a URL.
pub fn string_to_sign(message: &Message<'_>, expires: Option<&str>) -> String {
    let field = |name| message.header(name).unwrap_or_default();
    let date = expires.unwrap_or_else(|| message.header("x-oss-date").unwrap_or_else(|| field("date")));
    let mut own: Vec<(&str, &str)> =
        message.headers.iter().filter(|(n, _)| n.starts_with("x-oss-")).map(|(n, v)| (n.as_str(), v.trim())).collect();
    own.sort_unstable();
    let own: String = own.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let head = [message.method, field("content-md5"), field("content-type"), date].join("\n");
    let named = message.bucket.map_or_else(|| "/".to_owned(), |bucket| format!("/{bucket}/{}", message.key));
    format!("{head}\n{own}{named}{}", subresources(message))
}

/// The same where the bucket stands in the path without a slash behind it: some clients sign the path as they send it.
fn string_as_sent(message: &Message<'_>, text: &str) -> Option<String> {
    let bucket = message.bucket.filter(|bucket| message.path.strip_prefix('/') == Some(bucket))?;
    let asked = subresources(message);
    let begin = text.strip_suffix(&asked)?.strip_suffix('/')?;
    begin.ends_with(bucket).then(|| format!("{begin}{asked}"))
}

fn subresources(message: &Message<'_>) -> String {
    let mut text = String::new();
    let mut query: Vec<&(String, String)> = message.query.iter().filter(|(name, _)| is_signed(name)).collect();
    query.sort();
    for (place, (name, value)) in query.into_iter().enumerate() {
        text.push(if place == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

fn is_signed(name: &str) -> bool {
    SIGNED.contains(&name) || SIGNED_TOO.contains(&name) || SIGNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Base64 of the HMAC.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    BASE64_STANDARD.encode(hmac_sha1(secret.as_bytes(), string_to_sign.as_bytes()))
}

/// Value of the `Authorization` header for a request that has its date.
pub fn authorization(message: &Message<'_>, pair: Pair<'_>) -> String {
    format!("OSS {}:{}", pair.id, signature(pair.secret, &string_to_sign(message, None)))
}

/// Parameters to add to a URL that is valid up to the second `expires` since 1970.
pub fn presign(message: &Message<'_>, pair: Pair<'_>, expires: i64) -> Vec<(String, String)> {
    let expires = expires.to_string();
    let signature = signature(pair.secret, &string_to_sign(message, Some(&expires)));
    let all = [("OSSAccessKeyId", pair.id), ("Expires", &expires), ("Signature", &signature)];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Checks signature and date; `now` in seconds since 1970.
///
/// # Errors
/// What is wrong with them.
pub fn verify(message: &Message<'_>, claim: Claim<'_>, secret: &str, now: i64) -> Result<(), SignError> {
    let text = string_to_sign(message, claim.expires);
    let as_sent = string_as_sent(message, &text).map(|other| signature(secret, &other));
    match as_sent.filter(|other| compare(claim.signature, other, String::new()).is_ok()) {
        Some(_) => {}
        None => compare(claim.signature, &signature(secret, &text), text)?,
    }
    if let Some(expires) = claim.expires {
        let last = expires.parse::<i64>().map_err(|_| SignError::Malformed(format!("`Expires` is `{expires}`, not seconds since 1970")))?;
        return if now > last { Err(SignError::Expired { at: expires.to_owned() }) } else { Ok(()) };
    }
    let date = message.header("x-oss-date").or_else(|| message.header("date")).unwrap_or_default();
    let at = parse_http_date(date).or_else(|| parse_compact_date(date));
    check_skew(date, at.ok_or_else(|| SignError::Malformed(format!("the date `{date}` is not an HTTP date")))?, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The example of the service's own documentation.
    #[test]
    fn documented_example() {
        let headers = owned(&[
            ("content-md5", "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM="),
            ("content-type", "text/html"),
            ("date", "Thu, 17 Nov 2005 18:49:58 GMT"),
            ("host", "oss-example.oss-cn-hangzhou.aliyuncs.com"),
            ("x-oss-meta-author", "foo@bar.com"),
            ("x-oss-magic", "abracadabra"),
        ]);
        let message = Message { method: "PUT", path: "/nelson", bucket: Some("oss-example"), key: "nelson", query: &[], headers: &headers };
        let pair = Pair { id: "44CF9590006BF252F707", secret: "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV" };
        assert_eq!(authorization(&message, pair), "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA=");
    }

    #[test]
    fn a_bucket_in_the_path_may_be_signed_as_it_was_sent() {
        let query = owned(&[("list-type", "2"), ("acl", "")]);
        let headers = owned(&[("date", "Thu, 17 Nov 2005 18:49:58 GMT")]);
        let message = Message { method: "GET", path: "/b", bucket: Some("b"), key: "", query: &query, headers: &headers };
        let now = parse_http_date("Thu, 17 Nov 2005 18:49:58 GMT").unwrap();
        let check = |message: &Message<'_>, text: &str| {
            let signature = signature("S", text);
            verify(message, Claim { id: "ID", signature: &signature, expires: None }, "S", now).is_ok()
        };
        let begin = "GET\n\n\nThu, 17 Nov 2005 18:49:58 GMT\n";
        assert!(check(&message, &format!("{begin}/b/?acl")) && check(&message, &format!("{begin}/b?acl")));
        assert!(!check(&message, &format!("{begin}/?acl")) && !check(&message, &format!("{begin}/b/k?acl")));
        let object = Message { path: "/b/k", key: "k", ..message };
        assert!(check(&object, &format!("{begin}/b/k?acl")) && !check(&object, &format!("{begin}/b?acl")));
    }

    #[test]
    fn urls_and_dates() {
        let query = owned(&[("symlink", ""), ("prefix", "ignored"), ("acl", "")]);
        let message = Message { method: "GET", path: "/b/k", bucket: Some("b"), key: "k", query: &query, headers: &[] };
        let pair = Pair { id: "ID", secret: "S" };
        assert!(string_to_sign(&message, Some("7")).ends_with("\n7\n/b/k?acl&symlink"));
        let mut signed = query.clone();
        signed.extend(presign(&message, pair, 1000));
        let message = Message { query: &signed, ..message };
        let claim = claimed(&message).unwrap().unwrap();
        assert_eq!(verify(&message, claim, "S", 1000), Ok(()));
        assert!(matches!(verify(&message, claim, "S", 1001), Err(SignError::Expired { .. })));
        assert!(matches!(verify(&Message { method: "PUT", ..message }, claim, "S", 1), Err(SignError::Mismatch { .. })));
        let bare = owned(&[("OSSAccessKeyId", "ID")]);
        assert!(claimed(&Message { query: &bare, ..message }).is_err());
    }
}
