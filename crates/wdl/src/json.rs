//! JSON to values and back.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};

use crate::{
    coerce::{boolean_text, coerce, whole, without_slash},
    eval::parse_float,
    spelling,
    types::{StructType, Type},
    value::{ObjectValue, Value},
    version::Dialect,
};

/// Where and why a JSON value does not fit a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct JsonError {
    /// Way to the place from the value that was given, for example `.members[3].x`; empty for that value itself.
    pub path: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
}

impl JsonError {
    fn new(message: impl Into<String>) -> Self {
        JsonError { path: String::new(), message: message.into() }
    }

    /// The error as seen from one level higher.
    fn within(self, step: impl std::fmt::Display) -> Self {
        JsonError { path: format!("{step}{}", self.path), message: self.message }
    }
}

/// The value of type `ty` that a JSON value stands for.
///
/// [`Dialect::Cromwell`] also takes texts for numbers and truth values, numbers for texts, and ignores members that a
/// struct does not have.
pub fn from_json(json: &Json, ty: &Type, dialect: Dialect) -> Result<Value, JsonError> {
    match (ty, json) {
        (Type::Any, _) => Ok(from_json_any(json)),
        (Type::Optional(_) | Type::None, Json::Null) => Ok(Value::None),
        (Type::Optional(t), _) => from_json(json, t, dialect),
        (Type::Array { item, nonempty }, Json::Array(items)) => {
            if *nonempty && items.is_empty() {
                return Err(JsonError::new(format!("an empty array cannot be used as `{ty}`, which needs at least one element")));
            }
            let each = |(i, v): (usize, &Json)| from_json(v, item, dialect).map_err(|e| e.within(format_args!("[{i}]")));
            items.iter().enumerate().map(each).collect::<Result<Vec<_>, _>>().map(Value::array)
        }
        (Type::Map(key, value), Json::Object(members)) => map(members, key, value, dialect),
        (Type::Pair(left, right), Json::Object(members)) => pair(members, left, right, ty, dialect),
        (Type::Struct(s), Json::Object(members)) => structure(members, s, dialect),
        (Type::Object | Type::Call(_), Json::Object(_)) => Ok(from_json_any(json)),
        (Type::File | Type::Directory, Json::Object(members)) => path_object(members, ty),
        _ => simple(json, ty, dialect),
    }
}

fn mismatch(json: &Json, ty: &Type) -> JsonError {
    JsonError::new(format!("expected `{ty}`, found {}", describe(json)))
}

/// A JSON value in a few words.
fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(b) => format!("the boolean `{b}`"),
        Json::Number(n) => format!("the number `{n}`"),
        Json::String(s) => format!("the string `{}`", crate::coerce::short(&Value::string(s.as_str()))),
        Json::Array(items) => format!("an array of {} elements", items.len()),
        Json::Object(members) => format!("an object of {} members", members.len()),
    }
}

fn simple(json: &Json, ty: &Type, dialect: Dialect) -> Result<Value, JsonError> {
    let cromwell = dialect == Dialect::Cromwell;
    let value = match (ty, json) {
        (Type::Boolean, Json::Bool(b)) => Some(Value::Boolean(*b)),
        (Type::Boolean, Json::String(s)) if cromwell => boolean_text(s).map(Value::Boolean),
        (Type::Int, Json::Number(n)) => integer(n).map(Value::Int),
        (Type::Int, Json::String(s)) if cromwell => integer_text(s).map(Value::Int),
        (Type::Float, Json::Number(n)) => n.as_f64().map(Value::Float),
        (Type::Float, Json::String(s)) if cromwell => parse_float(s.trim()).map(Value::Float),
        (Type::String, Json::String(s)) => Some(Value::string(s.as_str())),
        (Type::String, Json::Number(n)) if cromwell => Some(Value::string(n.to_string())),
        (Type::String, Json::Bool(b)) if cromwell => Some(Value::string(b.to_string())),
        (Type::File | Type::Directory | Type::Enum(_), Json::String(s)) => {
            return coerce(&Value::string(s.as_str()), ty, dialect).map_err(JsonError::new);
        }
        _ => None,
    };
    value.ok_or_else(|| mismatch(json, ty))
}

/// The integer a number is: `3` and also `3.0`.
fn integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| if number.is_u64() { None } else { number.as_f64().and_then(whole) })
}

fn integer_text(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
}

fn map(members: &Map<String, Json>, key: &Type, value: &Type, dialect: Dialect) -> Result<Value, JsonError> {
    let entry = |(name, json): (&String, &Json)| {
        let parsed = key_from_text(name, key, dialect).map_err(|e| JsonError::new(e).within(step(name)))?;
        let value = from_json(json, value, dialect).map_err(|e| e.within(step(name)))?;
        Ok((parsed, value))
    };
    Ok(Value::Map(Arc::new(members.iter().map(entry).collect::<Result<_, _>>()?)))
}

/// JSON has only texts as keys; the map may have numbers and truth values.
fn key_from_text(text: &str, ty: &Type, dialect: Dialect) -> Result<Value, String> {
    let value = match ty.required() {
        Type::Boolean => boolean_text(text).map(Value::Boolean),
        Type::Int => text.trim().parse().ok().map(Value::Int),
        Type::Float => parse_float(text.trim()).map(Value::Float),
        other => return coerce(&Value::string(text), other, dialect),
    };
    value.ok_or_else(|| format!("the key `{text}` is not of type `{ty}`"))
}

