//! Finding map entries by key without comparing every pair.

use std::{collections::HashMap, sync::Arc};

use crate::value::Value;

/// A key in a form that can be hashed. Equal values give equal keys.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    None,
    Boolean(bool),
    Int(i64),
    /// The bits, with one zero and one not-a-number.
    Float(u64),
    /// Strings and paths: `==` compares them as texts.
    Text(Arc<str>),
    Choice(String),
    Other(Vec<Key>),
}

fn key(value: &Value) -> Key {
    match value {
        Value::None => Key::None,
        Value::Boolean(b) => Key::Boolean(*b),
        Value::Int(i) => Key::Int(*i),
        Value::Float(f) if *f == 0.0 => Key::Float(0),
        Value::Float(f) if f.is_nan() => Key::Float(u64::MAX),
        Value::Float(f) => Key::Float(f.to_bits()),
        Value::String(s) | Value::File(s) | Value::Directory(s) => Key::Text(Arc::clone(s)),
        Value::Enum(e, i) => Key::Choice(format!("{}.{i}", e.name)),
        Value::Array(items) => Key::Other(items.iter().map(key).collect()),
        Value::Pair(pair) => Key::Other(vec![key(&pair.0), key(&pair.1)]),
        Value::Map(entries) => Key::Other(entries.iter().flat_map(|(k, v)| [key(k), key(v)]).collect()),
        Value::Object(object) => Key::Other(object.members.iter().flat_map(|(k, v)| [Key::Text(Arc::clone(k)), key(v)]).collect()),
    }
}

/// Places of values that have been seen.
#[derive(Default)]
pub(crate) struct KeyIndex(HashMap<Key, usize>);

impl KeyIndex {
    /// Remembers `place` for a value not seen before; otherwise gives the place remembered earlier.
    pub(crate) fn insert(&mut self, value: &Value, place: usize) -> Option<usize> {
        match self.0.entry(key(value)) {
            std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(place);
                None
            }
        }
    }
}
