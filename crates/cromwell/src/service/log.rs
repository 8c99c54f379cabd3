//! The log of one workflow: what happened to its calls, line by line, in a file of its own.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, Instant},
};

use batchyard_model::RunId;
use batchyard_workflow::progress::{Event, Progress};

/// Lines are on disk at most this long after they were written.
const FLUSH: Duration = Duration::from_secs(1);

/// Writes `workflow.<id>.log`.
pub struct RunLog {
    file: Option<BufWriter<File>>,
    flushed: Instant,
}

impl RunLog {
    /// The log of a run in this folder; it goes on where an earlier one ended. A log that cannot be written keeps no
    /// run from going on.
    pub fn open(folder: &Path, id: RunId) -> Self {
        let path = folder.join(format!("workflow.{id}.log"));
        let open = || -> io::Result<File> {
            fs::create_dir_all(folder)?;
            File::options().create(true).append(true).open(&path)
        };
        let file = open().ok().map(|file| BufWriter::with_capacity(8 << 10, file));
        RunLog { file, flushed: Instant::now() }
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) {
        let Some(file) = &mut self.file else { return };
        let written = writeln!(file, "{} {text}", jiff::Timestamp::now());
        let due = self.flushed.elapsed() >= FLUSH;
        if written.is_err() || (due && file.flush().is_err()) {
            // A full disk shows up where it matters: at the files of the tasks.
            self.file = None;
        }
        if due {
            self.flushed = Instant::now();
        }
    }

    /// Puts everything on disk.
    pub fn flush(&mut self) {
        if self.file.as_mut().is_some_and(|file| file.flush().is_err()) {
            self.file = None;
        }
    }
}

impl Progress for RunLog {
    fn tell(&mut self, event: Event) {
        match event {
            Event::RunStarted { run, name, dir, child } => {
                let what = if child { "sub-workflow" } else { "workflow" };
                self.line(&format!("INFO {what} {name} {run} runs in {dir}"));
            }
            Event::Queued { call } => self.line(&format!("INFO {call} is queued")),
            Event::Started { call } => self.line(&format!("INFO {call} has started")),
            Event::Ended { call, state, cached, failure, .. } => {
                let how = if cached { " (an earlier result)" } else { "" };
                match failure {
                    Some(failure) => self.line(&format!("ERROR {call} ended: {state}{how}: {}", failure.message)),
                    None => self.line(&format!("INFO {call} ended: {state}{how}")),
                }
            }
            Event::Note(note) => self.line(&format!("WARN {note}")),
            Event::RunEnded { run, state, .. } => {
                self.line(&format!("INFO {run} ended: {state}"));
                self.flush();
            }
        }
    }

    fn idle(&mut self) -> u64 {
        let pending = self.file.as_ref().is_some_and(|file| !file.buffer().is_empty());
        if pending {
            self.flush();
        }
        3_600_000
    }
}
