//! Files to and from the object store. Large ones go in parts; what was interrupted goes on where it stopped.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::{
    location::Location,
    multipart::Part,
    progress::{Progress, Watched},
    store::Store,
};
use crate::{failure::Failure, sign};

/// Files above this size are uploaded in parts.
pub const PARTS_ABOVE: u64 = 32 << 20;
/// Smallest part.
const PART: u64 = 8 << 20;
/// Most parts of one object.
const MAX_PARTS: u64 = 9_000;
/// Tries of one request.
const TRIES: u32 = 4;
/// How much is read at once.
const BUFFER: usize = 128 << 10;

/// Carries files, and remembers how far it got.
pub struct Transfers<'s> {
    store: &'s Store,
    folder: PathBuf,
}

/// How far an upload got.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Uploading {
    size: u64,
    modified_ns: u128,
    part_size: u64,
    upload: String,
    parts: Vec<Part>,
}

/// What a download is of.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Downloading {
    size: u64,
    etag: String,
}

impl<'s> Transfers<'s> {
    /// Transfers that keep their state in `folder`.
    pub fn new(store: &'s Store, folder: PathBuf) -> Transfers<'s> {
        Transfers { store, folder }
    }

    /// Uploads a file; `whole` sends it in one request whatever its size.
    ///
    /// # Errors
    ///
    /// [`Failure::File`] and those of [`Store`].
    pub fn upload(&self, path: &Path, to: &Location, whole: bool, out: Option<&mut dyn Write>) -> Result<(), Failure> {
        let file = File::open(path).map_err(Failure::file("read", path))?;
        let about = file.metadata().map_err(Failure::file("read", path))?;
        if about.len() > PARTS_ABOVE && !whole {
            let modified_ns = about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos());
            return self.upload_parts(path, file, modified_ns, about.len(), to, out);
        }
        let mut progress = Progress::new(out, 0, about.len());
        let mut file = file;
        let digest = piece_digest(&mut file, path, 0, about.len())?;
        retried(&mut progress, |progress| {
            file.seek(SeekFrom::Start(0)).map_err(|e| (Failure::File { action: "read", path: path.to_owned(), source: e }, 0))?;
            let mut body = Watched::new((&file).take(about.len()), progress);
            let done = self.store.put(to, &mut body, about.len(), digest.clone());
            done.map_err(|failure| (failure, body.passed()))
        })?;
        progress.finish();
        Ok(())
    }

    /// Downloads an object into a file, first beside it.
    ///
    /// # Errors
    ///
    /// [`Failure::File`] and those of [`Store`].
    pub fn download(&self, from: &Location, path: &Path, out: Option<&mut dyn Write>) -> Result<(), Failure> {
        let head = self.store.head(from)?;
        let wanted = Downloading { size: head.size, etag: head.etag };
        let beside = beside(path);
        let note = self.note("down", from, path);
        let same = recall::<Downloading>(&note).is_some_and(|before| before == wanted && !wanted.etag.is_empty());
        let have = if same { fs::metadata(&beside).map_or(0, |m| m.len()).min(wanted.size) } else { 0 };
        let mut file = File::options().create(true).write(true).truncate(false).open(&beside).map_err(Failure::file("write", &beside))?;
        file.set_len(have).map_err(Failure::file("write", &beside))?;
        file.seek(SeekFrom::End(0)).map_err(Failure::file("write", &beside))?;
        if wanted.size > PART {
            self.keep(&note, &wanted)?;
        }
        let mut progress = Progress::new(out, have, wanted.size);
        if have < wanted.size {
            let range = (have > 0).then_some((have, None));
            let etag = Some(wanted.etag.as_str()).filter(|e| !e.is_empty());
            let mut body = Watched::new(self.store.open(from, range, etag)?, &mut progress);
            let mut buffer = vec![0; BUFFER];
            loop {
                let count = body.read(&mut buffer).map_err(|e| self.store.broken(from, &e))?;
                if count == 0 {
                    break;
                }
                file.write_all(buffer.get(..count).unwrap_or_default()).map_err(Failure::file("write", &beside))?;
            }
        }
        let got = file.metadata().map_err(Failure::file("read", &beside))?.len();
        if got != wanted.size {
            let reason = format!("{got} of {} bytes came; the same command goes on from there", wanted.size);
            return Err(Failure::Unreadable { url: from.to_string(), reason });
        }
        fs::rename(&beside, path).map_err(Failure::file("write", path))?;
        let _ = fs::remove_file(&note);
        progress.finish();
        Ok(())
    }

