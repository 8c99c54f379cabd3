//! What an attempt sees at the absolute paths that its job names.
//!
//! Inputs are gathered in a folder of the attempt and shown at their places; a place that can be written to is a layer
//! over them. Folders on the way to such places are the attempt's own, so that this machine stays untouched and what the
//! command leaves there is found afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
};

use batchyard_runner::root::{Mode, Mount, Root};

use super::{Access, Attempt, PlaceError, WORK, bucket_and_key};
use crate::wire::MountEntry;

/// Folders of an attempt.
const VIEWS: &str = "views";
const LAYERS: &str = "layers";
const ROOT: &str = "root";
/// File that says what the attempt's root is made of.
const ROOT_FILE: &str = "root.json";

/// One input.
#[derive(Clone, Debug)]
struct Input {
    source: String,
    destination: String,
    writable: bool,
    /// Where its files are gathered, or the folder of this machine that it is.
    gathered: PathBuf,
}

/// All that an attempt sees.
#[derive(Clone, Debug)]
pub struct View {
    dir: PathBuf,
    inputs: Vec<Input>,
    /// Absolute places of outputs and logs.
    leaves: Vec<String>,
}

impl View {
    /// What this attempt is to see.
    pub fn of(attempt: &Attempt) -> Result<View, PlaceError> {
        let description = &attempt.task.description;
        let mapped = description.input_mapping.iter().map(|(source, destination)| MountEntry {
            source: source.clone(),
            destination: destination.clone(),
            write_support: description.write_support,
        });
        let own =
            mapped.chain(description.mounts.entries.iter().cloned()).chain(description.auto_cluster.configs.mounts.entries.iter().cloned());
        let mut inputs: Vec<Input> = Vec::new();
        // Of two for the same place the task's own counts.
        for entry in own.chain(attempt.seat.mounts.iter().cloned()) {
            if inputs.iter().any(|input| input.destination.trim_end_matches('/') == entry.destination.trim_end_matches('/')) {
                continue;
            }
            let gathered = match entry.source.strip_prefix("file://") {
                Some(path) => PathBuf::from(path),
                None => attempt.dir.join(VIEWS).join(inputs.len().to_string()),
            };
            inputs.push(Input { source: entry.source, destination: entry.destination, writable: entry.write_support, gathered });
        }
        let named = description.output_mapping.keys().chain(description.log_mapping.keys());
        let leaves = named.filter(|path| path.starts_with('/')).cloned().collect();
        Ok(View { dir: attempt.dir.clone(), inputs, leaves })
    }

    /// Gathers the files of all inputs.
    pub fn fill(&self, access: &Access) -> Result<(), PlaceError> {
        let objects = &access.objects;
        for input in self.inputs.iter().filter(|input| input.source.starts_with("oss://")) {
            access.read(&input.source)?;
            let (bucket, key) = bucket_and_key(&input.source);
            let target = input.gathered.clone();
            let what = || format!("mount `{}` at `{}`", input.source, input.destination);
            let failed = |source| PlaceError::Object { what: what(), source };
            if input.is_folder() {
                let linked = objects.link_into(bucket, key, &target).map_err(failed)?;
                if let Some((key, reason)) = linked.left_out.first() {
                    return Err(PlaceError::Impossible(format!("cannot {}: `{key}` {reason}", what())));
                }
            } else if input.writable {
                // A layer cannot lie over a single file, so it gets one of its own.
                let copy = || -> std::io::Result<()> {
                    fs::create_dir_all(target.parent().unwrap_or(&self.dir))?;
                    std::io::copy(
                        &mut objects.get(bucket, key).map_err(std::io::Error::other)?.read_all(),
                        &mut fs::File::create(&target)?,
                    )?;
                    Ok(())
                };
                copy().map_err(|source| PlaceError::File { what: what(), source })?;
            } else {
                objects.link_file(bucket, key, &target).map_err(failed)?;
            }
        }
        for leaf in self.leaves.iter().filter(|leaf| leaf.ends_with('/')) {
            let path = self.host_path(&self.dir, leaf);
            fs::create_dir_all(&path).map_err(|source| PlaceError::File { what: format!("make `{}`", path.display()), source })?;
        }
        Ok(())
    }

    fn is_needed(&self) -> bool {
        !self.leaves.is_empty() || !self.inputs.is_empty()
    }

    /// Writes down what the root of the attempt is made of, where it needs one of its own. `contained` when a container
    /// gives it one.
    pub fn root_file(&self, dir: &Path, contained: bool) -> Result<Option<String>, PlaceError> {
        if contained || !self.is_needed() {
            return Ok(None);
        }
        let mounts = self.inputs.iter().enumerate().map(|(n, input)| {
            let layer = dir.join(LAYERS).join(n.to_string());
            let mode = match (input.writable, input.is_layered()) {
                (false, _) => Mode::ReadOnly,
                (true, false) => Mode::Writable,
                (true, true) => Mode::Layered { upper: layer.join("upper"), work: layer.join("work") },
            };
            Mount { source: input.gathered.clone(), destination: PathBuf::from(&input.destination), mode }
        });
        let root =
            Root { base: dir.join(ROOT), image: None, mounts: mounts.collect(), own: self.leaves.iter().map(PathBuf::from).collect() };
        let path = dir.join(ROOT_FILE);
        let text = serde_json::to_vec(&root).map_err(|e| PlaceError::Impossible(e.to_string()))?;
        fs::write(&path, text).map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })?;
        Ok(Some(path.to_string_lossy().into_owned()))
    }

    /// What a container must see besides the attempt's folder: folder here, place there, whether it may write.
    pub fn volumes(&self) -> Vec<(PathBuf, String, bool)> {
        self.inputs.iter().map(|input| (input.gathered.clone(), input.destination.clone(), input.writable)).collect()
    }

    /// Where a path of the attempt lies on this machine, after its command has ended.
    pub fn host_path(&self, dir: &Path, local: &str) -> PathBuf {
        let Some(inner) = local.strip_prefix('/') else { return dir.join(WORK).join(local) };
        let shown = self.inputs.iter().enumerate().filter_map(|(n, input)| {
            let rest = Path::new(local).strip_prefix(&input.destination).ok()?;
            Some((input.destination.len(), n, input, rest.to_path_buf()))
        });
        let Some((_, n, input, rest)) = shown.max_by_key(|(length, ..)| *length) else { return dir.join(ROOT).join(inner) };
        if input.writable && input.is_layered() {
            let written = dir.join(LAYERS).join(n.to_string()).join("upper").join(&rest);
            if written.exists() {
                return written;
            }
        }
        input.gathered.join(rest)
    }
}

impl Input {
    fn is_folder(&self) -> bool {
        self.source.ends_with('/')
    }

    /// Whether what is written there lies in a layer over the objects.
    fn is_layered(&self) -> bool {
        self.is_folder() && self.source.starts_with("oss://")
    }
}
