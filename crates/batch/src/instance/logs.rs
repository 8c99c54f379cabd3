//! Logs: standard output, standard error and the files of `LogMapping` become objects, now and then while the command
//! runs and as a whole when it has ended.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use batchyard_objects::{ObjectError, Objects};
use rustix::fs::OFlags;

use super::{Attempt, PlaceError, access::as_text, bucket_and_key, left::Left, view::View};

/// Time between two looks at the logs of what runs.
const PERIOD: Duration = Duration::from_secs(2);
/// Bytes of a log that are stored while it grows; the rest comes when the command has ended.
pub(super) const MAX_LIVE_BYTES: u64 = 64 << 20;
/// Most bytes of a log that is stored while the next command runs already.
const QUICK_BYTES: u64 = 64 << 10;
/// Attempts whose logs are stored while others run in their place.
const MAX_LATE: usize = 64;
/// Bytes of a log that are stored at a time.
const PIECE_BYTES: u64 = 4 << 20;

/// Prefix of the objects of a log, with its last slash.
fn folder_of(path: &str) -> String {
    if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}

/// Address of the object that holds a log of an instance: `stdout`, `stderr`, or the name of a file.
pub fn address(prefix: &str, name: &str, job: &str, task: &str, number: u32) -> String {
    format!("{}{name}.{job}.{task}.{number}", folder_of(prefix))
}

/// The logs of an attempt: file here, address there.
fn logs_of(attempt: &Attempt) -> Vec<(PathBuf, String)> {
    let parameters = &attempt.task.description.parameters;
    let streams = [("stdout", &parameters.stdout_redirect_path), ("stderr", &parameters.stderr_redirect_path)];
    let named = streams.into_iter().filter(|(_, prefix)| !prefix.is_empty());
    named
        .map(|(name, prefix)| {
            let address = address(prefix, name, attempt.job.as_str(), &attempt.task.name, attempt.number);
            (attempt.dir.join(name), address)
        })
        .collect()
}

/// Stores all logs as they are now. A file of `LogMapping` that was never written is no error.
pub fn keep(attempt: &Attempt, view: &View, patience: Duration) -> Result<(), PlaceError> {
    let mut logs = logs_of(attempt);
    for (path, _) in &logs {
        view.check(path)?;
    }
    let mut found = Vec::new();
    for (local, prefix) in &attempt.task.description.log_mapping {
        let path = view.host_path(local)?;
        let unreadable = |source| PlaceError::File { what: format!("read the log `{local}`"), source };
        if let Some(left) = Left::find(attempt.user.as_ref(), &path).map_err(unreadable)? {
            view.check(&path)?;
            let name = local.rsplit('/').next().unwrap_or(local);
            logs.push((left.path.clone(), address(prefix, name, attempt.job.as_str(), &attempt.task.name, attempt.number)));
            found.push(left);
        }
    }
    attempt.access.put_logs(&logs, patience)
}

/// Whether there are logs, and only such as are stored in no time but for the disk's: then the next command may begin meanwhile.
pub fn are_quick(attempt: &Attempt) -> bool {
    let logs = logs_of(attempt);
    let is_quick = |(path, url): &(PathBuf, String)| {
        attempt.access.is_open_here(url) && fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() <= QUICK_BYTES)
    };
    !logs.is_empty() && attempt.task.description.log_mapping.is_empty() && logs.iter().all(is_quick)
}

