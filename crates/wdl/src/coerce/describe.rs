//! What a value is, for messages and for decisions that depend on the type at run time.

use std::sync::Arc;

use super::unify;
use crate::{
    eval::literal_text,
    types::{StructType, Type},
    value::Value,
    version::Dialect,
};

/// Longest text of a value inside a message, in characters.
const SHORT: usize = 60;

/// The value as a literal, cut to a length that fits a message.
pub fn short(value: &Value) -> String {
    literal_text(value, Dialect::Cromwell, SHORT)
}

impl Value {
    /// The most special type this value has.
    ///
    /// A struct keeps its name, with member types as its values have them; an empty array or map has elements of
    /// type `Any`.
    pub fn type_of(&self) -> Type {
        match self {
            Value::None => Type::None,
            Value::Boolean(_) => Type::Boolean,
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Float,
            Value::String(_) => Type::String,
            Value::File(_) => Type::File,
            Value::Directory(_) => Type::Directory,
            Value::Array(items) => Type::array(element_type(items.iter())),
            Value::Map(entries) => Type::map(element_type(entries.iter().map(|(k, _)| k)), element_type(entries.iter().map(|(_, v)| v))),
            Value::Pair(pair) => Type::pair(pair.0.type_of(), pair.1.type_of()),
            Value::Object(object) => match &object.struct_name {
                None => Type::Object,
                Some(name) => {
                    let members = object.members.iter().map(|(k, v)| (k.to_string(), v.type_of())).collect();
                    Type::Struct(Arc::new(StructType { name: name.to_string(), members }))
                }
            },
            Value::Enum(e, _) => Type::Enum(Arc::clone(e)),
        }
    }
}

fn element_type<'a>(items: impl Iterator<Item = &'a Value>) -> Type {
    let mut common: Option<Type> = None;
    for item in items {
        let ty = item.type_of();
        common = match common {
            None => Some(ty),
            Some(c) if c == ty || matches!(&c, Type::Optional(inner) if **inner == ty) => Some(c),
            // Structs are compared by name here: their members differ in what happens to be undefined.
            Some(Type::Struct(s)) if matches!(&ty, Type::Struct(t) if t.name == s.name) => Some(Type::Struct(s)),
            Some(c) => match unify(&c, &ty, Dialect::Specification) {
                Some(Type::Any) | None => return Type::Any,
                Some(u) => Some(u),
            },
        };
    }
    common.unwrap_or(Type::Any)
}
