//! Types and declarations.

use super::{Parsed, Parser, lexer::Tok};
use crate::{
    ast::{Decl, Name, TypeExpr, TypeKind},
    diagnostic::Diagnostic,
    source::Span,
    version::Version,
};

/// Whether a declaration may or must have a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Input or task declaration.
    Optional,
    /// Output.
    Required,
}

impl Parser<'_> {
    /// `Type`, with its quantifiers.
    pub(super) fn type_expr(&mut self) -> Parsed<TypeExpr> {
        self.nested(Self::type_at_level)
    }

    fn type_at_level(&mut self) -> Parsed<TypeExpr> {
        let start = self.token.start;
        let word = self.word();
        let mut kind = match word {
            "Boolean" => TypeKind::Boolean,
            "Int" => TypeKind::Int,
            "Float" => TypeKind::Float,
            "String" => TypeKind::String,
            "File" => TypeKind::File,
            "Object" => TypeKind::Object,
            "Directory" => TypeKind::Directory,
            "Array" | "Map" | "Pair" => return self.compound_type(),
            _ => TypeKind::Named(self.name("a type")?),
        };
        if !matches!(kind, TypeKind::Named(_)) {
            self.bump();
        }
        if self.is(Tok::LeftBracket) {
            let error = self.diagnostic_error(self.token_span(), format!("type `{word}` takes no parameters"));
            let hint = match word {
                "List" | "Set" | "Tuple" | "Optional" => {
                    Some("the compound types are `Array[X]`, `Map[K, V]` and `Pair[L, R]`; `X?` is optional")
                }
                _ => None,
            };
            return Err(self.fail(Diagnostic { hint: hint.map(String::from), ..error }));
        }
        if let TypeKind::Directory = kind
            && self.version < Version::V1_2
        {
            // There it is the name of a struct, or a type of a newer version: the checker knows.
            kind = TypeKind::Named(Name { text: word.into(), span: self.span_from(start) });
        }
        self.quantifiers(start, kind)
    }

    fn compound_type(&mut self) -> Parsed<TypeExpr> {
        let start = self.token.start;
        let word = self.word();
        self.bump();
        if !self.is(Tok::LeftBracket) {
            let shape = match word {
                "Array" => "Array[X]",
                "Map" => "Map[K, V]",
                _ => "Pair[L, R]",
            };
            let error = self.diagnostic_error(self.span_from(start), format!("type `{word}` lacks its parameters"));
            return Err(self.fail(error.hint(format!("write `{shape}`"))));
        }
        let open = self.bump();
        let first = Box::new(self.type_expr()?);
        let kind = if word == "Array" {
            self.expect_close(Tok::RightBracket, "`]`", open)?;
            if self.is(Tok::Plus) {
                self.layout.quantifiers.insert(self.token.start);
            }
            TypeKind::Array { item: first, nonempty: self.eat(Tok::Plus) }
        } else {
            self.expect(Tok::Comma, "`,`")?;
            let second = Box::new(self.type_expr()?);
            self.expect_close(Tok::RightBracket, "`]`", open)?;
            if word == "Map" { TypeKind::Map(first, second) } else { TypeKind::Pair(first, second) }
        };
        self.quantifiers(start, kind)
    }

    fn quantifiers(&mut self, start: usize, kind: TypeKind) -> Parsed<TypeExpr> {
        if self.is(Tok::Plus) {
            let error = self.diagnostic_error(self.token_span(), "only an array can be non-empty (`+`)");
            self.push(error.hint("remove the `+`"));
            self.bump();
        }
        let optional = self.eat(Tok::Question);
        while self.is(Tok::Question) {
            let span = self.token_span();
            let message = "type is optional twice; one `?` says the same";
            let finding =
                if self.at_least(Version::V1_2) { self.diagnostic_error(span, message) } else { self.diagnostic_warning(span, message) };
            self.push(finding.hint("remove the second `?`"));
            self.bump();
        }
        Ok(TypeExpr { span: self.span_from(start), kind, optional })
    }

    /// `[env] Type name [= value]`.
    pub(super) fn declaration(&mut self, value: Value) -> Parsed<Decl> {
        let start = self.token.start;
        let env = self.at_env();
        if env {
            let span = self.token_span();
            self.needs(Version::V1_2, span, "`env`");
            self.bump();
        }
        let ty = self.type_expr()?;
        let name = self.name("a name for the declaration")?;
        let expr = if self.eat(Tok::Assign) {
            Some(self.expr_or_lost())
        } else if self.is(Tok::Colon) {
            let error = self.diagnostic_error(self.token_span(), "expected `=`, found `:`");
            return Err(self.fail(error.hint("values are assigned with `=`")));
        } else if value == Value::Required && !self.token.first_on_line && self.is(Tok::Ident) {
            return Err(self.unexpected("`=`"));
        } else {
            None
        };
        let span = self.span_from(start);
        if value == Value::Required && expr.is_none() {
            let error = self.diagnostic_error(span, format!("output `{}` has no value", name.text));
            self.push(error.hint(format!("write `{} = ...`", self.slice(start, self.last_end))));
        }
        Ok(Decl { span, env, ty, name, value: expr })
    }

    /// Whether `env` begins a declaration here, rather than being the name of a type.
    fn at_env(&self) -> bool {
        if !self.is_word("env") {
            return false;
        }
        let second = self.second();
        let third = self.lex_at(second.end);
        second.kind == Tok::Ident && matches!(third.kind, Tok::Ident | Tok::LeftBracket | Tok::Question | Tok::Plus)
    }

    /// Declarations until the closing brace of a section, which is taken.
    pub(super) fn declarations(&mut self, value: Value) -> Vec<Decl> {
        let mut list = Vec::new();
        let declaration = |p: &mut Self| {
            list.push(p.declaration(value)?);
            Ok(())
        };
        self.block_until(declaration, Self::begins_section_line);
        list
    }

    /// `{ item item ... }` with recovery inside: `item` is called until the block ends.
    pub(super) fn block(&mut self, item: impl FnMut(&mut Self) -> Parsed<()>) {
        self.block_until(item, |_| false);
    }

    /// Like [`Self::block`]; where `outside` holds, the closing brace must have been forgotten.
    pub(super) fn block_until(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<()>, outside: impl Fn(&Self) -> bool) {
        let level = self.braces;
        let Ok(open) = self.expect(Tok::LeftBrace, "`{`") else {
            self.recover(self.token.start, level);
            return;
        };
        self.layout.opens.insert(open.start);
        loop {
            if self.is(Tok::RightBrace) {
                let close = self.bump();
                self.layout.closes.insert(close.start);
                break;
            }
            if self.is(Tok::End) || self.at_document_item() || outside(self) {
                let opened = Span::new(open.start, open.end);
                let error = self.unexpected_diagnostic("`}`").related(opened, "opened here");
                self.fail(error);
                break;
            }
            let start = self.token.start;
            self.layout.statements.insert(start);
            // An item that took nothing would loop forever.
            if item(self).is_err() || self.token.start == start {
                self.recover(start, level + 1);
            }
        }
        self.braces = level;
    }
}
