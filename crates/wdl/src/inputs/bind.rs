//! Binding a JSON object to inputs: names to declarations, JSON to values, every problem at once.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{InputSpec, calls, collect, resolved};
use crate::{
    check::requirements::{REQUIREMENTS, fits, wanted},
    json::{from_json, from_json_any},
    module::Callee,
    spelling,
    types::Type,
    value::Value,
    version::{Dialect, Version},
};

/// Values for inputs, and what to tell about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bound {
    /// Values by the way to the input below the callee: `x`, `call.x`, `sub.inner.x`. An explicit `null` of an
    /// optional input is [`Value::None`] here.
    pub values: IndexMap<String, Value>,
    /// Overrides of task attributes: `call.runtime.cpu`, `call.requirements.memory`, `call.hints.x`; for a task
    /// `runtime.cpu`.
    pub overrides: IndexMap<String, Value>,
    /// What was ignored or is discouraged, in sentences.
    pub notes: Vec<String>,
}

/// Why a run cannot start with these inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputProblem {
    /// The key in the JSON, or the full name of what is missing.
    pub key: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a name below the callee means.
enum Target {
    Input {
        ty: Type,
        has_default: bool,
        nested: bool,
    },
    Override,
    /// The call sets this input itself.
    Set {
        call: String,
    },
}

/// Binds a JSON object with fully qualified names to the inputs of a task or workflow.
///
/// Names without the prefix count where no full name is given. The error lists all problems: values of wrong type,
/// unknown and missing names, inputs that a call sets itself.
pub fn bind(callee: &Callee, json: &Map<String, Json>, dialect: Dialect) -> Result<Bound, Vec<InputProblem>> {
    bind_as(callee, json, dialect, None)
}

/// As [`bind`]; `strict` says whether names that mean nothing are problems. Otherwise they are only noted, as is usual in
/// draft-2.
pub fn bind_as(callee: &Callee, json: &Map<String, Json>, dialect: Dialect, strict: Option<bool>) -> Result<Bound, Vec<InputProblem>> {
    let all = collect(callee, true).into_iter().map(|found| found.spec).collect();
    let mut binding = Binding {
        callee,
        dialect,
        strict: strict.unwrap_or(callee.module().document.version != Version::Draft2),
        json,
        all,
        bound: Bound::default(),
        problems: Vec::new(),
        seen: HashSet::new(),
        nested: None,
        ignored: Vec::new(),
    };
    for (key, value) in json {
        binding.key(key, value);
    }
    binding.find_missing();
    let version = callee.module().document.version;
    if let Some(first) = binding.nested.take()
        && version > Version::V1_0
        && !callee.allows_nested_inputs()
    {
        if version >= Version::V1_2 {
            let message = format!("`{first}` sets an input of a call, which workflow `{}` does not allow", callee.name());
            binding.problem(&first, message, Some("add `hints { allow_nested_inputs: true }` to the workflow".to_owned()));
            return Err(binding.problems);
        }
        binding.bound.notes.push(format!(
            "`{first}` sets an input of a call, for which workflow `{}` should have `allowNestedInputs: true` in its `meta`",
            callee.name()
        ));
    }
    if binding.problems.is_empty() { Ok(binding.bound) } else { Err(binding.problems) }
}

struct Binding<'a> {
    callee: &'a Callee,
    dialect: Dialect,
    /// Whether names that mean nothing are problems.
    strict: bool,
    json: &'a Map<String, Json>,
    /// All inputs that can be set, with their names below the callee.
    all: Vec<InputSpec>,
    bound: Bound,
    problems: Vec<InputProblem>,
    /// Inputs that the JSON mentions, usable or not.
    seen: HashSet<String>,
    /// The first key that sets an input of a call.
    nested: Option<String>,
    /// Keys that mean nothing and are passed over.
    ignored: Vec<String>,
}

