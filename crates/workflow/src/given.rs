//! Given inputs: their files are found and made absolute before anything starts.

pub mod described;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::{
    inputs::{self, Bound, InputProblem},
    module::{self, Callee},
    value::Value,
    version::{Dialect, Version},
};
use indexmap::IndexSet;
use serde_json::{Map, Value as Json};

use crate::{
    fetch::{Brought, Fetch, Reader, bring_all},
    host::local_path,
};

/// Where given files are looked for.
#[derive(Clone, Copy)]
pub struct Places<'p> {
    /// Folders for relative paths, in order.
    pub folders: &'p [PathBuf],
    /// Who brings files from elsewhere here.
    pub fetch: &'p (dyn Fetch + Sync),
    /// For whom, see [`Fetch::fetch`].
    pub on_behalf: Option<&'p str>,
    /// Whose rights count, where those are not the program's own.
    pub reader: Option<&'p Reader>,
}

/// Makes the paths of all files in bound inputs absolute and local. Returns a problem for each file that no task could use.
pub fn find_files(callee: &Callee, bound: &mut Bound, dialect: Dialect, places: Places<'_>) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    let (Callee::Task(module, _) | Callee::Workflow(module, _)) = callee;
    let version = module.document.version;
    let brought = bring_all(places.fetch, &elsewhere(bound, places), places.on_behalf);
    for (key, value) in &mut bound.values {
        *value = absolute(&format!("{}.{key}", callee.name()), value, (version, dialect), (places, &brought), &mut problems);
    }
    problems
}

/// The files among the inputs that somebody has to bring.
fn elsewhere(bound: &Bound, places: Places<'_>) -> Vec<Arc<str>> {
    let mut urls: IndexSet<Arc<str>> = IndexSet::new();
    let mut note = |path: &Arc<str>, directory: bool| {
        if !directory && places.fetch.knows(path) {
            urls.insert(Arc::clone(path));
        }
    };
    bound.values.values().for_each(|value| inputs::files(value, &mut note));
    urls.into_iter().collect()
}

/// Why a path that exists is of no use. In the older versions, which have no type for folders, a `File` may be one.
fn wrong_with(path: &Path, directory: bool, dialect: Dialect) -> Option<(String, Option<&'static str>)> {
    match (path.is_dir(), directory) {
        (true, false) if dialect == Dialect::Specification => {
            Some(("is a folder".into(), Some("give a file, or pack the folder with tar")))
        }
        (false, true) => Some(("is a file, not a folder".into(), None)),
        _ => match rustix::fs::access(path, rustix::fs::Access::READ_OK) {
            Ok(()) => None,
            Err(error) => Some((format!("cannot be read: {error}"), Some("check the permissions of the file"))),
        },
    }
}

fn absolute(
    key: &str,
    value: &Value,
    (version, dialect): (Version, Dialect),
    (places, brought): (Places<'_>, &Brought),
    problems: &mut Vec<InputProblem>,
) -> Value {
    let mapped = inputs::map_files(value, &mut |path: &Arc<str>, directory| {
        let mut note = |why: String, hint: Option<&'static str>| {
            let message = format!("file `{path}` of input `{key}` {why}");
            problems.push(InputProblem { key: key.to_owned(), message, hint: hint.map(Into::into) });
        };
        if places.fetch.knows(path) {
            if directory {
                note("is a folder elsewhere".into(), Some("give its files one by one, or an archive"));
                return Ok::<_, Infallible>(Some(Arc::clone(path)));
            }
            match brought.get(path) {
                Some(Ok(local)) => return Ok(Some(local.to_string_lossy().into())),
                Some(Err(why)) => note(why.clone(), None),
                None => note("was not brought here".into(), None),
            }
            return Ok(Some(Arc::clone(path)));
        }
        if path.contains("://") && !path.starts_with("file://") {
            note(
                "is not on this machine".into(),
                Some("only files of http(s), and of object stores (`oss://`, `s3://`), are fetched: bring it here and give its path"),
            );
            return Ok(Some(Arc::clone(path)));
        }
        let local = local_path(path);
        let found = places.folders.iter().map(|folder| folder.join(local)).find(|p| p.exists());
        let Some(found) = found else {
            note("does not exist".into(), Some("a relative path counts from the working directory, else from the inputs file"));
            return Ok(Some(Arc::clone(path)));
        };
        if let Some(Err(error)) = places.reader.map(|reader| reader.check(&found)) {
            note(format!("cannot be read: {error}"), Some("check the permissions of the file"));
        } else if let Some((why, hint)) = wrong_with(&found, directory, dialect) {
            note(why, hint);
        } else if let Err(why) = places.fetch.needs(&found) {
            note(why, None);
        }
        // From 1.3 on one file has one path, however it is spelled.
        let whole = if version < Version::V1_3 { None } else { module::whole(&found) };
        Ok(Some(whole.unwrap_or(found).to_string_lossy().into()))
    });
    match mapped {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Bound inputs as the JSON object that binds to the same again.
pub fn to_json(callee: &Callee, bound: &Bound) -> Map<String, Json> {
    let full = |key: &String| format!("{}.{key}", callee.name());
    let values = bound.values.iter().map(|(key, value)| (full(key), batchyard_wdl::json::to_json(value)));
    values.chain(bound.overrides.iter().map(|(key, value)| (full(key), batchyard_wdl::json::to_json(value)))).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use batchyard_wdl::load::{self, MemoryLoader};
    use serde_json::json;

    use super::*;

    /// Gives nothing from elsewhere.
    #[derive(Debug)]
    struct Here;

    impl Fetch for Here {
        fn knows(&self, _: &str) -> bool {
            false
        }
        fn fetch(&self, path: &str, _: Option<&str>) -> Result<PathBuf, String> {
            Err(format!("cannot fetch `{path}`"))
        }
    }

    #[test]
    fn from_1_3_on_spellings_of_a_file_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::create_dir(folder.join("set")).unwrap();
        fs::write(folder.join("set/a.txt"), "x").unwrap();
        let given = |version: &str| {
            let text = format!("version {version}\nworkflow w {{ input {{ File a File b Directory c }} }}");
            let module = load::load("w.wdl", &MemoryLoader::default().with("w.wdl", &text)).unwrap().module;
            let callee = Callee::Workflow(Arc::clone(&module), Arc::clone(module.document.workflow.as_ref().unwrap()));
            let inputs = json!({"w.a": "set/a.txt", "w.b": "set/../set/./a.txt", "w.c": "set/"});
            let mut bound = inputs::bind(&callee, inputs.as_object().unwrap(), Dialect::Specification).unwrap();
            let places = Places { folders: std::slice::from_ref(&folder), fetch: &Here, on_behalf: None, reader: None };
            let problems = find_files(&callee, &mut bound, Dialect::Specification, places);
            assert!(problems.is_empty(), "{problems:?}");
            ["a", "b", "c"].map(|name| batchyard_wdl::json::to_json(&bound.values[name]).as_str().unwrap().to_owned())
        };
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        assert_eq!(given("1.3"), [path("set/a.txt"), path("set/a.txt"), path("set")]);
        assert_eq!(given("1.2"), [path("set/a.txt"), path("set/../set/./a.txt"), path("set")], "older versions keep what was given");
    }
}
