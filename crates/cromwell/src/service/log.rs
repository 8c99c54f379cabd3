//! The log of one workflow: what happened to its calls, line by line, in a file of its own.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use batchyard_model::RunId;
use batchyard_workflow::progress::{Event, Progress};

/// Lines are in the file at most this long after they were written, while something happens.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines kept in memory at most, in bytes.
const KEPT: usize = 16 << 10;

/// Writes `workflow.<id>.log`. The file is open only while lines are put into it: thousands of runs may go on, and each
/// open file makes the start of every task dearer.
pub struct RunLog {
    path: PathBuf,
    lines: String,
    written: Instant,
    /// It could not be written; a log keeps no run from going on.
    broken: bool,
}

impl RunLog {
    /// The log of a run in this folder; it goes on where an earlier one ended.
    pub fn open(folder: &Path, id: RunId) -> Self {
        let path = folder.join(format!("workflow.{id}.log"));
        RunLog { path, lines: String::new(), written: Instant::now(), broken: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    pub fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.lines, "{} {text}", jiff::Timestamp::now());
        if self.lines.len() >= KEPT || self.written.elapsed() >= PAUSE {
            self.flush();
        }
    }

    /// Puts all lines into the file.
    pub fn flush(&mut self) {
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        let append = |path: &Path, lines: &str| -> io::Result<()> {
            let file = match open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    path.parent().map_or(Ok(()), fs::create_dir_all)?;
                    open(path)
                }
                opened => opened,
            };
            file?.write_all(lines.as_bytes())
        };
        if !self.lines.is_empty() && !self.broken {
            // A full disk shows up where it matters: at the files of the tasks.
            self.broken = append(&self.path, &self.lines).is_err();
        }
        self.lines.clear();
        self.written = Instant::now();
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
            Event::Submitted { call, job_id } => self.line(&format!("INFO {call} is job {job_id}")),
            Event::Started { call } => self.line(&format!("INFO {call} has started")),
            Event::Ended { call, state, cached, failure, .. } => {
                let how = if cached { " (an earlier result)" } else { "" };
                match failure {
                    Some(failure) => self.line(&format!("ERROR {call} ended: {state}{how}: {}", failure.message)),
                    None => self.line(&format!("INFO {call} ended: {state}{how}")),
                }
            }
            Event::Note(note) => self.line(&format!("WARN {note}")),
            Event::RunEnded { run, state, .. } => self.line(&format!("INFO {run} ended: {state}")),
        }
    }

    fn idle(&mut self) -> u64 {
        const WHILE_LINES_WAIT: u64 = 1000;
        const OTHERWISE: u64 = 3_600_000;
        if self.written.elapsed() >= PAUSE {
            self.flush();
        }
        if self.lines.is_empty() { OTHERWISE } else { WHILE_LINES_WAIT }
    }
}
