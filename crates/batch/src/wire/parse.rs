//! From bytes to a description: JSON, without its nulls, with the place of what does not fit.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problems;
use crate::error::ApiError;

/// Reads a body. A null counts as absent, as clients of typed languages send it for what is not set.
///
/// # Errors
/// `InvalidJsonFormat` when it is no JSON object, `InvalidParameter` with the path of a field of the wrong type.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut value: Value =
        serde_json::from_slice(body).map_err(|e| ApiError::bad("InvalidJsonFormat", format!("the body is not JSON: {e}")))?;
    if !value.is_object() {
        return Err(ApiError::bad("InvalidJsonFormat", "the body must be a JSON object"));
    }
    drop_nulls(&mut value);
    from_value(value)
}

/// The same from a value.
///
/// # Errors
/// `InvalidParameter` with the path of a field of the wrong type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut problems = Problems::default();
        let text = error.inner().to_string();
        problems.add(error.path().to_string(), format!("does not fit: {text}"));
        ApiError::from(problems)
    })
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
