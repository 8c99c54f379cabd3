//! Conversions judged from types alone, before the run.

use std::sync::Arc;

use crate::{
    rule::Rule,
    types::{StructType, Type},
    version::Dialect,
};

/// Whether values of one type can be used as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coercion {
    /// Always, or as a matter of course.
    Yes,
    /// It may work, but the author should know.
    Discouraged(Doubt),
    /// Never.
    No,
}

/// Why a conversion may not work, or not mean what it seems to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Entries of a map as pairs, or pairs as a map.
    Entries,
    /// A number, truth value or path as text.
    Text,
    /// A file as text: the text is a path, and the file stays where it is.
    FileText,
    /// A text as number or truth value.
    Unreadable,
    /// A number with decimals as `Int`.
    Fraction,
    /// An object as pair.
    Members,
    /// An array as one that is never empty.
    Empty,
    /// An optional value as one that is always defined.
    Undefined,
}

impl Doubt {
    /// The end of a sentence that tells it.
    pub fn text(self) -> &'static str {
        match self {
            Doubt::Entries => "use `as_pairs` or `as_map`",
            Doubt::Text | Doubt::FileText => "the specification does not convert this to `String`, use `\"~{...}\"`",
            Doubt::Unreadable => "not every text is such a value",
            Doubt::Fraction => "only whole numbers convert, use `floor`, `ceil` or `round`",
            Doubt::Members => "only an object with `left` and `right` converts",
            Doubt::Empty => "the array may be empty",
            Doubt::Undefined => "the value may be undefined",
        }
    }

    /// The kind of the warning.
    pub fn rule(self) -> Rule {
        match self {
            Doubt::Empty => Rule::PossiblyEmpty,
            Doubt::Undefined => Rule::OptionalValue,
            Doubt::FileText => Rule::FileAsText,
            _ => Rule::Coercion,
        }
    }
}

const FROM_OPTIONAL: Coercion = Coercion::Discouraged(Doubt::Undefined);
const TO_NONEMPTY: Coercion = Coercion::Discouraged(Doubt::Empty);
const TO_STRING: Coercion = Coercion::Discouraged(Doubt::Text);
const FILE_TO_STRING: Coercion = Coercion::Discouraged(Doubt::FileText);
const FROM_STRING: Coercion = Coercion::Discouraged(Doubt::Unreadable);
const FROM_FLOAT: Coercion = Coercion::Discouraged(Doubt::Fraction);
const MAP_AND_PAIRS: Coercion = Coercion::Discouraged(Doubt::Entries);
const FROM_OBJECT: Coercion = Coercion::Discouraged(Doubt::Members);

impl Coercion {
    /// The worse of two.
    pub fn and(self, other: Coercion) -> Coercion {
        self.max(other)
    }

    /// Whether it can work at all.
    pub fn is_possible(self) -> bool {
        self != Coercion::No
    }

    /// As it is for Cromwell, which converts without a word what succeeds.
    fn silent_in(self, dialect: Dialect) -> Coercion {
        match (self, dialect) {
            (Coercion::Discouraged(_), Dialect::Cromwell) => Coercion::Yes,
            _ => self,
        }
    }
}

/// Whether values of type `from` can be used as `to`.
///
/// For [`Dialect::Cromwell`] the answer is never `No` for what can succeed at run time.
pub fn can_coerce(from: &Type, to: &Type, dialect: Dialect) -> Coercion {
    match (from, to) {
        (Type::Any, _) | (_, Type::Any) => Coercion::Yes,
        (Type::None, Type::Optional(_) | Type::None) => Coercion::Yes,
        (Type::None, _) | (_, Type::None) => Coercion::No,
        (_, Type::Optional(to)) => can_coerce(from.required(), to, dialect),
        (Type::Optional(from), _) => can_coerce(from, to, dialect).and(FROM_OPTIONAL),
        _ if from == to => Coercion::Yes,
        _ => compound(from, to, dialect).unwrap_or_else(|| primitive(from, to, dialect)),
    }
}

fn primitive(from: &Type, to: &Type, dialect: Dialect) -> Coercion {
    match (from, to) {
        (Type::Int, Type::Float) | (Type::String, Type::File | Type::Directory | Type::Enum(_)) | (Type::Enum(_), Type::String) => {
            Coercion::Yes
        }
        (Type::File | Type::Directory, Type::String) => FILE_TO_STRING.silent_in(dialect),
        (Type::Boolean | Type::Int | Type::Float, Type::String) => TO_STRING.silent_in(dialect),
        (Type::String, Type::Int | Type::Float) => FROM_STRING.silent_in(dialect),
        (Type::String, Type::Boolean) if dialect == Dialect::Cromwell => Coercion::Yes,
        (Type::Float, Type::Int) => FROM_FLOAT,
        _ => Coercion::No,
    }
}

