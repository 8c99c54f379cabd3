//! Takes values out of a resolved configuration, remembers which keys were read, and gathers what is wrong with them.

use std::{cell::RefCell, collections::BTreeSet, ops::RangeInclusive, time::Duration};

use batchyard_hocon::{Kind, Length, Object, Origin, Problem, Value};
use serde_json::{Map, Number, Value as Json};

use super::Note;

/// A configuration being read.
pub(super) struct Reader<'v> {
    root: &'v Value,
    problems: RefCell<Vec<Problem>>,
    notes: RefCell<Vec<Note>>,
    read: RefCell<BTreeSet<String>>,
}

impl<'v> Reader<'v> {
    pub(super) fn new(root: &'v Value) -> Self {
        Reader { root, problems: RefCell::default(), notes: RefCell::default(), read: RefCell::default() }
    }

    /// Problems, notes and the keys that were asked for.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Note>, BTreeSet<String>) {
        (self.problems.into_inner(), self.notes.into_inner(), self.read.into_inner())
    }

    pub(super) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn note(&self, note: Note) {
        self.notes.borrow_mut().push(note);
    }

    /// A problem at the value of a key, or without a place where there is none.
    pub(super) fn problem_at(&self, path: &str, message: String, hint: impl Into<String>) {
        let problem = match self.origin(path) {
            Some(origin) => Problem::at(origin, message),
            None => Problem::new(message),
        };
        self.problem(problem.hint(hint));
    }

    pub(super) fn note_at(&self, path: &str, message: String, hint: &str) {
        self.note(Note { message, origin: self.origin(path).cloned(), hint: Some(hint.into()) });
    }

    /// Whether nothing below a path comes from the user.
    pub(super) fn is_built_in(&self, path: &str) -> bool {
        self.root.get(path).is_some_and(|value| value.leaves().iter().all(|(_, leaf)| super::is_built_in(&leaf.origin)))
    }

    pub(super) fn origin(&self, path: &str) -> Option<&'v Origin> {
        self.root.get(path).map(|value| &value.origin)
    }

    fn keep<T>(&self, path: &str, got: Result<Option<T>, Problem>) -> Option<T> {
        self.read.borrow_mut().insert(path.into());
        got.unwrap_or_else(|problem| {
            self.problem(problem);
            None
        })
    }

    /// A value that our own defaults always hold, unless a file has set it to `null`.
    fn need<T: Default>(&self, path: &str, got: Result<Option<T>, Problem>) -> T {
        let missing = matches!(got, Ok(None));
        if missing {
            self.problem(Problem::new(format!("`{path}` must not be null")).hint("remove the key to get the default"));
        }
        self.keep(path, got).unwrap_or_default()
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.keep(path, self.root.string(path))
    }

    pub(super) fn need_text(&self, path: &str) -> String {
        self.need(path, self.root.string(path))
    }

    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        self.keep(path, self.root.boolean(path))
    }

    pub(super) fn need_flag(&self, path: &str) -> bool {
        self.need(path, self.root.boolean(path))
    }

    /// A whole number in a range that `T` can hold.
    pub(super) fn whole<T: TryFrom<i64>>(&self, path: &str, range: RangeInclusive<i64>) -> Option<T> {
        self.keep(path, self.root.integer(path, range)).and_then(|number| T::try_from(number).ok())
    }

    pub(super) fn need_whole<T: TryFrom<i64> + Default>(&self, path: &str, range: RangeInclusive<i64>) -> T {
        T::try_from(self.need(path, self.root.integer(path, range))).unwrap_or_default()
    }

    pub(super) fn need_number(&self, path: &str, range: RangeInclusive<f64>) -> f64 {
        let number = self.need(path, self.root.number(path));
        if !range.contains(&number) && self.root.number(path).is_ok() {
            let message = format!("`{path}` must be a number from {} to {}", range.start(), range.end());
            self.problem_at(path, message, "remove the key to get the default");
        }
        number
    }

    pub(super) fn duration(&self, path: &str) -> Option<Duration> {
        self.keep(path, self.root.duration(path))
    }

    pub(super) fn need_duration(&self, path: &str) -> Duration {
        self.need(path, self.root.duration(path))
    }

    /// A length of time; nothing is without end.
    pub(super) fn need_length(&self, path: &str) -> Option<Duration> {
        match self.need(path, self.root.length(path).map(|length| length.map(Some))) {
            Some(Length::Finite(duration)) => Some(duration),
            Some(Length::Infinite) | None => None,
        }
    }

    /// A size in bytes.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        self.keep(path, self.root.bytes(path))
    }

    pub(super) fn need_size(&self, path: &str) -> u64 {
        self.need(path, self.root.bytes(path))
    }

    pub(super) fn texts(&self, path: &str) -> Option<Vec<String>> {
        self.keep(path, self.root.strings(path))
    }

    pub(super) fn need_texts(&self, path: &str) -> Vec<String> {
        self.need(path, self.root.strings(path))
    }

    pub(super) fn object(&self, path: &str) -> Option<&'v Object> {
        self.keep(path, self.root.fields(path))
    }

    /// The names in an object whose entries are read on their own.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        match self.root.fields(path) {
            Ok(fields) => fields.map(|fields| fields.keys().cloned().collect()).unwrap_or_default(),
            Err(problem) => {
                self.problem(problem);
                Vec::new()
            }
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, path: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(path)?;
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word)).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.problem_at(
                path,
                format!("`{path}` must be one of {}, not `{word}`", names.join(", ")),
                "remove the key to get the default",
            );
        }
        found
    }
}

/// A value as JSON: numbers stay numbers where JSON has them.
pub(super) fn json(value: &Value) -> Json {
    match &value.kind {
        Kind::Null => Json::Null,
        Kind::Bool(flag) => Json::Bool(*flag),
        Kind::Number(text) => number(text).map_or_else(|| Json::String(text.clone()), Json::Number),
        Kind::Text(text) => Json::String(text.clone()),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Object(fields) => Json::Object(object_json(fields)),
    }
}

pub(super) fn object_json(fields: &Object) -> Map<String, Json> {
    fields.iter().map(|(key, value)| (key.clone(), json(value))).collect()
}

fn number(text: &str) -> Option<Number> {
    text.parse::<i64>().ok().map(Number::from).or_else(|| Number::from_f64(text.parse().ok()?))
}
