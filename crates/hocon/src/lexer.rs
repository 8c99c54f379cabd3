//! Cuts a document into tokens, one at a time: the parser may set the lexer back to read a place differently.

use std::sync::Arc;

use crate::{
    path::{Path, PathBuilder, PathError},
    problem::Remark,
    source::{Origin, Source},
};

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    End,
    Newline,
    Space,
    Comment,
    Comma,
    Equals,
    Colon,
    PlusEquals,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Quoted(String),
    Unquoted(String),
    Number(String),
    True,
    False,
    Null,
    Substitution {
        path: Path,
        optional: bool,
    },
    /// Something that is no token, and why.
    Bad {
        message: String,
        hint: String,
    },
}

impl Token {
    /// Whether blanks between this and another such token are part of the text.
    pub(crate) fn is_simple(&self) -> bool {
        self.is_key_part() || matches!(self, Token::Substitution { .. })
    }

    /// Whether keys are made of it.
    pub(crate) fn is_key_part(&self) -> bool {
        matches!(self, Token::Quoted(_) | Token::Unquoted(_) | Token::Number(_) | Token::True | Token::False | Token::Null)
    }

    /// How messages call it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::End => "the end of the document".into(),
            Token::Newline => "the end of the line".into(),
            Token::Space => "a blank".into(),
            Token::Comment => "a comment".into(),
            Token::Comma => "`,`".into(),
            Token::Equals => "`=`".into(),
            Token::Colon => "`:`".into(),
            Token::PlusEquals => "`+=`".into(),
            Token::OpenBrace => "`{`".into(),
            Token::CloseBrace => "`}`".into(),
            Token::OpenBracket => "`[`".into(),
            Token::CloseBracket => "`]`".into(),
            Token::Quoted(_) => "a text in quotes".into(),
            Token::Unquoted(text) | Token::Number(text) => format!("`{text}`"),
            Token::True => "`true`".into(),
            Token::False => "`false`".into(),
            Token::Null => "`null`".into(),
            Token::Substitution { path, .. } => format!("`${{{path}}}`"),
            Token::Bad { .. } => "something unreadable".into(),
        }
    }
}

/// Blanks as Lightbend counts them, the line end excepted.
pub(crate) fn is_space(c: char) -> bool {
    c != '\n' && (c.is_whitespace() && c != '\u{85}' || matches!(c, '\u{1c}'..='\u{1f}' | '\u{feff}'))
}

/// Characters that a text without quotes may not hold.
const RESERVED: &str = "$\"{}[]:=,+#`^?!@*&\\";
const QUOTE_IT: &str = "put the whole text in double quotes";

/// Reads one document.
pub(crate) struct Lexer {
    pub(crate) source: Arc<Source>,
    /// Byte offset of what is read next; always at a character.
    pub(crate) at: usize,
    pub(crate) remarks: Vec<Remark>,
}

