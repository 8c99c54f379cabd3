//! Files of object stores as inputs of workflows, and as places for what they leave: `oss://bucket/key`, `s3://bucket/key`.
//!
//! An `oss://` URL belongs to the embedded store where that has a bucket of its name, otherwise to a store of the
//! configuration, as does every `s3://` URL.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use batchyard_batch::instance::{Access, PlaceError, access::ADMIN};
use batchyard_objects::{
    ObjectError, Objects, Put, Record,
    folder::{place, stamp},
    remote::{self, Address, Cache, RemoteError, Scheme},
};
use batchyard_workflow::fetch::{Beside, Fetch, Unfound};

/// Object stores as files.
#[derive(Debug)]
pub struct StoredFiles {
    /// The embedded store of a server.
    pub embedded: Option<EmbeddedFiles>,
    /// The stores of the configuration.
    pub cache: Cache,
}

/// Copies objects of the embedded store to files below a folder, beside each other as their keys are, so that an index is
/// found beside its file.
///
/// There is one copy for all tasks, which get second names of it. A task that runs as the server's own user could write to
/// it, never to what is stored; a copy that was changed is not used for later tasks.
#[derive(Clone, Debug)]
pub struct EmbeddedFiles {
    objects: Objects,
    folder: PathBuf,
    /// The folder under its true name, once that was asked for.
    canonical: OnceLock<PathBuf>,
}

impl EmbeddedFiles {
    /// Copies below this folder, which is made when it is needed.
    pub fn new(objects: Objects, folder: PathBuf) -> Self {
        EmbeddedFiles { objects, folder, canonical: OnceLock::new() }
    }
}

impl Fetch for StoredFiles {
    fn knows(&self, url: &str) -> bool {
        Address::is_meant(url)
    }

    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String> {
        self.find(url, on_behalf).map_err(|unfound| unfound.why)
    }

    fn find(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, Unfound> {
        let unknown = |why: String| Unfound { why: format!("cannot be read: {why}"), is_absent: false };
        let absent = |why: String| Unfound { is_absent: true, ..unknown(why) };
        let failed = |error: RemoteError| {
            if error.is_missing() || error.is_refused() { absent(error.to_string()) } else { unknown(error.to_string()) }
        };
        let address = Address::object(url).map_err(failed)?;
        let rights = on_behalf.map(account_of);
        if let Some(embedded) = self.embedded_for(&address) {
            if let Some((account, admin)) = rights {
                self.access(embedded, account, admin).read(url).map_err(|error| match error {
                    PlaceError::Refused { .. } => absent(error.to_string()),
                    error => unknown(error.to_string()),
                })?;
            }
            return embedded.file(&address.bucket, &address.key);
        }
        self.known(url, &address).map_err(unknown)?;
        self.cache.allow(url, restricted(&rights), false).map_err(failed)?;
        self.cache.file(url).map_err(failed)
    }

    fn kept(&self, url: &str, on_behalf: Option<&str>) -> Option<PathBuf> {
        let address = Address::object(url).ok()?;
        let rights = on_behalf.map(account_of);
        let Some(embedded) = self.embedded_for(&address) else {
            self.cache.allow(url, restricted(&rights), false).ok()?;
            return self.cache.kept(&address);
        };
        if let Some((account, admin)) = rights {
            self.access(embedded, account, admin).read(url).ok()?;
        }
        Some(embedded.folder.join(&address.bucket).join(place(&address.key)?)).filter(|file| file.is_file())
    }

    fn beside(&self, file: &Path, name: &str) -> Beside {
        match self.embedded.as_ref().map(|embedded| embedded.beside(file, name)) {
            None | Some(Beside::Here) => match self.cache.beside(file, name) {
                remote::Beside::NoCopy => Beside::Here,
                remote::Beside::Unknown => Beside::Unknown,
                remote::Beside::At(url) => Beside::At(url),
            },
            Some(found) => found,
        }
    }

    fn for_run(&self) -> Option<Arc<dyn Fetch + Send + Sync>> {
        Some(Arc::new(StoredFiles { embedded: self.embedded.clone(), cache: self.cache.leased() }))
    }

    fn needs(&self, file: &Path) -> Result<(), String> {
        self.cache.hold(file).map_err(|error| format!("cannot be kept: {error}"))
    }

    fn takes(&self, url: &str) -> bool {
        Address::is_meant(url)
    }

    fn store(&self, file: &Path, url: &str, on_behalf: Option<&str>) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot be written: {error}");
        let address = Address::object(url).map_err(|e| failed(&e))?;
        let rights = on_behalf.map(account_of);
        if let Some(embedded) = self.embedded_for(&address) {
            if let Some((account, admin)) = rights {
                self.access(embedded, account, admin).write(url).map_err(|e| failed(&e))?;
            }
            let stored = embedded.objects.put_file(&address.bucket, &address.key, file, Put::default());
            return stored.map(drop).map_err(|e| failed(&e));
        }
        self.known(url, &address).map_err(|e| failed(&e))?;
        self.cache.allow(url, restricted(&rights), true).map_err(|e| failed(&e))?;
        self.cache.stores().put_file(file, url, None).map(drop).map_err(|e| failed(&e))
    }
}

