//! What WDL expressions may touch: files of the task while it is prepared and after it ran, and of the run.

mod neighbours;

use std::{
    cell::{Cell, RefCell},
    fs, io,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::{
    eval::{Host, PathKind},
    inputs::{self, MapFilesError},
    module::{self, Module},
    types::Type,
    value::Value,
    version::{Dialect, Version},
};
use indexmap::IndexMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::{
    fetch::{Patience, Reader, Remote},
    glob, layout,
    limits::{Limits, ReadBytes},
    memory::Memory,
    stamps::stamp_of,
};

/// The path behind a `file://` URL; other texts as they are.
pub fn local_path(path: &str) -> &str {
    path.strip_prefix("file://").map_or(path, |rest| rest.strip_prefix("localhost").unwrap_or(rest))
}

/// The mend for a path that leads nowhere.
const MUST_EXIST: &str = "from 1.3 on a file must exist before its path is a value; a relative path counts from the folder of the document";

/// Why a declaration has no value that is a path.
pub type NoPath = MapFilesError<String>;

/// The mend for a path that cannot be a value.
pub fn mend_of(error: &NoPath) -> &'static str {
    match error {
        MapFilesError::Missing { .. } => MUST_EXIST,
        MapFilesError::Failed(_) => "a `File` is never a directory from 1.2 on, and a `Directory` never a file",
    }
}

/// What a look at a path tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nobody looks: the path is known already, or it may not be looked at.
    Spared,
    /// There is nothing.
    Nothing,
    /// What is there.
    Kind(PathKind),
}

impl From<Option<PathKind>> for Look {
    fn from(found: Option<PathKind>) -> Self {
        found.map_or(Look::Nothing, Look::Kind)
    }
}

/// A whole path, and what is there.
pub type Created = (Arc<str>, PathKind);

/// Where paths of declarations count from.
pub struct Ground<'a> {
    /// The document.
    pub module: &'a Module,
    /// Whose rules count.
    pub dialect: Dialect,
    /// In 1.2: what a value holds for what lies beside the document (see [`Module::beside`]).
    pub place: &'a dyn Fn(&Path) -> Arc<str>,
    /// In 1.2: what other paths lead to.
    pub look: &'a dyn Fn(&str) -> Look,
    /// From 1.3 on: the whole path of anything, and what is there.
    pub created: &'a dyn Fn(&str) -> Option<Created>,
}

/// The value of a declaration with the paths it means.
///
/// # Errors
/// A path that leads to the wrong kind; from 1.3 on also one that does not exist where the type is not optional.
pub fn settled(value: &Value, ty: &Type, ground: &Ground<'_>) -> Result<Value, NoPath> {
    match ground.module.document.version {
        Version::Draft2 | Version::V1_0 | Version::V1_1 => Ok(value.clone()),
        Version::V1_2 => inputs::map_files_as_far_as_known(value, ty, &mut |path, directory| {
            if is_remote(path) {
                return Ok(Some(Arc::clone(path)));
            }
            if let Some(beside) = ground.module.beside(path) {
                let Some(found) = kind_of(&beside) else { return Ok(None) };
                ground.check(path, found, directory)?;
                return Ok(Some((ground.place)(&beside)));
            }
            match (ground.look)(path) {
                Look::Nothing => return Ok(None),
                // A relative one may be what the command makes: what the working directory of this program has is another thing.
                Look::Kind(found) if Path::new(local_path(path)).is_absolute() => ground.check(path, found, directory)?,
                Look::Kind(_) | Look::Spared => {}
            }
            Ok(Some(Arc::clone(path)))
        }),
        Version::V1_3 => inputs::map_files_typed(value, ty, &mut |path, directory| {
            if is_remote(path) {
                return Ok(Some(Arc::clone(path)));
            }
            let Some((whole, found)) = (ground.created)(path) else { return Ok(None) };
            ground.check(path, found, directory).map(|()| Some(whole))
        }),
    }
}

