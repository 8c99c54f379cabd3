//! Signed requests to the object store.

use std::{io::Read, net::IpAddr};

use ureq::{SendBody, http};

use super::{
    location::Location,
    xml::{self, Element},
};
use crate::{
    api::{agent, encoded},
    failure::Failure,
    sign,
};

/// Largest answer other than an object.
const MAX_ANSWER: u64 = 32 << 20;
/// Keys of one page of a list.
const PAGE: &str = "1000";
/// Keys that are deleted by one request.
const MAX_DELETE: usize = 1000;
/// Pages of one list.
const MAX_PAGES: usize = 1_000_000;

/// Who asks, and where.
#[derive(Clone, Debug)]
pub struct StoreAccount {
    /// Scheme, host and port without a final `/`; `{region}` stands for the region.
    pub endpoint: String,
    /// Region when a path names none.
    pub region: String,
    /// Access key id.
    pub id: String,
    /// Access key secret.
    pub secret: String,
    /// Accept any TLS certificate.
    pub insecure: bool,
}

/// The object store.
pub struct Store {
    account: StoreAccount,
    agent: ureq::Agent,
}

/// An object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// Everything under a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects.
    pub objects: Vec<Object>,
    /// Prefixes up to the delimiter.
    pub folders: Vec<String>,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// Identifies the content.
    pub etag: String,
}

/// A request to be signed and sent.
#[derive(Default)]
pub(super) struct Ask<'a> {
    pub action: &'static str,
    pub method: &'static str,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(String, String)>,
    pub content_md5: String,
    pub body: Option<(&'a mut dyn Read, u64)>,
}

pub(super) type Answer = http::Response<ureq::Body>;

impl Store {
    /// A store for an account; nothing is sent yet.
    pub fn new(account: StoreAccount) -> Store {
        let agent = agent(&account.endpoint, account.insecure);
        Store { account, agent }
    }

    /// Reads an object, or the bytes `from..=to` of it.
    ///
    /// # Errors
    ///
    /// [`Failure::Store`], [`Failure::Unreachable`]; so for all requests.
    pub fn open(&self, place: &Location, range: Option<(u64, Option<u64>)>, etag: Option<&str>) -> Result<impl Read + use<>, Failure> {
        let mut headers = Vec::new();
        if let Some((from, to)) = range {
            let to = to.map(|to| to.to_string()).unwrap_or_default();
            headers.push(("Range".to_owned(), format!("bytes={from}-{to}")));
        }
        if let Some(etag) = etag {
            headers.push(("If-Match".to_owned(), etag.to_owned()));
        }
        let answer = self.send(place, Ask { action: "read", method: "GET", headers, ..Ask::default() })?;
        let partial = answer.status().as_u16() == 206;
        let (from, to) = range.filter(|_| !partial).unwrap_or((0, None));
        let mut reader = answer.into_body().into_reader();
        // A store that ignores ranges sends everything.
        if from > 0 {
            let skipped = std::io::copy(&mut reader.by_ref().take(from), &mut std::io::sink());
            skipped.map_err(|e| self.broken(place, &e))?;
        }
        Ok(reader.take(to.map_or(u64::MAX, |to| to.saturating_sub(from) + 1)))
    }

