//! The local runner: one attempt as a process group of its own, which outlives us if we die.

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, WaitId, WaitIdOptions, waitid},
};
use wait4::Wait4;

use crate::{
    container::{Engine, Request},
    control::{Control, EndedBy},
    dispatch::{self, ScriptsOfJob},
    helper, host,
    outcome::{Exit, Outcome, RunError, Usage, file},
    root::Mount,
    script,
    tree::{self, MARKER},
    user::User,
};

/// The shell that runs scripts; an absolute path saves the search along `PATH` for each task.
pub const SHELL: &str = "/bin/bash";

/// How often an adopted attempt, which is not our child, is looked at; grows up to [`ADOPTED_POLL_MAX`].
const ADOPTED_POLL: Duration = Duration::from_millis(10);
const ADOPTED_POLL_MAX: Duration = Duration::from_millis(500);

/// Standard output of a command of the configuration that runs an attempt here.
const BACKGROUND_STDOUT: &str = "stdout.background";
/// Status of an attempt whose command of the configuration failed itself, as Cromwell writes it.
pub const NOT_STARTED_RC: i32 = -1;
/// Permissions of the files of an attempt of another user.
const PRIVATE: u32 = 0o600;
/// Longest run of a command that ends a container.
const KILL_LIMIT: Duration = Duration::from_secs(60);

/// What runs a script. Ours need nothing that a POSIX shell does not have; what a command needs is its own matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// Bash.
    Bash,
    /// The shell that every system has.
    Sh,
    /// Bash where the image has it, else the other.
    Either,
}

