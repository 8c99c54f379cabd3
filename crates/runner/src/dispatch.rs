//! Attempts that a scheduler runs: submitted by a command of the configuration, known by a job id, ended when `rc` is
//! there.
//!
//! No thread waits for a job. [`Dispatcher::dispatch`] queues it before its provider's [`door`]; a hand (a thread of
//! the pool that the owner gave) submits it; one poller looks for the `rc` files of all of them ([`poll`]); `check`
//! and `kill` are run by hands again ([`cancel`]). What must survive us is in the call's directory ([`files`]).

mod cancel;
mod door;
mod files;
mod poll;
#[cfg(test)]
mod tests;

use std::{
    collections::{BinaryHeap, HashMap},
    fmt, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use regex::Regex;

use self::{cancel::Cancel, door::Door, poll::Look};
use crate::{
    control::Control,
    outcome::{Exit, Outcome, RunError},
};
pub(crate) use files::keep_job_id;
pub use files::{JOB_ID, end_left_behind, kept_job_id, trace};

/// Time that the jobs of an ended attempt get at least to be gone, when they are ended politely.
const LEAST_GRACE: Duration = Duration::from_secs(5);

/// Runs work on another thread, soon.
pub type Execute = dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync;

/// Takes how a dispatched attempt ended, on one of the hands.
pub type Done = Box<dyn FnOnce(Result<Outcome, RunError>) + Send>;

/// Finds the job id in what a submit command has printed. Shared: each copy of a pattern would have working memory of its own.
#[derive(Clone, Debug)]
pub struct JobIdPattern(Arc<Regex>);

impl JobIdPattern {
    /// A pattern with exactly one group.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let pattern = Regex::new(text).map_err(|e| format!("`{text}` is no regular expression: {e}"))?;
        match pattern.captures_len() - 1 {
            1 => Ok(JobIdPattern(Arc::new(pattern))),
            groups => Err(format!("`{text}` must have exactly one group, which is the job id, and has {groups}")),
        }
    }

    /// The job id in the first match.
    pub fn find(&self, printed: &str) -> Option<String> {
        let id = self.0.captures(printed.trim_end())?.get(1)?.as_str().trim();
        (!id.is_empty()).then(|| id.to_owned())
    }
}

/// The commands that need a job id.
#[derive(Clone, Debug, Default)]
pub struct JobScripts {
    /// Tells by its status whether the job is alive.
    pub check: Option<String>,
    /// Ends the job.
    pub kill: Option<String>,
}

type MakeScripts = dyn Fn(&str) -> Result<JobScripts, String> + Send + Sync;

/// Makes the commands that need a job id.
#[derive(Clone)]
pub struct ScriptsOfJob(Arc<MakeScripts>);

impl ScriptsOfJob {
    /// Made by this function.
    pub fn new(make: impl Fn(&str) -> Result<JobScripts, String> + Send + Sync + 'static) -> Self {
        ScriptsOfJob(Arc::new(make))
    }

    /// The commands for a job.
    ///
    /// # Errors
    /// A template that cannot be filled in.
    pub fn of(&self, job_id: &str) -> Result<JobScripts, String> {
        (self.0)(job_id)
    }
}

impl fmt::Debug for ScriptsOfJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptsOfJob")
    }
}

/// An attempt to dispatch: directories exist, inputs are in place.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose submissions it queues with.
    pub provider: Arc<str>,
    /// Working directory of the command; holds `script` and all that belongs to it.
    pub execution_dir: PathBuf,
    /// Text of `script`.
    pub script: String,
    /// Text of `script.submit`.
    pub submit: String,
    /// Finds the job id in what it prints.
    pub job_id: JobIdPattern,
    /// `check` and `kill`.
    pub scripts: ScriptsOfJob,
    /// How often to ask whether the job is alive; without it rarely.
    pub alive_period: Option<Duration>,
    /// Wall time after the start of its script at which it is ended.
    pub time_limit: Option<Duration>,
    /// Time that an ended job gets to be gone.
    pub grace: Duration,
    /// Whether an earlier engine may have submitted this very attempt.
    pub may_have_started: bool,
}

