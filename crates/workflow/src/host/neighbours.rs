//! What lies beside the files of a task: an index that is named by nobody, but made of the name of its file.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::{inputs, value::Value};
use indexmap::IndexSet;

use super::{TaskHost, is_remote, local_path};
use crate::fetch::Beside;

/// What was looked for beside something that was brought: the copy, or why there is none.
pub(super) type Found = HashMap<Arc<str>, Result<Arc<str>, Absence>>;

/// Why there is nothing beside a file that was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// With the URL.
    pub message: String,
    /// Whether it is sure that there is nothing; otherwise nobody knows.
    pub is_sure: bool,
}

impl TaskHost {
    /// A path of the task that was made of a localized one, `bam + ".bai"` for example: what lies beside the original is put in place
    /// too, if there is such a thing.
    pub fn bring_beside(&self, path: &str) {
        if let Some(original) = self.beside(path).filter(|original| **original != *path) {
            self.localized.borrow_mut().insert(path.into(), original);
        }
    }

    /// What lies beside the original of a localized file as `path` lies beside that file.
    pub(super) fn beside(&self, path: &str) -> Option<Arc<str>> {
        let (neighbour, name) = self.neighbour(path)?;
        match self.remote.beside(Path::new(&*neighbour), name) {
            Beside::At(url) => {
                self.bring(vec![(path.into(), url.into())]);
                self.brought.borrow().get(path)?.clone().ok()
            }
            Beside::Unknown => self.begun_with(&neighbour, name).or_else(|| {
                self.note_unknown(path, &neighbour);
                self.brought.borrow().get(path)?.clone().ok()
            }),
            Beside::Here => self.beside_here(&neighbour, name),
        }
    }

    fn beside_here(&self, neighbour: &str, name: &str) -> Option<Arc<str>> {
        let original = format!("{}/{name}", neighbour.rsplit_once('/').filter(|_| self.has_neighbours)?.0);
        fs::metadata(&original).is_ok().then(|| original.into())
    }

    /// What a version that did not note from where files were brought has taken for what lies beside one.
    fn begun_with(&self, neighbour: &str, name: &str) -> Option<Arc<str>> {
        if self.has_begun { self.beside_here(neighbour, name) } else { None }
    }

    /// What others have brought is not taken for what lies beside a file that was brought from nobody knows where.
    fn note_unknown(&self, path: &str, neighbour: &str) {
        let name = neighbour.rsplit_once('/').map_or(neighbour, |(_, name)| name);
        let why = format!("`{path}` cannot be looked for: it is not known what lies beside `{name}` where that was brought from");
        self.brought.borrow_mut().entry(path.into()).or_insert_with(|| self.not_found(path, why, false));
    }

    /// What an attempt that has begun did not get then is not there; what it got lies there, wherever it came from.
    fn not_found(&self, path: &str, message: String, is_sure: bool) -> Result<Arc<str>, Absence> {
        if self.has_begun && fs::metadata(path).is_ok() {
            return Ok(path.into());
        }
        Err(Absence { message, is_sure: is_sure || self.has_begun })
    }

