//! The one layout of a document: only white space between its tokens changes, so the meaning cannot.
//!
//! Blocks are indented by [`INDENT`] blanks, a statement stands on one line where it fits into [`WIDTH`] characters, and brackets
//! that do not fit, or were broken by their author, have one item per line. Comments stay where they are. Commands are
//! moved as a whole. Before a result is given it is read again and compared with the original, token by token.

mod brackets;
pub(crate) mod commands;
mod statements;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{
    ast::{Document, StringPart},
    diagnostic::Diagnostic,
    parse::layout::{Class, Token, tokens},
    source::Source,
};

/// Blanks per level.
pub const INDENT: usize = 2;
/// Longest line, in characters, where there is a choice.
pub const WIDTH: usize = 100;

/// Why a text has no other layout.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It has syntax errors.
    #[error("document has syntax errors")]
    Syntax(Vec<Diagnostic>),
    /// The result would not mean the same: a fault of ours.
    #[error("the document cannot be laid out without changing its meaning")]
    Unsafe,
}

/// The text of a document in its one layout.
///
/// # Errors
/// Syntax errors; their places are those of `source`.
pub fn format(source: &Arc<Source>) -> Result<String, FormatError> {
    let (document, list) = tokens(source).map_err(FormatError::Syntax)?;
    // A command is left as it is where moving it would change it.
    for move_commands in [true, false] {
        let text = Printer::new(&list, move_commands).document();
        if same(&document, &list, &text) {
            return Ok(text);
        }
    }
    Err(FormatError::Unsafe)
}

/// Whether a text has the same tokens as the original, and commands that give the same scripts.
fn same(document: &Document, list: &[Token<'_>], text: &str) -> bool {
    let source = Source::new("", text);
    let Ok((again, other)) = tokens(&source) else { return false };
    let words = |list: &[Token<'_>]| -> Vec<String> {
        list.iter().filter(|token| token.class != Class::Command).map(|token| token.text.replace('\r', "")).collect()
    };
    words(list) == words(&other) && scripts(document) == scripts(&again)
}

/// The commands of a document: text, and placeholders as they are written.
fn scripts(document: &Document) -> Vec<Vec<String>> {
    let script = |parts: &[StringPart]| {
        let part = |part: &StringPart| match part {
            StringPart::Text(text) => text.clone(),
            StringPart::Placeholder(placeholder) => document.source.slice(placeholder.span).to_owned(),
        };
        parts.iter().map(part).collect()
    };
    document.tasks.iter().map(|task| script(&task.command.parts)).collect()
}

/// Writes tokens out.
struct Printer<'t> {
    tokens: &'t [Token<'t>],
    /// For each opening bracket of a literal its counterpart.
    partner: Vec<usize>,
    /// The token to write next.
    at: usize,
    out: String,
    /// Characters on the current line.
    column: usize,
    move_commands: bool,
}

impl<'t> Printer<'t> {
    fn new(tokens: &'t [Token<'t>], move_commands: bool) -> Self {
        let mut partner = vec![0; tokens.len()];
        let mut open = Vec::new();
        for (i, token) in tokens.iter().enumerate() {
            match token.class {
                Class::Open(_) => open.push(i),
                Class::Close(_) => {
                    if let Some(place) = open.pop().and_then(|opened| partner.get_mut(opened)) {
                        *place = i;
                    }
                }
                _ => {}
            }
        }
        Printer { tokens, partner, at: 0, out: String::new(), column: 0, move_commands }
    }

    fn document(mut self) -> String {
        self.statements(0);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out
    }

    fn token(&self, i: usize) -> Option<Token<'t>> {
        self.tokens.get(i).copied()
    }

    /// Appends text to the current line.
    fn write(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = match text.rfind('\n') {
            Some(end) => text.get(end + 1..).unwrap_or_default().chars().count(),
            None => self.column + text.chars().count(),
        };
    }

    /// Begins a line at a level.
    fn line(&mut self, level: usize) {
        if !self.out.is_empty() {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push('\n');
        }
        self.column = 0;
        self.write(&" ".repeat(level * INDENT));
    }
}
