//! Tells about keys that have no effect. Where a key is used in another way with another outcome, its reader tells that.

use batchyard_hocon::{Kind, Path, Value, without_secrets};
use indexmap::IndexMap;

use super::{
    Note, Verdict, is_built_in,
    keys::{self, Explanation},
    provider::BCS,
};

/// Keys with their values.
type Keys<'v> = Vec<(String, &'v Value)>;

/// So many keys are named in one note.
const NAMES: usize = 4;

/// One note for all keys of a row of the table, and one for the unknown keys of one object.
pub(super) fn of(values: &Value) -> Vec<Note> {
    let mut groups: IndexMap<String, (Explanation, Keys<'_>)> = IndexMap::new();
    for (path, value) in values.leaves() {
        if is_built_in(&value.origin) {
            continue;
        }
        if is_attribute_of_commands(values, &path) {
            continue;
        }
        let explanation = keys::explain_elements(&path);
        let key = Path(path).to_string();
        groups.entry(group(&explanation, &key)).or_insert_with(|| (explanation, Vec::new())).1.push((key, value));
    }
    groups.into_values().filter_map(|(explanation, keys)| note(&explanation, &keys)).collect()
}

/// Whether the key is a default runtime attribute of a provider with commands, which may declare attributes of any name. What
/// the table says about single attributes concerns the cloud back-end.
fn is_attribute_of_commands(values: &Value, path: &[String]) -> bool {
    let [_, _, provider, _, key, _, ..] = path else { return false };
    let factory = values.at(&["backend", "providers", provider, "actor-factory"]).and_then(Value::text);
    path.starts_with(&["backend".to_string(), "providers".into()]) && key == "default-runtime-attributes" && factory.as_deref() != Some(BCS)
}

/// What is told in one note: keys that the same row answers for, and unknown ones that stand together and may belong together.
fn group(explanation: &Explanation, key: &str) -> String {
    let parent = |key: &str| key.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_string());
    match (&explanation.verdict, &explanation.nearest) {
        (Verdict::Unknown, None) => format!("{} belongs nowhere", parent(key)),
        (Verdict::Unknown, Some(near)) if parent(near) != parent(key) => format!("{} belongs to {}", parent(key), parent(near)),
        _ => explanation.pattern.clone(),
    }
}

fn note(explanation: &Explanation, keys: &Keys<'_>) -> Option<Note> {
    let (_, value) = keys.first()?;
    let mut names = keys.iter().take(NAMES).map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    if keys.len() > NAMES {
        names += &format!(" and {} more", keys.len() - NAMES);
    }
    let (message, hint) = match explanation.verdict {
        Verdict::Honoured | Verdict::Mapped => return None,
        Verdict::Ignored => (format!("without effect: {names}, for {}", explanation.why), None),
        Verdict::Unknown => {
            let hint = explanation.nearest.as_ref().map(|near| format!("did you mean `{near}`?"));
            (format!("nothing reads {names}"), hint)
        }
    };
    Some(Note { message, origin: Some(value.origin.clone()), hint })
}

/// Key, value and place of everything.
pub(super) fn shown(values: &Value) -> Vec<(String, String, String)> {
    let leaves = values.leaves().into_iter();
    leaves.map(|(path, value)| (Path(path.clone()).to_string(), text(&path, value), value.origin.to_string())).collect()
}

/// A value as it may be shown.
pub(super) fn text(path: &[String], value: &Value) -> String {
    let written = match &value.kind {
        Kind::List(items) => format!("[{}]", items.iter().map(|item| text(path, item)).collect::<Vec<_>>().join(", ")),
        Kind::Object(fields) if fields.is_empty() => "{}".into(),
        Kind::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let inner: Vec<String> = path.iter().chain([key]).cloned().collect();
                format!("{} = {}", Path(vec![key.clone()]), text(&inner, value))
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Kind::Text(text) => format!("{text:?}"),
        _ => value.text().unwrap_or_else(|| "null".into()),
    };
    // The name of a secret stands in its key.
    let name = path.last().map(String::as_str).unwrap_or("");
    let with_name = format!("{name} = {written}");
    without_secrets(&with_name).split_once(" = ").map(|(_, shown)| shown.to_string()).unwrap_or(written)
}
