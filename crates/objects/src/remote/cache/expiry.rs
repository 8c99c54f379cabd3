//! What was brought and nobody has used for long is removed, and the oldest of the rest where there is too much of it: all of it
//! can be brought again.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};

use super::{Cache, MARKS, lease};

/// Uses are noted once in this time at most.
const NOTED: Duration = Duration::from_secs(600);
/// What was noted within this time, so used within the last hour, stays, whatever is said: somebody may be about to open it or to give it a second name.
pub(super) const FRESH: Duration = Duration::from_secs(3600 + 600);
/// Pause between two looks at the whole cache while objects are brought.
const PAUSE: Duration = Duration::from_secs(600);
/// The file whose time tells of the last look.
const LOOKED: &str = ".looked";

/// How much is kept of what nobody uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// For how long, after its last use; without it for ever.
    pub unused: Option<Duration>,
    /// How many bytes; without it all.
    pub bytes: Option<u64>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One object in the cache.
struct Kept {
    file: PathBuf,
    mark: PathBuf,
    used: SystemTime,
    bytes: u64,
    /// Whether it has second names: then it takes no room of its own, and nothing is won when it goes.
    is_linked: bool,
}

/// Notes that the object of this mark is used, `surely` also if that was noted a moment ago.
pub(super) fn note_use(mark: &File, now: SystemTime, surely: bool) -> io::Result<()> {
    if !surely && now.duration_since(mark.metadata()?.modified()?).is_ok_and(|age| age < NOTED) {
        return Ok(());
    }
    mark.set_modified(now)
}

impl Cache {
    /// Removes what nobody has used for too long, and of what is left the longest unused as long as it is too much. What was used
    /// within the last hour, what a run needs that has not ended, and what has second names elsewhere stays.
    ///
    /// # Errors
    /// The cache cannot be read. What cannot be removed stays, for the next time.
    pub fn forget_unused(&self, now: SystemTime) -> io::Result<Removed> {
        let mut removed = Removed::default();
        if self.bounds == Bounds::default() {
            return Ok(removed);
        }
        let needed = lease::in_force(&self.folder, now)?;
        let mut kept = self.all_kept()?;
        kept.retain(|one| !one.is_linked);
        kept.sort_by_key(|one| one.used);
        let mut bytes: u64 = kept.iter().map(|one| one.bytes).sum();
        for one in kept {
            let age = now.duration_since(one.used).unwrap_or_default();
            let too_old = self.bounds.unused.is_some_and(|limit| age > limit);
            let too_much = self.bounds.bytes.is_some_and(|limit| bytes > limit);
            if age <= FRESH || !(too_old || too_much) || self.is_needed(&one, &needed) || !remove(&one) {
                continue;
            }
            bytes -= one.bytes;
            removed = Removed { files: removed.files + 1, bytes: removed.bytes + one.bytes };
        }
        self.forget_places(FRESH, now);
        Ok(removed)
    }

    /// The same when something was brought, unless somebody has just looked.
    pub(super) fn tidy(&self) {
        if self.bounds == Bounds::default() {
            return;
        }
        let now = SystemTime::now();
        // Its byte says that it was there before: a new one was looked at never.
        let Ok(looked) = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.folder.join(LOOKED)) else {
            return;
        };
        let is_recent = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age < PAUSE);
        let was_looked = looked.metadata().is_ok_and(|about| about.len() > 0 && about.modified().is_ok_and(is_recent));
        if was_looked || flock(&looked, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        // What cannot be looked at now is looked at the next time; whoever brings an object has it all the same.
        let _ = looked.write_all_at(b"\n", 0).and_then(|()| looked.set_modified(now));
        let _ = self.forget_unused(now);
    }

    fn is_needed(&self, one: &Kept, needed: &HashSet<PathBuf>) -> bool {
        one.file.strip_prefix(&self.folder).is_ok_and(|name| needed.contains(name))
    }

    fn all_kept(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for folder in entries(&self.folder)?.into_iter().filter(|folder| is_hash(folder)) {
            for mark in entries(&folder.join(MARKS))? {
                let Some(name) = mark.file_name() else { continue };
                let file = folder.join(name);
                // Somebody else was faster.
                let Ok(used) = fs::metadata(&mark).and_then(|about| about.modified()) else { continue };
                let about = fs::metadata(&file).ok();
                let bytes = about.as_ref().map_or(0, |about| about.len());
                kept.push(Kept { is_linked: about.is_some_and(|about| about.nlink() > 1), file, mark, used, bytes });
            }
        }
        Ok(kept)
    }
}

fn is_hash(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

/// Removes one, unless somebody is at it or has used it since. Whoever wants it from now on brings it again.
fn remove(one: &Kept) -> bool {
    let Ok(mark) = OpenOptions::new().read(true).write(true).open(&one.mark) else { return false };
    if flock(&mark, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    let is_unused = mark.metadata().and_then(|about| about.modified()).is_ok_and(|used| used == one.used);
    // The file first: a mark without it only says that it has to be brought.
    let is_gone = || match fs::remove_file(&one.file) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(()) => true,
    };
    if !is_unused || !is_gone() || fs::remove_file(&one.mark).is_err() {
        return false;
    }
    // Those that hold others stay.
    if let Some(marks) = one.mark.parent() {
        let _ = fs::remove_dir(marks);
    }
    if let Some(folder) = one.file.parent() {
        let _ = fs::remove_dir(folder);
    }
    true
}
