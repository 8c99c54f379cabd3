//! Finding the next place that makes sense after an error.

use super::{Parser, lexer::Tok};
use crate::{
    ast::{Expr, ExprKind},
    source::Span,
    version::Version,
};

/// Words that begin a statement or section inside a task or workflow.
const STATEMENTS: &[&str] = &[
    "call",
    "scatter",
    "if",
    "input",
    "output",
    "command",
    "runtime",
    "requirements",
    "hints",
    "meta",
    "parameter_meta",
    "Array",
    "Boolean",
    "Float",
    "Int",
    "Map",
    "Object",
    "Pair",
    "String",
    "File",
    "Directory",
];

impl Parser<'_> {
    /// Skips to something that can begin a statement of the block at this brace level, to the `}` that closes it, or
    /// to the next top-level item. `start` is where the failed statement began: at least one token is skipped there.
    pub(super) fn recover(&mut self, start: usize, level: usize) {
        if self.token.start == start && !(self.is(Tok::RightBrace) && self.braces <= level) {
            self.skip_token();
        }
        self.skip_statement(level);
        self.note_skipped(start);
    }

    fn skip_statement(&mut self, level: usize) {
        loop {
            match self.token.kind {
                Tok::End => return,
                Tok::RightBrace if self.braces <= level => return,
                Tok::Ident if self.token.first_on_line => {
                    // A section or call resumes even where a brace seems open: then that brace is what is missing.
                    let resumes = if self.braces <= level { self.begins_statement() } else { self.begins_section() };
                    if resumes {
                        self.braces = level;
                    }
                    if resumes || self.at_document_item() {
                        return;
                    }
                }
                _ => {}
            }
            self.skip_token();
        }
    }

    /// After an error in what stands before the body of a block: skips to the `{` of the body. False when there is none.
    pub(super) fn recover_body(&mut self, start: usize) -> bool {
        let level = self.braces;
        self.seek(start);
        self.skip_token();
        let found = loop {
            match self.token.kind {
                Tok::LeftBrace if self.second().first_on_line || self.braces <= level => break true,
                Tok::End | Tok::RightBrace => break false,
                Tok::Ident if self.begins_section_line() || self.at_document_item() => break false,
                _ => self.skip_token(),
            }
        };
        self.note_skipped(start);
        found
    }

    /// Remembers what was passed over from `start` to the current token, and the lines of the error.
    fn note_skipped(&mut self, start: usize) {
        self.skipped.push(Span::new(start, self.token.start.max(start)));
        let error = match self.last_error {
            // What comes next is as it should be; what is wrong ends before it.
            Some(error) if error >= self.token.start => self.last_end,
            error => error.unwrap_or(start),
        };
        let (first, last) = (start.min(error), start.max(error));
        let line_start = self.bytes.get(..first).and_then(|before| before.iter().rposition(|b| *b == b'\n')).map_or(0, |i| i + 1);
        let line_end =
            self.bytes.get(last..).and_then(|after| after.iter().position(|b| *b == b'\n')).map_or(self.bytes.len(), |i| last + i);
        self.doubtful.push(Span::new(line_start, line_end));
    }

    /// The expression, or [`ExprKind::Lost`] after an error was reported and the rest of the statement skipped.
    pub(super) fn expr_or_lost(&mut self) -> Expr {
        let (start, level) = (self.token.start, self.braces);
        self.expr().unwrap_or_else(|_| {
            let end = self.last_end.max(start);
            self.recover(start, level);
            Expr { span: Span::new(start, end), kind: ExprKind::Lost }
        })
    }

    /// Skips to the next top-level item.
    pub(super) fn recover_document(&mut self, start: usize) {
        if self.token.start == start {
            self.skip_token();
        }
        while !self.is(Tok::End) && !self.at_document_item() {
            self.skip_token();
        }
        self.note_skipped(start);
        self.braces = 0;
    }

    fn begins_statement(&self) -> bool {
        STATEMENTS.contains(&self.word()) || self.second().kind == Tok::Ident
    }

    /// Whether a section or call begins on a line of its own.
    pub(super) fn begins_section_line(&self) -> bool {
        self.token.first_on_line && self.begins_section()
    }

    fn begins_section(&self) -> bool {
        match self.word() {
            "call" => self.second().kind == Tok::Ident,
            "scatter" | "if" => self.second().kind == Tok::LeftParen,
            "input" | "output" | "runtime" | "requirements" | "meta" | "parameter_meta" => self.second().kind == Tok::LeftBrace,
            "command" => self.at_command(),
            _ => false,
        }
    }

    /// Whether the current token begins `task x`, `workflow x`, ... on a line of its own.
    ///
    /// Blocks ask this to notice that their closing brace is missing.
    pub(super) fn at_document_item(&self) -> bool {
        if !self.token.first_on_line {
            return false;
        }
        match self.word() {
            "task" | "workflow" => self.second().kind == Tok::Ident,
            "struct" | "enum" if self.at_least(Version::V1_0) => {
                let name = self.second();
                name.kind == Tok::Ident && matches!(self.lex_at(name.end).kind, Tok::LeftBrace | Tok::LeftBracket)
            }
            "import" => self.second().kind == Tok::Quote,
            _ => false,
        }
    }

    /// Takes one token; strings and commands are taken whole, because their insides are not tokens.
    fn skip_token(&mut self) {
        match self.token.kind {
            Tok::Quote => self.skip_string(),
            Tok::Multiline => {
                let end = self.find_text(self.token.end, ">>>");
                self.seek(end);
            }
            Tok::Ident if self.at_command() => {
                let quiet = std::mem::replace(&mut self.quiet, true);
                // Only the place after it counts; what is inside was or will be reported elsewhere.
                let _ = self.command_section();
                self.quiet = quiet;
            }
            _ => {
                self.bump();
            }
        }
    }

    fn skip_string(&mut self) {
        let quote = self.byte(self.token.end - 1);
        let mut pos = self.token.end;
        loop {
            match self.bytes.get(pos) {
                None | Some(b'\n') => break,
                Some(b'\\') => pos += 2,
                Some(b) if *b == quote => {
                    pos += 1;
                    break;
                }
                Some(_) => pos += 1,
            }
        }
        // A backslash may have jumped over a character of several bytes; go on at a boundary.
        self.seek(self.boundary(pos.min(self.bytes.len())));
    }

    /// The first character boundary at or after a place.
    pub(super) fn boundary(&self, pos: usize) -> usize {
        (pos..self.bytes.len()).find(|p| self.text.is_char_boundary(*p)).unwrap_or(self.bytes.len())
    }

    /// Place after the next occurrence of `wanted`, or the end of the text.
    fn find_text(&self, from: usize, wanted: &str) -> usize {
        self.text.get(from..).and_then(|t| t.find(wanted)).map_or(self.bytes.len(), |i| from + i + wanted.len())
    }
}
