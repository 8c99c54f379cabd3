//! The `acs` scheme of the BatchCompute interface: HMAC-SHA1 over the request's head.
//!
//! Two renderings of the resource are accepted, because its clients differ: the request target exactly as sent, and
//! the path with all parameters sorted and not percent-encoded.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Message, Pair, SignError, check_skew, hmac_sha1, parse_http_date, same};

/// How the resource stands in the text that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// The request target as sent (Python clients).
    AsSent,
    /// The path, then parameters sorted by name with plain values (Java clients).
    Sorted,
}

/// The text that is signed. `target` is the request target as sent: path and query.
pub fn string_to_sign(message: &Message<'_>, target: &str, rendering: Rendering) -> String {
    let field = |name| message.header(name).unwrap_or_default();
    let mut own: Vec<(&str, &str)> =
        message.headers.iter().filter(|(n, _)| n.starts_with("x-acs-")).map(|(n, v)| (n.as_str(), v.trim())).collect();
    own.sort_unstable();
    let own: String = own.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let resource = match rendering {
        Rendering::AsSent => target.to_owned(),
        Rendering::Sorted => sorted(message),
    };
    let head = [message.method, field("accept"), field("content-md5"), field("content-type"), field("date")].join("\n");
    format!("{head}\n{own}{resource}")
}

fn sorted(message: &Message<'_>) -> String {
    let mut query: Vec<&(String, String)> = message.query.iter().collect();
    query.sort();
    let query: Vec<String> =
        query.iter().map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={value}") }).collect();
    if query.is_empty() { message.path.to_owned() } else { format!("{}?{}", message.path, query.join("&")) }
}

/// Value of the `Authorization` header.
pub fn authorization(pair: Pair<'_>, string_to_sign: &str) -> String {
    format!("acs {}:{}", pair.id, signature(pair.secret, string_to_sign))
}

/// Base64 of the HMAC.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    BASE64_STANDARD.encode(hmac_sha1(secret.as_bytes(), string_to_sign.as_bytes()))
}

/// Id of the key that signed, and the signature.
///
/// # Errors
/// [`SignError::Malformed`] if the header is missing or of another form.
pub fn claimed<'a>(message: &Message<'a>) -> Result<(&'a str, &'a str), SignError> {
    let header = message.headers.iter().find(|(n, _)| n == "authorization").map(|(_, v)| v.as_str());
    let header = header.ok_or_else(|| SignError::Malformed("there is no `Authorization` header".to_owned()))?;
    let claimed = header.strip_prefix("acs ").and_then(|rest| rest.trim().split_once(':'));
    claimed.ok_or_else(|| SignError::Malformed("the `Authorization` header is not `acs key:signature`".to_owned()))
}

/// Checks date and signature; `now` in seconds since 1970.
///
/// # Errors
/// What is wrong with them.
pub fn verify(message: &Message<'_>, target: &str, secret: &str, now: i64) -> Result<(), SignError> {
    let (_, sent) = claimed(message)?;
    let as_sent = string_to_sign(message, target, Rendering::AsSent);
    let sorted = string_to_sign(message, target, Rendering::Sorted);
    // Both are computed and compared whatever the first says.
    let right = same(sent, &signature(secret, &as_sent)) | same(sent, &signature(secret, &sorted));
    if !right {
        return Err(SignError::Mismatch { string_to_sign: as_sent });
    }
    let date = message.header("date").unwrap_or_default();
    let at = parse_http_date(date).ok_or_else(|| SignError::Malformed(format!("the `Date` header `{date}` is not an HTTP date")))?;
    check_skew(date, at, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(date: &str, nonce: &str) -> Vec<(String, String)> {
        let all = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("date", date),
            ("x-acs-signature-nonce", nonce),
            ("x-acs-access-key-id", "AKID123"),
            ("x-acs-region-id", "cn-test"),
            ("x-acs-signature-method", "HMAC-SHA1"),
            ("x-acs-signature-version", "1.0"),
            ("x-acs-version", "2015-11-11"),
            ("user-agent", "x"),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    fn message<'a>(method: &'a str, path: &'a str, query: &'a [(String, String)], headers: &'a [(String, String)]) -> Message<'a> {
        Message { method, path, bucket: None, key: "", query, headers }
    }

    #[test]
    fn real_requests() {
        let list = headers("Sun, 22 Nov 2026 06:13:28 GMT", "d53dccce-e63b-11f1-b17c-632de52fe305");
        let text = string_to_sign(&message("GET", "/jobs", &[], &list), "/jobs?Marker&MaxItemCount=1", Rendering::AsSent);
        assert_eq!(signature("SECRET456", &text), "5dfuWaVizEr0ge5nL8Gw0roG1Fk=");
        let create = headers("Sun, 22 Nov 2026 06:13:30 GMT", "d6af10f4-e63b-11f1-bad5-4bdb25e1dcc2");
        let text = string_to_sign(&message("POST", "/jobs", &[], &create), "/jobs", Rendering::AsSent);
        assert_eq!(signature("SECRET456", &text), "9O4jNsdzUApdDOPF9+GwWvEL8uE=");
    }

    #[test]
    fn both_renderings_and_what_is_refused() {
        let query = [("b".to_owned(), "x y".to_owned()), ("Detail".to_owned(), String::new())];
        let target = "/jobs?b=x%20y&Detail";
        let now = parse_http_date("Sun, 22 Nov 2026 06:13:28 GMT").unwrap();
        for rendering in [Rendering::AsSent, Rendering::Sorted] {
            let mut head = headers("Sun, 22 Nov 2026 06:13:28 GMT", "n");
            let text = string_to_sign(&message("GET", "/jobs", &query, &head), target, rendering);
            let pair = Pair { id: "AKID123", secret: "SECRET456" };
            head.push(("authorization".to_owned(), authorization(pair, &text)));
            let message = message("GET", "/jobs", &query, &head);
            assert_eq!(claimed(&message).unwrap().0, "AKID123");
            assert_eq!(verify(&message, target, "SECRET456", now + 900), Ok(()));
            assert!(matches!(verify(&message, target, "SECRET456", now + 901), Err(SignError::Skewed { .. })));
            assert!(matches!(verify(&message, target, "SECRET457", now), Err(SignError::Mismatch { .. })));
            assert!(
                matches!(verify(&message, "/jobs", "SECRET456", now), Err(SignError::Mismatch { .. })) || rendering == Rendering::Sorted
            );
        }
        assert!(matches!(claimed(&message("GET", "/", &[], &[])), Err(SignError::Malformed(_))));
    }
}
