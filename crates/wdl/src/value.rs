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
