//! What runs need of the cache until they have ended, also when the process that brought it dies before: its tasks may go on.
//!
//! `.leases/<process>/<run>` lists files of the cache, each name ended by a zero. The process holds the lock of `.leases/<process>/lock`
//! while it lives. What a dead one has left counts for [`LEFT`]: long before that another one goes on with the runs, and
//! notes the same files for itself.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};

/// Folder of leases in a cache.
const LEASES: &str = ".leases";
/// The lock of a process, among its leases.
const LOCK: &str = "lock";
/// What is written there once it is seen that the process is gone.
const GONE: &[u8] = b"gone\n";
/// For how long leases of a dead process count.
const LEFT: Duration = Duration::from_secs(30 * 24 * 3600);
/// A folder without leases that is younger may be about to get some.
const YOUNG: Duration = Duration::from_secs(3600);
/// Bytes of a lease that are read: far more than the files of any run have.
const MAX_LEASE: u64 = 1 << 30;

/// The leases of one process.
#[derive(Debug)]
pub(super) struct Leases {
    cache: PathBuf,
    /// Its folder and the lock, once there is a lease.
    own: OnceLock<(PathBuf, File)>,
    making: Mutex<()>,
}

/// What one run needs. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    leases: Arc<Leases>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    files: HashSet<PathBuf>,
    list: Option<(PathBuf, File)>,
}

impl Leases {
    pub(super) fn new(cache: PathBuf) -> Leases {
        Leases { cache, own: OnceLock::new(), making: Mutex::default() }
    }

    /// A lease without files yet; nothing is written before there is one.
    pub(super) fn begin(self: &Arc<Self>) -> Lease {
        Lease { leases: Arc::clone(self), noted: Mutex::default() }
    }

    fn folder(&self) -> io::Result<&Path> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((folder, _)) = self.own.get() {
            return Ok(folder);
        }
        let folder = self.cache.join(LEASES).join(uuid::Uuid::new_v4().simple().to_string());
        fs::create_dir_all(&folder)?;
        let lock = File::create(folder.join(LOCK))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(&self.own.get_or_init(|| (folder, lock)).0)
    }
}

impl Lease {
    /// From now on this file is needed; the name counts from the cache's folder. Whether it was not before.
    pub(super) fn note(&self, name: &Path) -> io::Result<bool> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.files.contains(name) {
            return Ok(false);
        }
        if noted.list.is_none() {
            let path = self.leases.folder()?.join(uuid::Uuid::new_v4().simple().to_string());
            let list = OpenOptions::new().append(true).create_new(true).open(&path)?;
            noted.list = Some((path, list));
        }
        if let Some((_, list)) = &mut noted.list {
            list.write_all(&[name.as_os_str().as_bytes(), b"\0"].concat())?;
        }
        Ok(noted.files.insert(name.to_owned()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let noted = self.noted.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, _)) = &noted.list {
            // What stays costs room in the cache, nothing else.
            let _ = fs::remove_file(path);
        }
    }
}

/// The files of a cache that runs need. Leases that do not count any more are removed.
///
/// # Errors
/// One cannot be read: then nobody knows.
pub(super) fn in_force(cache: &Path, now: SystemTime) -> io::Result<HashSet<PathBuf>> {
    let mut needed = HashSet::new();
    let folders = match fs::read_dir(cache.join(LEASES)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(needed),
        folders => folders?,
    };
    for folder in folders {
        let folder = folder?.path();
        if counts(&folder, now)? {
            read_leases(&folder, &mut needed)?;
        } else {
            let _ = fs::remove_dir_all(&folder);
        }
    }
    Ok(needed)
}

/// Whether the leases of a process still count.
fn counts(folder: &Path, now: SystemTime) -> io::Result<bool> {
    let mut lock = match OpenOptions::new().append(true).open(folder.join(LOCK)) {
        // One that is just being made has no lease.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        lock => lock?,
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(true);
    }
    let about = lock.metadata()?;
    let age = now.duration_since(about.modified()?).unwrap_or_default();
    let has_leases = fs::read_dir(folder)?.flatten().any(|entry| entry.file_name() != LOCK);
    if !has_leases {
        return Ok(age <= YOUNG);
    }
    if about.len() == 0 {
        // Its time begins now.
        lock.write_all(GONE)?;
        return Ok(true);
    }
    Ok(age <= LEFT)
}

fn read_leases(folder: &Path, needed: &mut HashSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        let mut text = Vec::new();
        match File::open(entry.path()) {
            // Its run has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            list => list?.take(MAX_LEASE).read_to_end(&mut text)?,
        };
        needed.extend(text.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(|name| PathBuf::from(OsStr::from_bytes(name))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_while_its_run_lasts_and_a_while_after_a_death() {
        let dir = tempfile::tempdir().unwrap();
        let (now, cache) = (SystemTime::now(), dir.path());
        let needed = |now| {
            let mut names: Vec<String> = in_force(cache, now).unwrap().iter().map(|name| name.display().to_string()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(needed(now), "");
        let leases = Arc::new(Leases::new(cache.to_owned()));
        let (first, second) = (leases.begin(), leases.begin());
        for (lease, name) in [(&first, "a/x"), (&first, "a/x"), (&first, "a/y z\n"), (&second, "a/x")] {
            lease.note(Path::new(name)).unwrap();
        }
        assert_eq!(needed(now + 2 * LEFT), "a/x a/y z\n", "its process lives");
        drop(first);
        assert_eq!(needed(now), "a/x");
        drop(second);
        assert_eq!(needed(now + 2 * LEFT), "");

        // As after `kill -9`: the lock is free, and the list is there.
        let lost = leases.begin();
        lost.note(Path::new("b/z")).unwrap();
        let folder = leases.folder().unwrap().to_owned();
        flock(&leases.own.get().unwrap().1, FlockOperation::Unlock).unwrap();
        assert_eq!(needed(now + 2 * LEFT), "b/z", "from the moment on at which it was seen");
        assert_eq!(needed(now + LEFT / 2), "b/z");
        assert_eq!(needed(now + 2 * LEFT), "");
        assert!(!folder.exists());
    }
}
