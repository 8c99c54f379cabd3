//! Version 4 of the object store's signatures: `OSS4-HMAC-SHA256`, in a header or in a URL.

use super::{
    Message, Pair, Scope, SignError, UNSIGNED_PAYLOAD, canonical_query, check_presigned, check_skew, compact_date, compare, encode, fields,
    hmac_sha256, parse_compact_date, sha256_hex,
};

/// Name of the scheme.
pub const ALGORITHM: &str = "OSS4-HMAC-SHA256";
const TERMINATOR: &str = "aliyun_v4_request";
const SECRET_PREFIX: &str = "aliyun_v4";
/// Headers that are signed whenever they are sent, besides those that begin with `x-oss-`.
const ALWAYS_SIGNED: [&str; 2] = ["content-md5", "content-type"];

/// What a request says about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    credential: String,
    signature: String,
    additional: Vec<String>,
    date: String,
    /// Seconds of validity of a URL.
    expires: Option<String>,
}

impl Claim {
    /// Id of the key that signed.
    ///
    /// # Errors
    /// [`SignError::Malformed`] if the credential is not of the scheme's form.
    pub fn id(&self) -> Result<&str, SignError> {
        Ok(Scope::parse(&self.credential, TERMINATOR)?.id)
    }
}

/// Finds the signature in the header or in the parameters; nothing if the request is not signed in this way.
///
/// # Errors
/// [`SignError::Malformed`] if it is there but cannot be read.
pub fn claimed(message: &Message<'_>) -> Result<Option<Claim>, SignError> {
    if let Some(rest) = message.header("authorization").and_then(|h| h.strip_prefix(ALGORITHM)) {
        let field = |name: &str| fields(rest).find(|(n, _)| *n == name).map(|(_, value)| value.to_owned());
        let date = message.header("x-oss-date").or_else(|| message.header("date")).unwrap_or_default().to_owned();
        return match (field("Credential"), field("Signature")) {
            (Some(credential), Some(signature)) => {
                let additional = names(&field("AdditionalHeaders").unwrap_or_default());
                Ok(Some(Claim { credential, signature, additional, date, expires: None }))
            }
            _ => Err(SignError::Malformed("`Authorization` needs `Credential` and `Signature`".to_owned())),
        };
    }
    if message.parameter("x-oss-signature-version") != Some(ALGORITHM) {
        return Ok(None);
    }
    let parameter = |name: &str| message.parameter(name).map(str::to_owned);
    match (parameter("x-oss-credential"), parameter("x-oss-signature"), parameter("x-oss-date"), parameter("x-oss-expires")) {
        (Some(credential), Some(signature), Some(date), expires @ Some(_)) => {
            let additional = names(message.parameter("x-oss-additional-headers").unwrap_or_default());
            Ok(Some(Claim { credential, signature, additional, date, expires }))
        }
        _ => Err(SignError::Malformed(
            "a signed url needs `x-oss-credential`, `x-oss-date`, `x-oss-expires` and `x-oss-signature`".to_owned(),
        )),
    }
}

fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text.split(';').filter(|name| !name.is_empty()).map(str::to_lowercase).collect();
    names.sort();
    names
}

fn string_to_sign(message: &Message<'_>, additional: &[String], date: &str, scope: &str) -> String {
    let path = message.bucket.map_or_else(|| "/".to_owned(), |bucket| format!("/{bucket}/{}", message.key));
    let is_signed = |name: &String| name.starts_with("x-oss-") || ALWAYS_SIGNED.contains(&name.as_str()) || additional.contains(name);
    let mut headers: Vec<(&str, &str)> =
        message.headers.iter().filter(|(n, _)| is_signed(n)).map(|(n, v)| (n.as_str(), v.trim())).collect();
    headers.sort_unstable();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = [
        message.method,
        &encode(&path, true),
        &canonical_query(message.query, "x-oss-signature", true),
        &headers,
        &additional.join(";"),
        message.header("x-oss-content-sha256").unwrap_or(UNSIGNED_PAYLOAD),
    ];
    [ALGORITHM, date, scope, &sha256_hex(request.join("\n").as_bytes())].join("\n")
}

/// Value of the `Authorization` header, for a request whose `x-oss-date` header is `compact_date(now)` and that has
/// the header `x-oss-content-sha256: UNSIGNED-PAYLOAD`.
pub fn authorization(message: &Message<'_>, pair: Pair<'_>, region: &str, now: i64) -> String {
    let date = compact_date(now);
    let scope = scope(pair, &date, region);
    let text = string_to_sign(message, &[], &date, &scope.text(TERMINATOR));
    let signature = hex::encode(hmac_sha256(&scope.signing_key(SECRET_PREFIX, pair.secret, TERMINATOR), text.as_bytes()));
    format!("{ALGORITHM} Credential={}/{},Signature={signature}", pair.id, scope.text(TERMINATOR))
}

