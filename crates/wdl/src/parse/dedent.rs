//! Removing the white space that only serves the layout of a document.

use crate::ast::{Placeholder, StringPart};

/// A piece of a string or command while it is read.
#[derive(Debug)]
pub(super) enum Piece {
    /// Text as written, whose white space may be layout.
    Raw(String),
    /// Text that came out of an escape sequence: its white space is meant.
    Fixed(String),
    /// A placeholder.
    Placeholder(Box<Placeholder>),
}

/// The pieces of a string or command.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    list: Vec<Piece>,
    /// Depth of the deepest placeholder.
    pub(super) depth: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Piece) {
        self.list.push(piece);
    }

    /// Appends text as written.
    pub(super) fn push_text(&mut self, text: &str) {
        if let Some(Piece::Raw(last)) = self.list.last_mut() {
            last.push_str(text);
        } else {
            self.list.push(Piece::Raw(text.to_owned()));
        }
    }

    /// The parts of the tree: neighbouring texts become one, empty ones vanish.
    pub(super) fn into_parts(self) -> Vec<StringPart> {
        let mut parts: Vec<StringPart> = Vec::new();
        for piece in self.list {
            match piece {
                Piece::Raw(text) | Piece::Fixed(text) => match parts.last_mut() {
                    Some(StringPart::Text(last)) => last.push_str(&text),
                    _ if text.is_empty() => {}
                    _ => parts.push(StringPart::Text(text)),
                },
                Piece::Placeholder(placeholder) => parts.push(StringPart::Placeholder(placeholder)),
            }
        }
        parts
    }

    /// Drops blanks up to the first line end, blanks from the last line end on, and the white space that begins
    /// every line with content. Each blank counts once, tab or space.
    pub(super) fn dedent(&mut self) {
        if let Some(Piece::Raw(first)) = self.list.first_mut() {
            let rest = first.trim_start_matches([' ', '\t']);
            *first = rest.strip_prefix('\n').unwrap_or(rest).to_owned();
        }
        if let Some(Piece::Raw(last)) = self.list.last_mut() {
            let kept = last.trim_end_matches([' ', '\t']);
            last.truncate(kept.strip_suffix('\n').unwrap_or(kept).len());
        }
        let indent = self.common_indent();
        if indent > 0 {
            self.cut(indent);
        }
    }

    fn common_indent(&self) -> usize {
        let mut common = usize::MAX;
        let mut indent = 0;
        let mut counting = true;
        let mut content = |counting: &mut bool, indent: usize| {
            if std::mem::replace(counting, false) {
                common = common.min(indent);
            }
        };
        for piece in &self.list {
            let Piece::Raw(text) = piece else {
                content(&mut counting, indent);
                continue;
            };
            for byte in text.bytes() {
                match byte {
                    b'\n' => (counting, indent) = (true, 0),
                    b' ' | b'\t' if counting => indent += 1,
                    _ => content(&mut counting, indent),
                }
            }
        }
        if common == usize::MAX { 0 } else { common }
    }

    fn cut(&mut self, indent: usize) {
        let mut left = indent;
        for piece in &mut self.list {
            let Piece::Raw(text) = piece else {
                left = 0;
                continue;
            };
            text.retain(|c| match c {
                '\n' => {
                    left = indent;
                    true
                }
                ' ' | '\t' if left > 0 => {
                    left -= 1;
                    false
                }
                _ => {
                    left = 0;
                    true
                }
            });
        }
    }
}
