//! Tokens of WDL outside strings and commands.
//!
//! Strings and commands have rules of their own, so the lexer is a function of a place in the text: the parser
//! asks for the token at a place and scans the insides of strings and commands itself.

/// Kind of a [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tok {
    /// Identifier or keyword.
    Ident,
    /// Decimal, octal or hexadecimal integer.
    Int,
    /// Floating point number.
    Float,
    /// Opening quote of a string: `"`, `'`, or either after a backslash (inside draft-2 literals).
    Quote,
    /// `<<<`
    Multiline,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Dot,
    Question,
    Assign,
    Plus,
    Minus,
    Star,
    Power,
    Slash,
    Percent,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    /// `/*` without `*/`; reaches to the end.
    OpenComment,
    /// A character that means nothing here.
    Unknown,
    /// End of the text.
    End,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Tok,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// Whether only blanks and comments precede it on its line.
    pub(super) first_on_line: bool,
}

/// The token at or after `from`, blanks and comments skipped.
///
/// `last_comment_end` is the place of the last `*/` of the text: without it, a text full of unclosed comments
/// would be searched to its end again and again.
pub(super) fn lex(bytes: &[u8], last_comment_end: usize, from: usize) -> Token {
    let mut pos = from;
    let mut first_on_line = from == 0;
    loop {
        match bytes.get(pos) {
            Some(b' ' | b'\t' | b'\r') => pos += 1,
            Some(b'\n') => {
                first_on_line = true;
                pos += 1;
            }
            Some(b'#') => pos = find(bytes, pos, b'\n'),
            Some(b'/') if bytes.get(pos + 1) == Some(&b'*') => match comment_end(bytes, last_comment_end, pos) {
                Some(end) => pos = end,
                None => return Token { kind: Tok::OpenComment, start: pos, end: bytes.len(), first_on_line },
            },
            _ => break,
        }
    }
    let (kind, length) = token_at(bytes.get(pos..).unwrap_or_default());
    Token { kind, start: pos, end: pos + length, first_on_line }
}

/// Place of the first `wanted` at or after `from`, or the end.
pub(super) fn find(bytes: &[u8], from: usize, wanted: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|b| *b == wanted).map_or(bytes.len(), |i| from + i)
}

/// Place of the last `*/` in a text.
pub(super) fn last_comment_end(bytes: &[u8]) -> usize {
    bytes.windows(2).rposition(|w| w == b"*/").unwrap_or(0)
}

fn comment_end(bytes: &[u8], last_comment_end: usize, start: usize) -> Option<usize> {
    let body = bytes.get(start + 2..last_comment_end + 2)?;
    body.windows(2).position(|w| w == b"*/").map(|i| start + 2 + i + 2)
}

fn token_at(rest: &[u8]) -> (Tok, usize) {
    let Some(first) = rest.first() else { return (Tok::End, 0) };
    let second = rest.get(1).copied().unwrap_or(0);
    let two = |kind| (kind, 2);
    let one = |kind| (kind, 1);
    match first {
        b'A'..=b'Z' | b'a'..=b'z' | b'_' => (Tok::Ident, word_length(rest)),
        b'0'..=b'9' => number(rest),
        b'.' if second.is_ascii_digit() => number(rest),
        b'"' | b'\'' => one(Tok::Quote),
        b'\\' if matches!(second, b'"' | b'\'') => two(Tok::Quote),
        b'{' => one(Tok::LeftBrace),
        b'}' => one(Tok::RightBrace),
        b'(' => one(Tok::LeftParen),
        b')' => one(Tok::RightParen),
        b'[' => one(Tok::LeftBracket),
        b']' => one(Tok::RightBracket),
        b',' => one(Tok::Comma),
        b':' => one(Tok::Colon),
        b'.' => one(Tok::Dot),
        b'?' => one(Tok::Question),
        b'+' => one(Tok::Plus),
        b'-' => one(Tok::Minus),
        b'*' if second == b'*' => two(Tok::Power),
        b'*' => one(Tok::Star),
        b'/' => one(Tok::Slash),
        b'%' => one(Tok::Percent),
        b'=' if second == b'=' => two(Tok::Eq),
        b'=' => one(Tok::Assign),
        b'!' if second == b'=' => two(Tok::Ne),
        b'!' => one(Tok::Not),
        b'<' if rest.starts_with(b"<<<") => (Tok::Multiline, 3),
        b'<' if second == b'=' => two(Tok::Le),
        b'<' => one(Tok::Lt),
        b'>' if second == b'=' => two(Tok::Ge),
        b'>' => one(Tok::Gt),
        b'&' if second == b'&' => two(Tok::And),
        b'|' if second == b'|' => two(Tok::Or),
        _ => (Tok::Unknown, character_length(*first).min(rest.len())),
    }
}

/// Bytes of the UTF-8 character that begins with `first`.
fn character_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0..=0xEF => 3,
        0xC0..=0xDF => 2,
        _ => 1,
    }
}

fn word_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(rest.len())
}

fn digits(rest: &[u8], from: usize) -> usize {
    let tail = rest.get(from..).unwrap_or_default();
    from + tail.iter().position(|b| !b.is_ascii_digit()).unwrap_or(tail.len())
}

fn number(rest: &[u8]) -> (Tok, usize) {
    if rest.starts_with(b"0x") || rest.starts_with(b"0X") {
        let tail = rest.get(2..).unwrap_or_default();
        let length = tail.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(tail.len());
        if length > 0 {
            return (Tok::Int, 2 + length);
        }
    }
    let mut kind = Tok::Int;
    let mut end = digits(rest, 0);
    if rest.get(end) == Some(&b'.') {
        kind = Tok::Float;
        end = digits(rest, end + 1);
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        let exponent_end = digits(rest, end + 1 + sign);
        if exponent_end > end + 1 + sign {
            kind = Tok::Float;
            end = exponent_end;
        }
    }
    (kind, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Tok, &str)> {
        let mut list = Vec::new();
        let mut pos = 0;
        loop {
            let token = lex(text.as_bytes(), last_comment_end(text.as_bytes()), pos);
            if token.kind == Tok::End {
                return list;
            }
            list.push((token.kind, &text[token.start..token.end]));
            pos = token.end;
        }
    }

    #[test]
    fn numbers() {
        for text in ["1.", ".5", "1e5", "1.0E-3", "12.25"] {
            assert_eq!(tokens(text), [(Tok::Float, text)]);
        }
        for text in ["0", "017", "0x1F", "9223372036854775808"] {
            assert_eq!(tokens(text), [(Tok::Int, text)]);
        }
        assert_eq!(tokens("1em"), [(Tok::Int, "1"), (Tok::Ident, "em")]);
    }

    #[test]
    fn comments_of_both_kinds_are_skipped() {
        assert_eq!(tokens("a # x\n /* b \n */ c"), [(Tok::Ident, "a"), (Tok::Ident, "c")]);
        assert_eq!(tokens("a /* b"), [(Tok::Ident, "a"), (Tok::OpenComment, "/* b")]);
    }

    #[test]
    fn unknown_characters_are_whole() {
        assert_eq!(tokens("é"), [(Tok::Unknown, "é")]);
    }
}
