//! Functions on texts and path names.

use std::sync::Arc;

use super::{Fault, MAX_TEXT_BYTES, Outcome, args::Args, patterns::Pattern};
use crate::value::{SHARED_BYTES, Value};

fn pattern(args: &Args<'_>, i: usize) -> Result<std::rc::Rc<Pattern>, Fault> {
    let text = args.text(i)?;
    Pattern::cached(&text, args.ev.dialect).map_err(|e| Fault::new(format!("regular expression `{text}` is not valid: {e}")).argument(i))
}

pub(super) fn sub(args: &Args<'_>) -> Outcome {
    let (text, pattern, replacement) = (args.text(0)?, pattern(args, 1)?, args.text(2)?);
    match pattern.replace_all(&text, &replacement) {
        Ok(Some(changed)) => {
            args.ask(2 * changed.len() as u64)?;
            Ok(Value::string(changed))
        }
        Ok(None) => Ok(Value::String(text)),
        Err(e) => Err(Fault::new(format!("`sub` fails: {e}"))),
    }
}

pub(super) fn find(args: &Args<'_>) -> Outcome {
    let (text, pattern) = (args.text(0)?, pattern(args, 1)?);
    let found = pattern.find(&text).map_err(|e| Fault::new(format!("`find` fails: {e}")))?;
    Ok(found.map_or(Value::None, Value::string))
}

pub(super) fn matches(args: &Args<'_>) -> Outcome {
    let (text, pattern) = (args.text(0)?, pattern(args, 1)?);
    let found = pattern.find(&text).map_err(|e| Fault::new(format!("`matches` fails: {e}")))?;
    Ok(Value::Boolean(found.is_some()))
}

pub(super) fn split(args: &Args<'_>) -> Outcome {
    let (text, pattern) = (args.text(0)?, pattern(args, 1)?);
    let place = (size_of::<Value>() + size_of::<&str>()) as u64 + SHARED_BYTES;
    let room = |pieces: usize| args.ev.host.ask(place.saturating_mul(pieces as u64));
    let pieces = pattern.split(&text, room).map_err(|e| Fault::new(format!("`split` fails: {e}")))?;
    args.ask(text.len() as u64)?;
    Ok(Value::array(pieces.into_iter().map(Value::string).collect()))
}

pub(super) fn basename(args: &Args<'_>) -> Outcome {
    let path = args.text(0)?;
    let trimmed = path.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or(trimmed);
    let suffix = if args.values.len() > 1 { args.text(1)? } else { Arc::from("") };
    Ok(Value::string(name.strip_suffix(&*suffix).unwrap_or(name)))
}

/// `(base, path)`, `(base, paths)` or `(paths)`; only the first element may be absolute.
pub(super) fn join_paths(args: &Args<'_>) -> Outcome {
    let mut parts = Vec::new();
    for i in 0..args.values.len() {
        match args.value(i) {
            Value::Array(_) => parts.extend(args.texts(i)?),
            _ => parts.push(args.text(i)?),
        }
    }
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Err(Fault::new("`join_paths` of an empty array").argument(0)) };
    let mut joined = first.to_string();
    for part in parts {
        if part.starts_with('/') {
            return Err(Fault::new(format!("`join_paths`: only the first path may be absolute, `{part}` is too")));
        }
        if !joined.is_empty() && !joined.ends_with('/') {
            joined.push('/');
        }
        args.add(&mut joined, &part)?;
    }
    Ok(Value::string(joined))
}

pub(super) fn sep(args: &Args<'_>) -> Outcome {
    let (separator, texts) = (args.text(0)?, args.texts(1)?);
    let gaps = separator.len().saturating_mul(texts.len());
    let total = texts.iter().fold(gaps, |sum, t| sum.saturating_add(t.len()));
    if total > MAX_TEXT_BYTES {
        return Err(Fault::new("`sep` would make a text that is too long").hint("use `write_lines`"));
    }
    args.ask(2 * total as u64)?;
    Ok(Value::string(texts.join(&*separator)))
}

/// Every text of an array with `more` bytes added by `change`.
fn each(args: &Args<'_>, i: usize, more: usize, change: impl Fn(&str) -> String) -> Outcome {
    let texts = args.texts(i)?;
    let content = texts.iter().fold(more.saturating_mul(texts.len()), |sum, text| sum.saturating_add(text.len()));
    args.ask(content as u64)?;
    args.ask_for(texts.len(), SHARED_BYTES)?;
    Ok(Value::array(texts.iter().map(|t| Value::string(change(t))).collect()))
}

pub(super) fn prefix(args: &Args<'_>) -> Outcome {
    let prefix = args.text(0)?;
    each(args, 1, prefix.len(), |t| format!("{prefix}{t}"))
}

pub(super) fn suffix(args: &Args<'_>) -> Outcome {
    let suffix = args.text(0)?;
    each(args, 1, suffix.len(), |t| format!("{t}{suffix}"))
}

pub(super) fn quote(args: &Args<'_>) -> Outcome {
    each(args, 0, 2, |t| format!("\"{t}\""))
}

pub(super) fn squote(args: &Args<'_>) -> Outcome {
    each(args, 0, 2, |t| format!("'{t}'"))
}
