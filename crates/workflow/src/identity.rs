//! What a call is, for the call cache: the task's text, its inputs and where they come from.
//!
//! An output file is known by the execution that made it, other files by their content; content is read once and
//! remembered under size, modification time and inode. A provider may ask for one of Cromwell's ways instead
//! ([`Hashing`]).

mod hashing;

use std::{
    cell::Cell,
    collections::HashMap,
    fmt::Write,
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use batchyard_store::{FileDigest, Store, Write as StoreWrite};
use batchyard_wdl::{
    ast::{Decl, StringPart, Task},
    module::Module,
    value::Value,
    version::Dialect,
};
use indexmap::IndexMap;
use md5::{Digest, Md5};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

pub use self::hashing::Hashing;
use crate::{
    glob::hex,
    host::{is_remote, local_path},
};

/// Longest value text kept for people; longer ones are kept as a hash with their beginning.
const SHOWN_CHARS: usize = 200;
/// Bytes read at once while a file is hashed.
const READ_BYTES: usize = 1 << 18;

/// The identity of a call: a key to look it up, and the parts it is made of, to explain a miss.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// 32 hexadecimal digits.
    pub key: String,
    /// Name and value of each part, in order.
    pub parts: IndexMap<String, String>,
}

impl Identity {
    /// The identity made of these parts.
    pub fn of(parts: IndexMap<String, String>) -> Self {
        let mut hasher = Xxh3::new();
        // The order in which a task declares its names is no part of what it is.
        let mut sorted: Vec<_> = parts.iter().collect();
        sorted.sort_unstable();
        for (name, value) in sorted {
            for text in [name, value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        Identity { key: format!("{:032x}", hasher.digest128()), parts }
    }
}

/// 32 hexadecimal digits of a text's hash.
pub fn text_hash(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

/// The parts that come from the task's own text and are the same for all its calls.
pub fn task_parts(module: &Module, task: &Task, dialect: Dialect) -> IndexMap<String, String> {
    let mut parts = IndexMap::new();
    parts.insert("language".into(), format!("WDL {} ({dialect:?} rules)", module.document.version));
    parts.insert("command template".into(), template_hash(&command_template(module, task)));
    for decl in &task.decls {
        parts.insert(format!("declaration {}", decl.name.text), declaration_text(module, decl));
    }
    for decl in &task.outputs {
        parts.insert(format!("output {}", decl.name.text), declaration_text(module, decl));
    }
    parts
}

/// A declaration as it is written, however it is spaced.
pub fn declaration_text(module: &Module, decl: &Decl) -> String {
    let words: Vec<&str> = module.document.source.slice(decl.span).split_whitespace().collect();
    shortened(words.join(" "))
}

/// The command as Cromwell writes it down for its hash: without what indents it, placeholders in one spelling.
pub fn command_template(module: &Module, task: &Task) -> String {
    let mut template = String::new();
    for part in &task.command.parts {
        match part {
            StringPart::Text(text) => template.push_str(text),
            StringPart::Placeholder(placeholder) => {
                template.push_str("${");
                let options = [
                    ("sep", &placeholder.sep),
                    ("true", &placeholder.if_true),
                    ("false", &placeholder.if_false),
                    ("default", &placeholder.default),
                ];
                for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                    push(&mut template, format_args!("{name}=\"{value}\" "));
                }
                let source = module.document.source.slice(placeholder.expr.span);
                template.push_str(&source.split_whitespace().collect::<Vec<_>>().join(" "));
                template.push('}');
            }
        }
    }
    template.trim().to_owned()
}

/// The hash of a command's text, as Cromwell shows it.
pub fn template_hash(template: &str) -> String {
    hex(&Md5::digest(template.as_bytes())).to_uppercase()
}

/// A text as it is when short, else its beginning with the hash of the whole.
fn shortened(text: String) -> String {
    if text.len() <= SHOWN_CHARS {
        return text;
    }
    let start: String = text.chars().take(SHOWN_CHARS / 2).collect();
    format!("{start}... (xxh3 {})", text_hash(&text))
}

/// Content digests by path, each with the stamp it was computed for.
type Digests = HashMap<Arc<str>, (Stamp, Arc<str>)>;

/// Size and modification time of a file as its maker left it, and the identity that it has by its maker.
type Made = ((u64, i64), Arc<str>);

/// Knows the identity of every file.
pub struct Identities {
    store: Arc<Store>,
    /// Identity by path of files that calls of this engine made, with size and modification time as they were then.
    made: RwLock<HashMap<Arc<str>, Made>>,
    /// Content digests by path, with the stamp they were computed for.
    digests: Mutex<Digests>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: i64,
    mtime_ns: i64,
    inode: i64,
}

impl Stamp {
    fn of(meta: &fs::Metadata) -> Self {
        Stamp { size: meta.len() as i64, mtime_ns: mtime_ns(meta), inode: meta.ino() as i64 }
    }
}

/// Modification time in nanoseconds since the epoch.
pub fn mtime_ns(meta: &fs::Metadata) -> i64 {
    meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())
}

impl Identities {
    /// Digests are remembered in this store.
    pub fn new(store: Arc<Store>) -> Self {
        Identities { store, made: RwLock::default(), digests: Mutex::default() }
    }

