//! The parser: text to syntax tree, for every version, with recovery after errors.
//!
//! [`parse`] never fails. What could not be understood is reported and left out of the tree, so that one run
//! shows everything that is wrong with a document.
//!
//! Written by hand because strings, commands and draft-2 literals each have their own lexical rules; a function
//! per construct keeps the rules of all versions beside each other.

use std::sync::Arc;

use crate::{
    ast::{Document, Name, OutputSection},
    diagnostic::Diagnostic,
    findings::Findings,
    limits::{MAX_NESTING, MAX_SOURCE_BYTES, MAX_TREE_DEPTH},
    source::{Source, Span},
    version::Version,
};

mod commands;
mod declarations;
mod dedent;
mod document;
mod escapes;
mod expressions;
pub(crate) mod layout;
mod lexer;
mod literals;
mod meta;
mod placeholders;
mod recovery;
mod strings;
mod tasks;
#[cfg(test)]
mod tests;
mod workflows;

use lexer::{Tok, Token, lex};

/// Parses a document. Needs up to [`crate::limits::STACK_BYTES`] of stack for hostile input.
pub fn parse(source: &Arc<Source>) -> (Document, Vec<Diagnostic>) {
    let mut parser = Parser::new(source);
    let document = parser.document();
    (document, parser.findings.finish())
}

/// An error was reported; the caller gives up its construct or recovers.
#[derive(Debug)]
pub(super) struct Reported;

type Parsed<T> = Result<T, Reported>;

