//! What is known of a store of somebody else.

use std::{fmt, path::PathBuf};

use super::{Address, RemoteError, address::Scheme};

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text, for who signs requests.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the access key.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// Token that belongs to a key that holds for a while.
    pub token: Option<Secret>,
}

/// Where the bucket stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// In the path: `http://host/bucket/key`.
    Path,
    /// In the host name: `http://bucket.host/key`.
    Virtual,
}

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Files of a folder of this machine.
    Folder(PathBuf),
    /// A service, which the scheme of the URL says how to speak to.
    Service {
        /// `https://host:port`.
        endpoint: String,
        /// Name of the region.
        region: String,
        /// Where the bucket stands.
        style: Style,
        /// Who asks; nobody for what everybody may read.
        credentials: Option<Credentials>,
    },
}

/// One store: what a URL begins with, and where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// What is there: with a key, only objects below it; without a bucket, all of them, each by its name.
    pub base: Address,
    /// Where it is, or why nobody can know, which is told to whoever wants something of it.
    pub place: Result<Place, String>,
    /// Whether nothing may be changed there.
    pub read_only: bool,
    /// Accounts whose jobs may use it; all of them without a list.
    pub accounts: Option<Vec<String>>,
}

/// What is said of a service; what is left out has a default.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Its address, with or without `https://`.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Where the bucket stands.
    pub style: Option<Style>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// Region of services that have none.
const REGION: &str = "us-east-1";

impl Service {
    /// With everything that is left out.
    ///
    /// # Errors
    /// Neither region nor endpoint is known.
    pub fn complete(self, base: &Address) -> Result<Place, RemoteError> {
        let wrong = |reason: &'static str| RemoteError::Settings { url: base.to_string(), reason: reason.into() };
        let endpoint = match (&self.endpoint, &self.region, base.scheme) {
            (Some(endpoint), _, _) if endpoint.contains("://") => endpoint.clone(),
            (Some(endpoint), _, _) => format!("https://{endpoint}"),
            (None, Some(region), Scheme::Oss) => format!("https://oss-{region}.aliyuncs.com"),
            (None, Some(region), Scheme::S3) => format!("https://s3.{region}.amazonaws.com"),
            (None, None, _) => return Err(wrong("needs `endpoint` or `region`, or a `folder` of this machine")),
        };
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let host = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
        let host = host.ok_or_else(|| wrong("has an `endpoint` that begins neither with `http://` nor with `https://`"))?;
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err(wrong("has an `endpoint` that is not just a host and a port"));
        }
        let style = self.style.unwrap_or(if base.scheme == Scheme::Oss && has_names(host) { Style::Virtual } else { Style::Path });
        Ok(Place::Service { region: self.region.unwrap_or_else(|| REGION.into()), endpoint, style, credentials: self.credentials })
    }
}

/// Whether a host can have others before its name.
fn has_names(host: &str) -> bool {
    let name = if host.starts_with('[') { return false } else { host.split(':').next().unwrap_or(host) };
    name != "localhost" && name.parse::<std::net::Ipv4Addr>().is_err()
}

impl StoreSettings {
    /// What a store holds, from its URL: `oss://` (every bucket), `s3://bucket` or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// It is no such URL.
    pub fn base(url: &str) -> Result<Address, RemoteError> {
        match Address::scheme_of(url) {
            Some((scheme, "")) => Ok(Address { scheme, bucket: String::new(), key: String::new() }),
            _ => Address::folder(url),
        }
    }

    /// Whether an address belongs to this store.
    pub fn holds(&self, address: &Address) -> bool {
        let is_its_bucket = self.base.bucket.is_empty() || self.base.bucket == address.bucket;
        self.base.scheme == address.scheme && is_its_bucket && address.key.starts_with(&self.base.key)
    }

    /// The URL that it stands for.
    pub fn url(&self) -> String {
        let Address { scheme, bucket, key } = &self.base;
        if key.is_empty() { format!("{}://{bucket}", scheme.name()) } else { self.base.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(base: &str, service: Service) -> Result<(String, Style), String> {
        match service.complete(&Address::folder(base).unwrap()) {
            Ok(Place::Service { endpoint, style, .. }) => Ok((endpoint, style)),
            Ok(Place::Folder(_)) => Err("a folder".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn what_is_left_out_is_known() {
        let region = |name: &str| Service { region: Some(name.into()), ..Service::default() };
        let at = |endpoint: &str| Service { endpoint: Some(endpoint.into()), ..Service::default() };
        assert_eq!(complete("oss://b", region("cn-test")), Ok(("https://oss-cn-test.aliyuncs.com".into(), Style::Virtual)));
        assert_eq!(complete("s3://b", region("eu-1")), Ok(("https://s3.eu-1.amazonaws.com".into(), Style::Path)));
        assert_eq!(complete("oss://b", at("http://127.0.0.1:1/")), Ok(("http://127.0.0.1:1".into(), Style::Path)));
        assert_eq!(complete("oss://b", at("oss.example.org")), Ok(("https://oss.example.org".into(), Style::Virtual)));
        for wrong in ["ftp://host", "http://", "http://host/path", "http://me@host"] {
            assert!(complete("oss://b", at(wrong)).is_err(), "{wrong}");
        }
        assert!(complete("oss://b", Service::default()).unwrap_err().contains("`folder`"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Credentials { id: "id".into(), secret: Secret::new("sesame"), token: Some(Secret::new("token")) };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("id") && !shown.contains("sesame") && !shown.contains("\"token\""), "{shown}");
    }
}
