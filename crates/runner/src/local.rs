//! The local runner: one attempt as a process group of its own, which outlives us if we die.

use std::{
    fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, WaitId, WaitIdOptions, waitid},
};
use wait4::Wait4;

use crate::{
    container::{Engine, Request},
    control::{Control, EndedBy},
    host, script,
    tree::MARKER,
};

/// The shell that runs scripts; an absolute path saves the search along `PATH` for each task.
pub const SHELL: &str = "/bin/bash";

/// How often an adopted attempt, which is not our child, is looked at; grows up to [`ADOPTED_POLL_MAX`].
const ADOPTED_POLL: Duration = Duration::from_millis(10);
const ADOPTED_POLL_MAX: Duration = Duration::from_millis(500);

/// One attempt, ready to run: directories exist, inputs are in place.
#[derive(Clone, Debug)]
pub struct Job {
    /// The call's directory; containers see it at the same path.
    pub call_dir: PathBuf,
    /// Working directory of the command; holds `script`, `stdout`, `stderr`, `rc`.
    pub execution_dir: PathBuf,
    /// The command's text.
    pub command: String,
    /// Environment added to the inherited one.
    pub env: Vec<(String, String)>,
    /// Folders put before `PATH`.
    pub path_prefix: Vec<String>,
    /// Image and engine, `None` runs on the host.
    pub container: Option<(Engine, String)>,
    /// Cores asked for.
    pub cores: f64,
    /// Memory asked for, in MiB; 0 when nothing was asked for.
    pub memory_mib: u64,
    /// Wall time after which it is ended.
    pub time_limit: Option<Duration>,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// Whether an earlier engine may have started this very attempt: then it is looked for before it is started.
    pub may_have_started: bool,
}

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
    /// Waiting for it failed.
    #[error("cannot wait for the process of `{}`: {source}", path.display())]
    Wait {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What an earlier engine left of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It was never started.
    None,
    /// It is running.
    Running,
    /// It has ended and left its status.
    Ended,
    /// It was started, and is gone without a status.
    Gone,
}

/// Looks for what is left of an attempt in its execution directory.
pub fn trace(execution_dir: &Path) -> Trace {
    let Ok(stdout) = fs::File::open(execution_dir.join("stdout")) else { return Trace::None };
    match (flock(&stdout, FlockOperation::NonBlockingLockExclusive), script::read_rc(&execution_dir.join("rc"))) {
        (_, Some(_)) => Trace::Ended,
        (Err(_), None) => Trace::Running,
        (Ok(()), None) => Trace::Gone,
    }
}

/// Runs attempts on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalRunner;

impl LocalRunner {
    /// Runs an attempt and blocks until it has ended. `control` ends it from another thread.
    ///
    /// # Errors
    /// [`RunError`] when it could not be started or waited for; nothing of it is running then.
    pub fn run(&self, job: &Job, control: &Arc<Control>) -> Result<Outcome, RunError> {
        let started = Instant::now();
        let script_path = job.execution_dir.join("script");
        let rc_path = job.execution_dir.join("rc");
        let text = script::render(&job.command, &rc_path);
        let stdout_path = job.execution_dir.join("stdout");
        let stdout = fs::OpenOptions::new().create(true).write(true).truncate(false).open(&stdout_path).map_err(file(&stdout_path))?;
        // The processes of the attempt inherit this lock: whoever cannot take it knows that it is still running.
        if flock(&stdout, FlockOperation::NonBlockingLockExclusive).is_err() {
            return self.adopt(job, control, started);
        }
        if job.may_have_started {
            let same_script = fs::read_to_string(&script_path).is_ok_and(|old| old == text);
            if let (true, Some(code)) = (same_script, script::read_rc(&rc_path)) {
                return Ok(adopted(code, control));
            }
            remove(&rc_path)?;
            stdout.set_len(0).map_err(file(&stdout_path))?;
        }
        fs::write(&script_path, &text).map_err(file(&script_path))?;
        let stderr_path = job.execution_dir.join("stderr");
        let stderr = fs::File::create(&stderr_path).map_err(file(&stderr_path))?;

        let (mut command, program) = self.command(job, control, &script_path);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        let child = command.spawn().map_err(|source| RunError::Start { program, source })?;
        // Our copies of the files are closed with `command`, so the lock lives as long as the attempt does.
        drop(command);
        let pid = Pid::from_child(&child);
        control.started(Some(pid));
        if let Some(limit) = job.time_limit {
            control.limit(limit, job.grace);
        }
        // First see that it ended without reaping it, so that its number cannot be signalled once it is another's.
        wait_without_reaping(pid).map_err(|source| RunError::Wait { path: job.execution_dir.clone(), source })?;
        end_of_leader(job, control);
        let used = child.wait4().map_err(|source| RunError::Wait { path: job.execution_dir.clone(), source })?;
        let exit = record_exit(used.status, &rc_path, control.ended_by().is_some())?;
        let usage = Usage {
            wall_ms: started.elapsed().as_millis() as u64,
            user_ms: used.rusage.utime.as_millis() as u64,
            system_ms: used.rusage.stime.as_millis() as u64,
            peak_kib: used.rusage.maxrss / 1024,
            peak_is_bound: host::is_within_own_peak(used.rusage.maxrss / 1024),
        };
        Ok(Outcome { exit, ended_by: control.ended_by(), usage: Some(usage), adopted: false })
    }

