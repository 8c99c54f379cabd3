//! The HTTP interface of the service: signed requests, pages, errors.

use std::time::Duration;

use serde_json::Value;
use ureq::http;

use crate::{failure::Failure, reply::Reply, sign};

/// The version of the interface.
const API_VERSION: &str = "2015-11-11";
/// Items asked for at once, as the original does.
const PAGE: &str = "100";
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(120);
/// Largest answer that is read.
const MAX_ANSWER: u64 = 256 << 20;
/// Pages of one list; a server that never ends does not hold us for ever.
const MAX_PAGES: usize = 100_000;

/// Who asks, and where.
#[derive(Clone, Debug)]
pub struct Account {
    /// Scheme, host and port without a final `/`.
    pub base: String,
    /// Region, as sent.
    pub region: String,
    /// Access key id.
    pub id: String,
    /// Access key secret.
    pub secret: String,
    /// Another version of the interface.
    pub version: Option<String>,
    /// Accept any TLS certificate.
    pub insecure: bool,
}

/// The service.
pub struct Service {
    account: Account,
    agent: ureq::Agent,
}

/// An agent with our limits for an address; this machine is never spoken to through a proxy.
pub fn agent(address: &str, insecure: bool) -> ureq::Agent {
    let tls = ureq::tls::TlsConfig::builder().disable_verification(insecure);
    // Certificates are read where they are needed alone: that takes longer than most commands.
    let is_plain = insecure || address.starts_with("http://");
    let tls = if is_plain { tls.build() } else { tls.root_certs(batchyard_trust::roots()).build() };
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let is_here = ["localhost", "127.", "[::1]"].iter().any(|here| host.starts_with(here));
    let proxy = if is_here { None } else { ureq::Proxy::try_from_env() };
    let config = ureq::Agent::config_builder()
        .proxy(proxy)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(tls)
        .build();
    ureq::Agent::new_with_config(config)
}

