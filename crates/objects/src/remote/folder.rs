//! Folders of objects as folders of files, and back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Address, Cache, RemoteError, Stores};
use crate::folder::place;

/// Most objects that a folder may hold which is brought here as a whole.
pub const MAX_FOLDER_FILES: u64 = 100_000;
/// Most bytes of it.
pub const MAX_FOLDER_BYTES: u64 = 2 << 40;
/// Folders inside each other that are stored; a deeper one is an error, not a stack overflow.
const MAX_DEPTH: usize = 128;

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
            amount = Amount { files: amount.files + 1, bytes: amount.bytes.saturating_add(listed.size) };
            let exceeded = [(amount.files, limit.files, "objects"), (amount.bytes, limit.bytes, "bytes")];
            if let Some((_, limit, what)) = exceeded.into_iter().find(|(amount, limit, _)| amount > limit) {
                return Err(RemoteError::TooMuch { url: url.to_owned(), limit, what });
            }
            found.push((listed.key, path));
        }
        fs::create_dir_all(folder).map_err(RemoteError::file("make", folder))?;
        for (key, path) in found {
            self.link_file(&Address { key, ..address.clone() }.to_string(), &folder.join(path))?;
        }
        Ok(amount)
    }
}

impl Stores {
    /// Stores all regular files below a folder, under their paths. Symbolic links are followed to files, not to folders.
    ///
    /// # Errors
    /// Something cannot be read or stored.
    pub fn put_folder(&self, folder: &Path, url: &str) -> Result<Amount, RemoteError> {
        let base = Address::folder(url)?;
        let mut amount = Amount::default();
        let mut waiting: Vec<(PathBuf, String, usize)> = vec![(folder.to_owned(), base.key.clone(), 0)];
        while let Some((folder, prefix, depth)) = waiting.pop() {
            let read = || RemoteError::file("read the folder", &folder);
            for entry in fs::read_dir(&folder).map_err(read())? {
                let entry = entry.map_err(read())?;
                let (path, name) = (entry.path(), entry.file_name());
                let odd = |key: String| RemoteError::NoFileName { url: url.to_owned(), key };
                let name = name.to_str().ok_or_else(|| odd(path.display().to_string()))?;
                if entry.file_type().map_err(read())?.is_dir() {
                    if depth >= MAX_DEPTH {
                        return Err(RemoteError::TooMuch {
                            url: url.to_owned(),
                            limit: MAX_DEPTH as u64,
                            what: "folders inside each other",
                        });
                    }
                    waiting.push((path, format!("{prefix}{name}/"), depth + 1));
                } else if path.is_file() {
                    let address = Address { key: format!("{prefix}{name}"), ..base.clone() };
                    let stored = self.put_file(&path, &address.to_string(), None)?;
                    amount = Amount { files: amount.files + 1, bytes: amount.bytes + stored.size };
                }
            }
        }
        Ok(amount)
    }
}
