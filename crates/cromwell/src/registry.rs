//! Asks registries what tags of images mean, by the HTTP interface that all of them have (OCI distribution, Docker registry v2).
//!
//! The head of a manifest has its digest; it costs no pull where these are counted. The size of an image takes one, so it is asked
//! for where it is wanted, and once for each digest. A registry that wants a token says where to get one ([`challenge`]); accounts
//! are those that `docker login` has left ([`accounts`]). Only the registry itself may say it, not whom it redirects to, and an
//! account leaves this machine encrypted only.

mod accounts;
mod challenge;
mod manifest;

use std::{
    fmt,
    io::Read,
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use batchyard_workflow::{
    digests::{
        Meaning, Registries,
        name::{DOCKER_HUB, ImageName, is_digest},
    },
    glob::hex,
};
use indexmap::IndexMap;
use serde::Deserialize;
use ureq::{
    Body, ResponseExt as _,
    http::{Response, Uri},
};

use accounts::Account;
use challenge::Challenge;

/// Where the registry of Docker Hub listens.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// Kinds of manifests that a tag may name. Those for several processors come first: that is what an engine gets by digest.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
const DIGEST_HEADER: &str = "docker-content-digest";
/// Time that one request may take.
const ANSWER: Duration = Duration::from_secs(15);
/// Time that a request for a size may take: calls wait for it.
const SIZE_ANSWER: Duration = Duration::from_secs(3);
/// Time that all requests for one image may take, pauses among them; the last one may end later.
const IN_ALL: Duration = Duration::from_secs(60);
/// Pause before the first further try; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// Redirections of one request.
const REDIRECTS: u32 = 3;
/// Largest manifest: the limit of the specification.
const MANIFEST_BYTES: u64 = 4 << 20;
/// Sizes of images that are remembered.
const SIZES_KEPT: usize = 1000;
/// Largest answer with a token.
const TOKEN_BYTES: u64 = 256 << 10;
/// Who gives tokens, in what people are told.
const TOKEN_SERVER: &str = "the server that gives tokens for its registry";
/// Further tries unless another number is given.
pub const RETRIES: u32 = 3;

/// Asks registries.
pub struct RegistryClient {
    /// Further tries after trouble that may pass.
    retries: u32,
    /// The file with accounts.
    accounts: Option<PathBuf>,
    /// Whether sizes are asked for.
    wants_sizes: bool,
    /// What was found out about the bytes of images, by their digests, which never change; the oldest first.
    sizes: Mutex<IndexMap<String, Option<u64>>>,
}

/// Accounts are read when they are needed.
impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient").field("retries", &self.retries).field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

/// What went wrong, and whether another try may help.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Passing(String),
    Final(String),
}

/// An answer with a token; registries use one name or the other.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl RegistryClient {
    /// Tries so often again, with the accounts of `docker login`; asks for sizes if they are wanted, which takes a pull of each image.
    pub fn new(retries: u32, wants_sizes: bool) -> Self {
        RegistryClient { retries, accounts: accounts::file(), wants_sizes, sizes: Mutex::default() }
    }

    fn try_once(&self, image: &ImageName) -> Result<Meaning, Trouble> {
        let mut asker = Asker::of(image);
        let mut answer = asker.ask("HEAD", &image.tag)?;
        let mut no_account = None;
        if answer.status().as_u16() == 401 {
            check_asked(&asker.url(&image.tag), answer.get_uri())?;
            let account = accounts::of(self.accounts.as_deref(), &image.registry).unwrap_or_else(|why| {
                no_account = Some(why);
                None
            });
            let signed_in = sign_in(asker.is_here, image, &answer, account.as_ref()).and_then(|header| {
                asker.authorization = Some(header);
                asker.ask("HEAD", &image.tag)
            });
            answer = signed_in.map_err(|trouble| trouble.because(no_account.as_deref()))?;
        }
        let by_head = answer.status().is_success().then(|| digest_in(&answer)).flatten();
        if let Some(digest) = by_head {
            let bytes = self.size(&asker, &digest, || asker.manifest(&digest));
            return Ok(Meaning { digest: digest.into(), bytes });
        }
        // Some answer only to GET.
        if answer.status().is_success() || matches!(answer.status().as_u16(), 405 | 501) {
            answer = asker.ask("GET", &image.tag)?;
        }
        judged(&answer).map_err(|trouble| trouble.because(no_account.as_deref()))?;
        let (digest, content) = by_content(&mut answer)?;
        let bytes = self.size(&asker, &digest, || Ok(content));
        Ok(Meaning { digest: digest.into(), bytes })
    }

    /// The size of an image, if its registry tells it. An image is known without it: no trouble here keeps anybody from a task.
    fn size(&self, asker: &Asker, digest: &str, manifest: impl FnOnce() -> Result<Vec<u8>, Trouble>) -> Option<u64> {
        if !self.wants_sizes {
            return None;
        }
        if let Some(known) = self.sizes().get(digest) {
            return *known;
        }
        let found = manifest().and_then(|content| match manifest::one_of(&content) {
            Some(one) => asker.manifest(&one),
            None => Ok(content),
        });
        let bytes = found.ok().and_then(|content| manifest::bytes_of(&content));
        let mut sizes = self.sizes();
        while sizes.len() >= SIZES_KEPT {
            sizes.shift_remove_index(0);
        }
        sizes.insert(digest.to_owned(), bytes);
        bytes
    }

    fn sizes(&self) -> MutexGuard<'_, IndexMap<String, Option<u64>>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks a registry about an image.
