//! Where copies of what a run leaves go: a folder of this machine, or a place in an object store.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batchyard_runner::stage::{self, Strategy};

use crate::{
    fetch::Remote,
    host::{is_remote, local_path},
};

/// Folders inside each other that are stored; a deeper one is an error, not a stack overflow.
const MAX_DEPTH: usize = 128;

/// A folder for copies.
pub enum Destination<'r> {
    /// On this machine.
    Folder(PathBuf),
    /// Below a URL.
    Store(String, &'r Remote),
}

impl<'r> Destination<'r> {
    /// The place that an option names.
    ///
    /// # Errors
    /// Nothing can be stored there.
    pub fn new(target: &str, remote: &'r Remote) -> Result<Self, String> {
        if !is_remote(target) {
            return std::path::absolute(local_path(target)).map(Destination::Folder).map_err(|error| error.to_string());
        }
        match remote.takes(target) {
            true => Ok(Destination::Store(target.trim_end_matches('/').to_owned(), remote)),
            false => Err("nothing can be stored there: give a folder of this machine, or an address `oss://…` or `s3://…`".into()),
        }
    }

    /// What a copy is called.
    pub fn at(&self, below: &Path) -> String {
        match self {
            Destination::Folder(folder) => folder.join(below).to_string_lossy().into_owned(),
            Destination::Store(url, _) => format!("{url}/{}", below.to_string_lossy()),
        }
    }

    /// Copies a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// Why it cannot be copied.
    pub fn copy(&self, source: &Path, below: &Path) -> Result<(), String> {
        match self {
            Destination::Folder(folder) => copy_here(source, &folder.join(below)).map_err(|error| error.to_string()),
            Destination::Store(_, remote) => {
                for (file, inner) in files(source).map_err(|error| error.to_string())? {
                    let place = if inner.as_os_str().is_empty() { below.to_owned() } else { below.join(inner) };
                    remote.store(&file, &self.at(&place))?;
                }
                Ok(())
            }
        }
    }
}

fn copy_here(source: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    if source.is_dir() {
        return stage::place(source, to, &[Strategy::Copy], false).map_err(io::Error::other);
    }
    fs::copy(source, to).map(drop)
}

/// A file alone, or all files of a folder with their places in it.
fn files(source: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    if !source.is_dir() {
        return Ok(vec![(source.to_owned(), PathBuf::new())]);
    }
    let (mut found, mut open) = (Vec::new(), vec![(PathBuf::new(), 0)]);
    while let Some((inner, depth)) = open.pop() {
        for entry in fs::read_dir(source.join(&inner))? {
            let entry = entry?;
            let inner = inner.join(entry.file_name());
            // A link to a folder could lead into itself.
            if entry.file_type()?.is_dir() {
                if depth >= MAX_DEPTH {
                    return Err(io::Error::other(format!("`{}` has folders too deep inside each other", source.display())));
                }
                open.push((inner, depth + 1));
            } else if entry.path().is_file() {
                found.push((entry.path(), inner));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fetch::Fetch;

    /// Remembers what it was given.
    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<(String, String)>>);

    impl Fetch for Kept {
        fn fetch(&self, _: &str, _: Option<&str>) -> Result<PathBuf, String> {
            Err("is not kept".into())
        }
        fn takes(&self, url: &str) -> bool {
            url.starts_with("s3://")
        }
        fn store(&self, file: &Path, url: &str, account: Option<&str>) -> Result<(), String> {
            assert_eq!(account, Some("ann"));
            self.0.lock().unwrap().push((url.to_owned(), fs::read_to_string(file).unwrap()));
            Ok(())
        }
    }

    #[test]
    fn files_and_folders_go_to_a_store() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("d/deep")).unwrap();
        for (name, text) in [("f", "1"), ("d/a", "2"), ("d/deep/b", "3")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let kept = Arc::new(Kept::default());
        let remote = Remote { fetch: Some(kept.clone()), on_behalf: Some("ann".into()), reader: None };
        let destination = Destination::new("s3://b/out/", &remote).unwrap();
        assert_eq!(destination.at(Path::new("x/y")), "s3://b/out/x/y");
        destination.copy(&dir.path().join("f"), Path::new("w/f")).unwrap();
        destination.copy(&dir.path().join("d"), Path::new("w/d")).unwrap();
        let mut stored = kept.0.lock().unwrap().clone();
        stored.sort();
        let told = |name: &str, text: &str| (format!("s3://b/out/w/{name}"), text.to_owned());
        assert_eq!(stored, [told("d/a", "2"), told("d/deep/b", "3"), told("f", "1")]);
        assert!(Destination::new("gs://b/out", &remote).is_err());
        let here = format!("file://{}", dir.path().join("here").display());
        Destination::new(&here, &remote).unwrap().copy(&dir.path().join("f"), Path::new("x/f")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("here/x/f")).unwrap(), "1");
    }
}