impl Shell {
    /// The program and what comes before the script.
    pub(crate) fn words(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Shell::Bash => (SHELL, &[]),
            Shell::Sh => ("/bin/sh", &[]),
            Shell::Either => ("/bin/sh", &["-c", r#"[ -x /bin/bash ] && exec /bin/bash "$0"; exec /bin/sh "$0""#]),
        }
    }
}

/// How an attempt is started.
#[derive(Clone, Debug)]
pub enum Launch {
    /// By our own script, in a container where there is one.
    Own,
    /// By a command of the configuration that we wait for.
    Given {
        /// Text of `script`, which the command runs in its way.
        script: String,
        /// Text of `script.submit`, the command.
        submit: String,
        /// The command that ends what the end of ours would leave running (a container).
        scripts: ScriptsOfJob,
    },
}

impl Launch {
    /// Names of the files that get the output of what we start.
    fn output_names(&self) -> (&'static str, &'static str) {
        match self {
            Launch::Own => ("stdout", "stderr"),
            Launch::Given { .. } => (BACKGROUND_STDOUT, "stderr.background"),
        }
    }
}

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
    /// Whether `env` is all of the environment: nothing is inherited.
    pub clean_env: bool,
    /// Folders put before `PATH`.
    pub path_prefix: Vec<String>,
    /// Further files and folders that a container sees.
    pub volumes: Vec<Mount>,
    /// Words before the shell that give the attempt a root of its own (see [`crate::root::unshare`]).
    pub root: Option<Vec<String>>,
    /// What runs the script.
    pub shell: Shell,
    /// Image and engine, `None` runs on the host.
    pub container: Option<(Engine, String)>,
    /// How it is started.
    pub launch: Launch,
    /// Cores asked for.
    pub cores: f64,
    /// Memory asked for, in MiB; 0 when nothing was asked for.
    pub memory_mib: u64,
    /// Wall time after which it is ended.
    pub time_limit: Option<Duration>,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// Who it runs as, where that is not this process's own user: then the execution directory must be one that this user
    /// cannot write to, and what has a root becomes the user by its description.
    pub user: Option<User>,
    /// Whether an earlier engine may have started this very attempt: then it is looked for before it is started.
    pub may_have_started: bool,
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

/// Whether this process has given up what it runs.
static ABANDONED: AtomicBool = AtomicBool::new(false);

/// From now on this process starts nothing, and writes down nothing about the ends of what it has started: somebody else carries
/// that out, and would take it for an end of his own. There is no way back.
pub fn abandon() {
    ABANDONED.store(true, Ordering::SeqCst);
}

fn unless_abandoned() -> Result<(), RunError> {
    if ABANDONED.load(Ordering::SeqCst) { Err(RunError::Abandoned) } else { Ok(()) }
}

/// Looks for what is left of an attempt in its execution directory.
pub fn trace(execution_dir: &Path) -> Trace {
    trace_by(execution_dir, "stdout")
}

/// The same for an attempt that a command of the configuration was to run on this machine.
pub fn trace_given(execution_dir: &Path) -> Trace {
    trace_by(execution_dir, BACKGROUND_STDOUT)
}

fn trace_by(execution_dir: &Path, stdout: &str) -> Trace {
    let Ok(stdout) = fs::File::open(execution_dir.join(stdout)) else { return Trace::None };
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
        unless_abandoned()?;
        let started = Instant::now();
        let script_path = job.execution_dir.join("script");
        let rc_path = job.execution_dir.join("rc");
        let text = match &job.launch {
            Launch::Own => script::render(&job.command, &rc_path),
            Launch::Given { script, .. } => script.clone(),
        };
        let (stdout_name, stderr_name) = job.launch.output_names();
        let stdout_path = job.execution_dir.join(stdout_name);
        let stdout = fs::OpenOptions::new().create(true).write(true).truncate(false).open(&stdout_path).map_err(file(&stdout_path))?;
        // The processes of the attempt inherit this lock: whoever cannot take it knows that it is still running.
        if flock(&stdout, FlockOperation::NonBlockingLockExclusive).is_err() {
            return self.adopt(job, control);
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
        let stderr_path = job.execution_dir.join(stderr_name);
        let stderr = fs::File::create(&stderr_path).map_err(file(&stderr_path))?;
        if let Some(user) = &job.user {
            // It cannot make `rc` itself: an empty one counts as absent.
            fs::File::create(&rc_path).map_err(file(&rc_path))?;
            for path in [&script_path, &stdout_path, &stderr_path, &rc_path] {
                user.give_with(path, PRIVATE).map_err(file(path))?;
            }
        }

        let (mut command, program) = self.command(job, control, &script_path);
        if let Launch::Given { submit, .. } = &job.launch {
            remove(&rc_path)?;
            helper::write(&job.execution_dir, "submit", submit).map_err(file(&job.execution_dir.join("script.submit")))?;
        }
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        let mut child = command.spawn().map_err(|source| RunError::Start { program, source })?;
        // Our copies of the files are closed with `command`, so the lock lives as long as the attempt does.
        drop(command);
        let pid = Pid::from_child(&child);
        control.started(Some(pid));
        control.set_job_id(&pid.as_raw_nonzero().to_string());
        if let Launch::Given { scripts, .. } = &job.launch {
            keep_given(job, scripts, pid).inspect_err(|_| {
                control.kill(EndedBy::Abort);
                let _ = child.wait();
                control.leader_gone();
            })?;
        }
        if let Some(limit) = job.time_limit {
            control.limit(limit, job.grace);
        }
        // First see that it ended without reaping it, so that its number cannot be signalled once it is another's.
        wait_without_reaping(pid).map_err(|source| RunError::Wait { path: job.execution_dir.clone(), source })?;
        unless_abandoned()?;
        end_of_leader(job, control);
        let used = child.wait4().map_err(|source| RunError::Wait { path: job.execution_dir.clone(), source })?;
        let exit = record_exit(used.status, &rc_path, control.ended_by().is_some(), &job.launch)?;
        let usage = Usage {
            wall_ms: started.elapsed().as_millis() as u64,
            user_ms: used.rusage.utime.as_millis() as u64,
            system_ms: used.rusage.stime.as_millis() as u64,
            peak_kib: used.rusage.maxrss / 1024,
            peak_is_bound: host::is_within_own_peak(used.rusage.maxrss / 1024),
        };
        Ok(Outcome { exit, ended_by: control.ended_by(), usage: Some(usage), adopted: false, lost: false })
    }

    fn command(&self, job: &Job, control: &Control, script_path: &Path) -> (Command, String) {
        if let Launch::Given { .. } = &job.launch {
            let mut command = Command::new(SHELL);
            command.arg(job.execution_dir.join("script.submit")).current_dir(&job.execution_dir);
            helper::without_own_variables(&mut command);
            command.env(MARKER, control.marker());
            return (command, SHELL.into());
        }
        let Some((engine, image)) = &job.container else {
            let as_user = || job.user.as_ref().map(User::words).unwrap_or_default();
            let words = job.root.clone().unwrap_or_else(as_user);
            let (shell, options) = job.shell.words();
            let program = words.first().map_or(shell, String::as_str).to_owned();
            let mut command = Command::new(&program);
            if !words.is_empty() {
                command.args(words.iter().skip(1)).arg(shell);
            }
            command.args(options);
            if job.clean_env {
                command.env_clear();
            }
            command.arg(script_path).current_dir(&job.execution_dir).env(MARKER, control.marker());
            command.envs(job.env.iter().map(|(k, v)| (k, v)));
            if !job.path_prefix.is_empty() {
                let old = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{old}", job.path_prefix.join(":")));
            }
            return (command, program);
        };
        let name = Engine::name_of(control.marker());
        let words = engine.run_command(&Request {
            image,
            name: &name,
            mount: &job.call_dir,
            workdir: &job.execution_dir,
            script: script_path,
            shell: job.shell,
            env: &job.env,
            volumes: &job.volumes,
            cores: job.cores,
            memory_mib: job.memory_mib,
        });
        let program = words.first().cloned().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(words.iter().skip(1)).current_dir(&job.execution_dir).env(MARKER, control.marker());
        (command, program)
    }

    /// Waits for an attempt that an earlier engine started: its `rc`, or the end of its processes.
    fn adopt(&self, job: &Job, control: &Arc<Control>) -> Result<Outcome, RunError> {
        let rc_path = job.execution_dir.join("rc");
        let stdout_path = job.execution_dir.join(job.launch.output_names().0);
        control.started(None);
        let id = match &job.launch {
            Launch::Given { .. } => dispatch::kept_job_id(&job.execution_dir),
            Launch::Own => tree::leader(control.marker()).map(|pid| pid.as_raw_nonzero().to_string()),
        };
        if let Some(id) = id {
            control.set_job_id(&id);
        }
        if let Some(limit) = job.time_limit {
            control.limit(limit.saturating_sub(running_for(&job.execution_dir)), job.grace);
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
                return Ok(Outcome { exit, ended_by: control.ended_by(), usage: None, adopted: true, lost: false });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(ADOPTED_POLL_MAX);
        }
    }
}

fn adopted(code: i32, control: &Control) -> Outcome {
    Outcome { exit: Exit::Code(code), ended_by: control.ended_by(), usage: None, adopted: true, lost: false }
}

/// How long an adopted attempt has run: its script was written when it started.
fn running_for(execution_dir: &Path) -> Duration {
    let written = fs::metadata(execution_dir.join("script")).and_then(|meta| meta.modified()).ok();
    written.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default()
}

/// Keeps the process id and the command that ends what our own end would leave running.
fn keep_given(job: &Job, scripts: &ScriptsOfJob, pid: Pid) -> Result<(), RunError> {
    let id = pid.as_raw_nonzero().to_string();
    dispatch::keep_job_id(&job.execution_dir, &id)?;
    if let Some(kill) = scripts.of(&id).map_err(RunError::Template)?.kill {
        helper::write(&job.execution_dir, "kill", &kill).map_err(file(&job.execution_dir.join("script.kill")))?;
    }
    Ok(())
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
fn record_exit(status: ExitStatus, rc_path: &Path, ended: bool, launch: &Launch) -> Result<Exit, RunError> {
    let written = script::read_rc(rc_path);
    let exit = match (status.code(), status.signal()) {
        // What a command of the configuration says of itself counts only where the task has said nothing.
        (Some(code), _) if matches!(launch, Launch::Given { .. }) => {
            Exit::Code(written.unwrap_or(if code > 128 || ended { code } else { NOT_STARTED_RC }))
        }
        // A container engine or a trap passes the command's own status on through `rc`.
        (Some(code), _) => match written {
            Some(rc) if !ended || code == 0 => Exit::Code(rc),
            _ => Exit::Code(code),
        },
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Signal(9),
    };
    if written != Some(exit.number()) {
        // A command in a container could have put a link to some file of this machine in its place.
        remove(rc_path)?;
        fs::write(rc_path, format!("{}\n", exit.number())).map_err(file(rc_path))?;
    }
    Ok(exit)
}

/// What we started has ended; what it left behind is ended too if the attempt was ended by us.
fn end_of_leader(job: &Job, control: &Control) {
    control.leader_gone();
    if control.ended_by().is_none() {
        return;
    }
    if let Some((engine, _)) = &job.container {
        remove_container(engine, control.marker());
    }
    if job.execution_dir.join("script.kill").exists() {
        // What it ends may be gone already.
        let _ = helper::run(&job.execution_dir, "kill", KILL_LIMIT);
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
