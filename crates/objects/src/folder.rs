//! Keys as files: a folder that shows a prefix, and a prefix that takes in a folder.
//!
//! This is the only place where a key becomes a path. Each component between slashes becomes a folder or a file of exactly
//! that name; a key with a component that is no file name (`..`, `.`, nothing, a NUL) is left out and reported.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{Content, Entry, Found, Listing, MAX_PAGE, ObjectError, Objects, Put, files::Id};

/// Folders inside each other that are taken in; a deeper one is an error, not a stack overflow.
const MAX_DEPTH: usize = 128;

/// Permissions of files that objects are shown as.
const READ_ONLY: u32 = 0o444;

/// What changes with whatever is written to a file that an object was copied to: a task that runs as the server's own user could
/// write to it.
///
/// # Errors
/// There is no such file.
pub fn stamp(file: &Path) -> io::Result<String> {
    let about = fs::metadata(file)?;
    Ok(format!("{} {} {}.{}", about.ino(), about.size(), about.mtime(), about.mtime_nsec()))
}

/// What became of the keys of a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Linked {
    /// Files that are in the folder now.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Keys that cannot be files, with the reason; only the first [`MAX_PAGE`] of them.
    pub left_out: Vec<(String, String)>,
}

impl Linked {
    fn leave_out(&mut self, key: String, reason: impl Into<String>) {
        if self.left_out.len() < MAX_PAGE {
            self.left_out.push((key, reason.into()));
        }
    }
}

/// Where a key lies below a folder, if all its components are names of files. A last empty component means a folder.
pub fn place(key: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    let trimmed = key.strip_suffix('/').unwrap_or(key);
    for component in trimmed.split('/') {
        if component.is_empty() || component == "." || component == ".." || component.contains('\0') || component.len() > 255 {
            return None;
        }
        path.push(component);
    }
    Some(path)
}

impl Objects {
    /// Shows the keys that begin with `prefix` as files below `folder`, named by what follows the prefix. Files are second
    /// names of the store's own, read-only, and must not be written to; small objects are copied. A key that ends with a slash
    /// becomes a folder.
    ///
    /// # Errors
    /// There is no such bucket, or the folder cannot be filled.
    pub fn link_into(&self, bucket: &str, prefix: &str, folder: &Path) -> Result<Linked, ObjectError> {
        fs::create_dir_all(folder).map_err(ObjectError::io(format!("cannot make `{}`", folder.display())))?;
        let mut linked = Linked::default();
        let mut listing = Listing { prefix: prefix.to_owned(), limit: MAX_PAGE, ..Listing::default() };
        loop {
            let page = self.list(bucket, &listing)?;
            for entry in &page.entries {
                let Entry::Object(key, _) = entry else { continue };
                let name = key.get(prefix.len()..).unwrap_or_default();
                if name.is_empty() {
                    // The folder itself.
                    continue;
                }
                match place(name) {
                    Some(path) => self.show(bucket, key, &folder.join(path), name.ends_with('/'), &mut linked)?,
                    None => linked.leave_out(key.clone(), "a part of it cannot be the name of a file"),
                }
            }
            match page.next() {
                Some(next) => listing.after = next.to_owned(),
                None => return Ok(linked),
            }
        }
    }

    /// Shows one object as a file, whose folder is made if need be. It is a second name of the store's own file: nobody may
    /// find it who could write to it. Small objects are copied.
    ///
    /// # Errors
    /// There is no such object, or the file cannot be made.
    pub fn link_file(&self, bucket: &str, key: &str, path: &Path) -> Result<u64, ObjectError> {
        let failed = || format!("cannot show `{key}` as `{}`", path.display());
        make_folder_of(path).map_err(ObjectError::io(failed()))?;
        let mut found = self.get(bucket, key)?;
        if matches!(found.record.content, Content::Parts(..)) {
            self.settle(bucket, found.record.target.as_deref().unwrap_or(key))?;
            found = self.get(bucket, key)?;
        }
        if let Content::File(id) = found.record.content
            && self.link_data(id, path).map_err(ObjectError::io(failed()))?
        {
            return Ok(found.record.size);
        }
        copy(&found, path).map_err(ObjectError::io(failed()))
    }

