//! Tab-separated tables: `read_tsv`, `write_tsv`, `read_map`, `write_map`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Fault, Outcome, args::Args, files::pieces};
use crate::{
    coerce::short,
    keys::KeyIndex,
    value::{ObjectValue, SHARED_BYTES, Value},
};

/// The rows of a text.
///
/// For Cromwell blank lines and empty fields at the end of a line do not exist; otherwise every line is a row.
pub(super) fn rows(args: &Args<'_>, text: &str) -> Result<Vec<Vec<Arc<str>>>, Fault> {
    // Fields first stand in rows and then in values.
    args.ask(text.len() as u64)?;
    args.ask_for(pieces(text, b"\t\n\r"), 3 * SHARED_BYTES)?;
    if args.cromwell() {
        let lines = text.split(['\n', '\r']).filter(|l| !l.is_empty());
        return Ok(lines.map(|line| line.trim_end_matches('\t').split('\t').map(Arc::from).collect()).collect());
    }
    Ok(text.lines().map(|line| line.split('\t').map(Arc::from).collect()).collect())
}

/// Objects of strings from rows that follow their column names.
pub(super) fn objects(args: &Args<'_>, names: &[Arc<str>], rows: &[Vec<Arc<str>>]) -> Result<Vec<Value>, Fault> {
    if let Some((i, name)) = names.iter().enumerate().find(|(i, n)| names.iter().take(*i).any(|m| m == *n)) {
        return Err(Fault::new(format!("`{}`: column {} repeats the name `{name}`", args.name, i + 1)));
    }
    let object = |(i, row): (usize, &Vec<Arc<str>>)| {
        // Cromwell's reader has cut empty fields at the end of the row.
        let missing = names.len().saturating_sub(row.len());
        if row.len() > names.len() || (missing > 0 && !args.cromwell()) {
            let message = format!("`{}`: row {} has {} fields, the header has {}", args.name, i + 1, row.len(), names.len());
            return Err(Fault::new(message));
        }
        let fields = row.iter().cloned().chain(std::iter::repeat_n(Arc::from(""), missing));
        let members: IndexMap<Arc<str>, Value> = names.iter().cloned().zip(fields.map(Value::String)).collect();
        Ok(Value::Object(Arc::new(ObjectValue { struct_name: None, members })))
    };
    rows.iter().enumerate().map(object).collect()
}

fn plain_rows(rows: Vec<Vec<Arc<str>>>) -> Value {
    Value::array(rows.into_iter().map(|row| Value::array(row.into_iter().map(Value::String).collect())).collect())
}

/// `(file)`, `(file, true)` with names in the first row, or `(file, has_header, names)`.
pub(super) fn read_tsv(args: &Args<'_>) -> Outcome {
    let header = args.values.len() > 1 && args.boolean(1)?;
    let names = if args.values.len() > 2 { Some(args.texts(2)?) } else { None };
    let text = args.content(0)?;
    let mut rows = rows(args, &text)?;
    if !header && names.is_none() {
        return Ok(plain_rows(rows));
    }
    if rows.is_empty() {
        return Ok(Value::array(Vec::new()));
    }
    let first = if header { rows.remove(0) } else { Vec::new() };
    Ok(Value::array(objects(args, &names.unwrap_or(first), &rows)?))
}

/// One line of a table.
pub(super) fn push_row(args: &Args<'_>, out: &mut String, fields: &[Arc<str>]) -> Result<(), Fault> {
    if let Some(field) = fields.iter().find(|f| f.contains(['\t', '\n'])) {
        let shown = short(&Value::String(Arc::clone(field)));
        return Err(Fault::new(format!("`{}`: `{shown}` has a tab or a line end and cannot be a field", args.name)).argument(0));
    }
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            out.push('\t');
        }
        args.add(out, field)?;
    }
    out.push('\n');
    Ok(())
}

