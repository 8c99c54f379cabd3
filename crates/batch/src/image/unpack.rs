//! Layers become a root file system. Nothing is written outside of it, whatever the archives say.

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{OpenOptionsExt, PermissionsExt, lchown, symlink},
    },
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use batchyard_runner::root::resolve;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::{manifest::hex, source::GZIP};

/// Begin of a name that takes away what lower layers have.
const WHITEOUT: &[u8] = b".wh.";
/// The one that takes away all that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Others of this kind are notes of the program that made the layer.
const NOTE: &[u8] = b".wh..wh.";
/// First bytes of what zstd writes.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What an image may be made of.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries of all layers.
    pub entries: u64,
    /// Bytes of all files of all layers.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { entries: 10_000_000, bytes: 1 << 40 }
    }
}

/// Puts layers over each other in a folder.
#[derive(Debug)]
pub struct Unpacker {
    root: PathBuf,
    left: Limits,
    limits: Limits,
    /// Whether files can be given to others.
    is_root: bool,
    /// Paths of the present layer.
    made: HashSet<PathBuf>,
    /// Folders that hold some of them.
    holders: HashSet<PathBuf>,
}

impl Unpacker {
    /// One for an empty folder.
    pub fn new(root: &Path, limits: Limits) -> Self {
        Unpacker {
            root: root.to_owned(),
            left: limits,
            limits,
            is_root: rustix::process::geteuid().is_root(),
            made: HashSet::new(),
            holders: HashSet::new(),
        }
    }

    /// Puts the next layer over what is there: an archive, compressed by gzip or not, whose plain form has this digest.
    pub fn layer(&mut self, reader: impl Read, digest: &str) -> io::Result<()> {
        self.made.clear();
        self.holders.clear();
        let mut reader = io::BufReader::with_capacity(1 << 16, reader);
        let mut head = [0; 4];
        let length = read_head(&mut reader, &mut head)?;
        let head = head.get(..length).unwrap_or_default();
        let whole = head.chain(reader);
        if head == ZSTD {
            return Err(io::Error::other(
                "it is compressed by zstd, which is not known here: save the image with gzip or without compression",
            ));
        }
        let found = if head.starts_with(&GZIP) { self.entries(MultiGzDecoder::new(whole))? } else { self.entries(whole)? };
        if found != digest {
            return Err(io::Error::other(format!("its content is `sha256:{found}`, the image says `sha256:{digest}`")));
        }
        Ok(())
    }

