//! Cromwell's ways to know a file.

use std::{
    fmt, fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use md5::{Digest, Md5};
use xxhash_rust::xxh64::{Xxh64, xxh64};

use super::{READ_BYTES, mtime_ns};
use crate::glob::hex;

/// By what a file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashing {
    way: Way,
    /// Whether `<file>.md5` is believed where it exists.
    sibling_md5: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Md5,
    Xxh64,
    /// Size, time, and so many bytes of the beginning.
    Fingerprint(u64),
    Path,
    PathAndTime,
}

impl Hashing {
    /// The way of this name.
    ///
    /// # Errors
    /// There is no such way.
    pub fn new(name: &str, sibling_md5: bool, fingerprint_bytes: u64) -> Result<Self, String> {
        let way = match name {
            "md5" | "file" => Way::Md5,
            "xxh64" => Way::Xxh64,
            "fingerprint" => Way::Fingerprint(fingerprint_bytes),
            "path" => Way::Path,
            "path+modtime" => Way::PathAndTime,
            _ => return Err(format!("must be `md5`, `xxh64`, `fingerprint`, `path` or `path+modtime`, not `{name}`")),
        };
        Ok(Hashing { way, sibling_md5 })
    }

    /// Whether the whole file is read.
    pub(super) fn reads_content(&self) -> bool {
        !self.sibling_md5 && matches!(self.way, Way::Md5 | Way::Xxh64)
    }

    /// The text by which a file is known; links are followed first.
    pub(super) fn of(&self, path: &Path) -> io::Result<String> {
        if self.sibling_md5
            && let Some(known) = sibling(path)
        {
            return Ok(known);
        }
        let real = fs::canonicalize(path)?;
        let path_text = real.to_string_lossy();
        Ok(match self.way {
            Way::Md5 => {
                let mut hasher = Md5::new();
                each_part(&real, u64::MAX, |part| hasher.update(part))?;
                hex(&hasher.finalize())
            }
            Way::Xxh64 => format!("{:016x}", content_xxh64(&real, u64::MAX)?),
            Way::Fingerprint(bytes) => {
                let meta = fs::metadata(&real)?;
                let stamp = format!("{:x}{:x}", mtime_ns(&meta) / 1_000_000, meta.len());
                format!("{:016x}{:016x}", xxh64(stamp.as_bytes(), 0), content_xxh64(&real, bytes)?)
            }
            Way::Path => hex(&Md5::digest(path_text.as_bytes())),
            Way::PathAndTime => {
                let time = mtime_ns(&fs::metadata(&real)?);
                hex(&Md5::digest(format!("{path_text}{time}").as_bytes()))
            }
        })
    }
}

impl fmt::Display for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.way)
    }
}

/// What `<file>.md5` says: its first word, as `md5sum` writes it.
fn sibling(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".md5");
    let text = fs::read_to_string(PathBuf::from(name)).ok()?;
    text.split_whitespace().next().map(str::to_lowercase)
}

fn content_xxh64(path: &Path, limit: u64) -> io::Result<u64> {
    let mut hasher = Xxh64::new(0);
    each_part(path, limit, |part| hasher.update(part))?;
    Ok(hasher.digest())
}

fn each_part(path: &Path, limit: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = fs::File::open(path)?.take(limit);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => take(buffer.get(..n).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, path: &Path) -> String {
        Hashing::new(name, false, 3).unwrap().of(path).unwrap()
    }

    #[test]
    fn each_way_sees_what_it_names() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "abc").unwrap();
        fs::write(&two, "abc").unwrap();
        assert_eq!(of("file", &one), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(of("xxh64", &one), "44bc2cf5ad770999");
        for way in ["md5", "xxh64"] {
            assert_eq!(of(way, &one), of(way, &two), "{way}");
        }
        for way in ["path", "path+modtime"] {
            assert_ne!(of(way, &one), of(way, &two), "{way}");
        }
        let before = ["path", "path+modtime", "fingerprint"].map(|way| of(way, &one));
        let hour = std::time::Duration::from_secs(3600);
        fs::File::options().write(true).open(&one).unwrap().set_modified(std::time::SystemTime::now() - hour).unwrap();
        let after = ["path", "path+modtime", "fingerprint"].map(|way| of(way, &one));
        assert_eq!(before.iter().zip(&after).map(|(a, b)| a == b).collect::<Vec<_>>(), [true, false, false]);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert_eq!(of("path", &link), of("path", &one));
        assert!(Hashing::new("crc", false, 0).unwrap_err().contains("fingerprint"));
    }

    #[test]
    fn a_sibling_is_believed_where_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "abc").unwrap();
        let hashing = Hashing::new("xxh64", true, 0).unwrap();
        assert_eq!(hashing.of(&file).unwrap(), "44bc2cf5ad770999");
        fs::write(dir.path().join("a.md5"), "0123ABC  a\n").unwrap();
        assert_eq!(hashing.of(&file).unwrap(), "0123abc");
    }
}
