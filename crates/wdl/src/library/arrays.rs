//! Functions on arrays.

use std::sync::Arc;

use super::{Fault, MAX_ELEMENTS, Outcome, args::Args};
use crate::{
    coerce::short,
    value::{SHARED_BYTES, Value},
};

/// Bytes of a pair besides its place in a list.
pub(super) const PAIR_BYTES: u64 = 2 * size_of::<Value>() as u64 + SHARED_BYTES;

fn pair(left: &Value, right: &Value) -> Value {
    Value::Pair(Arc::new((left.clone(), right.clone())))
}

fn too_many(args: &Args<'_>) -> Fault {
    Fault::new(format!("`{}` would make more than {MAX_ELEMENTS} elements", args.name))
}

pub(super) fn range(args: &Args<'_>) -> Outcome {
    let n = args.int(0)?;
    match usize::try_from(n) {
        Ok(count) if count <= MAX_ELEMENTS => {
            args.ask_for(count, 0)?;
            Ok(Value::array((0..n).map(Value::Int).collect()))
        }
        Ok(_) => Err(too_many(args).argument(0)),
        Err(_) => Err(Fault::new(format!("`range` needs a number from 0 on, not {n}")).argument(0)),
    }
}

/// The elements of an array of arrays.
fn rows<'a>(args: &'a Args<'_>) -> Result<Vec<&'a Arc<Vec<Value>>>, Fault> {
    let row = |(i, item): (usize, &'a Value)| match item {
        Value::Array(row) => Ok(row),
        other => Err(Fault {
            from_none: other.is_none(),
            ..Fault::new(format!("argument 1 of `{}`: element {i} is `{}`, not an array", args.name, short(other))).argument(0)
        }),
    };
    args.array(0)?.iter().enumerate().map(row).collect()
}

pub(super) fn transpose(args: &Args<'_>) -> Outcome {
    let rows = rows(args)?;
    let width = rows.first().map_or(0, |r| r.len());
    if let Some((i, row)) = rows.iter().enumerate().find(|(_, r)| r.len() != width) {
        let message = format!("`transpose` needs rows of one length: row 0 has {width} elements, row {i} has {}", row.len());
        return Err(Fault::new(message).argument(0));
    }
    args.ask_for(rows.len().saturating_add(1).saturating_mul(width), SHARED_BYTES / 2)?;
    let column = |c: usize| Value::array(rows.iter().filter_map(|r| r.get(c).cloned()).collect());
    Ok(Value::array((0..width).map(column).collect()))
}

pub(super) fn zip(args: &Args<'_>) -> Outcome {
    let (left, right) = (args.array(0)?, args.array(1)?);
    if left.len() != right.len() {
        return Err(Fault::new(format!("`zip` needs arrays of one length, these have {} and {} elements", left.len(), right.len())));
    }
    args.ask_for(left.len(), PAIR_BYTES)?;
    Ok(Value::array(left.iter().zip(right.iter()).map(|(l, r)| pair(l, r)).collect()))
}

pub(super) fn cross(args: &Args<'_>) -> Outcome {
    let (left, right) = (args.array(0)?, args.array(1)?);
    if left.len().saturating_mul(right.len()) > MAX_ELEMENTS {
        return Err(too_many(args));
    }
    args.ask_for(left.len().saturating_mul(right.len()), PAIR_BYTES)?;
    Ok(Value::array(left.iter().flat_map(|l| right.iter().map(move |r| pair(l, r))).collect()))
}

pub(super) fn unzip(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    args.ask_for(items.len().saturating_mul(2), 0)?;
    let (mut left, mut right) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for item in items.iter() {
        let Value::Pair(pair) = item else { return Err(args.wrong(0, "an array of pairs")) };
        left.push(pair.0.clone());
        right.push(pair.1.clone());
    }
    Ok(Value::Pair(Arc::new((Value::array(left), Value::array(right)))))
}

pub(super) fn flatten(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    if args.cromwell() && items.iter().any(|item| matches!(item, Value::Map(_))) {
        return flatten_maps(args, items);
    }
    let rows = rows(args)?;
    let count = rows.iter().map(|r| r.len()).fold(0, usize::saturating_add);
    if count > MAX_ELEMENTS {
        return Err(too_many(args));
    }
    args.ask_for(count, 0)?;
    Ok(Value::array(rows.into_iter().flat_map(|r| r.iter().cloned()).collect()))
}

/// Cromwell takes a map for the array of its entries.
fn flatten_maps(args: &Args<'_>, items: &[Value]) -> Outcome {
    let mut all = Vec::new();
    for (i, item) in items.iter().enumerate() {
        match item {
            Value::Map(entries) if all.len().saturating_add(entries.len()) > MAX_ELEMENTS => return Err(too_many(args)),
            Value::Map(entries) => all.extend(entries.iter().map(|(key, value)| pair(key, value))),
            Value::Array(row) => all.extend(row.iter().cloned()),
            other => {
                let message = format!("argument 1 of `flatten`: element {i} is `{}`, neither an array nor a map", short(other));
                return Err(Fault { from_none: other.is_none(), ..Fault::new(message).argument(0) });
            }
        }
        if all.len() > MAX_ELEMENTS {
            return Err(too_many(args));
        }
    }
    Ok(Value::array(all))
}

/// Elements of an array, entries of a map, members of an object, characters of a string.
pub(super) fn length(args: &Args<'_>) -> Outcome {
    let count = match args.value(0) {
        Value::Array(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Object(object) => object.members.len(),
        Value::String(text) => text.chars().count(),
        _ => return Err(args.wrong(0, "an array, a map, an object or a string")),
    };
    Ok(Value::Int(count as i64))
}

pub(super) fn select_first(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    if let Some(first) = items.iter().find(|v| !v.is_none()) {
        return Ok(first.clone());
    }
    if args.values.len() > 1 {
        return Ok(args.value(1).clone());
    }
    let message = if items.is_empty() {
        "`select_first` of an empty array"
    } else {
        "`select_first` finds no defined value: all elements are undefined"
    };
    let fault = Fault::new(message).hint("add a default as the last element").argument(0);
    // By the specification a placeholder prints nothing then; Cromwell fails.
    Err(Fault { from_none: !items.is_empty() && !args.cromwell(), ..fault })
}

pub(super) fn select_all(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    if items.iter().all(|v| !v.is_none()) {
        return Ok(Value::Array(Arc::clone(items)));
    }
    args.ask_for(items.len(), 0)?;
    Ok(Value::array(items.iter().filter(|v| !v.is_none()).cloned().collect()))
}

pub(super) fn defined(args: &Args<'_>) -> Outcome {
    Ok(Value::Boolean(!args.value(0).is_none()))
}

pub(super) fn contains(args: &Args<'_>) -> Outcome {
    let wanted = args.value(1);
    // A value of another type is simply not there.
    Ok(Value::Boolean(args.array(0)?.iter().any(|v| args.ev.equal(v, wanted).unwrap_or(false))))
}

pub(super) fn chunk(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    let size = args.int(1)?;
    match usize::try_from(size) {
        Ok(size) if size > 0 => {
            args.ask_for(items.len(), SHARED_BYTES + size_of::<Value>() as u64)?;
            Ok(Value::array(items.chunks(size).map(|c| Value::array(c.to_vec())).collect()))
        }
        _ => Err(Fault::new(format!("`chunk` needs a size from 1 on, not {size}")).argument(1)),
    }
}
