//! Images that engines were given by us, and that nobody has used for long, are taken away from them again. Others are the
//! engine's own matter.

use std::{
    fs,
    path::Path,
    sync::PoisonError,
    time::{Duration, SystemTime},
};

use batchyard_runner::container::Engine;

use super::{GIVEN, Images, expiry::NOTED, source::is_hex};

/// Ending of the note of an image that is just being taken away.
const LEAVING: &str = "leaving";

/// Notes that an image is used. Whether it has a note at all.
pub(super) fn note_use(note: &Path, now: SystemTime) -> bool {
    let Ok(noted) = fs::metadata(note).and_then(|about| about.modified()) else { return false };
    if now.duration_since(noted).is_ok_and(|age| age < NOTED) {
        return true;
    }
    fs::File::options().write(true).open(note).and_then(|file| file.set_modified(now)).is_ok() && note.exists()
}

impl Images {
    /// Takes away from the engine what it was given and nobody has used for this long. How many. What a container still uses
    /// stays: the engine refuses to remove it.
    pub fn take_back_unused(&self, engine: &Engine, now: SystemTime, unused: Duration) -> usize {
        let entries = fs::read_dir(self.folder.join(GIVEN)).into_iter().flatten().flatten();
        let prefix = format!("{}-", engine.kind.program());
        let ids = entries.filter_map(|entry| {
            let name = entry.file_name();
            let id = name.to_str()?.strip_prefix(&prefix)?;
            let id = id.strip_suffix(LEAVING).and_then(|id| id.strip_suffix('.')).unwrap_or(id);
            is_hex(id).then(|| id.to_owned())
        });
        let ids: Vec<String> = ids.collect();
        ids.into_iter().filter(|id| self.take_back(engine, id, now, unused)).count()
    }

    /// Whether any engine was given something that nobody has used for this long.
    pub fn has_unused_given(&self, now: SystemTime, unused: Duration) -> bool {
        let entries = fs::read_dir(self.folder.join(GIVEN)).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| is_unused(&entry.path(), now, unused))
    }

    fn take_back(&self, engine: &Engine, id: &str, now: SystemTime, unused: Duration) -> bool {
        let (note, leaving) = (self.given(engine, id), self.given(engine, &format!("{id}.{LEAVING}")));
        // Whoever wants it from now on waits for the lock, and has it given again.
        let Some(lock) = self.lock_file("image", id).ok().filter(|file| file.try_lock().is_ok()) else { return false };
        // A note is left of one whose removal was cut off.
        let is_leaving = leaving.exists() && !note.exists();
        if !is_leaving && (!is_unused(&note, now, unused) || fs::rename(&note, &leaving).is_err()) {
            return false;
        }
        if !is_unused(&leaving, now, unused) {
            let _ = fs::rename(&leaving, &note);
            return false;
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&(engine.kind, id.to_owned()));
        let is_gone = engine.remove_image(&self.engine_name(engine, id));
        // One that is in use is looked at again after as long a time as any other.
        let _ = if is_gone { fs::remove_file(&leaving) } else { fs::rename(&leaving, &note) };
        drop(lock);
        is_gone
    }
}

fn is_unused(note: &Path, now: SystemTime, unused: Duration) -> bool {
    let noted = fs::metadata(note).and_then(|about| about.modified());
    noted.is_ok_and(|noted| now.duration_since(noted).is_ok_and(|age| age > unused))
}
