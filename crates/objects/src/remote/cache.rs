//! Objects of other stores that were brought here: each once, and again only when it has changed.
//!
//! `<folder>/<hash of the address's folder>/<name>` is the file, so that an index is found beside its file; `.marks` beside it says
//! which state of the object that is, and when it was last used. Whoever brings an object holds the lock of its mark, so that others
//! wait for it instead of bringing it too: also those of another process. What nobody uses is removed again ([`expiry`]), but not what
//! a run still needs ([`lease`]).

mod expiry;
mod lease;
mod places;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};

use self::lease::{Lease, Leases};
pub use self::{
    expiry::{Bounds, Removed},
    places::Beside,
};
use super::{Address, RemoteError, Stat, Stores};
use crate::folder::{place, stamp};

/// Folder of what is on its way.
const PARTS: &str = ".parts";
/// Folder of marks, beside the files.
const MARKS: &str = ".marks";
/// How often a mark is made again that somebody removes.
const MAX_TRIES: u32 = 100;
/// Bytes of a mark that are read.
const MAX_MARK: u64 = 8 << 10;

/// Keeps objects of other stores below a folder.
#[derive(Clone)]
pub struct Cache {
    stores: Stores,
    folder: PathBuf,
    /// The folder under its true name, once that was asked for.
    canonical: OnceLock<PathBuf>,
    names: Option<Names>,
    wanted: Option<Wanted>,
    bounds: Bounds,
    leases: Arc<Leases>,
    lease: Option<Arc<Lease>>,
}

/// Whether somebody still wants what is being brought.
pub(super) type Wanted = Arc<dyn Fn() -> bool + Send + Sync>;

