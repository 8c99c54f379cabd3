//! Inputs from files and the command line to bound values, with file paths made absolute and looked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use batchyard_wdl::{
    inputs::{self, Bound, InputSpec},
    module::Callee,
    types::Type,
    version::Dialect,
};
use batchyard_workflow::{
    fetch::Remote,
    given::{self, Places, described},
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

/// Whether inputs fit; their problems are printed. Files are not looked for.
pub fn accepts(callee: &Callee, json: &Map<String, Json>, dialect: Dialect) -> bool {
    let problems = inputs::bind(callee, json, dialect).err().unwrap_or_default();
    for problem in &problems {
        complain(&problem.message, problem.hint.as_deref());
    }
    problems.is_empty()
}

/// Binds inputs; `strict` says whether names that mean nothing are problems, else the version does. `None` after all problems
/// were printed.
pub fn bind(
    callee: &Callee,
    json: &Map<String, Json>,
    dialect: Dialect,
    strict: Option<bool>,
    folders: &[PathBuf],
    remote: &Remote,
) -> Option<Bound> {
    let mut bound = match inputs::bind_as(callee, json, dialect, strict) {
        Ok(bound) => bound,
        Err(problems) => {
            for problem in problems {
                complain(&problem.message, problem.hint.as_deref());
            }
            return None;
        }
    };
    let Some(fetch) = remote.fetch.as_deref() else { return Some(bound) };
    let unusable = given::find_files(callee, &mut bound, dialect, Places { folders, fetch, on_behalf: None, reader: None });
    for problem in &unusable {
        complain(&problem.message, problem.hint.as_deref());
    }
    unusable.is_empty().then_some(bound)
}

/// Makes what inputs describe piece by piece below `target`. False after all problems were printed.
pub fn realize(given: &mut Map<String, Json>, callee: &Callee, folders: &[PathBuf], remote: &Remote, target: &Path) -> bool {
    let Some(fetch) = remote.fetch.as_deref() else { return true };
    let problems = described::realize(given, callee, Places { folders, fetch, on_behalf: None, reader: None }, target);
    problems.iter().for_each(|problem| complain(&problem.message, problem.hint.as_deref()));
    problems.is_empty()
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

/// Prints the remarks of a binding.
pub fn tell_notes(bound: &Bound) {
    for note in &bound.notes {
        say(&format!("note: {note}"));
    }
}
