//! The parts of an image: by name in an archive, by digest in a layout or a registry.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::{Component, Path},
    sync::Arc,
};

use batchyard_runner::Control;
use flate2::read::MultiGzDecoder;

use super::{
    ImageError, Located,
    locate::{Form, INDEX, Place},
};

/// Most files of an archive.
const MAX_FILES: usize = 1_000_000;
/// Most bytes of one that was compressed.
const MAX_BYTES: u64 = 1 << 40;
/// Links that lead to links in an archive.
const MAX_LINKS: usize = 8;
/// Most bytes of a text about an image.
pub const MAX_TEXT_BYTES: u64 = 4 << 20;
/// First bytes of what gzip writes.
pub const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A run of bytes of an open file.
#[derive(Clone, Debug)]
pub struct Blob {
    file: Arc<File>,
    start: u64,
    /// How many there are.
    pub size: u64,
    attempt: Attempt,
}

/// The attempt that wants an image.
type Attempt = Option<Arc<Control>>;

/// Nobody reads on for an attempt that was ended.
fn check_wanted(attempt: &Attempt) -> io::Result<()> {
    match attempt.as_ref().and_then(|attempt| attempt.ended_by()) {
        Some(_) => Err(io::Error::other("the attempt that wanted the image was ended")),
        None => Ok(()),
    }
}

impl Blob {
    /// Reads it from its begin.
    pub fn reader(&self) -> BlobReader {
        BlobReader { file: Arc::clone(&self.file), at: self.start, left: self.size, attempt: self.attempt.clone() }
    }

