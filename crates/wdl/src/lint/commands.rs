//! Commands: what the shell makes of them.

use super::Linter;
use crate::{
    ast::{ExprKind, StringPart, Task},
    rule::Rule,
    types::Type,
    version::Version,
};

impl Linter<'_> {
    pub(super) fn command(&mut self, task: &Task) {
        self.dollars(task);
        self.unquoted(task);
    }

    /// `${x}` in a heredoc is the shell's variable; where the task has an `x` and the command sets none, `~{x}` was meant.
    fn dollars(&mut self, task: &Task) {
        let source = &self.module.document.source;
        let written = source.slice(task.command.span);
        let heredoc = written.trim_start_matches("command").trim_start().starts_with("<<<");
        if !heredoc || self.module.document.version == Version::Draft2 {
            return;
        }
        for (at, _) in written.match_indices("${") {
            let rest = written.get(at + 2..).unwrap_or_default();
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let known = task.inputs.iter().chain(&task.decls).find(|decl| &*decl.name.text == name);
            if known.is_none_or(|decl| decl.env) || !after.starts_with('}') || sets(written, name) || is_comment(written, at) {
                continue;
            }
            let start = task.command.span.start as usize + at;
            let span = crate::source::Span::new(start, start + end + 3);
            let message = format!("`${{{name}}}` in a heredoc command is a variable of the shell, which has none of this name");
            self.warn(Rule::DollarInHeredoc, span, message, format!("write `~{{{name}}}`"));
        }
    }

    fn unquoted(&mut self, task: &Task) {
        let mut quotes = Quotes::default();
        for part in &task.command.parts {
            match part {
                StringPart::Text(text) => quotes.read(text),
                StringPart::Placeholder(placeholder) if !quotes.are_open() => {
                    let ExprKind::Ident(name) = &placeholder.expr.kind else { continue };
                    let decl = task.inputs.iter().chain(&task.decls).find(|decl| decl.name.text == *name);
                    let ty = decl.and_then(|decl| self.module.resolve(&decl.ty).ok());
                    if ty.is_some_and(|ty| matches!(ty.required(), Type::File | Type::Directory)) {
                        let message = format!("path `{name}` is not quoted: blanks in it would make several words");
                        self.warn(Rule::UnquotedPlaceholder, placeholder.span, message, format!("write `\"~{{{name}}}\"`"));
                    }
                }
                StringPart::Placeholder(_) => {}
            }
        }
    }
}

/// Whether a command gives a shell variable a value in one of the usual ways.
fn sets(command: &str, name: &str) -> bool {
    command.match_indices(name).any(|(at, _)| {
        let before = command.get(..at).unwrap_or_default();
        let after = command.get(at + name.len()..).unwrap_or_default();
        let begins = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '$'));
        let words = before.trim_end().rsplit([' ', '\t', '\n', ';']).next().unwrap_or_default();
        let assigned = after.starts_with('=') || after.starts_with("+=");
        begins
            && (assigned
                || matches!(words, "for" | "read" | "export" | "local" | "declare" | "-r" | "-ra" | "-a" | "mapfile" | "readarray" | "-t"))
    })
}

fn is_comment(command: &str, at: usize) -> bool {
    let line = command.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with('#')
}

/// Quotes of the shell, as far as a line of text shows them.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
}

impl Quotes {
    fn are_open(&self) -> bool {
        self.open.is_some()
    }

    fn read(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            match (self.open, c) {
                (None | Some('"'), '\\') => drop(characters.next()),
                (None, '"' | '\'') => self.open = Some(c),
                (Some(open), c) if c == open => self.open = None,
                _ => {}
            }
        }
    }
}
