//! Room on the disk: an instance that fills more than it may is ended, and when the file system itself is nearly full those
//! that grow are, so that the server can go on recording what happens.
//!
//! One thread looks at everything that runs. A look walks through the folders of an attempt, so the next one comes the later
//! the longer it took: looking takes a few hundredths of a core at most, however many files there are.

mod measure;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use batchyard_runner::{Control, EndedBy, root::remove};

use self::measure::used;
use super::{Attempt, logs::MAX_LIVE_BYTES, view::SHARED};
use crate::engine::tell;

/// Time between two looks at the file system, and the shortest between two at an attempt.
const PERIOD: Duration = Duration::from_secs(1);
/// A look is followed by a pause so many times as long as it was.
const PAUSES: u32 = 50;
/// The longest of these.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Time that one who was ended gets to give its room back before the next is.
const RELIEF: Duration = Duration::from_secs(5);
/// The last looks at everybody begin when so many times the floor is free.
const NEAR: u64 = 2;
/// Bytes of a gibibyte.
const GIB: u64 = 1 << 30;
/// What stays of an attempt that was ended for its room, besides its logs.
const KEPT: [&str; 6] = ["script", "rc", "user.json", "world.json", "root.json", "script.kill"];
/// Its logs.
const LOGS: [&str; 2] = ["stdout", "stderr"];

/// How much instances may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an instance that asks for no disk; nothing for all that is free.
    pub usual: Option<u64>,
    /// Bytes that must stay free in the file system.
    pub floor: u64,
}

/// Watches what runs.
#[derive(Clone)]
pub struct Room {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    grace: Duration,
    free: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watched: HashMap<PathBuf, Watched>,
    /// When the next one may be ended because the file system is full.
    relief: Option<Instant>,
}

struct Watched {
    call: Option<PathBuf>,
    allowed: Option<u64>,
    control: Arc<Control>,
    next: Instant,
    used: Option<u64>,
    /// Bytes since the look before.
    grown: u64,
    ended: Option<String>,
}

