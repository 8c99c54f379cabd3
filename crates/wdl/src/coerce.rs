//! Conversions between types: of values ([`coerce`]), of types before the run ([`can_coerce`]), and the type that
//! several expressions have in common ([`unify`]).
//!
//! Two sets of rules exist, see [`Dialect`]. Conversions that change nothing share the value, however large it is.

mod describe;
mod types;

use std::sync::Arc;

use indexmap::IndexMap;

pub use self::{
    describe::short,
    types::{Coercion, Doubt, can_coerce, unify},
};
use crate::{
    eval::{number_text, parse_float},
    keys::KeyIndex,
    types::{EnumType, StructType, Type},
    value::{ObjectValue, Value},
    version::Dialect,
};

/// `None` when the value already is of the type.
type Converted = Result<Option<Value>, String>;

/// The value as one of type `ty`.
///
/// The error is a sentence that names the value and both types.
pub fn coerce(value: &Value, ty: &Type, dialect: Dialect) -> Result<Value, String> {
    Ok(convert(value, ty, dialect)?.unwrap_or_else(|| value.clone()))
}

fn convert(value: &Value, ty: &Type, dialect: Dialect) -> Converted {
    match (ty, value) {
        (Type::Any, _) | (Type::Optional(_) | Type::None, Value::None) => Ok(None),
        (Type::Optional(t), _) => convert(value, t, dialect),
        (_, Value::None) => Err(format!("an undefined value cannot be used as `{ty}`")),
        (Type::Array { item, nonempty }, _) => array(value, item, *nonempty, ty, dialect),
        (Type::Map(k, v), _) => map(value, k, v, ty, dialect),
        (Type::Pair(l, r), _) => pair(value, l, r, ty, dialect),
        (Type::Struct(s), _) => structure(value, s, ty, dialect),
        (Type::Object, _) => object(value, ty),
        (Type::Call(_), Value::Object(_)) => Ok(None),
        (Type::Enum(e), _) => choice(value, e, ty),
        _ => primitive(value, ty, dialect),
    }
}

fn mismatch(value: &Value, ty: &Type) -> String {
    format!("`{}` of type `{}` cannot be used as `{ty}`", short(value), value.type_of())
}

fn primitive(value: &Value, ty: &Type, dialect: Dialect) -> Converted {
    let cromwell = dialect == Dialect::Cromwell;
    let changed = match (ty, value) {
        (Type::Boolean, Value::Boolean(_))
        | (Type::Int, Value::Int(_))
        | (Type::Float, Value::Float(_))
        | (Type::String, Value::String(_))
        | (Type::Directory, Value::Directory(_)) => return Ok(None),
        (Type::Boolean, Value::String(s)) => boolean_text(s).map(Value::Boolean),
        (Type::Int, Value::Float(f)) => whole(*f).map(Value::Int),
        (Type::Int, Value::String(s)) => s.trim().parse().ok().map(Value::Int),
        (Type::Float, Value::Int(i)) => Some(Value::Float(*i as f64)),
        (Type::Float, Value::String(s)) => parse_float(s.trim()).map(Value::Float),
        (Type::String, Value::File(s) | Value::Directory(s)) => Some(Value::String(Arc::clone(s))),
        (Type::String, Value::Boolean(b)) => Some(Value::string(b.to_string())),
        (Type::String, Value::Int(i)) => Some(Value::string(i.to_string())),
        (Type::String, Value::Float(f)) => Some(Value::string(number_text(*f, dialect))),
        (Type::String, Value::Enum(e, i)) => e.choices.get(*i).map(|(name, _)| Value::string(name.as_str())),
        (Type::File, Value::File(s)) => return if s.is_empty() { Err(empty_path(ty)) } else { Ok(None) },
        (Type::File, Value::String(s)) => return path(s, ty, cromwell).map(|p| Some(Value::File(p))),
        (Type::Directory, Value::String(s)) => return path(s, ty, cromwell).map(|p| Some(Value::Directory(without_slash(&p)))),
        _ => None,
    };
    changed.map(Some).ok_or_else(|| mismatch(value, ty))
}

