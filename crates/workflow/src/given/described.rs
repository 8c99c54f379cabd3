//! Files and directories that inputs describe piece by piece (WDL 1.2 and newer): a directory by its `listing`, a file under another
//! `basename`.
//!
//! What is described is made once per run, of links to the pieces, and its path takes the place of the description.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use batchyard_wdl::{
    inputs::{self, InputProblem},
    module::Callee,
    types::Type,
};
use serde_json::{Map, Value as Json};

use super::Places;
use crate::host::local_path;

/// Deepest listing.
const MAX_DEPTH: usize = 64;
/// What a description may tell; `class` and `path` are the names that others use.
const NAMES: [&str; 6] = ["type", "class", "location", "path", "basename", "listing"];

/// Makes what inputs describe below `target`, a folder for this alone, and puts paths in place of the descriptions. What is
/// there already is left by a run that did not begin, and removed.
///
/// Returns a problem for each description that cannot be carried out. Descriptions of files of this machine are not taken on
/// behalf of an account: its rights are looked at where a file is used, and links know nothing of them.
pub fn realize(given: &mut Map<String, Json>, callee: &Callee, places: Places<'_>, target: &Path) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    let mut maker = Maker { places, target, made: 0 };
    let mut specs = None;
    for (key, value) in given.iter_mut().filter(|(_, value)| holds_object(value)) {
        let specs = specs.get_or_insert_with(|| inputs::list_inputs(callee, true));
        let full = format!("{}.{key}", callee.name());
        let Some(spec) = specs.iter().find(|spec| spec.name == *key || spec.name == full) else { continue };
        if let Err(problem) = maker.replace(value, &spec.ty) {
            problems.push(InputProblem { key: key.clone(), message: format!("input `{key}`: {}", problem.0), hint: None });
        }
    }
    problems
}

fn holds_object(value: &Json) -> bool {
    match value {
        Json::Object(_) => true,
        Json::Array(items) => items.iter().any(holds_object),
        _ => false,
    }
}

/// Why something cannot be made, whole.
struct Problem(String);

fn problem(text: impl Into<String>) -> Problem {
    Problem(text.into())
}

struct Maker<'p> {
    places: Places<'p>,
    target: &'p Path,
    /// Descriptions carried out so far: each has a folder of its own, so that names never clash.
    made: usize,
}

impl Maker<'_> {
    /// Replaces the descriptions in a value of this type. What does not fit the type is left for who binds it.
    fn replace(&mut self, value: &mut Json, ty: &Type) -> Result<(), Problem> {
        match (ty, value) {
            (Type::Optional(ty), value) => self.replace(value, ty),
            (Type::Array { item, .. }, Json::Array(items)) => items.iter_mut().try_for_each(|value| self.replace(value, item)),
            (Type::Map(_, ty), Json::Object(members)) => members.values_mut().try_for_each(|value| self.replace(value, ty)),
            (Type::Pair(left, right), Json::Object(members)) => {
                let mut sides = members.iter_mut().map(|(name, value)| (name.to_ascii_lowercase(), value));
                sides.try_for_each(|(name, value)| self.replace(value, if name == "left" { left } else { right }))
            }
            (Type::Struct(ty), Json::Object(members)) => members.iter_mut().try_for_each(|(name, value)| match ty.member(name) {
                Some(ty) => self.replace(value, ty),
                None => Ok(()),
            }),
            (Type::File | Type::Directory, value @ Json::Object(_)) => self.described(value, *ty == Type::Directory),
            // Where no type is known the description says itself what it is.
            (Type::Any | Type::Object, value @ Json::Object(_)) => match kind(value) {
                Some(directory) => self.described(value, directory),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn described(&mut self, value: &mut Json, directory: bool) -> Result<(), Problem> {
        let Some(described) = Described::read(value, directory)?.filter(Described::is_more_than_a_place) else { return Ok(()) };
        let name = described.name()?;
        if self.made == 0 {
            match fs::remove_dir_all(self.target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unmade(self.target, &error)),
                _ => {}
            }
        }
        self.made += 1;
        let folder = self.target.join(self.made.to_string());
        fs::create_dir_all(&folder).map_err(|error| unmade(&folder, &error))?;
        let path = folder.join(name);
        self.make(&described, &path, None, 0)?;
        *value = Json::from(path.to_string_lossy().into_owned());
        Ok(())
    }

    /// Makes one piece; without a place of its own it lies in that of the directory around it.
    fn make(&self, described: &Described<'_>, target: &Path, around: Option<&str>, depth: usize) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            return Err(problem(format!("the listing is more than {MAX_DEPTH} levels deep")));
        }
        let inherited = around.map(|around| format!("{}/{}", around.trim_end_matches('/'), described.basename.unwrap_or_default()));
        let location = described.location.or(inherited.as_deref());
        let Some(entries) = described.listing else {
            let location = location
                .ok_or_else(|| problem("a described file or directory needs a `location`, or a directory around it that has one"))?;
            let source = self.find(location)?;
            if source.is_dir() != described.directory {
                let is = if described.directory { "no directory" } else { "a directory" };
                return Err(problem(format!("`{location}` is {is}")));
            }
            return place(&source, target, depth)
                .map_err(|e| problem(format!("cannot put `{}` at `{}`: {e}", source.display(), target.display())));
        };
        fs::create_dir(target).map_err(|error| unmade(target, &error))?;
        for entry in entries {
            let directory = kind(entry).ok_or_else(|| problem("an entry of a listing needs `type`, \"File\" or \"Directory\""))?;
            let entry = Described::read(entry, directory)?.ok_or_else(|| problem("an entry of a listing must be an object"))?;
            self.make(&entry, &target.join(entry.name()?), location, depth + 1)?;
        }
        Ok(())
    }

    fn find(&self, location: &str) -> Result<PathBuf, Problem> {
        if self.places.fetch.knows(location) {
            return self.places.fetch.fetch(location, self.places.on_behalf).map_err(|why| problem(format!("`{location}` {why}")));
        }
        if self.places.on_behalf.is_some() {
            return Err(problem(format!("`{location}` is a file of this machine: give its path, or store it as an object")));
        }
        let local = local_path(location);
        let found = self.places.folders.iter().map(|folder| folder.join(local)).find(|path| path.exists());
        found.ok_or_else(|| problem(format!("`{location}` does not exist")))
    }
}

