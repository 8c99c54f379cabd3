//! Documents of a submission: the sent text, the dependencies, the web.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use batchyard_wdl::{
    check,
    diagnostic::Diagnostic,
    inputs::InputProblem,
    limits::MAX_SOURCE_BYTES,
    load::{FileLoader, Loaded, LoadedText, Loader, load},
    module::Callee,
};
use batchyard_workflow::{documents::Failure, fetch::Remote};

use crate::archive::inner_path;

/// Most problems of documents or inputs that are told.
pub const MAX_PROBLEMS: usize = 100;
/// Time a document from the web may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// Identity of a sent main document; no path of a dependency begins so.
const MAIN: &str = "workflow.wdl";

/// Where documents of submissions may come from, besides the submission.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// URL prefixes and the folder or file that stands for them.
    pub map: Vec<(String, PathBuf)>,
    /// Hosts from which documents are fetched; `None` allows all.
    pub hosts: Option<Vec<String>>,
    /// Object stores.
    pub stores: Remote,
}

/// Documents as they were sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'s> {
    /// Text of the main document.
    pub main: Option<&'s str>,
    /// Where the main document is, if it was not sent.
    pub url: Option<&'s str>,
    /// Texts of the dependencies by path.
    pub dependencies: &'s BTreeMap<String, String>,
}

/// Loads and checks sent documents.
///
/// # Errors
/// Everything that keeps them from running, at most [`MAX_PROBLEMS`].
pub fn load_checked(sent: &Sent<'_>, sources: &Sources) -> Result<Loaded, Vec<Failure>> {
    let loader = SubmittedLoader { main: sent.main, dependencies: sent.dependencies, sources };
    let loaded = load(sent.url.unwrap_or(MAIN), &loader).map_err(|error| vec![Failure::new(error.to_string())])?;
    let mut found = loaded.diagnostics.clone();
    found.extend(check::check(&loaded.module));
    let problems: Vec<Failure> = found.iter().filter(|finding| finding.is_error()).take(MAX_PROBLEMS).map(failure_of).collect();
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// What is wrong with an input, in the words that clients of the original look for.
pub fn input_failure(problem: InputProblem) -> Failure {
    let message = match problem.message.starts_with("required workflow input") {
        true => format!("Required workflow input '{}' not specified", problem.key),
        false => problem.message,
    };
    Failure { hint: problem.hint, ..Failure::new(message) }
}

/// What a document runs: its workflow, else its only task.
///
/// # Errors
/// There is nothing to run, or no saying what.
pub fn target_of(loaded: &Loaded) -> Result<Callee, Failure> {
    let module = &loaded.module;
    if let Some(workflow) = &module.document.workflow {
        return Ok(Callee::Workflow(Arc::clone(module), Arc::clone(workflow)));
    }
    match module.document.tasks.as_slice() {
        [task] => Ok(Callee::Task(Arc::clone(module), Arc::clone(task))),
        [] => Err(Failure::new("the document has neither workflow nor task to run")),
        _ => Err(Failure::new("the document has no workflow, and more than one task").hint("add a workflow that calls them")),
    }
}

fn failure_of(finding: &Diagnostic) -> Failure {
    let (line, column) = finding.source.position(finding.span.start);
    let place = format!("{}:{line}:{column}", finding.source.name);
    Failure { place: Some(place), hint: finding.hint.clone(), ..Failure::new(finding.message.clone()) }
}

/// Loads the documents of one submission. Files of this machine are not reached.
pub struct SubmittedLoader<'s> {
    /// Text of the main document, if it was sent.
    pub main: Option<&'s str>,
    /// Texts of the dependencies by path.
    pub dependencies: &'s BTreeMap<String, String>,
    /// Where others may come from.
    pub sources: &'s Sources,
}