/// Dispatches attempts. Dropping it forgets them: they go on, and are found by their directories.
#[derive(Debug)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    execute: Box<Execute>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    jobs: HashMap<u64, Tracked>,
    doors: HashMap<Arc<str>, Door>,
    looks: BinaryHeap<Look>,
    poller: bool,
    closed: bool,
}

/// Where in its life a dispatched attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It waits before the door.
    Queued,
    /// A hand works on it.
    Busy,
    /// The poller looks after it.
    Watched,
}

struct Tracked {
    order: Arc<Order>,
    control: Arc<Control>,
    done: Done,
    stage: Stage,
    /// When it was submitted or found again.
    since: Instant,
    next_look: Instant,
    /// Whether an earlier engine had submitted it.
    adopted: bool,
    /// Whether `check` has known it.
    confirmed: bool,
    next_check: Option<Instant>,
    /// How often, one after the other, `check` did not know it.
    unknown: u32,
    /// Looks at an `rc` that holds no number.
    unreadable: u32,
    limited: bool,
    cancel: Option<Cancel>,
}

impl Dispatcher {
    /// A dispatcher whose work is done by `execute`, on threads that may block.
    pub fn new(execute: impl Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Dispatcher { shared: Arc::new(Shared { execute: Box::new(execute), state: Mutex::default(), wake: Condvar::new() }) }
    }

    /// Submits an attempt and tells `done` when it has ended. Returns at once.
    pub fn dispatch(&self, order: Order, control: &Arc<Control>, done: Done) {
        let shared = &self.shared;
        let mut state = shared.lock();
        let key = state.next;
        state.next += 1;
        let (provider, grace, now) = (Arc::clone(&order.provider), order.grace.max(LEAST_GRACE), Instant::now());
        state.jobs.insert(
            key,
            Tracked {
                order: Arc::new(order),
                control: Arc::clone(control),
                done,
                stage: Stage::Queued,
                since: now,
                next_look: now,
                adopted: false,
                confirmed: false,
                next_check: None,
                unknown: 0,
                unreadable: 0,
                limited: false,
                cancel: None,
            },
        );
        state.doors.entry(Arc::clone(&provider)).or_default().queue.push_back(key);
        if !state.poller {
            state.poller = true;
            let weak = Arc::downgrade(shared);
            let made = thread::Builder::new().name("poller".into()).stack_size(1 << 20).spawn(move || Shared::poll(&weak));
            state.poller = made.is_ok();
        }
        let poller = state.poller;
        drop(state);
        if !poller {
            let failed = io::Error::other("no thread to look after it can be made");
            return shared.finish(key, Err(RunError::Start { program: "poller".into(), source: failed }));
        }
        let weak = Arc::downgrade(shared);
        control.runs_elsewhere(grace, move |within| {
            if let Some(shared) = Weak::upgrade(&weak) {
                shared.cancel(key, within.map(|within| within.max(LEAST_GRACE)));
            }
        });
        shared.open(&provider);
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dispatched attempts", self.lock().jobs.len())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has work on an attempt done by a hand. False when there is none; the attempt has then failed.
    fn by_hand(self: &Arc<Self>, key: u64, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> bool {
        let shared = Arc::clone(self);
        let given = (self.execute)(Box::new(move || work(&shared)));
        let Err(source) = given else { return true };
        self.finish(key, Err(RunError::Start { program: "a thread for it".into(), source }));
        false
    }

    /// What a hand needs to know of an attempt.
    fn known(&self, key: u64) -> Option<(Arc<Order>, Arc<Control>)> {
        let state = self.lock();
        let job = state.jobs.get(&key)?;
        Some((Arc::clone(&job.order), Arc::clone(&job.control)))
    }

    /// An attempt has ended.
    fn finish(&self, key: u64, result: Result<Outcome, RunError>) {
        let Some(job) = self.lock().jobs.remove(&key) else { return };
        job.control.over();
        (job.done)(result);
    }

    /// An attempt has ended by itself, with this status.
    fn finish_with(&self, key: u64, code: i32) {
        let adopted = self.lock().jobs.get(&key).is_some_and(|job| job.adopted);
        self.finish(key, Ok(Outcome { exit: Exit::Code(code), ended_by: None, usage: None, adopted, lost: false }));
    }
}
