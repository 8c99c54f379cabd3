//! One encrypted port for everything: requests are told apart by their signatures, hosts and paths.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, Uri, header, request::Parts},
};
use batchyard_cromwell::http::{Tls, TlsNews};
use batchyard_objects::sign::sha256_hex;
use batchyard_workflow::owner::host_name;
use jiff::ToSpan;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use tokio::{net::TcpListener, runtime::Runtime};
use tower_service::Service as _;

use super::{ServerArgs, say};
use crate::config::Config;

/// Folder for a certificate of our own, below the home of the server, and the names in it.
const FOLDER: &str = "tls";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// How long such a certificate holds: clients that were told of it should not have to be told again.
const LIFE_YEARS: i64 = 10;
/// First parts of the paths of each interface.
const RESOURCES: [&str; 6] = ["jobs", "clusters", "images", "apps", "quotas", "available"];
const WORKFLOWS: [&str; 7] = ["api", "engine", "ga4gh", "swagger", "openapi.json", "healthz", ""];

/// Listens on the port for encrypted connections, where one is wanted.
pub fn listen(args: &ServerArgs, config: &Config, ip: IpAddr, runtime: &Runtime) -> Result<Option<(TcpListener, Tls)>> {
    let Some(port) = args.tls_port.or(config.server.tls_port) else {
        if args.tls_cert.is_some() {
            bail!("`--tls-cert` is for encrypted connections: give their port, `--tls-port 8443`");
        }
        return Ok(None);
    };
    let given = match (&args.tls_cert, &args.tls_key) {
        (None, None) => (config.server.tls_cert.as_deref(), config.server.tls_key.as_deref()),
        (certificate, key) => (certificate.as_deref(), key.as_deref()),
    };
    let tls = certificate(given, &config.home, ip)?;
    let address = SocketAddr::new(ip, port);
    let listener = runtime.block_on(TcpListener::bind(address));
    let listener = listener.with_context(|| format!("cannot listen on {address}: is another server there? give another `--tls-port`"))?;
    Ok(Some((listener, tls)))
}

/// The certificate to show: the one given, or one of our own, which is made once and told with its fingerprint.
pub fn certificate(given: (Option<&Path>, Option<&Path>), home: &Path, listen: IpAddr) -> Result<Tls> {
    let (certificate, key) = match given {
        (Some(certificate), Some(key)) => (certificate.to_owned(), key.to_owned()),
        (None, None) => own(&home.join(FOLDER), listen)?,
        _ => bail!("`--tls-cert` and `--tls-key` belong together: give both, or none for a certificate of the server's own"),
    };
    let both = format!("the certificate `{}` with the key `{}`", certificate.display(), key.display());
    let hint = format!("cannot use {both}");
    let tell = move |news: &TlsNews| match news {
        TlsNews::Taken(leaf) => say(&format!("{both} is used from now on; SHA-256 {}", fingerprint(leaf))),
        TlsNews::Kept(error) => say(&format!("cannot use {both}, the former one is used on: {error}")),
    };
    let tls = Tls::of_files(&certificate, &key, Arc::new(tell)).context(hint)?;
    if given.0.is_none() {
        say(&format!("the certificate `{}` is the server's own: let clients trust it, or compare its SHA-256", certificate.display()));
        say(&format!("  {}", fingerprint(&tls.certificate())));
    }
    Ok(tls)
}

/// As `openssl x509 -fingerprint -sha256` prints it.
fn fingerprint(certificate: &[u8]) -> String {
    let digits = sha256_hex(certificate).to_uppercase();
    let pairs: Vec<&str> = (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
    pairs.join(":")
}

/// Our own certificate and key; made if need be.
fn own(folder: &Path, listen: IpAddr) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let (made, pair) = self_signed(listen).context("cannot make a certificate")?;
    // The key first: only when the certificate is there, too, both are taken.
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        whole(&key, &pair, 0o600)?;
        whole(&certificate, &made, 0o644)
    };
    write().with_context(|| format!("cannot write a certificate to `{}`", folder.display()))?;
    Ok((certificate, key))
}

/// Writes a file beside its place and renames it.
fn whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn self_signed(listen: IpAddr) -> Result<(String, String)> {
    let host = host_name();
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let more = [host.clone(), listen.to_string()];
    names.extend(
        more.into_iter().filter(|name| !name.is_empty() && !["0.0.0.0", "::", "127.0.0.1", "::1", "localhost"].contains(&name.as_str())),
    );
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, format!("batchyard on {host}"));
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
    params.not_before = day(today.yesterday()?);
    params.not_after = day(today.checked_add(LIFE_YEARS.years())?);
    let pair = KeyPair::generate()?;
    Ok((params.self_signed(&pair)?.pem(), pair.serialize_pem()))
}