impl Loader for SubmittedLoader<'_> {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let Some(importer) = importer else {
            return match self.main {
                Some(text) => Ok(text_of(MAIN, text)),
                None => self.fetch(uri),
            };
        };
        if uri.contains("://") {
            return self.fetch(uri);
        }
        if importer.contains("://") {
            return self.fetch(&joined(importer, uri)?);
        }
        self.dependency(uri, importer)
    }
}

impl SubmittedLoader<'_> {
    fn dependency(&self, uri: &str, importer: &str) -> io::Result<LoadedText> {
        let folder = importer.rsplit_once('/').map_or("", |(folder, _)| folder);
        let outside = || io::Error::new(io::ErrorKind::PermissionDenied, "it would lie outside of the dependencies");
        let beside = inner_path(&format!("{folder}/{uri}").trim_start_matches('/').replace("//", "/")).filter(|_| !uri.starts_with('/'));
        let beside = beside.ok_or_else(outside)?;
        // Bundles of published pipelines are often flat, or made from their top folder.
        let candidates = [Some(beside), inner_path(uri), uri.rsplit('/').next().map(str::to_owned)];
        let found = candidates.into_iter().flatten().find_map(|path| self.dependencies.get_key_value(&path));
        match found {
            Some((path, text)) => Ok(text_of(path, text)),
            None if self.dependencies.is_empty() => {
                Err(io::Error::new(io::ErrorKind::NotFound, "no dependencies were sent: send a zip with it as `workflowDependencies`"))
            }
            None => Err(io::Error::new(io::ErrorKind::NotFound, "it is not in the dependencies that were sent")),
        }
    }

    fn fetch(&self, url: &str) -> io::Result<LoadedText> {
        if url.starts_with("file://") && self.main.is_none() {
            return FileLoader { search: Vec::new(), map: self.sources.map.clone() }.load(url, None);
        }
        self.sources.find(url)
    }
}

impl Sources {
    /// The document at a URL: what stands for it, or from the web.
    ///
    /// # Errors
    /// It may not be fetched, or cannot be.
    pub fn find(&self, url: &str) -> io::Result<LoadedText> {
        if !url.starts_with("file://") {
            match (FileLoader { search: Vec::new(), map: self.map.clone() }).load(url, None) {
                Ok(found) => return Ok(LoadedText { id: url.to_owned(), ..found }),
                // Not in the map: the web itself.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(stored) = stored(url, &self.stores) {
            return stored;
        }
        permit(url, self.hosts.as_deref())?;
        Ok(LoadedText { id: url.to_owned(), name: url.to_owned(), text: fetch(url)? })
    }
}

/// Loads from files of this machine, and from the web and from object stores what they import there.
pub struct WebLoader {
    /// Files, and what stands for URLs.
    pub files: FileLoader,
    /// Hosts from which documents are fetched; `None` allows all.
    pub hosts: Option<Vec<String>>,
    /// Object stores.
    pub stores: Remote,
}

impl Loader for WebLoader {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let from_web = importer.filter(|importer| is_elsewhere(importer) && !uri.contains("://"));
        let url = from_web.map(|importer| joined(importer, uri)).transpose()?;
        let uri = url.as_deref().unwrap_or(uri);
        match self.files.load(uri, if url.is_some() { None } else { importer }) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported && is_web(uri) => {
                permit(uri, self.hosts.as_deref())?;
                let text = fetch(uri)
                    .map_err(|error| io::Error::new(error.kind(), format!("{error}; a copy can stand for it: `--import-map URL=DIR`")))?;
                Ok(LoadedText { id: uri.to_owned(), name: uri.to_owned(), text })
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => stored(uri, &self.stores).unwrap_or(Err(error)),
            loaded => loaded,
        }
    }
}

/// The document behind the URL of an object store; `None` for other URLs.
fn stored(url: &str, stores: &Remote) -> Option<io::Result<LoadedText>> {
    let found = Some(url).filter(|url| !is_web(url)).and_then(|url| stores.local(url))?;
    let read = || {
        let path = found.map_err(|why| io::Error::other(format!("it {why}")))?;
        let mut text = Vec::new();
        File::open(path)?.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut text)?;
        Ok(LoadedText { id: url.to_owned(), name: url.to_owned(), text })
    };
    Some(read())
}