struct Asker {
    agent: ureq::Agent,
    /// Whether the registry is on this machine.
    is_here: bool,
    /// Where its manifests are.
    manifests: String,
    /// What it wants to see with each request.
    authorization: Option<String>,
}

impl Asker {
    fn of(image: &ImageName) -> Self {
        let host = if image.registry == DOCKER_HUB { DOCKER_HUB_HOST } else { &image.registry };
        let is_here = is_loopback(host);
        let scheme = if is_here { "http" } else { "https" };
        let manifests = format!("{scheme}://{host}/v2/{}/manifests", image.repository);
        Asker { agent: agent(is_here), is_here, manifests, authorization: None }
    }

    /// Where the manifest of a tag or a digest is.
    fn url(&self, reference: &str) -> String {
        format!("{}/{reference}", self.manifests)
    }

    fn ask(&self, method: &str, reference: &str) -> Result<Response<Body>, Trouble> {
        self.ask_within(ANSWER, method, reference)
    }

    fn ask_within(&self, time: Duration, method: &str, reference: &str) -> Result<Response<Body>, Trouble> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(reference)).header("accept", MANIFESTS);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(()).map_err(|error| Trouble::Final(format!("its registry cannot be asked: {error}")))?;
        let request = self.agent.configure_request(request).timeout_global(Some(time)).build();
        self.agent.run(request).map_err(|error| of_network("its registry", &error))
    }

    /// The manifest of a digest.
    fn manifest(&self, digest: &str) -> Result<Vec<u8>, Trouble> {
        let mut answer = self.ask_within(SIZE_ANSWER, "GET", digest)?;
        judged(&answer)?;
        match by_content(&mut answer)? {
            (found, content) if found == digest => Ok(content),
            (found, _) => Err(Trouble::Passing(format!("its registry was asked for {digest}, and sent {found}"))),
        }
    }
}

impl Trouble {
    /// The same, with why there was no account; that may be the cause of a refusal alone.
    fn because(self, no_account: Option<&str>) -> Self {
        match (self, no_account) {
            (Trouble::Final(told), Some(why)) => Trouble::Final(format!("{told}; {why}")),
            (trouble, _) => trouble,
        }
    }
}

impl Registries for RegistryClient {
    fn meaning(&self, image: &ImageName) -> Result<Meaning, String> {
        let deadline = Instant::now() + IN_ALL;
        let (mut left, mut pause) = (self.retries, PAUSE);
        loop {
            match self.try_once(image) {
                Ok(meaning) => return Ok(meaning),
                Err(Trouble::Passing(_)) if left > 0 && Instant::now() + pause < deadline => {
                    left -= 1;
                    thread::sleep(pause);
                    pause *= 2;
                }
                Err(Trouble::Passing(why) | Trouble::Final(why)) => return Err(why),
            }
        }
    }
}

/// What a registry that refused wants to see with each request.
fn sign_in(is_here: bool, image: &ImageName, refused: &Response<Body>, account: Option<&Account>) -> Result<String, Trouble> {
    let offers = refused.headers().get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok());
    match challenge::parse(offers) {
        Some(Challenge::Bearer { realm, service, scope }) => {
            let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", image.repository));
            token(is_here, &realm, service.as_deref(), &scope, account)
        }
        Some(Challenge::Basic) => match account {
            Some(account) => Ok(basic(account)),
            None => Err(Trouble::Final("the registry wants an account, and `docker login` has left none for it".into())),
        },
        None => Err(Trouble::Final("the registry refuses to answer (401), and does not say how to sign in".into())),
    }
}

/// Whether an answer is of the host that was asked: an account there is nobody else's business.
fn check_asked(url: &str, answered: &Uri) -> Result<(), Trouble> {
    let place = |uri: &Uri| {
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        Some((uri.host()?.to_ascii_lowercase(), port))
    };
    let asked = url.parse().ok();
    if asked.as_ref().and_then(place).is_some_and(|asked| Some(asked) == place(answered)) {
        return Ok(());
    }
    let host = answered.authority().map_or("another server", |authority| authority.as_str());
    Err(Trouble::Final(format!(
        "its registry redirects to `{host}`, which wants its callers to sign in: name the image as it is called there"
    )))
}

