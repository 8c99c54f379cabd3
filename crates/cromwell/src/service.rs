//! What can be done with workflows on a server: submit, abort, release, label; and carrying them out.
//!
//! [`Service`] owns the list of what waits and what runs. Each run has an engine on a thread of its own
//! ([`carry`]); all share one machine. A submission is acknowledged once the store has it.

mod accept;
mod carry;
mod log;
mod notices;
mod options;
mod recent;
pub mod seal;
mod watch;
mod window;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::{Duration, Instant},
};

use batchyard_model::{RunId, RunState};
use batchyard_store::{RunMove, RunRecord, Store, StoreError, Write};
use batchyard_workflow::{
    clock::Clock,
    engine::{Live, Message},
    machine::Machine,
    owner::{Holder, holder, owner},
};

pub use self::{
    accept::ID_LABEL,
    carry::LOG_OPTION,
    options::{FindUser, Options, Users},
    watch::Heartbeats,
};
use self::{notices::Notices, recent::Recent, watch::Watch, window::Window};

/// Most bytes of accepted submissions that are kept in memory until their runs begin; others are read again.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// How long a busy engine is waited for when somebody asks what waits.
const WAITING_PATIENCE: Duration = Duration::from_millis(500);
/// Pause before a run whose state could not be recorded is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such run.
    #[error("Unrecognized workflow ID: {0}")]
    Unknown(RunId),
    /// The run has ended.
    #[error("Couldn't abort {0} because no workflow with that ID is in progress")]
    NotInProgress(RunId),
    /// The run does not wait for a release.
    #[error("Couldn't change status of workflow {id} to 'Submitted' because the workflow is not in 'On Hold' state: it is '{state}'")]
    NotOnHold {
        /// Which.
        id: RunId,
        /// What it is instead.
        state: RunState,
    },
    /// Ids that were asked for are taken.
    #[error("Requested workflow IDs are already in use: {0}")]
    InUse(String),
    /// The request is wrong; one text for each problem.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// A secret option cannot be kept.
    #[error("{0}")]
    Secret(#[from] seal::SealError),
    /// The server is about to end.
    #[error("Cromwell service is shutting down.")]
    Closing,
    /// The store does not answer.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Workflows of one server.
pub struct Service {
    machine: Arc<Machine>,
    options: Options,
    notices: Arc<Notices>,
    recent: Recent,
    clock: Clock,
    state: Mutex<State>,
    watch: Mutex<Watch>,
    /// Told whenever a run has ended.
    ended: Condvar,
    /// Told when nothing is to be done any more.
    closed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<RunId>,
    /// Those of them that somebody wants to end although they have begun: their first engine could not record any more.
    to_abort: HashSet<RunId>,
    running: HashMap<RunId, Running>,
    window: Window,
    /// Waiting runs that were accepted a moment ago, so that they need not be read again.
    accepted: HashMap<RunId, Accepted>,
    /// Bytes of their texts.
    accepted_bytes: usize,
    closing: bool,
    /// Whether nothing is to be done any more.
    closed: bool,
}

/// A run as it was accepted.
struct Accepted {
    record: RunRecord,
    /// Its texts by hash.
    texts: Arc<HashMap<String, String>>,
    bytes: usize,
}

impl State {
    /// Keeps a run that was accepted, while there is room for it.
    fn keep(&mut self, accepted: Accepted) {
        if self.accepted_bytes + accepted.bytes <= MAX_KEPT_BYTES {
            self.accepted_bytes += accepted.bytes;
            self.accepted.insert(accepted.record.id, accepted);
        }
    }

    /// Whether a run is carried out here, or will be.
    fn has(&self, id: RunId) -> bool {
        self.running.contains_key(&id) || self.waiting.contains(&id)
    }

    /// A run is not carried out any more, but will be again; that its end was asked for is not forgotten.
    fn put_down(&mut self, id: RunId) {
        if self.running.remove(&id).is_some_and(|running| running.abort) {
            self.to_abort.insert(id);
        }
    }

    /// A run as it was accepted, if it was kept.
    fn take(&mut self, id: RunId) -> Option<Accepted> {
        let accepted = self.accepted.remove(&id)?;
        self.accepted_bytes -= accepted.bytes;
        Some(accepted)
    }
}

/// A run that is carried out.
#[derive(Default)]
struct Running {
    /// Where its engine listens, once there is one.
    mailbox: Option<Sender<Message>>,
    /// Whether somebody asked for its end.
    abort: bool,
}

impl Service {
    /// A service on this machine; nothing is taken up yet.
    pub fn new(machine: Arc<Machine>, options: Options) -> Arc<Self> {
        let notices = Arc::new(Notices::new(Arc::clone(machine.store()), options.callback.clone(), Arc::clone(&options.seal)));
        Arc::new(Service {
            machine,
            options,
            notices,
            recent: Recent::default(),
            clock: Clock::start(),
            state: Mutex::default(),
            watch: Mutex::default(),
            ended: Condvar::new(),
            closed: Condvar::new(),
        })
    }

    /// The state behind it.
    pub fn store(&self) -> &Arc<Store> {
        self.machine.store()
    }

    /// How it carries out workflows.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How many runs wait here, how many are carried out, and how many tasks wait and run.
    pub fn load(&self) -> (usize, usize, usize, usize) {
        let (waiting, running) = {
            let state = self.lock();
            (state.waiting.len(), state.running.len())
        };
        let (queued, started) = self.machine.load();
        (waiting, running, queued, started)
    }

    /// Ends a run. Returns the state that it has now: `Aborted` when it had not begun, else `Aborting`.
    ///
    /// # Errors
    /// It is unknown or has ended, or the store does not answer.
    pub fn abort(&self, id: RunId) -> Result<RunState, ServiceError> {
        let mut record = self.load_run(id)?;
        // A sub-workflow ends with the whole, as in the original.
        if record.state.is_terminal() || record.parent.is_some() {
            return Err(ServiceError::NotInProgress(id));
        }
        if matches!(record.state, RunState::OnHold | RunState::Submitted) {
            let from = vec![RunState::OnHold, RunState::Submitted];
            let end = RunMove::new(id, from, RunState::Aborted, self.clock.now_ms());
            match self.store().write(vec![Write::MoveRun(end)]).wait() {
                Ok(()) => {
                    let mut state = self.lock();
                    state.waiting.retain(|waiting| *waiting != id);
                    state.take(id);
                    return Ok(RunState::Aborted);
                }
                // It has begun meanwhile, or somebody else was faster.
                Err(StoreError::Conflict { .. }) => {
                    record = self.load_run(id)?;
                    if record.state.is_terminal() {
                        return Err(ServiceError::NotInProgress(id));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.lock().has(id) {
            // Before anything is ended: tasks that end by it are no failures, also to a server that comes after a kill of this one.
            let recorded = self.record_abort(&record);
            // A store that records nothing any more, as on a full disk, keeps nobody from ending what fills it.
            if !matches!(recorded, Err(ServiceError::NotInProgress(_))) {
                let mut here = self.lock();
                if !here.interrupt(id) && here.waiting.contains(&id) {
                    here.to_abort.insert(id);
                }
            }
            return recorded;
        }
        if record.owner.as_deref() == Some(owner().as_str()) {
            // It was ours and has ended between the two looks, or is being taken over: who takes it up heeds what is recorded.
            let state = self.load_run(id)?.state;
            return if state == RunState::Aborted { Ok(state) } else { self.record_abort(&record) };
        }
        match holder(record.owner.as_deref()) {
            Holder::Process(_) if self.is_server(record.owner.as_deref())? => self.ask_to_abort(&record),
            Holder::Process(pid) => {
                // A run of the command line: its own process ends it.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                Ok(RunState::Aborting)
            }
            Holder::OtherMachine => self.ask_to_abort(&record),
            Holder::Nobody => match self.end_abandoned(&record) {
                Ok(()) => Ok(RunState::Aborted),
                Err(StoreError::Conflict { state, .. }) if state.is_terminal() => Err(ServiceError::NotInProgress(id)),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn is_server(&self, owner: Option<&str>) -> Result<bool, StoreError> {
        Ok(self.store().list_servers()?.iter().any(|server| Some(server.id.as_str()) == owner))
    }

    /// Has a run ended by another server, which looks for such wishes, or by the one that takes it over.
    fn ask_to_abort(&self, record: &RunRecord) -> Result<RunState, ServiceError> {
        if !self.is_server(record.owner.as_deref())? {
            // A command line of another machine: it has to be ended there.
            return Ok(record.state);
        }
        self.record_abort(record)
    }

    /// Has the state say that a run that has begun is to end, wherever it is carried out; says what it says then.
    fn record_abort(&self, record: &RunRecord) -> Result<RunState, ServiceError> {
        let mut held_by = record.owner.clone();
        loop {
            let from = vec![RunState::Running, RunState::Aborting];
            let change =
                RunMove { held_by: Some(held_by.clone()), ..RunMove::new(record.id, from, RunState::Aborting, self.clock.now_ms()) };
            match self.store().write(vec![Write::MoveRun(change)]).wait() {
                Ok(()) => return Ok(RunState::Aborting),
                Err(StoreError::Conflict { state, .. }) if state.is_terminal() => return Err(ServiceError::NotInProgress(record.id)),
                // It was taken over meanwhile.
                Err(StoreError::Conflict { owner, .. }) if owner != held_by => held_by = owner,
                Err(StoreError::Conflict { state, .. }) => return Ok(state),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What only its engine knows of a run's calls. Those of its sub-workflows are among them, under the ids of their runs.
    /// Empty when nothing of it is carried out here.
    pub fn live(&self, root: RunId) -> Live {
        let mailbox = self.lock().running.get(&root).and_then(|running| running.mailbox.clone());
        let (reply, answer) = std::sync::mpsc::channel();
        // An engine that has just ended has no call that waits; a busy one answers later than anybody wants to wait.
        match mailbox.map(|mailbox| mailbox.send(Message::Live(reply))) {
            Some(Ok(())) => answer.recv_timeout(WAITING_PATIENCE).unwrap_or_default(),
            _ => Live::default(),
        }
    }

    /// Lets a held run begin.
    ///
    /// # Errors
    /// It is unknown or not on hold, or the store does not answer.
    pub fn release(self: &Arc<Self>, id: RunId) -> Result<RunState, ServiceError> {
        let record = self.load_run(id)?;
        let begin =
            RunMove { owner: Some(Some(owner())), ..RunMove::new(id, vec![RunState::OnHold], RunState::Submitted, self.clock.now_ms()) };
        match self.store().write(vec![Write::MoveRun(begin)]).wait() {
            Ok(()) => {}
            Err(StoreError::Conflict { state, .. }) => return Err(ServiceError::NotOnHold { id: record.id, state }),
            Err(error) => return Err(error.into()),
        }
        self.lock().waiting.push_back(id);
        self.pump();
        Ok(RunState::Submitted)
    }

    /// Sets labels of a run.
    ///
    /// # Errors
    /// It is unknown, or the store does not answer.
    pub fn set_labels(&self, id: RunId, labels: Vec<(String, String)>) -> Result<(), ServiceError> {
        self.load_run(id)?;
        Ok(self.store().write(vec![Write::PutLabels { run: id, labels }]).wait()?)
    }

    /// Takes no submission any more, and begins nothing that waits: requests that have begun are still answered.
    pub fn wind_down(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.waiting.clear();
        drop(state);
        self.ended.notify_all();
    }

    /// Takes nothing more up. With `abort_on_terminate` runs are ended first; otherwise they go on without us, and
    /// the next server finds them.
    pub fn close(&self) {
        self.wind_down();
        let mut state = self.lock();
        if self.options.abort_on_terminate {
            let ids: Vec<RunId> = state.running.keys().copied().collect();
            for id in ids {
                state.interrupt(id);
            }
            let begin = Instant::now();
            while !state.running.is_empty() {
                let Some(left) = self.options.abort_patience.checked_sub(begin.elapsed()) else { break };
                state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        drop(state);
        // What was decided so far is on disk before the process ends.
        let _ = self.store().flush();
        self.stop_watching();
        match self.notices.undelivered() {
            0 => {}
            count => report(&format!("{count} notices that workflows have ended are left to the next server")),
        }
    }

    fn load_run(&self, id: RunId) -> Result<RunRecord, ServiceError> {
        self.store().load_run(id)?.ok_or(ServiceError::Unknown(id))
    }

    /// Begins what may begin.
    fn pump(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            if state.closing || state.running.len() >= self.options.max_concurrent {
                return;
            }
            if state.waiting.is_empty() {
                let running = state.running.len();
                return state.window.rest(running, Instant::now());
            }
            if !state.window.admits(state.running.len()) && self.keep_waiting(&mut state) {
                return;
            }
            let Some(id) = state.waiting.pop_front() else { return };
            let abort = state.to_abort.remove(&id);
            state.running.insert(id, Running { mailbox: None, abort });
            drop(state);
            let service = Arc::clone(self);
            if let Err(error) = self.machine.engage(move || service.carry(id)) {
                // The machine has no thread to give: later, when a run has ended, it is tried again.
                report(&format!("no thread for run {id}: {error}"));
                let mut state = self.lock();
                state.put_down(id);
                state.waiting.push_front(id);
                return;
            }
        }
    }

    /// Whether runs that could begin wait for others to end; somebody looks after a while whether that goes on.
    fn keep_waiting(self: &Arc<Self>, state: &mut State) -> bool {
        if !state.window.begin_step() {
            return true;
        }
        let service = Arc::clone(self);
        let watched = self.machine.engage(move || {
            std::thread::sleep(window::STEP);
            service.lock().window.end_step();
            service.pump();
        });
        if watched.is_err() {
            state.window.end_step();
            state.window.widen();
        }
        watched.is_ok()
    }

    /// A run is over for this server.
    fn leave(self: &Arc<Self>, id: RunId, again: bool) {
        if again {
            std::thread::sleep(RETRY_PAUSE);
        }
        let mut state = self.lock();
        if again && !state.closing {
            state.put_down(id);
            state.waiting.push_back(id);
        } else {
            state.running.remove(&id);
        }
        state.window.count_end();
        drop(state);
        self.ended.notify_all();
        self.pump();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every part is whole after each statement, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::print_stderr, reason = "a server's own trouble belongs into its log, which is standard error")]
fn report(text: &str) {
    eprintln!("batchyard: {text}");
}