/// `true` and `false` in any case.
pub(crate) fn boolean_text(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The integer a number is, when nothing is lost.
pub(crate) fn whole(number: f64) -> Option<i64> {
    // 2^63 is exact as a double and the first value too large.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    (fits && number.fract() == 0.0).then_some(number as i64)
}

fn empty_path(ty: &Type) -> String {
    format!("an empty text cannot be used as `{ty}`, it is not a path")
}

fn path(text: &Arc<str>, ty: &Type, trim: bool) -> Result<Arc<str>, String> {
    let trimmed = if trim { text.trim() } else { text };
    match trimmed {
        "" => Err(empty_path(ty)),
        same if same.len() == text.len() => Ok(Arc::clone(text)),
        shorter => Ok(Arc::from(shorter)),
    }
}

/// A directory path as values hold it: without trailing slash, `/` itself excepted.
pub(crate) fn without_slash(path: &Arc<str>) -> Arc<str> {
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() {
        Arc::clone(path)
    } else if trimmed.is_empty() || trimmed.ends_with(':') {
        // `/` and the bare root of a URL such as `file:///`.
        Arc::from(if trimmed.is_empty() { "/" } else { path })
    } else {
        Arc::from(trimmed)
    }
}

fn array(value: &Value, item: &Type, nonempty: bool, ty: &Type, dialect: Dialect) -> Converted {
    let (items, converted) = match value {
        Value::Array(items) => (Arc::clone(items), false),
        // Cromwell takes one value for an array of one.
        _ if dialect == Dialect::Cromwell && !takes_entries(value, item) => {
            let one = convert(value, item, dialect).map_err(|_| mismatch(value, ty))?;
            return Ok(Some(Value::array(vec![one.unwrap_or_else(|| value.clone())])));
        }
        Value::Map(entries) => {
            let pairs = entries.iter().map(|(k, v)| Value::Pair(Arc::new((k.clone(), v.clone())))).collect();
            (Arc::new(pairs), true)
        }
        _ => return Err(mismatch(value, ty)),
    };
    if nonempty && items.is_empty() {
        return Err(format!("an empty array cannot be used as `{ty}`, which needs at least one element"));
    }
    match convert_all(&items, dialect, |_, dialect, v| convert(v, item, dialect), |i| format!("element {i}"))? {
        Some(items) => Ok(Some(Value::array(items))),
        None => Ok(converted.then_some(Value::Array(items))),
    }
}

/// Whether a value becomes an array by its entries: a map where pairs are wanted.
fn takes_entries(value: &Value, item: &Type) -> bool {
    matches!(value, Value::Map(_)) && matches!(item.required(), Type::Pair(..) | Type::Any)
}

/// Converts the elements; `None` when none of them changes.
fn convert_all(
    items: &[Value],
    dialect: Dialect,
    each: impl Fn(usize, Dialect, &Value) -> Converted,
    place: impl Fn(usize) -> String,
) -> Result<Option<Vec<Value>>, String> {
    let mut out: Option<Vec<Value>> = None;
    for (i, item) in items.iter().enumerate() {
        let changed = each(i, dialect, item).map_err(|e| format!("{}: {e}", place(i)))?;
        match (&mut out, changed) {
            (None, None) => {}
            (Some(out), changed) => out.push(changed.unwrap_or_else(|| item.clone())),
            (None, Some(changed)) => {
                let mut copy = Vec::with_capacity(items.len());
                copy.extend(items.iter().take(i).cloned());
                copy.push(changed);
                out = Some(copy);
            }
        }
    }
    Ok(out)
}

fn map(value: &Value, key: &Type, item: &Type, ty: &Type, dialect: Dialect) -> Converted {
    let entries: Vec<(Value, Value)> = match value {
        Value::Map(entries) => return map_entries(entries, key, item, dialect),
        Value::Object(object) => object.members.iter().map(|(k, v)| (Value::String(Arc::clone(k)), v.clone())).collect(),
        Value::Array(items) => {
            let pairs = items.iter().map(|i| if let Value::Pair(p) = i { Some((p.0.clone(), p.1.clone())) } else { None });
            let pairs: Option<Vec<_>> = pairs.collect();
            pairs.ok_or_else(|| mismatch(value, ty))?
        }
        _ => return Err(mismatch(value, ty)),
    };
    let is_array = matches!(value, Value::Array(_));
    let converted = map_entries(&entries, key, item, dialect)?;
    let entries = match converted {
        Some(Value::Map(entries)) => Arc::unwrap_or_clone(entries),
        _ => entries,
    };
    if is_array { distinct(entries, dialect).map(Some) } else { Ok(Some(Value::Map(Arc::new(entries)))) }
}

/// A map without repeated keys: the last one counts for Cromwell, elsewhere a repetition is an error.
fn distinct(entries: Vec<(Value, Value)>, dialect: Dialect) -> Result<Value, String> {
    let mut index = KeyIndex::default();
    let mut out: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match index.insert(&key, out.len()) {
            None => out.push((key, value)),
            Some(_) if dialect == Dialect::Specification => return Err(format!("the key `{}` occurs twice", short(&key))),
            Some(earlier) => {
                if let Some(entry) = out.get_mut(earlier) {
                    entry.1 = value;
                }
            }
        }
    }
    Ok(Value::Map(Arc::new(out)))
}

fn map_entries(entries: &[(Value, Value)], key: &Type, item: &Type, dialect: Dialect) -> Converted {
    let mut out: Option<Vec<(Value, Value)>> = None;
    for (i, (k, v)) in entries.iter().enumerate() {
        let new_key = convert(k, key, dialect).map_err(|e| format!("key: {e}"))?;
        let new_value = convert(v, item, dialect).map_err(|e| format!("value of key `{}`: {e}", short(k)))?;
        if out.is_none() && (new_key.is_some() || new_value.is_some()) {
            out = Some(entries.iter().take(i).cloned().collect());
        }
        if let Some(out) = &mut out {
            out.push((new_key.unwrap_or_else(|| k.clone()), new_value.unwrap_or_else(|| v.clone())));
        }
    }
    Ok(out.map(|entries| Value::Map(Arc::new(entries))))
}

