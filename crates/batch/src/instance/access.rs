//! What a job may read and write in object stores, and how that is done: with the rights of its account.
//!
//! An `oss://` URL belongs to the embedded store where that has a bucket of its name, otherwise to a store of the
//! configuration, as does every `s3://` URL.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use batchyard_objects::{
    Acl, Attributes, Bucket, ObjectError, Objects, Put, Staged,
    remote::{Cache, MAX_FOLDER, RemoteError},
};

use super::{PlaceError, mounts};

/// Before the name of an account whose key opens all buckets; no name holds it.
pub const ADMIN: &str = "admin:";
/// How logs are stored.
const TEXT: &str = "text/plain; charset=utf-8";

/// The rights of a job, and where objects are.
#[derive(Clone)]
pub struct Access {
    /// The embedded store.
    pub objects: Objects,
    /// The stores of the configuration.
    pub cache: Cache,
    /// The account that the job belongs to.
    pub account: String,
    /// Whether it was made with an administrator's key, to whom all buckets are open.
    pub admin: bool,
}

impl Access {
    /// Whether what is at an address may be read.
    ///
    /// # Errors
    /// It may not, or there is no such bucket.
    pub fn read(&self, url: &str) -> Result<(), PlaceError> {
        let Some((bucket, key, found)) = self.embedded(url)? else { return self.allow(url, false) };
        if self.owns(&found.owner) {
            return Ok(());
        }
        // Of a prefix of somebody else's every object could have rights of its own.
        let is_object = !key.is_empty() && !key.ends_with('/');
        let acl = match is_object.then(|| self.objects.head(bucket, key)) {
            None => Acl::Private,
            Some(Ok(record)) => record.attributes.acl,
            Some(Err(ObjectError::NoSuchKey { .. })) => Acl::Default,
            // Who cannot be asked has refused nothing.
            Some(Err(source)) => return Err(object("read", url, source)),
        };
        let acl = if acl == Acl::Default { found.acl } else { acl };
        if matches!(acl, Acl::PublicRead | Acl::PublicReadWrite) { Ok(()) } else { Err(refused("read", url)) }
    }

    /// Whether something may be stored at an address.
    ///
    /// # Errors
    /// It may not, or there is no such bucket.
    pub fn write(&self, url: &str) -> Result<(), PlaceError> {
        let Some((_, _, found)) = self.embedded(url)? else { return self.allow(url, true) };
        self.check_write(url, &found)
    }

    fn check_write(&self, url: &str, found: &Bucket) -> Result<(), PlaceError> {
        if self.owns(&found.owner) || found.acl == Acl::PublicReadWrite { Ok(()) } else { Err(refused("write to", url)) }
    }

    /// Whether something can be stored at an address when the command has ended, as far as that is known before it begins: a
    /// bucket of the embedded store may still be made.
    ///
    /// # Errors
    /// It may not, or no store is configured.
    pub fn foresee(&self, url: &str) -> Result<(), PlaceError> {
        if matches!(self.embedded(url), Ok(None)) { self.allow(url, true) } else { Ok(()) }
    }

    /// Whether an address belongs to the embedded store.
    pub fn is_embedded(&self, url: &str) -> bool {
        matches!(self.embedded(url), Ok(Some(_)))
    }

    /// Whether something may be stored at an address of the embedded store, as far as can be seen now.
    pub fn is_open_here(&self, url: &str) -> bool {
        matches!(self.embedded(url), Ok(Some((_, _, found))) if self.check_write(url, &found).is_ok())
    }

    /// Opens an object.
    ///
    /// # Errors
    /// It may not be read, or there is none.
    pub fn open(&self, url: &str) -> Result<Box<dyn Read>, PlaceError> {
        self.read(url)?;
        match self.embedded(url)? {
            Some((bucket, key, _)) => {
                let found = self.objects.get(bucket, key).map_err(|source| object("fetch", url, source))?;
                Ok(Box::new(found.read_all()))
            }
            None => {
                let kept = self.cache.file(url).map_err(|source| remote("fetch", url, source))?;
                let file = File::open(&kept).map_err(|source| PlaceError::File { what: format!("read `{}`", kept.display()), source })?;
                Ok(Box::new(file))
            }
        }
    }

    /// Shows an object as a file, whose folder is made if need be. It must not be written to.
    ///
    /// # Errors
    /// It may not be read, or there is none, or the file cannot be made.
    pub fn link_file(&self, url: &str, target: &Path) -> Result<(), PlaceError> {
        self.read(url)?;
        match self.embedded(url)? {
            Some((bucket, key, _)) => self.objects.link_file(bucket, key, target).map(drop).map_err(|source| object("show", url, source)),
            None => self.cache.link_file(url, target).map_err(|source| remote("show", url, source)),
        }
    }

    /// Copies an object to a file of its own.
    ///
    /// # Errors
    /// As [`Access::link_file`].
    pub fn copy_file(&self, url: &str, target: &Path) -> Result<(), PlaceError> {
        let mut object = self.open(url)?;
        let mut copy = || -> io::Result<()> {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            io::copy(&mut object, &mut File::create(target)?).map(drop)
        };
        copy().map_err(|source| PlaceError::File { what: format!("copy `{url}`"), source })
    }

