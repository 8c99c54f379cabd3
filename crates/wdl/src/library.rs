//! The standard library of every version.
//!
//! A function is a row of [`FUNCTIONS`]: its name, how many arguments it takes, the type of its result and what it
//! does. Functions of newer versions are offered to older documents too.

mod args;
mod arrays;
mod files;
mod maps;
mod numbers;
mod objects;
pub(crate) mod patterns;
mod signatures;
mod strings;
mod tables;

pub use self::signatures::SignatureError;
use self::{args::Args, signatures::Params};
use crate::{
    eval::{EvalError, Evaluator},
    source::Span,
    spelling,
    types::Type,
    value::Value,
    version::{Dialect, Version},
};

/// Largest file that `read_lines`, `read_string`, `read_json`, `read_tsv`, `read_map` and `read_object(s)` take, in bytes.
pub const READ_LIMIT: u64 = 512_000_000;
/// Largest file that `read_int`, `read_float` and `read_boolean` take, in bytes.
pub const READ_SCALAR_LIMIT: u64 = 4_096;
/// Most elements of an array that a function makes from nothing or by multiplication (`range`, `cross`).
pub const MAX_ELEMENTS: usize = 20_000_000;
/// Longest text that operators, placeholders and functions build, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 30;

/// Why a function has no result.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether an undefined optional is the cause.
    pub(crate) from_none: bool,
    /// The argument to blame, from 0.
    pub(crate) argument: Option<usize>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Fault { message: message.into(), hint: None, from_none: false, argument: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn argument(mut self, argument: usize) -> Self {
        self.argument = Some(argument);
        self
    }

    pub(crate) fn at(self, span: Span) -> EvalError {
        EvalError { message: self.message, span, hint: self.hint, from_none: self.from_none }
    }
}

type Outcome = Result<Value, Fault>;

