//! Files that a command has left, opened with the rights of who ran it: a link to something that only the server may read
//! leads nowhere, also one that is put in place at the last moment.

use std::{
    fs, io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use batchyard_runner::User;

/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 128;
/// Most files of a folder.
const MAX_FILES: usize = 1_000_000;

/// A file that was found.
pub struct Left {
    /// Where it can be read; good as long as this lives.
    pub path: PathBuf,
    _open: Option<fs::File>,
}

impl Left {
    /// The regular file at a path, or behind a link there; nothing when there is none.
    ///
    /// # Errors
    /// Who ran the command may not read it.
    pub fn find(user: Option<&User>, path: &Path) -> io::Result<Option<Left>> {
        let Some(user) = user else { return Ok(path.is_file().then(|| Left { path: path.to_owned(), _open: None })) };
        match user.open(path) {
            // By this name exactly the file that was opened is read, wherever the path leads by now.
            Ok(file) => Ok(Some(Left { path: format!("/proc/self/fd/{}", file.as_raw_fd()).into(), _open: Some(file) })),
            Err(error) if is_about_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Paths, from a folder on, of all that is no folder below it; nothing when there is no such folder. Links to folders are not
/// followed.
///
/// # Errors
/// The user may not read one, or they are too many or too deep.
pub fn files(user: &User, folder: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    match user.act(|| walk(folder)) {
        Ok(files) => Ok(Some(files)),
        Err(error) if is_about_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn walk(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![(PathBuf::new(), 0)]);
    while let Some((inner, depth)) = waiting.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if !entry.file_type()?.is_dir() {
                found.push(path);
            } else if depth < MAX_DEPTH {
                waiting.push((path, depth + 1));
            } else {
                return Err(io::Error::other("folders are too deep inside each other"));
            }
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!("it holds more than {MAX_FILES} files")));
            }
        }
    }
    Ok(found)
}

fn is_about_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidInput)
}
