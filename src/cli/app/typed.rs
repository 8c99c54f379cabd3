//! `app run-local --app FILE`: an app with values for its parameters, before it is registered.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use batchyard_batch::{
    expand::{Local, expand_locally},
    wire::{AppDescription, Problems},
};
use batchyard_runner::root::{Mode, Mount};

/// An app that is tried.
pub struct Typed {
    /// For the shell.
    pub command: String,
    /// Parameters and the app's own variables.
    pub env: Vec<(String, String)>,
    /// Inputs, and folders for outputs.
    pub mounts: Vec<Mount>,
    /// Files that are kept: where they are left, where they go.
    kept: Vec<(PathBuf, PathBuf)>,
}

impl Typed {
    /// The app of a file with these `NAME=VALUE` and `NAME=PATH`. `folder` is for outputs until they are kept.
    pub fn of(file: &Path, inputs: &[String], outputs: &[String], folder: &Path) -> Result<Typed> {
        let text = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let app: AppDescription = serde_json::from_slice(&text).with_context(|| format!("`{}` describes no app", file.display()))?;
        let mut problems = Problems::default();
        app.check(&mut problems);
        let (mut values, places) = (pairs("--input", inputs)?, pairs("--output", outputs)?);
        for (name, value) in &mut values {
            let is_file = app.input_parameters.get(name).is_some_and(|parameter| !parameter.local_path.is_empty());
            if is_file && !value.is_empty() {
                *value = path_of(value).with_context(|| format!("cannot show `{value}`, which is `{name}`"))?;
            }
        }
        let names: Vec<&str> = places.keys().map(String::as_str).collect();
        let local = expand_locally(&app, &values, &names, &mut problems);
        if !problems.is_empty() {
            let lines: Vec<String> = problems.0.iter().map(|problem| format!("  `{}` {}", problem.path, problem.text)).collect();
            bail!("the app of `{}` cannot be tried:\n{}", file.display(), lines.join("\n"));
        }
        Typed::placed(local, &places, folder)
    }

    fn placed(local: Local, places: &BTreeMap<String, String>, folder: &Path) -> Result<Typed> {
        let (mut mounts, mut kept, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (name, left) in &local.outputs {
            let to = places.get(name).map(std::path::absolute).transpose()?;
            let inner = left.strip_suffix('/').unwrap_or_else(|| left.rsplit_once('/').map_or("", |(parent, _)| parent));
            if !left.starts_with('/') || inner.is_empty() {
                // Beside the script, in the working directory.
                continue;
            }
            let here = folder.join("outputs").join(inner.trim_start_matches('/').replace('/', "+"));
            if seen.insert(inner.to_owned()) {
                fs::create_dir_all(&here).with_context(|| format!("cannot make `{}`", here.display()))?;
                mounts.push(Mount { source: here.clone(), destination: inner.into(), mode: Mode::Writable });
            }
            if let Some(to) = to {
                let from = if left.ends_with('/') { here } else { here.join(left.rsplit('/').next().unwrap_or_default()) };
                kept.push((from, to));
            }
        }
        let input = |(source, destination): (String, String)| Mount {
            source: source.into(),
            destination: destination.into(),
            mode: Mode::ReadOnly,
        };
        mounts.extend(local.inputs.into_iter().map(input));
        Ok(Typed { command: local.command, env: local.env, mounts, kept })
    }

    /// Puts what the command has left where it is wanted.
    pub fn keep(&self) -> Result<()> {
        for (from, to) in &self.kept {
            copy(from, to).with_context(|| format!("cannot keep an output as `{}`: did the command leave it?", to.display()))?;
        }
        Ok(())
    }
}

fn pairs(flag: &str, words: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').with_context(|| format!("`{flag} {word}` must be NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

/// The whole path; one of a folder ends with `/`.
fn path_of(text: &str) -> Result<String> {
    let path = fs::canonicalize(text)?;
    let text = path.to_str().context("its path is no text")?;
    Ok(if path.is_dir() { format!("{text}/") } else { text.to_owned() })
}

/// Links are left out: a command must not choose files of this machine.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let kind = fs::symlink_metadata(from)?;
    if kind.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if !entry.file_type()?.is_symlink() {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    if !kind.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).map(drop)
}
