//! Signature version 4 of the S3 dialect: `AWS4-HMAC-SHA256`, in a header, in a URL, and for the chunks of a body.

use percent_encoding::percent_decode_str;

use super::{
    Message, Pair, Scope, SignError, UNSIGNED_PAYLOAD, canonical_query, check_presigned, check_skew, compact_date, compare, encode, fields,
    hmac_sha256, parse_compact_date, same, sha256_hex,
};

/// Name of the scheme.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const SECRET_PREFIX: &str = "AWS4";
/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a request says about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    credential: String,
    signature: String,
    signed: Vec<String>,
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

/// Checks the chunks of a body that is signed piece by piece; each signature covers the one before.
#[derive(Debug, Clone)]
pub struct ChunkSigner {
    key: Vec<u8>,
    date: String,
    scope: String,
    previous: String,
}

impl ChunkSigner {
    /// The signature that the chunk with this SHA-256 (hexadecimal) must have.
    pub fn chunk(&self, sha256: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY, sha256])
    }

    /// The signature of the trailing headers, given as `name:value` with a line end each.
    pub fn trailer(&self, headers: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-TRAILER", &[&sha256_hex(headers.as_bytes())])
    }

    /// Accepts a signature if it is `right`; it becomes the one before the next.
    pub fn accept(&mut self, sent: &str, right: String) -> bool {
        let accepted = same(sent, &right);
        self.previous = right;
        accepted
    }

    fn sign(&self, algorithm: &str, rest: &[&str]) -> String {
        let text = format!("{algorithm}\n{}\n{}\n{}\n{}", self.date, self.scope, self.previous, rest.join("\n"));
        hex::encode(hmac_sha256(&self.key, text.as_bytes()))
    }
}

/// Finds the signature in the header or in the parameters; nothing if the request is not signed in this way.
///
/// # Errors
/// [`SignError::Malformed`] if it is there but cannot be read.
pub fn claimed(message: &Message<'_>) -> Result<Option<Claim>, SignError> {
    if let Some(rest) = message.header("authorization").and_then(|h| h.strip_prefix(ALGORITHM)) {
        let field = |name: &str| fields(rest).find(|(n, _)| *n == name).map(|(_, value)| value.to_owned());
        let date = match message.header("x-amz-date") {
            Some(date) => date.to_owned(),
            None => super::parse_http_date(message.header("date").unwrap_or_default()).map(compact_date).unwrap_or_default(),
        };
        return match (field("Credential"), field("Signature"), field("SignedHeaders")) {
            (Some(credential), Some(signature), Some(signed)) => {
                Ok(Some(Claim { credential, signature, signed: names(&signed), date, expires: None }))
            }
            _ => Err(SignError::Malformed("`Authorization` needs `Credential`, `SignedHeaders` and `Signature`".to_owned())),
        };
    }
    if message.parameter("X-Amz-Algorithm") != Some(ALGORITHM) {
        return Ok(None);
    }
    let parameter = |name: &str| message.parameter(name).map(str::to_owned);
    let found = (
        parameter("X-Amz-Credential"),
        parameter("X-Amz-Signature"),
        parameter("X-Amz-Date"),
        parameter("X-Amz-Expires"),
        parameter("X-Amz-SignedHeaders"),
    );
    match found {
        (Some(credential), Some(signature), Some(date), expires @ Some(_), Some(signed)) => {
            Ok(Some(Claim { credential, signature, signed: names(&signed), date, expires }))
        }
        _ => Err(SignError::Malformed(
            "a signed url needs `X-Amz-Credential`, `-Date`, `-Expires`, `-SignedHeaders` and `-Signature`".to_owned(),
        )),
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(';').filter(|name| !name.is_empty()).map(str::to_lowercase).collect()
}

fn string_to_sign(message: &Message<'_>, signed: &[String], payload: &str, date: &str, scope: &str) -> String {
    let path = encode(&percent_decode_str(message.path).decode_utf8_lossy(), true);
    let value = |name: &String| {
        let values = message.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.split_whitespace().collect::<Vec<_>>().join(" "));
        values.collect::<Vec<_>>().join(",")
    };
    let headers: String = signed.iter().map(|name| format!("{name}:{}\n", value(name))).collect();
    let query = canonical_query(message.query, "X-Amz-Signature", false);
    let request = [message.method, &path, &query, &headers, &signed.join(";"), payload];
    [ALGORITHM, date, scope, &sha256_hex(request.join("\n").as_bytes())].join("\n")
}

/// Value of the `Authorization` header, for a request whose `x-amz-date` is `compact_date(now)`. `signed` are the
/// lower-case names of the headers to sign, sorted.
pub fn authorization(message: &Message<'_>, pair: Pair<'_>, region: &str, signed: &[String], now: i64) -> String {
    let date = compact_date(now);
    let scope = scope(pair, &date, region);
    let payload = message.header("x-amz-content-sha256").unwrap_or(EMPTY);
    let text = string_to_sign(message, signed, payload, &date, &scope.text(TERMINATOR));
    let signature = hex::encode(hmac_sha256(&scope.signing_key(SECRET_PREFIX, pair.secret, TERMINATOR), text.as_bytes()));
    format!("{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}", pair.id, scope.text(TERMINATOR), signed.join(";"))
}