/// The interfaces behind the port.
#[derive(Clone)]
pub struct Interfaces {
    pub workflows: Router,
    /// The BatchCompute interface and the object store.
    pub batch: Option<(Router, Router)>,
}

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Jobs,
    Objects,
    Workflows,
}

impl Interfaces {
    /// All of them as one.
    pub fn together(self) -> Router {
        Router::new().fallback(move |request: Request| self.clone().answer(request))
    }

    async fn answer(self, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let wanted = wanted(&parts);
        let request = Request::from_parts(parts, body);
        let mut router = match (wanted, self.batch) {
            (Wanted::Jobs, Some((jobs, _))) => jobs,
            (Wanted::Objects, Some((_, objects))) => objects,
            _ => self.workflows,
        };
        match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Signatures tell for sure; who has none is told apart by host name, then by path. What is left are objects.
fn wanted(parts: &Parts) -> Wanted {
    let text = |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = text(header::AUTHORIZATION);
    if signed.starts_with("acs ") || parts.headers.keys().any(|name| name.as_str().starts_with("x-acs-")) {
        return Wanted::Jobs;
    }
    let query = parts.uri.query().unwrap_or_default();
    if signed.starts_with("OSS")
        || signed.starts_with("AWS4")
        || ["OSSAccessKeyId=", "x-oss-", "X-Amz-"].iter().any(|key| query.contains(key))
    {
        return Wanted::Objects;
    }
    let host = parts.uri.authority().map_or_else(|| text(header::HOST), |authority| authority.as_str());
    match host {
        host if host.starts_with("batchcompute") => return Wanted::Jobs,
        host if host.starts_with("oss-") || host.contains(".oss-") => return Wanted::Objects,
        _ => {}
    }
    match first_part(&parts.uri) {
        first if RESOURCES.contains(&first) => Wanted::Jobs,
        first if WORKFLOWS.contains(&first) => Wanted::Workflows,
        _ => Wanted::Objects,
    }
}

fn first_part(uri: &Uri) -> &str {
    uri.path().trim_start_matches('/').split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, headers: &[(&str, &str)]) -> Wanted {
        let mut request = axum::http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        wanted(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(of("/jobs?Marker", &[("authorization", "acs id:x")]), Wanted::Jobs);
        assert_eq!(of("/bucket/jobs", &[("x-acs-version", "2015-11-11")]), Wanted::Jobs);
        assert_eq!(of("/jobs/key", &[("authorization", "OSS id:x")]), Wanted::Objects);
        assert_eq!(of("/api/key", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")]), Wanted::Objects);
        assert_eq!(of("/jobs/key?OSSAccessKeyId=i&Signature=x", &[]), Wanted::Objects);
        assert_eq!(of("/", &[("host", "batchcompute.cn-test.aliyuncs.com")]), Wanted::Jobs);
        assert_eq!(of("/", &[("host", "b.oss-cn-test.aliyuncs.com")]), Wanted::Objects);
        assert_eq!(of("/jobs", &[("host", "localhost:8443")]), Wanted::Jobs);
        assert_eq!(of("/api/workflows/v1/query", &[]), Wanted::Workflows);
        assert_eq!(of("/", &[]), Wanted::Workflows);
        assert_eq!(of("/bucket/public.txt", &[]), Wanted::Objects);
    }

    #[test]
    fn a_certificate_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let listen = IpAddr::from([127, 0, 0, 1]);
        let tls = certificate((None, None), folder.path(), listen).unwrap();
        let again = certificate((None, None), folder.path(), listen).unwrap();
        assert_eq!(tls.certificate(), again.certificate());
        use std::os::unix::fs::PermissionsExt;
        let (certificate_file, key) = (folder.path().join("tls/certificate.pem"), folder.path().join("tls/key.pem"));
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(certificate((Some(&key), Some(&key)), folder.path(), listen).is_err(), "a key is no certificate");
        assert!(certificate((Some(&certificate_file), None), folder.path(), listen).is_err());
        let (other, _) = self_signed(listen).unwrap();
        fs::write(&certificate_file, other).unwrap();
        assert!(certificate((None, None), folder.path(), listen).is_err(), "they do not belong together");
    }
}