/// Percent-encodes everything but letters, digits and `-_.~`; `keep` are further characters to leave alone.
pub fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-_.~".contains(letter) || (byte.is_ascii() && keep.contains(letter)) {
            out.push(letter);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl Service {
    /// A service for an account; nothing is sent yet.
    pub fn new(account: Account) -> Service {
        let agent = agent(&account.base, account.insecure);
        Service { account, agent }
    }

    /// A GET; `segments` make the path.
    ///
    /// # Errors
    ///
    /// [`Failure::Service`], [`Failure::Unreachable`] or [`Failure::Unreadable`]; so for all requests.
    pub fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.send("GET", segments, query, None).map(|(_, body)| body)
    }

    /// A POST.
    ///
    /// # Errors
    ///
    /// As [`Service::get`].
    pub fn post(&self, segments: &[&str], body: Option<&Value>) -> Result<Value, Failure> {
        self.send("POST", segments, &[], body).map(|(_, body)| body)
    }

    /// A PUT.
    ///
    /// # Errors
    ///
    /// As [`Service::get`].
    pub fn put(&self, segments: &[&str], body: &Value) -> Result<Value, Failure> {
        self.send("PUT", segments, &[], Some(body)).map(|(_, body)| body)
    }

    /// A DELETE.
    ///
    /// # Errors
    ///
    /// As [`Service::get`].
    pub fn delete(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.send("DELETE", segments, query, None).map(|(_, body)| body)
    }

    /// All items of a list, page after page.
    ///
    /// # Errors
    ///
    /// As [`Service::get`]; also when the pages do not end.
    pub fn list(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut marker = String::new();
        for _ in 0..MAX_PAGES {
            let mut all = query.to_vec();
            all.push(("Marker", &marker));
            all.push(("MaxItemCount", PAGE));
            let mut page = self.get(segments, &all)?;
            let next = page.text("NextMarker");
            match page.get_mut("Items").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                // Revisions of an app come as a bare list.
                _ if page.is_array() => items.extend(page.as_array().into_iter().flatten().cloned()),
                _ => {}
            }
            if next.is_empty() || next == "0" {
                return Ok(items);
            }
            if next == marker {
                break;
            }
            marker = next;
        }
        Err(Failure::Unreadable { url: self.url(&target(segments, query)), reason: "its pages do not end".to_owned() })
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.account.base)
    }

    fn headers(&self) -> Vec<(String, String)> {
        let account = &self.account;
        [
            ("x-acs-region-id", account.region.clone()),
            ("x-acs-access-key-id", account.id.clone()),
            ("x-acs-signature-method", "HMAC-SHA1".to_owned()),
            ("x-acs-signature-version", "1.0".to_owned()),
            ("x-acs-version", account.version.clone().unwrap_or_else(|| API_VERSION.to_owned())),
            ("x-acs-signature-nonce", uuid::Uuid::new_v4().to_string()),
            ("x-client-name", "batchyard-bcs".to_owned()),
            ("x-client-version", env!("CARGO_PKG_VERSION").to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn send(&self, method: &str, segments: &[&str], query: &[(&str, &str)], body: Option<&Value>) -> Result<(u16, Value), Failure> {
        let target = target(segments, query);
        let url = self.url(&target);
        let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let date = sign::http_date(jiff::Timestamp::now());
        let mut headers = self.headers();
        let json = "application/json";
        let signed = sign::Signed {
            method,
            accept: json,
            content_type: json,
            date: &date,
            headers: &headers,
            resource: &target,
            ..sign::Signed::default()
        };
        let authorization = sign::acs(&self.account.id, &self.account.secret, &signed);
        for (name, value) in [("Accept", json), ("Content-Type", json), ("Date", &date), ("Authorization", &authorization)] {
            headers.push((name.to_owned(), value.to_owned()));
        }
        headers.push(("User-Agent".to_owned(), format!("batchyard-bcs/{}", env!("CARGO_PKG_VERSION"))));
        if !body.is_empty() {
            headers.push(("contentMd5".to_owned(), sign::md5_hex(&body)));
        }
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let unreachable = |reason: String| Failure::Unreachable { url: url.clone(), reason };
        let answer = if matches!(method, "POST" | "PUT") {
            let request = request.body(body).map_err(|e| unreachable(e.to_string()))?;
            self.agent.run(request)
        } else {
            self.agent.run(request.body(()).map_err(|e| unreachable(e.to_string()))?)
        };
        let answer = answer.map_err(|e| unreachable(e.to_string()))?;
        read(&url, answer)
    }
}

fn target(segments: &[&str], query: &[(&str, &str)]) -> String {
    let mut target = String::new();
    for segment in segments {
        target.push('/');
        target.push_str(&encoded(segment, ":@!$&'()*+,;="));
    }
    let mut query = query.to_vec();
    query.sort_unstable();
    for (n, (name, value)) in query.iter().enumerate() {
        target.push(if n == 0 { '?' } else { '&' });
        target.push_str(&encoded(name, ""));
        if !value.is_empty() {
            target.push('=');
            target.push_str(&encoded(value, ""));
        }
    }
    target
}

fn read(url: &str, mut answer: http::Response<ureq::Body>) -> Result<(u16, Value), Failure> {
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let request_id = header("x-acs-request-id").or_else(|| header("request-id"));
    let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
    let bytes = text.map_err(|e| Failure::Unreadable { url: url.to_owned(), reason: e.to_string() })?;
    let body = if bytes.iter().all(u8::is_ascii_whitespace) { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
    if (200..300).contains(&status) {
        return match body {
            Ok(body) => Ok((status, body)),
            Err(error) => Err(Failure::Unreadable { url: url.to_owned(), reason: format!("not JSON: {error}") }),
        };
    }
    let body: Value = body.unwrap_or_default();
    Err(Failure::Service {
        status,
        code: body.text("Code"),
        request_id: request_id.unwrap_or_else(|| body.text("RequestId")),
        message: body.text("Message").trim_end_matches('.').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_written_as_the_original_writes_them() {
        assert_eq!(target(&["jobs"], &[("Marker", ""), ("MaxItemCount", "100")]), "/jobs?Marker&MaxItemCount=100");
        assert_eq!(target(&["jobs", "job-1"], &[("description", "")]), "/jobs/job-1?description");
        assert_eq!(target(&["apps", "a b"], &[("Scope", "Private"), ("Marker", "x/y")]), "/apps/a%20b?Marker=x%2Fy&Scope=Private");
    }
}
