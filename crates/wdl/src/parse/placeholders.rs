//! Placeholders with their options.

use super::{Parsed, Parser, lexer::Tok};
use crate::{ast::Placeholder, source::Span, version::Version};

#[derive(Default)]
struct Options {
    sep: Option<String>,
    if_true: Option<String>,
    if_false: Option<String>,
    default: Option<String>,
}

impl Parser<'_> {
    /// The placeholder that begins at `pos`, with the depth of its tree. Afterwards its closing brace is the current
    /// token, not taken: what follows it is not made of tokens.
    pub(super) fn placeholder(&mut self, pos: usize) -> Parsed<(Placeholder, usize)> {
        self.seek(pos + 2);
        let options = self.options()?;
        if self.is(Tok::RightBrace) {
            let error = self.diagnostic_error(Span::new(pos, self.token.end), "placeholder is empty");
            return Err(self.fail(error.label("expected an expression")));
        }
        let (expr, depth) = self.deep_expr()?;
        if !self.is(Tok::RightBrace) {
            let opened = Span::new(pos, pos + 2);
            let error = self.unexpected_diagnostic("`}`").related(opened, "placeholder begins here");
            return Err(self.fail(error));
        }
        self.check_depth(depth + 1, pos)?;
        let span = Span::new(pos, self.token.end);
        if self.at_least(Version::V1_0) && options.if_true.is_some() != options.if_false.is_some() {
            let missing = if options.if_true.is_some() { "false" } else { "true" };
            let error = self.diagnostic_error(span, format!("placeholder lacks the option `{missing}`"));
            self.push(error.hint("`true=` and `false=` belong together"));
        }
        let Options { sep, if_true, if_false, default } = options;
        Ok((Placeholder { span, sep, if_true, if_false, default, expr }, depth + 1))
    }

    fn options(&mut self) -> Parsed<Options> {
        let mut options = Options::default();
        while matches!(self.word(), "sep" | "true" | "false" | "default") && self.second().kind == Tok::Assign {
            let token = self.bump();
            self.bump();
            let start = self.token.start;
            let value = Some(self.option_value()?);
            self.layout.literals.extend([Span::new(token.start, token.end), self.span_from(start)]);
            let slot = match self.token_text(token) {
                "sep" => &mut options.sep,
                "true" => &mut options.if_true,
                "false" => &mut options.if_false,
                _ => &mut options.default,
            };
            *slot = value;
            self.eat(Tok::Comma);
        }
        Ok(options)
    }

    /// A string, or a bare number or Boolean, which published documents use as well.
    fn option_value(&mut self) -> Parsed<String> {
        let start = self.token.start;
        match self.token.kind {
            Tok::Quote => return self.plain_string("the value of an option"),
            Tok::Int | Tok::Float => {}
            Tok::Minus if matches!(self.second().kind, Tok::Int | Tok::Float) => {
                self.bump();
            }
            Tok::Ident if matches!(self.word(), "true" | "false") => {}
            _ => return Err(self.unexpected("a string as value of the option")),
        }
        self.bump();
        Ok(self.slice(start, self.last_end).to_owned())
    }
}
