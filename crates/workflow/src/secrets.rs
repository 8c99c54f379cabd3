//! What secret workflow options give to tasks is used, and not written down: not in the rows of calls, not in the parts of their
//! identities, not in what is told of failures.

use std::{borrow::Cow, fmt};

use batchyard_wdl::{json, value::Value};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::{
    documents::{Failure, ImageUse},
    glob::hex,
};

/// What is kept and shown in the place of a secret.
pub const CLEARED: &str = "cleared";
/// The option whose members are runtime attributes.
const ATTRIBUTES: &str = "default_runtime_attributes";
/// Shorter texts are left in messages: they are parts of many words.
const MIN_CHARS: usize = 3;
/// Shorter texts are secrets only where they stand alone.
const MIN_PART_CHARS: usize = 8;
/// Attributes that name an image.
const IMAGES: [&str; 5] = ["docker", "container", "dockerTag", "imageId", "cluster"];
/// Attributes that say which exit statuses are good.
const CODES: [&str; 3] = ["continueOnReturnCode", "returnCodes", "return_codes"];

/// The secrets of a run.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets {
    /// Attributes of tasks that are silent about them.
    attributes: IndexMap<String, Value>,
    /// All texts, the longest first.
    texts: Vec<String>,
    /// Makes digests of secrets that nobody can find by trying.
    salt: Vec<u8>,
}

impl Secrets {
    /// Those in these options. `salt` is a secret of the server: equal secrets have equal digests where it is equal.
    pub fn of(options: &Map<String, Json>, salt: &[u8]) -> Secrets {
        let given = options.get(ATTRIBUTES).and_then(Json::as_object).into_iter().flatten();
        let attributes = given.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), json::from_json_any(value)));
        let mut texts = Vec::new();
        options.values().for_each(|value| texts_in(value, &mut texts));
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Secrets { attributes: attributes.collect(), texts, salt: salt.to_owned() }
    }

    /// Whether an attribute has its value from a secret.
    pub fn hide(&self, name: &str, value: &Value) -> bool {
        self.attributes.get(name).is_some_and(|secret| secret == value)
    }

    /// Attributes as rows keep them.
    pub fn shown(&self, attributes: &IndexMap<String, Value>) -> Map<String, Json> {
        let shown = |name: &String, value: &Value| if self.hide(name, value) { CLEARED.into() } else { json::to_json(value) };
        attributes.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
    }

    /// What a call uses as its image, as rows keep it.
    pub fn shown_image(&self, image: Option<&ImageUse>, attributes: &IndexMap<String, Value>) -> Option<ImageUse> {
        let is_hidden = self.hide_any(&IMAGES, attributes);
        let cleared = |image: &ImageUse| ImageUse {
            unknown: image.unknown.as_ref().map(|why| self.covered(why).into_owned()),
            ..ImageUse::new(CLEARED, CLEARED, &image.mode)
        };
        image.map(|image| if is_hidden { cleared(image) } else { image.clone() })
    }

    /// Puts digests in the place of those parts of an identity that tell a secret. What it identifies stays the same.
    pub fn cover_parts(&self, parts: &mut IndexMap<String, String>, attributes: &IndexMap<String, Value>) {
        if self.attributes.is_empty() {
            return;
        }
        for (part, text) in parts.iter_mut() {
            let is_secret = match part.as_str() {
                "image" => self.hide_any(&IMAGES, attributes),
                "return codes" => self.hide_any(&CODES, attributes),
                "fail on stderr" => self.hide_any(&["failOnStderr"], attributes),
                other => other.strip_prefix("runtime attribute ").is_some_and(|name| self.hide_any(&[name], attributes)),
            };
            if is_secret {
                let digest = Sha256::new().chain_update(&self.salt).chain_update(part).chain_update([0]).chain_update(&*text).finalize();
                *text = format!("{CLEARED} ({})", hex(digest.get(..16).unwrap_or_default()));
            }
        }
    }

    /// A text without the secrets in it.
    pub fn covered<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut covered = Cow::Borrowed(text);
        for secret in &self.texts {
            let found = places(&covered, secret);
            for at in found.into_iter().rev() {
                covered.to_mut().replace_range(at..at + secret.len(), CLEARED);
            }
        }
        covered
    }

    /// A failure that does not tell them.
    pub fn covered_failure(&self, failure: Failure) -> Failure {
        if self.texts.is_empty() {
            return failure;
        }
        let hint = failure.hint.as_deref().map(|hint| self.covered(hint).into_owned());
        Failure { message: self.covered(&failure.message).into_owned(), hint, ..failure }
    }

    fn hide_any(&self, names: &[&str], attributes: &IndexMap<String, Value>) -> bool {
        names.iter().any(|name| attributes.get(*name).is_some_and(|value| self.hide(name, value)))
    }
}