/// The name of an account by its id.
type Names = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stores", &self.stores).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache below a folder, which is made when it is needed.
    pub fn new(stores: Stores, folder: PathBuf) -> Cache {
        let leases = Arc::new(Leases::new(folder.clone()));
        Cache { stores, folder, canonical: OnceLock::new(), names: None, wanted: None, bounds: Bounds::default(), leases, lease: None }
    }

    /// The same that keeps no more than this; see [`Cache::forget_unused`].
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Cache {
        Cache { bounds, ..self }
    }

    /// The same for a run: what it brings stays at least until the last copy of this is dropped, and where its process dies, long
    /// enough for another one to take the run up.
    #[must_use]
    pub fn leased(&self) -> Cache {
        Cache { lease: Some(Arc::new(self.leases.begin())), ..self.clone() }
    }

    /// The same for accounts with ids: settings name them by their names.
    #[must_use]
    pub fn with_names(self, names: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Cache {
        Cache { names: Some(Arc::new(names)), ..self }
    }

    /// The same for somebody who may lose his interest: what is being brought for him then ends with [`RemoteError::Unwanted`].
    #[must_use]
    pub fn wanted_while(self, wanted: impl Fn() -> bool + Send + Sync + 'static) -> Cache {
        Cache { wanted: Some(Arc::new(wanted)), ..self }
    }

    /// Whether something may be read, or written, at a URL by the jobs of an account, which is named by its id.
    ///
    /// # Errors
    /// It may not, or no store is configured.
    pub fn allow(&self, url: &str, account: Option<&str>, write: bool) -> Result<(), RemoteError> {
        let name = account.and_then(|id| self.names.as_ref()?(id));
        self.stores.allow(url, name.as_deref().or(account), write)
    }

    /// Whose objects they are.
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// The file that is like an object now. It must not be written to. Without a lease it stays for an hour at least.
    ///
    /// # Errors
    /// There is no such object, or it cannot be had.
    pub fn file(&self, url: &str) -> Result<PathBuf, RemoteError> {
        let (file, was_brought) = self.up_to_date(url)?;
        if was_brought {
            self.tidy();
        }
        Ok(file)
    }

    /// The file that was last brought for an object, whatever that is now; it is held as [`Cache::hold`] says.
    pub fn kept(&self, address: &Address) -> Option<PathBuf> {
        let (file, _) = self.places(address).ok()?;
        self.hold(&file).ok()?;
        Some(file).filter(|file| file.is_file())
    }

    /// A file of this cache that an earlier process has brought for the same run is still needed. Others are not looked at.
    ///
    /// # Errors
    /// That cannot be noted.
    pub fn hold(&self, file: &Path) -> Result<(), RemoteError> {
        let below = file.strip_prefix(&self.folder).ok().and_then(|below| Some((below.parent()?, below.file_name()?)));
        match below {
            Some((folder, name)) if self.lease.is_some() && file.is_file() => {
                self.noted(file, &self.folder.join(folder).join(MARKS).join(name)).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The lock of the mark, after this use was noted: who is about to remove the file looks at the mark's time again while he holds it.
    fn noted(&self, file: &Path, mark_path: &Path) -> Result<File, RemoteError> {
        let mark = opened(mark_path).map_err(RemoteError::file("keep", mark_path))?;
        let is_new = match (&self.lease, file.strip_prefix(&self.folder)) {
            (Some(lease), Ok(name)) => lease.note(name).map_err(RemoteError::file("note a use of", file))?,
            _ => false,
        };
        expiry::note_use(&mark, SystemTime::now(), is_new).map_err(RemoteError::file("keep", mark_path))?;
        Ok(mark)
    }

    /// The file, and whether it had to be brought.
    fn up_to_date(&self, url: &str) -> Result<(PathBuf, bool), RemoteError> {
        let address = Address::object(url)?;
        let (file, mark_path) = self.places(&address)?;
        let mut mark = self.noted(&file, &mark_path)?;
        // Where that fails the file is as good, and who looks for what lies beside it is told that nobody knows.
        let _ = self.note_place(&address);
        let state = self.state(&address, &self.stores.stat(url)?);
        // A task that runs as the server's own user could have written to what it got a second name of.
        if stamp(&file).is_ok_and(|stamp| read(&mut mark).is_ok_and(|kept| kept == state + &stamp)) {
            return Ok((file, false));
        }
        let parts = self.folder.join(PARTS);
        fs::create_dir_all(&parts).map_err(RemoteError::file("make", &parts))?;
        sweep(&parts);
        // From here on until the end the file is of no known state.
        mark.set_len(0).map_err(RemoteError::file("keep", &mark_path))?;
        let part = parts.join(uuid::Uuid::new_v4().simple().to_string());
        let stat = self.stores.fetch(&address, &part, &file, self.wanted.as_ref())?;
        let stamp = stamp(&file).map_err(RemoteError::file("read", &file))?;
        write(&mut mark, &(self.state(&address, &stat) + &stamp)).map_err(RemoteError::file("keep", &mark_path))?;
        Ok((file, true))
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
        let name = address.key.rsplit_once('/').map_or(&*address.key, |(_, name)| name);
        let name = place(name).filter(|name| name.as_os_str() != MARKS);
        let name = name.ok_or_else(|| RemoteError::NoFileName { url: address.to_string(), key: address.key.clone() })?;
        let folder = self.folder.join(places::hash_of(&places::whole(address)));
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
    let mut tries = MAX_TRIES;
    loop {
        tries -= 1;
        match lock(path) {
            // It was just removed, or its folder: whoever does that holds it for a moment only.
            Ok(None) if tries > 0 => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => {}
            Ok(None) => return Err(io::Error::other("it is removed again and again")),
            Ok(Some(mark)) => return Ok(mark),
            Err(error) => return Err(error),
        }
    }
}

/// The file of this name with its lock; none where it has lost the name meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    let named = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        named => named?,
    };
    let held = file.metadata()?;
    Ok(((named.dev(), named.ino()) == (held.dev(), held.ino())).then_some(file))
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
const YOUNG: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_the_killed_have_left_is_swept_and_what_is_under_way_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, age: Duration| {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
            file
        };
        let under_way = made("under-way", 2 * YOUNG);
        flock(&under_way, FlockOperation::NonBlockingLockExclusive).unwrap();
        drop((made("left", 2 * YOUNG), made("young", Duration::ZERO)));
        sweep(dir.path());
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["under-way", "young"]);
    }
}