/// All parameters of a URL for the host in the message's headers that is valid for so many seconds from `now`.
pub fn presign(message: &Message<'_>, pair: Pair<'_>, region: &str, now: i64, seconds: i64) -> Vec<(String, String)> {
    let date = compact_date(now);
    let scope = scope(pair, &date, region);
    let mut query = message.query.to_vec();
    let added = [
        ("X-Amz-Algorithm", ALGORITHM.to_owned()),
        ("X-Amz-Credential", format!("{}/{}", pair.id, scope.text(TERMINATOR))),
        ("X-Amz-Date", date.clone()),
        ("X-Amz-Expires", seconds.to_string()),
        ("X-Amz-SignedHeaders", "host".to_owned()),
    ];
    query.extend(added.map(|(name, value)| (name.to_owned(), value)));
    let signed = ["host".to_owned()];
    let text = string_to_sign(&Message { query: &query, ..*message }, &signed, UNSIGNED_PAYLOAD, &date, &scope.text(TERMINATOR));
    let signature = hex::encode(hmac_sha256(&scope.signing_key(SECRET_PREFIX, pair.secret, TERMINATOR), text.as_bytes()));
    query.push(("X-Amz-Signature".to_owned(), signature));
    query
}

fn scope<'a>(pair: Pair<'a>, date: &'a str, region: &'a str) -> Scope<'a> {
    Scope { id: pair.id, date: date.get(..8).unwrap_or_default(), region, service: "s3" }
}

/// Checks signature and date; `now` in seconds since 1970. The answer checks the chunks of the body, if it has any.
///
/// # Errors
/// What is wrong with them.
pub fn verify(message: &Message<'_>, claim: &Claim, secret: &str, now: i64) -> Result<ChunkSigner, SignError> {
    let scope = Scope::parse(&claim.credential, TERMINATOR)?;
    let at = parse_compact_date(&claim.date)
        .ok_or_else(|| SignError::Malformed(format!("the date `{}` is not of the form 20260102T030405Z", claim.date)))?;
    if !claim.date.starts_with(scope.date) {
        return Err(SignError::Malformed(format!("the credential is for `{}`, the request is dated `{}`", scope.date, claim.date)));
    }
    if !claim.signed.iter().any(|name| name == "host") {
        return Err(SignError::Malformed("the header `host` must be signed".to_owned()));
    }
    let payload = if claim.expires.is_some() { UNSIGNED_PAYLOAD } else { message.header("x-amz-content-sha256").unwrap_or(EMPTY) };
    let text = string_to_sign(message, &claim.signed, payload, &claim.date, &scope.text(TERMINATOR));
    let key = scope.signing_key(SECRET_PREFIX, secret, TERMINATOR);
    let right = hex::encode(hmac_sha256(&key, text.as_bytes()));
    compare(&claim.signature, &right, text)?;
    match &claim.expires {
        Some(expires) => check_presigned(&claim.date, expires, now)?,
        None => check_skew(&claim.date, at, now)?,
    }
    Ok(ChunkSigner { key, date: claim.date.clone(), scope: scope.text(TERMINATOR), previous: right })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair<'_> = Pair { id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };

    fn owned(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The examples of the protocol's own documentation: a header, a URL, and a body in chunks.
    #[test]
    fn documented_examples() {
        let now = parse_compact_date("20130524T000000Z").unwrap();
        let headers = owned(&[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        ]);
        let message =
            Message { method: "GET", path: "/test.txt", bucket: Some("examplebucket"), key: "test.txt", query: &[], headers: &headers };
        let signed = names("host;range;x-amz-content-sha256;x-amz-date");
        let value = authorization(&message, PAIR, "us-east-1", &signed, now);
        assert!(value.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), "{value}");
        let query = presign(&message, PAIR, "us-east-1", now, 86400);
        assert_eq!(query.last().unwrap().1, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
        let message = Message { query: &query, ..message };
        let claim = claimed(&message).unwrap().unwrap();
        assert!(verify(&message, &claim, PAIR.secret, now + 86400).is_ok());
        assert!(matches!(verify(&message, &claim, PAIR.secret, now + 86401), Err(SignError::Expired { .. })));
    }

    #[test]
    fn documented_chunks() {
        let now = parse_compact_date("20130524T000000Z").unwrap();
        let mut headers = owned(&[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ]);
        let unsigned = headers.clone();
        let path = "/examplebucket/chunkObject.txt";
        let message =
            Message { method: "PUT", path, bucket: Some("examplebucket"), key: "chunkObject.txt", query: &[], headers: &unsigned };
        let signed =
            names("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class");
        let value = authorization(&message, PAIR, "us-east-1", &signed, now);
        assert!(value.ends_with("Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"), "{value}");
        headers.push(("authorization".to_owned(), value));
        let message = Message { headers: &headers, ..message };
        let claim = claimed(&message).unwrap().unwrap();
        let mut chunks = verify(&message, &claim, PAIR.secret, now).unwrap();
        let body = vec![b'a'; 65536];
        let first = chunks.chunk(&sha256_hex(&body));
        assert_eq!(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        assert!(chunks.accept("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", first));
        let second = chunks.chunk(&sha256_hex(&body[..1024]));
        assert_eq!(second, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
        assert!(!chunks.accept("00", second));
        assert_eq!(chunks.chunk(EMPTY), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    }
}
