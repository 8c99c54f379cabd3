//! What a dispatched attempt leaves in its directory: `job_id`, `rc`, and the commands that ask for it and end it.

use std::{fs, io, io::Write, path::Path, time::Duration};

use super::JobIdPattern;
use crate::{
    helper,
    local::Trace,
    outcome::{RunError, file},
    script::read_rc,
};

/// File that keeps the job id, with a line end.
pub const JOB_ID: &str = "job_id";
/// Status of an attempt that was ended by us, as Cromwell writes it.
pub(super) const ABORTED_RC: i32 = 143;
/// Longest run of a command that ends a job.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(60);

/// What `rc` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rc {
    Absent,
    Code(i32),
    /// It is there and holds no number, or not yet.
    Unreadable(String),
}

/// Looks for `rc`. The directory is opened first: a network file system then asks its server again instead of
/// remembering that there was no such file.
pub(super) fn look_for_rc(dir: &Path) -> Rc {
    let _ = fs::File::open(dir);
    match fs::read(dir.join("rc")) {
        Ok(content) => {
            let text = String::from_utf8_lossy(&content);
            let code = text.strip_suffix('\n').and_then(|line| line.trim().parse().ok());
            code.map_or_else(|| Rc::Unreadable(text.clone().into_owned()), Rc::Code)
        }
        Err(_) => Rc::Absent,
    }
}

/// Writes a status to `rc` unless there is one. False when there is.
pub(super) fn leave_rc(dir: &Path, code: i32) -> io::Result<bool> {
    let (rc, kill) = (dir.join("rc"), dir.join("rc.kill"));
    let text = format!("{code}\n");
    fs::write(&kill, &text)?;
    let linked = fs::hard_link(&kill, &rc);
    // Nothing is lost when it stays.
    let _ = fs::remove_file(&kill);
    match linked {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // A file system without hard links.
        Err(_) => match fs::OpenOptions::new().write(true).create_new(true).open(&rc) {
            Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        },
    }
}

/// Keeps the job id.
pub(crate) fn keep_job_id(dir: &Path, id: &str) -> Result<(), RunError> {
    let path = dir.join(JOB_ID);
    fs::write(&path, format!("{id}\n")).map_err(file(&path))
}

/// The job that an earlier engine has submitted for this attempt: as it kept it, or as the submit command printed it
/// after that engine was gone.
pub(super) fn job_left(dir: &Path, pattern: &JobIdPattern) -> Option<String> {
    kept_job_id(dir).or_else(|| pattern.find(&fs::read_to_string(dir.join("stdout.submit")).ok()?))
}

/// The job id that is kept in an execution directory.
pub fn kept_job_id(execution_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(execution_dir.join(JOB_ID)).ok()?;
    text.strip_suffix('\n').filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Forgets the job of an attempt that is gone, so that the attempt is submitted again.
pub(super) fn forget_job(dir: &Path) -> Result<(), RunError> {
    for name in [JOB_ID, "stdout.submit"] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(file(&path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Looks for what is left of a dispatched attempt in its execution directory; [`Trace::Running`] when a job was, or
/// is just being, submitted for it.
pub fn trace(execution_dir: &Path, pattern: &JobIdPattern) -> Trace {
    if !execution_dir.join("script.submit").exists() {
        return Trace::None;
    }
    if read_rc(&execution_dir.join("rc")).is_some() {
        return Trace::Ended;
    }
    if helper::is_running(execution_dir, "submit") || job_left(execution_dir, pattern).is_some() { Trace::Running } else { Trace::Gone }
}

/// Ends what a dead engine has started below a run's directory by commands of the configuration. Returns how many
/// jobs of schedulers there were to end.
///
/// A job whose id the engine did not live to read cannot be told to end; it finds its `rc` when it starts, and does
/// nothing.
///
/// # Errors
/// A directory that cannot be read or written.
pub fn end_left_behind(run_dir: &Path) -> io::Result<usize> {
    let mut ended = 0;
    let mut open = vec![run_dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if !entry.file_type()?.is_dir() || ["inputs", "outputs", "cacheCopy", "tmp"].iter().any(|own| name == *own) {
                continue;
            }
            if name == "execution" {
                ended += usize::from(end_attempt(&entry.path())?);
            } else {
                open.push(entry.path());
            }
        }
    }
    Ok(ended)
}

fn end_attempt(execution_dir: &Path) -> io::Result<bool> {
    let has = |name: &str| execution_dir.join(name).exists();
    if !has("script.submit") || has("rc") || !leave_rc(execution_dir, ABORTED_RC)? {
        return Ok(false);
    }
    if has("script.kill") {
        helper::run(execution_dir, "kill", KILL_LIMIT)?;
    }
    // What ran on this machine is found by its processes.
    Ok(has("stdout.submit"))
}
