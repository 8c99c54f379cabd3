//! Reading and writing texts, numbers and JSON; sizes; `glob`, `stdout`, `stderr`.

use std::{io, sync::Arc};

use super::{Fault, Outcome, READ_SCALAR_LIMIT, args::Args};
use crate::{
    coerce::{boolean_text, short},
    eval::parse_float,
    json,
    value::{SHARED_BYTES, Value, copy_bytes, text_bytes},
    version::{Dialect, Version},
};

pub(super) fn stdout(args: &Args<'_>) -> Outcome {
    stream(args, args.ev.host.stdout())
}

pub(super) fn stderr(args: &Args<'_>) -> Outcome {
    stream(args, args.ev.host.stderr())
}

fn stream(args: &Args<'_>, path: io::Result<Arc<str>>) -> Outcome {
    path.map(Value::File).map_err(|e| args.io(0, args.name, &e))
}

pub(super) fn glob(args: &Args<'_>) -> Outcome {
    let pattern = args.text(0)?;
    match args.ev.host.glob(&pattern) {
        Ok(paths) => Ok(Value::array(paths.into_iter().map(Value::File).collect())),
        Err(e) if e.kind() == io::ErrorKind::Unsupported => Err(Fault::new(e.to_string())),
        Err(e) => Err(Fault::new(format!("`glob` of `{pattern}` fails: {e}")).argument(0)),
    }
}

/// Java's idea of white space around a text.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// Cromwell cuts white space on both sides; by the specification only line ends go, and only at the end.
pub(super) fn read_string(args: &Args<'_>) -> Outcome {
    let text = args.content(0)?;
    Ok(Value::string(if args.cromwell() { java_trim(&text) } else { text.trim_end_matches(['\n', '\r']) }))
}

fn scalar<T>(args: &Args<'_>, what: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
    let content = args.content_up_to(0, READ_SCALAR_LIMIT)?;
    let text = content.trim();
    parse(text).ok_or_else(|| {
        let held = if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", short(&Value::string(text))) };
        let path = args.path(0).unwrap_or_default();
        Fault::new(format!("`{}`: file `{path}` holds {held} and not {what}", args.name)).argument(0)
    })
}

pub(super) fn read_int(args: &Args<'_>) -> Outcome {
    scalar(args, "an integer", |t| t.parse().ok()).map(Value::Int)
}

pub(super) fn read_float(args: &Args<'_>) -> Outcome {
    scalar(args, "a number", parse_float).map(Value::Float)
}

pub(super) fn read_boolean(args: &Args<'_>) -> Outcome {
    // To draft-2 everything but `true` is false.
    let lenient = args.ev.version == Version::Draft2 && args.cromwell();
    scalar(args, "`true` or `false`", |t| boolean_text(t).or(lenient.then_some(false))).map(Value::Boolean)
}

pub(super) fn read_lines(args: &Args<'_>) -> Outcome {
    let content = args.content(0)?;
    if content.is_empty() {
        // To draft-2 an empty text has one empty line.
        let one = args.cromwell() && args.ev.version == Version::Draft2;
        return Ok(Value::array(if one { vec![Value::string("")] } else { Vec::new() }));
    }
    args.ask(content.len() as u64)?;
    args.ask_for(pieces(&content, b"\n"), SHARED_BYTES)?;
    if args.cromwell() {
        // Empty lines at the end vanish, and `\r` belongs to its line.
        let text = content.trim_end_matches('\n');
        return Ok(Value::array(if text.is_empty() { Vec::new() } else { text.split('\n').map(Value::string).collect() }));
    }
    let text = content.strip_suffix('\n').unwrap_or(&content);
    Ok(Value::array(text.split('\n').map(|line| Value::string(line.strip_suffix('\r').unwrap_or(line))).collect()))
}

/// In how many pieces these bytes divide a text.
pub(super) fn pieces(text: &str, separators: &[u8]) -> usize {
    text.bytes().filter(|byte| separators.contains(byte)).count() + 1
}

pub(super) fn read_json(args: &Args<'_>) -> Outcome {
    let text = args.content(0)?;
    // Each value has a place in the tree of JSON and one in ours, each list and object their own heads.
    args.ask(2 * text.len() as u64)?;
    args.ask_for(pieces(&text, b",[{"), size_of::<serde_json::Value>() as u64 + 2 * SHARED_BYTES)?;
    let parsed = serde_json::from_str(&text).map_err(|e| {
        let path = args.path(0).unwrap_or_default();
        let why = if text.trim().is_empty() { "it is empty".to_owned() } else { e.to_string() };
        Fault::new(format!("`read_json`: file `{path}` is not valid JSON: {why}")).argument(0)
    })?;
    Ok(json::from_json_any(&parsed))
}

