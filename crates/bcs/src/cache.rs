//! What lists leave behind, so that a number stands for an id in the next command; and the known instance types.

use std::{fs, path::PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{failure::Failure, reply::Reply};

/// Instance types that the original knows without asking: name, cores, memory in GB.
const BUILT_IN: [(&str, f64, f64); 9] = [
    ("bcs.a2.large", 4.0, 8.0),
    ("bcs.a2.xlarge", 8.0, 16.0),
    ("bcs.a2.3xlarge", 16.0, 32.0),
    ("bcs.a2.4xlarge", 20.0, 40.0),
    ("bcs.b4.4xlarge", 20.0, 80.0),
    ("bcs.b2.3xlarge", 16.0, 32.0),
    ("bcs.b4.xlarge", 8.0, 32.0),
    ("bcs.b4.3xlarge", 16.0, 64.0),
    ("bcs.b4.5xlarge", 24.0, 96.0),
];
const TYPES: &str = "clicache_ecs_instancetypes.json";

/// An instance type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cpu: f64,
    /// Memory in GB.
    pub memory: f64,
}

/// The cache files of a person.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// What a number became.
#[derive(Debug, PartialEq, Eq)]
pub struct Looked {
    /// The id.
    pub id: String,
    /// What to tell about it.
    pub note: Option<String>,
}

impl Cache {
    /// Files in `folder`.
    pub fn new(folder: PathBuf) -> Cache {
        Cache { folder }
    }

    /// Remembers the ids of a list.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn remember(&self, title: &str, ids: &[String]) -> Result<(), Failure> {
        let path = self.folder.join(format!("clicache_{title}.json"));
        fs::write(&path, json!({"data": ids, "title": title}).to_string()).map_err(Failure::file("write", path))
    }

    /// The id that `word` stands for: a number means a line of the last list, everything else itself. Numbers out of range mean
    /// the nearest line.
    pub fn look(&self, title: &str, word: &str) -> Looked {
        let plain = Looked { id: word.to_owned(), note: None };
        let Ok(number) = word.parse::<i64>() else { return plain };
        let Ok(text) = fs::read_to_string(self.folder.join(format!("clicache_{title}.json"))) else { return plain };
        let Ok(cached) = serde_json::from_str::<serde_json::Value>(&text) else { return plain };
        let ids: Vec<&str> = cached.list("data").iter().filter_map(|id| id.as_str()).collect();
        let Ok(last) = i64::try_from(ids.len()) else { return plain };
        let (line, note) = match number {
            n if n > last => (last, Some(format!("{n} > {last}(cache length), use {last}"))),
            n if n < 1 => (1, Some(format!("{n} < 1, use 1"))),
            n => (n, None),
        };
        let id = usize::try_from(line - 1).ok().and_then(|at| ids.get(at));
        id.map_or(plain, |id| Looked { id: (*id).to_owned(), note })
    }

    /// All known instance types by name: those of the last login and the built-in ones.
    pub fn types(&self) -> IndexMap<String, InstanceType> {
        let text = fs::read_to_string(self.folder.join(TYPES)).unwrap_or_default();
        let cached: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let mut types: IndexMap<String, InstanceType> = IndexMap::new();
        for (name, entry) in cached.entries() {
            let number = |key: &str| entry.get(key).and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok())).unwrap_or(0.0);
            types.insert(name.clone(), InstanceType { name: name.clone(), cpu: number("cpu"), memory: number("memory") });
        }
        for (name, cpu, memory) in BUILT_IN {
            types.insert(name.to_owned(), InstanceType { name: name.to_owned(), cpu, memory });
        }
        types
    }

    /// Remembers instance types; the file is shared with `bcc`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn remember_types(&self, types: &[InstanceType]) -> Result<(), Failure> {
        let map: serde_json::Map<String, serde_json::Value> =
            types.iter().map(|t| (t.name.clone(), json!({"name": t.name, "cpu": whole(t.cpu), "memory": whole(t.memory)}))).collect();
        let path = self.folder.join(TYPES);
        fs::write(&path, serde_json::Value::Object(map).to_string()).map_err(Failure::file("write", path))
    }
}

/// A number without `.0` where it is whole.
pub fn whole(number: f64) -> serde_json::Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
        let whole = number as i64;
        return json!(whole);
    }
    json!(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_lines() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        let look = |word: &str| cache.look("jobs", word);
        assert_eq!(look("1").id, "1");
        cache.remember("jobs", &["job-A".to_owned(), "job-B".to_owned()]).unwrap();
        assert_eq!(look("2"), Looked { id: "job-B".to_owned(), note: None });
        assert_eq!(look("job-C").id, "job-C");
        assert_eq!(look("9"), Looked { id: "job-B".to_owned(), note: Some("9 > 2(cache length), use 2".to_owned()) });
        assert_eq!(look("0"), Looked { id: "job-A".to_owned(), note: Some("0 < 1, use 1".to_owned()) });
        let text = fs::read_to_string(folder.path().join("clicache_jobs.json")).unwrap();
        assert_eq!(text, r#"{"data":["job-A","job-B"],"title":"jobs"}"#);
    }

    #[test]
    fn types_of_the_login_join_the_built_in_ones() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        assert_eq!(cache.types().len(), 9);
        cache.remember_types(&[InstanceType { name: "ecs.sn1.medium".to_owned(), cpu: 2.0, memory: 3.75 }]).unwrap();
        assert_eq!(cache.types()["ecs.sn1.medium"].memory, 3.75);
        let text = fs::read_to_string(folder.path().join(TYPES)).unwrap();
        assert_eq!(text, r#"{"ecs.sn1.medium":{"name":"ecs.sn1.medium","cpu":2,"memory":3.75}}"#);
    }
}
