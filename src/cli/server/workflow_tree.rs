//! The tree of a workflow as objects: of each call its script, what it wrote, its status and its files, at the same places
//! as in the run's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use batchyard_batch::instance::{Access, Left};
use batchyard_runner::User;

/// Files that are stored at once: what comes together is recorded together.
const AT_ONCE: usize = 8;
/// Most files of a tree.
const MAX_FILES: usize = 1_000_000;
/// What a call's folder holds besides its own: inputs are somebody else's files, temporary ones of no use afterwards.
const LEFT_OUT: [&str; 2] = ["inputs", "tmp"];

/// Stores the regular files below `dir`, each at its place below the address `prefix`; with a user, those that the user may read.
/// How many.
///
/// # Errors
/// The first file that could not be read or stored.
pub fn store(access: &Access, user: Option<&User>, dir: &Path, prefix: &str) -> Result<usize, String> {
    let files = files(dir).map_err(|error| format!("cannot list `{}`: {error}", dir.display()))?;
    let (next, problem) = (AtomicUsize::new(0), Mutex::new(None));
    let one = |inner: &Path| -> Result<(), String> {
        let path = dir.join(inner);
        let url = format!("{prefix}/{}", inner.to_string_lossy());
        let failed = |error: &dyn std::fmt::Display| format!("cannot store `{}` as `{url}`: {error}", path.display());
        // A file that is no file any more was taken away meanwhile.
        let Some(left) = Left::find(user, &path).map_err(|error| failed(&error))? else { return Ok(()) };
        access.put_file(&left.path, &url).map_err(|error| failed(&error))
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(files.len()) {
            scope.spawn(|| {
                while let Some(inner) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(text) = one(inner) {
                        next.store(files.len(), Ordering::Relaxed);
                        problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
                    }
                }
            });
        }
    });
    match problem.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(text) => Err(text),
        None => Ok(files.len()),
    }
}

/// Paths of all regular files, from the folder on. Links are left out: what they lead to has a place of its own.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let (inner, kind) = (folder.join(entry.file_name()), entry.file_type()?);
            // Keys are texts.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let is_left_out = LEFT_OUT.contains(&name.as_str()) && !is_execution(&folder);
            if kind.is_file() {
                found.push(inner);
            } else if kind.is_dir() && !is_left_out {
                folders.push(inner);
            }
            if found.len() > MAX_FILES {
                return Err(io::Error::other(format!("it holds more than {MAX_FILES} files")));
            }
        }
    }
    Ok(found)
}

/// Whether a folder is one in which a command ran: what is there is its own, whatever it is called.
fn is_execution(folder: &Path) -> bool {
    folder.components().any(|part| part.as_os_str() == "execution")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_files_and_no_inputs() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["call-a/execution/rc", "call-a/execution/inputs/own", "call-a/inputs/1/big.bam", "call-a/shard-0/tmp/x", "top"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink("call-a/execution/rc", dir.path().join("link")).unwrap();
        let mut found: Vec<String> = files(dir.path()).unwrap().iter().map(|path| path.to_string_lossy().into_owned()).collect();
        found.sort();
        assert_eq!(found, ["call-a/execution/inputs/own", "call-a/execution/rc", "top"]);
    }
}