fn pair(value: &Value, left: &Type, right: &Type, ty: &Type, dialect: Dialect) -> Converted {
    let from_object;
    let (pair, converted) = match value {
        Value::Pair(pair) => (&**pair, false),
        Value::Object(object) => {
            from_object = pair_of_members(object).ok_or_else(|| mismatch(value, ty))?;
            (&from_object, true)
        }
        _ => return Err(mismatch(value, ty)),
    };
    let new_left = convert(&pair.0, left, dialect).map_err(|e| format!("left: {e}"))?;
    let new_right = convert(&pair.1, right, dialect).map_err(|e| format!("right: {e}"))?;
    if !converted && new_left.is_none() && new_right.is_none() {
        return Ok(None);
    }
    let l = new_left.unwrap_or_else(|| pair.0.clone());
    let r = new_right.unwrap_or_else(|| pair.1.clone());
    Ok(Some(Value::Pair(Arc::new((l, r)))))
}

/// JSON knows no pairs: an object with exactly `left` and `right` stands for one.
fn pair_of_members(object: &ObjectValue) -> Option<(Value, Value)> {
    let find = |name: &str| object.members.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
    if object.members.len() == 2 { find("left").zip(find("right")) } else { None }
}

fn object(value: &Value, ty: &Type) -> Converted {
    match value {
        Value::Object(o) if o.struct_name.is_none() => Ok(None),
        Value::Object(o) => Ok(Some(Value::Object(Arc::new(ObjectValue { struct_name: None, members: o.members.clone() })))),
        Value::Map(_) => {
            let members = named_members(value).ok_or_else(|| mismatch(value, ty))?;
            Ok(Some(Value::Object(Arc::new(ObjectValue { struct_name: None, members }))))
        }
        _ => Err(mismatch(value, ty)),
    }
}

/// The entries of a map whose keys can be names.
fn named_members(value: &Value) -> Option<IndexMap<Arc<str>, Value>> {
    let Value::Map(entries) = value else { return None };
    let named = entries.iter().map(|(k, v)| match k {
        Value::String(name) | Value::File(name) | Value::Directory(name) => Some((Arc::clone(name), v.clone())),
        Value::Int(i) => Some((Arc::from(i.to_string()), v.clone())),
        Value::Boolean(b) => Some((Arc::from(b.to_string()), v.clone())),
        _ => None,
    });
    named.collect()
}

fn structure(value: &Value, wanted: &StructType, ty: &Type, dialect: Dialect) -> Converted {
    let from_map;
    let (members, name) = match value {
        Value::Object(o) => (&o.members, o.struct_name.as_deref()),
        Value::Map(_) => {
            from_map = named_members(value).ok_or_else(|| mismatch(value, ty))?;
            (&from_map, None)
        }
        _ => return Err(mismatch(value, ty)),
    };
    if dialect == Dialect::Specification
        && let Some(unknown) = members.keys().find(|k| wanted.member(k).is_none())
    {
        return Err(format!("struct `{}` has no member `{unknown}`", wanted.name));
    }
    let mut changed = name != Some(&*wanted.name) || members.len() != wanted.members.len();
    let mut out = Vec::with_capacity(wanted.members.len());
    for (i, (member, member_type)) in wanted.members.iter().enumerate() {
        let Some((place, key, v)) = members.get_full(member.as_str()) else {
            if !member_type.is_optional() {
                return Err(format!("member `{member}` of struct `{}` is missing", wanted.name));
            }
            changed = true;
            out.push((Arc::from(member.as_str()), Value::None));
            continue;
        };
        let new = convert(v, member_type, dialect).map_err(|e| format!("member `{member}` of struct `{}`: {e}", wanted.name))?;
        changed |= new.is_some() || place != i;
        out.push((Arc::clone(key), new.unwrap_or_else(|| v.clone())));
    }
    if !changed {
        return Ok(None);
    }
    let object = ObjectValue { struct_name: Some(Arc::from(wanted.name.as_str())), members: out.into_iter().collect() };
    Ok(Some(Value::Object(Arc::new(object))))
}

fn choice(value: &Value, wanted: &Arc<EnumType>, ty: &Type) -> Converted {
    match value {
        Value::Enum(e, i) if Arc::ptr_eq(e, wanted) || (**e == **wanted && *i < wanted.choices.len()) => Ok(None),
        Value::String(name) => match wanted.choices.iter().position(|(n, _)| n == &**name) {
            Some(i) => Ok(Some(Value::Enum(Arc::clone(wanted), i))),
            None => {
                let known: Vec<String> = wanted.choices.iter().map(|(n, _)| format!("`{n}`")).collect();
                Err(format!("`{name}` is not a choice of enum `{}`, which has {}", wanted.name, known.join(", ")))
            }
        },
        _ => Err(mismatch(value, ty)),
    }
}

#[cfg(test)]
mod tests;
