//! Loading: a document, everything it imports, and the structs and enums that come with the imports.
//!
//! [`load`] asks a [`Loader`] for texts, parses each document once and links the results into one
//! [`Module`] tree. Problems of imports are findings at the import statement; only a main document that cannot be
//! read is a failure.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use crate::{
    ast::{Document, Import},
    diagnostic::Diagnostic,
    findings::Findings,
    limits::{MAX_DOCUMENTS, MAX_IMPORT_DEPTH, MAX_SOURCES_BYTES},
    module::Module,
    parse::parse,
    rule::Rule,
    source::{Source, Span},
    version::Version,
};

mod enums;
mod files;
mod memory;
mod structs;
#[cfg(test)]
mod tests;

pub use files::FileLoader;
pub use memory::MemoryLoader;
pub(crate) use structs::{BUILT_IN, newer_type, with_guess};

/// Texts asked for in all: more than this is not a pipeline but an attack.
const MAX_LOADS: usize = 8 * MAX_DOCUMENTS;

/// Where documents come from.
pub trait Loader {
    /// The text behind `uri` as written in the document `importer` (its [`LoadedText::id`]), or given by the user
    /// when there is no importer. Errors are shown at the import statement.
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText>;
}

/// A text with its identity.
#[derive(Clone, Debug)]
pub struct LoadedText {
    /// Canonical identity, an absolute path or URL: equal for every way to write the same document.
    pub id: String,
    /// The name that messages show.
    pub name: String,
    /// The bytes of the document.
    pub text: Vec<u8>,
}

/// A document with all it needs.
#[derive(Debug)]
pub struct Loaded {
    /// The main document, linked with its imports.
    pub module: Arc<Module>,
    /// Identity and text of every document, the main one first. With `imports` this is all a [`MemoryLoader`] needs
    /// to load the same documents again.
    pub sources: Vec<(String, Arc<Source>)>,
    /// Identity of the importer, uri as written, identity of the imported document.
    pub imports: Vec<(String, String, String)>,
    /// What is wrong with the documents as far as it shows without checking expressions.
    pub diagnostics: Vec<Diagnostic>,
}

/// The main document could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{uri}`: {cause}")]
pub struct LoadFailure {
    /// The document as the caller named it.
    pub uri: String,
    /// Why it could not be read.
    #[source]
    pub cause: io::Error,
}

/// Loads a document and everything it imports.
///
/// Needs up to [`crate::limits::STACK_BYTES`] of stack for hostile documents.
pub fn load(uri: &str, loader: &dyn Loader) -> Result<Loaded, LoadFailure> {
    let text = loader.load(uri, None).map_err(|cause| LoadFailure { uri: uri.to_owned(), cause })?;
    let mut linker = Linker::new(loader);
    let module = linker.document(text);
    let mut diagnostics = Vec::new();
    for (_, findings) in linker.findings {
        diagnostics.extend(findings.finish());
    }
    Ok(Loaded { module, sources: linker.sources, imports: linker.imports, diagnostics })
}

/// Reads a document without what it imports. The findings tell of bytes that are no text.
///
/// # Errors
/// A document that cannot be read.
pub fn read(uri: &str, loader: &dyn Loader) -> Result<(Arc<Source>, Vec<Diagnostic>), LoadFailure> {
    let loaded = loader.load(uri, None).map_err(|cause| LoadFailure { uri: uri.to_owned(), cause })?;
    let mut findings = Findings::default();
    let source = decode(&loaded.name, loaded.text, &mut findings);
    Ok((source, findings.finish()))
}

struct Linker<'a> {
    loader: &'a dyn Loader,
    /// Finished documents by identity.
    modules: HashMap<String, Arc<Module>>,
    /// Identity and shown name of the documents between the main one and the current one.
    chain: Vec<(String, String)>,
    sources: Vec<(String, Arc<Source>)>,
    imports: Vec<(String, String, String)>,
    recorded: HashSet<(String, String)>,
    /// Findings per document in order of loading.
    findings: Vec<(String, Findings)>,
    loads: usize,
    /// Bytes of all documents.
    bytes: usize,
    sizes: structs::Sizes,
}

impl<'a> Linker<'a> {
    fn new(loader: &'a dyn Loader) -> Self {
        Linker {
            loader,
            modules: HashMap::new(),
            chain: Vec::new(),
            sources: Vec::new(),
            imports: Vec::new(),
            recorded: HashSet::new(),
            findings: Vec::new(),
            loads: 0,
            bytes: 0,
            sizes: structs::Sizes::default(),
        }
    }

