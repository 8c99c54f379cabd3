//! How much room folders take on the disk.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Most entries that are looked at for one attempt; what is beyond them is not counted.
pub const MAX_ENTRIES: usize = 500_000;
/// Bytes of a block as `stat` counts them.
const BLOCK: u64 = 512;

/// Bytes that everything below these folders takes. In folders of a name of `shared` there may be second names of files that
/// are somebody else's: those take nothing.
pub fn used(folders: &[&Path], shared: &[&str]) -> u64 {
    let mut walk = Walk { left: MAX_ENTRIES, ..Walk::default() };
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let is_shared = entry.file_name().to_str().is_some_and(|name| shared.contains(&name));
            walk.below(entry.path(), is_shared);
        }
    }
    walk.bytes
}

#[derive(Default)]
struct Walk {
    bytes: u64,
    left: usize,
    /// Files with several names, each counted once.
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn below(&mut self, path: PathBuf, is_shared: bool) {
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            // What the command removes at this moment takes nothing.
            let Ok(about) = fs::symlink_metadata(&path) else { continue };
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            if about.is_dir() {
                waiting.extend(fs::read_dir(&path).into_iter().flatten().flatten().take(self.left).map(|entry| entry.path()));
            } else if about.nlink() > 1 && (is_shared || !self.seen.insert((about.dev(), about.ino()))) {
                continue;
            }
            self.bytes += about.blocks() * BLOCK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_somebody_elses_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let (mine, theirs) = (dir.path().join("work"), dir.path().join("views/0"));
        for folder in [&mine, &theirs] {
            fs::create_dir_all(folder).unwrap();
        }
        let empty = used(&[dir.path()], &["views"]);
        fs::write(outside.path().join("object"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(outside.path().join("object"), theirs.join("a")).unwrap();
        assert_eq!(used(&[dir.path()], &["views"]), empty);
        fs::write(theirs.join("copy"), vec![1; 1 << 20]).unwrap();
        assert!((1 << 20..2 << 20).contains(&(used(&[dir.path()], &["views"]) - empty)));
        // Two names of one's own are one file, and holes are nothing.
        fs::write(mine.join("x"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(mine.join("x"), mine.join("y")).unwrap();
        fs::File::create(mine.join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!((2 << 20..3 << 20).contains(&(used(&[dir.path()], &["views"]) - empty)));
        assert_eq!(used(&[Path::new("/no/such/folder")], &[]), 0);
    }
}
