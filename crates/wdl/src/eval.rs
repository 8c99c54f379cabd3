//! The evaluator: expressions to values.

mod access;
mod equality;
mod literals;
mod operators;
mod placeholder;
mod text;

use std::{collections::HashMap, io, sync::Arc};

use indexmap::IndexMap;

pub(crate) use self::{
    equality::{equal, equal_with},
    text::{literal_text, number_text, parse_float},
};
use crate::{
    ast::{Expr, ExprKind},
    coerce::coerce,
    library,
    module::Module,
    source::Span,
    types::Type,
    value::{Value, copy_bytes},
    version::{Dialect, Version},
};

/// Finds the value of a name. Implemented for closures and maps of values.
pub trait Scope {
    /// The value of `name`, or `None` when it is not bound.
    fn get(&self, name: &str) -> Option<Value>;
}

impl Scope for HashMap<Arc<str>, Value> {
    fn get(&self, name: &str) -> Option<Value> {
        HashMap::get(self, name).cloned()
    }
}

impl Scope for IndexMap<Arc<str>, Value> {
    fn get(&self, name: &str) -> Option<Value> {
        IndexMap::get(self, name).cloned()
    }
}

impl<F: Fn(&str) -> Option<Value>> Scope for F {
    fn get(&self, name: &str) -> Option<Value> {
        self(name)
    }
}

/// What an expression may touch of the outside world.
///
/// Paths are passed as they stand in the [`Value`]; the host resolves relative ones (execution directory in a
/// task's outputs, working directory elsewhere) and refuses what its context does not allow, with
/// [`io::ErrorKind::Unsupported`] and a text that says where the function may be used.
pub trait Host {
    /// The content of a file. `limit` bytes at most; a bigger file is an error.
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>>;
    /// Most bytes that a function such as `read_lines` accepts; `usual` is what the language allows it.
    fn read_limit(&self, _function: &str, usual: u64) -> u64 {
        usual
    }
    /// Stores a text made by `write_*` and returns its path; `function` is for example `write_lines`, and
    /// `extension` is `tmp`, `tsv`... Equal content may give the same file.
    fn write(&self, function: &str, content: &[u8]) -> io::Result<Arc<str>>;
    /// Size of a file in bytes; of a directory the sum over its files.
    fn size(&self, path: &str) -> io::Result<u64>;
    /// Whether a path exists, and whether it is a directory.
    fn exists(&self, path: &str) -> Option<PathKind>;
    /// Files matching a glob, in order. Only inside task outputs.
    fn glob(&self, pattern: &str) -> io::Result<Vec<Arc<str>>>;
    /// File with the standard output of the task. Only inside task outputs.
    fn stdout(&self) -> io::Result<Arc<str>>;
    /// File with the standard error of the task. Only inside task outputs.
    fn stderr(&self) -> io::Result<Arc<str>>;
    /// Whether values of this many bytes more may be made; the error says how much there is.
    fn ask(&self, _bytes: u64) -> Result<(), String> {
        Ok(())
    }
    /// Most bytes that [`Host::ask`] can ever grant.
    fn room(&self) -> u64 {
        u64::MAX
    }
    /// Whether two paths mean the same file or directory; asked from 1.2 on. A relative one counts from the folder of `module`,
    /// in a task's outputs from the execution directory.
    fn same_path(&self, _module: &Module, a: &str, b: &str) -> bool {
        a == b
    }
    /// How a file or directory is named where the text will be used: the task-side path while a command is
    /// written, the path itself elsewhere.
    fn path_text(&self, path: &str) -> Arc<str>;
}

/// Kind of an existing path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A regular file (or anything that is not a directory).
    File,
    /// A directory.
    Directory,
}

/// Why an expression has no value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What went wrong; lower case, no full stop.
    pub message: String,
    /// The place in the module's source.
    pub span: Span,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether an undefined optional caused it; placeholders then print nothing.
    pub from_none: bool,
}

impl EvalError {
    /// An error at a place.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        EvalError { message: message.into(), span, hint: None, from_none: false }
    }

    /// Adds the mend.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Marks whether an undefined optional is the cause.
    pub fn from_none(mut self, from_none: bool) -> Self {
        self.from_none = from_none;
        self
    }

    /// An undefined optional where a value is needed.
    fn undefined(span: Span, what: &str) -> Self {
        Self::new(span, format!("{what} is undefined")).hint("guard it with `defined` or `select_first`").from_none(true)
    }
}

/// The mend where values need more memory than there is.
pub const TOO_MUCH: &str = "make values of this size in a task and hand them on as files";

