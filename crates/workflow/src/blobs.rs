//! Values that are too large for a row: their text is kept once for all that share it, and the row names its hash.

use batchyard_store::{Store, StoreError, Write};
use serde_json::{Map, Value as Json, json};

use crate::identity::text_hash;

/// JSON text of a value from this length on is kept apart, in bytes.
const LARGE_BYTES: usize = 16 << 10;
/// Key of an object that stands for a value: `{"$blob": hash}`.
const BLOB: &str = "$blob";

/// What a row keeps of a value: the value itself, or the name of its text, which one of the writes keeps.
pub fn kept(value: Json, writes: &mut Vec<Write>) -> Json {
    if !matches!(value, Json::Array(_) | Json::Object(_) | Json::String(_)) {
        return value;
    }
    let text = value.to_string();
    // A value that looks like the name of a text must not be taken for one.
    if text.len() < LARGE_BYTES && hash_in(&value).is_none() {
        return value;
    }
    let hash = text_hash(&text);
    writes.push(Write::PutBlob { hash: hash.clone(), content: text });
    json!({ BLOB: hash })
}

/// The value that a row stands for; `None` when its text is gone.
///
/// # Errors
/// What kept the store from answering.
pub fn whole(store: &Store, value: &Json) -> Result<Option<Json>, StoreError> {
    let Some(hash) = hash_in(value) else { return Ok(Some(value.clone())) };
    Ok(store.load_blob(hash)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The same for all members of an object; what is gone is null.
///
/// # Errors
/// What kept the store from answering.
pub fn whole_members(store: &Store, values: &Map<String, Json>) -> Result<Map<String, Json>, StoreError> {
    values.iter().map(|(name, value)| Ok((name.clone(), whole(store, value)?.unwrap_or_default()))).collect()
}

fn hash_in(value: &Json) -> Option<&str> {
    value.as_object().filter(|object| object.len() == 1)?.get(BLOB)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_and_those_that_look_like_names_are_kept_apart() {
        let mut writes = Vec::new();
        assert_eq!(kept(json!([1, 2]), &mut writes), json!([1, 2]));
        assert_eq!(kept(json!(7), &mut writes), json!(7));
        assert!(writes.is_empty());
        for value in [json!("x".repeat(LARGE_BYTES)), json!({ BLOB: "0123" })] {
            let name = kept(value.clone(), &mut writes);
            let Some(Write::PutBlob { hash, content }) = writes.pop() else { panic!("nothing is kept") };
            assert_eq!((hash_in(&name), content), (Some(&*hash), value.to_string()));
        }
    }
}