    /// An execution made this file, and left it with this stamp.
    pub fn made_by(&self, path: Arc<str>, stamp: (u64, i64), identity: Arc<str>) {
        self.made.write().unwrap_or_else(PoisonError::into_inner).insert(path, (stamp, identity));
    }

    /// The text of a value in which each file stands for its identity, in our own way or a given one; shortened if long.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn value_text(&self, value: &Value, hashing: Option<&Hashing>) -> io::Result<String> {
        let mut text = String::new();
        Writer { identities: self, hashing, absent: None }.append(value, &mut text)?;
        Ok(shortened(text))
    }

    /// The same for a value whose files need not be there; the second is whether one is not.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn text_as_far_as_there(&self, value: &Value, hashing: Option<&Hashing>) -> io::Result<(String, bool)> {
        let (mut text, absent) = (String::new(), Cell::new(false));
        Writer { identities: self, hashing, absent: Some(&absent) }.append(value, &mut text)?;
        Ok((shortened(text), absent.get()))
    }
}

/// Writes values with files in one way.
struct Writer<'a> {
    identities: &'a Identities,
    hashing: Option<&'a Hashing>,
    /// Where files need not be there: becomes true when one is not.
    absent: Option<&'a Cell<bool>>,
}

impl Writer<'_> {
    fn append(&self, value: &Value, text: &mut String) -> io::Result<()> {
        match value {
            Value::None => text.push_str("None"),
            Value::Boolean(b) => text.push_str(if *b { "true" } else { "false" }),
            Value::Int(n) => push(text, n),
            Value::Float(n) => push(text, format_args!("{n:?}")),
            Value::String(s) => push(text, format_args!("{s:?}")),
            Value::File(path) | Value::Directory(path) => self.file(path, text)?,
            Value::Array(items) => self.list(items.iter(), ('[', ']'), text)?,
            Value::Pair(pair) => self.list([&pair.0, &pair.1].into_iter(), ('(', ')'), text)?,
            Value::Map(pairs) => self.list(pairs.iter().flat_map(|(k, v)| [k, v]), ('{', '}'), text)?,
            Value::Object(object) => {
                text.push('{');
                for (name, member) in &object.members {
                    push(text, format_args!("{name}: "));
                    self.append(member, text)?;
                    text.push_str(", ");
                }
                text.push('}');
            }
            Value::Enum(kind, choice) => {
                push(text, format_args!("{}.{}", kind.name, kind.choices.get(*choice).map_or("", |c| c.0.as_str())))
            }
        }
        Ok(())
    }

    fn file(&self, path: &str, text: &mut String) -> io::Result<()> {
        match (self.identities.file(path, self.hashing), self.absent) {
            (Err(error), Some(absent)) if error.kind() == io::ErrorKind::NotFound => {
                absent.set(true);
                // What nobody can bring here is what it is called.
                if is_remote(path) { push(text, format_args!("{path:?}")) } else { text.push_str("absent") }
            }
            (found, _) => text.push_str(&found?),
        }
        Ok(())
    }

    fn list<'v>(&self, items: impl Iterator<Item = &'v Value>, (open, close): (char, char), text: &mut String) -> io::Result<()> {
        text.push(open);
        for item in items {
            self.append(item, text)?;
            text.push_str(", ");
        }
        text.push(close);
        Ok(())
    }
}

