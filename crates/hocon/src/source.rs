//! Where a value came from: documents and places in them.

use std::{fmt, sync::Arc};

/// One document with the name people know it by.
#[derive(Debug)]
pub struct Source {
    /// Path, `classpath:NAME`, `-D` or `environment`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Byte offsets at which lines begin; the first is 0.
    line_starts: Vec<usize>,
}

impl Source {
    /// Takes a text under the name that messages will show.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1));
        Arc::new(Source { name: name.into(), text, line_starts })
    }

    /// Line and column (both from 1, column in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.line_starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..offset.min(self.text.len())).map_or(1, |text| text.chars().count() + 1);
        (line + 1, column)
    }

    /// The text of a line (from 1) without its line end; empty when there is no such line.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|index| self.line_starts.get(index)) else { return "" };
        let end = self.line_starts.get(line).map_or(self.text.len(), |end| *end);
        self.text.get(*start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }
}

/// A place in a document: the bytes `start..end`.
#[derive(Clone)]
pub struct Origin {
    /// The document.
    pub source: Arc<Source>,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset one past the last byte.
    pub end: usize,
}

impl Origin {
    /// Line, from 1.
    pub fn line(&self) -> usize {
        self.source.position(self.start).0
    }

    /// Column, from 1, in characters.
    pub fn column(&self) -> usize {
        self.source.position(self.start).1
    }
}

/// `file:line`, or the name alone for what has no lines.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.text.is_empty() { f.write_str(&self.source.name) } else { write!(f, "{}:{}", self.source.name, self.line()) }
    }
}

/// The same as `Display`; the whole document would hide everything else.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
