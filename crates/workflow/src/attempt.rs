//! One attempt of a call on a worker thread: put files in place, run the command, judge its end, read its outputs.
//! A command that a scheduler runs needs no thread meanwhile: its end is judged on another one.

mod work;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use batchyard_crash as crash;
use batchyard_runner::{
    Control, EndedBy, Exit, LocalRunner, Outcome, RunError, Trace, Usage,
    local::{NOT_STARTED_RC, remove_container},
    stage::Staging,
};
use batchyard_wdl::{
    inputs,
    value::{Value, text_bytes},
};
use indexmap::IndexMap;

use self::work::Work;
use crate::{
    complaint,
    documents::Failure,
    host::Originals,
    prepare::guarded,
    provider::Mode,
    runtime::{ReturnCodes, Runtime},
    settings::{Place, Settings},
    stamps::stamp,
    task::TaskFrame,
};

/// What schedulers write there, or where the output of the job goes, when a job has used more than it asked for.
const SCHEDULER_MEMORY_ERRORS: [&str; 5] = ["oom-kill", "oom_kill", "Out Of Memory", "TERM_MEMLIMIT", "exceeded memory limit"];
/// Longest output values of a call or workflow, as text: beyond that no database keeps them.
pub(crate) const MAX_OUTPUT_BYTES: u64 = 128 << 20;
/// How much of the end of standard error is searched for them, in bytes.
const STDERR_TAIL_BYTES: u64 = 1 << 20;

/// Folder that commands find as `TMPDIR`: one of the run for tasks on the host (a folder made and removed for each task
/// would cost as much as its files), one of the attempt in containers, which see nothing else.
pub const SCRATCH: &str = "tmp";

/// Everything an attempt needs.
#[derive(Debug)]
pub struct Attempt {
    /// Its values.
    pub frame: TaskFrame,
    /// What it asks for.
    pub runtime: Runtime,
    /// Where it runs.
    pub place: Place,
    /// Memory for this attempt in MiB, grown by earlier ones that ran out of it.
    pub memory_mib: u64,
    /// Words on standard error that mean that the memory was too small.
    pub memory_errors: Arc<[String]>,
    /// `TMPDIR` of tasks on the host; exists.
    pub scratch: PathBuf,
    /// Name of the call.
    pub tag: String,
    /// From 1.
    pub number: u32,
    /// Whether an earlier engine may have started it.
    pub may_have_started: bool,
    /// In which state its files were when it was prepared.
    pub originals: Option<Originals>,
    /// Whether they were in another one when they were put in place.
    pub has_changed: bool,
}

/// What the failure of a job tells of the texts by which it is known to have run out of memory; they follow.
pub const MEMORY_WORDS: &str = "; its stderr contains one of the `memory-retry-error-keys: [";

/// How an attempt ended.
#[derive(Debug)]
pub struct End {
    /// Its outputs, or why there are none.
    pub result: Result<IndexMap<Arc<str>, Value>, Failed>,
    /// Exit status, if the command ran.
    pub exit_code: Option<i32>,
    /// What it used.
    pub usage: Option<Usage>,
    /// Size and modification time of each output file.
    pub files: IndexMap<String, (u64, i64)>,
    /// Process id, or the id that a scheduler gave.
    pub job_id: Option<String>,
    /// Whether it has worked on other files than those that it was prepared for.
    pub has_changed: bool,
}

impl End {
    /// The end of an attempt whose command has not run.
    pub fn failed(failed: Failed) -> Self {
        End { result: Err(failed), exit_code: None, usage: None, files: IndexMap::new(), job_id: None, has_changed: false }
    }
}

/// Why an attempt failed and whether another one may help.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// Whether `maxRetries` applies.
    pub retry: bool,
    /// Whether it ran out of memory.
    pub out_of_memory: bool,
    /// Whether it was ended by request.
    pub aborted: bool,
    /// Whether its process is gone without a result: it is started again without counting as a failure.
    pub vanished: bool,
}

impl Failed {
    /// No other attempt would help.
    pub fn for_good(failure: Failure) -> Self {
        Failed { failure, retry: false, out_of_memory: false, aborted: false, vanished: false }
    }
}

/// An attempt with everything in place.
#[derive(Debug)]
pub struct Staged {
    attempt: Attempt,
    work: Work,
}

impl Staged {
    /// Runs the attempt and tells `done` how it ended: before this returns where the command runs here, later and on another
    /// thread where a scheduler runs it.
    pub fn run(self, control: &Arc<Control>, done: impl FnOnce(End) + Send + 'static) {
        let Staged { attempt, work } = self;
        match work {
            Work::Here(job) => done(attempt.conclude(control, |control| {
                crash::place("staged");
                let outcome = LocalRunner.run(&job, control);
                crash::place("command ended");
                outcome
            })),
            Work::Elsewhere(order, desk) => {
                let control_then = Arc::clone(control);
                desk.dispatch(order, control, Box::new(move |outcome| done(attempt.conclude(&control_then, |_| outcome))));
            }
        }
    }
}

