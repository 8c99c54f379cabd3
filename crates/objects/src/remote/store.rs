//! One store, ready to be asked.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use opendal::{
    Metadata, Operator,
    layers::{ConcurrentLimitLayer, RetryLayer, TimeoutLayer},
    options::ListOptions,
    services::{Fs, Oss, S3},
};
use tokio::runtime::Runtime;

use super::{
    Address, RemoteError, Stat,
    address::Scheme,
    client::Shared,
    settings::{Credentials, Place, StoreSettings, Style},
};

/// Requests to one store at a time, of all who use it.
const MAX_REQUESTS: usize = 64;
/// Tries after the first one that failed for a reason that may pass.
const RETRIES: usize = 4;
/// Pause before the first of them; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// Time for a request that carries no data.
const ANSWER: Duration = Duration::from_secs(30);
/// Time for a piece of data to come or to go.
const PIECE: Duration = Duration::from_secs(120);
/// Buckets that are spoken to through one store for all of them.
const MAX_BUCKETS: usize = 1000;
/// Folder for files that are not complete yet, in the folder of a store.
const UNFINISHED: &str = ".batchyard-unfinished";

/// One store.
#[derive(Debug)]
pub(super) struct Store {
    pub settings: StoreSettings,
    client: Shared,
    /// By bucket.
    operators: Mutex<HashMap<String, Operator>>,
}

impl Store {
    pub fn new(settings: StoreSettings, client: Shared) -> Store {
        Store { settings, client, operators: Mutex::default() }
    }

    /// A store over something that is there already.
    #[cfg(test)]
    pub fn over(settings: StoreSettings, client: Shared, operator: Operator) -> Store {
        let operators = Mutex::new(HashMap::from([(settings.base.bucket.clone(), operator)]));
        Store { settings, client, operators }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match &self.settings.place {
            Ok(Place::Folder(folder)) => folder.display().to_string(),
            Ok(Place::Service { endpoint, .. }) => endpoint.clone(),
            Err(_) => "nowhere".into(),
        }
    }

    /// Whether its files are told apart by size and time alone, and are changed in place by whoever likes.
    pub fn is_folder(&self) -> bool {
        matches!(self.settings.place, Ok(Place::Folder(_)))
    }

    pub fn runtime(&self) -> Result<&Runtime, RemoteError> {
        self.client.runtime()
    }

    /// Who carries out operations on the bucket of an address.
    pub fn operator(&self, address: &Address) -> Result<Operator, RemoteError> {
        let mut operators = self.operators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(operator) = operators.get(&address.bucket) {
            return Ok(operator.clone());
        }
        let wrong = |reason: String| RemoteError::Settings { url: self.settings.url(), reason };
        if operators.len() >= MAX_BUCKETS {
            return Err(wrong(format!("has been asked for more than {MAX_BUCKETS} buckets: configure those that are needed one by one")));
        }
        let place = self.settings.place.as_ref().map_err(|why| wrong(why.clone()))?;
        let operator = self.open(place, &address.bucket).map_err(|error| match error {
            RemoteError::Client(why) => wrong(format!("cannot be used: {why}")),
            error => wrong(format!("cannot be used: {error}")),
        })?;
        operators.insert(address.bucket.clone(), operator.clone());
        Ok(operator)
    }