fn pair(members: &Map<String, Json>, left: &Type, right: &Type, ty: &Type, dialect: Dialect) -> Result<Value, JsonError> {
    let find = |name: &str| members.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    let (Some(l), Some(r), 2) = (find("left"), find("right"), members.len()) else {
        return Err(JsonError::new(format!("expected `{ty}` as an object with the members `left` and `right`")));
    };
    let l = from_json(l, left, dialect).map_err(|e| e.within(".left"))?;
    let r = from_json(r, right, dialect).map_err(|e| e.within(".right"))?;
    Ok(Value::Pair(Arc::new((l, r))))
}

fn structure(members: &Map<String, Json>, wanted: &StructType, dialect: Dialect) -> Result<Value, JsonError> {
    if dialect == Dialect::Specification
        && let Some(unknown) = members.keys().find(|k| wanted.member(k).is_none())
    {
        let near = spelling::nearest(unknown, wanted.members.iter().map(|(n, _)| n.as_str()));
        let mend = near.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
        return Err(JsonError::new(format!("struct `{}` has no member `{unknown}`{mend}", wanted.name)));
    }
    let member = |(name, ty): &(String, Type)| {
        let value = match members.get(name) {
            Some(json) => from_json(json, ty, dialect).map_err(|e| e.within(step(name)))?,
            None if ty.is_optional() => Value::None,
            None => return Err(JsonError::new(format!("member `{name}` (`{ty}`) of struct `{}` is missing", wanted.name))),
        };
        Ok((Arc::from(name.as_str()), value))
    };
    let members = wanted.members.iter().map(member).collect::<Result<_, _>>()?;
    Ok(Value::Object(Arc::new(ObjectValue { struct_name: Some(Arc::from(wanted.name.as_str())), members })))
}

/// `{"type": "File", "location": ...}` as 1.2 writes it, also with `class` and `path`.
fn path_object(members: &Map<String, Json>, ty: &Type) -> Result<Value, JsonError> {
    let text = |names: [&str; 2]| names.iter().find_map(|n| members.get(*n)).and_then(Json::as_str);
    if let Some(kind) = text(["type", "class"])
        && kind != ty.to_string()
    {
        return Err(JsonError::new(format!("expected `{ty}`, found an object of type `{kind}`")));
    }
    match text(["location", "path"]) {
        None | Some("") => Err(JsonError::new(format!("expected `{ty}`, found an object without `location`"))),
        Some(path) if *ty == Type::Directory => Ok(Value::Directory(without_slash(&Arc::from(path)))),
        Some(path) => Ok(Value::file(path)),
    }
}

/// A step of a path: `.name`, or `["any text"]` when it is no plain name.
fn step(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { format!(".{name}") } else { format!("[{}]", Json::from(name)) }
}

/// The value a JSON value stands for when no type is known: objects become `Object`, whole numbers `Int`.
pub fn from_json_any(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(b) => Value::Boolean(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Int(i),
            None => n.as_f64().map_or(Value::None, Value::Float),
        },
        Json::String(s) => Value::string(s.as_str()),
        Json::Array(items) => Value::array(items.iter().map(from_json_any).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(k, v)| (Arc::from(k.as_str()), from_json_any(v))).collect();
            Value::Object(Arc::new(ObjectValue { struct_name: None, members }))
        }
    }
}

/// The text of a map key.
fn key_text(key: &Value) -> String {
    match key {
        Value::None => "null".to_owned(),
        Value::Boolean(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => format!("{f:?}"),
        Value::String(s) | Value::File(s) | Value::Directory(s) => s.to_string(),
        Value::Enum(e, i) => e.choices.get(*i).map_or(String::new(), |(n, _)| n.clone()),
        Value::Array(_) | Value::Map(_) | Value::Pair(_) | Value::Object(_) => to_json(key).to_string(),
    }
}

/// The JSON value for a value, members in their order. Numbers that JSON does not have (infinity) become null.
pub fn to_json(value: &Value) -> Json {
    to_json_with(value, &|path| Arc::clone(path))
}

fn to_json_with(value: &Value, path: &dyn Fn(&Arc<str>) -> Arc<str>) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Boolean(b) => Json::Bool(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(f) => Number::from_f64(*f).map_or(Json::Null, Json::Number),
        Value::String(s) => Json::from(&**s),
        Value::File(p) | Value::Directory(p) => Json::from(&*path(p)),
        Value::Array(items) => Json::Array(items.iter().map(|v| to_json_with(v, path)).collect()),
        Value::Map(entries) => {
            let key = |k: &Value| if let Value::File(p) | Value::Directory(p) = k { path(p).to_string() } else { key_text(k) };
            Json::Object(entries.iter().map(|(k, v)| (key(k), to_json_with(v, path))).collect())
        }
        Value::Pair(pair) => {
            let sides = [("left", &pair.0), ("right", &pair.1)];
            Json::Object(sides.into_iter().map(|(k, v)| (k.to_owned(), to_json_with(v, path))).collect())
        }
        Value::Object(object) => Json::Object(object.members.iter().map(|(k, v)| (k.to_string(), to_json_with(v, path))).collect()),
        Value::Enum(..) => Json::String(key_text(value)),
    }
}

/// The text that `write_json` writes: one line, `{"a": 1, "b": [1, 2]}`; `path` names files where they will be read.
pub(crate) fn to_line(value: &Value, path: &dyn Fn(&Arc<str>) -> Arc<str>) -> String {
    let mut out = String::new();
    push_line(&to_json_with(value, path), &mut out);
    out
}

fn push_line(json: &Json, out: &mut String) {
    match json {
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                push_line(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(&Json::from(name.as_str()).to_string());
                out.push_str(": ");
                push_line(member, out);
            }
            out.push('}');
        }
        simple => out.push_str(&simple.to_string()),
    }
}

#[cfg(test)]
mod tests;