impl Attempt {
    /// Puts everything in place for the command; `control` names the attempt.
    ///
    /// # Errors
    /// How the attempt has ended instead.
    pub fn stage(mut self, settings: &Settings, control: &Control) -> Result<Staged, Box<End>> {
        match self.work(settings, control) {
            Ok(work) => Ok(Staged { attempt: self, work }),
            Err(failed) => Err(Box::new(End::failed(failed))),
        }
    }

    /// Runs the command, or learns how it has ended, and reads its outputs.
    fn conclude(mut self, control: &Arc<Control>, run: impl FnOnce(&Arc<Control>) -> Result<Outcome, RunError>) -> End {
        let concluded = guarded(|| {
            let mut end = match run(control) {
                Ok(outcome) => self.end_of(&outcome),
                Err(error) => End::failed(self.not_run(error)),
            };
            end.job_id = control.job_id();
            end.has_changed = self.has_changed;
            Ok(end)
        });
        concluded.unwrap_or_else(|failure| End::failed(Failed::for_good(failure)))
    }

    fn end_of(&mut self, outcome: &Outcome) -> End {
        let mut end = End {
            result: Ok(IndexMap::new()),
            exit_code: Some(outcome.exit.number()),
            usage: outcome.usage,
            files: IndexMap::new(),
            job_id: None,
            has_changed: false,
        };
        end.result = self.judge(outcome).and_then(|()| {
            self.frame.bind_task_variable(&self.tag, self.number, Some(&self.runtime), end.exit_code);
            let outputs = self.frame.outputs().map_err(|failure| Failed::for_good(self.with_place(failure, end.exit_code)))?;
            if text_bytes(outputs.values(), MAX_OUTPUT_BYTES) <= MAX_OUTPUT_BYTES {
                return Ok(outputs);
            }
            let message = format!("the output values of job {} have more than the {MAX_OUTPUT_BYTES} bytes that are kept", self.tag);
            Err(Failed::for_good(self.with_place(Failure::new(message).hint("give large texts on as a `File`"), end.exit_code)))
        });
        if let Ok(outputs) = &end.result {
            outputs.values().for_each(|value| stamp_files(value, self.frame.host.call_dir(), &mut end.files));
        }
        end
    }

    /// What it means that an attempt could not be run.
    fn not_run(&self, error: RunError) -> Failed {
        let message = match &error {
            RunError::Status { text, .. } if text.trim().is_empty() => format!("The return code file for job {} was empty.", self.tag),
            RunError::Status { text, .. } => format!("the return code file for job {} holds no integer: {:?}", self.tag, text.trim()),
            error => error.to_string(),
        };
        let failure = self.with_place(Failure::new(message), None);
        match error {
            RunError::Submit { words, .. } if !words.is_empty() => Failed::for_good(failure.hint(format!("it says: {words}"))),
            RunError::Unalive { .. } => Failed { vanished: true, ..Failed::for_good(failure) },
            _ => Failed::for_good(failure),
        }
    }