impl Room {
    /// Watches what runs in a folder, on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn watch(limits: Limits, grace: Duration, folder: PathBuf) -> io::Result<Room> {
        let free = move || {
            let about = rustix::fs::statvfs(&folder).ok()?;
            Some(about.f_bavail.saturating_mul(about.f_frsize))
        };
        let room = Room::new(limits, grace, Box::new(free));
        let shared = Arc::clone(&room.shared);
        thread::Builder::new().name("room".into()).spawn(move || shared.serve())?;
        Ok(room)
    }

    fn new(limits: Limits, grace: Duration, free: Box<dyn Fn() -> Option<u64> + Send + Sync>) -> Room {
        Room { shared: Arc::new(Shared { limits, grace, free, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Looks at an attempt from now on.
    pub(super) fn follow(&self, attempt: &Attempt, control: &Arc<Control>) {
        let allowed = asked(attempt).or(self.shared.limits.usual);
        self.begin(attempt.dir.clone(), attempt.call.clone(), allowed, control);
    }

    fn begin(&self, dir: PathBuf, call: Option<PathBuf>, allowed: Option<u64>, control: &Arc<Control>) {
        let (control, next) = (Arc::clone(control), Instant::now() + PERIOD);
        let watched = Watched { call, allowed, control, next, used: None, grown: 0, ended: None };
        self.shared.lock().watched.insert(dir, watched);
        self.shared.changed.notify_one();
    }

    /// Does not look at it any more: why it was ended, if it was for its room. Then what it has filled is given back, except
    /// for what its logs had at most when it ran.
    pub(super) fn leave(&self, attempt: &Attempt) -> Option<String> {
        let watched = self.shared.lock().watched.remove(&attempt.dir)?;
        watched.ended.inspect(|_| give_back(&attempt.dir))
    }
}

/// What the disks that were asked for hold, in bytes: those of the task, or of its cluster.
fn asked(attempt: &Attempt) -> Option<u64> {
    let own = &attempt.task.description.auto_cluster.configs.disks;
    let disks = if own.system_disk.is_some() || own.data_disk.is_some() { own } else { &attempt.seat.disks };
    let sizes = [&disks.system_disk, &disks.data_disk].into_iter().flatten();
    let gib: u64 = sizes.filter_map(|disk| u64::try_from(disk.size).ok()).sum();
    (gib > 0).then(|| gib.saturating_mul(GIB))
}

fn give_back(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if LOGS.contains(&name) {
            let cut = || {
                let file = fs::OpenOptions::new().write(true).open(entry.path())?;
                if file.metadata()?.len() > MAX_LIVE_BYTES { file.set_len(MAX_LIVE_BYTES) } else { Ok(()) }
            };
            // One that cannot be cut is stored, or not, as a whole.
            let _ = cut();
        } else if !KEPT.contains(&name) {
            let done = if entry.path().is_dir() { remove(&entry.path()) } else { fs::remove_file(entry.path()) };
            if let Err(error) = done {
                tell(&format!("`{}` of an instance that filled the disk cannot be removed: {error}", entry.path().display()));
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // All parts are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        loop {
            // Nobody runs, nobody looks.
            let state = self.lock();
            drop(self.changed.wait_while(state, |state| state.watched.is_empty()).unwrap_or_else(PoisonError::into_inner));
            thread::sleep(PERIOD);
            self.look(Instant::now());
        }
    }

    /// One look at all whose time has come.
    fn look(&self, now: Instant) {
        let free = (self.free)();
        let near = free.is_some_and(|free| free < self.limits.floor.saturating_mul(NEAR));
        let due = |watched: &Watched| watched.ended.is_none() && (near || watched.allowed.is_some() && watched.next <= now);
        let folders: Vec<(PathBuf, Option<PathBuf>)> = self
            .lock()
            .watched
            .iter()
            .filter(|(_, watched)| due(watched))
            .map(|(dir, watched)| (dir.clone(), watched.call.clone()))
            .collect();
        for (dir, call) in folders {
            let begun = Instant::now();
            let folders: Vec<&Path> = [Some(dir.as_path()), call.as_deref()].into_iter().flatten().collect();
            let used = used(&folders, &SHARED);
            self.looked(&dir, used, begun.elapsed());
        }
        if free.is_some_and(|free| free < self.limits.floor) {
            self.make_room(free.unwrap_or(0), now);
        }
    }

    fn looked(&self, dir: &Path, used: u64, took: Duration) {
        let mut state = self.lock();
        let Some(watched) = state.watched.get_mut(dir) else { return };
        watched.grown = watched.used.map_or(0, |before| used.saturating_sub(before));
        watched.used = Some(used);
        watched.next = Instant::now() + (took * PAUSES).clamp(PERIOD, MAX_PAUSE);
        if let Some(allowed) = watched.allowed.filter(|allowed| used > *allowed) {
            let text = format!(
                "it has filled {} of its disk, and may fill {}: ask for a larger disk (`Disks`), or set `batch.disk`",
                size(used),
                size(allowed)
            );
            self.end(watched, text);
        }
    }

    /// The file system is nearly full: the one that has grown most since the look before is ended.
    fn make_room(&self, free: u64, now: Instant) {
        let mut state = self.lock();
        if state.relief.is_some_and(|until| until > now) {
            return;
        }
        let living = state.watched.values_mut().filter(|watched| watched.ended.is_none() && watched.grown > 0);
        let Some(most) = living.max_by_key(|watched| watched.grown) else { return };
        let text = format!(
            "the disk is nearly full: {} are free, {} must stay so (`batch.disk_floor`); the instance has filled {}, and grew more than any other",
            size(free),
            size(self.limits.floor),
            size(most.used.unwrap_or(0))
        );
        tell(&format!("an instance is ended: {text}"));
        self.end(most, text);
        state.relief = Some(now + RELIEF.max(self.grace));
    }

    fn end(&self, watched: &mut Watched, text: String) {
        watched.ended = Some(text);
        watched.control.end(EndedBy::Room, self.grace);
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", GIB), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let found = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    found.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{:.1} {name}", bytes as f64 / unit as f64))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn grow(dir: &Path, mib: usize) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("x"), vec![1; mib << 20]).unwrap();
    }

    #[test]
    fn who_takes_too_much_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::new(Limits { usual: None, floor: 0 }, Duration::ZERO, Box::new(|| Some(u64::MAX)));
        let (small, large) = (dir.path().join("small"), dir.path().join("large"));
        let controls: Vec<Arc<Control>> = [&small, &large]
            .into_iter()
            .map(|dir| {
                let control = Control::new(format!("room {}", dir.display()));
                room.begin(dir.clone(), None, Some(4 << 20), &control);
                control
            })
            .collect();
        grow(&small, 3);
        grow(&large, 5);
        room.shared.look(Instant::now());
        assert!(controls.iter().all(|control| control.ended_by().is_none()), "not yet");
        room.shared.look(Instant::now() + PERIOD * 2);
        assert_eq!((controls[0].ended_by(), controls[1].ended_by()), (None, Some(EndedBy::Room)));
        let state = room.shared.lock();
        let told = state.watched[&large].ended.clone().unwrap();
        assert!(told.starts_with("it has filled 5.0 MiB of its disk, and may fill 4.0 MiB"), "{told}");
    }

    #[test]
    fn a_full_disk_ends_who_grows() {
        let dir = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(1 << 40));
        let told = Arc::clone(&free);
        let room = Room::new(Limits { usual: None, floor: 1 << 30 }, Duration::ZERO, Box::new(move || Some(told.load(Ordering::Relaxed))));
        let [idle, slow, fast] = ["idle", "slow", "fast"].map(|name| dir.path().join(name));
        grow(&idle, 9);
        let controls = [&idle, &slow, &fast].map(|dir| {
            let control = Control::new(format!("room {}", dir.display()));
            room.begin(dir.clone(), None, None, &control);
            control
        });
        let now = Instant::now();
        let ended = || controls.each_ref().map(|control| control.ended_by().is_some());
        room.shared.look(now + PERIOD * 2);
        assert!(room.shared.lock().watched.values().all(|watched| watched.used.is_none()), "nobody need look while there is room");
        free.store(3 << 29, Ordering::Relaxed);
        room.shared.look(now + PERIOD * 3);
        grow(&slow, 1);
        grow(&fast, 3);
        free.store(1 << 29, Ordering::Relaxed);
        room.shared.look(now + PERIOD * 4);
        assert_eq!(ended(), [false, false, true], "the one that grew most");
        grow(&slow, 2);
        room.shared.look(now + PERIOD * 5);
        assert_eq!(ended(), [false, false, true], "it gets time to give back what it has");
        grow(&slow, 3);
        room.shared.look(now + PERIOD * 5 + RELIEF * 2);
        assert_eq!(ended(), [false, true, true]);
        room.shared.look(now + PERIOD * 5 + RELIEF * 4);
        assert_eq!(ended(), [false, true, true], "who does not grow is left alone");
    }
}