    /// The original beside which that of a path would lie, and the name it would have there. `None` for a path that has one.
    fn neighbour<'p>(&self, path: &'p str) -> Option<(Arc<str>, &'p str)> {
        let (folder, name) = path.rsplit_once('/')?;
        let localized = self.localized.borrow();
        // What was localized lies in the directory of the attempt.
        if !Path::new(folder).starts_with(&self.call_dir) {
            return None;
        }
        if self.finished || name.is_empty() || localized.contains_key(path) {
            return None;
        }
        let (_, neighbour) = localized.iter().find(|(to, _)| to.rsplit_once('/').is_some_and(|(other, _)| other == folder))?;
        Some((Arc::clone(neighbour), name))
    }

    /// Brings what the files of a value lie at that were made of localized ones, where those were brought from elsewhere: several
    /// at once.
    pub fn bring_neighbours(&self, value: &Value) {
        if self.remote.fetch.is_none() {
            return;
        }
        let mut wanted = Vec::new();
        inputs::files(value, &mut |path, directory| {
            let neighbour = if directory { None } else { self.neighbour(path) };
            let Some((file, name)) = neighbour else { return };
            match self.remote.beside(Path::new(&*file), name) {
                Beside::At(url) => wanted.push((Arc::clone(path), url.into())),
                Beside::Unknown if self.begun_with(&file, name).is_none() => self.note_unknown(path, &file),
                Beside::Unknown | Beside::Here => {}
            }
        });
        self.bring(wanted);
    }

    /// Brings what may be behind URLs, each for a path of the task, unless that was tried before.
    fn bring(&self, mut wanted: Vec<(Arc<str>, Arc<str>)>) {
        wanted.retain(|(path, _)| !self.brought.borrow().contains_key(path));
        let urls: IndexSet<Arc<str>> = wanted.iter().map(|(_, url)| Arc::clone(url)).collect();
        if urls.is_empty() || !self.patience.allows() {
            return;
        }
        let urls: Vec<Arc<str>> = urls.into_iter().collect();
        let found = self.remote.find_all(&urls, &self.patience);
        let mut brought = self.brought.borrow_mut();
        for (path, url) in wanted {
            let Some(found) = found.get(&url) else { continue };
            let result = match found {
                Ok(local) => Ok(local.to_string_lossy().into()),
                Err(unfound) => self.not_found(&path, format!("`{url}` {}", unfound.why), unfound.is_absent),
            };
            brought.insert(path, result);
        }
    }

    /// Whether nothing was looked for beside what was brought, as in most tasks.
    pub fn is_without_neighbours(&self) -> bool {
        self.brought.borrow().is_empty()
    }

    /// Why something is not there that was looked for beside a file that was brought.
    pub fn absence(&self, path: &str) -> Option<Absence> {
        self.brought.borrow().get(path)?.clone().err()
    }

    /// Whether everything that was looked for has a sure answer.
    pub fn is_sure(&self) -> bool {
        self.brought.borrow().iter().all(|(path, found)| match found {
            Ok(copy) => copy != path,
            Err(absence) => absence.is_sure && !self.has_begun,
        })
    }

    /// The copy of what is behind a URL, before the command: it is asked for once.
    fn readable_ahead(&self, path: &str) -> Option<io::Result<PathBuf>> {
        let known = self.brought.borrow().get(path).filter(|_| is_remote(path)).and_then(|found| found.clone().ok());
        if let Some(copy) = known.filter(|copy| Path::new(&**copy).exists()) {
            return Some(Ok(PathBuf::from(&*copy)));
        }
        let brought = self.remote.readable(path, &self.patience)?;
        if let Ok(copy) = &brought {
            self.brought.borrow_mut().insert(path.into(), Ok(copy.to_string_lossy().into()));
        }
        Some(brought)
    }

    /// The place of a file on this machine, to read it.
    pub(super) fn readable(&self, path: &str) -> io::Result<PathBuf> {
        let brought = if self.finished { self.remote.readable_now(path) } else { self.readable_ahead(path) };
        if let Some(brought) = brought {
            return brought;
        }
        let place = self.resolve(path);
        match self.absence(local_path(path)) {
            Some(absence) if !place.exists() => Err(io::Error::other(absence.message)),
            _ => Ok(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use batchyard_wdl::eval::{Host, PathKind};

    use super::*;
    use crate::fetch::{Fetch, Remote, Unfound};

    #[test]
    fn only_a_file_with_neighbours_brings_what_lies_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.bam", "a.bam.bai"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        for (has_neighbours, expected) in [(false, 1), (true, 2)] {
            let mut host = TaskHost::new(Path::new("/run/call-x"));
            host.has_neighbours = has_neighbours;
            let file = host.localize(dir.path().join("a.bam").to_str().unwrap());
            host.localize(&format!("{file}.bai"));
            host.localize(&format!("{file}.absent"));
            assert_eq!(host.files().len(), expected, "{:?}", host.files());
        }
    }

    /// Has one index, and cannot be asked for another; its files are kept in a folder.
    #[derive(Debug)]
    struct Site(PathBuf);

    impl Fetch for Site {
        fn fetch(&self, _: &str, _: Option<&str>) -> Result<PathBuf, String> {
            Err("is not asked for".into())
        }
        fn find(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, Unfound> {
            assert_eq!(on_behalf, Some("ann"));
            match url.rsplit('/').next() {
                Some("a.bam.bai") => Ok(self.0.join("index/a.bam.bai")),
                Some("busy") => Err(Unfound { why: "does not answer".into(), is_absent: false }),
                _ => Err(Unfound { why: "is not there".into(), is_absent: true }),
            }
        }
        fn beside(&self, file: &Path, name: &str) -> Beside {
            match file.starts_with(&self.0) {
                true if name == "lost" => Beside::Unknown,
                true => Beside::At(format!("http://x/{name}")),
                false => Beside::Here,
            }
        }
    }

    #[test]
    fn what_lies_beside_a_file_that_was_brought_is_brought_from_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["site/a.bam", "site/other.bai", "site/lost", "here/b.bam", "here/b.bam.bai"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let mut host = TaskHost::new(&dir.path().join("call"));
        host.has_neighbours = true;
        let site = Arc::new(Site(dir.path().join("site")));
        host.remote = Arc::new(Remote { fetch: Some(site), on_behalf: Some("ann".into()), reader: None });
        let brought = host.localize(dir.path().join("site/a.bam").to_str().unwrap());
        let own = host.localize(dir.path().join("here/b.bam").to_str().unwrap());
        let folder = brought.rsplit_once('/').unwrap().0.to_owned();
        let names = ["a.bam.bai", "other.bai", "busy", "lost"].map(|name| format!("{folder}/{name}"));
        host.bring_neighbours(&Value::array(names.iter().map(|path| Value::file(path.as_str())).collect()));
        names.iter().for_each(|path| host.bring_beside(path));
        host.bring_beside(&format!("{own}.bai"));
        let files = host.files();
        assert_eq!(files.len(), 4, "what others have brought is not taken: {files:?}");
        assert_eq!(host.original(&names[0]).as_deref(), dir.path().join("site/index/a.bam.bai").to_str());
        let absence = |name: &str, is_sure: bool| Some(Absence { message: format!("`http://x/{name}"), is_sure });
        let known = |path: &str| host.absence(path).map(|a| Absence { message: a.message.split("` ").next().unwrap().into(), ..a });
        assert_eq!([known(&names[1]), known(&names[2])], [absence("other.bai", true), absence("busy", false)]);
        let told = host.read(&names[1], 10).unwrap_err().to_string();
        assert_eq!(told, "`http://x/other.bai` is not there");
        assert_eq!(host.absence(&names[3]).map(|absence| absence.is_sure), Some(false), "nobody knows from where it was brought");
        assert!(!host.is_sure());
        // Once the folder is there: what the command finds is what was put in place, not what the cache holds.
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(names.each_ref().map(|path| host.exists(path)), [None; 4]);
        fs::create_dir_all(dir.path().join("site/index")).unwrap();
        fs::write(dir.path().join("site/index/a.bam.bai"), "index").unwrap();
        fs::write(&names[1], "made").unwrap();
        assert_eq!(names.each_ref().map(|path| host.exists(path)), [Some(PathKind::File), Some(PathKind::File), None, None]);
    }
}
