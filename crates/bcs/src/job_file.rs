//! `job.cfg`: a section for each task, `[DEFAULT]` for the job and for what the tasks have in common.

use indexmap::IndexMap;

use crate::{
    config::Config,
    description::{Job, Source, Task},
    failure::Failure,
    ini::{DEFAULT, Ini, truth},
    notation::deps,
};

/// Reads a file: the job, and for each task the address range and the id of its private network.
///
/// # Errors
///
/// What cannot be read, with its section and key.
pub fn read(text: &str, config: &Config) -> Result<(Job, IndexMap<String, Network>), Failure> {
    let mut ini = Ini::read(text).map_err(|e| Failure::told(format!("Invalid file: {e}")))?;
    fill_in(&mut ini);
    let mut job = Job::default();
    let common = Section { ini: &ini, name: DEFAULT, own: false };
    job.apply(&common)?;
    if let Some(text) = common.text("deps")? {
        job.dag.dependencies = deps::dependencies(&text);
    }
    let mut networks = IndexMap::new();
    for name in ini.sections() {
        let section = Section { ini: &ini, name, own: false };
        // Older files have what belongs to the job in the sections.
        job.apply(&section)?;
        let mut task = Task::new(config.default_image()?, config.default_type()?);
        task.apply(&section, config)?;
        task.join(&common)?;
        task.join(&Section { own: true, ..section })?;
        networks.insert(name.to_owned(), Network { cidr: section.text("vpc_cidr_block")?, id: section.text("vpc_id")? });
        job.dag.tasks.insert(name.to_owned(), task);
    }
    if job.dag.tasks.is_empty() {
        return Err(Failure::told("Invalid file: it has no [section], so no task"));
    }
    job.graph()?;
    Ok((job, networks))
}

/// The private network of a task.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Its address range.
    pub cidr: Option<String>,
    /// Its id.
    pub id: Option<String>,
}

/// Replaces names that begin with `$` by their values, the longest first.
fn fill_in(ini: &mut Ini) {
    let mut variables: Vec<(String, String)> =
        ini.entries().filter(|(_, key, _)| key.starts_with('$')).map(|(_, key, value)| (key.to_owned(), value.to_owned())).collect();
    variables.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
    let filled: Vec<_> = ini
        .entries()
        .map(|(section, key, value)| {
            let value = variables.iter().fold(value.to_owned(), |value, (name, text)| value.replace(name, text));
            (section.to_owned(), key.to_owned(), value)
        })
        .collect();
    for (section, key, value) in filled {
        ini.set_raw(&section, &key, value);
    }
}

/// A section as a source of options; `own`: without what it inherits.
#[derive(Clone, Copy)]
struct Section<'i> {
    ini: &'i Ini,
    name: &'i str,
    own: bool,
}

impl Source for Section<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        let value = if self.own { self.ini.own(self.name, key) } else { self.ini.get(self.name, key) };
        let value = value.map_err(|e| Failure::told(format!("[{}] {key}: {e}", self.name)))?;
        Ok(value.filter(|v| !v.is_empty()))
    }

    fn truth(&self, key: &str) -> Result<bool, Failure> {
        let text = self.text(key)?;
        let value = text.as_deref().map(truth).transpose();
        Ok(value.map_err(|e| Failure::told(format!("[{}] {key}: {e}", self.name)))?.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FILE: &str = "[DEFAULT]\njob_name = log-count\ndescription = d\npriority = 5\nforce = true\ndeps = split->count;count->merge\n\
        env = a:1,b:2\nmount = oss://b/in/:/home/in/\ntype = big\n$out = oss://b/$name\n$name = x\nnodes = 2\n\n\
        [split]\ncmd = python split.py $out\nenv = b:3\n\n[count]\ncmd = python count.py\nnodes = 3\ncluster = cls-1\nlock = true\n\n\
        [merge]\ncmd = python merge.py\ntimeout = nonsense\ndisk = system:default:40\nvpc_cidr_block = 10.0.0.0/8\n";

    fn parsed(text: &str) -> Result<(Value, IndexMap<String, Network>), String> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(folder.path()).unwrap();
        config.set("defaultimage", "img-ubuntu");
        config.set("defaulttype", "small");
        let (job, networks) = read(text, &config).map_err(|e| e.to_string())?;
        Ok((serde_json::to_value(job).unwrap(), networks))
    }

    #[test]
    fn sections_are_tasks() {
        let (job, networks) = parsed(FILE).unwrap();
        assert_eq!((&job["Name"], &job["Priority"], &job["JobFailOnInstanceFail"]), (&json!("log-count"), &json!(5), &json!(false)));
        assert_eq!(job["DAG"]["Dependencies"], json!({"split": ["count"], "count": ["merge"]}));
        let tasks = &job["DAG"]["Tasks"];
        assert_eq!(tasks["split"]["Parameters"]["Command"]["EnvVars"], json!({"a": "1", "b": "3"}));
        assert_eq!(tasks["split"]["AutoCluster"]["InstanceType"], "big");
        assert_eq!((&tasks["split"]["InstanceCount"], &tasks["count"]["InstanceCount"]), (&json!(2), &json!(3)));
        assert_eq!(
            (&tasks["count"]["ClusterId"], &tasks["count"]["Parameters"]["InputMappingConfig"]["Lock"]),
            (&json!("cls-1"), &json!(true))
        );
        assert_eq!((&tasks["merge"]["Timeout"], &tasks["merge"]["Mounts"]["Entries"][0]["Source"]), (&json!(86400), &json!("oss://b/in/")));
        assert_eq!(networks["merge"].cidr.as_deref(), Some("10.0.0.0/8"));
    }

    #[test]
    fn variables_are_replaced_textually() {
        let (job, _) = parsed("[DEFAULT]\n$dir = /home\n$dir2 = /other\n[t]\ncmd = ls $dir $dir2\n").unwrap();
        assert_eq!(job["DAG"]["Tasks"]["t"]["Parameters"]["Command"]["CommandLine"], "ls /home /other");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert!(parsed("[DEFAULT]\njob_name = x\n").unwrap_err().contains("no task"));
        assert!(parsed("[DEFAULT]\ndeps = a->b\n[a]\ncmd = x\n").unwrap_err().contains("`b`"));
        assert!(parsed("[a]\nforce = perhaps\n").unwrap_err().starts_with("[a] force: "));
        assert!(parsed("nonsense").unwrap_err().contains("line 1"));
    }
}
