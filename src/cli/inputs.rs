//! Inputs from files and the command line to bound values, with file paths made absolute and looked for.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use batchyard_wdl::{
    inputs::{self, Bound, InputSpec},
    module::Callee,
    types::Type,
    value::Value,
    version::Dialect,
};
use serde_json::{Map, Value as Json};

use super::{complain, say};

/// A JSON or YAML object from a file.
pub fn read_object(path: &Path, what: &str) -> Result<Map<String, Json>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the {what} `{}`", path.display()))?;
    let json = path.extension().is_some_and(|e| e == "json");
    let value: Json = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) if json => return Err(error).with_context(|| format!("the {what} `{}` are no JSON", path.display())),
        // Other names may hold either.
        Err(_) => serde_norway::from_str(&text).with_context(|| format!("the {what} `{}` are neither JSON nor YAML", path.display()))?,
    };
    match value {
        Json::Object(map) => Ok(map),
        _ => bail!("the {what} `{}` must be an object of names and values", path.display()),
    }
}

/// Adds `KEY=VALUE` arguments; one repeated for an array input collects its values.
pub fn add_arguments(json: &mut Map<String, Json>, arguments: &[String], callee: &Callee) -> Result<()> {
    let specs = inputs::list_inputs(callee, true);
    let mut seen: Vec<String> = Vec::new();
    for argument in arguments {
        let (key, text) = argument.split_once('=').ok_or_else(|| anyhow!("`{argument}` is no input: give KEY=VALUE"))?;
        let spec = find(&specs, callee, key);
        let name = spec.map_or_else(|| key.to_owned(), |s| s.name.clone());
        let repeated = seen.contains(&name);
        seen.push(name.clone());
        match spec.map(|s| s.ty.required()) {
            Some(Type::Array { item, .. }) if !text.trim_start().starts_with('[') => {
                let value = inputs::parse_argument(text, item);
                match json.get_mut(&name) {
                    Some(Json::Array(values)) if repeated => values.push(value),
                    _ => drop(json.insert(name, Json::Array(vec![value]))),
                }
            }
            _ if repeated => bail!("input `{name}` is given twice"),
            ty => drop(json.insert(name, inputs::parse_argument(text, ty.unwrap_or(&Type::Any)))),
        }
    }
    Ok(())
}

fn find<'s>(specs: &'s [InputSpec], callee: &Callee, key: &str) -> Option<&'s InputSpec> {
    let full = format!("{}.{key}", callee.name());
    specs.iter().find(|s| s.name == key).or_else(|| specs.iter().find(|s| s.name == full))
}

/// Binds inputs. `None` after all problems were printed.
pub fn bind(callee: &Callee, json: &Map<String, Json>, dialect: Dialect, folders: &[PathBuf]) -> Option<Bound> {
    let mut bound = match inputs::bind(callee, json, dialect) {
        Ok(bound) => bound,
        Err(problems) => {
            for problem in problems {
                complain(&problem.message, problem.hint.as_deref());
            }
            return None;
        }
    };
    let mut unusable = Vec::new();
    for (key, value) in &mut bound.values {
        *value = absolute(&format!("{}.{key}", callee.name()), value, dialect, folders, &mut unusable);
    }
    for Unusable { key, path, why, hint } in &unusable {
        complain(&format!("file `{path}` of input `{key}` {why}"), *hint);
    }
    unusable.is_empty().then_some(bound)
}

/// A file of the inputs that no task could use.
struct Unusable {
    key: String,
    path: String,
    why: String,
    hint: Option<&'static str>,
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

fn absolute(key: &str, value: &Value, dialect: Dialect, folders: &[PathBuf], unusable: &mut Vec<Unusable>) -> Value {
    let mapped = inputs::map_files(value, &mut |path: &Arc<str>, directory| {
        let mut note = |why: String, hint| unusable.push(Unusable { key: key.to_owned(), path: path.to_string(), why, hint });
        if path.contains("://") && !path.starts_with("file://") {
            note("is not on this machine".into(), Some("remote files are not fetched yet: download it and give its path"));
            return Ok::<_, Infallible>(Some(Arc::clone(path)));
        }
        let local = batchyard_workflow::host::local_path(path);
        let found = folders.iter().map(|folder| folder.join(local)).find(|p| p.exists());
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

/// Where relative paths of inputs are looked for: the working directory, then the folder of the inputs file.
pub fn folders(inputs_file: Option<&Path>) -> Result<Vec<PathBuf>> {
    let here = std::env::current_dir().context("cannot read the working directory")?;
    let mut folders = vec![here.clone()];
    if let Some(parent) = inputs_file.and_then(Path::parent) {
        let beside = here.join(parent);
        if beside != here {
            folders.push(beside);
        }
    }
    Ok(folders)
}

/// Bound inputs as the JSON object that binds to the same again.
pub fn to_json(callee: &Callee, bound: &Bound) -> Map<String, Json> {
    let full = |key: &String| format!("{}.{key}", callee.name());
    let values = bound.values.iter().map(|(key, value)| (full(key), batchyard_wdl::json::to_json(value)));
    values.chain(bound.overrides.iter().map(|(key, value)| (full(key), batchyard_wdl::json::to_json(value)))).collect()
}

/// Prints the remarks of a binding.
pub fn tell_notes(bound: &Bound) {
    for note in &bound.notes {
        say(&format!("note: {note}"));
    }
}