    /// Parses and links a document that was not seen before.
    fn document(&mut self, loaded: LoadedText) -> Arc<Module> {
        let LoadedText { id, name, text } = loaded;
        self.bytes += text.len();
        let mut findings = Findings::default();
        let source = decode(&name, text, &mut findings);
        let slot = self.findings.len();
        self.findings.push((id.clone(), Findings::default()));
        self.sources.push((id.clone(), Arc::clone(&source)));
        let (mut document, parsed) = parse(&source);
        parsed.into_iter().for_each(|d| findings.push(d));
        self.chain.push((id.clone(), name));
        let mut namespaces: Vec<(String, Arc<Module>)> = Vec::new();
        let mut linked = Vec::new();
        for import in document.imports.clone() {
            let namespace = namespace_of(&import);
            match self.import(&source, &import) {
                Ok(module) => {
                    note_import(&document, &import, &namespace, &module, &mut findings);
                    note_clash(&document, &import, &namespace, &namespaces, &module, &mut findings);
                    namespaces.push((namespace, Arc::clone(&module)));
                    linked.push((import, module));
                }
                Err(diagnostic) => {
                    // What it would have defined is unknown now: the checker must not report that as well.
                    document.losses.add_import(namespace);
                    findings.push(*diagnostic);
                }
            }
        }
        self.chain.pop();
        note_repeated_names(&document, &mut findings);
        note_types_named_like_callables(&document, &mut findings);
        let (structs, enums) = structs::resolve(&document, &linked, &mut self.sizes, &mut findings);
        let module = Arc::new(Module { document, namespaces, structs, enums, id: id.clone() });
        if let Some((_, list)) = self.findings.get_mut(slot) {
            *list = findings;
        }
        self.modules.insert(id, Arc::clone(&module));
        module
    }

    fn import(&mut self, source: &Arc<Source>, import: &Import) -> Result<Arc<Module>, Box<Diagnostic>> {
        let error = |message: String| Box::new(Diagnostic::error(source, import.uri_span, message));
        let uri = &import.uri;
        let importer = self.chain.last().map(|(id, _)| id.clone());
        self.loads += 1;
        if self.loads > MAX_LOADS {
            return Err(error(format!("more than {MAX_LOADS} imports in all")));
        }
        let text = self.loader.load(uri, importer.as_deref()).map_err(|cause| error(format!("cannot import `{uri}`: {cause}")))?;
        if let Some(importer) = importer
            && self.recorded.insert((importer.clone(), uri.clone()))
        {
            self.imports.push((importer, uri.clone(), text.id.clone()));
        }
        if let Some(at) = self.chain.iter().position(|(id, _)| *id == text.id) {
            let names = self.chain.iter().skip(at).map(|(_, name)| name.as_str());
            let cycle: Vec<&str> = names.chain([text.name.as_str()]).collect();
            let message = format!("import cycle: `{}`", cycle.join("` -> `"));
            return Err(Box::new((*error(message)).hint("move what both need into a third document")));
        }
        if let Some(module) = self.modules.get(&text.id) {
            return Ok(Arc::clone(module));
        }
        if self.chain.len() >= MAX_IMPORT_DEPTH {
            return Err(error(format!("imports are nested more than {MAX_IMPORT_DEPTH} levels deep")));
        }
        if self.sources.len() >= MAX_DOCUMENTS {
            return Err(error(format!("more than {MAX_DOCUMENTS} documents in all")));
        }
        if self.bytes + text.text.len() > MAX_SOURCES_BYTES {
            return Err(error(format!("the documents have more than {MAX_SOURCES_BYTES} bytes in all")));
        }
        Ok(self.document(text))
    }
}

/// Bytes to text: a byte order mark goes, bytes that are not UTF-8 are reported.
fn decode(name: &str, bytes: Vec<u8>, findings: &mut Findings) -> Arc<Source> {
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => rest.to_vec(),
        None => bytes,
    };
    match String::from_utf8(bytes) {
        Ok(text) => Source::new(name, text),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
            // The rest is still worth reading: usually a comment was typed on an old computer.
            let source = Source::new(name, String::from_utf8_lossy(&bytes).into_owned());
            let end = start + '\u{fffd}'.len_utf8();
            let error = Diagnostic::error(&source, Span::new(start, end), "document is not UTF-8 text").label("not a character");
            findings.push(error.hint(if utf16 { "it looks like UTF-16: save it as UTF-8" } else { "save it as UTF-8" }));
            source
        }
    }
}