    /// Makes the directory of the attempt and puts its inputs there.
    fn put_in_place(&mut self, settings: &Settings, control: &Control) -> Result<(), Failure> {
        self.frame.bind_task_variable(&self.tag, self.number, Some(&self.runtime), None);
        let execution_dir = self.frame.host.execution_dir().to_owned();
        if self.may_have_started && self.trace() == Trace::Gone {
            if let Some((engine, _)) = &self.place.container {
                remove_container(engine, control.marker());
            }
            // What a broken-off attempt has left must not be in the way of the next one.
            for part in [execution_dir.clone(), self.frame.host.call_dir().join("inputs")] {
                if let Err(e) = fs::remove_dir_all(&part)
                    && e.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(Failure::new(format!("cannot clear `{}`: {e}", part.display())));
                }
            }
        }
        fs::create_dir_all(&execution_dir).map_err(|e| {
            Failure::new(format!("cannot make `{}`: {e}", execution_dir.display())).hint("check free space and permissions there")
        })?;
        self.frame.settle()?;
        let container = self.place.container.is_some() || self.place.site.as_ref().is_some_and(|site| site.in_container());
        let own: Staging;
        let staging = match &self.place.site {
            Some(site) => site.provider().staging(),
            None => {
                own = settings.staging.clone().into();
                &own
            }
        };
        for (to, from) in self.frame.host.files() {
            if let Some(reader) = &self.frame.host.remote.reader {
                let denied = |error: std::io::Error| Failure::new(format!("the file `{from}` cannot be read: {error}"));
                reader.check(Path::new(&*from)).map_err(denied)?;
            }
            staging.place(Path::new(&*from), Path::new(&*to), container).map_err(|e| Failure::new(e.to_string()))?;
        }
        Ok(())
    }

    /// Cromwell's rules for an ended command, except that a killed one may be retried.
    fn judge(&self, outcome: &Outcome) -> Result<(), Failed> {
        let code = outcome.exit.number();
        let failure = |message: String| self.with_place(Failure::new(message), Some(code));
        match outcome.ended_by {
            // Nobody watches what a task here fills.
            Some(EndedBy::Abort | EndedBy::Room) => {
                return Err(Failed { aborted: true, ..Failed::for_good(failure(format!("job {} was aborted", self.tag))) });
            }
            Some(EndedBy::TimeLimit) => {
                let limit = self.runtime.time_limit.unwrap_or(Duration::ZERO).as_secs();
                let failure = failure(format!("job {} was ended after its time limit of {limit} s", self.tag));
                return Err(Failed { retry: true, ..Failed::for_good(failure) });
            }
            None => {}
        }
        if outcome.adopted && outcome.exit == Exit::Signal(9) {
            let failure = failure(format!("job {} is gone and left no exit status", self.tag));
            return Err(Failed { vanished: true, ..Failed::for_good(failure) });
        }
        let stderr = self.frame.host.execution_dir().join("stderr");
        if outcome.lost {
            return Err(self.lost(&stderr, failure));
        }
        if code == NOT_STARTED_RC && self.place.mode() == Mode::Background {
            let stderr = stderr.with_extension("background");
            let message = format!("Unable to start job. Check the stderr file for possible errors: {}", stderr.display());
            return Err(Failed { retry: true, ..Failed::for_good(failure(message)) });
        }
        let length = || fs::metadata(&stderr).map_or(0, |m| m.len());
        if self.runtime.fail_on_stderr && length() > 0 {
            let message = format!("stderr for job {} has length {} and 'failOnStderr' is on", self.tag, length());
            return Err(Failed { retry: true, ..Failed::for_good(failure(message)) });
        }
        if let Exit::Code(_) = outcome.exit
            && self.runtime.return_codes.accepts(code)
        {
            return Ok(());
        }
        if self.runtime.return_codes == ReturnCodes::Any {
            return Ok(());
        }
        let out_of_memory = code == 137 || self.ran_out_of_memory(&stderr);
        let message = match outcome.exit {
            Exit::Signal(signal) => format!("job {} was ended by signal {signal}{}", self.tag, signal_name(signal)),
            Exit::Code(code) => {
                let words = if tail_contains(&stderr, &self.memory_errors) {
                    format!("{MEMORY_WORDS}{}]`", self.memory_errors.join(","))
                } else {
                    String::new()
                };
                let signal = shell_signal(code);
                format!("job {} exited with return code {code} which has not been declared as a valid return code{signal}{words}", self.tag)
            }
        };
        let failure = Failure { hint: complaint::advice(&stderr).map(Into::into), ..failure(message) };
        Err(Failed { retry: true, out_of_memory, ..Failed::for_good(failure) })
    }

    /// A job that its scheduler does not know any more.
    fn lost(&self, stderr: &Path, failure: impl Fn(String) -> Failure) -> Failed {
        let message = format!(
            "job {} is gone: `check-alive` does not know it any more, and it left no return code (79 was written in its place)",
            self.tag
        );
        let failure = failure(message).hint("ask the scheduler what became of it: a limit on time or memory, a lost node");
        Failed { retry: true, out_of_memory: self.ran_out_of_memory(stderr), ..Failed::for_good(failure) }
    }

    fn ran_out_of_memory(&self, stderr: &Path) -> bool {
        tail_contains(stderr, &self.memory_errors)
            || (self.place.mode() == Mode::Dispatched && tail_contains(stderr, &SCHEDULER_MEMORY_ERRORS))
    }

    fn with_place(&self, failure: Failure, exit_code: Option<i32>) -> Failure {
        let dir = self.frame.host.call_dir().to_string_lossy().into_owned();
        Failure { call: Some(self.tag.clone()), dir: Some(dir), exit_code, ..failure }
    }
}

/// A shell reports the signal that ended a program as 128 plus its number.
fn shell_signal(code: i32) -> String {
    let name = signal_name(code - 128);
    if name.is_empty() { String::new() } else { format!(": 128 + signal {}{name}", code - 128) }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL; out of memory, or killed by somebody)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        25 => " (SIGXFSZ; a file grew beyond its limit)",
        _ => "",
    }
}

fn tail_contains(path: &Path, words: &[impl AsRef<str>]) -> bool {
    complaint::tail(path, STDERR_TAIL_BYTES).is_ok_and(|text| words.iter().any(|word| text.contains(word.as_ref())))
}

/// Notes size and time of each output file that lies in the call's own directory.
fn stamp_files(value: &Value, call_dir: &Path, files: &mut IndexMap<String, (u64, i64)>) {
    inputs::files(value, &mut |path, directory| {
        if Path::new(&**path).starts_with(call_dir) {
            stamp(path, directory, files);
        }
    });
}
