//! Trees of files that are laid over this machine: what of them is seen where, and what they are.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::about;

/// Entries of one tree, so that a mistaken path (`/`, say) is told instead of walked.
const MAX_ENTRIES: usize = 10_000;
/// Folders inside each other.
const MAX_DEPTH: usize = 100;
/// Longest file whose content is part of a fingerprint, in bytes; longer ones are known by size and time.
const MAX_READ_BYTES: u64 = 1 << 20;

/// One thing of a tree that is shown as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is.
    pub source: PathBuf,
    /// Where it is seen, without the first slash.
    pub place: PathBuf,
}

/// What of the trees is to be shown in a root over `beneath`: a folder that is only in a tree is shown as a whole, one that
/// `beneath` has too is gone through. Of several trees the first decides.
pub(super) fn entries(trees: &[PathBuf], beneath: &Path) -> io::Result<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    for tree in trees {
        for walked in walk(tree, |place| beneath.join(place).is_dir())? {
            let is_new = found.iter().all(|entry| !walked.starts_with(&entry.place));
            if is_new {
                found.push(Entry { source: tree.join(&walked), place: walked });
            }
        }
    }
    Ok(found)
}

/// What a tree of programs is, as a text: names, links, contents, and of what links lead to size and time. Trees in
/// different places that hold the same have the same text.
///
/// # Errors
/// It cannot be read, or is so large that it cannot be meant.
pub fn fingerprint(tree: &Path) -> io::Result<String> {
    let mut text = String::new();
    for place in walk(tree, |_| true)? {
        let path = tree.join(&place);
        let about_entry = fs::symlink_metadata(&path).map_err(about("look at", &path))?;
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\0{:o}\0", place.display(), about_entry.mode());
        if about_entry.is_symlink() {
            let target = fs::metadata(&path).map_err(about("follow", &path))?;
            let seconds = if target.is_dir() { 0 } else { target.mtime() };
            let _ = write!(text, "{}\0{}\0{seconds}", fs::read_link(&path)?.display(), if target.is_dir() { 0 } else { target.len() });
        } else if about_entry.len() <= MAX_READ_BYTES {
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).map_err(about("read", &path))?));
        } else {
            let _ = write!(text, "{}\0{}", about_entry.len(), about_entry.mtime());
        }
        text.push('\n');
    }
    Ok(text)
}

/// Everything in a tree that is no folder to go through, in order of names.
fn walk(tree: &Path, go_through: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![(PathBuf::new(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = waiting.pop() {
        let path = tree.join(&folder);
        for entry in fs::read_dir(&path).map_err(about("read", &path))? {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            seen += 1;
            if seen > MAX_ENTRIES || depth > MAX_DEPTH {
                let text = format!("`{}` holds too much to be laid over this machine (more than {MAX_ENTRIES} entries)", tree.display());
                return Err(io::Error::other(text));
            }
            if entry.file_type()?.is_dir() && go_through(&place) {
                waiting.push((place, depth + 1));
            } else {
                found.push(place);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    #[test]
    fn what_the_machine_has_is_gone_through() {
        let machine = tree(&["usr/local/bin/x", "etc/passwd"]);
        let (first, second) = (tree(&["usr/gitc/bwa", "usr/local/bin/python", "gatk/gatk"]), tree(&["gatk/gatk", "usr/local/bin/java"]));
        let trees = [first.path().to_owned(), second.path().to_owned()];
        let found = entries(&trees, machine.path()).unwrap();
        let places: Vec<_> = found.iter().map(|entry| (entry.place.to_str().unwrap(), entry.source.starts_with(&trees[1]))).collect();
        assert_eq!(places, [("gatk", false), ("usr/gitc", false), ("usr/local/bin/python", false), ("usr/local/bin/java", true)]);
    }

    #[test]
    fn equal_trees_are_the_same_wherever_they_are() {
        let (one, other) = (tree(&["a/b", "c"]), tree(&["a/b", "c"]));
        for dir in [&one, &other] {
            symlink("/usr/bin/env", dir.path().join("link")).unwrap();
        }
        let print = |dir: &tempfile::TempDir| fingerprint(dir.path()).unwrap();
        assert_eq!(print(&one), print(&other));
        fs::write(other.path().join("c"), "d").unwrap();
        assert_ne!(print(&one), print(&other), "a file has changed");
        symlink("/nowhere/at/all", one.path().join("broken")).unwrap();
        assert!(fingerprint(one.path()).unwrap_err().to_string().contains("broken"));
        assert!(fingerprint(Path::new("/not/there")).unwrap_err().to_string().contains("/not/there"));
    }
}
