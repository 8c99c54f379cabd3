//! Stores of others: OSS, whatever speaks like S3, and folders, behind URLs `oss://bucket/key` and `s3://bucket/key`.
//!
//! [`Stores`] knows which URL belongs to which of them. It is for plain threads: whoever asks waits. Data go in pieces, several
//! of them at once, and each piece that fails for a reason that may pass is tried again. [`Cache`] keeps what was brought here.
//!
//! The library that speaks to services is named in this folder only. Start reading at `store.rs`, then `transfer.rs`.

mod address;
mod cache;
mod client;
mod error;
mod folder;
mod intake;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod transfer;

use std::{path::Path, sync::Arc};

use opendal::{Metadata, options::ListOptions};

pub use self::{
    address::{Address, Scheme},
    cache::{Beside, Bounds, Cache, Removed},
    error::RemoteError,
    folder::{Amount, MAX_FOLDER, MAX_FOLDER_BYTES, MAX_FOLDER_FILES},
    settings::{Credentials, Place, Secret, Service, StoreSettings, Style},
};
use self::{cache::Wanted, client::Client, store::Store};

/// All stores that are configured.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// Those with longer URLs come first.
    all: Arc<Vec<Store>>,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// The store's mark of its content, as it tells it.
    pub etag: Option<String>,
    /// When it was stored, in milliseconds since 1970.
    pub modified_ms: Option<i64>,
}

impl Stat {
    fn of(found: &Metadata) -> Stat {
        let modified_ms = found.last_modified().map(|at| at.into_inner().as_millisecond());
        Stat { size: found.content_length(), etag: found.etag().map(str::to_owned), modified_ms }
    }
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

impl Stores {
    /// Stores as configured. Nothing is asked of them yet.
    ///
    /// # Errors
    /// Two of them have the same URL.
    pub fn new(settings: Vec<StoreSettings>) -> Result<Stores, RemoteError> {
        let client = Arc::new(Client::default());
        Self::of(settings.into_iter().map(|settings| Store::new(settings, Arc::clone(&client))).collect())
    }

    fn of(mut all: Vec<Store>) -> Result<Stores, RemoteError> {
        all.sort_by_key(|store| std::cmp::Reverse((store.settings.base.key.len(), store.settings.base.bucket.len())));
        for (number, store) in all.iter().enumerate() {
            if all.iter().skip(number + 1).any(|other| other.settings.base == store.settings.base) {
                let reason = "is configured twice: leave out one of them".to_owned();
                return Err(RemoteError::Settings { url: store.settings.url(), reason });
            }
        }
        Ok(Stores { all: Arc::new(all) })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a URL belongs to one of them.
    pub fn knows(&self, url: &str) -> bool {
        Address::parse(url).is_ok_and(|address| self.store(&address).is_ok())
    }

    /// Whether something may be read, or written, at a URL by the jobs of an account.
    ///
    /// # Errors
    /// It may not, or no store is configured.
    pub fn allow(&self, url: &str, account: Option<&str>, write: bool) -> Result<(), RemoteError> {
        let store = self.store(&Address::parse(url)?)?;
        if let (Some(account), Some(accounts)) = (account, &store.settings.accounts)
            && !accounts.iter().any(|allowed| allowed == account)
        {
            return Err(RemoteError::NotForAccount { url: url.to_owned(), account: account.to_owned() });
        }
        if write && store.settings.read_only { Err(RemoteError::ReadOnly { url: url.to_owned() }) } else { Ok(()) }
    }

    /// What is known of an object.
    ///
    /// # Errors
    /// There is none, or it cannot be asked for.
    pub fn stat(&self, url: &str) -> Result<Stat, RemoteError> {
        let address = Address::object(url)?;
        let store = self.store(&address)?;
        store.runtime()?.block_on(store.stat(&address)).map(|(stat, _)| stat)
    }

    /// Brings an object to a file, which is there as a whole or not at all; its folder must exist.
    ///
    /// # Errors
    /// There is no such object, or it cannot be brought.
    pub fn get_file(&self, url: &str, target: &Path) -> Result<Stat, RemoteError> {
        let mut part = target.as_os_str().to_owned();
        part.push(format!(".part-{}", uuid::Uuid::new_v4().simple()));
        self.fetch(&Address::object(url)?, Path::new(&part), target, None)
    }

    fn fetch(&self, address: &Address, part: &Path, target: &Path, wanted: Option<&Wanted>) -> Result<Stat, RemoteError> {
        transfer::fetch(self.store(address)?, address, (part, target), wanted)
    }

    /// Stores a file as an object, which is there as a whole or not at all.
    ///
    /// # Errors
    /// The file cannot be read, or the store does not take it.
    pub fn put_file(&self, path: &Path, url: &str, content_type: Option<&str>) -> Result<Stat, RemoteError> {
        let address = Address::object(url)?;
        transfer::send(self.writable(&address)?, path, &address, content_type)
    }

    /// Removes an object; none is no error.
    ///
    /// # Errors
    /// The store does not do it.
    pub fn delete(&self, url: &str) -> Result<(), RemoteError> {
        let address = Address::object(url)?;
        let store = self.writable(&address)?;
        let (operator, path) = (store.operator(&address)?, store.path(&address)?);
        store.runtime()?.block_on(operator.delete(path)).map_err(|error| store.failed("delete", &address, &error))
    }

    /// Copies an object inside its store, without bringing it here.
    ///
    /// # Errors
    /// There is no such object, or the two are in different stores, or the store does not do it.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), RemoteError> {
        let (source, target) = (Address::object(from)?, Address::object(to)?);
        let store = self.writable(&target)?;
        if !std::ptr::eq(self.store(&source)?, store) || source.bucket != target.bucket {
            return Err(RemoteError::Address {
                url: to.to_owned(),
                reason: "is not in the bucket, or the store, that it would be copied from",
            });
        }
        let (operator, paths) = (store.operator(&target)?, (store.path(&source)?, store.path(&target)?));
        let copied = store.runtime()?.block_on(operator.copy(paths.0, paths.1));
        copied.map(drop).map_err(|error| store.failed("copy", &source, &error))
    }

