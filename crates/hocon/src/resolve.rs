//! Resolves substitutions.
//!
//! A field may have several definitions, the later on top. They are looked at from the top down until something that is
//! no object is found; objects on the way are merged. While a definition that needs others is resolved, it and all above
//! it are hidden, so that `path = ${path}":/bin"` sees the earlier `path`. A substitution is followed lazily: `${a.b}`
//! needs nothing of `a` but `b`.

use std::collections::HashMap;

use crate::{
    limits::{MAX_PROBLEMS, MAX_RESOLVE_WORK, MAX_SUBSTITUTION_DEPTH, STEP_WORK},
    path::{Path, is_blank},
    problem::Problem,
    raw::{Definition, Fields, Raw, Reference, Slot},
    source::{Origin, Source},
    value::{Kind, Object, Value},
};

/// Why a value cannot be had now.
enum Stop {
    /// It needs itself.
    Circle,
    /// A limit was reached; the problem is noted.
    Limit,
}

type Step<T> = Result<T, Stop>;

/// What is at a path below a value.
enum Found {
    /// Nothing; a definition further down may have it.
    Missing,
    /// Something that is no object is in the way, and hides what is further down.
    Blocked,
    Value(Value),
}

/// Resolves everything.
pub(crate) fn resolve(root: &Fields, environment: &dyn Fn(&str) -> Option<String>) -> Result<Value, Vec<Problem>> {
    let origin = root.slots.values().flat_map(|slot| slot.stack.first()).next().map(|definition| definition.origin.clone());
    let mut resolver = Resolver {
        root,
        environment,
        hidden: HashMap::new(),
        known: HashMap::new(),
        open: HashMap::new(),
        depth: 0,
        work: 0,
        problems: Vec::new(),
    };
    let outcome = resolver.fields(root);
    match outcome {
        Ok(object) if resolver.problems.is_empty() => {
            let origin = origin.unwrap_or_else(|| Origin { source: Source::new("nothing", ""), start: 0, end: 0 });
            Ok(Value { kind: Kind::Object(object), origin })
        }
        _ => Err(resolver.problems),
    }
}

struct Resolver<'r> {
    root: &'r Fields,
    environment: &'r dyn Fn(&str) -> Option<String>,
    /// How many definitions of a slot can be seen, where not all can.
    hidden: HashMap<u32, usize>,
    /// What slots came to be, as far as that is final. Objects are not kept, for their fields are.
    known: HashMap<u32, Value>,
    /// The references being followed, each with the paths wanted below it.
    open: HashMap<u32, Vec<Vec<String>>>,
    depth: usize,
    work: usize,
    problems: Vec<Problem>,
}

impl<'r> Resolver<'r> {
    fn problem(&mut self, problem: Problem) {
        let same = |old: &Problem| {
            old.message == problem.message && old.origin.as_ref().map(|o| o.start) == problem.origin.as_ref().map(|o| o.start)
        };
        if self.problems.len() < MAX_PROBLEMS && !self.problems.iter().any(same) {
            self.problems.push(problem);
        }
    }

    fn count(&mut self, work: usize, origin: &Origin) -> Step<()> {
        self.work = self.work.saturating_add(work);
        if self.work <= MAX_RESOLVE_WORK {
            return Ok(());
        }
        self.problem(Problem::at(origin, "the substitutions make more text than a configuration may have"));
        Err(Stop::Limit)
    }

    fn fields(&mut self, fields: &'r Fields) -> Step<Object> {
        let mut object = Object::default();
        for (key, slot) in &fields.slots {
            if let Some(value) = self.slot(slot)? {
                object.insert(key.clone(), value);
            }
        }
        Ok(object)
    }

