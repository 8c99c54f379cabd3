//! String literals.

use super::{
    Parsed, Parser,
    dedent::{Piece, Pieces},
    lexer::{Tok, Token},
};
use crate::{ast::StringPart, source::Span, version::Version};

/// How a literal ends.
#[derive(Clone, Copy)]
struct Quotes {
    quote: u8,
    /// Whether the quote is written with a backslash: a literal inside a placeholder of a draft-2 literal.
    escaped: bool,
    /// In draft-2 the place of the last `}` before the closing quote: placeholders cannot reach beyond it.
    last_brace: Option<usize>,
}

impl Parser<'_> {
    /// A string literal of any kind, with the depth of the deepest placeholder.
    pub(super) fn string_literal(&mut self) -> Parsed<(Vec<StringPart>, usize)> {
        let start = self.token.start;
        let literal = self.literal();
        self.layout.opaque.insert(start, self.last_end);
        literal
    }

    fn literal(&mut self) -> Parsed<(Vec<StringPart>, usize)> {
        if self.is(Tok::Multiline) {
            return self.multiline_literal(true);
        }
        let open = self.token;
        let quote = self.byte(open.end - 1);
        let last_brace = if self.version == Version::Draft2 { self.last_brace(open.end, quote) } else { None };
        let quotes = Quotes { quote, escaped: open.end - open.start == 2, last_brace };
        let pieces = self.quoted_pieces(open, quotes)?;
        let depth = pieces.depth;
        Ok((pieces.into_parts(), depth))
    }

    /// A string literal without placeholders.
    pub(super) fn plain_string(&mut self, what: &str) -> Parsed<String> {
        let start = self.token.start;
        let (parts, _) = self.string_literal()?;
        let mut text = String::new();
        for part in parts {
            match part {
                StringPart::Text(t) => text.push_str(&t),
                StringPart::Placeholder(placeholder) => {
                    let error = self.diagnostic_error(placeholder.span, format!("{what} cannot contain placeholders"));
                    self.push(error);
                    return Ok(self.slice(start, self.last_end).to_owned());
                }
            }
        }
        Ok(text)
    }

    fn quoted_pieces(&mut self, open: Token, quotes: Quotes) -> Parsed<Pieces> {
        let mut pieces = Pieces::default();
        let mut pos = open.end;
        loop {
            match self.bytes.get(pos) {
                None | Some(b'\n') => {
                    self.seek(pos);
                    let error = self.diagnostic_error(Span::new(open.start, pos.max(open.end)), "string is never closed");
                    let end = char::from(quotes.quote);
                    return Err(self.fail(error.label("begins here").hint(format!("add `{end}` before the end of the line"))));
                }
                Some(b'\\') if quotes.escaped && self.byte(pos + 1) == quotes.quote => {
                    pos += 2;
                    break;
                }
                Some(b) if *b == quotes.quote && !quotes.escaped => {
                    pos += 1;
                    break;
                }
                Some(b'\\') => pos = self.literal_escape(pos, &mut pieces),
                Some(b'~' | b'$') if self.opens_in_literal(pos, quotes.last_brace) => pos = self.placeholder_piece(pos, &mut pieces, true),
                Some(_) => pos = self.plain_run(pos, &mut pieces),
            }
        }
        self.seek(pos);
        Ok(pieces)
    }

    fn literal_escape(&mut self, pos: usize, pieces: &mut Pieces) -> usize {
        if self.at_least(Version::V1_1) && matches!(self.byte(pos + 1), b'\n' | b'\r') {
            return self.multiline_escape(pos, pieces);
        }
        let mut text = String::new();
        let end = self.escape(pos, &mut text);
        pieces.push(Piece::Fixed(text));
        end
    }

    /// Text up to the next byte that may mean something.
    pub(super) fn plain_run(&self, pos: usize, pieces: &mut Pieces) -> usize {
        let tail = self.bytes.get(pos + 1..).unwrap_or_default();
        let special = |b: &u8| matches!(b, b'"' | b'\'' | b'\\' | b'~' | b'$' | b'\n' | b'\r' | b'>' | b'}');
        let end = tail.iter().position(special).map_or(self.bytes.len(), |i| pos + 1 + i);
        pieces.push_text(self.slice(pos, end));
        end
    }

    fn opens_in_literal(&self, pos: usize, last_brace: Option<usize>) -> bool {
        if self.byte(pos + 1) != b'{' {
            return false;
        }
        // Draft-2 finds placeholders after the literal: `"${"` without a brace is text there.
        if self.version == Version::Draft2 { self.byte(pos) == b'$' && last_brace.is_some_and(|brace| brace > pos) } else { true }
    }

    fn last_brace(&self, from: usize, quote: u8) -> Option<usize> {
        let mut last = None;
        let mut pos = from;
        loop {
            match self.bytes.get(pos) {
                None | Some(b'\n') => return last,
                Some(b'\\') => pos += 1,
                Some(b) if *b == quote => return last,
                Some(b'}') => last = Some(pos),
                Some(_) => {}
            }
            pos += 1;
        }
    }

    /// Parses the placeholder at `pos` into `pieces` and returns the place after it, also after an error.
    pub(super) fn placeholder_piece(&mut self, pos: usize, pieces: &mut Pieces, one_line: bool) -> usize {
        let braces = self.braces;
        let result = self.nested(|p| p.placeholder(pos));
        self.braces = braces;
        match result {
            Ok((placeholder, depth)) => {
                let end = placeholder.span.end as usize;
                pieces.depth = pieces.depth.max(depth);
                pieces.push(Piece::Placeholder(Box::new(placeholder)));
                end
            }
            Err(_) => {
                let end = self.skip_placeholder(self.token.start.max(pos + 2), one_line);
                self.skipped.push(Span::new(pos, end));
                end
            }
        }
    }

    fn skip_placeholder(&self, from: usize, one_line: bool) -> usize {
        let tail = self.bytes.get(from..).unwrap_or_default();
        match tail.iter().position(|b| *b == b'}' || (one_line && *b == b'\n')) {
            Some(i) if self.byte(from + i) == b'}' => from + i + 1,
            Some(i) => from + i,
            None => self.bytes.len(),
        }
    }

    /// `<<< ... >>>` (1.2); in metadata placeholders are text.
    pub(super) fn multiline_literal(&mut self, placeholders: bool) -> Parsed<(Vec<StringPart>, usize)> {
        let open = self.token;
        let span = self.token_span();
        self.needs(Version::V1_2, span, "a multi-line string");
        let mut pieces = Pieces::default();
        let mut pos = open.end;
        loop {
            match self.bytes.get(pos) {
                None => {
                    self.seek(pos);
                    let error = self.diagnostic_error(span, "multi-line string is never closed");
                    return Err(self.fail(error.label("begins here").hint("add `>>>`")));
                }
                Some(b'>') if self.bytes.get(pos..pos + 3) == Some(b">>>") => break,
                Some(b'\\') => pos = self.multiline_escape(pos, &mut pieces),
                Some(b'\r') if self.byte(pos + 1) == b'\n' => pos += 1,
                Some(b'~' | b'$') if placeholders && self.byte(pos + 1) == b'{' => pos = self.placeholder_piece(pos, &mut pieces, false),
                Some(_) => pos = self.plain_run(pos, &mut pieces),
            }
        }
        self.seek(pos + 3);
        pieces.dedent();
        let depth = pieces.depth;
        Ok((pieces.into_parts(), depth))
    }

    fn multiline_escape(&mut self, pos: usize, pieces: &mut Pieces) -> usize {
        let line_end = if self.byte(pos + 1) == b'\r' { pos + 2 } else { pos + 1 };
        if self.byte(line_end) == b'\n' {
            // A continued line: the line end and the blanks after it vanish.
            let tail = self.bytes.get(line_end + 1..).unwrap_or_default();
            return line_end + 1 + tail.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        }
        if self.byte(pos + 1) == b'>' {
            pieces.push(Piece::Fixed(">".into()));
            return pos + 2;
        }
        let mut text = String::new();
        let end = self.escape(pos, &mut text);
        pieces.push(Piece::Fixed(text));
        end
    }
}
