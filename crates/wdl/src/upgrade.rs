//! Documents of draft-2 and 1.0 rewritten for newer versions, with the meaning they had.
//!
//! The text is edited place by place and then laid out anew, so that comments stay. What cannot be carried over by itself is
//! a note: a warning with its place in the old document.

mod outputs;
mod sections;
#[cfg(test)]
mod tests;
mod texts;

use std::sync::Arc;

use crate::{
    ast::StringPart,
    diagnostic::Diagnostic,
    format::{FormatError, format},
    module::{Callee, Module},
    parse::parse,
    rule::Rule,
    source::{Source, Span},
    version::Version,
};

/// A rewritten document.
#[derive(Debug)]
pub struct Upgraded {
    /// The new text.
    pub text: String,
    /// What its author should look at, with places in the old text.
    pub notes: Vec<Diagnostic>,
}

/// Why a document is not rewritten.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// It is of this version or a newer one.
    #[error("document is of version {0} already")]
    NotOlder(Version),
    /// The new text has errors, with places in it.
    #[error("the document cannot be rewritten for version {to} by itself")]
    Left {
        /// The version wanted.
        to: Version,
        /// What would be wrong with the new text.
        findings: Vec<Diagnostic>,
    },
}

/// Rewrites a document that has no errors for version 1.1 or a newer one.
///
/// # Errors
/// A document that is not older, or that would have syntax errors.
pub fn upgrade(module: &Arc<Module>, to: Version) -> Result<Upgraded, UpgradeError> {
    let document = &module.document;
    if document.version >= to || to < Version::V1_1 {
        return Err(UpgradeError::NotOlder(document.version));
    }
    let mut upgrade = Upgrade { module, to, edits: Vec::new(), notes: Vec::new() };
    upgrade.version();
    if document.version <= Version::V1_0 {
        document.tasks.iter().for_each(|task| upgrade.task_sections(task));
        if let Some(workflow) = &document.workflow {
            upgrade.workflow_sections(workflow);
            upgrade.outputs(workflow);
            upgrade.nested_inputs(workflow);
        }
        upgrade.texts();
    }
    let text = apply(&document.source.text, upgrade.edits);
    let source = Source::new(document.source.name.as_str(), text);
    let text = match format(&source) {
        Ok(text) => text,
        Err(FormatError::Syntax(findings)) => return Err(UpgradeError::Left { to, findings }),
        Err(FormatError::Unsafe) => source.text.clone(),
    };
    let mut notes = upgrade.notes;
    compare_commands(module, &text, &mut notes);
    notes.sort_by_key(|note| note.span);
    Ok(Upgraded { text, notes })
}

struct Upgrade<'m> {
    module: &'m Arc<Module>,
    to: Version,
    /// Places and what stands there instead.
    edits: Vec<(Span, String)>,
    notes: Vec<Diagnostic>,
}

impl Upgrade<'_> {
    fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.edits.push((span, text.into()));
    }

    fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.replace(Span { start: at, end: at }, text);
    }

    fn note(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        let note = Diagnostic::warning(&self.module.document.source, span, message).rule(Rule::Portability);
        self.notes.push(if hint.is_empty() { note } else { note.hint(hint) });
    }

    fn slice(&self, span: Span) -> &str {
        self.module.document.source.slice(span)
    }

    /// The `version` statement.
    fn version(&mut self) {
        let text = &self.module.document.source.text;
        let statement = format!("version {}", self.to);
        let first = first_word(text);
        if self.module.document.version == Version::Draft2 {
            self.insert(first as u32, statement + "\n\n");
            return;
        }
        let rest = text.get(first..).unwrap_or_default();
        let after_word = rest.trim_start_matches("version");
        let number = after_word.trim_start_matches([' ', '\t']);
        let length = number.find(char::is_whitespace).unwrap_or(number.len());
        let end = first + rest.len() - number.len() + length;
        self.replace(Span::new(first, end), statement);
    }

    /// Up to 1.0 every input that a call leaves open can be set from outside.
    fn nested_inputs(&mut self, workflow: &Arc<crate::ast::Workflow>) {
        let callee = Callee::Workflow(Arc::clone(self.module), Arc::clone(workflow));
        let open = |nested| crate::inputs::list_inputs(&callee, nested).len();
        if open(true) == open(false) {
            return;
        }
        let entry = "allowNestedInputs: true";
        match workflow.meta.first() {
            Some((key, _)) => self.insert(key.span.start, format!("{entry}\n")),
            None => {
                if let Some(at) = self.body_start(workflow.name.span) {
                    self.insert(at, format!("\nmeta {{ {entry} }}\n"));
                }
            }
        }
    }

    /// The place after the brace that opens what has this name.
    fn body_start(&self, name: Span) -> Option<u32> {
        let rest = self.module.document.source.text.get(name.end as usize..)?;
        // Nothing but blanks and comments can stand between.
        let mut at = 0;
        loop {
            let tail = rest.get(at..)?;
            let blanks = tail.len() - tail.trim_start().len();
            let tail = tail.get(blanks..)?;
            at += blanks;
            if tail.starts_with('{') {
                return Some(name.end + at as u32 + 1);
            }
            at += if tail.starts_with('#') { tail.find('\n')? } else { tail.find("*/")? + 2 };
        }
    }
}

/// Place of the first thing that is neither blank nor comment.
fn first_word(text: &str) -> usize {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        at += blanks;
        let rest = rest.get(blanks..).unwrap_or_default();
        let comment = match () {
            () if rest.starts_with('#') => rest.find('\n'),
            () if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            () => return at,
        };
        match comment {
            Some(length) => at += length,
            None => return text.len(),
        }
    }
}

/// Carries out edits that do not overlap; of those at one place the earlier comes first.
fn apply(text: &str, mut edits: Vec<(Span, String)>) -> String {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut out = String::with_capacity(text.len() + 1024);
    let mut done = 0;
    for (span, new) in edits {
        let (start, end) = (span.start as usize, span.end as usize);
        if start < done {
            continue;
        }
        out.push_str(text.get(done..start).unwrap_or_default());
        out.push_str(&new);
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Commands must give the same scripts: a difference is a note.
fn compare_commands(module: &Module, text: &str, notes: &mut Vec<Diagnostic>) {
    let (new, _) = parse(&Source::new("", text));
    let texts = |parts: &[StringPart]| -> Vec<Option<String>> {
        parts.iter().map(|part| if let StringPart::Text(text) = part { Some(text.clone()) } else { None }).collect()
    };
    for (old, new) in module.document.tasks.iter().zip(&new.tasks) {
        if texts(&old.command.parts) != texts(&new.command.parts) {
            let message = format!("the command of task `{}` is read in another way by the new version", old.name.text);
            let note = Diagnostic::warning(&module.document.source, old.name.span, message).rule(Rule::Portability);
            notes.push(note.hint("look at backslashes and braces in it"));
        }
    }
}
