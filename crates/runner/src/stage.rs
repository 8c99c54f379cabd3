//! Puts input files in place: hard link, reflink, symbolic link or copy, in the configured order.

mod cache;

use std::{
    fmt, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

pub use cache::InputCache;

/// A way of putting a file in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The same file under a second name; same file system only.
    HardLink,
    /// A copy that shares blocks until one side is written (Btrfs, XFS...).
    Reflink,
    /// A pointer to the file; not for tasks in containers, which do not see the target, unless that is allowed.
    SoftLink,
    /// A copy.
    Copy,
    /// A hard link to a copy that is made once for all tasks; see [`InputCache`].
    CachedCopy,
}

impl Strategy {
    /// The order used unless configured otherwise.
    pub const DEFAULT: [Strategy; 4] = [Strategy::HardLink, Strategy::Reflink, Strategy::SoftLink, Strategy::Copy];

    /// All of them.
    pub const ALL: [Strategy; 5] = [Strategy::HardLink, Strategy::Reflink, Strategy::SoftLink, Strategy::Copy, Strategy::CachedCopy];

    fn name(self) -> &'static str {
        match self {
            Strategy::HardLink => "hard-link",
            Strategy::Reflink => "reflink",
            Strategy::SoftLink => "soft-link",
            Strategy::Copy => "copy",
            Strategy::CachedCopy => "cached-copy",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Strategy::ALL
            .into_iter()
            .find(|s| s.name() == text)
            .ok_or_else(|| format!("`{text}` is no way to put a file in place (hard-link, reflink, soft-link, copy, cached-copy)"))
    }
}

/// Why a file could not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("cannot localize `{}` to `{}`: {reasons}", from.display(), to.display())]
pub struct StageError {
    /// The original.
    pub from: PathBuf,
    /// Where it should go.
    pub to: PathBuf,
    /// What each strategy answered.
    pub reasons: String,
}

/// How files are put in place.
#[derive(Clone, Debug, PartialEq)]
pub struct Staging {
    /// Ways in the order in which they are tried.
    pub strategies: Vec<Strategy>,
    /// Whether containers see what soft links lead to.
    pub soft_links_in_containers: bool,
    /// Where copies for [`Strategy::CachedCopy`] are kept; without it that one is not possible.
    pub cache: Option<InputCache>,
}

impl From<Vec<Strategy>> for Staging {
    fn from(strategies: Vec<Strategy>) -> Self {
        Staging { strategies, soft_links_in_containers: false, cache: None }
    }
}

/// [`Staging::place`] by these strategies alone.
///
/// # Errors
/// [`StageError`] with the answer of each strategy.
pub fn place(from: &Path, to: &Path, strategies: &[Strategy], container: bool) -> Result<(), StageError> {
    Staging::from(strategies.to_vec()).place(from, to, container)
}

impl Staging {
    /// Puts `from` (a file or a directory) at `to` by the first strategy that works. An existing target is taken as
    /// already done. Missing parent directories are made.
    ///
    /// # Errors
    /// [`StageError`] with the answer of each strategy.
    pub fn place(&self, from: &Path, to: &Path, container: bool) -> Result<(), StageError> {
        let failed = |reasons: String| StageError { from: from.into(), to: to.into(), reasons };
        // Links are followed first, so that a task gets the file and not a pointer that may not lead anywhere for it.
        let source = fs::canonicalize(from).map_err(|e| failed(e.to_string()))?;
        let directory = source.is_dir();
        if !directory {
            fs::File::open(&source).map_err(|e| failed(format!("not readable: {e}")))?;
        }
        let mut reasons = Vec::new();
        let soft_links = !container || self.soft_links_in_containers;
        for strategy in self.strategies.iter().filter(|s| soft_links || **s != Strategy::SoftLink) {
            match self.apply(*strategy, &source, to, directory) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                Err(e) => reasons.push(format!("{strategy}: {e}")),
            }
        }
        Err(failed(if reasons.is_empty() { "no strategy is configured".into() } else { reasons.join("; ") }))
    }

    fn apply(&self, strategy: Strategy, source: &Path, to: &Path, directory: bool) -> io::Result<()> {
        let once = || match (strategy, directory) {
            (Strategy::HardLink, false) => fs::hard_link(source, to),
            (Strategy::SoftLink, _) => symlink(source, to),
            (Strategy::Reflink, false) => beside(to, |part| reflink(source, part)),
            (Strategy::Copy, false) => beside(to, |part| fs::copy(source, part).map(drop)),
            (Strategy::CachedCopy, false) => match &self.cache {
                Some(cache) => cache.link(source, to),
                None => Err(io::Error::new(io::ErrorKind::Unsupported, "there is no place for copies")),
            },
            (_, true) => self.copy_tree(strategy, source, to),
        };
        match once() {
            // The usual case costs no look at the parent.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                once()
            }
            result => result,
        }
    }

    /// A directory is rebuilt with its files placed one by one; soft links inside it are kept as they are.
    fn copy_tree(&self, strategy: Strategy, source: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.copy_tree(strategy, &entry.path(), &target)?;
            } else if kind.is_symlink() {
                ignore_existing(symlink(fs::read_link(entry.path())?, &target))?;
            } else {
                ignore_existing(self.apply(strategy, &entry.path(), &target, false))?;
            }
        }
        Ok(())
    }
}

/// Java's `String.hashCode`, by which Cromwell names the folders of files that come from one folder.
pub fn folder_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Runs `make` on a name beside the target and renames it, so that the target is whole or absent.
fn beside(to: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    make(&part).and_then(|()| fs::rename(&part, to)).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

fn reflink(source: &Path, to: &Path) -> io::Result<()> {
    let from = fs::File::open(source)?;
    let target = fs::File::create(to)?;
    rustix::fs::ioctl_ficlone(&target, &from)?;
    target.set_permissions(from.metadata()?.permissions())
}

fn ignore_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn each_strategy_places_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a.txt");
        fs::write(&from, "text").unwrap();
        for strategy in [Strategy::HardLink, Strategy::SoftLink, Strategy::Copy] {
            let to = dir.path().join(format!("{strategy}/x/a.txt"));
            place(&from, &to, &[strategy], false).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "text");
            place(&from, &to, &[strategy], false).unwrap();
        }
        assert_eq!(fs::metadata(dir.path().join("hard-link/x/a.txt")).unwrap().ino(), fs::metadata(&from).unwrap().ino());
    }

    #[test]
    fn the_next_strategy_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        fs::write(&from, "text").unwrap();
        // Most test file systems have no reflinks; where they do, the first one works.
        let to = dir.path().join("b/a");
        place(&from, &to, &[Strategy::Reflink, Strategy::Copy], false).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "text");
    }

    #[test]
    fn soft_links_are_not_for_containers() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        fs::write(&from, "text").unwrap();
        assert!(place(&from, &dir.path().join("b"), &[Strategy::SoftLink], true).unwrap_err().reasons.contains("no strategy"));
    }

    #[test]
    fn a_missing_original_is_named() {
        let error = place(Path::new("/no/such/file"), Path::new("/tmp/x"), &Strategy::DEFAULT, false).unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }

    #[test]
    fn directories_keep_their_shape() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("d");
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/f"), "x").unwrap();
        symlink("sub/f", from.join("link")).unwrap();
        let to = dir.path().join("t/d");
        place(&from, &to, &[Strategy::HardLink], false).unwrap();
        assert_eq!(fs::read_to_string(to.join("link")).unwrap(), "x");
    }
}
