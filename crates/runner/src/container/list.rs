//! Which images an engine has, and how it gets others.

use std::{fs::File, io::Read, path::Path, sync::Arc, time::Duration};

use super::{Engine, LoadError};
use crate::control::Control;

/// Longest time in which an engine must have listed its images.
const LIST_LIMIT: Duration = Duration::from_secs(60);
/// Longest time in which an engine must have got an image.
const PULL_LIMIT: Duration = Duration::from_secs(3600);
/// So much of a list is read.
const LIST_BYTES: u64 = 16 << 20;
const LIST: &str = "images";
const PULL: &str = "pull";

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name with its tag.
    pub name: String,
    /// Its digest, or a word in angle brackets where it has none.
    pub digest: String,
}

impl Engine {
    /// The images of docker or podman that have a name. `dir` is a folder for what is written meanwhile.
    ///
    /// # Errors
    /// [`LoadError`] with the engine's own words.
    pub fn list_images(&self, dir: &Path) -> Result<Vec<Listed>, LoadError> {
        let words = ["images", "--digests", "--format", "{{.Repository}}\t{{.Tag}}\t{{.Digest}}"].map(String::from);
        self.carry_out(&words, LIST, dir, LIST_LIMIT, None)?;
        Ok(self.said(dir)?.lines().filter_map(listed).collect())
    }

    /// The digest of an image that podman has, by the name that podman makes of this one; nothing where it has none of that name.
    /// `dir` is a folder for what is written meanwhile.
    ///
    /// # Errors
    /// [`LoadError`] when it could not be asked.
    pub fn digest_of(&self, image: &str, dir: &Path) -> Result<Option<String>, LoadError> {
        let words = ["image", "inspect", "--format", "{{.Digest}}", image].map(String::from);
        match self.carry_out(&words, LIST, dir, LIST_LIMIT, None) {
            Ok(()) => Ok(Some(self.said(dir)?.trim().to_owned())),
            // Its status is the same for all trouble; other trouble shows when the image is got.
            Err(LoadError::Failed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has docker or podman get an image from its registry; the end of `wanted` ends it.
    ///
    /// # Errors
    /// [`LoadError`] with the engine's own words.
    pub fn pull(&self, image: &str, dir: &Path, wanted: Option<&Arc<Control>>) -> Result<(), LoadError> {
        self.carry_out(&["pull".into(), image.into()], PULL, dir, PULL_LIMIT, wanted)
    }

    /// What it has answered in this folder.
    fn said(&self, dir: &Path) -> Result<String, LoadError> {
        let program = || self.command.first().cloned().unwrap_or_default();
        let mut text = Vec::new();
        File::open(dir.join(format!("stdout.{LIST}")))
            .and_then(|file| file.take(LIST_BYTES).read_to_end(&mut text))
            .map_err(|source| LoadError::Start { program: program(), dir: dir.to_owned(), source })?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn listed(line: &str) -> Option<Listed> {
    let mut words = line.split('\t');
    let (repository, tag, digest) = (words.next()?, words.next()?, words.next()?);
    Some(Listed { name: format!("{repository}:{tag}"), digest: digest.trim().to_owned() })
}
