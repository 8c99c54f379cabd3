//! Size and time of output files: whether a result is still what its call left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use indexmap::IndexMap;

use crate::identity::mtime_ns;

/// Size and modification time of a file.
pub fn stamp_of(path: &str) -> Option<(u64, i64)> {
    fs::metadata(path).ok().map(|meta| (meta.len(), mtime_ns(&meta)))
}

/// Notes size and time of a file, or of every file in a directory.
pub fn stamp(path: &str, directory: bool, stamps: &mut IndexMap<String, (u64, i64)>) {
    // Older documents have directories in the place of files.
    if !directory && !Path::new(path).is_dir() {
        stamps.extend(stamp_of(path).map(|stamp| (path.to_owned(), stamp)));
        return;
    }
    let mut open = vec![PathBuf::from(path)];
    while let Some(dir) = open.pop() {
        // What cannot be read is missing later as well, and then nothing is reused.
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else {
                let file = entry.path().to_string_lossy().into_owned();
                stamps.extend(stamp_of(&file).map(|stamp| (file, stamp)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_stamped_file_by_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("d/sub")).unwrap();
        fs::write(dir.path().join("d/a"), "1").unwrap();
        fs::write(dir.path().join("d/sub/b"), "22").unwrap();
        let mut stamps = IndexMap::new();
        stamp(&dir.path().join("d").to_string_lossy(), true, &mut stamps);
        let mut sizes: Vec<u64> = stamps.values().map(|(size, _)| *size).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2]);
        stamp(&dir.path().join("none").to_string_lossy(), false, &mut stamps);
        assert_eq!(stamps.len(), 2);
    }
}
