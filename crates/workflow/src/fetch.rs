//! Files that are elsewhere: given with a run, or met while it goes on (a line of a list, a text that becomes a `File`).

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use batchyard_wdl::{inputs, value::Value};
use indexmap::{IndexMap, IndexSet};

pub use batchyard_runner::User;

use crate::{documents::Failure, host::is_remote};

/// Files brought at once: most of the time of a small one goes to waiting for an answer.
const AT_ONCE: usize = 8;

/// Why something is not brought that may not be there at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfound {
    /// In words that go on after the URL.
    pub why: String,
    /// Whether its place has answered that there is no such thing for us; otherwise nobody knows.
    pub is_absent: bool,
}

/// What lies beside a file of this machine, under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// What lies beside it here: it was not brought.
    Here,
    /// Nobody can say: it was brought, but not from where, or not under the name that it has there.
    Unknown,
    /// What is behind this URL, if anything is.
    At(String),
}

/// Brings files from other places to this machine.
pub trait Fetch: fmt::Debug {
    /// Whether it can be asked for what is behind a URL.
    fn knows(&self, url: &str) -> bool {
        url.starts_with("http://") || url.starts_with("https://")
    }

    /// The local copy of what is behind a URL, for whom the place may want to know. Files of one folder come to lie in one
    /// folder, under their names.
    ///
    /// # Errors
    /// Why there is none, in words that go on after the URL.
    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String>;

    /// The same for something that may not be there; what a run has just been told of it counts.
    ///
    /// # Errors
    /// Why there is none.
    fn find(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, Unfound> {
        self.fetch(url, on_behalf).map_err(|why| Unfound { why, is_absent: false })
    }

    /// The copy that was last brought of what is behind a URL, whatever is there by now: nobody is asked.
    fn kept(&self, _url: &str, _on_behalf: Option<&str>) -> Option<PathBuf> {
        None
    }

    /// Where that is which has a name beside a file of this machine, as far as that was brought.
    fn beside(&self, _file: &Path, _name: &str) -> Beside {
        Beside::Here
    }

    /// The same for one run, where that makes a difference: what it brings stays here until the run has ended.
    fn for_run(&self) -> Option<Arc<dyn Fetch + Send + Sync>> {
        None
    }

    /// A file of this machine is needed, which may be one that was brought for an earlier engine of the same run.
    ///
    /// # Errors
    /// Why it may not stay, in words that go on after its path.
    fn needs(&self, _file: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Whether files can be stored behind a URL.
    fn takes(&self, _url: &str) -> bool {
        false
    }

    /// Stores a file behind a URL, in the place of whatever is there.
    ///
    /// # Errors
    /// Why it is not stored, in words that go on after the URL.
    fn store(&self, _file: &Path, _url: &str, _on_behalf: Option<&str>) -> Result<(), String> {
        Err("cannot be written to".into())
    }
}

/// Where each of these is here, or why it is not.
pub type Brought = HashMap<Arc<str>, Result<PathBuf, String>>;

/// Brings what is behind these URLs, several at once.
pub fn bring_all(fetch: &(dyn Fetch + Sync), urls: &[Arc<str>], on_behalf: Option<&str>) -> Brought {
    at_once(urls, &Patience::default(), |url| fetch.fetch(url, on_behalf))
}

/// Does something with URLs, with several at once, as long as somebody needs it.
fn at_once<T: Send>(urls: &[Arc<str>], patience: &Patience, bring: impl Fn(&str) -> T + Sync) -> HashMap<Arc<str>, T> {
    let brought = Mutex::new(HashMap::with_capacity(urls.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        while !patience.has_ended()
            && let Some(url) = urls.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let found = bring(url);
            brought.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(url), found);
        }
    };
    thread::scope(|scope| {
        for _ in 1..urls.len().min(AT_ONCE) {
            // Without a further thread those that are there bring everything.
            let _ = thread::Builder::new().name("fetch".into()).spawn_scoped(scope, work);
        }
        work();
    });
    brought.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Whether somebody has the time to wait for what is brought.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    /// Of somebody who has none: whether he would have had to wait.
    missed: Option<Arc<AtomicBool>>,
    /// Whether nobody needs any more what he waits for.
    ended: Option<Arc<AtomicBool>>,
}

impl Patience {
    /// Of somebody who must not wait, but remembers that he would have had to.
    pub fn none() -> Self {
        Patience { missed: Some(Arc::default()), ended: None }
    }

    /// Of somebody who waits until this is set; what he then has is worth nothing.
    pub fn until(ended: Arc<AtomicBool>) -> Self {
        Patience { missed: None, ended: Some(ended) }
    }

