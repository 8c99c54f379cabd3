//! Files of data: each is written once, under an id, and never changed.
//!
//! A file that the index does not name is garbage. It is unlinked when nobody can be reading it any more, which the
//! chain of [`Epoch`]s tells: a reader holds the epoch in which it looked into the index, each epoch holds the next one
//! and the files that went out of use while it was the current one. What a crash leaves behind is swept at the next start.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use crate::ObjectError;

/// When is something stored?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// When the disk says so: survives the loss of power.
    #[default]
    Always,
    /// When the operating system has it: survives the end of the process, not the loss of power.
    Off,
}

/// Id of a file, of bytes in the index, or of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub(crate) u128);

impl Id {
    /// Reads the 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }

    fn generation(self) -> u128 {
        self.0 >> GENERATION_SHIFT
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032X}", self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an id"))
    }
}

/// The first 32 bits of an id count the starts of the store: files of an earlier start that nobody names are garbage.
const GENERATION_SHIFT: u32 = 96;

/// The folder of data.
#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    generation: u64,
    made: AtomicU64,
    pub(crate) sync: Sync,
    reserve: u64,
    current: Mutex<Arc<Epoch>>,
}

/// A file that is being written. Dropped without [`DataFile::keep`], it goes away.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) id: Id,
    pub(crate) file: File,
    path: PathBuf,
    kept: bool,
}

impl DataFile {
    /// The index may name it now.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed at the next start.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A span of time in which files went out of use.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    garbage: Mutex<Garbage>,
}

#[derive(Debug, Default)]
struct Garbage {
    paths: Vec<PathBuf>,
    next: Option<Arc<Epoch>>,
}

