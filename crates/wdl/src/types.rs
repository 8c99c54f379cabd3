//! Types after names are resolved.

use std::{fmt, sync::Arc};

/// A WDL type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Not known before the run: `read_json`, members of `Object`, the element of `[]`. Coerces to anything.
    Any,
    /// The type of `None`. Coerces to every optional type.
    None,
    /// `Boolean`
    Boolean,
    /// `Int`, 64 bits, signed
    Int,
    /// `Float`, IEEE double
    Float,
    /// `String`
    String,
    /// `File`
    File,
    /// `Directory`
    Directory,
    /// `Array[item]`, `Array[item]+`
    Array {
        /// Element type.
        item: Arc<Type>,
        /// Whether it is `+`.
        nonempty: bool,
    },
    /// `Map[key, value]`
    Map(Arc<Type>, Arc<Type>),
    /// `Pair[left, right]`
    Pair(Arc<Type>, Arc<Type>),
    /// `Object`: members known only at run time
    Object,
    /// A struct
    Struct(Arc<StructType>),
    /// An enum (1.3)
    Enum(Arc<EnumType>),
    /// The outputs of a call, addressed as `call.output`; not a value of its own
    Call(Arc<StructType>),
    /// `T?`; never nested, never around `Any` or `None`
    Optional(Arc<Type>),
}

/// A struct with its members in order.
#[derive(Debug)]
pub struct StructType {
    /// Name where it was defined (aliases do not change it).
    pub name: String,
    /// Member names and types, in order.
    pub members: Vec<(String, Type)>,
}

/// Structs are compared by name and members. Identity settles most comparisons: written out, structs within structs
/// grow exponentially.
impl PartialEq for StructType {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.name == other.name && self.members == other.members)
    }
}

impl StructType {
    /// The type of a member.
    pub fn member(&self, name: &str) -> Option<&Type> {
        self.members.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }
}

/// An enum with its choices in order (1.3).
#[derive(Debug, PartialEq)]
pub struct EnumType {
    /// Name where it was defined.
    pub name: String,
    /// Type of the inner values.
    pub value_type: Type,
    /// Whether the document says that type: to be the same two definitions must agree in this, too.
    pub typed: bool,
    /// Choice names with their inner values.
    pub choices: Vec<(String, crate::value::Value)>,
}

impl Type {
    /// `Array[item]`
    pub fn array(item: Type) -> Type {
        Type::Array { item: Arc::new(item), nonempty: false }
    }

    /// `Map[key, value]`
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// `Pair[left, right]`
    pub fn pair(left: Type, right: Type) -> Type {
        Type::Pair(Arc::new(left), Arc::new(right))
    }

    /// `self?`; one level only.
    pub fn optional(self) -> Type {
        match self {
            Type::Optional(_) | Type::Any | Type::None => self,
            t => Type::Optional(Arc::new(t)),
        }
    }

    /// The type without its `?`.
    pub fn required(&self) -> &Type {
        match self {
            Type::Optional(t) => t,
            t => t,
        }
    }

    /// Whether `None` is a value of this type.
    pub fn is_optional(&self) -> bool {
        matches!(self, Type::Optional(_) | Type::None | Type::Any)
    }

    /// Whether values of this type may hold paths of files. What has members may.
    pub fn names_files(&self) -> bool {
        match self {
            Type::File | Type::Directory | Type::Any | Type::Object | Type::Struct(_) | Type::Call(_) => true,
            Type::Array { item, .. } | Type::Optional(item) => item.names_files(),
            Type::Map(left, right) | Type::Pair(left, right) => left.names_files() || right.names_files(),
            Type::None | Type::Boolean | Type::Int | Type::Float | Type::String | Type::Enum(_) => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("Any"),
            Type::None => f.write_str("None"),
            Type::Boolean => f.write_str("Boolean"),
            Type::Int => f.write_str("Int"),
            Type::Float => f.write_str("Float"),
            Type::String => f.write_str("String"),
            Type::File => f.write_str("File"),
            Type::Directory => f.write_str("Directory"),
            Type::Array { item, nonempty } => write!(f, "Array[{item}]{}", if *nonempty { "+" } else { "" }),
            Type::Map(k, v) => write!(f, "Map[{k}, {v}]"),
            Type::Pair(l, r) => write!(f, "Pair[{l}, {r}]"),
            Type::Object => f.write_str("Object"),
            Type::Struct(s) => f.write_str(&s.name),
            Type::Enum(e) => f.write_str(&e.name),
            Type::Call(c) => write!(f, "outputs of call {}", c.name),
            Type::Optional(t) => write!(f, "{t}?"),
        }
    }
}