struct Parser<'s> {
    source: &'s Arc<Source>,
    text: &'s str,
    bytes: &'s [u8],
    last_comment_end: usize,
    version: Version,
    /// The token that is looked at and not yet taken.
    token: Token,
    /// End of the token taken last.
    last_end: usize,
    nesting: usize,
    /// Braces taken and not yet closed; tells recovery which `}` ends which block.
    braces: usize,
    findings: Findings,
    /// Output sections found inside of blocks (draft-2).
    inner_outputs: Vec<OutputSection>,
    /// Whether findings are dropped: while skipping, and after a limit was hit.
    quiet: bool,
    /// Places that were passed over after errors.
    skipped: Vec<Span>,
    /// Lines with such errors.
    doubtful: Vec<Span>,
    /// Whether an import statement was passed over.
    lost_import: bool,
    /// What a formatter must know.
    layout: layout::Layout,
    /// Place of the last syntax error: a second one on the same line is almost always a consequence.
    last_error: Option<usize>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        let text = source.text.as_str();
        let bytes = text.as_bytes();
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let last_comment_end = lexer::last_comment_end(bytes);
        let mut token = lex(bytes, last_comment_end, start);
        token.first_on_line = true;
        let mut parser = Parser {
            source,
            text,
            bytes,
            last_comment_end,
            version: Version::Draft2,
            token,
            last_end: start,
            nesting: 0,
            braces: 0,
            findings: Findings::default(),
            inner_outputs: Vec::new(),
            quiet: false,
            skipped: Vec::new(),
            doubtful: Vec::new(),
            lost_import: false,
            layout: layout::Layout::default(),
            last_error: None,
        };
        if bytes.len() > MAX_SOURCE_BYTES {
            let message = format!("document has {} bytes, more than the limit of {MAX_SOURCE_BYTES}", bytes.len());
            parser.give_up(Span::new(0, 0), message);
        }
        parser
    }

    // ---- tokens ----

    /// Takes the current token.
    fn bump(&mut self) -> Token {
        let token = self.token;
        match token.kind {
            Tok::LeftBrace => self.braces += 1,
            Tok::RightBrace => self.braces = self.braces.saturating_sub(1),
            _ => {}
        }
        self.last_end = token.end;
        self.token = self.lex_at(token.end);
        token
    }

    /// Continues with the token at or after a place.
    fn seek(&mut self, pos: usize) {
        self.last_end = pos;
        self.token = self.lex_at(pos);
    }

    /// The token after the current one.
    fn second(&self) -> Token {
        self.lex_at(self.token.end)
    }

    /// The token at or after a place.
    fn lex_at(&self, pos: usize) -> Token {
        lex(self.bytes, self.last_comment_end, pos)
    }

    fn is(&self, kind: Tok) -> bool {
        self.token.kind == kind
    }

    /// Takes the current token if it is of this kind.
    fn eat(&mut self, kind: Tok) -> bool {
        let found = self.is(kind);
        if found {
            self.bump();
        }
        found
    }

    fn token_text(&self, token: Token) -> &'s str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    /// The current token as a word; empty when it is none.
    fn word(&self) -> &'s str {
        if self.is(Tok::Ident) { self.token_text(self.token) } else { "" }
    }

    fn is_word(&self, word: &str) -> bool {
        self.word() == word
    }

    /// Takes the current token if it is this word.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn byte(&self, pos: usize) -> u8 {
        self.bytes.get(pos).copied().unwrap_or(0)
    }

    fn slice(&self, start: usize, end: usize) -> &'s str {
        self.text.get(start..end).unwrap_or("")
    }

    fn token_span(&self) -> Span {
        Span::new(self.token.start, self.token.end)
    }

    /// From a place to the end of what was taken.
    fn span_from(&self, start: usize) -> Span {
        Span::new(start, self.last_end.max(start))
    }

    fn at_least(&self, version: Version) -> bool {
        self.version >= version
    }

    // ---- findings ----

    fn push(&mut self, diagnostic: Diagnostic) {
        if !self.quiet {
            self.findings.push(diagnostic);
        }
    }

    fn diagnostic_error(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.source, span, message)
    }

    fn diagnostic_warning(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(self.source, span, message)
    }

    /// Reports a syntax error unless one was reported on the same line, and returns the mark to pass up.
    fn fail(&mut self, diagnostic: Diagnostic) -> Reported {
        let start = diagnostic.span.start as usize;
        let same_line = self.last_error.is_some_and(|last| {
            let between = self.bytes.get(last.min(start)..last.max(start)).unwrap_or_default();
            !between.contains(&b'\n')
        });
        if !self.quiet {
            self.last_error = Some(start);
        }
        if !same_line {
            self.push(diagnostic);
        }
        Reported
    }

    /// Reports that the current token is not what is wanted.
    fn unexpected(&mut self, wanted: &str) -> Reported {
        let diagnostic = self.unexpected_diagnostic(wanted);
        self.fail(diagnostic)
    }

    fn unexpected_diagnostic(&self, wanted: &str) -> Diagnostic {
        let span = self.token_span();
        let text = self.token_text(self.token);
        match self.token.kind {
            Tok::End => self.diagnostic_error(span, format!("expected {wanted}, but the document ends")).label("ends here"),
            Tok::OpenComment => {
                self.diagnostic_error(Span::new(self.token.start, self.token.start + 2), "comment is never closed").hint("add `*/`")
            }
            Tok::Unknown => {
                let hint = match text {
                    "\u{a0}" | "\u{3000}" | "\u{2003}" => Some("replace it by an ordinary space"),
                    "\u{201c}" | "\u{201d}" | "\u{2018}" | "\u{2019}" => Some("use straight quotes"),
                    ";" => Some("WDL has no statement separator: remove it"),
                    "&" => Some("logical and is `&&`"),
                    "|" => Some("logical or is `||`"),
                    _ => None,
                };
                let shown: String = text.chars().flat_map(char::escape_debug).collect();
                let error = self.diagnostic_error(span, format!("expected {wanted}, found the character `{shown}`"));
                Diagnostic { hint: hint.map(String::from), ..error.label("has no meaning here") }
            }
            _ => self.diagnostic_error(span, format!("expected {wanted}, found `{text}`")).label(format!("expected {wanted}")),
        }
    }

    /// Takes a token of this kind or reports what was wanted.
    fn expect(&mut self, kind: Tok, wanted: &str) -> Parsed<Token> {
        if self.is(kind) { Ok(self.bump()) } else { Err(self.unexpected(wanted)) }
    }

    /// Takes a closing bracket; a missing one is explained with the opening one.
    fn expect_close(&mut self, kind: Tok, shown: &str, open: Token) -> Parsed<Token> {
        if self.is(kind) {
            return Ok(self.bump());
        }
        let opened = Span::new(open.start, open.end);
        let diagnostic = self.unexpected_diagnostic(shown).related(opened, "opened here");
        Err(self.fail(diagnostic))
    }

    /// Reports something that ends the parsing of the whole document.
    fn give_up(&mut self, span: Span, message: impl Into<String>) -> Reported {
        let diagnostic = self.diagnostic_error(span, message);
        self.push(diagnostic);
        self.quiet = true;
        let end = self.bytes.len();
        self.skipped.push(Span::new(span.start as usize, end));
        self.token = Token { kind: Tok::End, start: end, end, first_on_line: true };
        Reported
    }

    /// Reports that a construct belongs to a newer version.
    fn needs(&mut self, version: Version, span: Span, what: &str) {
        if self.version < version {
            let diagnostic = self
                .diagnostic_error(span, format!("{what} is not part of WDL {}", self.version))
                .hint(format!("begin the document with `version {version}`"));
            self.push(diagnostic);
        }
    }

    /// Like [`Self::needs`], but a warning in draft-2, where published documents have it and it works.
    fn newer(&mut self, version: Version, span: Span, what: &str) {
        if self.version > Version::Draft2 {
            self.needs(version, span, what);
        } else {
            self.early(version, span, what);
        }
    }

    /// Warns that a construct belongs to a newer version, though it works here.
    fn early(&mut self, version: Version, span: Span, what: &str) {
        if self.version < version {
            let diagnostic = self
                .diagnostic_warning(span, format!("{what} is not part of WDL {}; other engines may refuse it", self.version))
                .hint(format!("begin the document with `version {version}`"));
            self.push(diagnostic);
        }
    }

    // ---- limits ----

    /// Runs a parser one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.give_up(self.token_span(), format!("nested more than {MAX_NESTING} levels deep")));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    /// Refuses a tree that later stages could not walk recursively.
    fn check_depth(&mut self, depth: usize, start: usize) -> Parsed<()> {
        if depth > MAX_TREE_DEPTH {
            return Err(self.give_up(Span::new(start, start), format!("expression has more than {MAX_TREE_DEPTH} levels")));
        }
        Ok(())
    }

    // ---- names ----

    /// Takes any identifier, keywords included: for places where no keyword can stand.
    fn any_name(&mut self, wanted: &str) -> Parsed<Name> {
        if !self.is(Tok::Ident) {
            return Err(self.unexpected(wanted));
        }
        let token = self.bump();
        Ok(Name { text: Arc::from(self.token_text(token)), span: Span::new(token.start, token.end) })
    }

    /// Takes an identifier that is not reserved.
    fn name(&mut self, wanted: &str) -> Parsed<Name> {
        let word = self.word();
        if is_reserved(word, self.version) {
            let error = self.diagnostic_error(self.token_span(), format!("expected {wanted}, found the keyword `{word}`"));
            let error = error.label("reserved").hint(format!("`{word}` cannot be a name in WDL {}; choose another", self.version));
            return Err(self.fail(error));
        }
        if word.starts_with('_') {
            let error =
                self.diagnostic_error(self.token_span(), format!("name `{word}` begins with `_`")).hint("names begin with a letter");
            self.push(error);
        }
        self.any_name(wanted)
    }
}

/// Whether a word cannot name anything in a version.
///
/// Shorter than the lists of the texts: `in`, `left`, `right`, `null`, `after`, `alias`... are harmless as names,
/// and published pipelines use them.
fn is_reserved(word: &str, version: Version) -> bool {
    match word {
        "Array" | "Boolean" | "Float" | "Int" | "Map" | "Object" | "Pair" | "String" | "File" => true,
        "as" | "call" | "command" | "else" | "if" | "import" | "input" | "meta" | "object" | "output" | "parameter_meta" | "runtime"
        | "scatter" | "task" | "then" | "true" | "false" | "workflow" => true,
        "None" => version >= Version::V1_1,
        "Directory" => version >= Version::V1_2,
        _ => false,
    }
}
