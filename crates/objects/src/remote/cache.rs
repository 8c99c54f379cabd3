//! Objects of other stores that were brought here: each once, and again only when it has changed.
//!
//! `<folder>/<hash of the address's folder>/<name>` is the file, so that an index is found beside its file; `.marks` beside it says
//! which state of the object that is. Whoever brings an object holds the lock of its mark, so that others wait for it instead of
//! bringing it too: also those of another process.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::{Address, RemoteError, Stat, Stores};

/// Folder of what is on its way.
const PARTS: &str = ".parts";
/// Folder of marks, beside the files.
const MARKS: &str = ".marks";
/// Bytes of a mark that are read.
const MAX_MARK: u64 = 8 << 10;

/// Keeps objects of other stores below a folder.
#[derive(Clone, Debug)]
pub struct Cache {
    stores: Stores,
    folder: PathBuf,
}

impl Cache {
    /// A cache below a folder, which is made when it is needed.
    pub fn new(stores: Stores, folder: PathBuf) -> Cache {
        Cache { stores, folder }
    }

    /// Whose objects they are.
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The file that is like an object now. It must not be written to.
    ///
    /// # Errors
    /// There is no such object, or it cannot be had.
    pub fn file(&self, url: &str) -> Result<PathBuf, RemoteError> {
        let address = Address::object(url)?;
        let (file, mark_path) = self.places(&address)?;
        let mut mark = opened(&mark_path).map_err(RemoteError::file("keep", &mark_path))?;
        let state = self.state(&address, &self.stores.stat(url)?);
        if file.exists() && read(&mut mark).is_ok_and(|kept| kept == state) {
            return Ok(file);
        }
        let parts = self.folder.join(PARTS);
        fs::create_dir_all(&parts).map_err(RemoteError::file("make", &parts))?;
        sweep(&parts);
        // From here on until the end the file is of no known state.
        mark.set_len(0).map_err(RemoteError::file("keep", &mark_path))?;
        let part = parts.join(uuid::Uuid::new_v4().simple().to_string());
        let stat = self.stores.fetch(&address, &part, &file)?;
        write(&mut mark, &self.state(&address, &stat)).map_err(RemoteError::file("keep", &mark_path))?;
        Ok(file)
    }

    /// Shows an object as a file here: a second name of what is kept, or a copy where the file system has none.
    ///
    /// # Errors
    /// As [`Cache::file`]; or there is such a file already.
    pub fn link_file(&self, url: &str, target: &Path) -> Result<(), RemoteError> {
        let kept = self.file(url)?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(RemoteError::file("make", parent))?;
        }
        match fs::hard_link(&kept, target) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                fs::copy(&kept, target).map(drop).map_err(RemoteError::file("make", target))
            }
            linked => linked.map_err(RemoteError::file("make", target)),
        }
    }

    /// Where an object lies here, and its mark.
    fn places(&self, address: &Address) -> Result<(PathBuf, PathBuf), RemoteError> {
        let (folder, name) = address.key.rsplit_once('/').unwrap_or(("", &address.key));
        let name = crate::folder::place(name).filter(|name| name.as_os_str() != MARKS);
        let name = name.ok_or_else(|| RemoteError::NoFileName { url: address.to_string(), key: address.key.clone() })?;
        let whole = format!("{}://{}/{folder}", address.scheme.name(), address.bucket);
        let hash = hex::encode(Sha256::digest(whole).get(..16).unwrap_or_default());
        let folder = self.folder.join(hash);
        Ok((folder.join(&name), folder.join(MARKS).join(name)))
    }

    /// What tells one state of an object from another, wherever its store is now.
    fn state(&self, address: &Address, stat: &Stat) -> String {
        let place = self.stores.place_of(address).unwrap_or_default();
        format!("{place}\n{}\n{}\n{}\n", stat.etag.as_deref().unwrap_or_default(), stat.size, stat.modified_ms.unwrap_or_default())
    }
}

/// A mark, for oneself.
fn opened(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn read(mark: &mut File) -> io::Result<String> {
    let mut text = String::new();
    mark.take(MAX_MARK).read_to_string(&mut text)?;
    Ok(text)
}

fn write(mark: &mut File, state: &str) -> io::Result<()> {
    mark.seek(SeekFrom::Start(0))?;
    mark.write_all(state.as_bytes())
}

/// Removes what processes have left that were killed on the way.
fn sweep(parts: &Path) {
    let Ok(entries) = fs::read_dir(parts) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_old = fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG));
        // One that is locked is being written.
        if is_old && File::open(&path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// A part is made a moment before it is locked.
const YOUNG: std::time::Duration = std::time::Duration::from_secs(60);
