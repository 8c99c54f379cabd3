//! Runs one command of the configuration (`submit`, `check`, `kill`) as `script.<name>` in a call's directory, with its
//! output in `stdout.<name>` and `stderr.<name>`.

use std::{
    fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::Pid,
};

use crate::{
    control::{Control, EndedBy},
    local::SHELL,
};

/// Time between the polite signal and the hard one for a command that hangs.
const GRACE: Duration = Duration::from_secs(5);
/// Our own variables begin with this; a command of the configuration, and with it the jobs of a scheduler that passes
/// the environment on, gets none of them (one may hold the password of the database).
const OWN_VARIABLES: &str = "BATCHYARD_";

/// How a command of the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this status; 128 plus the number of the signal that ended it.
    Status(i32),
    /// We ended it because it took too long.
    TooLong,
    /// We ended it because its attempt was ended.
    Unwanted,
}

/// Writes `script.<name>`.
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::write(dir.join(format!("script.{name}")), format!("#!{SHELL}\n{text}\n"))
}

/// Runs `script.<name>` with bash and waits for it, at most `limit`. Its processes hold a lock on `stdout.<name>`.
pub(crate) fn run(dir: &Path, name: &str, limit: Duration) -> io::Result<Ended> {
    run_for(dir, name, limit, None)
}

/// The same for an attempt: who ends it ends the command, too.
pub(crate) fn run_for(dir: &Path, name: &str, limit: Duration, attempt: Option<&Arc<Control>>) -> io::Result<Ended> {
    let stdout = fs::OpenOptions::new().create(true).write(true).truncate(false).open(dir.join(format!("stdout.{name}")))?;
    flock(&stdout, FlockOperation::LockExclusive)?;
    stdout.set_len(0)?;
    let stderr = fs::File::create(dir.join(format!("stderr.{name}")))?;
    let mut command = Command::new(SHELL);
    command.arg(dir.join(format!("script.{name}"))).current_dir(dir).process_group(0);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    without_own_variables(&mut command);
    let mut child = command.spawn()?;
    drop(command);
    let control = Control::new(format!("{name} {}", dir.display()));
    control.started(Some(Pid::from_child(&child)));
    control.limit(limit, GRACE);
    if let Some(attempt) = attempt {
        let command = Arc::clone(&control);
        attempt.runs_elsewhere(GRACE, move |within| match within {
            Some(grace) => command.end(EndedBy::Abort, grace),
            None => command.kill(EndedBy::Abort),
        });
    }
    let status = child.wait();
    control.leader_gone();
    if let Some(attempt) = attempt {
        attempt.comes_back();
    }
    let status = status?;
    match control.ended_by() {
        Some(EndedBy::Abort | EndedBy::Room) => return Ok(Ended::Unwanted),
        Some(EndedBy::TimeLimit) => return Ok(Ended::TooLong),
        None => {}
    }
    Ok(Ended::Status(status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(-1)))
}

/// Keeps our own variables from a command of the configuration.
pub(crate) fn without_own_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            command.env_remove(name);
        }
    }
}

/// Whether `script.<name>` is being run, by whomever.
pub(crate) fn is_running(dir: &Path, name: &str) -> bool {
    let Ok(stdout) = fs::File::open(dir.join(format!("stdout.{name}"))) else { return false };
    flock(&stdout, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// The end of what a command has written on standard error, for people; empty when there is nothing.
pub(crate) fn last_words(dir: &Path, name: &str) -> String {
    const SHOWN_BYTES: usize = 600;
    let text = fs::read(dir.join(format!("stderr.{name}"))).unwrap_or_default();
    let end = text.get(text.len().saturating_sub(SHOWN_BYTES)..).unwrap_or_default();
    String::from_utf8_lossy(end).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn output_and_status_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "check", "echo out; echo err >&2; exit 3").unwrap();
        assert_eq!(run(dir.path(), "check", Duration::from_secs(20)).unwrap(), Ended::Status(3));
        assert_eq!(fs::read_to_string(dir.path().join("stdout.check")).unwrap(), "out\n");
        assert_eq!(last_words(dir.path(), "check"), "err");
        write(dir.path(), "check", "kill -9 $$").unwrap();
        assert_eq!(run(dir.path(), "check", Duration::from_secs(20)).unwrap(), Ended::Status(137));
    }

    #[test]
    fn what_hangs_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "kill", "sleep 300").unwrap();
        let start = Instant::now();
        assert_eq!(run(dir.path(), "kill", Duration::from_millis(50)).unwrap(), Ended::TooLong);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn who_ends_an_attempt_ends_its_commands() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "load", "touch begun; sleep 300").unwrap();
        let attempt = Control::new(format!("attempt {}", dir.path().display()));
        let ender = Arc::clone(&attempt);
        let begun = dir.path().join("begun");
        let ending = std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !begun.exists() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            ender.end(EndedBy::Abort, GRACE);
        });
        assert_eq!(run_for(dir.path(), "load", Duration::from_secs(60), Some(&attempt)).unwrap(), Ended::Unwanted);
        ending.join().unwrap();
        // The next one is not even begun in earnest.
        assert_eq!(run_for(dir.path(), "load", Duration::from_secs(60), Some(&attempt)).unwrap(), Ended::Unwanted);
    }
}
