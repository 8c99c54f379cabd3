//! `docker.hash-lookup`: whether and how digests of images are looked up.

use batchyard_workflow::digests::Bounds;

use super::reader::Reader;
use crate::registry::RETRIES;

/// The part of the configuration; every other key below it makes no difference here.
pub(super) const HASH_LOOKUP: &str = "docker.hash-lookup";

/// What a file says about digests of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLookup {
    /// Who is asked; nobody where it is switched off.
    pub method: Option<Method>,
    /// What is remembered of answers.
    pub bounds: Bounds,
    /// Further tries of a look-up.
    pub retries: u32,
}

/// Who is asked for digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The registries.
    Remote,
    /// The container engine.
    Local,
}

impl HashLookup {
    /// Whoever sets nothing about it has not asked for look-ups, although the original would make them: `None`.
    pub(super) fn read(reader: &Reader<'_>) -> Option<HashLookup> {
        let key = |name: &str| format!("{HASH_LOOKUP}.{name}");
        let enabled = reader.flag(&key("enabled")).unwrap_or(true);
        let method = reader.choice(&key("method"), &[("remote", Method::Remote), ("local", Method::Local)]).unwrap_or(Method::Remote);
        let bounds = Bounds::default();
        let found = HashLookup {
            method: enabled.then_some(method),
            bounds: Bounds {
                keep: reader.duration(&key("cache-entry-ttl")).unwrap_or(bounds.keep),
                most: reader.whole(&key("cache-size"), 1..=1_000_000).unwrap_or(bounds.most),
            },
            retries: reader.whole(&key("max-retries"), 0..=100).unwrap_or(RETRIES),
        };
        reader.origin(HASH_LOOKUP).is_some().then_some(found)
    }
}
