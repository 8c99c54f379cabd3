//! Number, array, map, object and struct literals.

use super::{Parsed, Parser, lexer::Tok};
use crate::{
    ast::{Expr, ExprKind, Name},
    source::Span,
    version::Version,
};

/// Named members of a literal with the depth of the deepest.
pub(super) type Members = (Vec<(Name, Expr)>, usize);

impl Parser<'_> {
    /// An integer up to the largest `Int`.
    pub(super) fn int_literal(&mut self) -> Parsed<i64> {
        let token = self.bump();
        let span = Span::new(token.start, token.end);
        let text = self.token_text(token);
        match self.int_value(text, span) {
            Some(value) if i64::try_from(value).is_ok() => Ok(i64::try_from(value).unwrap_or(i64::MAX)),
            _ if is_bad_octal(text) => {
                let error = self.diagnostic_error(span, format!("`{text}` is not an octal number"));
                Err(self.fail(error.hint("a leading zero makes an integer octal; remove it")))
            }
            _ => {
                let error = self.diagnostic_error(span, format!("integer `{text}` does not fit into 64 bits"));
                Err(self.fail(error.hint(format!("the largest Int is {}", i64::MAX))))
            }
        }
    }

    /// Whether the current token is 2^63, which only fits with a minus sign.
    pub(super) fn at_smallest_int(&self) -> bool {
        self.is(Tok::Int) && parse_int(self.token_text(self.token), self.octal()) == Some(i64::MIN.unsigned_abs())
    }

    fn octal(&self) -> bool {
        // Cromwell reads `010` as ten, and so do the documents written for it.
        self.at_least(Version::V1_1)
    }

    fn int_value(&mut self, text: &str, span: Span) -> Option<u64> {
        let octal = self.octal();
        let value = parse_int(text, octal);
        if !octal && text.len() > 1 && text.starts_with('0') && parse_int(text, true) != value {
            let shown = value.unwrap_or(0);
            let warning = self.diagnostic_warning(span, format!("integer `{text}` is read as {shown}; newer versions read it as octal"));
            self.push(warning.hint("remove the leading zero"));
        }
        value
    }

    /// A finite floating point number.
    pub(super) fn float_literal(&mut self) -> Parsed<f64> {
        let token = self.bump();
        let text = self.token_text(token);
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => {
                let error = self.diagnostic_error(Span::new(token.start, token.end), format!("number `{text}` is too large for a Float"));
                Err(self.fail(error))
            }
        }
    }

    /// `[a, b]`.
    pub(super) fn array_literal(&mut self) -> Parsed<(ExprKind, usize)> {
        let open = self.bump();
        let (items, depth) = self.list(Tok::RightBracket, "`]`", open)?;
        Ok((ExprKind::Array(items), depth))
    }

    /// `{k: v}`.
    pub(super) fn map_literal(&mut self) -> Parsed<(ExprKind, usize)> {
        let open = self.bump();
        let mut items = Vec::new();
        let mut depth = 0;
        while !self.is(Tok::RightBrace) {
            let (key, key_depth) = self.deep_expr()?;
            self.expect(Tok::Colon, "`:`")?;
            let (value, value_depth) = self.deep_expr()?;
            items.push((key, value));
            depth = depth.max(key_depth).max(value_depth);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.expect_close(Tok::RightBrace, "`}`", open)?;
        Ok((ExprKind::Map(items), depth))
    }

    /// `Name { a: 1 }`, or a scoped value of the `hints` section.
    pub(super) fn struct_literal(&mut self) -> Parsed<(ExprKind, usize)> {
        let word = self.word();
        let scoped = matches!(word, "hints" | "input" | "output");
        let name = if scoped { self.any_name("a struct")? } else { self.name("a struct")? };
        if scoped {
            self.needs(Version::V1_2, name.span, "a scoped value");
        } else {
            self.newer(Version::V1_1, name.span, "a struct literal");
        }
        let (members, depth) = self.members(scoped)?;
        Ok((ExprKind::Struct(name, members), depth))
    }

    /// `{ a: 1, b: 2 }`; names may be dotted in scoped values.
    pub(super) fn members(&mut self, dotted: bool) -> Parsed<Members> {
        let open = self.expect(Tok::LeftBrace, "`{`")?;
        let mut members: Vec<(Name, Expr)> = Vec::new();
        let mut depth = 0;
        while !self.is(Tok::RightBrace) {
            if self.is(Tok::Quote) {
                let error = self.unexpected_diagnostic("the name of a member").hint("members of objects are named without quotes");
                return Err(self.fail(error));
            }
            let mut name = self.any_name("the name of a member")?;
            while dotted && self.eat(Tok::Dot) {
                let part = self.any_name("the name of a member")?;
                name = Name { text: format!("{}.{}", name.text, part.text).into(), span: name.span.to(part.span) };
            }
            if self.is(Tok::Assign) {
                let error = self.unexpected_diagnostic("`:`").hint("members are given with `:`");
                return Err(self.fail(error));
            }
            self.expect(Tok::Colon, "`:`")?;
            let (value, value_depth) = self.deep_expr()?;
            depth = depth.max(value_depth);
            members.push((name, value));
            // Entries of scoped values stand on lines of their own, like those of the section around them.
            let more = self.eat(Tok::Comma) || (dotted && self.is(Tok::Ident));
            if !more {
                break;
            }
        }
        self.expect_close(Tok::RightBrace, "`}`", open)?;
        Ok((members, depth))
    }
}

fn parse_int(text: &str, octal: bool) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).ok()
    } else if octal && text.len() > 1 && text.starts_with('0') {
        u64::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    }
}

fn is_bad_octal(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.contains(['8', '9']) && !text.starts_with("0x") && !text.starts_with("0X")
}