    /// The name of an object for the library: a folder holds what is below the URL of its store.
    pub fn path<'a>(&self, address: &'a Address) -> Result<&'a str, RemoteError> {
        if !self.is_folder() {
            return Ok(&address.key);
        }
        let rest = address.key.strip_prefix(&self.settings.base.key).unwrap_or(&address.key);
        let is_file = rest.is_empty() || crate::folder::place(rest).is_some();
        if !is_file || rest.split('/').next() == Some(UNFINISHED) {
            return Err(RemoteError::NoFileName { url: address.to_string(), key: address.key.clone() });
        }
        Ok(rest)
    }

    /// The key of what the library calls by a path; `None` for what is no object.
    pub fn key(&self, path: &str) -> Option<String> {
        if !self.is_folder() {
            return Some(path.to_owned());
        }
        let is_ours = path.split('/').next() != Some(UNFINISHED);
        is_ours.then(|| format!("{}{path}", self.settings.base.key))
    }

    /// What is at an address.
    pub async fn stat(&self, address: &Address) -> Result<(Stat, Metadata), RemoteError> {
        let (operator, path) = (self.operator(address)?, self.path(address)?);
        match operator.stat(path).await {
            Ok(found) if found.is_file() => Ok((Stat::of(&found), found)),
            Ok(_) => Err(RemoteError::NoSuchObject { url: address.to_string(), place: self.place() }),
            Err(error) => Err(self.explained(self.failed("look at", address, &error), address).await),
        }
    }

    pub fn failed(&self, what: &'static str, address: &Address, error: &opendal::Error) -> RemoteError {
        RemoteError::from_library(what, &address.to_string(), &self.place(), error)
    }

    /// The answer to a look at one object has no words. A list has, so that a missing bucket or a wrong key can be told from a
    /// missing object.
    async fn explained(&self, error: RemoteError, address: &Address) -> RemoteError {
        if self.is_folder() || !matches!(error, RemoteError::NoSuchObject { .. } | RemoteError::Refused { .. }) {
            return error;
        }
        let options = ListOptions { limit: Some(1), recursive: true, ..ListOptions::default() };
        let Ok(operator) = self.operator(address) else { return error };
        let listed = async { operator.lister_options(&address.key, options).await?.first().await };
        match listed.await.map_err(|library| self.failed("look at", address, &library)) {
            Err(told @ RemoteError::NoSuchBucket { .. }) => told,
            // Who is told that an object is missing has signed well, whether he may list or not.
            Err(told @ RemoteError::Refused { .. }) if !error.is_missing() => told,
            _ => error,
        }
    }

    fn open(&self, place: &Place, bucket: &str) -> Result<Operator, RemoteError> {
        let operator = match place {
            Place::Folder(folder) => self.over_folder(folder)?,
            Place::Service { endpoint, region, style, credentials } => {
                let key = credentials.as_ref();
                let operator = match self.settings.base.scheme {
                    Scheme::Oss => Operator::new(oss(bucket, endpoint, *style, key)),
                    Scheme::S3 => Operator::new(s3(bucket, (endpoint, region), *style, key)),
                };
                let operator = operator.map_err(unusable)?;
                let context = operator.base_context().with_http_transport(self.client.transport()?);
                operator.with_context(context)
            }
        };
        Ok(steadied(operator))
    }

    fn over_folder(&self, folder: &Path) -> Result<Operator, RemoteError> {
        // The library would make it, wherever a misspelt name leads.
        if !folder.is_dir() {
            return Err(RemoteError::Client(format!("there is no folder `{}`: make it, or mend `folder`", folder.display())));
        }
        let mut builder = Fs::default().root(&folder.to_string_lossy());
        if !self.settings.read_only {
            let unfinished = folder.join(UNFINISHED);
            fs::create_dir_all(&unfinished).map_err(RemoteError::file("make", &unfinished))?;
            builder = builder.atomic_write_dir(&unfinished.to_string_lossy());
        }
        Operator::new(builder).map_err(unusable)
    }
}

fn unusable(error: opendal::Error) -> RemoteError {
    RemoteError::Client(error.message().to_owned())
}

fn oss(bucket: &str, endpoint: &str, style: Style, key: Option<&Credentials>) -> Oss {
    let style = if style == Style::Path { "path" } else { "virtual" };
    let builder = Oss::default().bucket(bucket).endpoint(endpoint).addressing_style(style);
    // Without a key the library would look for one all over the machine.
    let Some(key) = key else { return builder.skip_signature() };
    let builder = builder.access_key_id(&key.id).access_key_secret(key.secret.reveal());
    match &key.token {
        Some(token) => builder.security_token(token.reveal()),
        None => builder,
    }
}

fn s3(bucket: &str, (endpoint, region): (&str, &str), style: Style, key: Option<&Credentials>) -> S3 {
    let builder = S3::default().bucket(bucket).endpoint(endpoint).region(region).disable_config_load().disable_ec2_metadata();
    let builder = if style == Style::Virtual { builder.enable_virtual_host_style() } else { builder };
    let Some(key) = key else { return builder.skip_signature() };
    let builder = builder.access_key_id(&key.id).secret_access_key(key.secret.reveal());
    match &key.token {
        Some(token) => builder.session_token(token.reveal()),
        None => builder,
    }
}

/// With tries, time limits and a limit of requests.
pub(super) fn steadied(operator: Operator) -> Operator {
    let retry = RetryLayer::new().with_max_times(RETRIES).with_min_delay(FIRST_PAUSE).with_max_delay(LAST_PAUSE).with_jitter();
    // Each try has its time; the limits of operations hold no longer than one of them.
    operator
        .layer(ConcurrentLimitLayer::new(MAX_REQUESTS).with_http_concurrent_limit(MAX_REQUESTS))
        .layer(TimeoutLayer::new().with_timeout(ANSWER).with_io_timeout(PIECE))
        .layer(retry)
}

/// The first entry of a listing.
trait First {
    async fn first(self) -> opendal::Result<Option<opendal::Entry>>;
}

impl First for opendal::Lister {
    async fn first(mut self) -> opendal::Result<Option<opendal::Entry>> {
        futures_util::TryStreamExt::try_next(&mut self).await
    }
}
