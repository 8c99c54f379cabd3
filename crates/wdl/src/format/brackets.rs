//! Tokens on a line, and brackets over several lines.

use super::{INDENT, Printer, WIDTH};
use crate::parse::layout::{Class, Token};

/// How far a statement that goes on is indented, in levels.
const CONTINUED: usize = 2;

impl Printer<'_> {
    /// Writes the tokens up to `end`, on one line where they fit.
    pub(super) fn run(&mut self, end: usize, level: usize) {
        let from = self.at;
        self.pieces(from, end, level, level + CONTINUED);
        self.at = end;
    }

    /// Writes tokens; brackets in them close at `level`, further lines begin at `further`.
    fn pieces(&mut self, from: usize, end: usize, level: usize, further: usize) {
        let fits = self.column + self.flat_length(from, end) <= WIDTH;
        let mut at = from;
        while at < end {
            let Some(token) = self.token(at) else { return };
            let before = at.checked_sub(1).filter(|_| at > from).and_then(|i| self.token(i));
            if let Some(before) = before {
                let after_comment = before.class == Class::Comment;
                if token.class == Class::Comment && token.lines_before == 0 {
                    self.write("  ");
                } else if after_comment || token.class == Class::Comment || (!fits && token.lines_before > 0) {
                    self.line(further);
                } else if needs_space(before, token) {
                    self.write(" ");
                }
            }
            if let Class::Open(_) = token.class {
                let close = self.partner_of(at, end);
                self.group(at, close, level);
                at = close + 1;
            } else {
                self.write(token.text);
                at += 1;
            }
        }
    }

    fn partner_of(&self, open: usize, end: usize) -> usize {
        // Brackets are balanced, or there would have been a syntax error.
        self.partner.get(open).copied().filter(|close| *close > open).unwrap_or(end.saturating_sub(1))
    }

    /// Brackets with their contents.
    fn group(&mut self, open: usize, close: usize, level: usize) {
        let length = self.flat_length(open, close + 1) + self.tail_length(close);
        if !self.is_broken(open, close) && self.column + length <= WIDTH {
            self.flat(open, close + 1);
            return;
        }
        self.broken(open, close, level);
    }

    /// Whether brackets must stand on several lines: their author broke them after the first, or there is a comment.
    fn is_broken(&self, open: usize, close: usize) -> bool {
        let inside = self.tokens.get(open + 1..close).unwrap_or_default();
        let comment = inside.iter().any(|token| token.class == Class::Comment);
        comment
            || inside.first().is_some_and(|token| token.lines_before > 0)
            || self.inner(open, close).is_some_and(|(o, c)| self.is_broken(o, c))
    }

    /// Brackets that hold nothing but other brackets, as in `select_first([...])`: these.
    fn inner(&self, open: usize, close: usize) -> Option<(usize, usize)> {
        let inner = self.token(open + 1).filter(|token| matches!(token.class, Class::Open(_)))?;
        let end = self.partner.get(open + 1).copied()?;
        (inner.lines_before == 0 && end + 1 == close).then_some((open + 1, end))
    }

    fn broken(&mut self, open: usize, close: usize, level: usize) {
        let (Some(opening), Some(closing)) = (self.token(open), self.token(close)) else { return };
        self.write(opening.text);
        if let Some((inner_open, inner_close)) = self.inner(open, close) {
            self.broken(inner_open, inner_close, level);
        } else if open + 1 < close {
            let mut at = open + 1;
            while at < close {
                let end = self.item_end(at, close, opening.class);
                let Some(token) = self.token(at) else { break };
                if token.class == Class::Comment && token.lines_before == 0 {
                    self.write("  ");
                } else {
                    self.line(level + 1);
                }
                self.pieces(at, end, level + 1, level + 1 + CONTINUED);
                at = end;
            }
            self.line(level);
        }
        self.write(closing.text);
    }

    /// Where the item of brackets that begins at `at` ends: after its comma, or where the next one begins.
    fn item_end(&self, at: usize, close: usize, bracket: Class) -> usize {
        let mut end = at;
        while end < close {
            let Some(token) = self.token(end) else { break };
            match token.class {
                Class::Comma => return end + 1,
                Class::Comment => return if end == at { end + 1 } else { end },
                Class::Open(_) => end = self.partner_of(end, close) + 1,
                _ => end += 1,
            }
            // Entries of objects in metadata may stand on lines of their own, without commas.
            let begins = self.token(end).is_some_and(|next| next.lines_before > 0 && matches!(next.class, Class::Word | Class::Text));
            let ended = end.checked_sub(1).and_then(|i| self.token(i)).is_some_and(|last| !expects_more(last.class));
            if bracket == Class::Open('{') && begins && ended && end < close {
                return end;
            }
        }
        end
    }

    /// Writes tokens with nothing but single blanks between them.
    pub(super) fn flat(&mut self, from: usize, end: usize) {
        let text = self.flat_text(from, end);
        self.write(&text);
    }

    fn flat_text(&self, from: usize, end: usize) -> String {
        let mut text = String::new();
        let mut before: Option<Token<'_>> = None;
        for token in self.tokens.get(from..end).unwrap_or_default() {
            if before.is_some_and(|before| needs_space(before, *token)) {
                text.push(' ');
            }
            text.push_str(token.text);
            before = Some(*token);
        }
        text
    }

    /// Characters of the tokens on one line.
    pub(super) fn flat_length(&self, from: usize, end: usize) -> usize {
        let mut length = 0;
        let mut before: Option<Token<'_>> = None;
        for token in self.tokens.get(from..end).unwrap_or_default() {
            length += usize::from(before.is_some_and(|before| needs_space(before, *token))) + token.text.chars().count();
            before = Some(*token);
            if length > WIDTH {
                // Longer is all that matters.
                return length + INDENT;
            }
        }
        length
    }

    /// Characters that cannot be parted from a closing bracket.
    fn tail_length(&self, close: usize) -> usize {
        let mut length = 0;
        let mut at = close;
        while let (Some(before), Some(token)) = (self.token(at), self.token(at + 1)) {
            let parted = token.statement || token.lines_before > 0 || needs_space(before, token);
            if parted || matches!(token.class, Class::Open(_) | Class::BlockOpen | Class::BlockClose | Class::Comment) {
                break;
            }
            length += token.text.chars().count();
            at += 1;
        }
        length
    }
}

/// Whether an expression goes on after this.
fn expects_more(class: Class) -> bool {
    matches!(class, Class::Colon | Class::Operator | Class::Prefix | Class::Dot | Class::Open(_) | Class::Comma)
}

/// Whether a blank stands between two tokens on one line.
fn needs_space(before: Token<'_>, token: Token<'_>) -> bool {
    // `if (...)` and the like are no calls.
    let keyword = matches!(before.text, "if" | "then" | "else" | "in" | "scatter");
    let callable = before.class == Class::Word && !keyword;
    match (before.class, token.class) {
        (_, Class::Comma | Class::Colon | Class::Dot | Class::Quantifier | Class::Close(')' | ']')) => false,
        (Class::Dot | Class::Prefix | Class::Open('(' | '['), _) => false,
        (Class::Open('{'), Class::Close('}')) => false,
        (_, Class::Open('(')) => !callable,
        (_, Class::Open('[')) => !(callable || matches!(before.class, Class::Close(_) | Class::Text)),
        _ => true,
    }
}
