//! Gives an image that lies in a file to an engine.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::{Engine, EngineKind};
use crate::{
    control::Control,
    helper::{self, Ended},
    script::quote,
};

/// Longest time in which an engine must have taken an image.
const LOAD_LIMIT: Duration = Duration::from_secs(3 * 3600);
/// Name of the script.
const LOAD: &str = "load";

/// Why an engine has not taken an image, or not told of those that it has.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum LoadError {
    #[error("cannot run `{program}` in `{dir}`: {source}")]
    Start { program: String, dir: PathBuf, source: io::Error },
    #[error("`{line}` ended with {status}: {words}")]
    Failed { line: String, status: i32, words: String },
    #[error("`{line}` did not end within {seconds} s")]
    TooLong { line: String, seconds: u64 },
    #[error("`{line}` was ended with its attempt")]
    Unwanted { line: String },
}

impl Engine {
    /// Whether the engine has an image of this name. One for Apptainer is a file of this name.
    pub fn has_image(&self, name: &str) -> bool {
        if self.kind == EngineKind::Apptainer {
            return Path::new(name).is_file();
        }
        let Some((program, leading)) = self.command.split_first() else { return false };
        let mut ask = Command::new(program);
        ask.args(leading).args(["image", "inspect", name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        ask.status().is_ok_and(|status| status.success())
    }

    /// Has the engine forget an image of this name, unless a container uses it; one for Apptainer is a file of this name. Whether
    /// it is gone.
    pub fn remove_image(&self, name: &str) -> bool {
        if self.kind == EngineKind::Apptainer {
            return std::fs::remove_file(name).is_ok() || !Path::new(name).exists();
        }
        let Some((program, leading)) = self.command.split_first() else { return false };
        let mut remove = Command::new(program);
        remove.args(leading).args(["rmi", name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        remove.status().is_ok_and(|status| status.success()) || !self.has_image(name)
    }

    /// Has the engine take the image in a file as `docker save` writes it; the file names it `name`, which for Apptainer is
    /// the file to be made. `dir` is a folder for what is written meanwhile; the end of `attempt` ends it.
    ///
    /// # Errors
    /// [`LoadError`] with the engine's own words.
    pub fn load(&self, archive: &Path, name: &str, dir: &Path, attempt: Option<&Arc<Control>>) -> Result<(), LoadError> {
        let archive = archive.to_string_lossy();
        let more: Vec<String> = match self.kind {
            EngineKind::Docker | EngineKind::Podman => ["load", "--input", &archive].map(String::from).into(),
            EngineKind::Apptainer => ["build", "--force", name, &format!("docker-archive:{archive}")].map(String::from).into(),
        };
        self.carry_out(&more, LOAD, dir, LOAD_LIMIT, attempt)
    }

    /// Has the engine do something in the folder `dir`, where its output is kept under `name`.
    pub(super) fn carry_out(
        &self,
        words: &[String],
        name: &str,
        dir: &Path,
        limit: Duration,
        attempt: Option<&Arc<Control>>,
    ) -> Result<(), LoadError> {
        let line = self.command.iter().chain(words).map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        let program = || self.command.first().cloned().unwrap_or_default();
        let failed = |source| LoadError::Start { program: program(), dir: dir.to_owned(), source };
        helper::write(dir, name, &format!("exec {line}")).map_err(failed)?;
        match helper::run_for(dir, name, limit, attempt).map_err(failed)? {
            Ended::Status(0) => Ok(()),
            Ended::Status(status) => Err(LoadError::Failed { line, status, words: helper::last_words(dir, name) }),
            Ended::TooLong => Err(LoadError::TooLong { line, seconds: limit.as_secs() }),
            Ended::Unwanted => Err(LoadError::Unwanted { line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_asked_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let calls = dir.path().join("calls");
        let fake = format!("echo \"$*\" >> {}; [ \"$1\" = load ] || [ \"$3\" = known ]", calls.display());
        let engine =
            |kind, text: &str| Engine { kind, command: ["bash", "-c", text, "engine"].map(String::from).into(), arguments: Vec::new() };
        let docker = engine(EngineKind::Docker, &fake);
        assert!(docker.has_image("known") && !docker.has_image("other"));
        docker.load(Path::new("/a b.tar"), "known", dir.path(), None).unwrap();
        assert!(std::fs::read_to_string(&calls).unwrap().ends_with("load --input /a b.tar\n"));
        let broken = engine(EngineKind::Podman, "echo no room >&2; exit 7");
        let error = broken.load(Path::new("/a"), "n", dir.path(), None).unwrap_err().to_string();
        assert!(error.ends_with("ended with 7: no room"), "{error}");
    }
}
