//! `include "name"`, `include file("name")`, `include classpath("name")`, each also as `include required(…)`.

use super::{Noted, Parsed, Parser, Place, parse};
use crate::{
    documents::{Document, Include},
    lexer::{Token, is_space},
    limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, MAX_INCLUDE_DEPTH},
    problem::{Problem, Remark},
    properties,
    raw::Fields,
    source::{Origin, Source},
};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Beside,
    File,
    Classpath,
}

/// An include as written.
struct Wanted {
    kind: Kind,
    name: String,
    required: bool,
    origin: Origin,
}

const FORMS: &str = "write `include \"name\"`, `include file(\"name\")` or `include required(classpath(\"name\"))`";

impl Parser<'_, '_> {
    pub(super) fn include(&mut self, fields: &mut Fields) -> Parsed<()> {
        let start = self.start();
        self.take();
        let wanted = self.include_target(start)?;
        self.check_target(&wanted)?;
        let mut found = Fields::default();
        let mut any = false;
        for name in candidates(&wanted.name) {
            if let Some(document) = self.read(&wanted, &name)? {
                any = true;
                found.merge(self.included(&wanted, document)?);
            }
        }
        if !any {
            return self.absent(&wanted);
        }
        let unknown = |fields: &Fields| fields.slots.values().any(|slot| slot.stack.iter().any(|d| !d.is_known()));
        if self.lists > 0 && unknown(&found) {
            let message = "a document with substitutions cannot be included inside of a list";
            return Err(self.shared.problem(Problem::at(&wanted.origin, message).hint("include it outside, and use it here as `${key}`")));
        }
        fields.merge(found);
        Ok(())
    }

    /// Reads what follows the word `include`.
    fn include_target(&mut self, start: usize) -> Parsed<Wanted> {
        let required = self.word("required(");
        let kind = if self.word("classpath(") {
            Kind::Classpath
        } else if self.word("file(") {
            Kind::File
        } else if self.word("url(") {
            self.lexer.at = start + "include".len();
            let problem = Problem::at(&self.lexer.origin(start), "includes from a URL are not supported");
            return Err(self.shared.problem(problem.hint("download the document, and include it as a file")));
        } else {
            Kind::Beside
        };
        let name = self.include_name(start, kind)?;
        let closing = usize::from(required) + usize::from(kind != Kind::Beside);
        for _ in 0..closing {
            if !self.word(")") {
                let problem = Problem::at(&self.lexer.origin(start), "a closing `)` is missing in this include");
                return Err(self.shared.problem(problem.hint(FORMS)));
            }
        }
        Ok(Wanted { kind, name, required, origin: self.lexer.origin(start) })
    }