/// A file or directory as it is described.
struct Described<'j> {
    directory: bool,
    location: Option<&'j str>,
    basename: Option<&'j str>,
    listing: Option<&'j [Json]>,
}

impl<'j> Described<'j> {
    /// The description; `None` for what is none.
    fn read(value: &'j Json, directory: bool) -> Result<Option<Self>, Problem> {
        let Some(members) = value.as_object() else { return Ok(None) };
        if let Some(unknown) = members.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(problem(format!(
                "a described file or directory has no `{unknown}`: it has `type`, `location`, `basename` and `listing`"
            )));
        }
        let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)).and_then(Json::as_str);
        let listing = members.get("listing").and_then(Json::as_array).map(Vec::as_slice);
        if listing.is_some() && !directory {
            return Err(problem("only a directory has a `listing`"));
        }
        Ok(Some(Described { directory, location: text(&["location", "path"]), basename: text(&["basename"]), listing }))
    }

    /// Whether its path alone would not do.
    fn is_more_than_a_place(&self) -> bool {
        let renamed = matches!((self.basename, self.location), (Some(name), Some(location)) if last(location) != name);
        self.listing.is_some() || renamed
    }

    fn name(&self) -> Result<&'j str, Problem> {
        let name = self.basename.or_else(|| self.location.map(last)).unwrap_or_default();
        if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
            return Err(problem(format!("a described file or directory needs a `basename` without `/`, not {name:?}")));
        }
        Ok(name)
    }
}

/// Whether a description says that it is a directory; `None` when it does not say what it is.
fn kind(value: &Json) -> Option<bool> {
    let text = value.get("type").or_else(|| value.get("class")).and_then(Json::as_str)?;
    match text {
        "Directory" => Some(true),
        "File" => Some(false),
        _ => None,
    }
}

fn unmade(path: &Path, error: &io::Error) -> Problem {
    problem(format!("cannot make `{}`: {error}", path.display()))
}

/// A link to a file, or a copy where links are not possible; directories with all that is in them, links followed.
fn place(source: &Path, target: &Path, depth: usize) -> io::Result<()> {
    let source = fs::canonicalize(source)?;
    if !source.is_dir() {
        return fs::hard_link(&source, target).or_else(|_| fs::copy(&source, target).map(drop));
    }
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("it is more than {MAX_DEPTH} levels deep, or a link in it leads back into it")));
    }
    fs::create_dir(target)?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        place(&entry.path(), &target.join(entry.file_name()), depth + 1)?;
    }
    Ok(())
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}