impl Ground<'_> {
    /// Whether a path leads to what its type says.
    fn check(&self, path: &str, found: PathKind, directory: bool) -> Result<(), String> {
        match (found, directory) {
            // Cromwell takes a directory for a file.
            (PathKind::Directory, false) if self.dialect == Dialect::Specification => Err(format!("`{path}` is a directory, not a file")),
            (PathKind::File, true) => Err(format!("`{path}` is a file, not a directory")),
            _ => Ok(()),
        }
    }
}

/// Whether two paths, as far as they lead anywhere, lead to the same.
fn is_same(a: Option<PathBuf>, b: Option<PathBuf>) -> bool {
    let Some((a, b)) = a.zip(b) else { return false };
    // That is cheaper to ask for than a path without links, and different for most pairs.
    let id = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    let is_one = id(&a).is_some_and(|a| id(&b) == Some(a));
    is_one && a.canonicalize().ok().is_some_and(|a| b.canonicalize().ok() == Some(a))
}

/// Whether a path is a URL of something that is not on this machine.
pub(crate) fn is_remote(path: &str) -> bool {
    path.contains("://") && !path.starts_with("file://")
}

/// Reads a whole file of at most `limit` bytes.
fn read_limited(path: &Path, limit: u64, reader: Option<&Reader>, memory: &Memory) -> io::Result<Vec<u8>> {
    let file = reader.map_or_else(|| fs::File::open(path), |reader| reader.open(path))?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_big(path, limit));
    }
    memory.ask(length).map_err(|shortage| io::Error::new(io::ErrorKind::OutOfMemory, shortage))?;
    let mut content = Vec::with_capacity(length as usize);
    // A file may grow (or be a pipe): the limit holds for what is really read.
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit { Err(too_big(path, limit)) } else { Ok(content) }
}

fn too_big(path: &Path, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("file `{}` is larger than requested maximum of {limit} Bytes.", path.display()))
}

fn size_of(path: &Path) -> io::Result<u64> {
    let meta = fs::metadata(path)?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0;
    let mut open = vec![path.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else {
                sum += fs::metadata(entry.path()).map_or(0, |m| m.len());
            }
        }
    }
    Ok(sum)
}

fn kind_of(path: &Path) -> Option<PathKind> {
    fs::metadata(path).ok().map(|m| if m.is_dir() { PathKind::Directory } else { PathKind::File })
}

/// Writes a text once under a name made of its content; equal content gives the same file.
fn write_named(dir: &Path, function: &str, content: &[u8]) -> io::Result<Arc<str>> {
    let path = dir.join(format!("{function}_{:032x}.tmp", xxh3_128(content)));
    if fs::metadata(&path).is_ok_and(|m| m.len() == content.len() as u64) {
        return Ok(path.to_string_lossy().into());
    }
    let part = path.with_extension("part");
    let write = || fs::write(&part, content);
    match write() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir)?;
            write()?;
        }
        result => result?,
    }
    fs::rename(&part, &path)?;
    Ok(path.to_string_lossy().into())
}

fn only_in_outputs(function: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("`{function}` can only be used in the outputs of a task"))
}

/// Expressions of a workflow: declarations, conditions, call inputs, outputs.
#[derive(Debug)]
pub struct WorkflowHost {
    /// Where `write_*` puts its files.
    pub written: PathBuf,
    /// What functions accept.
    pub read_bytes: ReadBytes,
    /// Whether files may be read at all.
    pub reads_files: bool,
    /// Who brings what is elsewhere.
    pub remote: Remote,
    /// What values may take.
    pub memory: Arc<Memory>,
}