    /// Shows all objects below an address as files of a folder. They must not be written to.
    ///
    /// # Errors
    /// They may not be read, or are no names of files, or are too many to be brought here from another store.
    pub fn link_folder(&self, url: &str, folder: &Path) -> Result<(), PlaceError> {
        self.read(url)?;
        let Some((bucket, key, _)) = self.embedded(url)? else {
            return self.cache.link_folder(url, folder, MAX_FOLDER).map(drop).map_err(|source| remote("show", url, source));
        };
        let linked = self.objects.link_into(bucket, key, folder).map_err(|source| object("show", url, source))?;
        match linked.left_out.first() {
            Some((key, reason)) => Err(PlaceError::Impossible(format!("cannot show `{url}`: `{key}` {reason}"))),
            None => Ok(()),
        }
    }

    /// Stores a file.
    ///
    /// # Errors
    /// It may not be stored there, or cannot be.
    pub fn put_file(&self, path: &Path, url: &str) -> Result<(), PlaceError> {
        self.put(path, url, Put::default(), None)
    }

    /// Stores logs, each a file here and its address. Those of the embedded store become objects in one commit, which waits for
    /// so long that others may join it. What can be stored is, whatever becomes of the rest.
    ///
    /// # Errors
    /// One may not be stored there, or cannot be; the first of them is told.
    pub fn put_logs(&self, logs: &[(PathBuf, String)], patience: Duration) -> Result<(), PlaceError> {
        let (mut first, mut taken) = (Ok(()), Vec::new());
        for (path, url) in logs {
            match self.take_log(path, url) {
                Ok(log) => taken.extend(log),
                Err(error) => first = first.and(Err(error)),
            }
        }
        if taken.is_empty() {
            return first;
        }
        let about = logs.iter().map(|(_, url)| url.as_str()).collect::<Vec<_>>().join("` and `");
        first.and(self.objects.put_all(taken, as_text(), patience).map_err(|source| object("store", &about, source)))
    }

    /// Takes the bytes of a log for the embedded store, or stores it in another one.
    fn take_log(&self, path: &Path, url: &str) -> Result<Option<(String, String, Staged)>, PlaceError> {
        let Some((bucket, key, found)) = self.embedded(url)? else {
            return self.put(path, url, as_text(), Some(TEXT)).map(|()| None);
        };
        self.check_write(url, &found)?;
        let staged = self.objects.take_file(path).map_err(|source| object("store", url, source))?;
        Ok(Some((bucket.to_owned(), key.to_owned(), staged)))
    }

    fn put(&self, path: &Path, url: &str, put: Put, content_type: Option<&str>) -> Result<(), PlaceError> {
        self.write(url)?;
        match self.embedded(url)? {
            Some((bucket, key, _)) => {
                let stored = self.objects.put_file(bucket, key, path, put);
                stored.map(drop).map_err(|source| object("store", url, source))
            }
            None => self.cache.stores().put_file(path, url, content_type).map(drop).map_err(|source| remote("store", url, source)),
        }
    }

    /// Stores all regular files below a folder.
    ///
    /// # Errors
    /// They may not be stored there, or cannot be.
    pub fn put_folder(&self, folder: &Path, url: &str) -> Result<(), PlaceError> {
        self.write(url)?;
        match self.embedded(url)? {
            Some((bucket, key, _)) => {
                self.objects.upload_folder(folder, bucket, key).map(drop).map_err(|source| object("store", url, source))
            }
            None => self.cache.stores().put_folder(folder, url).map(drop).map_err(|source| remote("store", url, source)),
        }
    }

    fn owns(&self, owner: &str) -> bool {
        self.admin || owner == self.account
    }

    /// Bucket and key of an address in the embedded store; `None` for one in a store of the configuration.
    fn embedded<'u>(&self, url: &'u str) -> Result<Option<(&'u str, &'u str, Bucket)>, PlaceError> {
        let Some((bucket, key)) = mounts::bucket_and_key(url) else { return Ok(None) };
        match self.objects.bucket(bucket) {
            Ok(found) => Ok(Some((bucket, key, found))),
            Err(ObjectError::NoSuchBucket(_)) if self.cache.stores().knows(url) => Ok(None),
            Err(ObjectError::NoSuchBucket(_)) => Err(PlaceError::Impossible(format!(
                "cannot use `{url}`: bucket `{bucket}` does not exist, and no table `[[stores]]` of the configuration has its URL"
            ))),
            Err(source) => Err(object("use", url, source)),
        }
    }

    /// What the configuration allows.
    fn allow(&self, url: &str, write: bool) -> Result<(), PlaceError> {
        let account = Some(self.account.as_str()).filter(|_| !self.admin);
        self.cache.allow(url, account, write).map_err(|source| remote("use", url, source))
    }
}

/// The attributes of a log.
pub fn as_text() -> Put {
    let mut attributes = Attributes::default();
    attributes.headers.insert("content-type".into(), TEXT.into());
    Put { attributes, ..Put::default() }
}

fn object(verb: &str, url: &str, source: ObjectError) -> PlaceError {
    PlaceError::Object { what: format!("{verb} `{url}`"), source }
}

fn remote(verb: &str, url: &str, source: RemoteError) -> PlaceError {
    PlaceError::Remote { what: format!("{verb} `{url}`"), source }
}

fn refused(what: &'static str, url: &str) -> PlaceError {
    PlaceError::Refused { what, url: url.to_owned() }
}
