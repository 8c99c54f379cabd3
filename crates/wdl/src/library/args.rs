//! Arguments at run time.

use std::{io, sync::Arc};

use super::{Fault, READ_LIMIT};
use crate::{
    coerce::{coerce, short},
    eval::{Evaluator, TOO_MUCH, add_text},
    types::Type,
    value::{SHARED_BYTES, Value, copy_bytes},
    version::Dialect,
};

/// The arguments of one call. Their number fits the function.
pub(super) struct Args<'a> {
    pub(super) name: &'static str,
    pub(super) values: &'a [Value],
    pub(super) ev: &'a Evaluator<'a>,
}

impl Args<'_> {
    pub(super) fn cromwell(&self) -> bool {
        self.ev.dialect == Dialect::Cromwell
    }

    /// An argument; an absent one is undefined.
    pub(super) fn value(&self, i: usize) -> &Value {
        self.values.get(i).unwrap_or(&Value::None)
    }

    /// Asks the host for the memory of a result about to be made.
    pub(super) fn ask(&self, bytes: u64) -> Result<(), Fault> {
        self.ev.host.ask(bytes).map_err(|message| self.too_much(&message))
    }

    fn too_much(&self, message: &str) -> Fault {
        Fault::new(format!("`{}`: {message}", self.name)).hint(TOO_MUCH)
    }

    /// Asks for a list of so many values, each with `more` bytes of its own.
    pub(super) fn ask_for(&self, count: usize, more: u64) -> Result<(), Fault> {
        self.ask((size_of::<Value>() as u64 + more).saturating_mul(count as u64))
    }

    /// Adds to a text that grows.
    pub(super) fn add(&self, out: &mut String, text: &str) -> Result<(), Fault> {
        add_text(self.ev.host, out, text).map_err(|message| self.too_much(&message))
    }

    /// A fault that blames one argument.
    pub(super) fn wrong(&self, i: usize, wanted: &str) -> Fault {
        let value = self.value(i);
        let message = if value.is_none() {
            format!("argument {} of `{}` is undefined", i + 1, self.name)
        } else {
            format!("argument {} of `{}` must be {wanted}, not `{}` of type `{}`", i + 1, self.name, short(value), value.type_of())
        };
        Fault { from_none: value.is_none(), ..Fault::new(message).argument(i) }
    }

    /// An argument converted to a type.
    pub(super) fn converted(&self, i: usize, ty: &Type) -> Result<Value, Fault> {
        let value = self.value(i);
        if !matches!(ty, Type::Boolean | Type::Int) {
            self.ask(copy_bytes(value, self.ev.host.room()))?;
        }
        coerce(value, ty, self.ev.dialect).map_err(|e| Fault {
            from_none: value.is_none(),
            ..Fault::new(format!("argument {} of `{}`: {e}", i + 1, self.name)).argument(i)
        })
    }

    /// A text; of a path the one that is valid where the text will be used.
    pub(super) fn text(&self, i: usize) -> Result<Arc<str>, Fault> {
        match self.value(i) {
            Value::None => Err(self.wrong(i, "a `String`")),
            value => self.ev.text(value).ok_or_else(|| self.wrong(i, "a `String`")),
        }
    }

    /// A path as the host knows it.
    pub(super) fn path(&self, i: usize) -> Result<Arc<str>, Fault> {
        match self.value(i) {
            Value::File(p) | Value::Directory(p) => Ok(Arc::clone(p)),
            Value::String(p) if self.cromwell() => Ok(Arc::from(p.trim())),
            Value::String(p) => Ok(Arc::clone(p)),
            _ => Err(self.wrong(i, "a `File`")),
        }
    }

    pub(super) fn int(&self, i: usize) -> Result<i64, Fault> {
        match self.converted(i, &Type::Int)? {
            Value::Int(n) => Ok(n),
            _ => Err(self.wrong(i, "an `Int`")),
        }
    }

    pub(super) fn boolean(&self, i: usize) -> Result<bool, Fault> {
        match self.converted(i, &Type::Boolean)? {
            Value::Boolean(b) => Ok(b),
            _ => Err(self.wrong(i, "a `Boolean`")),
        }
    }

    pub(super) fn array(&self, i: usize) -> Result<&Arc<Vec<Value>>, Fault> {
        match self.value(i) {
            Value::Array(items) => Ok(items),
            _ => Err(self.wrong(i, "an array")),
        }
    }

    /// The entries of a map, or the members of an object with their names as keys.
    pub(super) fn entries(&self, i: usize) -> Result<Arc<Vec<(Value, Value)>>, Fault> {
        match self.value(i) {
            Value::Map(entries) => Ok(Arc::clone(entries)),
            Value::Object(o) => {
                let entries = o.members.iter().map(|(k, v)| (Value::String(Arc::clone(k)), v.clone()));
                Ok(Arc::new(entries.collect()))
            }
            _ => Err(self.wrong(i, "a map")),
        }
    }

    /// The texts of an array of simple values.
    pub(super) fn texts(&self, i: usize) -> Result<Vec<Arc<str>>, Fault> {
        let items = self.array(i)?;
        self.ask_for(items.len(), SHARED_BYTES)?;
        let text = |(n, item): (usize, &Value)| {
            self.ev.text(item).ok_or_else(|| {
                let ty = item.type_of();
                Fault::new(format!("argument {} of `{}`: element {n} of type `{ty}` has no text", i + 1, self.name)).argument(i)
            })
        };
        items.iter().enumerate().map(text).collect()
    }

    /// The content of the file that an argument names.
    pub(super) fn content(&self, i: usize) -> Result<String, Fault> {
        self.content_up_to(i, READ_LIMIT)
    }

    /// The content of the file that an argument names, at most `limit` bytes of it.
    pub(super) fn content_up_to(&self, i: usize, limit: u64) -> Result<String, Fault> {
        let path = self.path(i)?;
        let limit = self.ev.host.read_limit(self.name, limit);
        let too_large = || {
            Fault::new(format!("file `{path}` is larger than requested maximum of {limit} Bytes."))
                .hint(format!("process the file in a task instead of with `{}`", self.name))
                .argument(i)
        };
        let bytes = match self.ev.host.read(&path, limit) {
            Ok(bytes) if bytes.len() as u64 > limit => return Err(too_large()),
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => return Err(too_large()),
            Err(e) if e.kind() == io::ErrorKind::OutOfMemory => {
                return Err(Fault::new(format!("`{}` of file `{path}`: {e}", self.name)).hint(TOO_MUCH).argument(i));
            }
            Err(e) => return Err(self.io(i, &path, &e)),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(e) if self.cromwell() => Ok(String::from_utf8_lossy(e.as_bytes()).into_owned()),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                Err(Fault::new(format!("file `{path}` is not UTF-8 text (byte {at})")).argument(i))
            }
        }
    }

    /// A fault for something the host could not do with a path.
    pub(super) fn io(&self, i: usize, path: &str, error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::Unsupported => Fault::new(error.to_string()),
            io::ErrorKind::NotFound => Fault::new(format!("`{}`: file `{path}` does not exist", self.name)).argument(i),
            _ => Fault::new(format!("`{}` cannot use file `{path}`: {error}", self.name)).argument(i),
        }
    }

    /// Stores a text in a new file.
    pub(super) fn write(&self, content: &str) -> Result<Value, Fault> {
        let written = self.ev.host.write(self.name, content.as_bytes());
        written.map(Value::File).map_err(|e| match e.kind() {
            io::ErrorKind::Unsupported => Fault::new(e.to_string()),
            _ => Fault::new(format!("`{}` cannot write its file: {e}", self.name)),
        })
    }
}
