//! The syntax of a document as a tree in text form, in the notation of the original's parser.
//!
//! `(Name:` begins a node, its attributes are `key=value`, a list is in square brackets, and a word of the document is
//! `<file:line:column kind "base64 of its text">`; what is absent is `None`. Nodes of draft-2 have the names that the
//! original gives them, and newer documents follow its grammar of 1.0. Parentheses and comments leave no trace.

mod definitions;
mod expressions;
mod metadata;
#[cfg(test)]
mod tests;
mod workflows;

use std::{fmt, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    ast::{Document, Name},
    diagnostic::Diagnostic,
    parse::layout::{Layout, places},
    source::{Source, Span},
    version::Version,
};

/// The tree of a document; it is written by its `Display`.
#[derive(Debug)]
pub struct Tree {
    source: Arc<Source>,
    root: Item,
}

/// The tree of a document alone: its imports are not looked at, and only its syntax must be right.
///
/// Needs up to [`crate::limits::STACK_BYTES`] of stack for hostile documents.
///
/// # Errors
/// What is wrong with the syntax.
pub fn tree(source: &Arc<Source>) -> Result<Tree, Vec<Diagnostic>> {
    let (document, layout) = places(source)?;
    let root = Builder { document: &document, layout: &layout }.document();
    Ok(Tree { source: Arc::clone(source), root })
}

#[derive(Debug)]
enum Item {
    Node(&'static str, Vec<(&'static str, Item)>),
    List(Vec<Item>),
    Word(Word),
    Absent,
}

#[derive(Debug)]
struct Word {
    kind: &'static str,
    /// Place of its first byte.
    at: u32,
    text: Box<str>,
}

fn word(kind: &'static str, at: u32, text: impl Into<Box<str>>) -> Item {
    Item::Word(Word { kind, at, text: text.into() })
}

fn name(name: &Name) -> Item {
    word("identifier", name.span.start, &*name.text)
}

/// Makes items of the parts of a document.
struct Builder<'d> {
    document: &'d Document,
    layout: &'d Layout,
}

impl<'d> Builder<'d> {
    fn draft2(&self) -> bool {
        self.document.version == Version::Draft2
    }

    fn slice(&self, span: Span) -> &'d str {
        self.document.source.slice(span)
    }

    /// Places that the syntax tree does not have, from `start` on, before `end`.
    fn literals(&self, start: u32, end: u32) -> &'d [Span] {
        let list = &self.layout.literals;
        let place = |at: u32| list.partition_point(|span| span.start < at);
        list.get(place(start)..place(end)).unwrap_or_default()
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = Path::new(&self.source.name).file_name().map_or(self.source.name.as_str().into(), |name| name.to_string_lossy());
        Printer { source: &self.source, file: &file }.item(&self.root, 0, f)
    }
}

struct Printer<'t> {
    source: &'t Source,
    file: &'t str,
}

impl Printer<'_> {
    /// Writes an item whose first line has begun; further lines are indented by `level` blanks at least.
    fn item(&self, item: &Item, level: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match item {
            Item::Absent => f.write_str("None"),
            Item::Word(Word { kind, at, text }) => {
                let (line, column) = self.source.position(*at);
                write!(f, "<{}:{line}:{column} {kind} \"{}\">", self.file, STANDARD.encode(text.as_bytes()))
            }
            Item::List(items) if items.is_empty() => f.write_str("[]"),
            Item::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    f.write_str(if place > 0 { ",\n" } else { "\n" })?;
                    write!(f, "{:1$}", "", level + 2)?;
                    self.item(item, level + 2, f)?;
                }
                write!(f, "\n{:level$}]", "")
            }
            Item::Node(name, attributes) => {
                write!(f, "({name}:")?;
                for (place, (key, item)) in attributes.iter().enumerate() {
                    f.write_str(if place > 0 { ",\n" } else { "\n" })?;
                    write!(f, "{:1$}{key}=", "", level + 2)?;
                    self.item(item, level + 2, f)?;
                }
                write!(f, "\n{:level$})", "")
            }
        }
    }
}
