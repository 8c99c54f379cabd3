//! What a formatter must know about a text beyond its tokens: where statements begin, which braces hold statements, and
//! which places are no tokens at all.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Parser, lexer::Tok};
use crate::{
    ast::Document,
    diagnostic::Diagnostic,
    source::{Source, Span},
};

/// Places of a text that its tokens alone do not tell, as byte offsets. Only complete for a text without syntax errors.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// First bytes of statements, sections and entries.
    pub(crate) statements: HashSet<usize>,
    /// Opening braces of blocks of statements.
    pub(crate) opens: HashSet<usize>,
    /// Closing braces of such blocks.
    pub(crate) closes: HashSet<usize>,
    /// Opening braces of blocks that may stand on one line: inputs of a call, choices of an enum.
    pub(crate) compact: HashSet<usize>,
    /// Ends of strings, commands and the version, by their first bytes. Some lie in others.
    pub(crate) opaque: HashMap<usize, usize>,
    /// What stands between the delimiters of commands, by the first bytes of the sections.
    pub(crate) commands: HashMap<usize, Span>,
    /// `+` of types.
    pub(crate) quantifiers: HashSet<usize>,
    /// Prefix operators.
    pub(crate) prefixes: HashSet<usize>,
    /// The number in the `version` statement.
    pub(crate) version: Option<Span>,
    /// Keywords of sections of tasks, workflows and structs, in order; not those of commands.
    pub(crate) sections: Vec<(&'static str, Span)>,
    /// What the tree has without its place, in order: keys and values inside of metadata and of options of placeholders.
    pub(crate) literals: Vec<Span>,
}

/// What a token is for a formatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Identifier, keyword or number.
    Word,
    /// String.
    Text,
    /// Command section.
    Command,
    /// Comment.
    Comment,
    /// `(`, `[`, or `{` of a literal.
    Open(char),
    /// Its counterpart.
    Close(char),
    /// `{` of a block.
    BlockOpen,
    /// `}` of a block.
    BlockClose,
    Comma,
    Colon,
    Dot,
    /// `?` and `+` of types.
    Quantifier,
    /// `!`, `-`, `+` before an operand.
    Prefix,
    /// Anything between two operands, and `=`.
    Operator,
}

/// A token, comment, string or command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) class: Class,
    /// First byte.
    pub(crate) start: usize,
    pub(crate) text: &'s str,
    /// Line ends between what precedes and this.
    pub(crate) lines_before: usize,
    /// Whether a statement begins here.
    pub(crate) statement: bool,
    /// Whether this opens a block that may stand on one line.
    pub(crate) compact: bool,
}

/// Parses a text and tells its places. The error is what is wrong with it.
pub(crate) fn places(source: &Arc<Source>) -> Result<(Document, Layout), Vec<Diagnostic>> {
    let mut parser = Parser::new(source);
    let document = parser.document();
    if parser.findings.has_errors() {
        return Err(parser.findings.finish());
    }
    // Draft-2 reads the placeholders of a string after the string.
    parser.layout.literals.sort_unstable();
    parser.layout.literals.dedup();
    Ok((document, parser.layout))
}

/// Parses a text and lists its tokens, comments included. The error is what is wrong with it.
pub(crate) fn tokens(source: &Arc<Source>) -> Result<(Document, Vec<Token<'_>>), Vec<Diagnostic>> {
    let mut parser = Parser::new(source);
    let document = parser.document();
    if parser.findings.has_errors() {
        return Err(parser.findings.finish());
    }
    let layout = std::mem::take(&mut parser.layout);
    let start = if source.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut scanner = Scanner { parser, layout, pos: start, list: Vec::new() };
    while scanner.next() {}
    Ok((document, scanner.list))
}

struct Scanner<'s> {
    parser: Parser<'s>,
    layout: Layout,
    pos: usize,
    list: Vec<Token<'s>>,
}

impl Scanner<'_> {
    /// Adds the next token; false at the end.
    fn next(&mut self) -> bool {
        let text = self.parser.text;
        let rest = text.get(self.pos..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let lines_before = rest.bytes().take(blanks).filter(|b| *b == b'\n').count();
        let start = self.pos + blanks;
        let rest = text.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        let (class, end) = if rest.starts_with('#') {
            (Class::Comment, start + rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Class::Comment, start + rest.find("*/").map_or(rest.len(), |i| i + 2))
        } else if let Some(end) = self.layout.opaque.get(&start) {
            let class = if self.layout.commands.contains_key(&start) { Class::Command } else { Class::Text };
            (class, *end)
        } else {
            let token = self.parser.lex_at(start);
            (self.class(token.kind, start), token.end)
        };
        let shown = text.get(start..end).unwrap_or_default();
        self.list.push(Token {
            class,
            start,
            text: if class == Class::Comment { shown.trim_end() } else { shown },
            lines_before,
            statement: self.layout.statements.contains(&start) && class != Class::Comment,
            compact: self.layout.compact.contains(&start),
        });
        self.pos = end.max(start + 1);
        true
    }

    fn class(&self, kind: Tok, start: usize) -> Class {
        match kind {
            Tok::LeftBrace if self.layout.opens.contains(&start) => Class::BlockOpen,
            Tok::RightBrace if self.layout.closes.contains(&start) => Class::BlockClose,
            Tok::LeftBrace => Class::Open('{'),
            Tok::RightBrace => Class::Close('}'),
            Tok::LeftParen => Class::Open('('),
            Tok::RightParen => Class::Close(')'),
            Tok::LeftBracket => Class::Open('['),
            Tok::RightBracket => Class::Close(']'),
            Tok::Comma => Class::Comma,
            Tok::Colon => Class::Colon,
            Tok::Dot => Class::Dot,
            Tok::Question => Class::Quantifier,
            Tok::Plus if self.layout.quantifiers.contains(&start) => Class::Quantifier,
            Tok::Plus | Tok::Minus | Tok::Not if self.layout.prefixes.contains(&start) => Class::Prefix,
            Tok::Ident | Tok::Int | Tok::Float => Class::Word,
            Tok::Quote | Tok::Multiline => Class::Text,
            _ => Class::Operator,
        }
    }
}
