//! Packing programs into `worker.tar.gz`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use crate::{failure::Failure, session::Session};

/// The name of every package.
pub const PACKAGE: &str = "worker.tar.gz";
/// Most files of a package.
const MAX_FILES: usize = 1_000_000;

/// Packs what an option names (a folder, a file, files), tells it, and uploads it.
///
/// # Errors
///
/// Files that cannot be read, or the store's.
pub fn pack_and_upload(session: &mut Session, what: &str, url: &str) -> Result<(), Failure> {
    let folder = session.path(what);
    let package = session.folder.join(PACKAGE);
    if !what.contains(',') && folder.is_dir() {
        session.terminal.line("packing folder..")?;
        let files = files_of(&folder)?;
        session.terminal.line(format!("pack {}", package.display()))?;
        session.terminal.line(format!("base folder: {}/", folder.display().to_string().trim_end_matches('/')))?;
        let kept = files.into_iter().filter(|(path, _)| *path != package);
        pack(session, &package, kept.map(|(path, name)| (path, name.clone(), name)).collect())?;
    } else {
        let names: Vec<&str> = what.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        session.terminal.line(if names.len() > 1 { "packing multi-files.." } else { "packing a single file.." })?;
        session.terminal.line(format!("pack {}", package.display()))?;
        pack(session, &package, flattened(session, &names)?)?;
    }
    upload(session, &package, url)
}

/// Packs single files under their base names, in silence, and uploads them.
///
/// # Errors
///
/// As [`pack_and_upload`].
pub fn pack_quietly(session: &mut Session, files: &[(PathBuf, String)], url: &str) -> Result<(), Failure> {
    let package = session.folder.join(PACKAGE);
    write(&package, files)?;
    let place = session.location(url)?;
    session.transfer(false, |transfers, out| transfers.upload(&package, &place, false, out))
}

/// Uploads a package and tells it.
///
/// # Errors
///
/// The store's.
pub fn upload(session: &mut Session, path: &Path, url: &str) -> Result<(), Failure> {
    session.terminal.line(format!("Upload: {} ==> {url}", path.display()))?;
    let place = session.location(url)?;
    session.transfer(true, |transfers, out| transfers.upload(path, &place, false, out))
}

/// Writes a package of files under given names.
///
/// # Errors
///
/// Files that cannot be read, or a package that cannot be written.
pub fn write(package: &Path, files: &[(PathBuf, String)]) -> Result<(), Failure> {
    let file = File::create(package).map_err(Failure::file("write", package))?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (path, name) in files {
        archive.append_path_with_name(path, name).map_err(Failure::file("pack", path))?;
    }
    let encoder = archive.into_inner().map_err(Failure::file("write", package))?;
    encoder.finish().map_err(Failure::file("write", package)).map(drop)
}

/// All files under a folder with their names in it, in order.
///
/// # Errors
///
/// Folders that cannot be read; too many files.
pub fn files_of(folder: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for entry in fs::read_dir(&path).map_err(Failure::file("read", &path))? {
            let entry = entry.map_err(Failure::file("read", &path))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(Failure::file("read", entry.path()))?;
            // Links to folders are not followed: they may lead in a circle.
            if kind.is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else if entry.path().is_file() {
                found.push((entry.path(), name));
            }
            if found.len() > MAX_FILES {
                return Err(Failure::told(format!("`{}` holds more than {MAX_FILES} files", folder.display())));
            }
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// Files under their base names: path, name, and what they were called.
fn flattened(session: &Session, names: &[&str]) -> Result<Vec<(PathBuf, String, String)>, Failure> {
    let files = names.iter().map(|name| {
        let path = session.path(name);
        let base = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let base = base.ok_or_else(|| Failure::told(format!("`{name}` is not a file")))?;
        Ok((path, base, (*name).to_owned()))
    });
    files.collect()
}

fn pack(session: &mut Session, package: &Path, files: Vec<(PathBuf, String, String)>) -> Result<(), Failure> {
    for (_, _, said) in &files {
        session.terminal.line(format!("add {said}"))?;
    }
    write(package, &files.into_iter().map(|(path, name, _)| (path, name)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn packages_hold_plain_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(folder.path().join("main.py"), "main").unwrap();
        fs::write(folder.path().join("lib/a.py"), "a").unwrap();
        let package = folder.path().join("out.tar.gz");
        write(&package, &files_of(folder.path()).unwrap()).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&package).unwrap()));
        let read: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (entry.path().unwrap().display().to_string(), text)
            })
            .collect();
        assert_eq!(read, [("lib/a.py".to_owned(), "a".to_owned()), ("main.py".to_owned(), "main".to_owned())]);
    }
}