impl WorkflowHost {
    fn permit(&self) -> io::Result<()> {
        let refused = "workflows may not read files of this machine (`engine.filesystems.local.enabled`)";
        if self.reads_files { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, refused)) }
    }

    fn local(&self, path: &str) -> io::Result<PathBuf> {
        self.remote.readable_now(path).unwrap_or_else(|| Ok(local_path(path).into()))
    }

    /// The whole path of what an expression of this document names, and what is there, see [`settled`].
    pub fn created(&self, module: &Module, path: &str) -> Option<Created> {
        let local = local_path(path);
        let whole = if module.is_beside(local) { module.found(local) } else { module::whole(Path::new(local)) }?;
        Some((whole.to_string_lossy().into(), kind_of(&whole)?))
    }
}

impl Host for WorkflowHost {
    fn ask(&self, bytes: u64) -> Result<(), String> {
        self.memory.ask(bytes).map_err(|shortage| shortage.to_string())
    }
    fn room(&self) -> u64 {
        self.memory.limit()
    }
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.permit()?;
        read_limited(&self.local(path)?, limit, self.remote.reader.as_ref(), &self.memory)
    }
    fn read_limit(&self, function: &str, usual: u64) -> u64 {
        self.read_bytes.get(function).copied().unwrap_or(usual)
    }
    fn write(&self, function: &str, content: &[u8]) -> io::Result<Arc<str>> {
        let written = write_named(&self.written, function, content)?;
        if let Some(reader) = &self.remote.reader {
            reader.grant(Path::new(&*written));
        }
        Ok(written)
    }
    fn size(&self, path: &str) -> io::Result<u64> {
        self.permit()?;
        size_of(&self.local(path)?)
    }
    fn exists(&self, path: &str) -> Option<PathKind> {
        self.permit().ok()?;
        kind_of(&self.local(path).ok()?)
    }
    fn same_path(&self, module: &Module, a: &str, b: &str) -> bool {
        let found = |path: &str| {
            let local = local_path(path);
            if module.is_beside(local) { module.found(local) } else { (!is_remote(local)).then(|| local.into()) }
        };
        self.reads_files && is_same(found(a), found(b))
    }
    fn glob(&self, _: &str) -> io::Result<Vec<Arc<str>>> {
        Err(only_in_outputs("glob"))
    }
    fn stdout(&self) -> io::Result<Arc<str>> {
        Err(only_in_outputs("stdout"))
    }
    fn stderr(&self) -> io::Result<Arc<str>> {
        Err(only_in_outputs("stderr"))
    }
    fn path_text(&self, path: &str) -> Arc<str> {
        path.into()
    }
}

/// In which state the originals of the files of a task were, in the order in which they were met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originals {
    count: usize,
    hash: u128,
}

/// Expressions of one attempt of a task.
///
/// Files of the task's values have their localized path, also before anything is in place: until then they are
/// read from where they come from.
#[derive(Debug)]
pub struct TaskHost {
    call_dir: PathBuf,
    execution_dir: PathBuf,
    /// Original by localized path.
    localized: RefCell<IndexMap<Arc<str>, Arc<str>>>,
    /// Originals of the directories among the inputs: what lies in one of them comes with it.
    directories: Vec<PathBuf>,
    /// Whether the command has run: relative paths are then below the execution directory.
    finished: bool,
    /// What functions accept.
    read_bytes: ReadBytes,
    /// What values may take.
    memory: Arc<Memory>,
    /// Whether what lies beside an original of this machine may be put in place with it: its owner may read all that is there.
    pub has_neighbours: bool,
    /// Who brings what is elsewhere, and what lies beside it there; and whose rights expressions have.
    pub remote: Arc<Remote>,
    /// Whether expressions may wait for what is brought.
    pub patience: Patience,
    /// Whether the attempt has begun under an earlier engine, and goes on or has ended: what was put in place for it counts.
    pub has_begun: bool,
    /// What was looked for beside something that was brought, by the path that the task knows.
    brought: RefCell<neighbours::Found>,
    /// What expressions have learnt before the command from files that are not values, by what was asked.
    learnt: RefCell<IndexMap<String, String>>,
    /// Whether one of them has learnt something else later.
    has_relearnt: Cell<bool>,
    /// Whether the script has collected the matches of globs.
    pub listed_globs: bool,
    /// Whether links that lead nowhere are among the matches of globs.
    pub dangling_globs: bool,
}

