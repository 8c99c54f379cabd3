//! `meta`, `parameter_meta` and the other sections of `key: value` lines.

use super::{Parsed, Parser, lexer::Tok};
use crate::{
    ast::{Expr, MetaValue, Name, StringPart},
    rule::Rule,
    source::Span,
};

impl Parser<'_> {
    /// `{ key: value ... }` with values that are literals.
    pub(super) fn meta_section(&mut self) -> Vec<(Name, MetaValue)> {
        let mut entries = Vec::new();
        self.block(|p| {
            let name = p.meta_key()?;
            p.expect(Tok::Colon, "`:`")?;
            entries.push((name, p.meta_value()?));
            p.eat(Tok::Comma);
            Ok(())
        });
        entries
    }

    /// `{ key: expression ... }`.
    pub(super) fn expr_section(&mut self) -> Vec<(Name, Expr)> {
        let mut entries = Vec::new();
        self.block(|p| {
            let name = p.any_name("the name of an entry")?;
            if p.is(Tok::Assign) {
                let error = p.unexpected_diagnostic("`:`").hint("entries of this section are given with `:`");
                return Err(p.fail(error));
            }
            p.expect(Tok::Colon, "`:`")?;
            entries.push((name, p.expr()?));
            p.eat(Tok::Comma);
            Ok(())
        });
        entries
    }

    /// Reports entries that a later entry replaces. `strict` is for the sections that came with 1.2: published documents of
    /// all versions before repeat entries of `runtime`, and metadata has no effect on a run.
    pub(super) fn report_repeated<T>(&mut self, entries: &[(Name, T)], strict: bool) {
        let mut last = std::collections::HashMap::new();
        for (name, _) in entries {
            if let Some(earlier) = last.insert(&*name.text, name.span) {
                let finding = if strict {
                    let error = self.diagnostic_error(name.span, format!("`{}` is given twice", name.text));
                    error.hint("remove one of them").related(earlier, "the first one")
                } else {
                    let message = format!("`{}` is given twice; the last one counts", name.text);
                    let warning = self.diagnostic_warning(name.span, message).rule(Rule::RepeatedName);
                    warning.label("counts").related(earlier, "has no effect")
                };
                self.push(finding);
            }
        }
    }

    /// An identifier, or a quoted key.
    fn meta_key(&mut self) -> Parsed<Name> {
        if !self.is(Tok::Quote) {
            return self.any_name("a key");
        }
        let start = self.token.start;
        let text = self.meta_string()?;
        Ok(Name { text: text.into(), span: self.span_from(start) })
    }

    fn meta_value(&mut self) -> Parsed<MetaValue> {
        self.nested(Self::meta_value_at_level)
    }

    fn meta_value_at_level(&mut self) -> Parsed<MetaValue> {
        let start = self.token.start;
        let value = self.meta_literal()?;
        if !matches!(value, MetaValue::Array(_) | MetaValue::Object(_)) {
            self.layout.literals.push(self.span_from(start));
        }
        Ok(value)
    }

    fn meta_literal(&mut self) -> Parsed<MetaValue> {
        match self.token.kind {
            Tok::Quote | Tok::Multiline => Ok(MetaValue::String(self.meta_string()?)),
            Tok::Int => Ok(MetaValue::Int(self.int_literal()?)),
            Tok::Float => Ok(MetaValue::Float(self.float_literal()?)),
            Tok::Plus => {
                self.bump();
                self.meta_number(false)
            }
            Tok::Minus => {
                self.bump();
                self.meta_number(true)
            }
            Tok::LeftBracket => self.meta_array(),
            Tok::LeftBrace => self.meta_object(),
            Tok::Ident => {
                let value = match self.word() {
                    "true" => MetaValue::Boolean(true),
                    "false" => MetaValue::Boolean(false),
                    "null" => MetaValue::Null,
                    "object" if self.second().kind == Tok::LeftBrace => {
                        self.bump();
                        return self.meta_object();
                    }
                    _ => return Err(self.not_a_literal()),
                };
                self.bump();
                Ok(value)
            }
            _ => Err(self.not_a_literal()),
        }
    }

    fn not_a_literal(&mut self) -> super::Reported {
        let error = self
            .unexpected_diagnostic("a literal value")
            .hint("metadata holds literals only: string, number, `true`, `false`, `null`, array, object");
        self.fail(error)
    }

    fn meta_number(&mut self, negative: bool) -> Parsed<MetaValue> {
        if negative && self.at_smallest_int() {
            self.bump();
            return Ok(MetaValue::Int(i64::MIN));
        }
        match self.token.kind {
            Tok::Int => {
                let value = self.int_literal()?;
                Ok(MetaValue::Int(if negative { -value } else { value }))
            }
            Tok::Float => {
                let value = self.float_literal()?;
                Ok(MetaValue::Float(if negative { -value } else { value }))
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// A string in which `${` and `~{` mean nothing.
    fn meta_string(&mut self) -> Parsed<String> {
        let start = self.token.start;
        let text = self.meta_text();
        self.layout.opaque.insert(start, self.last_end);
        text
    }

    fn meta_text(&mut self) -> Parsed<String> {
        if self.is(Tok::Multiline) {
            let (parts, _) = self.multiline_literal(false)?;
            return Ok(parts.into_iter().filter_map(|part| if let StringPart::Text(text) = part { Some(text) } else { None }).collect());
        }
        let open = self.token;
        let quote = self.byte(open.end - 1);
        let mut text = String::new();
        let mut pos = open.end;
        loop {
            match self.bytes.get(pos) {
                None | Some(b'\n') => {
                    self.seek(pos);
                    let error = self.diagnostic_error(Span::new(open.start, pos.max(open.end)), "string is never closed");
                    return Err(self.fail(error.label("begins here").hint("add the closing quote before the end of the line")));
                }
                Some(b) if *b == quote => break,
                Some(b'\\') => pos = self.escape(pos, &mut text),
                Some(_) => {
                    let tail = self.bytes.get(pos..).unwrap_or_default();
                    let end = tail.iter().position(|b| matches!(b, b'\n' | b'\\') || *b == quote).map_or(self.bytes.len(), |i| pos + i);
                    text.push_str(self.slice(pos, end));
                    pos = end;
                }
            }
        }
        self.seek(pos + 1);
        Ok(text)
    }

    fn meta_array(&mut self) -> Parsed<MetaValue> {
        let open = self.bump();
        let mut items = Vec::new();
        while !self.is(Tok::RightBracket) {
            items.push(self.meta_value()?);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.expect_close(Tok::RightBracket, "`]`", open)?;
        Ok(MetaValue::Array(items))
    }

    fn meta_object(&mut self) -> Parsed<MetaValue> {
        let open = self.bump();
        let mut members = Vec::new();
        while !self.is(Tok::RightBrace) {
            let key = self.meta_key()?;
            self.layout.literals.push(key.span);
            self.expect(Tok::Colon, "`:`")?;
            members.push((key.text.to_string(), self.meta_value()?));
            // Cromwell takes members on lines of their own without commas.
            if !self.eat(Tok::Comma) && !self.is(Tok::Ident) {
                break;
            }
        }
        self.expect_close(Tok::RightBrace, "`}`", open)?;
        Ok(MetaValue::Object(members))
    }
}
