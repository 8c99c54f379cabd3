//! Names, members and elements.

use std::sync::Arc;

use super::{EvalError, Evaluator, equal, equal_with};
use crate::{
    ast::{Expr, ExprKind, Name},
    coerce::short,
    source::Span,
    spelling,
    types::Type,
    value::Value,
    version::Version,
};

impl Evaluator<'_> {
    pub(super) fn name(&self, name: &Arc<str>, span: Span) -> Result<Value, EvalError> {
        self.scope.get(name).ok_or_else(|| EvalError::new(span, format!("unknown name `{name}`")))
    }

    pub(super) fn member(&self, base: &Expr, name: &Name) -> Result<Value, EvalError> {
        if let ExprKind::Ident(base_name) = &base.kind
            && self.scope.get(base_name).is_none()
            && let Some(e) = self.module.enums.get(&**base_name)
        {
            let choice = e.choices.iter().position(|(n, _)| **n == *name.text);
            return choice.map(|i| Value::Enum(Arc::clone(e), i)).ok_or_else(|| {
                let error = EvalError::new(name.span, format!("enum `{base_name}` has no choice `{}`", name.text));
                nearest_hint(error, &name.text, e.choices.iter().map(|(n, _)| n.as_str()))
            });
        }
        let value = self.eval(base)?;
        if matches!(&base.kind, ExprKind::Member(task, ext) if &*ext.text == "ext" && matches!(&task.kind, ExprKind::Ident(t) if &**t == "task"))
            && member_of(&value, &name.text).is_none()
        {
            // What an engine says of itself is optional, so a placeholder prints nothing.
            return Err(no_member(&value, base, name).from_none(true));
        }
        member_of(&value, &name.text).unwrap_or_else(|| Err(no_member(&value, base, name)))
    }

    /// Whether two values are equal, see [`equal`]. From 1.2 on paths are equal that mean the same file or directory.
    pub(crate) fn equal(&self, a: &Value, b: &Value) -> Result<bool, (Type, Type)> {
        if self.version < Version::V1_2 {
            return equal(a, b);
        }
        equal_with(a, b, &|a, b| self.host.same_path(self.module, a, b))
    }

    /// The value of a key of a map. A path spelled as the key is takes no look at the disk.
    pub(crate) fn entry<'m>(&self, entries: &'m [(Value, Value)], key: &Value) -> Option<&'m Value> {
        let spelled = entries.iter().find(|(k, _)| equal(k, key).unwrap_or(false));
        let found = match key {
            Value::String(_) | Value::File(_) | Value::Directory(_) => {
                spelled.or_else(|| entries.iter().find(|(k, _)| self.equal(k, key).unwrap_or(false)))
            }
            _ => spelled,
        };
        found.map(|(_, v)| v)
    }

    pub(super) fn index(&self, base: &Expr, index: &Expr) -> Result<Value, EvalError> {
        let value = self.eval(base)?;
        let key = self.eval(index)?;
        match (&value, &key) {
            (Value::None, _) => Err(EvalError::undefined(base.span, "the indexed value")),
            (Value::Map(entries), _) => self.entry(entries, &key).cloned().ok_or_else(|| missing_key(&key, entries, index.span)),
            (_, Value::None) => Err(EvalError::undefined(index.span, "the index")),
            (Value::Array(items), Value::Int(i)) => {
                let item = usize::try_from(*i).ok().and_then(|i| items.get(i));
                item.cloned().ok_or_else(|| out_of_range(*i, items.len(), index.span))
            }
            (Value::Array(_), other) => {
                Err(EvalError::new(index.span, format!("an array is indexed by `Int`, not by `{}`", other.type_of())))
            }
            (Value::Object(object), Value::String(name)) => {
                object.members.get(name).cloned().ok_or_else(|| EvalError::new(index.span, format!("there is no member `{name}`")))
            }
            (other, _) => Err(EvalError::new(base.span, format!("a value of type `{}` cannot be indexed", other.type_of()))),
        }
    }
}

/// A member of a value; `None` when it has no such member.
fn member_of(value: &Value, name: &str) -> Option<Result<Value, EvalError>> {
    match value {
        Value::Object(object) => object.members.get(name).cloned().map(Ok),
        Value::Pair(pair) if name == "left" => Some(Ok(pair.0.clone())),
        Value::Pair(pair) if name == "right" => Some(Ok(pair.1.clone())),
        Value::Map(entries) => {
            let found = entries.iter().find(|(k, _)| matches!(k, Value::String(s) if **s == *name));
            found.map(|(_, v)| Ok(v.clone()))
        }
        _ => None,
    }
}

fn no_member(value: &Value, base: &Expr, name: &Name) -> EvalError {
    let member = &name.text;
    match value {
        Value::None => EvalError::undefined(base.span, "the value before the dot"),
        Value::Object(object) => {
            let whose = object.struct_name.as_ref().map_or_else(|| "the object".to_owned(), |s| format!("struct `{s}`"));
            let error = EvalError::new(name.span, format!("{whose} has no member `{member}`"));
            nearest_hint(error, member, object.members.keys().map(|k| &**k))
        }
        Value::Pair(_) => EvalError::new(name.span, format!("a pair has no member `{member}`")).hint("its members are `left` and `right`"),
        Value::Array(_) => EvalError::new(name.span, format!("an array has no member `{member}`"))
            .hint("take one element first, as in `x[0]`, or scatter over the array"),
        Value::Map(_) => EvalError::new(name.span, format!("the map has no key `{member}`")).hint("index a map with `map[key]`"),
        other => EvalError::new(name.span, format!("a value of type `{}` has no members", other.type_of())),
    }
}

fn nearest_hint<'a>(error: EvalError, name: &str, known: impl Iterator<Item = &'a str>) -> EvalError {
    match spelling::nearest(name, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn out_of_range(index: i64, len: usize, span: Span) -> EvalError {
    let error = EvalError::new(span, format!("index {index} is outside an array of {len} elements"));
    match (index, len) {
        (_, 0) => error.hint("the array is empty"),
        (..0, _) => error.hint(format!("indexes count from 0; the last element is `x[length(x) - 1]`, here {}", len - 1)),
        _ => error.hint(format!("indexes go from 0 to {}", len - 1)),
    }
}

fn missing_key(key: &Value, entries: &[(Value, Value)], span: Span) -> EvalError {
    let error = EvalError::new(span, format!("the map has no key `{}`", short(key)));
    let texts = entries.iter().take(1000).filter_map(|(k, _)| if let Value::String(s) = k { Some(&**s) } else { None });
    match key {
        Value::String(s) => nearest_hint(error, s, texts),
        _ => error,
    }
}
