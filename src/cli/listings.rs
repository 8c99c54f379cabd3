//! Files and directories that inputs describe piece by piece: a directory by its `listing`, a file under another `basename`.
//!
//! What is described is made once per run, of links to the pieces, and its path takes the place of the description.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use batchyard_workflow::host::local_path;
use serde_json::{Map, Value as Json};

/// Deepest listing.
const MAX_DEPTH: usize = 64;

/// Makes what inputs describe below `target`, which does not exist yet, and puts paths in place of the descriptions; relative
/// paths are looked for in `folders`.
///
/// # Errors
/// A description that cannot be carried out.
pub fn realize(inputs: &mut Map<String, Json>, folders: &[PathBuf], target: &Path) -> Result<()> {
    let mut maker = Maker { folders, target, made: 0 };
    for (key, value) in inputs.iter_mut() {
        maker.replace(value).with_context(|| format!("input `{key}`"))?;
    }
    Ok(())
}

struct Maker<'a> {
    folders: &'a [PathBuf],
    target: &'a Path,
    /// Descriptions carried out so far: each has a folder of its own, so that names never clash.
    made: usize,
}

impl Maker<'_> {
    fn replace(&mut self, value: &mut Json) -> Result<()> {
        match value {
            Json::Array(items) => items.iter_mut().try_for_each(|item| self.replace(item)),
            Json::Object(members) => {
                let Some(described) = Described::read(members) else {
                    return members.values_mut().try_for_each(|member| self.replace(member));
                };
                let name = described.name()?;
                self.made += 1;
                let folder = self.target.join(self.made.to_string());
                fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
                let path = folder.join(name);
                described.make(&path, self.folders, 0)?;
                *value = Json::from(path.to_string_lossy().into_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A description that is more than a path.
struct Described<'j> {
    location: Option<&'j str>,
    basename: Option<&'j str>,
    listing: Option<&'j [Json]>,
}

impl<'j> Described<'j> {
    /// The description, unless the object is something else or names nothing but a place.
    fn read(members: &'j Map<String, Json>) -> Option<Self> {
        let described = Self::entry(members)?;
        let renamed = match (described.basename, described.location) {
            (Some(name), Some(location)) => last(location) != name,
            _ => false,
        };
        (described.listing.is_some() || renamed).then_some(described)
    }

    fn entry(members: &'j Map<String, Json>) -> Option<Self> {
        let text = |names: [&str; 2]| names.iter().find_map(|name| members.get(*name)).and_then(Json::as_str);
        let kind = text(["type", "class"])?;
        let known = |name: &str| matches!(name, "type" | "class" | "location" | "path" | "basename" | "listing");
        if !matches!(kind, "File" | "Directory") || !members.keys().all(|name| known(name)) {
            return None;
        }
        let listing = members.get("listing").and_then(Json::as_array).map(Vec::as_slice).filter(|_| kind == "Directory");
        Some(Described { location: text(["location", "path"]), basename: text(["basename", "basename"]), listing })
    }

    fn name(&self) -> Result<&'j str> {
        let name = self.basename.or_else(|| self.location.map(last)).unwrap_or_default();
        if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
            bail!("a described file or directory needs a `basename` without `/`, not {name:?}");
        }
        Ok(name)
    }

    fn make(&self, target: &Path, folders: &[PathBuf], depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            bail!("the listing is more than {MAX_DEPTH} levels deep");
        }
        if let Some(entries) = self.listing {
            fs::create_dir(target).with_context(|| format!("cannot make `{}`", target.display()))?;
            for entry in entries {
                let entry =
                    entry.as_object().and_then(Described::entry).context("an entry of a listing must be a file or directory object")?;
                entry.make(&target.join(entry.name()?), folders, depth + 1)?;
            }
            return Ok(());
        }
        let location = self.location.context("a described file needs a `location`")?;
        let local = local_path(location);
        let found = folders.iter().map(|folder| folder.join(local)).find(|path| path.exists());
        let source = found.with_context(|| format!("`{location}` does not exist"))?;
        place(&source, target).with_context(|| format!("cannot put `{}` at `{}`", source.display(), target.display()))
    }
}

/// A link to a file, or a copy where links are not possible; directories with all that is in them.
fn place(source: &Path, target: &Path) -> io::Result<()> {
    let source = fs::canonicalize(source)?;
    if !source.is_dir() {
        return fs::hard_link(&source, target).or_else(|_| fs::copy(&source, target).map(drop));
    }
    fs::create_dir(target)?;
    for entry in fs::read_dir(&source)? {
        let entry = entry?;
        place(&entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(())
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}