    /// Skips blanks, then the word if it comes next.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.lexer.rest();
        let trimmed = rest.trim_start_matches(|c| is_space(c) || c == '\n');
        let found = trimmed.starts_with(word);
        if found {
            self.lexer.at += rest.len() - trimmed.len() + word.len();
        }
        found
    }

    fn include_name(&mut self, start: usize, kind: Kind) -> Parsed<String> {
        self.skip_blank();
        let at = self.start();
        let (token, origin) = self.take();
        match token {
            Token::Quoted(name) => Ok(name),
            Token::Unquoted(_) if kind != Kind::Beside => Ok(self.bare_name(at)),
            Token::Bad { message, hint } => Err(self.shared.problem(Problem::at(&origin, message).hint(hint))),
            other => {
                let message = format!("`include` is followed by {} instead of a name in double quotes", other.describe());
                let origin = Origin { start, ..origin };
                let hint =
                    if other == Token::Equals || other == Token::Colon { "a key called `include` needs double quotes" } else { FORMS };
                self.lexer.at = at;
                Err(self.shared.problem(Problem::at(&origin, message).hint(hint)))
            }
        }
    }

    /// `classpath(name)` without quotes, as some guides print it.
    fn bare_name(&mut self, at: usize) -> String {
        let rest = self.lexer.source.text.get(at..).unwrap_or("");
        let name = rest.get(..rest.find([')', '\n']).unwrap_or(rest.len())).unwrap_or("").trim().to_string();
        self.lexer.at = at + name.len();
        let origin = self.lexer.origin(at);
        let message = format!("the name `{name}` of an include needs double quotes; it was read as if it had them");
        self.shared.remark(Remark::at(&origin, message, format!("write \"{name}\"")));
        name
    }

    fn check_target(&mut self, wanted: &Wanted) -> Parsed<()> {
        let scheme = wanted.name.split_once("://").map(|(scheme, _)| scheme).unwrap_or("");
        let problem = if matches!(scheme, "http" | "https" | "ftp" | "file") {
            let problem = Problem::at(&wanted.origin, "includes from a URL are not supported");
            problem.hint("download the document, and include it as a file")
        } else if self.place.chain.len() >= MAX_INCLUDE_DEPTH {
            Problem::at(&wanted.origin, format!("documents include each other more than {MAX_INCLUDE_DEPTH} times deep"))
        } else {
            return Ok(());
        };
        Err(self.shared.problem(problem))
    }

    fn read(&mut self, wanted: &Wanted, name: &str) -> Parsed<Option<Document>> {
        let from = self.lexer.source.name.clone();
        let include = match wanted.kind {
            Kind::Beside => Include::Beside { name, from: &from },
            Kind::File => Include::File(name),
            Kind::Classpath => Include::Classpath(name),
        };
        self.shared.documents.read(include).map_err(|reason| self.shared.problem(Problem::at(&wanted.origin, reason)))
    }

    fn included(&mut self, wanted: &Wanted, document: Document) -> Parsed<Fields> {
        let refuse = |parser: &mut Self, message: String| -> Noted { parser.shared.problem(Problem::at(&wanted.origin, message)) };
        let mut chain = self.place.chain.clone();
        chain.push(self.lexer.source.name.clone());
        if chain.contains(&document.name) {
            let circle = chain.iter().skip_while(|name| **name != document.name).map(|name| format!("`{name}` includes "));
            let message = format!("documents include each other in a circle: {}`{}`", circle.collect::<String>(), document.name);
            return Err(refuse(self, message));
        }
        if document.text.len() > MAX_DOCUMENT_BYTES {
            return Err(refuse(self, format!("`{}` is larger than {} MiB", document.name, MAX_DOCUMENT_BYTES >> 20)));
        }
        self.shared.count += 1;
        if self.shared.count > MAX_DOCUMENTS {
            return Err(refuse(self, format!("more than {MAX_DOCUMENTS} documents are included")));
        }
        let properties_file = document.name.ends_with(".properties");
        let source = Source::new(document.name, document.text);
        if properties_file {
            return Ok(properties::fields(&properties::parse(&source), &mut self.shared.problems));
        }
        let prefix = self.place.prefix.iter().chain(&self.path).cloned().collect();
        Ok(parse(&source, Place { chain, prefix }, self.shared))
    }

    fn absent(&mut self, wanted: &Wanted) -> Parsed<()> {
        let message = format!("there is no document `{}` to include", wanted.name);
        if wanted.required {
            let hint = match wanted.kind {
                Kind::Classpath => "built in are `application` and `reference`; a file of yours is included with `file(\"path\")`",
                Kind::File => "`file(…)` is relative to the directory in which the program was started",
                Kind::Beside => "the name is relative to the including document",
            };
            return Err(self.shared.problem(Problem::at(&wanted.origin, message).hint(hint)));
        }
        let hint = "wrap it in `required(…)` if it must exist, remove it if not";
        self.shared.remark(Remark::at(&wanted.origin, format!("{message}, so nothing was included"), hint));
        Ok(())
    }
}

/// The names to try for one that may lack its ending, the weakest first.
fn candidates(name: &str) -> Vec<String> {
    if [".conf", ".json", ".properties"].iter().any(|ending| name.ends_with(ending)) {
        return vec![name.to_string()];
    }
    vec![format!("{name}.properties"), format!("{name}.json"), format!("{name}.conf")]
}
