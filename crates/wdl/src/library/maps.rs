//! Functions on maps, and `value` of an enum.

use std::sync::Arc;

use super::{Fault, Outcome, args::Args, arrays::PAIR_BYTES};
use crate::{coerce::short, keys::KeyIndex, value::Value};

pub(super) fn as_pairs(args: &Args<'_>) -> Outcome {
    let entries = args.entries(0)?;
    args.ask_for(entries.len(), PAIR_BYTES)?;
    Ok(Value::array(entries.iter().map(|(k, v)| Value::Pair(Arc::new((k.clone(), v.clone())))).collect()))
}

fn pairs<'a>(args: &'a Args<'_>) -> Result<Vec<&'a (Value, Value)>, Fault> {
    let pair = |v: &'a Value| if let Value::Pair(p) = v { Ok(&**p) } else { Err(args.wrong(0, "an array of pairs")) };
    let items = args.array(0)?;
    // The references, and what is made of them: entries and the index of their keys.
    args.ask_for(items.len(), 2 * PAIR_BYTES)?;
    items.iter().map(pair).collect()
}

pub(super) fn as_map(args: &Args<'_>) -> Outcome {
    let pairs = pairs(args)?;
    let mut index = KeyIndex::default();
    for (place, (key, _)) in pairs.iter().enumerate() {
        if index.insert(key, place).is_some() {
            let fault = Fault::new(format!("`as_map` finds the key `{}` twice", short(key)));
            return Err(fault.hint("collect the values with `collect_by_key`").argument(0));
        }
    }
    Ok(Value::Map(Arc::new(pairs.into_iter().cloned().collect())))
}

pub(super) fn keys(args: &Args<'_>) -> Outcome {
    let entries = args.entries(0)?;
    args.ask_for(entries.len(), 0)?;
    Ok(Value::array(entries.iter().map(|(k, _)| k.clone()).collect()))
}

pub(super) fn values(args: &Args<'_>) -> Outcome {
    let entries = args.entries(0)?;
    args.ask_for(entries.len(), 0)?;
    Ok(Value::array(entries.iter().map(|(_, v)| v.clone()).collect()))
}

/// Groups in order of the first occurrence of their keys.
pub(super) fn collect_by_key(args: &Args<'_>) -> Outcome {
    let mut index = KeyIndex::default();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, value) in pairs(args)? {
        match index.insert(key, groups.len()).and_then(|place| groups.get_mut(place)) {
            Some(group) => group.1.push(value.clone()),
            None => groups.push((key.clone(), vec![value.clone()])),
        }
    }
    Ok(Value::Map(Arc::new(groups.into_iter().map(|(k, values)| (k, Value::array(values))).collect())))
}

/// The value of a key, when there is such a key.
fn entry(args: &Args<'_>, value: &Value, key: &Value) -> Option<Value> {
    match (value, key) {
        (Value::Map(entries), _) => args.ev.entry(entries, key).cloned(),
        (Value::Object(object), Value::String(name)) => object.members.get(name).cloned(),
        _ => None,
    }
}

/// The key may be a path of keys into nested collections; whatever is no collection has no keys.
pub(super) fn contains_key(args: &Args<'_>) -> Outcome {
    let collection = args.value(0);
    if !matches!(collection, Value::Map(_) | Value::Object(_)) {
        return Err(args.wrong(0, "a map, an object or a struct"));
    }
    let key = args.value(1);
    let Value::Array(path) = key else { return Ok(Value::Boolean(entry(args, collection, key).is_some())) };
    let mut place = collection.clone();
    for key in path.iter() {
        match entry(args, &place, key) {
            Some(next) => place = next,
            None => return Ok(Value::Boolean(false)),
        }
    }
    Ok(Value::Boolean(!path.is_empty()))
}

pub(super) fn value(args: &Args<'_>) -> Outcome {
    match args.value(0) {
        Value::Enum(e, i) => match e.choices.get(*i) {
            Some((_, inner)) => Ok(inner.clone()),
            None => Err(Fault::new(format!("enum `{}` has no choice number {i}", e.name)).argument(0)),
        },
        _ => Err(args.wrong(0, "an enum")),
    }
}