    fn command(&self, job: &Job, control: &Control, script_path: &Path) -> (Command, String) {
        let Some((engine, image)) = &job.container else {
            let mut command = Command::new(SHELL);
            command.arg(script_path).current_dir(&job.execution_dir).env(MARKER, control.marker());
            command.envs(job.env.iter().map(|(k, v)| (k, v)));
            if !job.path_prefix.is_empty() {
                let old = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{old}", job.path_prefix.join(":")));
            }
            return (command, SHELL.into());
        };
        let name = Engine::name_of(control.marker());
        let words = engine.run_command(&Request {
            image,
            name: &name,
            mount: &job.call_dir,
            workdir: &job.execution_dir,
            script: script_path,
            env: &job.env,
            cores: job.cores,
            memory_mib: job.memory_mib,
        });
        let program = words.first().cloned().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(words.iter().skip(1)).current_dir(&job.execution_dir).env(MARKER, control.marker());
        (command, program)
    }

    /// Waits for an attempt that an earlier engine started: its `rc`, or the end of its processes.
    fn adopt(&self, job: &Job, control: &Arc<Control>, started: Instant) -> Result<Outcome, RunError> {
        let rc_path = job.execution_dir.join("rc");
        let stdout_path = job.execution_dir.join("stdout");
        control.started(None);
        if let Some(limit) = job.time_limit {
            // How long it has run already is not known; the limit counts from now.
            control.limit(limit.saturating_sub(started.elapsed()), job.grace);
        }
        let mut pause = ADOPTED_POLL;
        loop {
            if let Some(code) = script::read_rc(&rc_path) {
                end_of_leader(job, control);
                return Ok(adopted(code, control));
            }
            let lock = fs::File::open(&stdout_path).map_err(file(&stdout_path))?;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                // Nobody runs any more; a status written in between is still taken.
                end_of_leader(job, control);
                let exit = script::read_rc(&rc_path).map_or(Exit::Signal(9), Exit::Code);
                return Ok(Outcome { exit, ended_by: control.ended_by(), usage: None, adopted: true });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(ADOPTED_POLL_MAX);
        }
    }
}

fn adopted(code: i32, control: &Control) -> Outcome {
    Outcome { exit: Exit::Code(code), ended_by: control.ended_by(), usage: None, adopted: true }
}