/// The texts of one row: of the elements of an array or of the members of an object, by name.
fn fields(args: &Args<'_>, row: usize, value: &Value, names: Option<&[Arc<str>]>) -> Result<Vec<Arc<str>>, Fault> {
    let bad = |what: &str| Fault::new(format!("`{}`: row {row} {what}", args.name)).argument(0);
    let text = |v: &Value| args.ev.text(v).ok_or_else(|| bad(&format!("has a field of type `{}`", v.type_of())));
    match (value, names) {
        (Value::Array(items), _) => items.iter().map(text).collect(),
        (Value::Object(object), Some(names)) => {
            if object.members.len() != names.len() {
                return Err(bad("has other members than the first"));
            }
            let member = |name: &Arc<str>| object.members.get(name).ok_or_else(|| bad(&format!("has no member `{name}`")));
            names.iter().map(|name| text(member(name)?)).collect()
        }
        (Value::Object(object), None) => object.members.values().map(text).collect(),
        // A column of simple values.
        (simple, None) if args.cromwell() => Ok(vec![text(simple)?]),
        _ => Err(bad("is neither an array nor an object")),
    }
}

/// Member names of the objects of an array; `None` when its elements are no objects.
pub(super) fn member_names(items: &[Value]) -> Option<Vec<Arc<str>>> {
    match items.first() {
        Some(Value::Object(object)) => Some(object.members.keys().cloned().collect()),
        _ => None,
    }
}

/// `(rows)`, `(rows, write_header)` or `(rows, write_header, names)`; a row is an array or an object.
pub(super) fn write_tsv(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?;
    let members = member_names(items);
    // Cromwell writes the names of the members unasked.
    let header = if args.values.len() > 1 { args.boolean(1)? } else { args.cromwell() && members.is_some() };
    let given = if args.values.len() > 2 { Some(args.texts(2)?) } else { None };
    let mut out = String::new();
    if header {
        match given.as_ref().or(members.as_ref()) {
            Some(names) => push_row(args, &mut out, names)?,
            None if items.is_empty() => {}
            None => return Err(Fault::new("`write_tsv` needs the names of the columns for a header").argument(1)),
        }
    }
    let width = given.as_ref().map(Vec::len);
    for (i, item) in items.iter().enumerate() {
        let fields = fields(args, i, item, members.as_deref())?;
        if let Some(width) = width.filter(|w| *w != fields.len()) {
            let message = format!("`write_tsv`: row {i} has {} fields, but {width} names are given", fields.len());
            return Err(Fault::new(message).argument(0));
        }
        push_row(args, &mut out, &fields)?;
    }
    args.write(&out)
}

pub(super) fn read_map(args: &Args<'_>) -> Outcome {
    let text = args.content(0)?;
    let mut index = KeyIndex::default();
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for (i, row) in rows(args, &text)?.into_iter().enumerate() {
        let (key, value) = match <[Arc<str>; 2]>::try_from(row) {
            Ok([key, value]) => (Value::String(key), Value::String(value)),
            // The reader has cut an empty value.
            Err(row) if row.len() == 1 && args.cromwell() => (Value::String(row.into_iter().next().unwrap_or_default()), Value::string("")),
            Err(row) => {
                let message = format!("`read_map`: row {} has {} fields instead of a key and a value", i + 1, row.len());
                return Err(Fault::new(message).argument(0));
            }
        };
        match index.insert(&key, entries.len()) {
            None => entries.push((key, value)),
            Some(earlier) if args.cromwell() => {
                if let Some(entry) = entries.get_mut(earlier) {
                    entry.1 = value;
                }
            }
            Some(_) => return Err(Fault::new(format!("`read_map`: row {} repeats the key `{}`", i + 1, short(&key))).argument(0)),
        }
    }
    Ok(Value::Map(Arc::new(entries)))
}

pub(super) fn write_map(args: &Args<'_>) -> Outcome {
    let mut out = String::new();
    for (key, value) in args.entries(0)?.iter() {
        let texts = args.ev.text(key).zip(args.ev.text(value));
        let (key, value) = texts.ok_or_else(|| args.wrong(0, "a map of simple values"))?;
        push_row(args, &mut out, &[key, value])?;
    }
    args.write(&out)
}