    /// All objects whose keys begin like this one, page by page, while they are asked for.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub fn list(&self, url: &str) -> Result<Listing<'_>, RemoteError> {
        let address = Address::parse(url)?;
        let store = self.store(&address)?;
        let path = store.path(&address)?;
        let path = if path.is_empty() { "/" } else { path };
        let options = ListOptions { recursive: true, ..ListOptions::default() };
        let lister = store.runtime()?.block_on(store.operator(&address)?.lister_options(path, options));
        let lister = lister.map_err(|error| store.failed("list", &address, &error))?;
        Ok(Listing { store, address, lister })
    }

    /// Where the store of an address is.
    fn place_of(&self, address: &Address) -> Option<String> {
        self.store(address).ok().map(Store::place)
    }

    fn store(&self, address: &Address) -> Result<&Store, RemoteError> {
        let found = self.all.iter().find(|store| store.settings.holds(address));
        let base = || format!("{}://{}", address.scheme.name(), address.bucket);
        found.ok_or_else(|| RemoteError::NoStore { url: address.to_string(), base: base() })
    }

    fn writable(&self, address: &Address) -> Result<&Store, RemoteError> {
        let store = self.store(address)?;
        if store.settings.read_only { Err(RemoteError::ReadOnly { url: address.to_string() }) } else { Ok(store) }
    }
}

/// Objects of a store, as many as are asked for.
pub struct Listing<'s> {
    store: &'s Store,
    address: Address,
    lister: opendal::Lister,
}

impl Iterator for Listing<'_> {
    type Item = Result<Listed, RemoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        let runtime = match self.store.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return Some(Err(error)),
        };
        loop {
            let entry = runtime.block_on(futures_util::TryStreamExt::try_next(&mut self.lister));
            let entry = match entry {
                Ok(entry) => entry?,
                Err(error) => return Some(Err(self.store.failed("list", &self.address, &error))),
            };
            // Folders of a file system are no objects.
            if self.store.is_folder() && entry.metadata().is_dir() {
                continue;
            }
            if let Some(key) = self.store.key(entry.path()) {
                return Some(Ok(Listed { key, size: entry.metadata().content_length() }));
            }
        }
    }
}
