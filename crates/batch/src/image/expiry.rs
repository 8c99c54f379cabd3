//! Unpacked images that nobody has used for long are removed: they are large, and can be unpacked again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{ABOUT, Images, source::is_hex};

/// Uses are noted once in this time at most: thousands of instances of one image need not write each.
pub(super) const NOTED: Duration = Duration::from_secs(24 * 3600);

/// Notes that an image is used. Whether it is still there.
pub(super) fn note_use(image: &Path, now: SystemTime) -> bool {
    let about = image.join(ABOUT);
    let Ok(noted) = last_use(&about) else { return false };
    if now.duration_since(noted).is_ok_and(|age| age < NOTED) {
        return true;
    }
    let touch = || File::options().write(true).open(&about).and_then(|file| file.set_modified(now));
    // In somebody else's folder uses are not noted; it is there all the same. One that is just being removed is not.
    let _ = touch();
    about.exists()
}

fn last_use(about: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(about)?.modified()
}

impl Images {
    /// Removes unpacked images that nobody has used for this long, and that no process sees. How many.
    pub fn forget_unused(&self, now: SystemTime, unused: Duration) -> usize {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| Some((entry.file_name().to_str().filter(|name| is_hex(name))?.to_owned(), entry.path())));
        let old: Vec<(String, PathBuf)> = named.filter(|(_, image)| is_unused(image, now, unused)).collect();
        if old.is_empty() {
            return 0;
        }
        let seen = mounted(Path::new("/proc"));
        let mut removed = 0;
        for (id, image) in old {
            removed += usize::from(!seen.contains(&id) && self.forget(&id, &image, now, unused));
        }
        removed
    }

    /// Whoever wants the image at this moment either notes its use before it loses its name, and it gets it back, or does
    /// not find it and waits for the lock, to unpack it again.
    fn forget(&self, id: &str, image: &Path, now: SystemTime, unused: Duration) -> bool {
        let Some(lock) = self.lock_file("image", id).ok().filter(|file| file.try_lock().is_ok()) else { return false };
        let part = self.folder.join(format!("{id}.part"));
        if part.exists() || fs::rename(image, &part).is_err() {
            return false;
        }
        if !is_unused(&part, now, unused) {
            let _ = fs::rename(&part, image);
            return false;
        }
        // What is left of it after a crash is removed with the next start.
        let _ = fs::remove_dir_all(&part);
        drop(lock);
        true
    }
}

fn is_unused(image: &Path, now: SystemTime, unused: Duration) -> bool {
    last_use(&image.join(ABOUT)).is_ok_and(|noted| now.duration_since(noted).is_ok_and(|age| age > unused))
}

/// What all processes have mounted. Roots of instances are layers over their images, so these are named there.
fn mounted(processes: &Path) -> String {
    let entries = fs::read_dir(processes).into_iter().flatten().flatten();
    let mut seen = String::new();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))) {
        let text = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        // Most processes share a name space.
        for line in text.lines().filter(|line| line.contains("/rootfs")) {
            seen.push_str(line);
            seen.push('\n');
        }
    }
    seen
}