impl TaskHost {
    /// The host of an attempt in this directory.
    pub fn new(call_dir: &Path) -> Self {
        TaskHost {
            call_dir: call_dir.into(),
            execution_dir: call_dir.join("execution"),
            localized: RefCell::default(),
            directories: Vec::new(),
            finished: false,
            read_bytes: ReadBytes::default(),
            memory: Arc::default(),
            has_neighbours: false,
            remote: Arc::default(),
            patience: Patience::default(),
            has_begun: false,
            brought: RefCell::default(),
            learnt: RefCell::default(),
            has_relearnt: Cell::default(),
            listed_globs: false,
            dangling_globs: false,
        }
    }

    /// Sets what functions accept and values may take.
    pub fn limit(&mut self, limits: &Limits) {
        self.read_bytes = Arc::clone(&limits.read_bytes);
        self.memory = Arc::clone(&limits.memory);
    }

    /// A directory that will be localized: files and directories inside it then keep their place in it.
    pub fn expect_directory(&mut self, original: &str) {
        if let Ok(path) = std::path::absolute(local_path(original)) {
            self.directories.push(path);
        }
    }

    /// The command has run; outputs are evaluated from now on.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Directory of the attempt.
    pub fn call_dir(&self) -> &Path {
        &self.call_dir
    }

    /// Working directory of the command.
    pub fn execution_dir(&self) -> &Path {
        &self.execution_dir
    }

    /// The path at which the task will find a file; remembers that it must be put there.
    pub fn localize(&self, original: &str) -> Arc<str> {
        let source = local_path(original);
        if Path::new(source).starts_with(&self.call_dir) {
            self.bring_beside(source);
            return source.into();
        }
        let absolute: Arc<str> = match std::path::absolute(source) {
            Ok(path) => path.to_string_lossy().into(),
            Err(_) => source.into(),
        };
        if let Some(target) = self.inside_directory(Path::new(&*absolute)) {
            return target;
        }
        let mut target: Arc<str> = layout::localized(&self.call_dir, &absolute).to_string_lossy().into();
        let mut localized = self.localized.borrow_mut();
        // Two folders may share a hash; their files must not.
        while localized.get(&target).is_some_and(|known| *known != absolute) {
            let (folder, name) = target.rsplit_once('/').unwrap_or(("", &target));
            target = format!("{folder}x/{name}").into();
        }
        localized.insert(Arc::clone(&target), absolute);
        target
    }

    /// The place of something that lies inside a directory of the inputs; the outermost directory decides.
    fn inside_directory(&self, path: &Path) -> Option<Arc<str>> {
        let outer =
            self.directories.iter().filter(|d| path.starts_with(d) && path != d.as_path()).min_by_key(|d| d.components().count())?;
        let target = layout::localized(&self.call_dir, &outer.to_string_lossy()).join(path.strip_prefix(outer).ok()?);
        Some(target.to_string_lossy().into())
    }

    /// Files to put in place: localized path and original.
    pub fn files(&self) -> Vec<(Arc<str>, Arc<str>)> {
        self.localized.borrow().iter().map(|(to, from)| (Arc::clone(to), Arc::clone(from))).collect()
    }

    /// The original of a localized file, or of one inside a localized directory.
    pub fn original(&self, path: &str) -> Option<Arc<str>> {
        let localized = self.localized.borrow();
        if let Some(original) = localized.get(path) {
            return Some(Arc::clone(original));
        }
        localized.iter().find_map(|(to, from)| {
            let rest = path.strip_prefix(&**to)?.strip_prefix('/')?;
            Some(format!("{from}/{rest}").into())
        })
    }