    /// Whether nobody needs any more what he waits for.
    fn has_ended(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.load(Ordering::Relaxed))
    }

    /// Whether something may be brought now.
    pub(crate) fn allows(&self) -> bool {
        self.missed.as_ref().is_none_or(|is_missed| {
            is_missed.store(true, Ordering::Relaxed);
            false
        })
    }

    /// Whether something was not brought that was needed: whatever was made without it is worth nothing.
    pub fn was_missed(&self) -> bool {
        self.missed.as_ref().is_some_and(|is_missed| is_missed.load(Ordering::Relaxed))
    }
}

/// Why nothing is brought for somebody without patience.
const LATER: &str = "is not brought yet";

/// Who brings the files of a run.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// The one who can; without him URLs are only texts.
    pub fetch: Option<Arc<dyn Fetch + Send + Sync>>,
    /// For whom, see [`Fetch::fetch`].
    pub on_behalf: Option<String>,
    /// Whose rights expressions have, where those are not the engine's own.
    pub reader: Option<Reader>,
}

/// The user of this machine for whom expressions read files and tasks get them.
#[derive(Clone, Debug)]
pub struct Reader {
    user: User,
    /// What was brought or made here for the run: it was allowed to have that, though the user cannot enter the folders. What lies
    /// in a folder among them belongs to it.
    granted: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Reader {
    /// A reader to whom nothing is granted but what the user may read, who also runs the tasks.
    pub fn new(user: User) -> Self {
        Reader { user, granted: Arc::default() }
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The run may have this file or folder.
    pub fn grant(&self, path: &Path) {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    fn is_granted(&self, path: &Path) -> bool {
        // A path that goes back up leads elsewhere.
        let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        is_plain && path.ancestors().any(|path| granted.contains(path))
    }

    /// Opens a regular file that the run may read.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        if self.is_granted(path) { File::open(path) } else { self.user.open(path) }
    }

    /// Whether the run may have a file or a folder.
    pub(crate) fn check(&self, path: &Path) -> io::Result<()> {
        if self.is_granted(path) {
            return Ok(());
        }
        match self.user.open(path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.user.act(|| fs::read_dir(path).map(drop)),
            opened => opened.map(drop),
        }
    }
}

/// Grants a reader what it brings.
#[derive(Debug)]
struct Granting {
    fetch: Arc<dyn Fetch + Send + Sync>,
    reader: Reader,
}

impl Fetch for Granting {
    fn knows(&self, url: &str) -> bool {
        self.fetch.knows(url)
    }
    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String> {
        self.fetch.fetch(url, on_behalf).inspect(|path| self.reader.grant(path))
    }
    fn find(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, Unfound> {
        self.fetch.find(url, on_behalf).inspect(|path| self.reader.grant(path))
    }
    fn kept(&self, url: &str, on_behalf: Option<&str>) -> Option<PathBuf> {
        self.fetch.kept(url, on_behalf).inspect(|path| self.reader.grant(path))
    }
    fn beside(&self, file: &Path, name: &str) -> Beside {
        // Who only knows the path of what was brought for others is not told, or brought, what lies beside it: its URL may be a secret.
        if self.reader.is_granted(file) { self.fetch.beside(file, name) } else { Beside::Here }
    }
    fn needs(&self, file: &Path) -> Result<(), String> {
        self.fetch.needs(file)
    }
    fn takes(&self, url: &str) -> bool {
        self.fetch.takes(url)
    }
    fn store(&self, file: &Path, url: &str, on_behalf: Option<&str>) -> Result<(), String> {
        self.fetch.store(file, url, on_behalf)
    }
}

/// Asks nobody: what an attempt that has begun was brought is here.
#[derive(Debug)]
struct Earlier(Arc<dyn Fetch + Send + Sync>);

impl Fetch for Earlier {
    fn knows(&self, url: &str) -> bool {
        self.0.knows(url)
    }
    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String> {
        self.0.kept(url, on_behalf).ok_or_else(|| "is not kept here any more".to_owned())
    }
    fn beside(&self, file: &Path, name: &str) -> Beside {
        self.0.beside(file, name)
    }
}

impl Remote {
    /// The same for an attempt that has begun under an earlier engine: its files were brought then, and nobody is asked again.
    pub(crate) fn of_earlier(&self) -> Self {
        let fetch = self.fetch.as_ref().map(|fetch| Arc::new(Earlier(Arc::clone(fetch))) as _);
        Remote { fetch, ..self.clone() }
    }

    /// The same for one run, see [`Fetch::for_run`].
    #[must_use]
    pub fn for_run(self) -> Self {
        let own = self.fetch.as_ref().and_then(|fetch| fetch.for_run());
        let fetch = match (own.or(self.fetch), &self.reader) {
            (Some(fetch), Some(reader)) => Some(Arc::new(Granting { fetch, reader: reader.clone() }) as _),
            (fetch, _) => fetch,
        };
        Remote { fetch, ..self }
    }

    /// Where the file behind a URL is here; `None` for what is no such URL.
    pub fn local(&self, path: &str) -> Option<Result<PathBuf, String>> {
        let fetch = self.fetch.as_ref().filter(|fetch| is_remote(path) && fetch.knows(path))?;
        Some(fetch.fetch(path, self.on_behalf.as_deref()))
    }

    /// See [`Fetch::beside`].
    pub(crate) fn beside(&self, file: &Path, name: &str) -> Beside {
        self.fetch.as_ref().map_or(Beside::Here, |fetch| fetch.beside(file, name))
    }

    /// Brings what may be behind these URLs.
    pub(crate) fn find_all(&self, urls: &[Arc<str>], patience: &Patience) -> HashMap<Arc<str>, Result<PathBuf, Unfound>> {
        let nobody = || Unfound { why: "cannot be brought here".into(), is_absent: false };
        at_once(urls, patience, |url| self.fetch.as_ref().ok_or_else(nobody)?.find(url, self.on_behalf.as_deref()))
    }

    /// Whether files can be stored behind a URL.
    pub(crate) fn takes(&self, url: &str) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.takes(url))
    }

    /// Stores a file behind a URL.
    pub(crate) fn store(&self, file: &Path, url: &str) -> Result<(), String> {
        let stored = match &self.fetch {
            Some(fetch) => fetch.store(file, url, self.on_behalf.as_deref()),
            None => Err("cannot be written to".into()),
        };
        stored.map_err(|why| format!("`{url}` {why}"))
    }

    /// The same for whoever reads it before a command of his own could have changed it: what the run has just been told counts.
    pub(crate) fn readable(&self, path: &str, patience: &Patience) -> Option<io::Result<PathBuf>> {
        let fetch = self.fetch.as_ref().filter(|_| self.knows(path))?;
        if !patience.allows() {
            return Some(Err(io::Error::other(format!("`{path}` {LATER}"))));
        }
        let found = fetch.find(path, self.on_behalf.as_deref());
        Some(found.map_err(|unfound| io::Error::other(format!("`{path}` {}", unfound.why))))
    }

    /// The same for everybody else.
    pub(crate) fn readable_now(&self, path: &str) -> Option<io::Result<PathBuf>> {
        self.local(path).map(|found| found.map_err(|why| io::Error::other(format!("`{path}` {why}"))))
    }

    /// Inputs of a call with everything that is elsewhere brought here.
    ///
    /// # Errors
    /// The first file that cannot be had.
    pub(crate) fn bring(
        &self,
        inputs: &Arc<IndexMap<Arc<str>, Value>>,
        patience: &Patience,
    ) -> Result<Arc<IndexMap<Arc<str>, Value>>, Failure> {
        let found = self.bring_files(&mut inputs.values(), patience);
        if found.is_empty() {
            return Ok(Arc::clone(inputs));
        }
        let mut brought = IndexMap::with_capacity(inputs.len());
        for (name, value) in inputs.iter() {
            let wrong = |(path, why)| Failure::new(format!("file `{path}` of input `{name}` {why}"));
            let with_copies = inputs::map_files(value, &mut |path: &Arc<str>, _| in_place(path, &found, &|copy| copy.into()));
            brought.insert(Arc::clone(name), with_copies.map_err(wrong)?);
        }
        Ok(Arc::new(brought))
    }

    /// A value with everything that is elsewhere brought here. The copies are everybody's: `place` gives the path that the value holds
    /// in the place of one. Keys of maps are looked up by what the document calls them, unless its version `has_whole_keys`.
    ///
    /// # Errors
    /// The first file that cannot be had.
    pub(crate) fn bring_value(
        &self,
        value: Value,
        has_whole_keys: bool,
        place: &dyn Fn(&str) -> Arc<str>,
        patience: &Patience,
    ) -> Result<Value, String> {
        let map = if has_whole_keys { inputs::map_files } else { inputs::map_files_except_keys };
        let mut urls = IndexSet::new();
        let noted = map(&value, &mut |path: &Arc<str>, _| {
            if self.knows(path) {
                urls.insert(Arc::clone(path));
            }
            Ok(Some(Arc::clone(path)))
        });
        let found = self.bring_urls(urls, patience, |fetch, url| fetch.find(url, self.on_behalf.as_deref()).map_err(|unfound| unfound.why));
        if found.is_empty() {
            return noted;
        }
        map(&value, &mut |path: &Arc<str>, _| in_place(path, &found, place).map_err(|(path, why)| format!("file `{path}` {why}")))
    }

    fn knows(&self, path: &str) -> bool {
        is_remote(path) && self.fetch.as_ref().is_some_and(|fetch| fetch.knows(path))
    }

    fn bring_files(&self, values: &mut dyn Iterator<Item = &Value>, patience: &Patience) -> Brought {
        let mut urls: IndexSet<Arc<str>> = IndexSet::new();
        let mut note = |path: &Arc<str>, _: bool| {
            if self.knows(path) {
                urls.insert(Arc::clone(path));
            }
        };
        values.for_each(|value| inputs::files(value, &mut note));
        // An earlier call may just have put another one there: what the run knew before does not count.
        self.bring_urls(urls, patience, |fetch, url| fetch.fetch(url, self.on_behalf.as_deref()))
    }

    fn bring_urls(
        &self,
        urls: IndexSet<Arc<str>>,
        patience: &Patience,
        bring: impl Fn(&(dyn Fetch + Send + Sync), &str) -> Result<PathBuf, String> + Sync,
    ) -> Brought {
        let Some(fetch) = self.fetch.as_deref().filter(|_| !urls.is_empty()) else { return Brought::new() };
        if !patience.allows() {
            return urls.into_iter().map(|url| (url, Err(LATER.into()))).collect();
        }
        let urls: Vec<Arc<str>> = urls.into_iter().collect();
        at_once(&urls, patience, |url| bring(fetch, url))
    }
}

/// What stands for a path of a value: a copy that was brought, in its place. The error is a file that cannot be had, and why.
fn in_place(path: &Arc<str>, found: &Brought, place: &dyn Fn(&str) -> Arc<str>) -> Result<Option<Arc<str>>, (Arc<str>, String)> {
    match found.get(path) {
        None => Ok(Some(Arc::clone(path))),
        Some(Ok(local)) => Ok(Some(place(&local.to_string_lossy()))),
        Some(Err(why)) => Err((Arc::clone(path), why.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// Gives a file only when two are asked for at the same time.
    #[derive(Debug)]
    struct Pairs(Barrier);

    impl Fetch for Pairs {
        fn fetch(&self, url: &str, _: Option<&str>) -> Result<PathBuf, String> {
            self.0.wait();
            if url.ends_with("bad") { Err("is gone".into()) } else { Ok(url.replace("http://x", "/kept").into()) }
        }
    }

    /// Says of every file that something lies beside it.
    #[derive(Debug)]
    struct Signed;

    impl Fetch for Signed {
        fn fetch(&self, url: &str, _: Option<&str>) -> Result<PathBuf, String> {
            Ok(url.replace("http://x", "/kept").into())
        }
        fn beside(&self, _: &Path, name: &str) -> Beside {
            Beside::At(format!("http://x/{name}?key=secret"))
        }
    }

    #[test]
    fn what_was_brought_for_others_has_nothing_beside_it() {
        let user = User { name: "ann".into(), uid: 1001, gid: 1001, groups: vec![1001], home: "/".into() };
        let remote = Remote { fetch: Some(Arc::new(Signed)), on_behalf: None, reader: Some(Reader::new(user)) }.for_run();
        let beside = || remote.beside(Path::new("/kept/a.bam"), "a.md5");
        assert_eq!(beside(), Beside::Here);
        remote.local("http://x/a.bam").unwrap().unwrap();
        assert_eq!(beside(), Beside::At("http://x/a.md5?key=secret".into()));
    }

    #[test]
    fn several_files_are_brought_at_once() {
        let pairs = Arc::new(Pairs(Barrier::new(2)));
        let remote = Remote { fetch: Some(pairs), ..Remote::default() };
        let inputs = |names: &[&str]| {
            let file = |name: &&str| Value::file(format!("http://x/{name}"));
            Arc::new(IndexMap::from([(Arc::from("fs"), Value::array(names.iter().map(file).collect()))]))
        };
        let patience = Patience::none();
        assert!(remote.bring(&inputs(&["a", "b"]), &patience).is_err() && patience.was_missed(), "who cannot wait is told");
        let patience = Patience::none();
        assert!(remote.bring(&inputs(&[]), &patience).is_ok() && !patience.was_missed());
        let endless = Patience::default();
        let brought = remote.bring(&inputs(&["a", "b", "a"]), &endless).unwrap();
        assert_eq!(brought["fs"], Value::array(["/kept/a", "/kept/b", "/kept/a"].map(Value::file).into()));
        let failure = remote.bring(&inputs(&["a", "bad"]), &endless).unwrap_err();
        assert_eq!(failure.message, "file `http://x/bad` of input `fs` is gone");
    }
}
