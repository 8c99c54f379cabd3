//! Which images an engine has, and how it gets others.

use std::{fs::File, io::Read, path::Path, time::Duration};

use super::{Engine, LoadError};

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
        let program = || self.command.first().cloned().unwrap_or_default();
        let mut text = Vec::new();
        File::open(dir.join(format!("stdout.{LIST}")))
            .and_then(|file| file.take(LIST_BYTES).read_to_end(&mut text))
            .map_err(|source| LoadError::Start { program: program(), dir: dir.to_owned(), source })?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter_map(listed).collect())
    }

    /// Has docker or podman get an image from its registry.
    ///
    /// # Errors
    /// [`LoadError`] with the engine's own words.
    pub fn pull(&self, image: &str, dir: &Path) -> Result<(), LoadError> {
        self.carry_out(&["pull".into(), image.into()], PULL, dir, PULL_LIMIT, None)
    }
}

fn listed(line: &str) -> Option<Listed> {
    let mut words = line.split('\t');
    let (repository, tag, digest) = (words.next()?, words.next()?, words.next()?);
    Some(Listed { name: format!("{repository}:{tag}"), digest: digest.trim().to_owned() })
}