impl Drop for Epoch {
    fn drop(&mut self) {
        let mut garbage = std::mem::take(self.garbage.get_mut().unwrap_or_else(PoisonError::into_inner));
        // A loop, because a chain may be longer than a stack is deep.
        loop {
            for path in &garbage.paths {
                drop(fs::remove_file(path));
            }
            let Some(mut next) = garbage.next.and_then(Arc::into_inner) else { break };
            garbage = std::mem::take(next.garbage.get_mut().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Files {
    /// `generation` is the number of this start.
    pub(crate) fn open(root: PathBuf, generation: u64, sync: Sync, reserve: u64) -> Result<Self, ObjectError> {
        for first in 0..=u8::MAX {
            let folder = root.join(hex::encode([first]));
            fs::create_dir_all(&folder).map_err(ObjectError::io(format!("cannot make `{}`", folder.display())))?;
        }
        Ok(Self { root, generation, made: AtomicU64::new(0), sync, reserve, current: Mutex::default() })
    }

    /// An id that nothing has.
    pub(crate) fn id(&self) -> Id {
        let low = (uuid::Uuid::new_v4().as_u128() & 0xffff_ffff) << 64 | u128::from(self.made.fetch_add(1, Ordering::Relaxed));
        Id(u128::from(self.generation) << GENERATION_SHIFT | low)
    }

    pub(crate) fn path(&self, id: Id) -> PathBuf {
        let folder = hex::encode([id.0.to_le_bytes()[0]]);
        self.root.join(folder).join(format!("{:032x}", id.0))
    }

    /// Refuses to fill the disk to its end, because the index must be able to grow.
    pub(crate) fn check_room(&self) -> Result<(), ObjectError> {
        let stat = rustix::fs::statvfs(&self.root).map_err(|e| ObjectError::io("cannot ask for the room on the disk")(e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < self.reserve { Err(ObjectError::DiskFull { free, reserve: self.reserve }) } else { Ok(()) }
    }

    pub(crate) fn create(&self) -> Result<DataFile, ObjectError> {
        let id = self.id();
        let path = self.path(id);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(ObjectError::io(format!("cannot make `{}`", path.display())))?;
        Ok(DataFile { id, file, path, kept: false })
    }

    /// A second name for the bytes of another file here; fails where links are not possible.
    pub(crate) fn link(&self, other: Id) -> io::Result<DataFile> {
        let id = self.id();
        let path = self.path(id);
        fs::hard_link(self.path(other), &path)?;
        let file = File::open(&path)?;
        Ok(DataFile { id, file, path, kept: false })
    }

    /// Brings a finished file and its name to the disk.
    pub(crate) fn seal(&self, data: &DataFile) -> Result<(), ObjectError> {
        if self.sync == Sync::Off {
            return Ok(());
        }
        let failed = || format!("cannot bring `{}` to the disk", data.path.display());
        data.file.sync_all().map_err(ObjectError::io(failed()))?;
        let folder = data.path.parent().unwrap_or(&self.root);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(ObjectError::io(failed()))
    }

    /// While this is held, no file goes away that the index named when it was taken.
    pub(crate) fn pin(&self) -> Arc<Epoch> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Files that the index does not name any more. They go away when the answer, and whatever readers hold, is dropped.
    #[must_use]
    pub(crate) fn discard(&self, ids: &[Id]) -> Arc<Epoch> {
        let next = Arc::new(Epoch::default());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, Arc::clone(&next));
        let paths = ids.iter().map(|id| self.path(*id)).collect();
        *old.garbage.lock().unwrap_or_else(PoisonError::into_inner) = Garbage { paths, next: Some(next) };
        old
    }

    /// Removes what earlier starts left behind: files that `is_named` does not know. Stops when `is_named` fails.
    pub(crate) fn sweep(&self, mut is_named: impl FnMut(Id) -> Result<bool, ObjectError>) -> Result<u64, ObjectError> {
        let mut removed = 0;
        for first in 0..=u8::MAX {
            let folder = self.root.join(hex::encode([first]));
            let entries = fs::read_dir(&folder).map_err(ObjectError::io(format!("cannot list `{}`", folder.display())))?;
            for entry in entries.flatten() {
                let name = entry.file_name();
                let Some(id) = name.to_str().and_then(Id::parse) else { continue };
                if id.generation() < u128::from(self.generation) && !is_named(id)? && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_when_nobody_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().join("data"), 1, Sync::Off, 0).unwrap();
        let make = || {
            let file = files.create().unwrap();
            let id = file.id;
            file.keep();
            id
        };
        let (a, b) = (make(), make());
        let reader = files.pin();
        drop(files.discard(&[a]));
        let later = files.pin();
        drop(files.discard(&[b]));
        assert!(files.path(a).exists() && files.path(b).exists());
        drop(later);
        assert!(files.path(b).exists(), "the first reader may still read it");
        drop(reader);
        assert!(!files.path(a).exists() && !files.path(b).exists());
    }

    #[test]
    fn long_chains_are_dropped_without_recursion() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().join("data"), 1, Sync::Off, 0).unwrap();
        let reader = files.pin();
        for _ in 0..200_000 {
            drop(files.discard(&[]));
        }
        drop(reader);
    }

    #[test]
    fn what_is_left_behind_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Files::open(folder.path().join("data"), 1, Sync::Off, 0).unwrap();
        let (named, lost) = (first.create().unwrap(), first.create().unwrap());
        let (named_id, lost_id) = (named.id, lost.id);
        named.keep();
        lost.keep();
        let second = Files::open(folder.path().join("data"), 2, Sync::Off, 0).unwrap();
        let young = second.create().unwrap();
        assert_eq!(second.sweep(|id| Ok(id == named_id)).unwrap(), 1);
        assert!(second.path(named_id).exists() && second.path(young.id).exists() && !second.path(lost_id).exists());
        drop(young);
    }

    #[test]
    fn a_full_disk_is_refused_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::open(folder.path().join("data"), 1, Sync::Off, u64::MAX).unwrap();
        assert!(matches!(files.check_room(), Err(ObjectError::DiskFull { .. })));
    }
}