impl Binding<'_> {
    fn problem(&mut self, key: &str, message: String, hint: Option<String>) {
        self.problems.push(InputProblem { key: key.to_owned(), message, hint });
    }

    fn kind(&self) -> &'static str {
        if matches!(self.callee, Callee::Task(..)) { "task" } else { "workflow" }
    }

    fn key(&mut self, key: &str, json: &Json) {
        let name = self.callee.name();
        if !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.bound.notes.push(format!("`{key}` is ignored as a comment"));
            return;
        }
        let below = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        if let Some((path, target)) = below.and_then(|path| find(self.callee, path).map(|t| (path, t))) {
            return self.target(key, path, target, json);
        }
        // Without the prefix, unless the full name is given too.
        if let Some(target) = find(self.callee, key) {
            let full = format!("{name}.{key}");
            if self.json.contains_key(&full) {
                self.bound.notes.push(format!("`{key}` is ignored, `{full}` counts"));
                return;
            }
            return self.target(key, key, target, json);
        }
        self.unknown(key, below.is_some());
    }

    fn unknown(&mut self, key: &str, prefixed: bool) {
        let (kind, name) = (self.kind(), self.callee.name());
        if !self.strict {
            self.bound.notes.push(format!("`{key}` is ignored, {kind} `{name}` has no such input"));
            self.ignored.push(key.to_owned());
        } else if !prefixed && key.contains('.') {
            self.bound.notes.push(format!("`{key}` is ignored, it does not begin with `{name}.`"));
        } else {
            let below = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(key);
            let hint = match spelling::nearest(below, self.all.iter().map(|spec| spec.name.as_str())) {
                Some(near) => format!("did you mean `{name}.{near}`?"),
                None => list(name, &self.all),
            };
            self.problem(key, format!("unexpected input `{key}`: {kind} `{name}` has no such input"), Some(hint));
        }
    }

    fn target(&mut self, key: &str, path: &str, target: Target, json: &Json) {
        match target {
            Target::Override => {
                self.check_override(key, path, json);
                self.bound.overrides.insert(path.to_owned(), from_json_any(json));
            }
            Target::Set { call } => {
                self.seen.insert(path.to_owned());
                let message = format!("`{key}` cannot be overridden, call `{call}` sets this input itself");
                if !self.strict {
                    self.bound.notes.push(format!("`{key}` is ignored, call `{call}` sets this input itself"));
                } else {
                    self.problem(key, message, Some("remove the key, or the input from the call".to_owned()));
                }
            }
            Target::Input { ty, has_default, nested } => {
                self.seen.insert(path.to_owned());
                if nested && self.nested.is_none() {
                    self.nested = Some(key.to_owned());
                }
                self.input(key, path, &ty, has_default, json);
            }
        }
    }

    /// Requirements are a closed list, each with its types.
    fn check_override(&mut self, key: &str, path: &str, json: &Json) {
        let mut steps = path.rsplit('.');
        let (Some(name), Some("requirements")) = (steps.next(), steps.next()) else { return };
        if !REQUIREMENTS.contains(&name) {
            let hint = match spelling::nearest(name, REQUIREMENTS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the requirements are {}", REQUIREMENTS.join(", ")),
            };
            return self.problem(key, format!("`{key}` names no requirement"), Some(hint));
        }
        let types = wanted(name);
        let given = from_json_any(json).type_of();
        if !json.is_null() && !types.iter().any(|ty| fits(&given, ty)) {
            let list = types.iter().map(|ty| format!("`{ty}`")).collect::<Vec<_>>().join(" or ");
            self.problem(key, format!("`{key}` must be {list}, not `{given}`"), None);
        }
    }

    fn input(&mut self, key: &str, path: &str, ty: &Type, has_default: bool, json: &Json) {
        if json.is_null() && !ty.is_optional() {
            // The default counts as if the key were absent.
            if !has_default {
                let message = format!("required {} input `{key}` is null", self.kind());
                self.problem(key, message, Some(format!("it needs a value of type `{ty}`")));
            }
            return;
        }
        match from_json(json, ty, self.dialect) {
            Ok(value) => {
                self.bound.values.insert(path.to_owned(), value);
            }
            Err(e) => {
                let place = if e.path.is_empty() { String::new() } else { format!(" at `{}`", e.path) };
                self.problem(key, format!("input `{key}`{place}: {}", e.message), Some(format!("`{key}` has type `{ty}`")));
            }
        }
    }

    fn find_missing(&mut self) {
        let missing = self.all.iter().filter(|spec| spec.required && !self.seen.contains(&spec.name));
        let problem = |spec: &InputSpec| {
            let key = format!("{}.{}", self.callee.name(), spec.name);
            let message = format!("required {} input `{key}` not specified", self.kind());
            let hint = match spelling::nearest(&key, self.ignored.iter().map(String::as_str)) {
                Some(near) => format!("`{near}` is given and means nothing: was it meant?"),
                None => format!("it needs a value of type `{}`", spec.ty),
            };
            InputProblem { key, message, hint: Some(hint) }
        };
        let problems: Vec<InputProblem> = missing.map(problem).collect();
        self.problems.extend(problems);
    }
}

/// The known names, as many as one reads.
fn list(name: &str, known: &[InputSpec]) -> String {
    const SHOWN: usize = 12;
    if known.is_empty() {
        return "it has no inputs".to_owned();
    }
    let shown: Vec<String> = known.iter().take(SHOWN).map(|spec| format!("`{name}.{}`", spec.name)).collect();
    let rest = known.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("its inputs are {}{more}", shown.join(", "))
}

/// What a name below the callee means; `None` when nothing.
fn find(callee: &Callee, path: &str) -> Option<Target> {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let Some(rest) = rest else {
        let decls = callee.input_decls();
        let decl = decls.into_iter().find(|d| &*d.name.text == first)?;
        return Some(Target::Input { ty: resolved(callee.module(), decl), has_default: decl.value.is_some(), nested: false });
    };
    match callee {
        Callee::Task(..) => matches!(first, "runtime" | "requirements" | "hints").then_some(Target::Override),
        Callee::Workflow(module, workflow) => {
            let call = calls(&workflow.body).into_iter().find(|c| &*c.name().text == first)?;
            let target = find(&module.callee(&call.target)?, rest)?;
            let is_set = call.inputs.iter().any(|(name, _)| &*name.text == rest);
            Some(match target {
                Target::Input { .. } if is_set => Target::Set { call: first.to_owned() },
                Target::Input { ty, has_default, .. } => Target::Input { ty, has_default, nested: true },
                other => other,
            })
        }
    }
}

/// The JSON for a value given as text on a command line.
///
/// For strings and paths the text itself; for other types JSON. A text that is not JSON stays a string, so that
/// binding it tells what is wrong.
pub fn parse_argument(text: &str, ty: &Type) -> Json {
    match ty.required() {
        Type::String | Type::File | Type::Directory | Type::Enum(_) => Json::from(text),
        Type::Boolean if text.eq_ignore_ascii_case("true") => Json::from(true),
        Type::Boolean if text.eq_ignore_ascii_case("false") => Json::from(false),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
    }
}
