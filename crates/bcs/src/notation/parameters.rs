//! Parameters and settings of apps: `name[:type][:path][:description][:default]` and `default[:overwritable][:description]`.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// A parameter of an app.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    /// `String` or `Number`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Where its file is seen.
    pub local_path: String,
    /// What it is for.
    pub description: String,
    /// Its value when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A setting of an app.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Setting {
    /// Its value.
    pub default: Value,
    /// Whether a job may set another.
    pub overwritable: bool,
    /// What it is for.
    pub description: String,
}

/// Reads `--inputs`; a parameter without a default has the empty text as one, as in the original.
pub fn inputs(text: &str) -> IndexMap<String, Parameter> {
    text.split(',')
        .filter(|item| !item.trim().is_empty())
        .map(|item| {
            let parts: Vec<&str> = item.splitn(5, ':').collect();
            let (name, parameter) = parameter(&parts);
            let text = part(&parts, 4);
            let number = (parameter.kind == "Number").then(|| text.parse::<f64>().ok()).flatten().map(crate::cache::whole);
            (name, Parameter { default: Some(number.unwrap_or_else(|| json!(text))), ..parameter })
        })
        .collect()
}

/// Reads `--outputs`.
pub fn outputs(text: &str) -> IndexMap<String, Parameter> {
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    items.map(|item| parameter(&item.splitn(4, ':').collect::<Vec<_>>())).collect()
}

/// Reads a setting; `numeric` ones are numbers.
///
/// # Errors
///
/// When a number is needed and none is given.
pub fn setting(text: &str, numeric: bool) -> Result<Setting, Failure> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let value = part(&parts, 0);
    let default = if numeric {
        json!(value.parse::<i64>().map_err(|_| Failure::told(format!("`{value}` is not a whole number")))?)
    } else {
        json!(value)
    };
    Ok(Setting { default, overwritable: !part(&parts, 1).is_empty(), description: part(&parts, 2) })
}

fn part(parts: &[&str], n: usize) -> String {
    parts.get(n).copied().unwrap_or_default().trim().to_owned()
}

fn parameter(parts: &[&str]) -> (String, Parameter) {
    let kind = Some(part(parts, 1)).filter(|k| !k.is_empty()).unwrap_or_else(|| "String".to_owned());
    (part(parts, 0), Parameter { kind, local_path: part(parts, 2), description: part(parts, 3), default: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_outputs() {
        assert_eq!(
            serde_json::to_value(inputs("a:String:/in/:what it is:x:y,n:Number:::7,b")).unwrap(),
            json!({
                "a": {"Type": "String", "LocalPath": "/in/", "Description": "what it is", "Default": "x:y"},
                "n": {"Type": "Number", "LocalPath": "", "Description": "", "Default": 7},
                "b": {"Type": "String", "LocalPath": "", "Description": "", "Default": ""},
            })
        );
        assert_eq!(
            serde_json::to_value(outputs("o::/out/")).unwrap(),
            json!({"o": {"Type": "String", "LocalPath": "/out/", "Description": ""}})
        );
    }

    #[test]
    fn settings_of_both_kinds() {
        let read = |text, numeric| serde_json::to_value(setting(text, numeric).unwrap()).unwrap();
        assert_eq!(read("ecs.t1:true:why", false), json!({"Default": "ecs.t1", "Overwritable": true, "Description": "why"}));
        assert_eq!(read("40", true), json!({"Default": 40, "Overwritable": false, "Description": ""}));
        assert!(setting("many", true).is_err());
    }
}