struct Function {
    name: &'static str,
    /// Fewest arguments.
    min: usize,
    /// Most arguments.
    max: usize,
    returns: fn(&Params<'_>) -> Result<Type, SignatureError>,
    run: fn(&Args<'_>) -> Outcome,
}

macro_rules! functions {
    ($($name:ident $min:literal ..= $max:literal $returns:expr, $run:expr;)*) => {
        &[$(Function { name: stringify!($name), min: $min, max: $max, returns: $returns, run: $run }),*]
    };
}

/// All functions, by name.
static FUNCTIONS: &[Function] = functions! {
    as_map 1..=1 signatures::as_map, maps::as_map;
    as_pairs 1..=1 signatures::as_pairs, maps::as_pairs;
    basename 1..=2 signatures::path_to_string, strings::basename;
    ceil 1..=1 signatures::rounding, numbers::ceil;
    chunk 2..=2 signatures::chunk, arrays::chunk;
    collect_by_key 1..=1 signatures::collect_by_key, maps::collect_by_key;
    contains 2..=2 signatures::contains, arrays::contains;
    contains_key 2..=2 signatures::contains_key, maps::contains_key;
    cross 2..=2 signatures::pairs, arrays::cross;
    defined 1..=1 signatures::defined, arrays::defined;
    find 2..=2 signatures::find, strings::find;
    flatten 1..=1 signatures::flatten, arrays::flatten;
    floor 1..=1 signatures::rounding, numbers::floor;
    glob 1..=1 signatures::glob, files::glob;
    join_paths 1..=2 signatures::join_paths, strings::join_paths;
    keys 1..=1 signatures::keys, maps::keys;
    length 1..=1 signatures::length, arrays::length;
    matches 2..=2 signatures::matches, strings::matches;
    max 2..=2 signatures::extreme, numbers::max;
    min 2..=2 signatures::extreme, numbers::min;
    prefix 2..=2 signatures::affix, strings::prefix;
    quote 1..=1 signatures::quote, strings::quote;
    range 1..=1 signatures::range, arrays::range;
    read_boolean 1..=1 signatures::read_boolean, files::read_boolean;
    read_float 1..=1 signatures::read_float, files::read_float;
    read_int 1..=1 signatures::read_int, files::read_int;
    read_json 1..=1 signatures::read_json, files::read_json;
    read_lines 1..=1 signatures::read_lines, files::read_lines;
    read_map 1..=1 signatures::read_map, tables::read_map;
    read_object 1..=1 signatures::read_object, objects::read_object;
    read_objects 1..=1 signatures::read_objects, objects::read_objects;
    read_string 1..=1 signatures::read_string, files::read_string;
    read_tsv 1..=3 signatures::read_tsv, tables::read_tsv;
    round 1..=1 signatures::rounding, numbers::round;
    select_all 1..=1 signatures::select_all, arrays::select_all;
    select_first 1..=2 signatures::select_first, arrays::select_first;
    sep 2..=2 signatures::sep, strings::sep;
    size 1..=2 signatures::size, files::size;
    split 2..=2 signatures::split, strings::split;
    squote 1..=1 signatures::quote, strings::squote;
    stderr 0..=0 signatures::file, files::stderr;
    stdout 0..=0 signatures::file, files::stdout;
    sub 3..=3 signatures::sub, strings::sub;
    suffix 2..=2 signatures::affix, strings::suffix;
    transpose 1..=1 signatures::transpose, arrays::transpose;
    unzip 1..=1 signatures::unzip, arrays::unzip;
    value 1..=1 signatures::value, maps::value;
    values 1..=1 signatures::values, maps::values;
    write_json 1..=1 signatures::write_json, files::write_json;
    write_lines 1..=1 signatures::write_lines, files::write_lines;
    write_map 1..=1 signatures::write_map, tables::write_map;
    write_object 1..=1 signatures::write_object, objects::write_object;
    write_objects 1..=1 signatures::write_objects, objects::write_objects;
    write_tsv 1..=3 signatures::write_tsv, tables::write_tsv;
    zip 2..=2 signatures::pairs, arrays::zip;
};

fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

/// Names of all functions, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|f| f.name)
}

/// Calls a function of the library.
///
/// Errors: an unknown name, the wrong number or types of arguments, or what the function itself refuses; `span` is
/// the place they are reported at.
pub fn call(name: &str, args: &[Value], ev: &Evaluator<'_>, span: Span) -> Result<Value, EvalError> {
    invoke(name, args, ev).map_err(|fault| fault.at(span))
}

/// Like [`call`], the error naming the argument to blame.
pub(crate) fn invoke(name: &str, args: &[Value], ev: &Evaluator<'_>) -> Outcome {
    let Some(function) = function(name) else {
        let (message, hint) = unknown(name);
        return Err(Fault { hint, ..Fault::new(message) });
    };
    if let Some(message) = wrong_count(function, args.len()) {
        return Err(Fault::new(message));
    }
    (function.run)(&Args { name: function.name, values: args, ev })
}

/// The type of a call's result.
///
/// The version makes no difference so far: older documents get the functions of newer ones.
///
/// Errors: an unknown name, the wrong number of arguments, or an argument that can never fit.
pub fn return_type(name: &str, args: &[Type], _version: Version, dialect: Dialect) -> Result<Type, SignatureError> {
    let Some(function) = function(name) else {
        let (message, hint) = unknown(name);
        return Err(SignatureError { message, argument: None, hint });
    };
    if let Some(message) = wrong_count(function, args.len()) {
        // The first argument too many is the one to mark.
        let argument = (args.len() > function.max).then_some(function.max);
        return Err(SignatureError { message, argument, hint: None });
    }
    (function.returns)(&Params { name: function.name, types: args, dialect })
}

fn unknown(name: &str) -> (String, Option<String>) {
    let hint = spelling::nearest(name, names()).map(|near| format!("did you mean `{near}`?"));
    (format!("unknown function `{name}`"), hint)
}

fn wrong_count(function: &Function, given: usize) -> Option<String> {
    if (function.min..=function.max).contains(&given) {
        return None;
    }
    let wanted = match (function.min, function.max) {
        (0, 0) => "no arguments".to_owned(),
        (1, 1) => "1 argument".to_owned(),
        (min, max) if min == max => format!("{min} arguments"),
        (min, max) => format!("{min} to {max} arguments"),
    };
    Some(format!("`{}` takes {wanted}, {given} given", function.name))
}

#[cfg(test)]
mod tests;
