//! Turns a document into definitions, following its includes; goes on after a mistake so that all are told.

mod include;
mod url;

use std::sync::Arc;

use crate::{
    documents::Documents,
    lexer::{Lexer, Token},
    limits::{MAX_NESTING, MAX_PROBLEMS, MAX_REMARKS},
    path::{Path, PathBuilder},
    problem::{Problem, Remark},
    raw::{Definition, Fields, Raw, Reference, join},
    source::{Origin, Source},
};

/// The problem was noted; the caller goes on behind the mistake.
pub(crate) struct Noted;

type Parsed<T> = Result<T, Noted>;

/// What all documents of one load share.
pub(crate) struct Shared<'d> {
    pub(crate) documents: &'d dyn Documents,
    pub(crate) problems: Vec<Problem>,
    pub(crate) remarks: Vec<Remark>,
    /// How many documents were read.
    pub(crate) count: usize,
}

impl Shared<'_> {
    /// Notes a problem, but not a second one of the same line: it would come from the first.
    pub(crate) fn problem(&mut self, problem: Problem) -> Noted {
        let place = |p: &Problem| p.origin.as_ref().map(|o| (o.source.name.clone(), o.line()));
        let repeated = place(&problem).is_some_and(|new| self.problems.iter().any(|old| place(old).as_ref() == Some(&new)));
        if !repeated && self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
        Noted
    }

    pub(crate) fn remark(&mut self, remark: Remark) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(remark);
        }
    }
}

/// Where a document stands: the including documents, and the key in them under which it is included.
#[derive(Clone, Default)]
pub(crate) struct Place {
    pub(crate) chain: Vec<String>,
    pub(crate) prefix: Vec<String>,
}

/// Parses a document into the fields of its root.
pub(crate) fn parse(source: &Arc<Source>, place: Place, shared: &mut Shared<'_>) -> Fields {
    let mut parser = Parser { lexer: Lexer::new(Arc::clone(source)), peeked: None, place, path: Vec::new(), lists: 0, depth: 0, shared };
    let fields = parser.document();
    let remarks = std::mem::take(&mut parser.lexer.remarks);
    remarks.into_iter().for_each(|remark| shared.remark(remark));
    fields
}

struct Parser<'p, 'd> {
    lexer: Lexer,
    /// A token that was looked at, with its start.
    peeked: Option<(Token, usize)>,
    place: Place,
    /// The key of the object being read, from the root of this document.
    path: Vec<String>,
    /// How many lists are open around the place being read.
    lists: usize,
    depth: usize,
    shared: &'p mut Shared<'d>,
}

impl Parser<'_, '_> {
    fn peek(&mut self) -> &Token {
        let lexer = &mut self.lexer;
        let (token, _) = self.peeked.get_or_insert_with(|| {
            let start = lexer.at;
            (lexer.next(), start)
        });
        token
    }

    /// Where the next token begins.
    fn start(&mut self) -> usize {
        self.peek();
        self.peeked.as_ref().map_or(self.lexer.at, |(_, start)| *start)
    }

    fn take(&mut self) -> (Token, Origin) {
        let start = self.start();
        let token = self.peeked.take().map_or(Token::End, |(token, _)| token);
        (token, self.lexer.origin(start))
    }

    /// Skips blanks, comments and line ends. True when a line end was among them.
    fn skip_blank(&mut self) -> bool {
        let mut line_end = false;
        while matches!(self.peek(), Token::Space | Token::Comment | Token::Newline) {
            line_end |= *self.peek() == Token::Newline;
            self.take();
        }
        line_end
    }

    /// Skips what separates entries: line ends and at most one comma.
    fn separator(&mut self) -> bool {
        let line_end = self.skip_blank();
        let comma = *self.peek() == Token::Comma;
        if comma {
            self.take();
        }
        comma || line_end
    }

    /// Notes that the next token is not what should stand there.
    fn unexpected(&mut self, wanted: &str, hint: &str) -> Noted {
        let at_end = matches!(self.peek(), Token::End);
        let (token, origin) = self.take();
        if at_end {
            self.peeked = Some((Token::End, origin.start));
        }
        let problem = match token {
            Token::Bad { message, hint } => Problem::at(&origin, message).hint(hint),
            other => Problem::at(&origin, format!("{} cannot stand here: {wanted}", other.describe())).hint(hint),
        };
        self.shared.problem(problem)
    }

