//! From which folder of a store the copies of a folder here come, so that what lies beside one of them there can be asked for.
//!
//! `.places/<hash>` holds the text that the hash is made of: what was written by halves, or by somebody else, is no place.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use super::Cache;
use crate::{folder::place, remote::Address};

/// Folder of the texts.
const PLACES: &str = ".places";

/// What lies beside a file, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The file is no copy of an object.
    NoCopy,
    /// It is one, but nobody can say of which object beside its own the name would be that.
    Unknown,
    /// The object with this URL, if there is one.
    At(String),
}

impl Cache {
    /// What object has a name beside that of which a file is the copy.
    pub fn beside(&self, file: &Path, name: &str) -> Beside {
        let Some(folder) = file.parent().filter(|folder| folder.parent().is_some_and(|parent| self.is_own(parent))) else {
            return Beside::NoCopy;
        };
        let Some(hash) = folder.file_name().and_then(|hash| hash.to_str()) else { return Beside::NoCopy };
        let whole = fs::read_to_string(self.folder.join(PLACES).join(hash)).ok().filter(|whole| hash_of(whole) == hash);
        let is_name = place(name).is_some_and(|path| path.components().count() == 1);
        match whole.filter(|_| is_name) {
            Some(whole) => Beside::At(format!("{}/{name}", whole.trim_end_matches('/'))),
            None => Beside::Unknown,
        }
    }

    fn is_own(&self, folder: &Path) -> bool {
        let canonical = || match self.canonical.get() {
            Some(known) => Some(known),
            // It is there as soon as a copy is.
            None => self.folder.canonicalize().ok().map(|found| self.canonical.get_or_init(|| found)),
        };
        folder == self.folder || canonical().is_some_and(|canonical| folder == canonical)
    }

    /// Notes from where the copies of an object's folder come, unless that is known.
    pub(super) fn note_place(&self, address: &Address) -> io::Result<()> {
        let whole = whole(address);
        let places = self.folder.join(PLACES);
        let file = places.join(hash_of(&whole));
        if fs::read_to_string(&file).is_ok_and(|known| known == whole) {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&places)?;
        let part = places.join(format!(".part-{}", uuid::Uuid::new_v4().simple()));
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let kept = written.and_then(|mut written| written.write_all(whole.as_bytes())).and_then(|()| fs::rename(&part, file));
        kept.inspect_err(|_| drop(fs::remove_file(&part)))
    }

    /// Removes the notes of folders that are no more, if they are older than this.
    pub(super) fn forget_places(&self, age: Duration, now: SystemTime) {
        let Ok(entries) = fs::read_dir(self.folder.join(PLACES)) else { return };
        for entry in entries.flatten() {
            let is_old =
                entry.metadata().and_then(|about| about.modified()).is_ok_and(|at| now.duration_since(at).is_ok_and(|is| is > age));
            let folder = self.folder.join(entry.file_name());
            if !is_old || folder.exists() {
                continue;
            }
            // Whoever brings something makes the folder first and looks for the note then: he finds none, or is seen here.
            let aside = entry.path().with_extension("old");
            if fs::rename(entry.path(), &aside).is_ok() {
                let _ = if folder.exists() { fs::rename(&aside, entry.path()) } else { fs::remove_file(&aside) };
            }
        }
    }
}

/// The folder of an object, in full.
pub(super) fn whole(address: &Address) -> String {
    let folder = address.key.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{}://{}/{folder}", address.scheme.name(), address.bucket)
}

/// The name of a folder here by that of the store's.
pub(super) fn hash_of(whole: &str) -> String {
    hex::encode(Sha256::digest(whole).get(..16).unwrap_or_default())
}
