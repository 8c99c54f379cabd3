//! Commands of the configuration: draft-2 command texts over runtime attributes and a few names of the attempt.

use std::{fmt, path::Path, sync::Arc};

use batchyard_wdl::{
    ast::{Decl, Task},
    diagnostic::Diagnostic,
    eval::{EvalError, Evaluator},
    graph::free_names_in_parts,
    load::{self, MemoryLoader},
    module::Module,
    value::Value,
    version::{Dialect, Version},
};
use indexmap::IndexMap;

use crate::{documents::Failure, fetch::Remote, host::WorkflowHost, limits::ReadBytes};

/// Values by the names that templates use.
pub(super) type Values = IndexMap<Arc<str>, Value>;

/// A small draft-2 document with one task, made of a text of the configuration.
pub(super) struct Snippet {
    module: Arc<Module>,
    task: Arc<Task>,
}

impl Snippet {
    /// Parses a document; problems are told with lines of the text that stands in it from its first line on.
    fn parse(document: String) -> Result<Snippet, String> {
        let loader = MemoryLoader::default().with("provider", document);
        let loaded = load::load("provider", &loader).map_err(|e| e.to_string())?;
        if let Some(problem) = loaded.diagnostics.iter().find(|d| d.is_error()) {
            return Err(told(problem));
        }
        let task = loaded.module.document.tasks.first().ok_or("cannot be read")?;
        Ok(Snippet { task: Arc::clone(task), module: loaded.module })
    }

    /// Declarations.
    pub(super) fn declarations(text: &str) -> Result<Snippet, String> {
        Snippet::parse(format!("task snippet {{ {text}\ncommand {{ }}\n}}"))
    }

    pub(super) fn decls(&self) -> impl Iterator<Item = &Decl> {
        self.task.inputs.iter().chain(&self.task.decls)
    }

    pub(super) fn module(&self) -> &Module {
        &self.module
    }

    /// Has an evaluator with these values.
    pub(super) fn with<T>(
        &self,
        values: &Values,
        dir: &Path,
        work: impl FnOnce(&Evaluator<'_>) -> Result<T, EvalError>,
    ) -> Result<T, String> {
        let host = WorkflowHost {
            written: dir.into(),
            read_bytes: ReadBytes::default(),
            reads_files: true,
            remote: Remote::default(),
            memory: Arc::default(),
        };
        let evaluator =
            Evaluator { module: &self.module, scope: values, host: &host, version: Version::Draft2, dialect: Dialect::Cromwell };
        work(&evaluator).map_err(|e| match &e.hint {
            Some(hint) => format!("{} ({hint})", e.message),
            None => e.message.clone(),
        })
    }
}

fn told(problem: &Diagnostic) -> String {
    let (line, _) = problem.source.position(problem.span.start);
    let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("is wrong in line {line}: {}{hint}", problem.message)
}

/// A command with placeholders.
pub(super) struct Template {
    /// The key of the configuration.
    key: &'static str,
    snippet: Snippet,
}

impl Template {
    /// Parses a command; every name in it must be one that `known` knows.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(key: &'static str, text: &str, known: &[&str]) -> Result<Template, String> {
        if text.contains(">>>") {
            return Err("contains `>>>`, which cannot stand in a command".into());
        }
        let snippet = Snippet::parse(format!("task snippet {{ command <<<{text}>>>\n}}"))?;
        let mut names = Vec::new();
        free_names_in_parts(&snippet.task.command.parts, &mut names);
        match names.iter().find(|name| !known.contains(&&***name)) {
            Some(name) => {
                Err(format!("uses `{name}`, which is no name here: declare it in `runtime-attributes`, or use one of {}", known.join(", ")))
            }
            None => Ok(Template { key, snippet }),
        }
    }

    /// The command with its values.
    ///
    /// # Errors
    /// A placeholder without a value.
    pub(super) fn fill(&self, provider: &str, values: &Values, dir: &Path) -> Result<String, Failure> {
        let filled = self.snippet.with(values, dir, |evaluator| evaluator.render(&self.snippet.task.command.parts));
        filled.map_err(|problem| Failure::new(format!("provider `{provider}`: `{}` cannot be filled in: {problem}", self.key)))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template `{}`", self.key)
    }
}
