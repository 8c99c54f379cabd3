//! Folders of objects as folders of files, and back.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Address, Cache, RemoteError, Stores};
use crate::folder::place;

/// Most objects that a folder may hold which is brought here, or stored, as a whole.
pub const MAX_FOLDER_FILES: u64 = 100_000;
/// Most bytes of one that is brought here.
pub const MAX_FOLDER_BYTES: u64 = 2 << 40;
/// Folders inside each other that are stored; a deeper one is an error, not a stack overflow.
const MAX_DEPTH: usize = 128;
/// Files on their way at once.
const AT_ONCE: usize = 8;

/// Files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Most that is brought here at once.
pub const MAX_FOLDER: Amount = Amount { files: MAX_FOLDER_FILES, bytes: MAX_FOLDER_BYTES };

impl Amount {
    fn add(&mut self, bytes: u64) {
        *self = Amount { files: self.files + 1, bytes: self.bytes.saturating_add(bytes) };
    }

    /// That it is not more than this.
    fn within(&self, limit: Amount, url: &str) -> Result<(), RemoteError> {
        let exceeded = [(self.files, limit.files, "objects"), (self.bytes, limit.bytes, "bytes")];
        match exceeded.into_iter().find(|(amount, limit, _)| amount > limit) {
            Some((_, limit, what)) => Err(RemoteError::TooMuch { url: url.to_owned(), limit, what }),
            None => Ok(()),
        }
    }
}

impl Cache {
    /// Shows all objects below an address as files of a folder, named by the rest of their keys. They are second names of what is
    /// kept here, or copies where the file system has none; `limit` is looked at before anything is brought.
    ///
    /// # Errors
    /// The store cannot be asked, or there is more than the limit, or a key is no name of a file.
    pub fn link_folder(&self, url: &str, folder: &Path, limit: Amount) -> Result<Amount, RemoteError> {
        let address = Address::folder(url)?;
        let mut found = Vec::new();
        let mut amount = Amount::default();
        fs::create_dir_all(folder).map_err(RemoteError::file("make", folder))?;
        for listed in self.stores().list(&address.to_string())? {
            let listed = listed?;
            let name = listed.key.get(address.key.len()..).unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            let path = place(name).ok_or_else(|| RemoteError::NoFileName { url: url.to_owned(), key: listed.key.clone() })?;
            if name.ends_with('/') {
                let path = folder.join(path);
                fs::create_dir_all(&path).map_err(RemoteError::file("make", &path))?;
                continue;
            }
            amount.add(listed.size);
            amount.within(limit, url)?;
            found.push((listed.key, path));
        }
        at_once(&found, |(key, path)| self.link_file(&Address { key: key.clone(), ..address.clone() }.to_string(), &folder.join(path)))?;
        Ok(amount)
    }
}

impl Stores {
    /// Stores all regular files below a folder, under their paths. Symbolic links are followed to files, not to folders.
    ///
    /// # Errors
    /// Something cannot be read or stored, or there is too much of it.
    pub fn put_folder(&self, folder: &Path, url: &str) -> Result<Amount, RemoteError> {
        let base = Address::folder(url)?;
        let files = files(folder, &base, url)?;
        let amount = Mutex::new(Amount::default());
        at_once(&files, |(path, key)| {
            let stored = self.put_file(path, &Address { key: key.clone(), ..base.clone() }.to_string(), None)?;
            amount.lock().unwrap_or_else(PoisonError::into_inner).add(stored.size);
            Ok(())
        })?;
        Ok(amount.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All files below a folder, with their keys.
fn files(folder: &Path, base: &Address, url: &str) -> Result<Vec<(PathBuf, String)>, RemoteError> {
    let too_much = |limit, what| RemoteError::TooMuch { url: url.to_owned(), limit, what };
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, String, usize)> = vec![(folder.to_owned(), base.key.clone(), 0)];
    while let Some((folder, prefix, depth)) = waiting.pop() {
        let read = || RemoteError::file("read the folder", &folder);
        for entry in fs::read_dir(&folder).map_err(read())? {
            let entry = entry.map_err(read())?;
            let (path, name) = (entry.path(), entry.file_name());
            let odd = || RemoteError::NoFileName { url: url.to_owned(), key: path.display().to_string() };
            let name = name.to_str().ok_or_else(odd)?;
            if entry.file_type().map_err(read())?.is_dir() {
                if depth >= MAX_DEPTH {
                    return Err(too_much(MAX_DEPTH as u64, "folders inside each other"));
                }
                waiting.push((path, format!("{prefix}{name}/"), depth + 1));
            } else if path.is_file() {
                found.push((path, format!("{prefix}{name}")));
            }
            if found.len() as u64 > MAX_FOLDER_FILES {
                return Err(too_much(MAX_FOLDER_FILES, "files"));
            }
        }
    }
    Ok(found)
}

/// Does something with each of them, several at once, up to the first error.
fn at_once<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<(), RemoteError> + Sync) -> Result<(), RemoteError> {
    let (next, problem) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(all.len()) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(one) {
                        next.store(all.len(), Ordering::Relaxed);
                        problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
    });
    problem.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
