//! `includeKey` and `excludeKey`: which parts of metadata are shown.

use serde_json::{Map, Value as Json};

/// Prefixes of keys to show and to leave out; nested keys are joined by `:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only keys that begin with one of these; empty shows all.
    pub include: Vec<String>,
    /// No keys that begin with one of these.
    pub exclude: Vec<String>,
}

impl Filter {
    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a key and everything below it is left out.
    pub fn drops(&self, path: &str) -> bool {
        self.exclude.iter().any(|prefix| path.starts_with(prefix.as_str()))
    }

    /// Whether something of a key may be shown, so that it has to be made.
    pub fn wants(&self, path: &str) -> bool {
        !self.drops(path) && (self.include.is_empty() || self.include.iter().any(|p| path.starts_with(p.as_str()) || p.starts_with(path)))
    }

    /// Takes out what is not shown; keys in `always` stay.
    pub fn apply(&self, keys: &mut Map<String, Json>, always: &[&str]) {
        if self.is_empty() {
            return;
        }
        let names: Vec<String> = keys.keys().filter(|name| !always.contains(&name.as_str())).cloned().collect();
        for name in names {
            if let Some(value) = keys.get_mut(&name)
                && !self.keep(&name, value)
            {
                keys.shift_remove(&name);
            }
        }
    }

    /// Whether something of a value stays.
    fn keep(&self, path: &str, value: &mut Json) -> bool {
        if self.drops(path) {
            return false;
        }
        let included = self.include.is_empty() || self.include.iter().any(|prefix| path.starts_with(prefix.as_str()));
        let below = format!("{path}:");
        let inside = |prefixes: &[String]| prefixes.iter().any(|prefix| prefix.starts_with(&below));
        match value {
            Json::Object(members) if inside(&self.include) || inside(&self.exclude) => {
                let names: Vec<String> = members.keys().cloned().collect();
                for name in names {
                    if let Some(member) = members.get_mut(&name)
                        && !self.keep(&format!("{below}{name}"), member)
                    {
                        members.shift_remove(&name);
                    }
                }
                included || !members.is_empty()
            }
            _ => included,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(include: &[&str], exclude: &[&str]) -> String {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let filter = Filter { include: owned(include), exclude: owned(exclude) };
        let Json::Object(mut keys) = json!({"id": 1, "status": 2, "start": 3, "caching": {"hit": 4, "hashes": {"x": 5}}}) else {
            unreachable!()
        };
        filter.apply(&mut keys, &["id"]);
        Json::Object(keys).to_string()
    }

    #[test]
    fn prefixes_at_every_level() {
        assert_eq!(shown(&["sta"], &[]), r#"{"id":1,"status":2,"start":3}"#);
        assert_eq!(shown(&["sta"], &["start"]), r#"{"id":1,"status":2}"#);
        assert_eq!(shown(&["caching:hit"], &[]), r#"{"id":1,"caching":{"hit":4}}"#);
        assert_eq!(shown(&[], &["caching:hashes"]), r#"{"id":1,"status":2,"start":3,"caching":{"hit":4}}"#);
        assert_eq!(shown(&["caching"], &["caching:hashes:x"]), r#"{"id":1,"caching":{"hit":4,"hashes":{}}}"#);
        assert_eq!(shown(&["nothing"], &[]), r#"{"id":1}"#);
    }

    #[test]
    fn what_has_to_be_made() {
        let filter = Filter { include: vec!["callCaching:hit".into(), "st".into()], exclude: vec!["stderr".into()] };
        assert!(filter.wants("callCaching") && filter.wants("start"));
        assert!(!filter.wants("inputs") && !filter.wants("stderr"));
    }
}