/// Opens a log. A command in a container could have put a link to some file of this machine in its place.
pub fn open(path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Stores logs while their commands run. One thread for all of them.
#[derive(Clone)]
pub struct Shipper {
    shared: Arc<Shared>,
}

/// Room for logs that are stored while the next command runs already; given back when it is dropped.
pub(super) struct Late(Arc<Shared>);

impl Drop for Late {
    fn drop(&mut self) {
        self.0.late.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Shared {
    objects: Objects,
    /// Attempts whose logs are stored while others run in their place.
    late: AtomicUsize,
    followed: Mutex<Followed>,
    changed: Condvar,
}

#[derive(Default)]
struct Followed {
    logs: HashMap<PathBuf, Vec<Growing>>,
    closed: bool,
    /// The folder whose logs are being stored just now.
    busy: Option<PathBuf>,
}

#[derive(Clone)]
struct Growing {
    path: PathBuf,
    url: String,
    stored: u64,
}

impl Shipper {
    /// A shipper, with its thread.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(objects: Objects) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { objects, late: AtomicUsize::new(0), followed: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("logs".into()).spawn(move || of_thread.serve())?;
        Ok(Shipper { shared })
    }

    /// Looks at the logs of an attempt from now on.
    pub(super) fn follow(&self, attempt: &Attempt) {
        // What another store gets, it gets as a whole when the command has ended.
        let logs = logs_of(attempt).into_iter().filter(|(_, url)| attempt.access.is_embedded(url));
        let logs: Vec<Growing> = logs.map(|(path, url)| Growing { path, url, stored: 0 }).collect();
        // What may not be stored is told at the end.
        if logs.iter().all(|log| attempt.access.write(&log.url).is_ok()) && !logs.is_empty() {
            self.shared.lock().logs.insert(attempt.dir.clone(), logs);
        }
    }

    /// Does not look at them any more; when this returns nothing is being stored.
    pub(super) fn leave(&self, attempt: &Attempt) {
        let mut followed = self.shared.lock();
        followed.logs.remove(&attempt.dir);
        while followed.busy.as_ref() == Some(&attempt.dir) {
            followed = self.shared.changed.wait(followed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the logs of an attempt be stored while the next one runs already, unless there are many such attempts.
    pub(super) fn late(&self) -> Option<Late> {
        let room = |late: usize| (late < MAX_LATE).then_some(late + 1);
        self.shared.late.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Late(Arc::clone(&self.shared)))
    }

    /// Ends the thread.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        loop {
            let followed = self.lock();
            let (followed, _) = self.changed.wait_timeout_while(followed, PERIOD, |f| !f.closed).unwrap_or_else(PoisonError::into_inner);
            if followed.closed {
                return;
            }
            let all: Vec<PathBuf> = followed.logs.keys().cloned().collect();
            drop(followed);
            for dir in all {
                self.ship(&dir);
            }
        }
    }

    fn ship(&self, dir: &Path) {
        let mut followed = self.lock();
        let Some(logs) = followed.logs.get(dir).cloned() else { return };
        followed.busy = Some(dir.to_owned());
        drop(followed);
        // What cannot be stored now is stored, or told, at the end.
        let grown: Vec<Growing> = logs.into_iter().map(|log| self.grow(&log).unwrap_or(log)).collect();
        let mut followed = self.lock();
        followed.busy = None;
        if let Some(logs) = followed.logs.get_mut(dir) {
            *logs = grown;
        }
        drop(followed);
        self.changed.notify_all();
    }

    /// Stores a piece of what was added.
    fn grow(&self, log: &Growing) -> Option<Growing> {
        let mut file = open(&log.path).ok()?;
        let length = file.metadata().ok()?.len().min(MAX_LIVE_BYTES);
        let piece = length.saturating_sub(log.stored).min(PIECE_BYTES);
        if piece == 0 {
            return None;
        }
        file.seek(SeekFrom::Start(log.stored)).ok()?;
        let (bucket, key) = bucket_and_key(&log.url);
        if log.stored == 0 {
            // What an earlier attempt has left cannot be added to.
            self.objects.delete(bucket, key).ok()?;
        }
        let add = || -> Result<(), ObjectError> {
            let mut draft = self.objects.draft()?;
            draft.read_from(&mut file.take(piece))?;
            self.objects.append(bucket, key, log.stored, draft.finish()?, as_text()).map(drop)
        };
        add().ok()?;
        Some(Growing { stored: log.stored + piece, ..log.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_logs_are_late_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let shipper = Shipper::new(Objects::open(folder.path(), batchyard_objects::Options::default()).unwrap()).unwrap();
        let mut late: Vec<Late> = (0..MAX_LATE).map(|_| shipper.late().unwrap()).collect();
        assert!(shipper.late().is_none());
        drop(late.pop());
        assert!(shipper.late().is_some());
        shipper.close();
    }
}