    /// Unpacks all entries; the digest of the archive.
    fn entries(&mut self, reader: impl Read) -> io::Result<String> {
        let mut archive = tar::Archive::new(Hashed { reader, sum: Sha256::new() });
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = PathBuf::from(std::ffi::OsString::from_vec(entry.path_bytes().into_owned()));
            self.count(&entry)?;
            self.entry(&mut entry, &path).map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
        }
        let mut hashed = archive.into_inner();
        // What comes after the end of the archive belongs to its digest.
        let rest = io::copy(&mut (&mut hashed).take(self.left.bytes.saturating_add(1)), &mut io::sink())?;
        if rest > self.left.bytes {
            return Err(self.too_large());
        }
        Ok(hex(&hashed.sum.finalize()))
    }

    fn count(&mut self, entry: &tar::Entry<'_, impl Read>) -> io::Result<()> {
        let bytes = if entry.header().entry_type().is_hard_link() { 0 } else { entry.size() };
        match (self.left.entries.checked_sub(1), self.left.bytes.checked_sub(bytes)) {
            (Some(entries), Some(bytes)) => self.left = Limits { entries, bytes },
            _ => return Err(self.too_large()),
        }
        Ok(())
    }

    fn too_large(&self) -> io::Error {
        let Limits { entries, bytes } = self.limits;
        io::Error::other(format!("the image has more than {entries} files or {bytes} bytes"))
    }

    fn entry(&mut self, entry: &mut tar::Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
        let Some((folder, name)) = self.place_of(path)? else { return Ok(()) };
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.take_away(&folder, &name, hidden);
        }
        self.make_folders(&folder)?;
        let inner = folder.join(&name);
        let target = self.root.join(&inner);
        let kind = entry.header().entry_type();
        let is_folder = kind == EntryType::Directory;
        match fs::symlink_metadata(&target) {
            Ok(known) if known.is_dir() && is_folder => {}
            Ok(known) => remove(&target, &known)?,
            Err(_) => {}
        }
        match kind {
            EntryType::Directory => make_folder(&target)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mut file = File::options().write(true).create_new(true).mode(0o600).open(&target)?;
                io::copy(entry, &mut file)?;
                let modified =
                    entry.header().mtime().ok().and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
                // A time that the file system cannot keep is no reason to refuse an image.
                let _ = modified.map(|time| file.set_modified(time));
            }
            EntryType::Symlink => symlink(link_name(entry)?, &target)?,
            EntryType::Link => self.second_name(&link_name(entry)?, &target)?,
            EntryType::Fifo => {
                rustix::fs::mknodat(rustix::fs::CWD, &target, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)?;
            }
            // Devices are those of the machine; the rest is about the archive itself.
            _ => return Ok(()),
        }
        for holder in inner.ancestors().skip(1) {
            if !self.holders.insert(holder.to_owned()) {
                break;
            }
        }
        self.made.insert(inner);
        if kind == EntryType::Link {
            return Ok(());
        }
        self.give(entry.header(), &target, kind)
    }

    /// Owner and mode of a new entry.
    fn give(&self, header: &tar::Header, target: &Path, kind: EntryType) -> io::Result<()> {
        if self.is_root {
            let id = |id: io::Result<u64>| id.ok().and_then(|id| u32::try_from(id).ok());
            lchown(target, id(header.uid()), id(header.gid()))?;
        }
        if kind == EntryType::Symlink {
            return Ok(());
        }
        let mode = header.mode()? & 0o7777;
        let mode = match (self.is_root, kind) {
            (true, _) => mode,
            // Whoever unpacks must be able to go on, and to remove it.
            (false, EntryType::Directory) => mode & 0o777 | 0o700,
            (false, _) => mode & 0o777 | 0o400,
        };
        fs::set_permissions(target, Permissions::from_mode(mode))
    }

    /// The folder of an entry, links followed inside the root, and its name there; `None` for the root itself.
    fn place_of(&self, path: &Path) -> io::Result<Option<(PathBuf, std::ffi::OsString)>> {
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(io::Error::other("leads out of the image")),
            }
        }
        let Some(name) = names.pop() else { return Ok(None) };
        let folder = resolve(&[&self.root], &names.iter().collect::<PathBuf>())?;
        Ok(Some((folder, name.to_owned())))
    }

    /// Folders that a layer needs and has not named.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        let target = self.root.join(folder);
        if fs::symlink_metadata(&target).is_ok_and(|known| known.is_dir()) {
            return Ok(());
        }
        let mut path = self.root.clone();
        for name in folder {
            path.push(name);
            match fs::symlink_metadata(&path) {
                Ok(known) if known.is_dir() => continue,
                Ok(known) => remove(&path, &known)?,
                Err(_) => {}
            }
            make_folder(&path)?;
        }
        Ok(())
    }

    fn second_name(&self, original: &Path, target: &Path) -> io::Result<()> {
        let original = self.place_of(original)?;
        let (folder, name) = original.ok_or_else(|| io::Error::other("is a second name of the root"))?;
        let original = self.root.join(folder).join(name);
        let known = fs::symlink_metadata(&original).map_err(|_| io::Error::other("is a second name of something that is missing"))?;
        if known.is_dir() {
            return Err(io::Error::other("is a second name of a folder"));
        }
        fs::hard_link(&original, target)
    }

    fn take_away(&mut self, folder: &Path, name: &OsStr, hidden: &[u8]) -> io::Result<()> {
        if name.as_bytes() == OPAQUE {
            return self.take_away_inside(folder);
        }
        if name.as_bytes().starts_with(NOTE) {
            return Ok(());
        }
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            return Err(io::Error::other("takes away what is no file"));
        }
        let inner = folder.join(OsStr::from_bytes(hidden));
        self.take_away_below(&inner)
    }

    /// Removes what lower layers have at this path; what the present one has made stays, whatever the order.
    fn take_away_below(&self, inner: &Path) -> io::Result<()> {
        let target = self.root.join(inner);
        let Ok(known) = fs::symlink_metadata(&target) else { return Ok(()) };
        let has_own = self.made.contains(inner) || self.holders.contains(inner);
        match (has_own, known.is_dir()) {
            (false, _) => remove(&target, &known),
            (true, true) => self.take_away_inside(inner),
            (true, false) => Ok(()),
        }
    }

    fn take_away_inside(&self, folder: &Path) -> io::Result<()> {
        let target = self.root.join(folder);
        if !fs::symlink_metadata(&target).is_ok_and(|known| known.is_dir()) {
            return Ok(());
        }
        for entry in fs::read_dir(&target)? {
            self.take_away_below(&folder.join(entry?.file_name()))?;
        }
        Ok(())
    }
}

fn link_name(entry: &tar::Entry<'_, impl Read>) -> io::Result<PathBuf> {
    let bytes = entry.link_name_bytes().filter(|bytes| !bytes.is_empty());
    bytes
        .map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes.into_owned())))
        .ok_or_else(|| io::Error::other("is a link to nothing"))
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn remove(path: &Path, known: &fs::Metadata) -> io::Result<()> {
    if known.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn read_head(reader: &mut impl Read, head: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Sums what is read.
struct Hashed<R> {
    reader: R,
    sum: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.sum.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