/// Nothing prints them.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets of {:?}", self.attributes.keys().collect::<Vec<_>>())
    }
}

/// All texts in a value, also as they stand in JSON.
fn texts_in(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) if text.chars().count() >= MIN_CHARS => {
            let quoted = value.to_string();
            let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            if inner != text {
                texts.push(inner.to_owned());
            }
            texts.push(text.clone());
        }
        Json::Array(items) => items.iter().for_each(|item| texts_in(item, texts)),
        Json::Object(members) => members.values().for_each(|member| texts_in(member, texts)),
        _ => {}
    }
}

/// Where a secret begins in a text.
fn places(text: &str, secret: &str) -> Vec<usize> {
    let is_part = secret.chars().count() >= MIN_PART_CHARS;
    let stands_alone = |at: usize| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + secret.len()..).unwrap_or_default());
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    text.match_indices(secret).map(|(at, _)| at).filter(|at| is_part || stands_alone(*at)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets() -> Secrets {
        let options = json!({
            "default_runtime_attributes": {"account": "ada", "password": "quite \"hidden\"", "docker": "lab/image:1", "cpu": 2, "none": null},
            "backend": "hidden backend"
        });
        Secrets::of(options.as_object().unwrap(), b"salt")
    }

    fn attributes(pairs: &[(&str, Json)]) -> IndexMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json::from_json_any(value))).collect()
    }

    #[test]
    fn an_attribute_is_hidden_where_its_value_is_the_secret_one() {
        let own = attributes(&[("account", json!("ada")), ("cpu", json!(4)), ("memory", json!("1 GB")), ("none", Json::Null)]);
        let shown = json!({"account": "cleared", "cpu": 4, "memory": "1 GB", "none": null});
        assert_eq!(Json::Object(secrets().shown(&own)), shown, "a task's own value is no secret");
        assert!(!format!("{:?}", secrets()).contains("ada"));
    }

    #[test]
    fn images_and_parts_of_identities_are_covered() {
        let image = ImageUse::new("lab/image:1", "lab/image:1", "container");
        let secret = attributes(&[("docker", json!("lab/image:1")), ("password", json!("quite \"hidden\""))]);
        let plain = attributes(&[("docker", json!("other:2"))]);
        let shown = secrets().shown_image(Some(&image), &secret).unwrap();
        assert_eq!((shown.requested.as_str(), shown.used.as_str(), shown.mode.as_str()), ("cleared", "cleared", "container"));
        assert_eq!(secrets().shown_image(Some(&image), &plain), Some(image));

        let parts = |password: &str| {
            let texts = [("image", "lab/image:1"), ("runtime attribute password", password), ("return codes", "0"), ("input x", "1")];
            let mut parts: IndexMap<String, String> = texts.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
            secrets().cover_parts(&mut parts, &secret);
            parts
        };
        let covered = parts("quite \"hidden\"");
        assert!(covered["image"].starts_with("cleared (") && covered["runtime attribute password"].starts_with("cleared ("));
        assert_eq!((covered["return codes"].as_str(), covered["input x"].as_str()), ("0", "1"));
        assert_eq!(parts("quite \"hidden\""), covered);
        assert_ne!(parts("another")["runtime attribute password"], covered["runtime attribute password"], "`why` tells that it differs");
        let other = Secrets { salt: b"pepper".to_vec(), ..secrets() };
        let mut with_other: IndexMap<String, String> = [("image".to_owned(), "lab/image:1".to_owned())].into();
        other.cover_parts(&mut with_other, &secret);
        assert_ne!(with_other["image"], covered["image"], "nobody finds it by trying");
    }

    #[test]
    fn messages_do_not_tell_them() {
        let failure =
            Failure::new("sbatch: no account ada at `hidden backend`, adapt \"quite \\\"hidden\\\"\"").hint("not quite \"hidden\"x");
        let covered = secrets().covered_failure(failure);
        assert_eq!(covered.message, "sbatch: no account cleared at `cleared`, adapt \"cleared\"");
        assert_eq!(covered.hint.as_deref(), Some("not clearedx"));
        let plain = Failure::new("ada");
        assert_eq!(Secrets::default().covered_failure(plain.clone()), plain);
    }
}