    /// Makes a file of one object, whose folder is made if need be: a file of its own, which is read-only so that a mistake
    /// is told. The file system clones the store's file where it can, otherwise it is copied.
    ///
    /// # Errors
    /// There is no such object, or the file cannot be made.
    pub fn copy_file(&self, bucket: &str, key: &str, path: &Path) -> Result<u64, ObjectError> {
        let failed = || format!("cannot copy `{key}` to `{}`", path.display());
        make_folder_of(path).map_err(ObjectError::io(failed()))?;
        let found = self.get(bucket, key)?;
        copy(&found, path).map_err(ObjectError::io(failed()))
    }

    /// Whether the file system can do it; an existing file is an error.
    fn link_data(&self, id: Id, path: &Path) -> io::Result<bool> {
        let data = self.inner.files.path(id);
        match fs::hard_link(&data, path) {
            Ok(()) => {
                // Whoever writes by mistake is told; one file has one mode, whatever its names.
                rustix::fs::chmod(&data, rustix::fs::Mode::from_raw_mode(READ_ONLY))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => Ok(false),
        }
    }

    fn show(&self, bucket: &str, key: &str, path: &Path, is_folder: bool, linked: &mut Linked) -> Result<(), ObjectError> {
        if is_folder {
            if fs::create_dir_all(path).is_err() {
                linked.leave_out(key.to_owned(), "a file is in the place of its folder");
            }
            return Ok(());
        }
        match self.link_file(bucket, key, path) {
            Ok(bytes) => {
                linked.files += 1;
                linked.bytes += bytes;
                Ok(())
            }
            // Deleted since it was listed.
            Err(ObjectError::NoSuchKey { .. }) => Ok(()),
            Err(error @ (ObjectError::NoSuchTarget(_) | ObjectError::TargetIsLink(_))) => {
                linked.leave_out(key.to_owned(), error.to_string());
                Ok(())
            }
            // `a` and `a/b` are both keys, but cannot both be files; names may also be too long for the file system.
            Err(ObjectError::Io { source, .. }) if is_about_the_name(&source) => {
                linked.leave_out(key.to_owned(), source.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes in all regular files below a folder, under `prefix` and their path. Symbolic links are followed to files,
    /// not to folders. The number of files and their bytes.
    ///
    /// # Errors
    /// There is no such bucket, or something cannot be read or is no text.
    pub fn upload_folder(&self, folder: &Path, bucket: &str, prefix: &str) -> Result<(u64, u64), ObjectError> {
        self.bucket(bucket)?;
        let (mut count, mut bytes) = (0, 0);
        let mut waiting = vec![(folder.to_path_buf(), prefix.to_owned(), 0)];
        while let Some((folder, prefix, depth)) = waiting.pop() {
            let unreadable = || format!("cannot read the folder `{}`", folder.display());
            for entry in fs::read_dir(&folder).map_err(ObjectError::io(unreadable()))? {
                let entry = entry.map_err(ObjectError::io(unreadable()))?;
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| ObjectError::InvalidKey {
                    key: path.display().to_string(),
                    reason: "is the name of a file that is not UTF-8",
                })?;
                let kind = entry.file_type().map_err(ObjectError::io(unreadable()))?;
                if kind.is_dir() {
                    if depth >= MAX_DEPTH {
                        return Err(ObjectError::Io {
                            what: unreadable(),
                            source: io::Error::other("folders are too deep inside each other"),
                        });
                    }
                    waiting.push((path, format!("{prefix}{name}/"), depth + 1));
                } else if path.is_file() {
                    bytes += self.put_file(bucket, &format!("{prefix}{name}"), &path, Put::default())?.size;
                    count += 1;
                }
            }
        }
        Ok((count, bytes))
    }
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Writes an object to a new file.
fn copy(found: &Found, path: &Path) -> io::Result<u64> {
    let mut file = fs::File::options().write(true).create_new(true).open(path)?;
    let bytes = match found.file() {
        Some(data) => {
            let mut data = fs::File::open(data)?;
            let cloned = rustix::fs::ioctl_ficlone(&file, &data).is_ok();
            // The standard library copies inside the kernel where it can.
            if cloned { found.record.size } else { io::copy(&mut data, &mut file)? }
        }
        None => io::copy(&mut found.read_all(), &mut file)?,
    };
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(READ_ONLY))?;
    Ok(bytes)
}

fn is_about_the_name(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
    matches!(error.kind(), AlreadyExists | InvalidFilename | IsADirectory | NotADirectory)
}