impl Identities {
    /// The identity of a file or directory.
    fn file(&self, path: &str, hashing: Option<&Hashing>) -> io::Result<Arc<str>> {
        let local = Path::new(local_path(path));
        let named = |e: io::Error| io::Error::new(e.kind(), format!("`{path}`: {e}"));
        let meta = fs::metadata(local).map_err(named)?;
        if hashing.is_none()
            && let Some((stamp, identity)) = self.made.read().unwrap_or_else(PoisonError::into_inner).get(path)
            // One that was changed since is no longer what its maker left.
            && *stamp == (meta.len(), mtime_ns(&meta))
        {
            return Ok(Arc::clone(identity));
        }
        if meta.is_dir() {
            return directory_digest(local).map(Into::into);
        }
        match hashing {
            None => self.content(path, path, local, Stamp::of(&meta), &content_digest),
            Some(hashing) if hashing.reads_content() => {
                self.content(&format!("{hashing} {path}"), path, local, Stamp::of(&meta), &|file| hashing.of(file))
            }
            Some(hashing) => hashing.of(local).map(Into::into).map_err(named),
        }
    }

    /// A digest that is computed once and remembered under `key`.
    fn content(
        &self,
        key: &str,
        path: &str,
        local: &Path,
        stamp: Stamp,
        digest_of: &dyn Fn(&Path) -> io::Result<String>,
    ) -> io::Result<Arc<str>> {
        let known = |digests: &Digests| digests.get(key).filter(|(s, _)| *s == stamp).map(|(_, d)| Arc::clone(d));
        if let Some(digest) = known(&self.digests.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(digest);
        }
        let path_hash = text_hash(key);
        // Without an answer from the store the content is simply read again.
        let stored = self.store.find_digests(std::slice::from_ref(&path_hash)).unwrap_or_default().into_iter().flatten().next();
        let digest: Arc<str> = match stored {
            Some(old) if (Stamp { size: old.size, mtime_ns: old.mtime_ns, inode: old.inode }) == stamp => old.digest.into(),
            _ => {
                let digest = digest_of(local).map_err(|e| io::Error::new(e.kind(), format!("`{path}`: {e}")))?;
                let record = FileDigest {
                    path_hash,
                    path: path.into(),
                    size: stamp.size,
                    mtime_ns: stamp.mtime_ns,
                    inode: stamp.inode,
                    digest: digest.clone(),
                };
                // A digest that is not remembered costs time later, nothing else: nobody waits for it.
                self.store.write_then(vec![StoreWrite::PutDigest(record)], drop);
                digest.into()
            }
        };
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into(), (stamp, Arc::clone(&digest)));
        Ok(digest)
    }
}

fn push(text: &mut String, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{value}");
}

fn content_digest(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(format!("xxh3 {:032x}", hasher.digest128())),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Names, sizes and times of everything below a directory.
fn directory_digest(path: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            let below = entry.path();
            let name = below.strip_prefix(path).unwrap_or(&below).to_string_lossy().into_owned();
            if meta.is_dir() {
                lines.push(name);
                open.push(below);
            } else {
                lines.push(format!("{name}\0{}\0{}", meta.len(), mtime_ns(&meta)));
            }
        }
    }
    lines.sort();
    Ok(format!("tree {:032x}", xxh3_128(lines.join("\n").as_bytes())))
}