/// The namespace of an import.
pub(crate) fn namespace_of(import: &Import) -> String {
    import.namespace.as_ref().map_or_else(|| stem(&import.uri), |name| name.text.to_string())
}

/// The namespace of an import without `as`: the last part of the path without its ending.
fn stem(uri: &str) -> String {
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    last.strip_suffix(".wdl").unwrap_or(last).to_owned()
}

fn note_clash(
    document: &Document,
    import: &Import,
    namespace: &str,
    namespaces: &[(String, Arc<Module>)],
    module: &Arc<Module>,
    findings: &mut Findings,
) {
    let Some(index) = namespaces.iter().position(|(n, _)| n == namespace) else { return };
    let Some((_, earlier)) = namespaces.get(index) else { return };
    let span = import.namespace.as_ref().map_or(import.uri_span, |n| n.span);
    let message = format!("namespace `{namespace}` is already taken");
    // The same document twice is clumsy, but means only one thing.
    let finding = if Arc::ptr_eq(earlier, module) {
        Diagnostic::warning(&document.source, span, message).rule(Rule::RepeatedName)
    } else {
        Diagnostic::error(&document.source, span, message)
    };
    findings.push(finding.hint("give another name with `as`"));
}

/// Structs and enums share their names with tasks and the workflow: an error from 1.1 on.
fn note_types_named_like_callables(document: &Document, findings: &mut Findings) {
    let tasks = document.tasks.iter().map(|task| (&task.name, "task"));
    let callables = tasks.chain(document.workflow.iter().map(|workflow| (&workflow.name, "workflow")));
    let callables: HashMap<&str, (Span, &str)> = callables.map(|(name, kind)| (&*name.text, (name.span, kind))).collect();
    let structs = document.structs.iter().map(|definition| (&definition.name, "struct"));
    for (name, kind) in structs.chain(document.enums.iter().map(|definition| (&definition.name, "enum"))) {
        if let Some((span, other)) = callables.get(&*name.text) {
            let finding = graded(document, Version::V1_1, name.span, format!("{kind} and {other} are both named `{}`", name.text));
            let finding = finding.rule(Rule::RepeatedName);
            findings.push(finding.hint("rename one of them").related(*span, format!("the {other}")));
        }
    }
}

/// Imports whose namespace cannot be written in a call, or whose document is of a newer version.
fn note_import(document: &Document, import: &Import, namespace: &str, module: &Module, findings: &mut Findings) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !(namespace.starts_with(|c: char| c.is_ascii_alphabetic()) && namespace.chars().all(word)) {
        let message = format!("namespace `{namespace}` is no identifier: nothing in it can be called");
        let finding = graded(document, Version::V1_1, import.uri_span, message);
        findings.push(finding.hint("give it a name with `as`"));
    }
    let (ours, theirs) = (document.version, module.document.version);
    // Without a `version` statement there is no rule: draft-2 documents import newer ones.
    if theirs > ours && ours > Version::Draft2 {
        let message = format!("a document of version {ours} cannot import one of version {theirs}");
        let finding = if ours >= Version::V1_1 {
            Diagnostic::error(&document.source, import.uri_span, message)
        } else {
            let message = format!("document of version {ours} imports one of version {theirs}; other engines may refuse it");
            Diagnostic::warning(&document.source, import.uri_span, message)
        };
        findings.push(finding.hint(format!("begin this document with `version {theirs}`")));
    }
}

/// An error from `since` on, a warning before: for what old engines let pass.
fn graded(document: &Document, since: Version, span: Span, message: String) -> Diagnostic {
    if document.version >= since {
        Diagnostic::error(&document.source, span, message)
    } else {
        Diagnostic::warning(&document.source, span, message)
    }
}

/// Two tasks of one name; a workflow named like a task.
fn note_repeated_names(document: &Document, findings: &mut Findings) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for task in &document.tasks {
        if let Some(first) = seen.get(&*task.name.text) {
            let error = Diagnostic::error(&document.source, task.name.span, format!("second task named `{}`", task.name.text));
            findings.push(error.hint("rename one of them").related(*first, "the first one"));
        } else {
            seen.insert(&task.name.text, task.name.span);
        }
    }
    if let Some(workflow) = &document.workflow
        && let Some(task) = seen.get(&*workflow.name.text)
    {
        // Published documents do this, and a call then means the task.
        let message = format!("workflow and task are both named `{}`; calls in this document mean the task", workflow.name.text);
        let warning = Diagnostic::warning(&document.source, workflow.name.span, message).rule(Rule::RepeatedName);
        findings.push(warning.hint("rename one of them").related(*task, "the task"));
    }
}