fn wait_without_reaping(pid: Pid) -> io::Result<()> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The exit as the process table tells it, and `rc` where the script could not write it (or was made to lie by a
/// signal that arrived while the engine ended it).
fn record_exit(status: ExitStatus, rc_path: &Path, ended: bool) -> Result<Exit, RunError> {
    let written = script::read_rc(rc_path);
    let exit = match (status.code(), status.signal()) {
        // A container engine or a trap passes the command's own status on through `rc`.
        (Some(code), _) => match written {
            Some(rc) if !ended || code == 0 => Exit::Code(rc),
            _ => Exit::Code(code),
        },
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(9),
    };
    if written != Some(exit.number()) {
        fs::write(rc_path, format!("{}\n", exit.number())).map_err(file(rc_path))?;
    }
    Ok(exit)
}

/// What we started has ended; what it left behind is ended too if the attempt was ended by us.
fn end_of_leader(job: &Job, control: &Control) {
    control.leader_gone();
    if let (Some((engine, _)), true) = (&job.container, control.ended_by().is_some()) {
        remove_container(engine, control.marker());
    }
}

/// Ends the container of the attempt with this marker, if there is one: it lives on without the client that we
/// started.
pub fn remove_container(engine: &Engine, marker: &str) {
    if let Some((program, arguments)) = engine.remove_command(&Engine::name_of(marker)).as_deref().and_then(|w| w.split_first()) {
        // The container may be gone already; the engine's answer is of no use.
        let _ = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(file(path)(e)),
        _ => Ok(()),
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(dir: &Path, command: &str) -> Job {
        let execution_dir = dir.join("execution");
        fs::create_dir_all(&execution_dir).unwrap();
        Job {
            call_dir: dir.into(),
            execution_dir,
            command: command.into(),
            env: vec![],
            path_prefix: vec![],
            container: None,
            cores: 1.0,
            memory_mib: 0,
            time_limit: None,
            grace: Duration::from_millis(200),
            may_have_started: false,
        }
    }

    #[test]
    fn runs_and_leaves_four_files() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = LocalRunner.run(&job(dir.path(), "echo out; echo err >&2; exit 3"), &Control::new("t1")).unwrap();
        assert_eq!(outcome.exit, Exit::Code(3));
        let mut names: Vec<_> =
            fs::read_dir(dir.path().join("execution")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["rc", "script", "stderr", "stdout"]);
        assert_eq!(fs::read_to_string(dir.path().join("execution/stdout")).unwrap(), "out\n");
        assert!(outcome.usage.unwrap().peak_kib > 0);
    }

    #[test]
    fn a_signal_is_reported_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = LocalRunner.run(&job(dir.path(), "kill -SEGV $$"), &Control::new("t2")).unwrap();
        assert_eq!(outcome.exit, Exit::Signal(11));
        assert_eq!(script::read_rc(&dir.path().join("execution/rc")), Some(139));
    }

    #[test]
    fn a_time_limit_ends_the_whole_tree() {
        let dir = tempfile::tempdir().unwrap();
        let marker = format!("limit-{}", std::process::id());
        let mut job = job(dir.path(), "trap '' TERM; setsid sleep 300 & (trap '' TERM; sleep 300) & sleep 300; sleep 300");
        job.time_limit = Some(Duration::from_millis(100));
        let outcome = LocalRunner.run(&job, &Control::new(marker.clone())).unwrap();
        assert_eq!(outcome.ended_by, Some(EndedBy::TimeLimit));
        assert_eq!(crate::tree::find(&marker), []);
    }

    #[test]
    fn an_abort_before_the_start_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::new(format!("early-{}", std::process::id()));
        control.end(EndedBy::Abort, Duration::from_millis(50));
        let outcome = LocalRunner.run(&job(dir.path(), "sleep 300"), &control).unwrap();
        assert_eq!(outcome.ended_by, Some(EndedBy::Abort));
    }

    #[test]
    fn a_finished_attempt_is_taken_and_not_run_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut job = job(dir.path(), "echo x >>count; exit 5");
        LocalRunner.run(&job, &Control::new("t3")).unwrap();
        job.may_have_started = true;
        let outcome = LocalRunner.run(&job, &Control::new("t3")).unwrap();
        assert!(outcome.adopted);
        assert_eq!(outcome.exit, Exit::Code(5));
        assert_eq!(fs::read_to_string(dir.path().join("execution/count")).unwrap(), "x\n");
    }

    #[test]
    fn a_running_attempt_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let job_one = job(dir.path(), "echo x >>count; sleep 0.5; exit 6");
        let mut job_two = job_one.clone();
        job_two.may_have_started = true;
        let first = thread::spawn(move || LocalRunner.run(&job_one, &Control::new("t4")).unwrap());
        let count = dir.path().join("execution/count");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !count.exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let outcome = LocalRunner.run(&job_two, &Control::new("t4")).unwrap();
        assert!(outcome.adopted);
        assert_eq!(outcome.exit, Exit::Code(6));
        assert_eq!(first.join().unwrap().exit, Exit::Code(6));
        assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
    }
}