    /// Goes on behind a mistake: to the end of its line, or of the object or list it is in.
    fn recover(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Token::End => return,
                Token::Newline if open == 0 => return,
                Token::CloseBrace | Token::CloseBracket if open == 0 => return,
                Token::OpenBrace | Token::OpenBracket => open += 1,
                Token::CloseBrace | Token::CloseBracket => open -= 1,
                _ => {}
            }
            self.take();
        }
    }

    fn document(&mut self) -> Fields {
        self.skip_blank();
        let fields = match self.peek() {
            Token::OpenBrace => self.object().unwrap_or_default(),
            Token::OpenBracket => {
                let (_, origin) = self.take();
                self.shared.problem(Problem::at(&origin, "the document is a list, but must be an object").hint("begin with a key"));
                return Fields::default();
            }
            _ => return self.fields(false),
        };
        self.skip_blank();
        if *self.peek() != Token::End {
            self.unexpected("the object has ended", "remove what follows its `}`, or remove the outermost braces");
        }
        fields
    }

    /// `{` … `}`.
    fn object(&mut self) -> Parsed<Fields> {
        let (_, origin) = self.take();
        self.deeper(&origin)?;
        let fields = self.fields(true);
        self.depth -= 1;
        if *self.peek() == Token::CloseBrace {
            self.take();
            return Ok(fields);
        }
        let problem = Problem::at(&origin, "this `{` is not closed").hint("add the missing `}`");
        Err(self.shared.problem(problem))
    }

    fn deeper(&mut self, origin: &Origin) -> Parsed<()> {
        if self.depth + self.path.len() + self.place.prefix.len() >= MAX_NESTING {
            // What follows would be told to be wrong again and again.
            self.lexer.at = self.lexer.source.text.len();
            self.peeked = None;
            return Err(self.shared.problem(Problem::at(origin, format!("objects and lists are nested more than {MAX_NESTING} times"))));
        }
        self.depth += 1;
        Ok(())
    }

    /// Entries up to the closing brace, which is left, or to the end of the document.
    fn fields(&mut self, in_braces: bool) -> Fields {
        let mut fields = Fields::default();
        loop {
            self.skip_blank();
            match self.peek() {
                Token::End => return fields,
                Token::CloseBrace if in_braces => return fields,
                Token::CloseBrace => {
                    self.unexpected("no `{` is open", "remove this brace, or look for the `{` that should open it");
                    continue;
                }
                _ => {}
            }
            let entry = self.entry(&mut fields).and_then(|()| {
                if self.separator() || matches!(self.peek(), Token::End) || (in_braces && *self.peek() == Token::CloseBrace) {
                    return Ok(());
                }
                Err(self.unexpected(
                    "the entry has ended",
                    "put texts with such characters in double quotes, and entries on lines of their own",
                ))
            });
            if entry.is_err() {
                self.recover();
                if *self.peek() == Token::CloseBracket {
                    self.take();
                }
                self.separator();
            }
        }
    }

    fn entry(&mut self, fields: &mut Fields) -> Parsed<()> {
        if *self.peek() == Token::Unquoted("include".into()) {
            return self.include(fields);
        }
        let (key, key_origin) = self.key()?;
        let next_line = self.skip_blank();
        let depth = self.path.len();
        self.path.extend(key.0.iter().cloned());
        let value = self.value_of(&key_origin, next_line);
        self.path.truncate(depth);
        fields.define(&key.0, value?);
        Ok(())
    }

    /// What follows a key, be it on the next line.
    fn value_of(&mut self, key: &Origin, next_line: bool) -> Parsed<Definition> {
        match self.peek() {
            Token::OpenBrace => {
                let start = self.start();
                let object = self.object()?;
                Ok(Definition::new(Raw::Object(object), self.lexer.origin(start)))
            }
            Token::Equals | Token::Colon => {
                self.take();
                self.value("a value should follow")
            }
            Token::PlusEquals => self.addition(),
            Token::Bad { .. } => Err(self.unexpected("", "")),
            other => {
                let message = format!("the key is followed by {} instead of `=`, `:` or `{{`", other.describe());
                if next_line {
                    // The next line is an entry of its own.
                    self.lexer.at = self.start();
                    self.peeked = Some((Token::Newline, self.lexer.at));
                }
                Err(self.shared.problem(Problem::at(key, message).hint("write `key = value`, each on a line of its own")))
            }
        }
    }

    /// `a += b` stands for `a = ${?a} [b]`.
    fn addition(&mut self) -> Parsed<Definition> {
        let (_, origin) = self.take();
        if self.lists > 0 {
            let problem = Problem::at(&origin, "`+=` cannot stand inside of a list").hint("define it outside, and use it here as `${key}`");
            return Err(self.shared.problem(problem));
        }
        self.lists += 1;
        let value = self.value("a value should follow");
        self.lists -= 1;
        let value = value?;
        let mut path = self.place.prefix.clone();
        path.extend(self.path.iter().cloned());
        let before = Reference { id: 0, path: Path(path), optional: true, prefix: self.place.prefix.len() };
        let origin = value.origin.clone();
        let parts = vec![Definition::new(Raw::Reference(before), origin.clone()), Definition::new(Raw::List(vec![value]), origin.clone())];
        Ok(Definition::new(Raw::Joined(parts), origin))
    }

    fn key(&mut self) -> Parsed<(Path, Origin)> {
        let start = self.start();
        if !self.peek().is_key_part() {
            return Err(self.unexpected("a key should", "write `key = value`; a text with such characters needs double quotes"));
        }
        let mut path = PathBuilder::default();
        let mut end = start;
        let mut blank = String::new();
        while self.peek().is_key_part() || *self.peek() == Token::Space {
            let start = self.start();
            let (token, _) = self.take();
            if token == Token::Space {
                blank = self.lexer.source.text.get(start..self.lexer.at).unwrap_or("").to_string();
                continue;
            }
            path.plain(&std::mem::take(&mut blank));
            self.lexer.key_part(&token, start, &mut path);
            end = self.lexer.at;
        }
        let origin = Origin { source: Arc::clone(&self.lexer.source), start, end };
        match path.finish() {
            Ok(path) if self.depth + self.path.len() + path.0.len() + self.place.prefix.len() > MAX_NESTING => {
                Err(self.shared.problem(Problem::at(&origin, format!("this key makes more than {MAX_NESTING} objects in each other"))))
            }
            Ok(path) => Ok((path, origin)),
            Err(error) => {
                Err(self.shared.problem(Problem::at(&origin, error.to_string()).hint("put elements that hold dots in double quotes")))
            }
        }
    }

    /// A value, or several on one line that are joined.
    fn value(&mut self, wanted: &str) -> Parsed<Definition> {
        self.skip_blank();
        let mut parts: Vec<Definition> = Vec::new();
        let mut blank: Option<(String, Origin)> = None;
        let mut after_simple = false;
        loop {
            let simple = self.peek().is_simple();
            if let (Some((text, origin)), true, true) = (blank.take(), simple, after_simple) {
                parts.push(Definition::new(Raw::Blank(text), origin));
            }
            if let Some(url) = self.url() {
                parts.push(url);
                after_simple = true;
                continue;
            }
            let start = self.start();
            match self.peek() {
                Token::Space => {
                    let (_, origin) = self.take();
                    blank = Some((self.lexer.source.text.get(start..self.lexer.at).unwrap_or("").to_string(), origin));
                    continue;
                }
                Token::OpenBrace => {
                    let object = self.object()?;
                    parts.push(Definition::new(Raw::Object(object), self.lexer.origin(start)));
                }
                Token::OpenBracket => {
                    let list = self.list()?;
                    parts.push(Definition::new(Raw::List(list), self.lexer.origin(start)));
                }
                Token::Bad { .. } => return Err(self.unexpected("", "")),
                _ if simple => parts.push(self.simple()),
                _ => break,
            }
            after_simple = simple;
        }
        match join(parts) {
            Some(value) => Ok(value),
            None => Err(self.unexpected(wanted, "write `\"\"` for an empty text")),
        }
    }

    fn simple(&mut self) -> Definition {
        let (token, origin) = self.take();
        let raw = match token {
            Token::Quoted(text) | Token::Unquoted(text) => Raw::Text(text),
            Token::Number(text) => Raw::Number(text),
            Token::True => Raw::Bool(true),
            Token::False => Raw::Bool(false),
            Token::Substitution { path, optional } => {
                let prefix = self.place.prefix.len();
                let path = Path(self.place.prefix.iter().cloned().chain(path.0).collect());
                Raw::Reference(Reference { id: 0, path, optional, prefix })
            }
            _ => Raw::Null,
        };
        Definition::new(raw, origin)
    }

    /// `[` … `]`.
    fn list(&mut self) -> Parsed<Vec<Definition>> {
        let (_, origin) = self.take();
        self.deeper(&origin)?;
        self.lists += 1;
        let items = self.items();
        self.lists -= 1;
        self.depth -= 1;
        if *self.peek() == Token::CloseBracket {
            self.take();
            return Ok(items);
        }
        Err(self.shared.problem(Problem::at(&origin, "this `[` is not closed").hint("add the missing `]`")))
    }

    /// Values up to the closing bracket, which is left.
    fn items(&mut self) -> Vec<Definition> {
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            if matches!(self.peek(), Token::End | Token::CloseBracket | Token::CloseBrace) {
                return items;
            }
            let item = self.value("a value or `]` should").and_then(|item| {
                items.push(item);
                if self.separator() || matches!(self.peek(), Token::End | Token::CloseBracket) {
                    return Ok(());
                }
                Err(self.unexpected("the list goes on with `,` or ends with `]`", "put texts with such characters in double quotes"))
            });
            if item.is_err() {
                self.recover();
                self.separator();
            }
        }
    }
}