impl Lexer {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Lexer { source, at: 0, remarks: Vec::new() }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &str {
        self.source.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|c| !wanted(c)).unwrap_or(rest.len())).unwrap_or("").to_string();
        self.at += taken.len();
        taken
    }

    pub(crate) fn origin(&self, start: usize) -> Origin {
        Origin { source: Arc::clone(&self.source), start, end: self.at }
    }

    /// The next token; `End` again and again at the end.
    pub(crate) fn next(&mut self) -> Token {
        let Some(first) = self.peek() else { return Token::End };
        if is_space(first) {
            self.take_while(is_space);
            return Token::Space;
        }
        if first == '#' || self.rest().starts_with("//") {
            self.take_while(|c| c != '\n');
            return Token::Comment;
        }
        let single = match first {
            '\n' => Some(Token::Newline),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Equals),
            ':' => Some(Token::Colon),
            '{' => Some(Token::OpenBrace),
            '}' => Some(Token::CloseBrace),
            '[' => Some(Token::OpenBracket),
            ']' => Some(Token::CloseBracket),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return token;
        }
        match first {
            '"' => self.quoted(),
            '$' => self.substitution(),
            '+' => self.plus(),
            '0'..='9' | '-' => self.number(),
            _ if RESERVED.contains(first) => self.reserved(first),
            _ => self.unquoted(),
        }
    }

    fn reserved(&mut self, c: char) -> Token {
        self.at += c.len_utf8();
        Token::Bad { message: format!("`{c}` cannot stand outside of quotes"), hint: QUOTE_IT.into() }
    }

    fn plus(&mut self) -> Token {
        self.at += 1;
        if self.rest().starts_with('=') {
            self.at += 1;
            return Token::PlusEquals;
        }
        Token::Bad { message: "`+` cannot stand outside of quotes, except in `+=`".into(), hint: QUOTE_IT.into() }
    }

    fn number(&mut self) -> Token {
        let text = self.take_while(|c| c.is_ascii_digit() || matches!(c, 'e' | 'E' | '+' | '-' | '.'));
        let fractional = text.contains(['.', 'e', 'E']);
        let readable = if fractional { text.parse::<f64>().is_ok() } else { text.parse::<i64>().is_ok() };
        if readable {
            Token::Number(text)
        } else if text.contains('+') {
            Token::Bad { message: "`+` cannot stand outside of quotes".into(), hint: QUOTE_IT.into() }
        } else {
            Token::Unquoted(text)
        }
    }

    fn unquoted(&mut self) -> Token {
        let start = self.at;
        while let Some(c) = self.peek() {
            if self.rest().starts_with("//") {
                self.remark_on_comment(start);
                break;
            }
            if self.is_class_name_end(start) {
                self.at += 1;
                let origin = self.origin(start);
                let hint = "put the name in double quotes";
                self.remarks.push(Remark::at(&origin, "a `$` outside of quotes is no HOCON; it was read as part of the name", hint));
                break;
            }
            if c == '\n' || is_space(c) || RESERVED.contains(c) {
                break;
            }
            self.at += c.len_utf8();
            // These words are values even when text follows directly; the parts are joined again.
            match self.source.text.get(start..self.at) {
                Some("true") => return Token::True,
                Some("false") => return Token::False,
                Some("null") => return Token::Null,
                _ => {}
            }
        }
        Token::Unquoted(self.source.text.get(start..self.at).unwrap_or("").to_string())
    }

    /// A comment that begins in the middle of a word is seldom meant.
    fn remark_on_comment(&mut self, start: usize) {
        if self.at > start {
            let origin = Origin { source: Arc::clone(&self.source), start: self.at, end: self.at + 2 };
            let message = "`//` begins a comment, so the rest of this line is not part of the value";
            self.remarks.push(Remark::at(&origin, message, "put the value in double quotes if it is"));
        }
    }

    /// Whether a `$` comes next that ends a word, as in `slick.jdbc.MySQLProfile$`.
    fn is_class_name_end(&self, start: usize) -> bool {
        let after = self.rest().strip_prefix('$').map(|rest| rest.chars().next());
        self.at > start && after.is_some_and(|c| c.is_none_or(|c| c == '\n' || is_space(c) || matches!(c, ',' | '}' | ']')))
    }

    /// Text in one or three double quotes.
    pub(crate) fn quoted(&mut self) -> Token {
        if self.rest().starts_with("\"\"\"") {
            return self.triple_quoted();
        }
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '"' => return Token::Quoted(text),
                '\\' => match self.escape() {
                    Ok(c) => text.push(c),
                    Err(bad) => return bad,
                },
                '\n' => {
                    self.at -= 1;
                    break;
                }
                '\0'..='\u{1f}' => {
                    let name = if c == '\t' { "a tab".into() } else { format!("the control character U+{:04X}", u32::from(c)) };
                    self.skip_quoted();
                    let hint = if c == '\t' { "write `\\t`, or use three double quotes" } else { "write it as `\\u` and four digits" };
                    return Token::Bad { message: format!("{name} cannot stand in double quotes"), hint: hint.into() };
                }
                _ => text.push(c),
            }
        }
        Token::Bad {
            message: "the double quote is not closed on this line".into(),
            hint: "close it, or use three double quotes for a text of several lines".into(),
        }
    }

    /// Goes on to the end of a text in quotes that is refused, so that what follows is read correctly.
    fn skip_quoted(&mut self) {
        let mut escaped = false;
        while let Some(c) = self.peek() {
            if c == '\n' {
                break;
            }
            self.at += c.len_utf8();
            if c == '"' && !escaped {
                break;
            }
            escaped = c == '\\' && !escaped;
        }
    }

    fn escape(&mut self) -> Result<char, Token> {
        let c = self.peek().unwrap_or('\n');
        let plain = match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            _ => {
                self.skip_quoted();
                let message = "this backslash begins no escape that HOCON knows".to_string();
                return Err(Token::Bad { message, hint: "write `\\\\` for a backslash, or use three double quotes".into() });
            }
        };
        self.at += c.len_utf8();
        Ok(plain)
    }

    /// `\uXXXX`, or two of them for a character beyond the first 65536.
    fn unicode_escape(&mut self) -> Result<char, Token> {
        let unit = |rest: &str| {
            let digits = rest.strip_prefix('u')?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit(self.rest());
        let second = first.and_then(|_| self.rest().get(5..)).and_then(|rest| unit(rest.strip_prefix('\\')?));
        let decoded = first.and_then(|first| char::decode_utf16([first].into_iter().chain(second)).next()?.ok().map(|c| (c, first)));
        match decoded {
            Some((c, first)) => {
                self.at += if u32::from(c) == u32::from(first) { 5 } else { 11 };
                Ok(c)
            }
            None => {
                self.skip_quoted();
                let message = "`\\u` must be followed by four hexadecimal digits of a character".to_string();
                Err(Token::Bad { message, hint: "write for example `\\u00e9`".into() })
            }
        }
    }

    fn triple_quoted(&mut self) -> Token {
        self.at += 3;
        let start = self.at;
        let Some(close) = self.rest().find("\"\"\"") else {
            self.at = self.source.text.len();
            return Token::Bad { message: "the three double quotes are not closed".into(), hint: "close them with `\"\"\"`".into() };
        };
        self.at += close + 3;
        // More than three quotes at the end: the last three close, the others are text.
        self.take_while(|c| c == '"');
        Token::Quoted(self.source.text.get(start..self.at - 3).unwrap_or("").to_string())
    }

    fn substitution(&mut self) -> Token {
        self.at += 1;
        if !self.rest().starts_with('{') {
            let message = "`$` cannot stand outside of quotes, except in `${`".to_string();
            return Token::Bad { message, hint: "write `${NAME}` for a variable, or put the text in double quotes".into() };
        }
        self.at += 1;
        let optional = self.rest().starts_with('?');
        if optional {
            self.at += 1;
        }
        match self.substitution_path() {
            Ok(path) => Token::Substitution { path, optional },
            Err(bad) => bad,
        }
    }

    fn substitution_path(&mut self) -> Result<Path, Token> {
        let bad = |message: String| Token::Bad { message, hint: "write a key in it, as in `${a.b}` or `${?HOME}`".into() };
        let mut path = PathBuilder::default();
        let (mut blank, mut some) = (String::new(), false);
        loop {
            let start = self.at;
            // Looked at first, for one in another in another would need much stack.
            if self.rest().starts_with('$') {
                return Err(bad("`$` cannot stand in a substitution".into()));
            }
            let token = self.next();
            if token.is_key_part() && some {
                path.plain(&blank);
            }
            match &token {
                Token::CloseBrace => break,
                Token::Space => {
                    blank = self.source.text.get(start..self.at).unwrap_or("").to_string();
                    continue;
                }
                token if token.is_key_part() => self.key_part(token, start, &mut path),
                Token::End | Token::Newline => {
                    self.at = start;
                    return Err(bad("the substitution `${` is not closed with `}`".into()));
                }
                other => return Err(bad(format!("{} cannot stand in a substitution", other.describe()))),
            }
            some = true;
            blank.clear();
        }
        path.finish().map_err(|error: PathError| bad(format!("{error} in this substitution")))
    }

    /// Adds a token to a path.
    pub(crate) fn key_part(&self, token: &Token, start: usize, path: &mut PathBuilder) {
        match token {
            Token::Quoted(text) => path.quoted(text),
            _ => path.plain(self.source.text.get(start..self.at).unwrap_or("")),
        }
    }
}
