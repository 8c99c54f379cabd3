//! How an attempt ended, or why it could not be run.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::control::EndedBy;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The number a shell would show: the status, or 128 plus the signal.
    pub fn number(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// CPU time in user mode, in milliseconds.
    pub user_ms: u64,
    /// CPU time in the kernel, in milliseconds.
    pub system_ms: u64,
    /// Peak resident memory of its largest process, in KiB.
    pub peak_kib: u64,
    /// Whether `peak_kib` is only an upper bound: the kernel counts the memory of the process that started another
    /// one against the new one, so a task smaller than this process cannot be told from it.
    pub peak_is_bound: bool,
}

/// The end of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Why we ended it, if we did.
    pub ended_by: Option<EndedBy>,
    /// What it used; unknown for an attempt that an earlier engine started.
    pub usage: Option<Usage>,
    /// Whether an earlier engine had started it.
    pub adopted: bool,
    /// Whether its scheduler does not know it any more, although it left no status.
    pub lost: bool,
}

/// Why an attempt could not be run. A command that fails is no error but an [`Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the attempt could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The submit command of the configuration failed.
    #[error("Unable to start job. Check the stderr file for possible errors: {}", stderr.display())]
    Submit {
        /// What it wrote on standard error.
        stderr: PathBuf,
        /// The end of that, or what else is wrong.
        words: String,
    },
    /// A command of the configuration cannot be made.
    #[error("{0}")]
    Template(String),
    /// The status file holds no status.
    #[error("the return code file `{}` holds {text:?}", path.display())]
    Status {
        /// The file.
        path: PathBuf,
        /// What it holds.
        text: String,
    },
    /// This process gives up all that it runs: somebody else starts it again.
    #[error("the tasks of this process are another's now")]
    Abandoned,
    /// A job that an earlier engine had submitted is not there any more and left no status.
    #[error("Unable to determine that {id} is alive, and {} does not exist.", rc.display())]
    Unalive {
        /// The job.
        id: String,
        /// Where its status would be.
        rc: PathBuf,
    },
    /// Waiting for it failed.
    #[error("cannot wait for the process of `{}`: {source}", path.display())]
    Wait {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The error of a file that could not be written.
pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::File { path, source }
}