/// Adds to a text, after asking for the memory that it grows by.
pub(crate) fn add_text(host: &dyn Host, out: &mut String, text: &str) -> Result<(), String> {
    let length = out.len() + text.len();
    if length > out.capacity() {
        host.ask(2 * length as u64)?;
    }
    out.push_str(text);
    Ok(())
}

/// Evaluates expressions of one module.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The module whose structs and enums the expression may name.
    pub module: &'a Module,
    /// Values of names.
    pub scope: &'a dyn Scope,
    /// The outside world.
    pub host: &'a dyn Host,
    /// Version of the document.
    pub version: Version,
    /// Whose rules count.
    pub dialect: Dialect,
}

impl Evaluator<'_> {
    /// The value of an expression.
    pub fn eval(&self, expr: &Expr) -> Result<Value, EvalError> {
        match &expr.kind {
            ExprKind::Lost => Err(EvalError::new(expr.span, "this is not an expression")),
            ExprKind::None => Ok(Value::None),
            ExprKind::Boolean(b) => Ok(Value::Boolean(*b)),
            ExprKind::Int(i) => Ok(Value::Int(*i)),
            ExprKind::Float(f) => Ok(Value::Float(*f)),
            ExprKind::String(parts) => self.string_literal(parts),
            ExprKind::Array(items) => self.array_literal(items),
            ExprKind::Map(entries) => self.map_literal(entries),
            ExprKind::Pair(l, r) => Ok(Value::Pair(Arc::new((self.eval(l)?, self.eval(r)?)))),
            ExprKind::Object(members) => self.object_literal(members),
            ExprKind::Struct(name, members) => self.struct_literal(name, members, expr.span),
            ExprKind::Ident(name) => self.name(name, expr.span),
            ExprKind::Member(base, name) => self.member(base, name),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Call(name, args) => self.function(name, args, expr.span),
            ExprKind::Unary(op, operand) => self.unary(*op, operand),
            ExprKind::Binary(op, l, r) => self.binary(*op, l, r, expr.span),
            ExprKind::If(condition, yes, no) => self.choose(condition, yes, no),
        }
    }

    /// The value of an expression as one of type `ty`: of a declaration, for example.
    pub fn eval_as(&self, expr: &Expr, ty: &Type) -> Result<Value, EvalError> {
        let value = self.eval(expr)?;
        self.ask_for_copy(&value, expr.span)?;
        coerce(&value, ty, self.dialect).map_err(|e| EvalError::new(expr.span, e).from_none(value.is_none()))
    }

    /// Asks the host for the memory of a value about to be made.
    pub(crate) fn ask(&self, bytes: u64, span: Span) -> Result<(), EvalError> {
        self.host.ask(bytes).map_err(|message| EvalError::new(span, message).hint(TOO_MUCH))
    }

    /// Asks for what a conversion of a compound value may take: all of it once more, and nothing shared.
    pub fn ask_for_copy(&self, value: &Value, span: Span) -> Result<(), EvalError> {
        match value {
            Value::Array(_) | Value::Map(_) | Value::Pair(_) | Value::Object(_) => self.ask(copy_bytes(value, self.host.room()), span),
            _ => Ok(()),
        }
    }

    fn function(&self, name: &crate::ast::Name, args: &[Expr], span: Span) -> Result<Value, EvalError> {
        let values = args.iter().map(|a| self.eval(a)).collect::<Result<Vec<_>, _>>()?;
        library::invoke(&name.text, &values, self).map_err(|fault| {
            let place = fault.argument.and_then(|i| args.get(i)).map_or(span, |a| a.span);
            fault.at(place)
        })
    }

    fn condition(&self, expr: &Expr) -> Result<bool, EvalError> {
        match self.eval(expr)? {
            Value::Boolean(b) => Ok(b),
            Value::None => Err(EvalError::undefined(expr.span, "the condition")),
            other => match coerce(&other, &Type::Boolean, self.dialect) {
                Ok(Value::Boolean(b)) if self.dialect == Dialect::Cromwell => Ok(b),
                _ => Err(EvalError::new(expr.span, format!("the condition is of type `{}`, not `Boolean`", other.type_of()))),
            },
        }
    }

    /// Only one branch is evaluated; the other still has a say in the type of a simple value.
    fn choose(&self, condition: &Expr, yes: &Expr, no: &Expr) -> Result<Value, EvalError> {
        let (taken, other) = if self.condition(condition)? { (yes, no) } else { (no, yes) };
        let value = self.eval(taken)?;
        match (&value, self.guess(other)) {
            (Value::Int(i), Some(Type::Float)) => Ok(Value::Float(*i as f64)),
            (Value::Int(_) | Value::Float(_) | Value::Boolean(_), Some(Type::String)) => {
                Ok(Value::String(self.text(&value).unwrap_or_default()))
            }
            _ => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests;
