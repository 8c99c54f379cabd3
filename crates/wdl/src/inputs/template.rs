//! A JSON skeleton of the inputs for people to fill in.

use serde_json::{Map, Value as Json};

use super::InputSpec;
use crate::types::{StructType, Type};

/// Deepest nesting of struct members that is spelled out.
const MAX_DEPTH: usize = 16;

/// The skeleton: keys sorted, values that say the type, and whether and how the input has a default.
///
/// A required struct is an object with its members.
pub fn template(specs: &[InputSpec]) -> Json {
    let mut sorted: Vec<&InputSpec> = specs.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    Json::Object(sorted.into_iter().map(|spec| (spec.name.clone(), placeholder(spec))).collect())
}

fn placeholder(spec: &InputSpec) -> Json {
    match (&spec.default, spec.required) {
        (Some(default), _) => Json::from(format!("{} (optional, default = {default})", spec.ty)),
        (None, false) => Json::from(format!("{} (optional)", spec.ty)),
        (None, true) => required(&spec.ty, MAX_DEPTH),
    }
}

fn required(ty: &Type, depth: usize) -> Json {
    match ty {
        Type::Struct(s) if depth > 0 => Json::Object(members(s, depth - 1)),
        other => Json::from(other.to_string()),
    }
}

fn members(definition: &StructType, depth: usize) -> Map<String, Json> {
    let member = |(name, ty): &(String, Type)| {
        let value = if ty.is_optional() { Json::from(format!("{ty} (optional)")) } else { required(ty, depth) };
        (name.clone(), value)
    };
    definition.members.iter().map(member).collect()
}