/// Who is asked for tokens: a server that is spoken to encrypted, or one on this machine for a registry on this machine.
fn token_agent(is_here: bool, realm: &str) -> Result<ureq::Agent, Trouble> {
    let uri: Option<Uri> = realm.parse().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, is_loopback(uri.host()?))));
    match parts {
        Some(("http", true)) if is_here => Ok(agent(true)),
        Some(("https", loopback)) if is_here || !loopback => Ok(agent(false)),
        _ => Err(Trouble::Final(format!("its registry wants a token from `{realm:.200}`, which is no address to send an account to"))),
    }
}

/// One that speaks to other machines encrypted only, whatever they redirect to. One for this machine is not redirected at all.
fn agent(is_here: bool) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .https_only(!is_here)
        .max_redirects(if is_here { 0 } else { REDIRECTS })
        .max_redirects_will_error(true)
        .tls_config(batchyard_trust::tls())
        .timeout_global(Some(ANSWER));
    let config = if is_here { config.proxy(None) } else { config };
    ureq::Agent::new_with_config(config.build())
}

fn of_network(who: &str, error: &ureq::Error) -> Trouble {
    let told = format!("{who} cannot be asked: {error}");
    match error {
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::TooManyRedirects => Trouble::Final(told),
        _ => Trouble::Passing(told),
    }
}

/// Whether the registry has told of the image.
fn judged(answer: &Response<Body>) -> Result<(), Trouble> {
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        404 => Err(Trouble::Final("its registry has no such image (404)".into())),
        code @ (401 | 403) => Err(Trouble::Final(format!("its registry does not show it to this account, or has no such image ({code})"))),
        code @ (408 | 425 | 429 | 500..=599) => Err(Trouble::Passing(format!("its registry answers {code}"))),
        code => Err(Trouble::Final(format!("its registry answers {code}"))),
    }
}

fn digest_in(answer: &Response<Body>) -> Option<String> {
    let digest = answer.headers().get(DIGEST_HEADER)?.to_str().ok()?;
    is_digest(digest).then(|| digest.to_owned())
}

/// A manifest and the digest of its content, which must be the one that is told with it.
fn by_content(answer: &mut Response<Body>) -> Result<(String, Vec<u8>), Trouble> {
    let told = digest_in(answer);
    let content = read(answer, MANIFEST_BYTES, "its registry")?;
    let hash = ring::digest::digest(&ring::digest::SHA256, &content);
    let found = format!("sha256:{}", hex(hash.as_ref()));
    match told {
        Some(told) if told.starts_with("sha256:") && told != found => {
            Err(Trouble::Passing(format!("its registry calls it {told}, and sent {found}")))
        }
        told => Ok((told.unwrap_or(found), content)),
    }
}

fn token(is_here: bool, realm: &str, service: Option<&str>, scope: &str, account: Option<&Account>) -> Result<String, Trouble> {
    let agent = token_agent(is_here, realm)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    let url = format!("{realm}{}{}", if realm.contains('?') { '&' } else { '?' }, query.append_pair("scope", scope).finish());
    let mut request = agent.get(url);
    if let Some(account) = account {
        request = request.header("authorization", basic(account));
    }
    let mut answer = request.call().map_err(|error| of_network(TOKEN_SERVER, &error))?;
    match answer.status().as_u16() {
        200..=299 => {}
        code @ (408 | 425 | 429 | 500..=599) => return Err(Trouble::Passing(format!("{TOKEN_SERVER} answers {code}"))),
        code => return Err(Trouble::Final(format!("{TOKEN_SERVER} answers {code}"))),
    }
    let content = read(&mut answer, TOKEN_BYTES, TOKEN_SERVER)?;
    let wrong = || Trouble::Final(format!("{TOKEN_SERVER} gives none"));
    let found: Token = serde_json::from_slice(&content).map_err(|_| wrong())?;
    let token = found.token.or(found.access_token).filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    token.map(|token| format!("Bearer {token}")).ok_or_else(wrong)
}

fn read(answer: &mut Response<Body>, most: u64, who: &str) -> Result<Vec<u8>, Trouble> {
    let mut content = Vec::new();
    let read = answer.body_mut().as_reader().take(most + 1).read_to_end(&mut content);
    read.map_err(|error| Trouble::Passing(format!("the answer of {who} cannot be read: {error}")))?;
    if content.len() as u64 > most {
        return Err(Trouble::Final(format!("the answer of {who} is longer than {most} bytes")));
    }
    Ok(content)
}

fn basic(account: &Account) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", account.user, account.password)))
}

/// Whether a registry is on this machine: only such a one is asked without encryption, as Docker does.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
