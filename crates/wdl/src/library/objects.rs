//! Tables of objects: `read_object(s)`, `write_object(s)`.

use super::{Fault, Outcome, args::Args, tables};
use crate::value::{Value, copy_bytes};

pub(super) fn read_object(args: &Args<'_>) -> Outcome {
    let text = args.content(0)?;
    let mut rows = tables::rows(args, &text)?;
    if rows.len() != 2 {
        let message = format!("`read_object` needs a row of names and a row of values, the file has {} rows", rows.len());
        return Err(Fault::new(message).argument(0));
    }
    let names = rows.remove(0);
    Ok(tables::objects(args, &names, &rows)?.into_iter().next().unwrap_or(Value::None))
}

/// A file without rows of values gives no objects; for Cromwell it is an error.
pub(super) fn read_objects(args: &Args<'_>) -> Outcome {
    let text = args.content(0)?;
    let mut rows = tables::rows(args, &text)?;
    if rows.len() < 2 {
        if args.cromwell() {
            let message = format!("`read_objects` needs a row of names and rows of values, the file has {} rows", rows.len());
            return Err(Fault::new(message).argument(0));
        }
        return Ok(Value::array(Vec::new()));
    }
    let names = rows.remove(0);
    Ok(Value::array(tables::objects(args, &names, &rows)?))
}

fn write(args: &Args<'_>, items: &[Value]) -> Outcome {
    let mut out = String::new();
    let Some(names) = tables::member_names(items) else { return args.write("") };
    tables::push_row(args, &mut out, &names)?;
    for (i, item) in items.iter().enumerate() {
        let Value::Object(object) = item else {
            return Err(Fault::new(format!("`{}`: element {i} is not an object", args.name)).argument(0));
        };
        if object.members.len() != names.len() {
            return Err(Fault::new(format!("`{}`: object {i} has other members than the first", args.name)).argument(0));
        }
        let mut fields = Vec::with_capacity(names.len());
        for name in &names {
            let value = object.members.get(name);
            let text = value.and_then(|v| args.ev.text(v));
            fields.push(text.ok_or_else(|| {
                let what = if value.is_some() { "is not a simple value" } else { "is missing" };
                Fault::new(format!("`{}`: member `{name}` of object {i} {what}", args.name)).argument(0)
            })?);
        }
        tables::push_row(args, &mut out, &fields)?;
    }
    args.write(&out)
}

/// A map with names as keys is written like an object.
fn as_object(args: &Args<'_>, value: &Value) -> Outcome {
    args.ask(copy_bytes(value, args.ev.host.room()))?;
    crate::coerce::coerce(value, &crate::types::Type::Object, args.ev.dialect)
        .map_err(|e| Fault { from_none: value.is_none(), ..Fault::new(format!("argument 1 of `{}`: {e}", args.name)).argument(0) })
}

pub(super) fn write_object(args: &Args<'_>) -> Outcome {
    let object = as_object(args, args.value(0))?;
    write(args, &[object])
}

pub(super) fn write_objects(args: &Args<'_>) -> Outcome {
    let items = args.array(0)?.iter().map(|v| as_object(args, v)).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() && args.cromwell() {
        return Err(Fault::new("`write_objects` of an empty array").argument(0));
    }
    if items.iter().any(|v| !matches!(v, Value::Object(_))) {
        return Err(args.wrong(0, "an array of objects"));
    }
    write(args, &items)
}