    fn upload_parts(
        &self,
        path: &Path,
        mut file: File,
        modified_ns: u128,
        size: u64,
        to: &Location,
        out: Option<&mut dyn Write>,
    ) -> Result<(), Failure> {
        let part_size = PART.max(size.div_ceil(MAX_PARTS));
        let note = self.note("up", to, path);
        let before = recall::<Uploading>(&note).filter(|b| b.size == size && b.modified_ns == modified_ns && b.part_size == part_size);
        let mut state = match before {
            Some(state) => state,
            None => Uploading { size, modified_ns, part_size, upload: self.store.begin_parts(to)?, parts: Vec::new() },
        };
        self.keep(&note, &state)?;
        let mut progress = Progress::new(out, state.parts.len() as u64 * part_size, size);
        for number in 1..=u32::try_from(size.div_ceil(part_size)).unwrap_or(u32::MAX) {
            if state.parts.iter().any(|p| p.number == number) {
                continue;
            }
            let from = u64::from(number - 1) * part_size;
            let length = part_size.min(size - from);
            let digest = piece_digest(&mut file, path, from, length)?;
            let part = retried(&mut progress, |progress| {
                file.seek(SeekFrom::Start(from)).map_err(|e| (Failure::File { action: "read", path: path.to_owned(), source: e }, 0))?;
                let mut body = Watched::new((&file).take(length), progress);
                let done = self.store.put_part(to, &state.upload, number, &mut body, length, digest.clone());
                done.map_err(|failure| (failure, body.passed()))
            });
            match part {
                Ok(part) => state.parts.push(part),
                // The store has forgotten it: the next try begins anew.
                Err(failure) => {
                    if failure.is_missing_object() {
                        let _ = fs::remove_file(&note);
                    }
                    return Err(failure);
                }
            }
            self.keep(&note, &state)?;
        }
        self.store.finish_parts(to, &state.upload, &state.parts)?;
        let _ = fs::remove_file(&note);
        progress.finish();
        Ok(())
    }

    /// Where the state of a transfer is kept.
    fn note(&self, direction: &str, place: &Location, path: &Path) -> PathBuf {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = sign::md5_hex(format!("{direction}|{:?}|{place}|{}", place.region, path.display()).as_bytes());
        self.folder.join(format!("{name}.json"))
    }

    fn keep<T: Serialize>(&self, note: &Path, state: &T) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder).map_err(Failure::file("make", &self.folder))?;
        let text = serde_json::to_vec(state).map_err(|e| Failure::told(e.to_string()))?;
        let beside = beside(note);
        fs::write(&beside, text).map_err(Failure::file("write", &beside))?;
        fs::rename(&beside, note).map_err(Failure::file("write", note))
    }
}

fn recall<T: for<'d> Deserialize<'d>>(note: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(note).ok()?).ok()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".bcs-part");
    path.with_file_name(name)
}

/// The digest of a piece of a file, in base64.
fn piece_digest(file: &mut File, path: &Path, from: u64, length: u64) -> Result<String, Failure> {
    file.seek(SeekFrom::Start(from)).map_err(Failure::file("read", path))?;
    let mut digest = Md5::new();
    let mut rest = file.take(length);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = rest.read(&mut buffer).map_err(Failure::file("read", path))?;
        if count == 0 {
            return Ok(STANDARD.encode(digest.finalize()));
        }
        digest.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Tries a request again when nobody answered or the store had trouble of its own; the failure says how many bytes had passed.
fn retried<'w, T>(
    progress: &mut Progress<'w>,
    mut request: impl FnMut(&mut Progress<'w>) -> Result<T, (Failure, u64)>,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match request(progress) {
            Ok(done) => return Ok(done),
            Err((failure, passed)) => {
                let passing = matches!(failure, Failure::Unreachable { .. } | Failure::Store { status: 500.., .. });
                if !passing || tries == TRIES {
                    return Err(failure);
                }
                progress.take_back(passed);
                std::thread::sleep(std::time::Duration::from_millis(200 << tries));
                tries += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_their_own_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, b"0123456789").unwrap();
        let mut file = File::open(&path).unwrap();
        assert_eq!(piece_digest(&mut file, &path, 2, 3).unwrap(), sign::md5_base64(b"234"));
        assert_eq!(piece_digest(&mut file, &path, 0, 10).unwrap(), sign::md5_base64(b"0123456789"));
    }

    #[test]
    fn only_passing_trouble_is_tried_again() {
        let mut progress = Progress::new(None, 0, 1);
        let mut tries = 0;
        let refused = || Failure::Store { action: "write", url: String::new(), status: 403, code: String::new(), message: String::new() };
        let done: Result<(), _> = retried(&mut progress, |_| {
            tries += 1;
            Err((refused(), 0))
        });
        assert!(done.is_err());
        assert_eq!(tries, 1);
    }
}
