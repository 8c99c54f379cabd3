//! Request signatures: `acs` of the service (HMAC-SHA1 over method, headers and target) and version 1 of the object store.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

/// Sub-resources of the object store that are part of the signature.
const SIGNED_QUERIES: [&str; 10] =
    ["acl", "append", "delete", "location", "partNumber", "position", "response-content-type", "symlink", "uploadId", "uploads"];

/// The parts of a request that are signed.
#[derive(Clone, Debug, Default)]
pub struct Signed<'a> {
    /// Method in upper case.
    pub method: &'a str,
    /// Value of `Accept`; only the service signs it.
    pub accept: &'a str,
    /// Value of `Content-MD5`, or empty.
    pub content_md5: &'a str,
    /// Value of `Content-Type`, or empty.
    pub content_type: &'a str,
    /// Value of `Date`.
    pub date: &'a str,
    /// Further headers.
    pub headers: &'a [(String, String)],
    /// What is asked for: the target of the service as it is sent, or `/bucket/key?query` of the store.
    pub resource: &'a str,
}

/// `Authorization` for the service.
pub fn acs(id: &str, secret: &str, request: &Signed<'_>) -> String {
    let text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}{}",
        request.method,
        request.accept,
        request.content_md5,
        request.content_type,
        request.date,
        canonical(request.headers, "x-acs-"),
        request.resource
    );
    format!("acs {id}:{}", hmac_sha1(secret, &text))
}

/// `Authorization` for the object store.
pub fn oss(id: &str, secret: &str, request: &Signed<'_>) -> String {
    let text = format!(
        "{}\n{}\n{}\n{}\n{}{}",
        request.method,
        request.content_md5,
        request.content_type,
        request.date,
        canonical(request.headers, "x-oss-"),
        request.resource
    );
    format!("OSS {id}:{}", hmac_sha1(secret, &text))
}

/// The resource of an object store request: bucket, key and the queries that count, sorted.
pub fn oss_resource(bucket: &str, key: &str, query: &[(&str, String)]) -> String {
    let mut resource = if bucket.is_empty() { "/".to_owned() } else { format!("/{bucket}/{key}") };
    let mut signed: Vec<_> = query.iter().filter(|(name, _)| SIGNED_QUERIES.contains(name)).collect();
    signed.sort();
    for (n, (name, value)) in signed.iter().enumerate() {
        resource.push(if n == 0 { '?' } else { '&' });
        resource.push_str(name);
        if !value.is_empty() {
            resource.push('=');
            resource.push_str(value);
        }
    }
    resource
}

/// MD5 in base64, as `Content-MD5` wants it.
pub fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// MD5 in lower-case hexadecimal digits.
pub fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The present as HTTP writes it.
pub fn http_date(now: jiff::Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn canonical(headers: &[(String, String)], prefix: &str) -> String {
    let mut named: Vec<(String, &str)> = headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.trim())).collect();
    named.retain(|(name, _)| name.starts_with(prefix));
    named.sort();
    named.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

fn hmac_sha1(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(nonce: &str) -> Vec<(String, String)> {
        [
            ("x-acs-region-id", "cn-test"),
            ("x-acs-access-key-id", "AKID123"),
            ("x-acs-signature-method", "HMAC-SHA1"),
            ("x-acs-signature-version", "1.0"),
            ("x-acs-version", "2015-11-11"),
            ("x-acs-signature-nonce", nonce),
            ("x-client-name", "batchcompute-cli"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .to_vec()
    }

    /// Signatures of the original client, seen on the wire.
    #[test]
    fn the_service_takes_what_the_original_sends() {
        let list = headers("d53dccce-e63b-11f1-b17c-632de52fe305");
        let request = Signed {
            method: "GET",
            accept: "application/json",
            content_type: "application/json",
            date: "Sun, 22 Nov 2026 06:13:28 GMT",
            headers: &list,
            resource: "/jobs?Marker&MaxItemCount=1",
            ..Signed::default()
        };
        assert_eq!(acs("AKID123", "SECRET456", &request), "acs AKID123:5dfuWaVizEr0ge5nL8Gw0roG1Fk=");
        let create = headers("d6af10f4-e63b-11f1-bad5-4bdb25e1dcc2");
        let request = Signed { method: "POST", date: "Sun, 22 Nov 2026 06:13:30 GMT", headers: &create, resource: "/jobs", ..request };
        assert_eq!(acs("AKID123", "SECRET456", &request), "acs AKID123:9O4jNsdzUApdDOPF9+GwWvEL8uE=");
    }

    /// The example of the store's documentation.
    #[test]
    fn the_store_takes_version_one() {
        let headers = [("X-OSS-Meta-Author", "foo@bar.com"), ("X-OSS-Magic", "abracadabra"), ("Host", "oss-example.example.com")];
        let headers = headers.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let request = Signed {
            method: "PUT",
            content_md5: "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
            content_type: "text/html",
            date: "Thu, 17 Nov 2005 18:49:58 GMT",
            headers: &headers,
            resource: &oss_resource("oss-example", "nelson", &[]),
            ..Signed::default()
        };
        assert_eq!(
            oss("44CF9590006BF252F707", "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV", &request),
            "OSS 44CF9590006BF252F707:26NBxoKdsyly4EDv6inkoDft/yA="
        );
    }

    #[test]
    fn only_sub_resources_are_signed() {
        let query = [("uploadId", "x".to_owned()), ("partNumber", "2".to_owned()), ("prefix", "p".to_owned())];
        assert_eq!(oss_resource("b", "k/é", &query), "/b/k/é?partNumber=2&uploadId=x");
        assert_eq!(oss_resource("b", "", &[("delete", String::new())]), "/b/?delete");
    }

    #[test]
    fn dates_and_digests() {
        assert_eq!(http_date(jiff::Timestamp::from_second(1_795_328_008).unwrap()), "Sun, 22 Nov 2026 06:13:28 GMT");
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5_base64(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
