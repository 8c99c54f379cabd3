//! Links that commands leave, and second names of the store's files.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 128;

/// The first link at or below a path that leads out of all these folders. A link to nothing leads nowhere.
pub fn leading_out(path: &Path, allowed: &[&Path]) -> io::Result<Option<PathBuf>> {
    let allowed: Vec<PathBuf> = allowed.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let is_out = |path: &Path| path.canonicalize().is_ok_and(|real| !allowed.iter().any(|folder| real.starts_with(folder)));
    if is_out(path) {
        return Ok(Some(path.to_owned()));
    }
    let mut waiting = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        if !fs::symlink_metadata(&folder).is_ok_and(|about| about.is_dir()) {
            continue;
        }
        if depth >= MAX_DEPTH {
            return Err(io::Error::other("folders are too deep inside each other"));
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_symlink() && is_out(&entry.path()) {
                return Ok(Some(entry.path()));
            }
            if kind.is_dir() {
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
    Ok(None)
}

/// Makes a copy of every file below a folder in its place, so that it can be written to.
pub fn break_up(folder: &Path) -> io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                waiting.push(path);
                continue;
            }
            let copy = folder.join(format!(".copy-{}", uuid::Uuid::new_v4()));
            fs::copy(&path, &copy)?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
            fs::rename(&copy, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_where_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        fs::write(inside.join("file"), "x").unwrap();
        symlink("../file", inside.join("a/near")).unwrap();
        symlink("/nowhere/at/all", inside.join("a/nothing")).unwrap();
        assert_eq!(leading_out(&inside, &[&inside]).unwrap(), None);
        symlink(outside.join("secret"), inside.join("a/b/far")).unwrap();
        assert_eq!(leading_out(&inside, &[&inside]).unwrap(), Some(inside.join("a/b/far")));
        assert_eq!(leading_out(&inside.join("a/b/far"), &[&inside]).unwrap(), Some(inside.join("a/b/far")));
        assert_eq!(leading_out(&inside, &[&inside, &outside]).unwrap(), None);
    }

    #[test]
    fn copies_can_be_written_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("view/sub")).unwrap();
        fs::write(dir.path().join("data"), "object").unwrap();
        fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o444)).unwrap();
        fs::hard_link(dir.path().join("data"), dir.path().join("view/sub/x")).unwrap();
        break_up(&dir.path().join("view")).unwrap();
        fs::write(dir.path().join("view/sub/x"), "changed").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("data")).unwrap(), "object");
    }
}