pub(super) fn write_lines(args: &Args<'_>) -> Outcome {
    let texts = args.texts(0)?;
    let length = texts.iter().fold(texts.len(), |sum, text| sum.saturating_add(text.len()));
    args.ask(length as u64)?;
    let mut content = String::with_capacity(length);
    for text in texts {
        content.push_str(&text);
        content.push('\n');
    }
    args.write(&content)
}

pub(super) fn write_json(args: &Args<'_>) -> Outcome {
    // The tree of JSON, and the text it becomes.
    let room = args.ev.host.room();
    args.ask(copy_bytes(args.value(0), room).saturating_add(text_bytes([args.value(0)], room)))?;
    // By the specification only text can name a member; older documents get other keys as text.
    if !args.cromwell()
        && let Some(key) = key_without_name(args.value(0))
    {
        let message = format!("`write_json`: `{}` of type `{}` cannot be the name of a JSON member", short(key), key.type_of());
        return Err(Fault::new(message).hint("maps are written when their keys are texts").argument(0));
    }
    args.write(&json::to_line(args.value(0), &|path| args.ev.host.path_text(path)))
}

/// The first key of a map in `value` that is neither text nor path.
fn key_without_name(value: &Value) -> Option<&Value> {
    match value {
        Value::Map(entries) => entries.iter().find_map(|(key, value)| match key {
            Value::String(_) | Value::File(_) | Value::Directory(_) | Value::Enum(..) => key_without_name(value),
            other => Some(other),
        }),
        Value::Array(items) => items.iter().find_map(key_without_name),
        Value::Pair(pair) => key_without_name(&pair.0).or_else(|| key_without_name(&pair.1)),
        Value::Object(object) => object.members.values().find_map(key_without_name),
        Value::None
        | Value::Boolean(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::File(_)
        | Value::Directory(_)
        | Value::Enum(..) => None,
    }
}

/// The number of bytes in a unit, or `None` when there is no such unit.
///
/// To Cromwell every prefix is a power of 1024; by the specification only those with an `i` are.
fn unit_bytes(unit: &str, dialect: Dialect) -> Option<f64> {
    let lower = unit.trim().to_ascii_lowercase();
    let prefix = lower.strip_suffix('b').unwrap_or(&lower);
    let (letter, binary) = match prefix.strip_suffix('i') {
        Some(letter) if !letter.is_empty() => (letter, true),
        _ => (prefix, false),
    };
    let power = match letter {
        "" if lower == "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let base: f64 = if binary || dialect == Dialect::Cromwell { 1024.0 } else { 1000.0 };
    Some(base.powi(power))
}

pub(super) fn size(args: &Args<'_>) -> Outcome {
    let divisor = match args.values.len() {
        1 => 1.0,
        _ => {
            let unit = args.text(1)?;
            unit_bytes(&unit, args.ev.dialect).ok_or_else(|| {
                Fault::new(format!("unknown unit `{unit}`")).hint("units are B, KB, MB, GB, TB, KiB, MiB, GiB and TiB").argument(1)
            })?
        }
    };
    Ok(Value::Float(bytes(args, args.value(0), true)? as f64 / divisor))
}

/// The sum over all files in a value. A text counts as a path where a file is expected: by itself and in arrays.
fn bytes(args: &Args<'_>, value: &Value, text_is_path: bool) -> Result<u64, Fault> {
    let sum = |values: &mut dyn Iterator<Item = &Value>, text_is_path: bool| {
        let mut total = 0u64;
        for value in values {
            total = total.saturating_add(bytes(args, value, text_is_path)?);
        }
        Ok(total)
    };
    match value {
        Value::File(path) | Value::Directory(path) => file_bytes(args, path),
        Value::String(path) if text_is_path => file_bytes(args, path),
        Value::Array(items) => sum(&mut items.iter(), text_is_path),
        Value::Map(entries) => sum(&mut entries.iter().flat_map(|(k, v)| [k, v]), false),
        Value::Pair(pair) => sum(&mut [&pair.0, &pair.1].into_iter(), false),
        Value::Object(object) => sum(&mut object.members.values(), false),
        Value::None => Ok(0),
        Value::String(_) | Value::Boolean(_) | Value::Int(_) | Value::Float(_) | Value::Enum(..) if !text_is_path => Ok(0),
        _ => Err(args.wrong(0, "a file, a directory or a collection of them")),
    }
}

fn file_bytes(args: &Args<'_>, path: &str) -> Result<u64, Fault> {
    args.ev.host.size(path).map_err(|e| args.io(0, path, &e))
}
