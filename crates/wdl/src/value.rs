//! Values. Cheap to clone: everything of variable size is shared.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::types::EnumType;

/// A WDL value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`, an undefined optional
    None,
    /// `Boolean`
    Boolean(bool),
    /// `Int`
    Int(i64),
    /// `Float`
    Float(f64),
    /// `String`
    String(Arc<str>),
    /// `File`: path or URL as the engine knows it (the [`crate::eval::Host`] maps it for commands)
    File(Arc<str>),
    /// `Directory`: path or URL without trailing slash
    Directory(Arc<str>),
    /// `Array`
    Array(Arc<Vec<Value>>),
    /// `Map`: pairs in order of insertion
    Map(Arc<Vec<(Value, Value)>>),
    /// `Pair`
    Pair(Arc<(Value, Value)>),
    /// `Object`, a struct, or the outputs of a call
    Object(Arc<ObjectValue>),
    /// A choice of an enum (1.3): the enum and the index of the choice
    Enum(Arc<EnumType>, usize),
}

/// Members by name, in order, with the struct they belong to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ObjectValue {
    /// Name of the struct type, `None` for a plain `Object`.
    pub struct_name: Option<Arc<str>>,
    /// Members in order.
    pub members: IndexMap<Arc<str>, Value>,
}

impl Value {
    /// A string value.
    pub fn string(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// A file value.
    pub fn file(path: impl Into<Arc<str>>) -> Value {
        Value::File(path.into())
    }

    /// An array value.
    pub fn array(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }

    /// Whether it is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }
}

/// About how long the JSON text of values is, in bytes. What is shared counts as often as it stands there; counting ends a
/// little above `most`, so that a value which holds itself a million times over is no work.
pub fn text_bytes<'a>(values: impl IntoIterator<Item = &'a Value>, most: u64) -> u64 {
    TEXT.of(&mut values.into_iter(), most)
}

/// Bytes of memory that a copy of a value takes in which nothing is shared; counting ends a little above `most`.
pub fn copy_bytes(value: &Value, most: u64) -> u64 {
    COPY.of(&mut [value].into_iter(), most)
}

/// Bytes that the allocator and the counters of a shared text or list take besides its content.
pub const SHARED_BYTES: u64 = 32;

/// What the parts of a value count, in bytes.
struct Measure {
    /// A value of whatever kind.
    each: u64,
    /// A number or another value of fixed size besides.
    fixed: u64,
    /// A text or list besides, and its content.
    shared: u64,
}

const TEXT: Measure = Measure { each: 1, fixed: 8, shared: 0 };
const COPY: Measure = Measure { each: size_of::<Value>() as u64, fixed: 0, shared: SHARED_BYTES };

impl Measure {
    fn of(&self, values: &mut dyn Iterator<Item = &Value>, most: u64) -> u64 {
        let mut sum = 0;
        for value in values {
            if sum > most {
                break;
            }
            let left = most - sum;
            sum += self.each
                + match value {
                    Value::String(text) | Value::File(text) | Value::Directory(text) => self.shared + text.len() as u64,
                    Value::Array(items) => self.shared + self.of(&mut items.iter(), left),
                    Value::Map(entries) => self.shared + self.of(&mut entries.iter().flat_map(|(k, v)| [k, v]), left),
                    Value::Pair(pair) => self.shared + self.of(&mut [&pair.0, &pair.1].into_iter(), left),
                    Value::Object(object) => {
                        let names: u64 = object.members.keys().map(|name| name.len() as u64 + self.shared).sum();
                        self.shared + names + self.of(&mut object.members.values(), left)
                    }
                    Value::None | Value::Boolean(_) | Value::Int(_) | Value::Float(_) | Value::Enum(..) => self.fixed,
                };
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_counts_as_often_as_it_stands_there() {
        let text = Value::string("0123456789");
        let pair = Value::Pair(Arc::new((text.clone(), text.clone())));
        assert_eq!(text_bytes([&Value::array(vec![text; 3])], 1000), 1 + 3 * 11);
        assert_eq!(copy_bytes(&pair, 1000), 24 + 32 + 2 * (24 + 32 + 10));
    }

    #[test]
    fn counting_ends_above_the_limit() {
        let mut value = Value::Int(1);
        for _ in 0..60 {
            value = Value::array(vec![value; 10]);
        }
        assert!((1001..20_000).contains(&text_bytes([&value], 1000)), "10^60 numbers are never counted");
    }
}