impl StoredFiles {
    /// The embedded store, if an address belongs to it.
    fn embedded_for(&self, address: &Address) -> Option<&EmbeddedFiles> {
        let embedded = self.embedded.as_ref().filter(|_| address.scheme == Scheme::Oss)?;
        embedded.objects.bucket(&address.bucket).is_ok().then_some(embedded)
    }

    /// A bucket may be missing in the embedded store as well as in the configuration.
    fn known(&self, url: &str, address: &Address) -> Result<(), String> {
        if address.scheme != Scheme::Oss || self.embedded.is_none() || self.cache.stores().knows(url) {
            return Ok(());
        }
        Err(format!("bucket `{}` does not exist, and no table `[[stores]]` of the configuration has its URL", address.bucket))
    }

    fn access(&self, embedded: &EmbeddedFiles, account: String, admin: bool) -> Access {
        Access { objects: embedded.objects.clone(), cache: self.cache.clone(), account, admin }
    }
}

/// How the rights of a job are told to [`Fetch::fetch`].
pub fn on_behalf_of(access: &Access) -> String {
    format!("{}{}", if access.admin { ADMIN } else { "" }, access.account)
}

fn account_of(text: &str) -> (String, bool) {
    text.strip_prefix(ADMIN).map_or_else(|| (text.to_owned(), false), |account| (account.to_owned(), true))
}

/// The account whose name must be among those of a store; an administrator's need not.
fn restricted(rights: &Option<(String, bool)>) -> Option<&str> {
    rights.as_ref().filter(|(_, admin)| !admin).map(|(account, _)| account.as_str())
}

impl EmbeddedFiles {
    fn file(&self, bucket: &str, key: &str) -> Result<PathBuf, Unfound> {
        let record = self.objects.head(bucket, key).map_err(|error| Unfound {
            why: format!("cannot be read: {error}"),
            is_absent: matches!(error, ObjectError::NoSuchKey { .. }),
        })?;
        self.up_to_date(bucket, key, &record).map_err(|why| Unfound { why, is_absent: false })
    }

    fn up_to_date(&self, bucket: &str, key: &str, record: &Record) -> Result<PathBuf, String> {
        let inner = place(key).ok_or("has a key that cannot be the name of a file")?;
        let file = self.folder.join(bucket).join(&inner);
        let mark = self.folder.join(".marks").join(bucket).join(&inner);
        let state = |stamp: &str| format!("{} {} {} {stamp}", record.etag, record.size, record.modified_ms);
        if stamp(&file).is_ok_and(|stamp| fs::read_to_string(&mark).is_ok_and(|kept| kept == state(&stamp))) {
            return Ok(file);
        }
        self.copy(bucket, key, &file).map_err(|e| format!("cannot be copied to `{}`: {e}", file.display()))?;
        stamp(&file).and_then(|stamp| write(&mark, &state(&stamp))).map_err(|e| format!("cannot be kept: {e}"))?;
        Ok(file)
    }

    /// What object has a name beside that of which a file is the copy.
    fn beside(&self, file: &Path, name: &str) -> Beside {
        let canonical = || match self.canonical.get() {
            Some(known) => Some(known),
            // It is there as soon as a copy is.
            None => self.folder.canonicalize().ok().map(|found| self.canonical.get_or_init(|| found)),
        };
        let below = file.strip_prefix(&self.folder).ok().or_else(|| file.strip_prefix(canonical()?).ok());
        let folder = below.and_then(|below| below.parent()?.to_str()).filter(|folder| !folder.is_empty());
        match (folder, place(name).is_some_and(|path| path.components().count() == 1)) {
            (None, _) => Beside::Here,
            (Some(_), false) => Beside::Unknown,
            (Some(folder), true) => Beside::At(format!("{}://{folder}/{name}", Scheme::Oss.name())),
        }
    }

    /// Others may be using the former copy, so it is replaced as a whole.
    fn copy(&self, bucket: &str, key: &str, file: &Path) -> Result<(), String> {
        let part = self.folder.join(format!(".part-{}", batchyard_model::RunId::random()));
        self.objects.copy_file(bucket, key, &part).map_err(|e| e.to_string())?;
        let into_place = || -> std::io::Result<()> {
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(&part, file)
        };
        into_place().map_err(|e| e.to_string())
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}