    /// Does something with each visible definition of a slot, from the top, until it says that it has enough.
    fn each(&mut self, slot: &'r Slot, mut look: impl FnMut(&mut Self, &'r Definition) -> Step<bool>) -> Step<()> {
        let before = self.hidden.get(&slot.id).copied();
        let visible = before.unwrap_or(slot.stack.len()).min(slot.stack.len());
        for (index, definition) in slot.stack.iter().enumerate().take(visible).rev() {
            let hides = definition.needs_others() && slot.stack.len() > 1;
            if hides {
                self.hidden.insert(slot.id, index);
            }
            let enough = look(self, definition);
            if hides {
                match before {
                    Some(before) => self.hidden.insert(slot.id, before),
                    None => self.hidden.remove(&slot.id),
                };
            }
            if enough? {
                break;
            }
        }
        Ok(())
    }

    fn slot(&mut self, slot: &'r Slot) -> Step<Option<Value>> {
        if !self.hidden.contains_key(&slot.id)
            && let Some(value) = self.known.get(&slot.id).cloned()
        {
            self.count(value.size(), &value.origin)?;
            return Ok(Some(value));
        }
        // While something is hidden or being followed the outcome may hold for that moment only.
        let is_final = self.hidden.is_empty() && self.depth == 0;
        let mut merged: Option<Value> = None;
        let mut closed = false;
        self.each(slot, |resolver, definition| {
            let value = resolver.value(definition)?;
            // Even what is hidden must be resolvable.
            if !closed && let Some(value) = value {
                closed = !matches!(value.kind, Kind::Object(_));
                merged = Some(match merged.take() {
                    Some(upper) => upper.over(value),
                    None => value,
                });
            }
            Ok(false)
        })?;
        if let Some(value) = merged.as_ref().filter(|value| is_final && value.object().is_none()) {
            self.known.insert(slot.id, value.clone());
        }
        Ok(merged)
    }

    fn value(&mut self, definition: &'r Definition) -> Step<Option<Value>> {
        self.count(STEP_WORK, &definition.origin)?;
        let kind = match &definition.raw {
            Raw::Null => Kind::Null,
            Raw::Bool(flag) => Kind::Bool(*flag),
            Raw::Number(text) => Kind::Number(text.clone()),
            Raw::Text(text) | Raw::Blank(text) => {
                self.count(text.len(), &definition.origin)?;
                Kind::Text(text.clone())
            }
            Raw::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(self.value(item)?);
                }
                Kind::List(list)
            }
            Raw::Object(fields) => Kind::Object(self.fields(fields)?),
            Raw::Reference(reference) => return self.reference(reference, &definition.origin),
            Raw::Joined(parts) => return self.joined(parts),
        };
        Ok(Some(Value { kind, origin: definition.origin.clone() }))
    }

    /// Follows a reference inside of `look`. If following it needs itself, whoever followed it first has to cope with that:
    /// the outer error is that this reference is being followed already, the inner one that one on the way was.
    fn follow<T>(
        &mut self,
        reference: &Reference,
        rest: &[String],
        origin: &Origin,
        look: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<Step<T>> {
        self.count(STEP_WORK, origin)?;
        let open = self.open.entry(reference.id).or_default();
        // A path that grows each time never ends either.
        if open.len() > 2 || open.iter().any(|wanted| wanted == rest) {
            return Err(Stop::Circle);
        }
        if self.depth >= MAX_SUBSTITUTION_DEPTH {
            let message = format!("more than {MAX_SUBSTITUTION_DEPTH} substitutions need each other in a row");
            self.problem(Problem::at(origin, message));
            return Err(Stop::Limit);
        }
        open.push(rest.to_vec());
        self.depth += 1;
        let outcome = look(self);
        self.depth -= 1;
        if let Some(open) = self.open.get_mut(&reference.id) {
            open.pop();
        }
        Ok(outcome)
    }

    fn reference(&mut self, reference: &Reference, origin: &Origin) -> Step<Option<Value>> {
        let found = self.follow(reference, &[], origin, |resolver| {
            let whole = resolver.below(resolver.root, &reference.path.0)?;
            match (whole, without_prefix(reference)) {
                (Found::Value(value), _) => Ok(Some(value)),
                (_, Some(path)) => match resolver.below(resolver.root, path)? {
                    Found::Value(value) => Ok(Some(value)),
                    _ => Ok(None),
                },
                _ => Ok(None),
            }
        })?;
        let name = Path(reference.path.0.get(reference.prefix..).unwrap_or_default().to_vec());
        match found {
            Ok(Some(value)) => Ok(Some(value)),
            Ok(None) => {
                let variable = match name.0.as_slice() {
                    [single] => (self.environment)(single),
                    _ => None,
                };
                if variable.is_none() && !reference.optional {
                    let message = format!("`${{{name}}}` is defined neither in the configuration nor in the environment");
                    self.problem(Problem::at(origin, message).hint(format!("define it, or write `${{?{name}}}` if it may be absent")));
                }
                let place = || Origin { source: Source::new(format!("environment {name}"), ""), start: 0, end: 0 };
                Ok(variable.map(|text| Value { kind: Kind::Text(text), origin: place() }))
            }
            Err(Stop::Circle) => {
                if !reference.optional {
                    let message = format!("`${{{name}}}` needs itself to be known");
                    self.problem(Problem::at(origin, message).hint("break the circle of substitutions"));
                }
                Ok(None)
            }
            Err(Stop::Limit) => Err(Stop::Limit),
        }
    }

    /// What is at a path, with nothing resolved beside it.
    fn below(&mut self, fields: &'r Fields, path: &[String]) -> Step<Found> {
        let Some((first, rest)) = path.split_first() else { return Ok(Found::Missing) };
        let Some(slot) = fields.slots.get(first) else { return Ok(Found::Missing) };
        if rest.is_empty() {
            return Ok(self.slot(slot)?.map_or(Found::Missing, Found::Value));
        }
        let mut merged: Option<Value> = None;
        let mut blocked = false;
        self.each(slot, |resolver, definition| {
            Ok(match resolver.inside(definition, rest)? {
                Found::Missing => false,
                Found::Blocked => {
                    blocked = true;
                    true
                }
                Found::Value(value) => lay_below(&mut merged, value),
            })
        })?;
        Ok(match merged {
            Some(value) => Found::Value(value),
            None if blocked => Found::Blocked,
            None => Found::Missing,
        })
    }

    /// What a definition has at a path.
    fn inside(&mut self, definition: &'r Definition, path: &[String]) -> Step<Found> {
        self.count(STEP_WORK, &definition.origin)?;
        match &definition.raw {
            Raw::Object(fields) => self.below(fields, path),
            Raw::Reference(reference) => self.inside_reference(reference, path, &definition.origin),
            Raw::Joined(parts) if parts.iter().all(|p| matches!(p.raw, Raw::Object(_) | Raw::Reference(_) | Raw::Blank(_))) => {
                let mut merged = None;
                for part in parts.iter().rev().filter(|part| !matches!(part.raw, Raw::Blank(_))) {
                    match self.inside(part, path)? {
                        Found::Missing => {}
                        Found::Blocked => break,
                        Found::Value(value) => {
                            if lay_below(&mut merged, value) {
                                break;
                            }
                        }
                    }
                }
                Ok(merged.map_or(Found::Missing, Found::Value))
            }
            _ => Ok(Found::Blocked),
        }
    }

    fn inside_reference(&mut self, reference: &Reference, path: &[String], origin: &Origin) -> Step<Found> {
        let found = self.follow(reference, path, origin, |resolver| {
            let whole: Vec<String> = reference.path.0.iter().chain(path).cloned().collect();
            match (resolver.below(resolver.root, &whole)?, without_prefix(reference)) {
                (Found::Missing, Some(shorter)) => {
                    let whole: Vec<String> = shorter.iter().chain(path).cloned().collect();
                    resolver.below(resolver.root, &whole)
                }
                (found, _) => Ok(found),
            }
        })?;
        match found {
            Err(Stop::Circle) if reference.optional => Ok(Found::Missing),
            found => found,
        }
    }

    fn joined(&mut self, parts: &'r [Definition]) -> Step<Option<Value>> {
        let mut joined: Option<(Value, bool)> = None;
        for part in parts {
            let Some(value) = self.value(part)? else { continue };
            let blank = matches!(&part.raw, Raw::Blank(text) if is_blank(text));
            joined = match joined {
                None => Some((value, blank)),
                Some((left, left_blank)) => match left.followed_by(left_blank, value, blank) {
                    Ok(both) => {
                        if let Kind::Text(text) = &both.kind {
                            self.count(text.len(), &part.origin)?;
                        }
                        Some((both, false))
                    }
                    Err(problem) => {
                        self.problem(problem);
                        return Ok(None);
                    }
                },
            };
        }
        Ok(joined.map(|(value, _)| value))
    }
}

fn without_prefix(reference: &Reference) -> Option<&[String]> {
    if reference.prefix == 0 { None } else { reference.path.0.get(reference.prefix..) }
}

/// Merges a value under what was found above it. True when nothing further down matters.
fn lay_below(merged: &mut Option<Value>, value: Value) -> bool {
    let last = !matches!(value.kind, Kind::Object(_));
    *merged = Some(match merged.take() {
        Some(upper) => upper.over(value),
        None => value,
    });
    last
}
