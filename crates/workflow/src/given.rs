//! Given inputs: their files are found and made absolute before anything starts.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::{
    inputs::{self, Bound, InputProblem},
    module::Callee,
    value::Value,
    version::Dialect,
};
use serde_json::{Map, Value as Json};

use crate::{fetch::Fetch, host::local_path};

/// Where given files are looked for.
#[derive(Clone, Copy)]
pub struct Places<'p> {
    /// Folders for relative paths, in order.
    pub folders: &'p [PathBuf],
    /// Who brings files from elsewhere here.
    pub fetch: &'p dyn Fetch,
    /// For whom, see [`Fetch::fetch`].
    pub on_behalf: Option<&'p str>,
}

/// Makes the paths of all files in bound inputs absolute and local. Returns a problem for each file that no task could use.
pub fn find_files(callee: &Callee, bound: &mut Bound, dialect: Dialect, places: Places<'_>) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    for (key, value) in &mut bound.values {
        *value = absolute(&format!("{}.{key}", callee.name()), value, dialect, places, &mut problems);
    }
    problems
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

fn absolute(key: &str, value: &Value, dialect: Dialect, places: Places<'_>, problems: &mut Vec<InputProblem>) -> Value {
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
            return Ok(Some(match places.fetch.fetch(path, places.on_behalf) {
                Ok(local) => local.to_string_lossy().into(),
                Err(why) => {
                    note(why, None);
                    Arc::clone(path)
                }
            }));
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
        if let Some((why, hint)) = wrong_with(&found, directory, dialect) {
            note(why, hint);
        }
        Ok(Some(found.to_string_lossy().into()))
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
