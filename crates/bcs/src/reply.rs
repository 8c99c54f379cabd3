//! Tolerant reading of replies: what is missing or of another kind reads as empty, so that an older or newer service does not
//! break a list.

use serde_json::{Map, Value};

/// Reading of JSON values.
pub trait Reply {
    /// The text under `key`; numbers and truth values as text, everything else empty.
    fn text(&self, key: &str) -> String;
    /// The number under `key`, or zero.
    fn number(&self, key: &str) -> i64;
    /// The list under `key`, or an empty one.
    fn list(&self, key: &str) -> &[Value];
    /// The members of this object, or none.
    fn entries(&self) -> impl Iterator<Item = (&String, &Value)>;
    /// The value under `key`, or null.
    fn at(&self, key: &str) -> &Value;
    /// Whether there is nothing in it: null, empty text, empty list, empty object, zero or false.
    fn is_blank(&self) -> bool;
}

impl Reply for Value {
    fn text(&self, key: &str) -> String {
        plain(self.at(key))
    }

    fn number(&self, key: &str) -> i64 {
        let value = self.at(key);
        value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
    }

    fn list(&self, key: &str) -> &[Value] {
        self.at(key).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.as_object().into_iter().flat_map(Map::iter)
    }

    fn at(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }

    fn is_blank(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(b) => !b,
            Value::Number(n) => n.as_f64() == Some(0.0),
            Value::String(s) => s.is_empty(),
            Value::Array(a) => a.is_empty(),
            Value::Object(o) => o.is_empty(),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => String::new(),
    }
}

/// A value as the original prints it: truth values and nothing in its own language's spelling.
pub fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// JSON on one line with blanks, as the original prints small things.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), inline(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// JSON with the given indent, as the original prints bodies.
pub fn pretty(value: &Value, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Values always serialize into memory.
    if serde::Serialize::serialize(value, &mut serializer).is_err() {
        return value.to_string();
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_empty() {
        let reply = json!({"Name": "x", "Count": 3, "Quoted": "4", "List": [1], "Nothing": null});
        assert_eq!((reply.text("Name"), reply.text("Count"), reply.text("Nothing")), ("x".to_owned(), "3".to_owned(), String::new()));
        assert_eq!((reply.number("Count"), reply.number("Quoted"), reply.number("Name")), (3, 4, 0));
        assert_eq!((reply.list("List").len(), reply.list("Name").len()), (1, 0));
        assert!(reply.at("Elsewhere").at("Deep").is_null());
        assert_eq!(reply.at("Name").entries().count(), 0);
    }

    #[test]
    fn spelling_and_indent() {
        assert_eq!((spelled(&json!(true)), spelled(&json!(null)), spelled(&json!("a"))), ("True".into(), "None".into(), "a".into()));
        assert_eq!(inline(&json!({"a": [1, "b"], "c": {}})), "{\"a\": [1, \"b\"], \"c\": {}}");
        assert_eq!(pretty(&json!({"a": [1]}), 2), "{\n  \"a\": [\n    1\n  ]\n}");
    }
}