/// All parameters of a URL that is valid for so many seconds from `now`: the message's own ones, then those to add.
pub fn presign(message: &Message<'_>, pair: Pair<'_>, region: &str, now: i64, seconds: i64) -> Vec<(String, String)> {
    let date = compact_date(now);
    let scope = scope(pair, &date, region);
    let mut query = message.query.to_vec();
    let added = [
        ("x-oss-signature-version", ALGORITHM.to_owned()),
        ("x-oss-credential", format!("{}/{}", pair.id, scope.text(TERMINATOR))),
        ("x-oss-date", date.clone()),
        ("x-oss-expires", seconds.to_string()),
    ];
    query.extend(added.map(|(name, value)| (name.to_owned(), value)));
    let text = string_to_sign(&Message { query: &query, ..*message }, &[], &date, &scope.text(TERMINATOR));
    let signature = hex::encode(hmac_sha256(&scope.signing_key(SECRET_PREFIX, pair.secret, TERMINATOR), text.as_bytes()));
    query.push(("x-oss-signature".to_owned(), signature));
    query
}

fn scope<'a>(pair: Pair<'a>, date: &'a str, region: &'a str) -> Scope<'a> {
    Scope { id: pair.id, date: date.get(..8).unwrap_or_default(), region, service: "oss" }
}

/// Checks signature and date; `now` in seconds since 1970.
///
/// # Errors
/// What is wrong with them.
pub fn verify(message: &Message<'_>, claim: &Claim, secret: &str, now: i64) -> Result<(), SignError> {
    let scope = Scope::parse(&claim.credential, TERMINATOR)?;
    let at = parse_compact_date(&claim.date).or_else(|| super::parse_http_date(&claim.date));
    let at = at.ok_or_else(|| SignError::Malformed(format!("the date `{}` is not of the form 20260102T030405Z", claim.date)))?;
    let date = compact_date(at);
    if !date.starts_with(scope.date) {
        return Err(SignError::Malformed(format!("the credential is for `{}`, the request is dated `{date}`", scope.date)));
    }
    let text = string_to_sign(message, &claim.additional, &date, &scope.text(TERMINATOR));
    let right = hex::encode(hmac_sha256(&scope.signing_key(SECRET_PREFIX, secret, TERMINATOR), text.as_bytes()));
    compare(&claim.signature, &right, text)?;
    match &claim.expires {
        Some(expires) => check_presigned(&date, expires, now),
        None => check_skew(&claim.date, at, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_323_045;
    const PAIR: Pair<'_> = Pair { id: "AKID123", secret: "SECRET456" };

    fn owned(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_signed_is_accepted_and_nothing_else() {
        let mut headers =
            owned(&[("x-oss-date", "20260102T030405Z"), ("x-oss-content-sha256", UNSIGNED_PAYLOAD), ("content-type", "text/plain")]);
        let unsigned = headers.clone();
        let query = owned(&[("acl", ""), ("prefix", "a b/")]);
        let message = Message { method: "PUT", path: "/b/k", bucket: Some("b"), key: "k ü", query: &query, headers: &unsigned };
        let value = authorization(&message, PAIR, "cn-test", NOW);
        headers.push(("authorization".to_owned(), value));
        let message = Message { headers: &headers, ..message };
        let claim = claimed(&message).unwrap().unwrap();
        assert_eq!(claim.id().unwrap(), "AKID123");
        assert_eq!(verify(&message, &claim, "SECRET456", NOW + 900), Ok(()));
        assert!(matches!(verify(&message, &claim, "SECRET456", NOW + 901), Err(SignError::Skewed { .. })));
        assert!(matches!(verify(&message, &claim, "other", NOW), Err(SignError::Mismatch { .. })));
        assert!(matches!(verify(&Message { key: "k", ..message }, &claim, "SECRET456", NOW), Err(SignError::Mismatch { .. })));
    }

    #[test]
    fn urls() {
        let message = Message { method: "GET", path: "/b/k", bucket: Some("b"), key: "k", query: &[], headers: &[] };
        let query = presign(&message, PAIR, "cn-test", NOW, 60);
        let message = Message { query: &query, ..message };
        let claim = claimed(&message).unwrap().unwrap();
        assert_eq!(verify(&message, &claim, "SECRET456", NOW + 60), Ok(()));
        assert!(matches!(verify(&message, &claim, "SECRET456", NOW + 61), Err(SignError::Expired { .. })));
        let wrong = Claim { credential: "AKID123/20260102/cn/oss/x".to_owned(), ..claim };
        assert!(wrong.id().is_err());
    }
}