    /// Reads an object, or a range of it, into memory; a range behind its end is empty.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn read(&self, place: &Location, range: Option<(u64, Option<u64>)>) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        match self.open(place, range, None) {
            Ok(mut reader) => reader.read_to_end(&mut bytes).map_err(|e| self.broken(place, &e))?,
            Err(Failure::Store { status: 416, .. }) => 0,
            Err(failure) => return Err(failure),
        };
        Ok(bytes)
    }

    /// What is known of an object.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn head(&self, place: &Location) -> Result<Head, Failure> {
        let answer = self.send(place, Ask { action: "look at", method: "HEAD", ..Ask::default() })?;
        let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Head { size: header("content-length").parse().unwrap_or(0), etag: header("etag") })
    }

    /// Writes an object.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn put(&self, place: &Location, body: &mut dyn Read, size: u64, content_md5: String) -> Result<(), Failure> {
        self.send(place, Ask { action: "write", method: "PUT", content_md5, body: Some((body, size)), ..Ask::default() }).map(drop)
    }

    /// Copies an object within the store.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn copy(&self, from: &Location, to: &Location) -> Result<(), Failure> {
        let headers = vec![("x-oss-copy-source".to_owned(), from.as_source())];
        self.send(to, Ask { action: "copy to", method: "PUT", headers, ..Ask::default() }).map(drop)
    }

    /// Deletes an object; one that does not exist counts as deleted.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn delete(&self, place: &Location) -> Result<(), Failure> {
        self.send(place, Ask { action: "delete", method: "DELETE", ..Ask::default() }).map(drop)
    }

    /// Makes the bucket of a place.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn make_bucket(&self, place: &Location) -> Result<(), Failure> {
        self.send(&place.with_key(""), Ask { action: "make the bucket of", method: "PUT", ..Ask::default() }).map(drop)
    }

    /// Removes the bucket of a place; the store refuses while anything is in it.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn remove_bucket(&self, place: &Location) -> Result<(), Failure> {
        self.send(&place.with_key(""), Ask { action: "remove the bucket of", method: "DELETE", ..Ask::default() }).map(drop)
    }

    /// Deletes many objects of one bucket.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn delete_all(&self, place: &Location, keys: &[String]) -> Result<(), Failure> {
        for keys in keys.chunks(MAX_DELETE) {
            let objects: String = keys.iter().map(|key| format!("<Object><Key>{}</Key></Object>", xml::escaped(key))).collect();
            let body = format!("<Delete><Quiet>true</Quiet>{objects}</Delete>");
            let content_md5 = sign::md5_base64(body.as_bytes());
            let size = body.len() as u64;
            let mut body = body.as_bytes();
            let query = vec![("delete", String::new()), ("encoding-type", "url".to_owned())];
            let ask = Ask { action: "delete under", method: "POST", query, content_md5, body: Some((&mut body, size)), ..Ask::default() };
            self.send(&place.with_key(""), ask)?;
        }
        Ok(())
    }

    /// All objects whose key begins with the place's key; with `delimiter`, folders instead of what is in them.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; also when the pages do not end.
    pub fn list(&self, place: &Location, delimiter: &str) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        let mut marker = String::new();
        for _ in 0..MAX_PAGES {
            let query = vec![
                ("prefix", place.key.clone()),
                ("delimiter", delimiter.to_owned()),
                ("marker", marker.clone()),
                ("max-keys", PAGE.to_owned()),
                ("encoding-type", "url".to_owned()),
            ];
            let page = self.document(&place.with_key(""), Ask { action: "list", method: "GET", query, ..Ask::default() })?;
            let plain = |text: &str| if page.child("EncodingType") == "url" { decoded(text) } else { text.to_owned() };
            for object in page.all("Contents") {
                listing.objects.push(Object { key: plain(object.child("Key")), size: object.child("Size").parse().unwrap_or(0) });
            }
            listing.folders.extend(page.all("CommonPrefixes").map(|p| plain(p.child("Prefix"))));
            let next = plain(page.child("NextMarker"));
            if page.child("IsTruncated") != "true" || next.is_empty() {
                return Ok(listing);
            }
            if next == marker {
                break;
            }
            marker = next;
        }
        Err(Failure::Unreadable { url: place.to_string(), reason: "its pages do not end".to_owned() })
    }

    /// Sends a request and reads its answer as a document.
    pub(super) fn document(&self, place: &Location, ask: Ask<'_>) -> Result<Element, Failure> {
        let mut answer = self.send(place, ask)?;
        let unreadable = |reason: String| Failure::Unreadable { url: place.to_string(), reason };
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(|e| unreadable(e.to_string()))?;
        Element::read(&text).map_err(unreadable)
    }

    /// Signs and sends a request; refusals are failures.
    pub(super) fn send(&self, place: &Location, ask: Ask<'_>) -> Result<Answer, Failure> {
        let (url, host) = self.address(place, &ask.query);
        let date = sign::http_date(jiff::Timestamp::now());
        let content_type = if ask.body.is_some() { "application/octet-stream" } else { "" };
        let signed = sign::Signed {
            method: ask.method,
            content_md5: &ask.content_md5,
            content_type,
            date: &date,
            headers: &ask.headers,
            resource: &sign::oss_resource(&place.bucket, &place.key, &ask.query),
            ..sign::Signed::default()
        };
        let authorization = sign::oss(&self.account.id, &self.account.secret, &signed);
        let mut request = http::Request::builder().method(ask.method).uri(&url).header("Host", host).header("Date", &date);
        request = request.header("Authorization", authorization).header("User-Agent", concat!("batchyard-bcs/", env!("CARGO_PKG_VERSION")));
        for (name, value) in [("Content-Type", content_type), ("Content-MD5", &ask.content_md5)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let unreachable = |reason: String| Failure::Unreachable { url: url.clone(), reason };
        let answer = match ask.body {
            Some((reader, size)) => {
                let request = request.header("Content-Length", size).body(SendBody::from_reader(reader));
                self.agent.run(request.map_err(|e| unreachable(e.to_string()))?)
            }
            None if matches!(ask.method, "PUT" | "POST") => self.agent.run(request.body(&[][..]).map_err(|e| unreachable(e.to_string()))?),
            None => self.agent.run(request.body(()).map_err(|e| unreachable(e.to_string()))?),
        };
        let mut answer = answer.map_err(|e| unreachable(e.to_string()))?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().unwrap_or_default();
        let error = Element::read(&text).unwrap_or_default();
        let code = Some(error.child("Code")).filter(|c| !c.is_empty()).unwrap_or("unknown").to_owned();
        Err(Failure::Store { action: ask.action, url: place.to_string(), status, code, message: error.child("Message").to_owned() })
    }

    /// The address of a request and its host: the bucket is part of the host, unless the host is a number or this machine.
    fn address(&self, place: &Location, query: &[(&'static str, String)]) -> (String, String) {
        let region = place.region.as_deref().unwrap_or(&self.account.region);
        let endpoint = self.account.endpoint.replace("{region}", region);
        let (scheme, authority) = endpoint.split_once("://").unwrap_or(("http", &endpoint));
        let key = encoded(&place.key, "/");
        let (host, path) = if is_path_style(authority) {
            (authority.to_owned(), format!("/{}/{key}", place.bucket))
        } else {
            (format!("{}.{authority}", place.bucket), format!("/{key}"))
        };
        let mut url = format!("{scheme}://{host}{path}");
        for (n, (name, value)) in query.iter().enumerate() {
            url.push(if n == 0 { '?' } else { '&' });
            url.push_str(name);
            if !value.is_empty() {
                url.push('=');
                url.push_str(&encoded(value, ""));
            }
        }
        (url, host)
    }

    pub(super) fn broken(&self, place: &Location, error: &std::io::Error) -> Failure {
        Failure::Unreachable { url: place.to_string(), reason: error.to_string() }
    }
}

fn is_path_style(authority: &str) -> bool {
    let host = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(authority, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok() || !bare.contains('.')
}

/// Reads percent-encoding, with `+` as a blank.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(endpoint: &str) -> Store {
        Store::new(StoreAccount {
            endpoint: endpoint.to_owned(),
            region: "cn-test".to_owned(),
            id: "id".to_owned(),
            secret: "secret".to_owned(),
            insecure: false,
        })
    }

    fn place(region: Option<&str>) -> Location {
        Location { region: region.map(str::to_owned), bucket: "b".to_owned(), key: "a b/c".to_owned() }
    }

    #[test]
    fn the_bucket_is_in_the_host_or_in_the_path() {
        let address = |endpoint: &str, region| store(endpoint).address(&place(region), &[]).0;
        assert_eq!(address("https://oss-{region}.example.com", None), "https://b.oss-cn-test.example.com/a%20b/c");
        assert_eq!(address("https://oss-{region}.example.com", Some("eu")), "https://b.oss-eu.example.com/a%20b/c");
        for endpoint in ["http://127.0.0.1:8002", "http://localhost:8002", "http://[::1]:8002", "http://yard"] {
            assert_eq!(address(endpoint, None), format!("{endpoint}/b/a%20b/c"));
        }
    }

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decoded("a%2Fb+c%E4%B8%AD%"), "a/b c中%");
        assert_eq!(decoded("100%zz"), "100%zz");
    }
}
