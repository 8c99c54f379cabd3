//! Signatures of requests: to make them and to check them. Pure; knows nothing of sockets or stores.
//!
//! [`Message`] is what of a request can be signed. Each scheme has a module: [`oss_v1`] and [`oss_v4`] of the object
//! store, [`s3`] (signature version 4 of its second dialect), and [`acs`] of the BatchCompute interface.

pub mod acs;
pub mod oss_v1;
pub mod oss_v4;
pub mod s3;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How far the clock of a client may be off, in seconds (15 minutes, as in the originals).
pub const MAX_SKEW_SECONDS: i64 = 15 * 60;
/// The longest time a presigned URL may be valid, in seconds (7 days).
pub const MAX_PRESIGNED_SECONDS: i64 = 7 * 24 * 3600;
/// In place of the hash of a body that is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What of a request can be signed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path as on the request line, percent-encoded.
    pub path: &'a str,
    /// Bucket that the request is about, wherever its name stood.
    pub bucket: Option<&'a str>,
    /// Key, decoded; empty without one.
    pub key: &'a str,
    /// Parameters, decoded, in any order.
    pub query: &'a [(String, String)],
    /// Headers with lower-case names.
    pub headers: &'a [(String, String)],
}

impl Message<'_> {
    /// First header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// First parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A key pair.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The public half.
    pub id: &'a str,
    /// The secret half.
    pub secret: &'a str,
}

/// Why a request is not accepted as its sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A part of the signature is missing or not of the scheme's form.
    #[error("the signature cannot be read: {0}")]
    Malformed(String),
    /// The signature is another one than ours; holds what we signed, so that the client's author can compare.
    #[error("the signature does not match: check the secret key and how the request is signed")]
    Mismatch {
        /// The text that was signed here.
        string_to_sign: String,
    },
    /// The request's date is too far from ours.
    #[error("the request is dated `{date}`, more than 15 minutes from the server's time: set the clock")]
    Skewed {
        /// The date as sent.
        date: String,
    },
    /// The time of a presigned URL is over.
    #[error("the signed url has expired at `{at}`")]
    Expired {
        /// Its last second.
        at: String,
    },
}

/// HMAC with SHA-1.
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    mac::<Hmac<Sha1>>(key, message)
}

/// HMAC with SHA-256.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    mac::<Hmac<Sha256>>(key, message)
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("an HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(message: &[u8]) -> String {
    hex::encode(Sha256::digest(message))
}

/// Whether two texts are the same, in a time that says nothing about where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Percent-encodes all but the unreserved characters of RFC 3986, and `/` if it is kept.
pub fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

/// A moment as `20260102T030405Z`, from seconds since 1970.
pub fn compact_date(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Reads `20260102T030405Z` as seconds since 1970.
pub fn parse_compact_date(text: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Reads an HTTP date as seconds since 1970.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Parameters as signature version 4 wants them: encoded, sorted, without `leave_out`.
fn canonical_query(query: &[(String, String)], leave_out: &str, bare_when_empty: bool) -> String {
    let mut all: Vec<(String, String)> =
        query.iter().filter(|(name, _)| name != leave_out).map(|(name, value)| (encode(name, false), encode(value, false))).collect();
    all.sort();
    let texts = all.iter().map(|(name, value)| if value.is_empty() && bare_when_empty { name.clone() } else { format!("{name}={value}") });
    texts.collect::<Vec<_>>().join("&")
}

/// Fields of an authorization header of version 4: `Name=value, Name=value`.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split([',', ' ']).filter(|part| !part.is_empty()).filter_map(|part| part.split_once('='))
}

/// `key/date/region/service/terminator`.
struct Scope<'a> {
    id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Scope<'a> {
    /// The key's own id may hold slashes, so the rest is taken from the end.
    fn parse(credential: &'a str, terminator: &str) -> Result<Self, SignError> {
        let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
        match parts.as_slice() {
            [end, service, region, date, id] if *end == terminator => Ok(Self { id, date, region, service }),
            _ => Err(SignError::Malformed(format!("the credential `{credential}` is not `key/date/region/service/{terminator}`"))),
        }
    }

    /// The scope without the key.
    fn text(&self, terminator: &str) -> String {
        format!("{}/{}/{}/{terminator}", self.date, self.region, self.service)
    }

    fn signing_key(&self, prefix: &str, secret: &str, terminator: &str) -> Vec<u8> {
        let mut key = hmac_sha256(format!("{prefix}{secret}").as_bytes(), self.date.as_bytes());
        for part in [self.region, self.service, terminator] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        key
    }
}

/// Refuses a moment that is too far from `now`; both in seconds since 1970.
fn check_skew(date: &str, at: i64, now: i64) -> Result<(), SignError> {
    if (at - now).abs() > MAX_SKEW_SECONDS {
        return Err(SignError::Skewed { date: date.to_owned() });
    }
    Ok(())
}

/// Refuses a presigned URL that is not valid now, or was made for longer than is allowed.
fn check_presigned(date: &str, expires: &str, now: i64) -> Result<(), SignError> {
    let made = parse_compact_date(date).ok_or_else(|| SignError::Malformed(format!("`{date}` is not a date such as 20260102T030405Z")))?;
    let valid = expires.parse::<i64>().ok().filter(|seconds| (1..=MAX_PRESIGNED_SECONDS).contains(seconds));
    let valid = valid
        .ok_or_else(|| SignError::Malformed(format!("an expiry of `{expires}` is not between 1 and {MAX_PRESIGNED_SECONDS} seconds")))?;
    if made - now > MAX_SKEW_SECONDS {
        return Err(SignError::Skewed { date: date.to_owned() });
    }
    if now > made + valid {
        return Err(SignError::Expired { at: compact_date(made + valid) });
    }
    Ok(())
}

/// Compares what was sent with what is right.
fn compare(sent: &str, right: &str, string_to_sign: String) -> Result<(), SignError> {
    if same(sent, right) { Ok(()) } else { Err(SignError::Mismatch { string_to_sign }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_and_dates() {
        assert_eq!(encode("a b/ü~*", true), "a%20b/%C3%BC~%2A");
        assert_eq!(encode("a/b", false), "a%2Fb");
        assert_eq!(compact_date(1_767_323_045), "20260102T030405Z");
        assert_eq!(parse_compact_date("20260102T030405Z"), Some(1_767_323_045));
        assert_eq!(parse_compact_date("2026-01-02"), None);
        assert_eq!(parse_http_date("Fri, 02 Jan 2026 03:04:05 GMT"), Some(1_767_323_045));
    }

    #[test]
    fn presigned_times() {
        let made = "20260102T030405Z";
        assert_eq!(check_presigned(made, "60", 1_767_323_045 + 60), Ok(()));
        assert!(matches!(check_presigned(made, "60", 1_767_323_045 + 61), Err(SignError::Expired { .. })));
        assert!(matches!(check_presigned(made, "999999999", 1_767_323_045), Err(SignError::Malformed(_))));
        assert!(matches!(check_presigned(made, "60", 1_767_323_045 - 3600), Err(SignError::Skewed { .. })));
    }
}
