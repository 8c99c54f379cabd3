//! Removes what a command in a root of its own has left.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

/// Folders inside each other that are opened.
const MAX_DEPTH: usize = 1000;

/// Removes a folder with all that is in it; one that is not there is no error. The kernel leaves folders of layers that
/// nobody may enter, and commands may do the same; who owns them can remove them all the same.
///
/// # Errors
/// Something belongs to somebody else.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open(folder)?;
            fs::remove_dir_all(folder)
        }
        done => done,
    }
}

fn open(folder: &Path) -> io::Result<()> {
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let mode = fs::symlink_metadata(&folder)?.permissions().mode();
        if mode & 0o700 != 0o700 {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode | 0o700))?;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if depth >= MAX_DEPTH {
                    return Err(io::Error::other("folders are too deep inside each other"));
                }
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_folders_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        fs::create_dir_all(folder.join("b/c")).unwrap();
        fs::write(folder.join("b/c/x"), "x").unwrap();
        fs::set_permissions(folder.join("b/c"), fs::Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(folder.join("b"), fs::Permissions::from_mode(0o000)).unwrap();
        // For root nothing is closed: what opens folders is asked by itself.
        open(&folder).unwrap();
        assert_eq!(fs::metadata(folder.join("b/c")).unwrap().permissions().mode() & 0o777, 0o700);
        remove(&folder).unwrap();
        assert!(!folder.exists());
        remove(&folder).unwrap();
    }
}
