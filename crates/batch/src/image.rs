//! Images of containers that lie in the object store, or in a file.
//!
//! [`locate`] finds one by its name, [`source`] reads its parts, [`manifest`] what it says of itself. [`Images`] keeps what
//! was made of it: unpacked as a root file system (by [`unpack`]), or taken by an engine (from what [`archive`] writes). An
//! image is known by the digest of its description, which covers all of its content: whatever it is called and wherever
//! it lies, it is unpacked or taken once.

mod archive;
mod error;
mod expiry;
mod given;
mod locate;
mod manifest;
mod reference;
mod source;
mod unpack;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use batchyard_runner::container::{Engine, EngineKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::{
    error::ImageError,
    locate::{Located, Place as ImagePlace},
    reference::Reference,
    unpack::Limits,
};
use self::{
    manifest::{Image, hex},
    source::{Source, is_hex},
    unpack::Unpacker,
};

/// Most images that are kept unpacked.
const MAX_KEPT: usize = 1000;
/// How long an engine is believed to still have an image.
const BELIEVED: Duration = Duration::from_secs(60);
/// Age of files without a name that got to keep theirs because their process died.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Name of the images that were given to engines.
const ENGINE_NAME: &str = "localhost/batchyard-image";
/// Folder of notes that tell which image lay where.
const KNOWN: &str = "known";
/// Most of these notes.
const MAX_NOTES: usize = 10_000;
/// Folder of notes that tell when engines were last asked for an image that they were given.
const GIVEN: &str = "given";
/// Folder for locks.
const LOCKS: &str = "locks";
/// Pause between two tries to get a lock: unlike a wait for it they end with the attempt.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Folder for files without a name.
const SCRATCH: &str = "scratch";
/// Names in the folder of an image.
const ROOTFS: &str = "rootfs";
const ABOUT: &str = "image.json";

/// An image as a root file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// The root file system.
    pub rootfs: PathBuf,
    /// Environment of its commands.
    pub env: Vec<(String, String)>,
    /// Whether it has bash at its usual place.
    pub has_bash: bool,
}

/// The images that are kept.
#[derive(Debug)]
pub struct Images {
    folder: PathBuf,
    limits: Limits,
    /// When engines were last seen to have an image.
    seen: Mutex<HashMap<(EngineKind, String), Instant>>,
}