    /// Before the command: the path at which the task will find what an expression of this document names, and what that is,
    /// see [`settled`].
    pub fn created(&self, module: &Module, path: &str) -> Option<Created> {
        let local = local_path(path);
        if Path::new(local).starts_with(&self.call_dir) {
            let path: Arc<str> = module::clean(Path::new(local)).to_string_lossy().into();
            let kind = kind_of(&self.resolve(&path))?;
            return Some((path, kind));
        }
        let whole = if module.is_beside(local) { module.found(local) } else { module::whole(Path::new(local)) }?;
        let kind = kind_of(&whole)?;
        Some((self.localize(&whole.to_string_lossy()), kind))
    }

    /// Where a path of an expression lies on this machine.
    pub fn resolve(&self, path: &str) -> PathBuf {
        let path = local_path(path);
        if let Some(original) = self.original(path).or_else(|| self.beside(path)) {
            return PathBuf::from(&*original);
        }
        if self.finished { self.execution_dir.join(path) } else { path.into() }
    }
}

impl Host for TaskHost {
    fn ask(&self, bytes: u64) -> Result<(), String> {
        self.memory.ask(bytes).map_err(|shortage| shortage.to_string())
    }
    fn room(&self) -> u64 {
        self.memory.limit()
    }
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let content = read_limited(&self.readable(path)?, limit, self.remote.reader.as_ref(), &self.memory)?;
        self.learn("content", path, || format!("xxh3 {:032x}", xxh3_128(&content)));
        Ok(content)
    }
    fn read_limit(&self, function: &str, usual: u64) -> u64 {
        self.read_bytes.get(function).copied().unwrap_or(usual)
    }
    fn write(&self, function: &str, content: &[u8]) -> io::Result<Arc<str>> {
        write_named(&self.execution_dir, function, content)
    }
    fn size(&self, path: &str) -> io::Result<u64> {
        let size = size_of(&self.readable(path)?)?;
        self.learn("size", path, || size.to_string());
        Ok(size)
    }
    fn exists(&self, path: &str) -> Option<PathKind> {
        kind_of(&self.resolve(path))
    }
    fn same_path(&self, module: &Module, a: &str, b: &str) -> bool {
        let found = |path: &str| {
            let local = local_path(path);
            match () {
                () if is_remote(local) => None,
                // Outputs count from the execution directory; what is not there was meant as the declarations meant it.
                () if module.is_beside(local) && !(self.finished && self.execution_dir.join(local).exists()) => module.found(local),
                () if Path::new(local).starts_with(&self.call_dir) => {
                    Some(self.resolve(&module::clean(Path::new(local)).to_string_lossy()))
                }
                () => Some(self.resolve(local)),
            }
        };
        is_same(found(a), found(b))
    }
    fn glob(&self, pattern: &str) -> io::Result<Vec<Arc<str>>> {
        if !self.finished {
            return Err(only_in_outputs("glob"));
        }
        match glob::listed(&self.execution_dir, pattern).filter(|_| self.listed_globs) {
            Some(files) => Ok(files),
            None => glob::collect(&self.execution_dir, pattern, self.dangling_globs),
        }
    }
    fn stdout(&self) -> io::Result<Arc<str>> {
        self.stream("stdout")
    }
    fn stderr(&self) -> io::Result<Arc<str>> {
        self.stream("stderr")
    }
    fn path_text(&self, path: &str) -> Arc<str> {
        path.into()
    }
}

impl TaskHost {
    /// Remembers what an expression has learnt of a file, unless that is put in place and so a value, or the attempt's own.
    fn learn(&self, what: &str, path: &str, learnt: impl FnOnce() -> String) {
        let local = local_path(path);
        if !self.finished && self.original(local).is_none() && !Path::new(local).starts_with(&self.execution_dir) {
            let now = learnt();
            let mut known = self.learnt.borrow_mut();
            let first = known.entry(format!("{what} of {local}")).or_insert_with(|| now.clone());
            self.has_relearnt.set(self.has_relearnt.get() || *first != now);
        }
    }

