//! Runtime attributes from several levels: defaults, the document, and what is set from outside.

use batchyard_wdl::value::Value;
use indexmap::IndexMap;

/// Hints of these names (`gpu: 2`, `disks: "SSD"`) only tell more about the requirement and never stand for it.
pub fn is_requirement(name: &str) -> bool {
    matches!(
        name,
        "container"
            | "docker"
            | "cpu"
            | "memory"
            | "gpu"
            | "fpga"
            | "disks"
            | "max_retries"
            | "maxRetries"
            | "return_codes"
            | "returnCodes"
    )
}

/// Attributes with several names, of which one replaces the others.
const SAME_ATTRIBUTE: [&[&str]; 3] =
    [&["container", "docker"], &["max_retries", "maxRetries"], &["return_codes", "returnCodes", "continueOnReturnCode"]];

/// Puts a level of attributes over the levels beneath it. What is undefined there leaves a value beneath in force.
pub fn prevail(attributes: &mut IndexMap<String, Value>, level: IndexMap<String, Value>) {
    for (name, value) in level.iter().filter(|(_, value)| !value.is_none()) {
        for other in SAME_ATTRIBUTE.iter().filter(|names| names.contains(&name.as_str())).copied().flatten() {
            if !level.contains_key(*other) {
                attributes.shift_remove(*other);
            }
        }
        attributes.insert(name.clone(), value.clone());
    }
    for (name, value) in level {
        attributes.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(pairs: &[(&str, Value)]) -> IndexMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_level_replaces_every_spelling_beneath_it() {
        let mut attributes = level(&[("container", Value::string("a")), ("maxRetries", Value::Int(1)), ("cpu", Value::Int(2))]);
        prevail(&mut attributes, level(&[("docker", Value::string("b")), ("max_retries", Value::None), ("cpu", Value::None)]));
        let expected =
            [("docker", Value::string("b")), ("maxRetries", Value::Int(1)), ("max_retries", Value::None), ("cpu", Value::Int(2))];
        assert_eq!(attributes, level(&expected), "what is undefined leaves a value beneath in force");
    }
}
