//! `==` on every kind of value.

use std::sync::Arc;

use crate::{types::Type, value::Value};

/// Whether two values are equal. The error holds the two types when they cannot be compared.
///
/// An undefined value equals only another one. `Int` and `Float` compare as numbers, `String` and paths as texts.
/// Maps are equal when their entries are, in the same order; objects and structs whatever the order.
pub(crate) fn equal(a: &Value, b: &Value) -> Result<bool, (Type, Type)> {
    equal_with(a, b, &|_, _| false)
}

/// Like [`equal`]; `same_path` tells whether two paths that are spelled differently mean the same.
pub(crate) fn equal_with(a: &Value, b: &Value, same_path: &dyn Fn(&str, &str) -> bool) -> Result<bool, (Type, Type)> {
    Ok(match (a, b) {
        (Value::None, other) | (other, Value::None) => other.is_none(),
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Int(i), Value::Float(f)) | (Value::Float(f), Value::Int(i)) => int_equals_float(*i, *f),
        (Value::String(a), Value::String(b)) => a == b,
        (Value::String(a) | Value::File(a) | Value::Directory(a), Value::String(b) | Value::File(b) | Value::Directory(b)) => {
            a == b || same_path(a, b)
        }
        (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b) || (a.len() == b.len() && all(&mut a.iter().zip(b.iter()), same_path)?),
        (Value::Pair(a), Value::Pair(b)) => all(&mut [(&a.0, &b.0), (&a.1, &b.1)].into_iter(), same_path)?,
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && all(&mut a.iter().zip(b.iter()).flat_map(|((k, v), (l, w))| [(k, l), (v, w)]), same_path)?
        }
        (Value::Object(a), Value::Object(b)) => {
            let names = a.members.len() == b.members.len() && a.members.keys().all(|k| b.members.contains_key(k));
            names && all(&mut a.members.iter().filter_map(|(k, v)| b.members.get(k).map(|w| (v, w))), same_path)?
        }
        (Value::Enum(d, i), Value::Enum(e, j)) if d.name == e.name => i == j,
        _ => return Err((a.type_of(), b.type_of())),
    })
}

fn all<'a>(pairs: &mut dyn Iterator<Item = (&'a Value, &'a Value)>, same_path: &dyn Fn(&str, &str) -> bool) -> Result<bool, (Type, Type)> {
    for (a, b) in pairs {
        if !equal_with(a, b, same_path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn int_equals_float(int: i64, float: f64) -> bool {
    crate::coerce::whole(float) == Some(int)
}