    /// The state of the originals that are known so far.
    pub fn originals(&self) -> Originals {
        self.first_originals(self.localized.borrow().len())
    }

    /// Whether what is put in place and was read is what it was then.
    pub fn is_as_it_was(&self, then: &Originals) -> bool {
        !self.has_relearnt.get() && self.first_originals(then.count) == *then
    }

    fn first_originals(&self, count: usize) -> Originals {
        let mut hasher = Xxh3::new();
        for original in self.localized.borrow().values().take(count) {
            hasher.update(format!("{original}\0{:?}\0", stamp_of(original)).as_bytes());
        }
        Originals { count, hash: hasher.digest128() }
    }

    /// What expressions have learnt before the command from files that are not values, in the order in which they have asked.
    pub fn learnt(&self) -> Vec<String> {
        self.learnt.borrow().values().cloned().collect()
    }

    fn stream(&self, name: &str) -> io::Result<Arc<str>> {
        if !self.finished {
            return Err(only_in_outputs(name));
        }
        Ok(self.execution_dir.join(name).to_string_lossy().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_an_input_directory_stays_in_it() {
        let mut host = TaskHost::new(Path::new("/run/call-x"));
        for directory in ["/data/set/inner", "/data/set", "/data/other"] {
            host.expect_directory(directory);
        }
        let set = host.localize("/data/set");
        assert_eq!(*host.localize("/data/set/inner/a.txt"), *format!("{set}/inner/a.txt"));
        assert_eq!(*host.localize("/data/set/inner"), *format!("{set}/inner"));
        assert_eq!(Path::new(&*host.localize("/data/other")).parent(), Path::new(&*set).parent(), "siblings stay siblings");
        assert!(!Path::new(&*host.localize("/data/set.bam")).starts_with(&*set), "a name that begins alike is no file of the directory");
        assert_eq!(host.original(&format!("{set}/inner/a.txt")).as_deref(), Some("/data/set/inner/a.txt"));
    }

    #[test]
    fn files_are_known_by_their_whole_path_from_1_3_on() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::create_dir(folder.join("set")).unwrap();
        fs::write(folder.join("set/a.txt"), "x").unwrap();
        std::os::unix::fs::symlink("a.txt", folder.join("set/link.txt")).unwrap();
        std::os::unix::fs::symlink("set", folder.join("other")).unwrap();
        let document = folder.join("w.wdl");
        fs::write(&document, "version 1.3\nworkflow w {}").unwrap();
        let module = batchyard_wdl::load::load(document.to_str().unwrap(), &batchyard_wdl::load::FileLoader::default()).unwrap().module;
        let host = WorkflowHost {
            written: folder.clone(),
            read_bytes: ReadBytes::default(),
            reads_files: true,
            remote: Remote::default(),
            memory: Arc::default(),
        };
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let created = |text: &str| host.created(&module, text).map(|(path, kind)| (path.to_string(), kind));
        let plain = Some((path("set/a.txt"), PathKind::File));
        for text in ["set/a.txt", "other/../set/./a.txt", "other/a.txt", &path("other/a.txt"), &format!("file://{}", path("set/a.txt"))] {
            assert_eq!(created(text), plain, "{text}");
        }
        assert_eq!(created(&path("set/link.txt")), Some((path("set/link.txt"), PathKind::File)), "a link names its file");
        assert_eq!(created(&path("set/")), Some((path("set"), PathKind::Directory)));
        assert_eq!(created("set/absent"), None);
        assert!(host.same_path(&module, &path("set/link.txt"), "other/a.txt"));
        assert!(!host.same_path(&module, &path("set"), "set/a.txt"));
        assert!(!host.same_path(&module, "absent", "absent.too"));
    }
}