    /// All of a text.
    pub fn text(&self) -> io::Result<Vec<u8>> {
        if self.size > MAX_TEXT_BYTES {
            return Err(io::Error::other(format!("it has {} bytes, more than the {MAX_TEXT_BYTES} of a description", self.size)));
        }
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads a [`Blob`].
#[derive(Debug)]
pub struct BlobReader {
    file: Arc<File>,
    at: u64,
    left: u64,
    attempt: Attempt,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        check_wanted(&self.attempt)?;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let read = self.file.read_at(buffer, self.at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// What an image is read from.
pub enum Source {
    /// An archive, plain.
    Archive(Archive),
    /// Files named by their digests.
    Folder(Folder),
}

/// The files of an archive.
pub struct Archive {
    address: String,
    file: Arc<File>,
    files: HashMap<String, (u64, u64)>,
    links: HashMap<String, String>,
    attempt: Attempt,
}

/// A layout or a registry's storage.
pub struct Folder {
    place: Place,
    base: String,
    is_registry: bool,
    scratch: std::path::PathBuf,
    attempt: Attempt,
}

impl Source {
    /// Opens what was found. `scratch` is a folder for files that have no name any more when this returns.
    pub fn open(located: &Located, scratch: &Path) -> Result<Source, ImageError> {
        let folder = |base: &str, is_registry| {
            let (base, scratch, attempt) = (base.to_owned(), scratch.to_owned(), located.attempt.clone());
            Source::Folder(Folder { place: located.place.clone(), base, is_registry, scratch, attempt })
        };
        match &located.form {
            Form::Layout(base) => Ok(folder(base, false)),
            Form::Registry(base, _) => Ok(folder(base, true)),
            Form::Archive { file, .. } => {
                let address = located.place.address(file);
                let gone = || ImageError::malformed(&address, "it was removed just now");
                let opened = located.place.open(file, scratch)?.ok_or_else(gone)?;
                let failed = |source: io::Error| ImageError::malformed(&address, source.to_string());
                let plain = plain(opened, scratch, &located.attempt).map_err(failed)?;
                Archive::index(plain, address.clone(), located.attempt.clone()).map(Source::Archive).map_err(failed)
            }
        }
    }

    /// A file by its name, such as `index.json`; `None` when there is none.
    pub fn named(&self, name: &str) -> Result<Option<Blob>, ImageError> {
        match self {
            Source::Archive(archive) => Ok(archive.find(name)),
            Source::Folder(folder) => folder.open(&format!("{}{name}", folder.base)),
        }
    }

    /// A part by its digest, `sha256:` and 64 hex digits.
    pub fn part(&self, digest: &str) -> Result<Blob, ImageError> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| is_hex(hex));
        let hex = hex.ok_or_else(|| {
            ImageError::malformed(&self.address(), format!("`{digest}` is no digest of the kind `sha256:` and 64 hex digits"))
        })?;
        let found = match self {
            Source::Archive(archive) => archive.find(&format!("blobs/sha256/{hex}")),
            Source::Folder(folder) if folder.is_registry => {
                folder.open(&format!("{}blobs/sha256/{}/{hex}/data", folder.base, hex.get(..2).unwrap_or_default()))?
            }
            Source::Folder(folder) => folder.open(&format!("{}blobs/sha256/{hex}", folder.base))?,
        };
        found.ok_or_else(|| ImageError::malformed(&self.address(), format!("its part `{digest}` is missing")))
    }

    /// The list of what an OCI layout holds.
    pub fn index(&self) -> Result<Option<Blob>, ImageError> {
        self.named(INDEX)
    }

    /// What people call it.
    pub fn address(&self) -> String {
        match self {
            Source::Archive(archive) => archive.address.clone(),
            Source::Folder(folder) => folder.place.address(&folder.base),
        }
    }
}

impl Folder {
    fn open(&self, name: &str) -> Result<Option<Blob>, ImageError> {
        let Some(file) = self.place.open(name, &self.scratch)? else { return Ok(None) };
        let size = file.metadata().map_err(ImageError::file(format!("read `{}`", self.place.address(name))))?.len();
        Ok(Some(Blob { file: Arc::new(file), start: 0, size, attempt: self.attempt.clone() }))
    }
}

impl Archive {
    fn index(file: File, address: String, attempt: Attempt) -> io::Result<Archive> {
        let (mut files, mut links) = (HashMap::new(), HashMap::new());
        let mut archive = tar::Archive::new(&file);
        for (count, entry) in archive.entries_with_seek()?.enumerate() {
            let entry = entry?;
            if count >= MAX_FILES {
                return Err(io::Error::other(format!("it holds more than {MAX_FILES} files")));
            }
            let name = tidy(&entry.path()?);
            match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    files.insert(name, (entry.raw_file_position(), entry.size()));
                }
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let Some(target) = entry.link_name()? else { continue };
                    // `docker save` once wrote a layer that it had written already as a link.
                    let near = entry.header().entry_type() == tar::EntryType::Symlink;
                    let from = if near { Path::new(&name).parent().unwrap_or(Path::new("")) } else { Path::new("") };
                    links.insert(name.clone(), tidy(&from.join(target)));
                }
                _ => {}
            }
        }
        Ok(Archive { address, file: Arc::new(file), files, links, attempt })
    }

    fn find(&self, name: &str) -> Option<Blob> {
        let mut name = tidy(Path::new(name));
        for _ in 0..MAX_LINKS {
            if let Some((start, size)) = self.files.get(&name) {
                return Some(Blob { file: Arc::clone(&self.file), start: *start, size: *size, attempt: self.attempt.clone() });
            }
            name = self.links.get(&name)?.clone();
        }
        None
    }
}

/// A name in an archive without `.`, `..` and slashes at its begin.
fn tidy(path: &Path) -> String {
    let mut names: Vec<std::borrow::Cow<'_, str>> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names.join("/")
}

/// The file, or an unpacked copy of it without a name.
fn plain(file: File, scratch: &Path, attempt: &Attempt) -> io::Result<File> {
    let mut head = [0; 2];
    if file.read_at(&mut head, 0)? < head.len() || head != GZIP {
        return Ok(file);
    }
    let path = scratch.join(format!("plain-{}-{}", std::process::id(), uuid::Uuid::new_v4()));
    let mut copy = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    let size = file.metadata()?.len();
    let packed = BlobReader { file: Arc::new(file), at: 0, left: size, attempt: attempt.clone() };
    let written = io::copy(&mut MultiGzDecoder::new(io::BufReader::new(packed)).take(MAX_BYTES), &mut copy)?;
    if written >= MAX_BYTES {
        return Err(io::Error::other(format!("it holds more than {MAX_BYTES} bytes")));
    }
    copy.flush()?;
    copy.rewind()?;
    Ok(copy)
}

pub fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
