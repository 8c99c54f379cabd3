//! Values as text: numbers, paths and the literal form of compound values.

use std::{fmt::Write, sync::Arc};

use super::Evaluator;
use crate::{value::Value, version::Dialect};

/// A float as text: Java's shortest form for Cromwell (`1.0`, `1.0E20`), six decimals by the specification.
pub(crate) fn number_text(number: f64, dialect: Dialect) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    match dialect {
        Dialect::Specification => format!("{number:.6}"),
        Dialect::Cromwell => java_text(number),
    }
}

/// The shortest decimal that reads back as the same double, written as Java does.
fn java_text(number: f64) -> String {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    }
}

/// A float written as WDL, Java, C or Python write it. Spellings of infinity and not-a-number count too, because
/// tools write them into the files that `read_float` reads.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A value in the form of a literal, cut after about `limit` bytes.
pub(crate) fn literal_text(value: &Value, dialect: Dialect, limit: usize) -> String {
    let mut writer = LiteralWriter { out: String::new(), dialect, limit, path: &|p| Arc::clone(p) };
    writer.value(value);
    if writer.out.len() > limit {
        let cut = (0..=limit).rev().find(|i| writer.out.is_char_boundary(*i)).unwrap_or(0);
        writer.out.truncate(cut);
        writer.out.push('…');
    }
    writer.out
}

struct LiteralWriter<'a> {
    out: String,
    dialect: Dialect,
    limit: usize,
    path: &'a dyn Fn(&Arc<str>) -> Arc<str>,
}

impl LiteralWriter<'_> {
    fn value(&mut self, value: &Value) {
        if self.out.len() > self.limit {
            return;
        }
        match value {
            Value::None => self.out.push_str("None"),
            Value::Boolean(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => self.out.push_str(&i.to_string()),
            Value::Float(f) => self.out.push_str(&number_text(*f, self.dialect)),
            Value::String(s) => self.quoted(s),
            Value::File(s) | Value::Directory(s) => {
                let path = (self.path)(s);
                self.quoted(&path);
            }
            Value::Array(items) => self.list("[", items.iter(), "]", |w, item| w.value(item)),
            Value::Map(entries) => self.list("{", entries.iter(), "}", |w, (k, v)| {
                w.value(k);
                w.out.push_str(": ");
                w.value(v);
            }),
            Value::Pair(pair) => {
                self.list("(", [&pair.0, &pair.1].into_iter(), ")", |w, item| w.value(item));
            }
            Value::Object(object) => {
                match &object.struct_name {
                    Some(name) => self.out.push_str(name),
                    None => self.out.push_str("object"),
                }
                self.list(" {", object.members.iter(), "}", |w, (k, v)| {
                    w.out.push_str(k);
                    w.out.push_str(": ");
                    w.value(v);
                });
            }
            Value::Enum(e, i) => match e.choices.get(*i) {
                Some((choice, _)) => {
                    let _ = write!(self.out, "{}.{choice}", e.name);
                }
                None => self.out.push_str(&e.name),
            },
        }
    }

    fn list<T>(&mut self, open: &str, items: impl Iterator<Item = T>, close: &str, mut each: impl FnMut(&mut Self, T)) {
        self.out.push_str(open);
        for (i, item) in items.enumerate() {
            if self.out.len() > self.limit {
                break;
            }
            if i > 0 {
                self.out.push_str(", ");
            }
            each(self, item);
        }
        self.out.push_str(close);
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            if self.out.len() > self.limit {
                break;
            }
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\t' => self.out.push_str("\\t"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

impl Evaluator<'_> {
    /// The text of a simple value, as placeholders print it: paths as they are known where the text is used,
    /// nothing for an undefined value. `None` for compound values.
    pub(crate) fn text(&self, value: &Value) -> Option<Arc<str>> {
        Some(match value {
            Value::None => Arc::from(""),
            Value::Boolean(b) => Arc::from(if *b { "true" } else { "false" }),
            Value::Int(i) => Arc::from(i.to_string()),
            Value::Float(f) => Arc::from(number_text(*f, self.dialect)),
            Value::String(s) => Arc::clone(s),
            Value::File(p) | Value::Directory(p) => self.host.path_text(p),
            Value::Enum(e, i) => Arc::from(e.choices.get(*i).map_or("", |(name, _)| name.as_str())),
            Value::Array(_) | Value::Map(_) | Value::Pair(_) | Value::Object(_) => return None,
        })
    }

    /// The literal form of a compound value, which Cromwell prints where a simple value is expected.
    pub(crate) fn compound_text(&self, value: &Value) -> String {
        let mut writer = LiteralWriter { out: String::new(), dialect: self.dialect, limit: usize::MAX, path: &|p| self.host.path_text(p) };
        writer.value(value);
        writer.out
    }
}