impl Images {
    /// Images that are kept in this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Images { folder, limits: Limits::default(), seen: Mutex::default() }
    }

    /// A folder on the same file system for files that live for a moment.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self) -> Result<PathBuf, ImageError> {
        self.make_folder(SCRATCH)
    }

    /// The image as a root file system, unpacked now if it was not before. Whoever comes meanwhile waits.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn unpacked(&self, located: &Located) -> Result<Unpacked, ImageError> {
        if let Some(kept) = self.known(located).and_then(|id| self.kept(&id)) {
            return Ok(kept);
        }
        let _place = self.lock_place(located)?;
        if let Some(kept) = self.known(located).and_then(|id| self.kept(&id)) {
            return Ok(kept);
        }
        let image = self.read(located)?;
        let _lock = self.lock_image(located, &image.id)?;
        if let Some(kept) = self.kept(&image.id) {
            self.remember(located, &image.id)?;
            return Ok(kept);
        }
        self.unpack(located, &image)?;
        self.remember(located, &image.id)?;
        self.kept(&image.id).ok_or_else(|| ImageError::malformed(&located.address(), "it was removed just after it was unpacked"))
    }

    /// The name under which the engine has the image, which it is given now if it has it not. Whoever comes meanwhile waits.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn in_engine(&self, located: &Located, engine: &Engine) -> Result<String, ImageError> {
        let given = || {
            // Its use is noted last: one that is just being taken away has no note.
            let id = self
                .known(located)
                .filter(|id| self.engine_has(engine, id) && given::note_use(&self.given(engine, id), SystemTime::now()))?;
            Some(self.engine_name(engine, &id))
        };
        if let Some(name) = given() {
            return Ok(name);
        }
        let _place = self.lock_place(located)?;
        if let Some(name) = given() {
            return Ok(name);
        }
        let image = self.read(located)?;
        let name = self.engine_name(engine, &image.id);
        let _lock = self.lock_image(located, &image.id)?;
        if !self.engine_has(engine, &image.id) {
            self.give(located, &image, engine, &name)?;
        }
        self.make_folder(GIVEN)?;
        let note = self.given(engine, &image.id);
        fs::write(&note, "").map_err(ImageError::file(format!("write `{}`", note.display())))?;
        self.remember(located, &image.id)?;
        Ok(name)
    }

    /// Removes what processes that died have left half made. What cannot be removed now stays until the next time.
    pub fn tidy(&self) {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
        for part in entries(&self.folder).into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "part")) {
            let id = part.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let free = self.lock_file("image", &id).ok().filter(|file| file.try_lock().is_ok());
            if free.is_some() {
                let _ = fs::remove_dir_all(&part);
            }
        }
        let is_old = |path: &PathBuf| {
            let modified = fs::metadata(path).and_then(|about| about.modified()).ok();
            modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > FORGOTTEN)
        };
        for file in entries(&self.folder.join(SCRATCH)).into_iter().filter(is_old) {
            let _ = fs::remove_file(&file);
        }
    }

    fn read(&self, located: &Located) -> Result<Image, ImageError> {
        let source = Source::open(located, &self.scratch()?)?;
        Image::read(&source, located)
    }

    /// What is there already of an image.
    fn kept(&self, id: &str) -> Option<Unpacked> {
        let text = fs::read(self.folder.join(id).join(ABOUT)).ok()?;
        let about: About = serde_json::from_slice(&text).ok()?;
        let rootfs = self.folder.join(id).join(ROOTFS);
        let is_there = expiry::note_use(&self.folder.join(id), SystemTime::now()) && rootfs.is_dir();
        is_there.then_some(Unpacked { rootfs, env: about.env, has_bash: about.has_bash })
    }

    fn unpack(&self, located: &Located, image: &Image) -> Result<(), ImageError> {
        self.check_room()?;
        let part = self.part(&image.id)?;
        let rootfs = part.join(ROOTFS);
        make_private(&rootfs).map_err(ImageError::file(format!("make `{}`", rootfs.display())))?;
        // `/` of the image must be everybody's.
        fs::set_permissions(&rootfs, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(ImageError::file(format!("change `{}`", rootfs.display())))?;
        let mut unpacker = Unpacker::new(&rootfs, self.limits);
        for (number, layer) in image.layers.iter().enumerate() {
            unpacker.layer(layer.blob.reader(), &layer.digest).map_err(|error| {
                // What cannot be used is not kept; the error is the news.
                let _ = fs::remove_dir_all(&part);
                ImageError::malformed(&located.address(), format!("layer {} of {}: {error}", number + 1, image.layers.len()))
            })?;
        }
        let about = About { env: image.env.clone(), has_bash: has(&rootfs, "/bin/bash") };
        if !about.has_bash && !has(&rootfs, "/bin/sh") {
            let _ = fs::remove_dir_all(&part);
            return Err(ImageError::malformed(&located.address(), "it has neither `/bin/bash` nor `/bin/sh` to run commands with"));
        }
        let finish = || -> io::Result<()> {
            fs::write(part.join(ABOUT), serde_json::to_vec(&about)?)?;
            // All of it is on the disk before it has its name.
            rustix::fs::syncfs(File::open(&part)?)?;
            fs::rename(&part, self.folder.join(&image.id))
        };
        finish().map_err(ImageError::file(format!("keep the image in `{}`", self.folder.display())))
    }

    fn check_room(&self) -> Result<(), ImageError> {
        let folder = self.folder.display().to_string();
        let entries = fs::read_dir(&self.folder).map_err(ImageError::file(format!("read `{folder}`")))?;
        let count = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_hex)).count();
        if count < MAX_KEPT { Ok(()) } else { Err(ImageError::TooMany { folder, count }) }
    }

    fn engine_name(&self, engine: &Engine, id: &str) -> String {
        match engine.kind {
            EngineKind::Docker | EngineKind::Podman => format!("{ENGINE_NAME}:{id}"),
            EngineKind::Apptainer => self.folder.join(format!("{id}.sif")).to_string_lossy().into_owned(),
        }
    }

    fn engine_has(&self, engine: &Engine, id: &str) -> bool {
        let key = (engine.kind, id.to_owned());
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen().get(&key).is_some_and(|at| at.elapsed() < BELIEVED) {
            return true;
        }
        let has = engine.has_image(&self.engine_name(engine, id));
        if has {
            let mut seen = seen();
            seen.retain(|_, at| at.elapsed() < BELIEVED);
            seen.insert(key, Instant::now());
        }
        has
    }

    fn give(&self, located: &Located, image: &Image, engine: &Engine, name: &str) -> Result<(), ImageError> {
        let part = self.part(&image.id)?;
        let file = part.join("image.tar");
        let done = archive::write(image, name, &file).map_err(ImageError::file(format!("write `{}`", file.display()))).and_then(|()| {
            // A file that is half made must not have the name.
            let made =
                if engine.kind == EngineKind::Apptainer { part.join("image.sif").to_string_lossy().into_owned() } else { name.to_owned() };
            engine
                .load(&file, &made, &part, located.attempt.as_ref())
                .map_err(|source| ImageError::Engine { place: located.address(), source })?;
            if made != name {
                fs::rename(&made, name).map_err(ImageError::file(format!("make `{name}`")))?;
            }
            Ok(())
        });
        // It is large, and the engine has its own copy.
        let _ = fs::remove_dir_all(&part);
        done
    }

    /// An empty folder for what becomes an image; what a dead process has left in it is gone. The image must be locked.
    fn part(&self, id: &str) -> Result<PathBuf, ImageError> {
        let part = self.folder.join(format!("{id}.part"));
        match fs::remove_dir_all(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ImageError::file(format!("clear `{}`", part.display()))(error));
            }
            _ => {}
        }
        make_private(&part).map_err(ImageError::file(format!("make `{}`", part.display())))?;
        Ok(part)
    }

    /// Keeps everybody else, also of other processes, from reading what lies there. Whoever holds it may lock an image, not
    /// the other way round.
    fn lock_place(&self, located: &Located) -> Result<File, ImageError> {
        self.lock(located, "place", &digest_of(&located.stamp))
    }

    /// Keeps everybody else, also of other processes, from making the same image out of what lies elsewhere.
    fn lock_image(&self, located: &Located, id: &str) -> Result<File, ImageError> {
        self.lock(located, "image", id)
    }

    fn lock(&self, located: &Located, kind: &str, digest: &str) -> Result<File, ImageError> {
        let file = self.lock_file(kind, digest)?;
        loop {
            located.check_wanted()?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => {
                    return Err(ImageError::file(format!("lock the {kind} in `{}`", self.folder.display()))(error));
                }
            }
        }
    }

    /// There are few locks: now and then somebody waits for another image.
    fn lock_file(&self, kind: &str, digest: &str) -> Result<File, ImageError> {
        let path = self.make_folder(LOCKS)?.join(format!("{kind}-{}", digest.get(..2).unwrap_or_default()));
        let opened = File::options().create(true).write(true).truncate(false).open(&path);
        opened.map_err(ImageError::file(format!("open `{}`", path.display())))
    }

    /// The note of an image that an engine was given.
    fn given(&self, engine: &Engine, id: &str) -> PathBuf {
        self.folder.join(GIVEN).join(format!("{}-{id}", engine.kind.program()))
    }

    fn note(&self, located: &Located) -> PathBuf {
        self.folder.join(KNOWN).join(digest_of(&located.stamp))
    }

    /// Which image lay there when somebody last looked, if nothing has changed there.
    fn known(&self, located: &Located) -> Option<String> {
        fs::read_to_string(self.note(located)).ok().filter(|id| is_hex(id))
    }

    fn remember(&self, located: &Located, id: &str) -> Result<(), ImageError> {
        let folder = self.make_folder(KNOWN)?;
        let unreadable = |source| ImageError::file(format!("read `{}`", folder.display()))(source);
        if fs::read_dir(&folder).map_err(unreadable)?.count() >= MAX_NOTES {
            // They only save a look at the images.
            fs::remove_dir_all(&folder).map_err(ImageError::file(format!("clear `{}`", folder.display())))?;
            self.make_folder(KNOWN)?;
        }
        let note = self.note(located);
        let fresh = folder.join(format!("{}.{}", id.get(..16).unwrap_or_default(), uuid::Uuid::new_v4()));
        let write = || fs::write(&fresh, id).and_then(|()| fs::rename(&fresh, &note));
        write().map_err(ImageError::file(format!("write `{}`", note.display())))
    }

    fn make_folder(&self, name: &str) -> Result<PathBuf, ImageError> {
        let folder = self.folder.join(name);
        make_private(&folder).map_err(ImageError::file(format!("make `{}`", folder.display())))?;
        Ok(folder)
    }
}

/// What is kept beside a root file system.
#[derive(Serialize, Deserialize)]
struct About {
    env: Vec<(String, String)>,
    has_bash: bool,
}

fn digest_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// A folder for nobody else: images hold programs that run as their owners.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether a root file system has a file there, links followed inside it.
fn has(rootfs: &Path, path: &str) -> bool {
    batchyard_runner::root::resolve(&[rootfs], Path::new(path)).is_ok_and(|path| rootfs.join(path).is_file())
}
