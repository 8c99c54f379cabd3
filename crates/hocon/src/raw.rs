//! The tree of a parsed document before its substitutions are resolved, and how a later definition joins an earlier one.

use indexmap::IndexMap;

use crate::{path::Path, source::Origin};

/// A value as written.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Null,
    Bool(bool),
    /// The number as written.
    Number(String),
    Text(String),
    /// Blanks between two parts on one line.
    Blank(String),
    List(Vec<Definition>),
    Object(Fields),
    Reference(Reference),
    /// Parts that stand side by side and are joined when they are known.
    Joined(Vec<Definition>),
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// A substitution.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// Set by [`Fields::number`].
    pub(crate) id: u32,
    /// From the root of everything, the place of the include counted.
    pub(crate) path: Path,
    pub(crate) optional: bool,
    /// How many leading elements of the path are the place of the include; without them it is tried again.
    pub(crate) prefix: usize,
}

/// The fields of an object, each with all definitions that may still matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) slots: IndexMap<String, Slot>,
}

/// The definitions of one field, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// Set by [`Fields::number`].
    pub(crate) id: u32,
    pub(crate) stack: Vec<Definition>,
}

impl Definition {
    pub(crate) fn new(raw: Raw, origin: Origin) -> Self {
        Definition { raw, origin }
    }

    /// Whether the value is known without resolving anything.
    pub(crate) fn is_known(&self) -> bool {
        match &self.raw {
            Raw::Reference(_) | Raw::Joined(_) => false,
            Raw::List(items) => items.iter().all(Definition::is_known),
            Raw::Object(fields) => fields.slots.values().all(|slot| slot.stack.iter().all(Definition::is_known)),
            _ => true,
        }
    }

    /// Whether a definition below it can only be seen through a substitution.
    pub(crate) fn needs_others(&self) -> bool {
        matches!(self.raw, Raw::Reference(_) | Raw::Joined(_))
    }
}

impl Slot {
    /// Adds a later definition. What it hides for ever is dropped.
    pub(crate) fn define(&mut self, new: Definition) {
        if new.is_known() && !matches!(new.raw, Raw::Object(_)) {
            self.stack.clear();
        }
        match (self.stack.last_mut(), new) {
            (Some(Definition { raw: Raw::Object(old), origin }), Definition { raw: Raw::Object(fields), origin: later }) => {
                old.merge(fields);
                *origin = later;
            }
            (_, new) => self.stack.push(new),
        }
    }
}

impl Fields {
    /// Defines what is at a path; objects on the way are made.
    pub(crate) fn define(&mut self, path: &[String], value: Definition) {
        let Some((first, rest)) = path.split_first() else { return };
        let origin = value.origin.clone();
        let value = if rest.is_empty() {
            value
        } else {
            let mut inner = Fields::default();
            inner.define(rest, value);
            Definition::new(Raw::Object(inner), origin)
        };
        self.slots.entry(first.clone()).or_default().define(value);
    }

    /// Lays later fields over these.
    pub(crate) fn merge(&mut self, later: Fields) {
        for (key, slot) in later.slots {
            let mine = self.slots.entry(key).or_default();
            for definition in slot.stack {
                mine.define(definition);
            }
        }
    }

    /// Gives every slot and reference its number, from `next` on.
    pub(crate) fn number(&mut self, next: &mut u32) {
        for slot in self.slots.values_mut() {
            *next += 1;
            slot.id = *next;
            slot.stack.iter_mut().for_each(|definition| number(definition, next));
        }
    }
}

fn number(definition: &mut Definition, next: &mut u32) {
    match &mut definition.raw {
        Raw::Reference(reference) => {
            *next += 1;
            reference.id = *next;
        }
        Raw::List(parts) | Raw::Joined(parts) => parts.iter_mut().for_each(|part| number(part, next)),
        Raw::Object(fields) => fields.number(next),
        _ => {}
    }
}

/// Puts parts that stand side by side together as far as they are known.
pub(crate) fn join(parts: Vec<Definition>) -> Option<Definition> {
    let mut joined: Vec<Definition> = Vec::new();
    for part in parts {
        match (joined.last_mut().map(|last| &mut last.raw), part) {
            (Some(Raw::Object(left)), Definition { raw: Raw::Object(right), .. }) => left.merge(right),
            (Some(Raw::List(left)), Definition { raw: Raw::List(right), .. }) => left.extend(right),
            (_, part) => joined.push(part),
        }
    }
    let origin = joined.first()?.origin.clone();
    if joined.len() == 1 { joined.pop() } else { Some(Definition::new(Raw::Joined(joined), origin)) }
}