/// Whether documents may come from the host of a URL.
fn permit(url: &str, hosts: Option<&[String]>) -> io::Result<()> {
    let host = host_of(url).ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "only http and https documents are fetched"))?;
    if hosts.is_some_and(|hosts| !hosts.iter().any(|allowed| allowed == host)) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("host `{host}` is not among the allowed ones")));
    }
    Ok(())
}

/// Whether a document has others beside it that are not files of this machine.
fn is_elsewhere(id: &str) -> bool {
    id.contains("://") && !id.starts_with("file://")
}

pub(crate) fn is_web(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(FETCH_TIMEOUT)).tls_config(batchyard_trust::tls());
    ureq::Agent::new_with_config(config.build())
}

/// The content behind an http(s) URL, at most one byte more than a document may have.
///
/// # Errors
/// What the server or the network said.
pub fn fetch(url: &str) -> io::Result<Vec<u8>> {
    let mut response = agent().get(url).call().map_err(|error| io::Error::other(format!("cannot fetch `{url}`: {error}")))?;
    let mut text = Vec::new();
    response.body_mut().as_reader().take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Sends a JSON text to a URL.
///
/// # Errors
/// What the server or the network said.
pub fn notify(url: &str, text: String) -> Result<(), String> {
    let answer = agent().post(url).header("Content-Type", "application/json").send(text);
    answer.map(drop).map_err(|error| format!("`{url}` cannot be told that a workflow has ended: {error}"))
}

fn text_of(id: &str, text: &str) -> LoadedText {
    LoadedText { id: id.to_owned(), name: id.to_owned(), text: text.as_bytes().to_vec() }
}

fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.rsplit_once(':').map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host }))
}

/// An import as written in a document from the web; a leading `/` means the host's root.
fn joined(base: &str, uri: &str) -> io::Result<String> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{uri}` does not lead anywhere from `{base}`"));
    let (scheme, rest) = base.split_once("://").ok_or_else(wrong)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or("");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let full = if uri.starts_with('/') { uri.to_owned() } else { format!("{folder}/{uri}") };
    let inner = inner_path(full.trim_start_matches('/')).ok_or_else(wrong)?;
    Ok(format!("{scheme}://{host}/{inner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(joined("https://h:1/a/b/main.wdl?x=1", "../c.wdl").unwrap(), "https://h:1/a/c.wdl");
        assert_eq!(joined("https://h/a/b/main.wdl", "/c.wdl").unwrap(), "https://h/c.wdl");
        assert!(joined("https://h/main.wdl", "../c.wdl").is_err());
        assert_eq!(host_of("https://u:p@host.org:8080/x"), Some("host.org"));
        assert_eq!(host_of("file:///x"), None);
    }

    #[test]
    fn dependencies_stay_inside() {
        let dependencies: BTreeMap<String, String> =
            [("tasks/a.wdl", "a"), ("b.wdl", "b")].map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let sources = Sources::default();
        let loader = SubmittedLoader { main: Some("main"), dependencies: &dependencies, sources: &sources };
        let load = |uri: &str, importer: &str| loader.load(uri, Some(importer)).map(|text| text.id);
        assert_eq!(load("tasks/a.wdl", MAIN).unwrap(), "tasks/a.wdl");
        assert_eq!(load("../b.wdl", "tasks/a.wdl").unwrap(), "b.wdl");
        assert_eq!(load("a.wdl", "tasks/x.wdl").unwrap(), "tasks/a.wdl");
        assert!(load("/etc/passwd", MAIN).unwrap_err().to_string().contains("outside"));
        assert!(load("../../etc/passwd", "tasks/a.wdl").unwrap_err().to_string().contains("outside"));
        assert!(load("file:///etc/passwd", MAIN).is_err());
    }
}
