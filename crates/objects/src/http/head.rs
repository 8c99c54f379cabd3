//! What a request is about: bucket, key, parameters, and in which dialect it speaks.

use axum::http::{HeaderMap, header, request::Parts};
use percent_encoding::percent_decode_str;

use super::{Options, problem::Problem};
use crate::{name, sign::Message};

/// Which protocol a client speaks; it changes names of headers and codes, not what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Oss,
    S3,
}

impl Dialect {
    /// Full name of one of the protocol's own headers.
    pub(super) fn header(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    /// What the names of the protocol's own headers begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Oss => "x-oss-",
            Self::S3 => "x-amz-",
        }
    }
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) dialect: Dialect,
    pub(super) method: String,
    /// As on the request line.
    pub(super) path: String,
    pub(super) bucket: Option<String>,
    /// Decoded; empty without one.
    pub(super) key: String,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    /// With lower-case names.
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn parse(parts: &Parts, options: &Options) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let rest = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = match bucket_of_host(&host(parts), options) {
            Some(bucket) => (Some(bucket), rest),
            None if rest.is_empty() || rest == "*" => (None, ""),
            None => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                (Some(decode(bucket)?), key)
            }
        };
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let key = decode(key)?;
        Ok(Self { dialect: dialect(parts), method: parts.method.to_string(), path, bucket, key, query, headers: plain(&parts.headers) })
    }

    pub(super) fn message(&self) -> Message<'_> {
        Message {
            method: &self.method,
            path: &self.path,
            bucket: self.bucket.as_deref(),
            key: &self.key,
            query: &self.query,
            headers: &self.headers,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// One of the protocol's own headers, by the end of its name.
    pub(super) fn own(&self, name: &str) -> Option<&str> {
        self.header(&self.dialect.header(name))
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    /// A parameter that is a number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, Problem> {
        let Some(text) = self.parameter(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::argument(name, text, "it is not a number of the right size"))
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// Name of the server in the request, without a port.
pub(super) fn host(parts: &Parts) -> String {
    let header = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let host = header.or_else(|| parts.uri.authority().map(ToString::to_string)).unwrap_or_default();
    let without_port =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host.as_str(), |(name, _)| name);
    without_port.to_lowercase()
}

pub(super) fn dialect(parts: &Parts) -> Dialect {
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let own = |prefix: &str| parts.headers.keys().any(|name| name.as_str().starts_with(prefix));
    let query = parts.uri.query().unwrap_or_default();
    let is_s3 = authorization.starts_with("AWS")
        || query.contains("X-Amz-")
        || (own("x-amz-") && !own("x-oss-") && !authorization.starts_with("OSS"));
    if is_s3 { Dialect::S3 } else { Dialect::Oss }
}

/// The bucket, if the request names it in front of a name of this server.
fn bucket_of_host(host: &str, options: &Options) -> Option<String> {
    let (first, rest) = host.split_once('.')?;
    let well_known = rest == "localhost"
        || (rest.starts_with("oss-") && rest.ends_with(".aliyuncs.com"))
        || (rest.starts_with("s3") && rest.ends_with(".amazonaws.com"));
    let known = well_known || options.hosts.iter().any(|name| name.eq_ignore_ascii_case(rest));
    (known && name::is_bucket(first)).then(|| first.to_owned())
}

fn decode(text: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| Problem::new(400, "InvalidURI", "the path of the request is not UTF-8"))
}

/// Headers as texts; what is not UTF-8 cannot be signed anyway.
fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(host: &str, uri: &str) -> Result<(Option<String>, String), String> {
        let (parts, ()) = axum::http::Request::builder().uri(uri).header("host", host).body(()).unwrap().into_parts();
        let options = Options { hosts: vec!["store.lab".to_owned()], ..Options::default() };
        Head::parse(&parts, &options).map(|head| (head.bucket, head.key)).map_err(|problem| problem.code.to_owned())
    }

    #[test]
    fn where_the_bucket_stands() {
        let found = |bucket: &str, key: &str| Ok((Some(bucket.to_owned()), key.to_owned()));
        assert_eq!(parse("127.0.0.1:8002", "/"), Ok((None, String::new())));
        assert_eq!(parse("127.0.0.1:8002", "/buc"), found("buc", ""));
        assert_eq!(parse("localhost:8002", "/buc/a%2Fb//c%20d"), found("buc", "a/b//c d"));
        assert_eq!(parse("buc.localhost:8002", "/buc/a"), found("buc", "buc/a"));
        assert_eq!(parse("buc.oss-cn-test.aliyuncs.com", "/"), found("buc", ""));
        assert_eq!(parse("oss-cn-test.aliyuncs.com", "/buc/x"), found("buc", "x"));
        assert_eq!(parse("buc.store.lab", "/x"), found("buc", "x"));
        assert_eq!(parse("store.lab", "/buc/x"), found("buc", "x"));
        assert_eq!(parse("a.example.org", "/buc/../x"), found("buc", "../x"));
        assert_eq!(parse("h", "/buc/%ff"), Err("InvalidURI".to_owned()));
    }
}
