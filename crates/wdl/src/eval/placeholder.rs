//! Placeholders and their options.

use super::{EvalError, Evaluator, TOO_MUCH, add_text};
use crate::{
    ast::{Placeholder, StringPart},
    library::MAX_TEXT_BYTES,
    source::Span,
    value::{Value, text_bytes},
    version::Dialect,
};

impl Evaluator<'_> {
    /// The text of a string literal or command: placeholders evaluated, options applied.
    pub fn render(&self, parts: &[StringPart]) -> Result<String, EvalError> {
        self.render_parts(parts, false)
    }

    pub(super) fn render_parts(&self, parts: &[StringPart], ignore_sep: bool) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in parts {
            match part {
                StringPart::Text(text) => self.append(text, Span::default(), &mut out)?,
                StringPart::Placeholder(placeholder) => self.placeholder(placeholder, ignore_sep, &mut out)?,
            }
        }
        Ok(out)
    }

    fn append(&self, text: &str, span: Span, out: &mut String) -> Result<(), EvalError> {
        if out.len() + text.len() > MAX_TEXT_BYTES {
            return Err(EvalError::new(span, "the text grows too long").hint("write it to a file instead"));
        }
        add_text(self.host, out, text).map_err(|message| EvalError::new(span, message).hint(TOO_MUCH))
    }

    fn placeholder(&self, placeholder: &Placeholder, ignore_sep: bool, out: &mut String) -> Result<(), EvalError> {
        let value = match self.eval(&placeholder.expr) {
            Ok(value) => value,
            Err(e) if e.from_none => Value::None,
            Err(e) => return Err(e),
        };
        if value.is_none() {
            out.push_str(placeholder.default.as_deref().unwrap_or(""));
            return Ok(());
        }
        match (&placeholder.sep, &value) {
            (Some(sep), Value::Array(items)) if !ignore_sep => {
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.append(sep, placeholder.span, out)?;
                    }
                    self.one(placeholder, item, out)?;
                }
                Ok(())
            }
            (Some(_), other) if self.dialect == Dialect::Specification => {
                let message = format!("`sep` needs an array, not `{}`", other.type_of());
                Err(EvalError::new(placeholder.expr.span, message).hint("remove `sep`"))
            }
            _ => self.one(placeholder, &value, out),
        }
    }

    /// One value, or one element of an array under `sep`.
    fn one(&self, placeholder: &Placeholder, value: &Value, out: &mut String) -> Result<(), EvalError> {
        let chosen = placeholder.if_true.is_some() || placeholder.if_false.is_some();
        match value {
            Value::Boolean(true) if chosen => out.push_str(placeholder.if_true.as_deref().unwrap_or("")),
            Value::Boolean(false) if chosen => out.push_str(placeholder.if_false.as_deref().unwrap_or("")),
            Value::None => {}
            other if chosen => {
                let message = format!("`true` and `false` need a `Boolean`, not `{}`", other.type_of());
                return Err(EvalError::new(placeholder.expr.span, message));
            }
            other => match self.text(other) {
                Some(text) => self.append(&text, placeholder.span, out)?,
                None if self.dialect == Dialect::Cromwell => {
                    self.ask(2 * text_bytes([other], self.host.room()), placeholder.span)?;
                    self.append(&self.compound_text(other), placeholder.span, out)?;
                }
                None => return Err(compound(placeholder, other)),
            },
        }
        Ok(())
    }
}

fn compound(placeholder: &Placeholder, value: &Value) -> EvalError {
    let error = EvalError::new(placeholder.expr.span, format!("a value of type `{}` has no text", value.type_of()));
    match value {
        Value::Array(_) => error.hint("join the elements: `~{sep(\" \", x)}`"),
        Value::Object(_) | Value::Map(_) => error.hint("write it to a file with `write_json`, or print single members"),
        _ => error,
    }
}