/// The answer for pairs of compound types that have rules; `None` leaves it to the primitive table.
fn compound(from: &Type, to: &Type, dialect: Dialect) -> Option<Coercion> {
    let can = |a: &Type, b: &Type| can_coerce(a, b, dialect);
    Some(match (from, to) {
        (Type::Array { item: a, nonempty: full }, Type::Array { item: b, nonempty: needs }) => {
            let items = match (&**a, &**b) {
                // `read_lines` may be assigned to an array of any primitive type.
                (Type::String, Type::Boolean) => FROM_STRING.silent_in(dialect),
                (a, b) => can(a, b),
            };
            if *needs && !*full { items.and(TO_NONEMPTY.silent_in(dialect)) } else { items }
        }
        (Type::Map(k, v), Type::Array { item, .. }) => match item.required() {
            Type::Pair(l, r) => can(k, l).and(can(v, r)).and(MAP_AND_PAIRS.silent_in(dialect)),
            Type::Any => Coercion::Yes,
            _ if dialect == Dialect::Cromwell => can(from, item),
            _ => Coercion::No,
        },
        // Cromwell takes one value for an array of one.
        (_, Type::Array { item, .. }) if dialect == Dialect::Cromwell => can(from, item),
        (Type::Array { item, .. }, Type::Map(k, v)) => match item.required() {
            Type::Pair(l, r) => can(l, k).and(can(r, v)).and(MAP_AND_PAIRS.silent_in(dialect)),
            Type::Any => MAP_AND_PAIRS.silent_in(dialect),
            _ => Coercion::No,
        },
        (Type::Map(k1, v1), Type::Map(k2, v2)) => can(k1, k2).and(can(v1, v2)),
        (Type::Pair(l1, r1), Type::Pair(l2, r2)) => can(l1, l2).and(can(r1, r2)),
        (Type::Map(k, _), Type::Object) => name_like(k),
        (Type::Map(k, v), Type::Struct(s)) => {
            let members = s.members.iter().map(|(_, t)| (v.as_ref(), t));
            name_like(k).and(all_members(members, dialect))
        }
        (Type::Object, Type::Map(k, _)) => can(&Type::String, k),
        (Type::Object, Type::Struct(_)) | (Type::Struct(_) | Type::Call(_), Type::Object) => Coercion::Yes,
        (Type::Object, Type::Pair(..)) => FROM_OBJECT,
        (Type::Struct(s) | Type::Call(s), Type::Map(k, v)) => {
            all_members(s.members.iter().map(|(_, t)| (t, v.as_ref())), dialect).and(can(&Type::String, k))
        }
        (Type::Struct(a) | Type::Call(a), Type::Struct(b)) => structs(a, b, dialect),
        (Type::Call(a), Type::Call(b)) => structs(a, b, dialect),
        _ => return None,
    })
}

/// Whether keys of this type can be member names.
fn name_like(key: &Type) -> Coercion {
    match key {
        Type::String | Type::File | Type::Directory | Type::Int | Type::Boolean | Type::Any => Coercion::Yes,
        _ => Coercion::No,
    }
}

fn all_members<'a>(members: impl Iterator<Item = (&'a Type, &'a Type)>, dialect: Dialect) -> Coercion {
    members.fold(Coercion::Yes, |all, (from, to)| match can_coerce(from, to, dialect) {
        // The member may be absent from the value, which is known only at run time.
        Coercion::No if to.is_optional() => all,
        one => all.and(one),
    })
}

fn structs(from: &StructType, to: &StructType, dialect: Dialect) -> Coercion {
    let extra = from.members.iter().any(|(n, _)| to.member(n).is_none());
    if extra && dialect == Dialect::Specification {
        return Coercion::No;
    }
    to.members.iter().fold(Coercion::Yes, |all, (name, wanted)| match from.member(name) {
        Some(have) => all.and(can_coerce(have, wanted, dialect)),
        None if wanted.is_optional() => all,
        None => Coercion::No,
    })
}

/// The type that values of both types can be used as: of array elements, map entries and the branches of an `if`.
pub fn unify(a: &Type, b: &Type, dialect: Dialect) -> Option<Type> {
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::None, t) | (t, Type::None) => t.clone().optional(),
        (Type::Optional(_), _) | (_, Type::Optional(_)) => unify(a.required(), b.required(), dialect)?.optional(),
        (Type::Int, Type::Float) | (Type::Float, Type::Int) => Type::Float,
        (Type::String, t) | (t, Type::String) if is_simple(t) => Type::String,
        (Type::Array { item: x, nonempty: m }, Type::Array { item: y, nonempty: n }) => {
            Type::Array { item: Arc::new(unify(x, y, dialect)?), nonempty: *m && *n }
        }
        (Type::Map(k1, v1), Type::Map(k2, v2)) => Type::map(unify(k1, k2, dialect)?, unify(v1, v2, dialect)?),
        (Type::Pair(l1, r1), Type::Pair(l2, r2)) => Type::pair(unify(l1, l2, dialect)?, unify(r1, r2, dialect)?),
        _ if is_simple(a) && is_simple(b) && dialect == Dialect::Cromwell => Type::String,
        // That one value can be taken for an array does not make the two one type.
        _ if is_array(a) != is_array(b) && !matches!((a, b), (Type::Map(..), _) | (_, Type::Map(..))) => return None,
        _ => match (can_coerce(a, b, dialect).is_possible(), can_coerce(b, a, dialect).is_possible()) {
            (true, true) => {
                if rank(a) > rank(b) {
                    a.clone()
                } else {
                    b.clone()
                }
            }
            (true, false) => b.clone(),
            (false, true) => a.clone(),
            (false, false) if [a, b].iter().all(|t| can_coerce(t, &Type::Object, dialect).is_possible()) => Type::Object,
            (false, false) => return None,
        },
    })
}

/// Of two types that convert both ways, the one that says more about its values; 0 for what has no named members.
fn rank(ty: &Type) -> u8 {
    match ty {
        Type::Struct(_) => 3,
        Type::Object => 2,
        Type::Map(..) => 1,
        _ => 0,
    }
}

fn is_array(ty: &Type) -> bool {
    matches!(ty, Type::Array { .. })
}

fn is_simple(ty: &Type) -> bool {
    matches!(ty, Type::Boolean | Type::Int | Type::Float | Type::String | Type::File | Type::Directory | Type::Enum(_))
}
