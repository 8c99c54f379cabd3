//! Copies of input files that many tasks share: made once, then linked.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{beside, folder_hash};

/// A folder of copies, on the file system of the tasks: `<root>/<hash of the folder>/<time in ms><name>`.
#[derive(Clone, Debug, PartialEq)]
pub struct InputCache {
    /// The folder.
    pub root: PathBuf,
    /// Most names that a copy may have; then a new copy is made. File systems have limits of their own.
    pub max_hardlinks: u32,
}

impl InputCache {
    /// Links the copy of a file to a place, after making the copy if there is none yet. Of several that want to make it
    /// the first one does.
    pub(super) fn link(&self, source: &Path, to: &Path) -> io::Result<()> {
        let meta = fs::metadata(source)?;
        let parent = source.parent().unwrap_or(Path::new("")).to_string_lossy();
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.root.join(folder_hash(&parent).to_string());
        let time = meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000);
        let copy = folder.join(format!("{time}{name}"));
        fs::create_dir_all(&folder)?;
        let lock = fs::File::create(folder.join(format!("{time}{name}.lock")))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let usable =
            |meta: fs::Metadata| meta.len() == fs::metadata(source).map_or(0, |m| m.len()) && meta.nlink() < self.max_hardlinks.into();
        if !fs::metadata(&copy).is_ok_and(usable) {
            // Whoever has the old copy keeps it: only its name goes.
            beside(&copy, |part| fs::copy(source, part).map(drop))?;
        }
        fs::hard_link(&copy, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Staging, Strategy};

    #[test]
    fn one_copy_serves_many_until_it_has_too_many_names() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a.txt");
        fs::write(&from, "text").unwrap();
        let cache = InputCache { root: dir.path().join("cached-inputs"), max_hardlinks: 3 };
        let staging = Staging { strategies: vec![Strategy::CachedCopy], soft_links_in_containers: false, cache: Some(cache) };
        let inodes: Vec<u64> = (0..5)
            .map(|n| {
                let to = dir.path().join(format!("call-{n}/inputs/a.txt"));
                staging.place(&from, &to, true).unwrap();
                assert_eq!(fs::read_to_string(&to).unwrap(), "text");
                fs::metadata(&to).unwrap().ino()
            })
            .collect();
        assert_eq!(inodes[0], inodes[1]);
        assert_ne!(inodes[1], inodes[2], "the third name would be one too many");
        assert_eq!(inodes[2], inodes[3]);
        assert!(!inodes.contains(&fs::metadata(&from).unwrap().ino()), "the original is left alone");
    }
}
