//! The engine: one thread that owns all state of its runs and decides; workers report back through its inbox.
//!
//! Read [`Engine::submit`] and [`Engine::work`] first. A step of a workflow goes `frames` → [`Engine::step`]; a call
//! goes [`call`] → [`prepare`](crate::prepare) (identity, cache) → the yard → a worker thread
//! ([`attempt`](crate::attempt)) → [`call`] again; a finished run goes through [`finish`].

mod ahead;
mod begin;
mod call;
mod earlier;
mod ended;
mod finish;
mod live;
mod step;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use batchyard_core::{
    gate::{Mailbox, Seat, Word},
    yard::{Action, Event as YardEvent},
};
use batchyard_crash as crash;
use batchyard_model::{CallId, Lineage, RunId, RunState, Shard};
use batchyard_store::{CallRecord, RunMove, RunRecord, Store, StoreError, Write};
use batchyard_wdl::{
    inputs::Bound,
    module::{Callee, Module},
    value::Value,
};
use indexmap::IndexMap;

use crate::{
    attempt::End,
    clock::Clock,
    documents::{Failure, RunSpec, to_text},
    frame::{FrameId, Frames, RunIndex},
    host::WorkflowHost,
    identity::Identities,
    machine::Machine,
    plan::{Plan, PlanError},
    preflight::wrong_constant,
    prepare::{PrepareContext, Prepared, Told},
    progress::{Event, Progress},
    settings::{FailureMode, Settings},
};
use call::Call;
pub use live::Live;

/// Steps taken before what has come in meanwhile is looked at.
const STEPS_AT_ONCE: usize = 32;

/// What an engine's thread is told.
#[derive(Debug)]
pub enum Message {
    /// A call was prepared.
    Prepared(u64, Box<Result<Prepared, Failure>>),
    /// A call waits until it is known what its image is.
    Aside(u64),
    /// A call waits until something was brought for it.
    Brings(u64),
    /// What the image of a call is that has waited for it; whether that call is to be looked up.
    Image(u64, bool, Box<Told>),
    /// An attempt of another engine has succeeded; these were let go in its place.
    Released(Vec<u64>),
    /// What happened to another engine's task lets this be done.
    Act(Vec<Action>),
    /// A scheduler has taken an attempt, under this id.
    Submitted(u64, String),
    /// An attempt has ended.
    Ended(u64, Box<End>),
    /// An attempt has succeeded; these were let go in its place, and this is left to do. In one word, since each wakes the
    /// engine.
    Succeeded(u64, Box<End>, Vec<u64>, Vec<Action>),
    /// The store has recorded something worth telling, or could not.
    Recorded(Option<Event>, Result<(), String>),
    /// Somebody wants to know which calls wait or run.
    Live(Sender<Live>),
    /// Somebody wants everything to end: gently first, at once when asked again.
    Interrupt,
}

/// A run to be carried out.
pub struct Request {
    /// Its id.
    pub id: RunId,
    /// Name of the workflow or task.
    pub name: String,
    /// The main document.
    pub module: Arc<Module>,
    /// What to run.
    pub callee: Callee,
    /// Its inputs.
    pub bound: Bound,
    /// What the store keeps to resume it.
    pub spec: RunSpec,
    /// Its directory; exists and is ours.
    pub dir: PathBuf,
    /// Text that names this engine's process.
    pub owner: String,
    /// Who must hold it in the store now, if that matters; `Some(None)` is nobody.
    pub held_by: Option<Option<String>>,
    /// Whether the store knows it already.
    pub origin: Origin,
    /// What is recorded together with its end.
    pub on_end: Option<OnEnd>,
}

/// What is to be recorded together with an end.
pub type OnEnd = Box<dyn Fn(&Finished) -> Vec<Write> + Send>;

/// What the store knows of a run before an engine gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing.
    New,
    /// It was accepted, and nobody has worked on it.
    Accepted,
    /// An earlier engine has worked on it, and somebody wants it again: what has failed is tried anew.
    Resumed,
    /// The engine that worked on it is gone: it goes on where that was, and what has failed stays so.
    TakenUp,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Succeeded, Failed or Aborted.
    pub state: RunState,
    /// Outputs by fully qualified name, in order.
    pub outputs: IndexMap<String, Value>,
    /// What went wrong, first failure first.
    pub failures: Vec<Failure>,
}

/// Why a run cannot be carried out (its own failures are in [`Finished`]).
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store cannot keep what happens.
    #[error("cannot record the run: {0}")]
    Store(#[from] StoreError),
    /// The workflow cannot be compiled.
    #[error("cannot run the workflow: {0}")]
    Plan(#[from] PlanError),
    /// The store could not keep what happened while the run went on.
    #[error("cannot record what happens: {0}")]
    Broken(String),
}

/// Why calls are no longer started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    /// They are.
    No,
    /// A call has failed.
    NoNewCalls,
    /// Somebody asked to end the run.
    Abort,
}

/// One run or sub-workflow run.
struct RunContext {
    id: RunId,
    name: String,
    /// Index of the root it belongs to.
    root: usize,
    plan: Arc<Plan>,
    frame: FrameId,
    dir: PathBuf,
    host: WorkflowHost,
    /// Given values of declared inputs.
    given: IndexMap<String, Value>,
    /// Given values for calls, by call name; keys below the call.
    nested: HashMap<String, IndexMap<String, Value>>,
    /// Overridden runtime attributes by call name.
    overrides: HashMap<String, IndexMap<String, Value>>,
    /// Latest attempt of each call as an earlier engine left it.
    recorded: HashMap<(Arc<str>, Shard), CallRecord>,
    /// What waits for this sub-workflow.
    parent: Option<Waiter>,
    /// What failed in it and in the sub-workflows beneath it; of a top-level run the root knows.
    failures: Vec<Failure>,
    /// Whether all its steps are finished: the frame that waited for it may be gone.
    completed: bool,
}

/// What waits for a sub-workflow.
#[derive(Clone)]
struct Waiter {
    frame: FrameId,
    step: usize,
    /// Where the sub-workflow stands in its top-level run.
    lineage: Arc<Lineage>,
}

/// A top-level run.
struct Root {
    run: RunIndex,
    failures: Vec<Failure>,
    stop: Stop,
    /// Calls that are prepared, queued or running. Sub-workflows are not counted: without calls nothing goes on.
    active: usize,
    /// Calls of tasks so far.
    calls: usize,
    /// Whether an earlier engine worked on it: it may have started calls that it could not record any more.
    resumed: bool,
    /// Whether calls that have failed under an earlier engine stay so.
    keeps_failures: bool,
    /// Temporary folder of its tasks, once one has started.
    scratch: Option<PathBuf>,
    finished: Option<Finished>,
    on_end: Option<OnEnd>,
}

/// Carries out runs on this machine.
pub struct Engine<'p> {
    machine: Arc<Machine>,
    store: Arc<Store>,
    settings: Arc<Settings>,
    shared: Arc<PrepareContext>,
    clock: Clock,
    gate: Arc<Seat>,
    frames: Frames,
    runs: Vec<RunContext>,
    roots: Vec<Root>,
    calls: HashMap<u64, Call>,
    /// How many calls are prepared ahead of their start.
    ahead: usize,
    /// How many wait for what is brought, in the place of none of these.
    bringing: usize,
    /// Calls that are not prepared yet, and whether an earlier result is looked up for them.
    unprepared: VecDeque<(u64, bool)>,
    inbox: Receiver<Message>,
    outbox: Sender<Message>,
    progress: &'p mut dyn Progress,
    /// Remarks already made, each only once.
    noted: std::collections::HashSet<String>,
    /// The store refused to record something: nothing new is started.
    broken: Option<String>,
}

impl<'p> Engine<'p> {
    /// An engine on this machine with these settings.
    pub fn new(machine: Arc<Machine>, settings: Settings, progress: &'p mut dyn Progress) -> Self {
        let (outbox, inbox) = mpsc::channel();
        let settings = Arc::new(settings);
        let shared = Arc::new(PrepareContext {
            settings: Arc::clone(&settings),
            remote: Arc::new(settings.remote.clone()),
            identities: Identities::new(Arc::clone(&machine.store)),
            reply: outbox.clone(),
            unwritten: Default::default(),
            images: Default::default(),
            endings: Default::default(),
            task_parts: Mutex::default(),
        });
        Engine {
            gate: machine.gate.join(mailbox(outbox.clone())),
            store: Arc::clone(&machine.store),
            machine,
            settings,
            shared,
            clock: Clock::start(),
            frames: Frames::default(),
            runs: Vec::new(),
            roots: Vec::new(),
            calls: HashMap::new(),
            ahead: 0,
            bringing: 0,
            unprepared: VecDeque::new(),
            inbox,
            outbox,
            progress,
            noted: std::collections::HashSet::new(),
            broken: None,
        }
    }

    /// Through this the engine can be told of interrupts while it works.
    pub fn mailbox(&self) -> Sender<Message> {
        self.outbox.clone()
    }

    /// Accepts a run: when this returns, the store has it. Returns its number for [`Engine::take`].
    ///
    /// # Errors
    /// [`EngineError`]; nothing is accepted then.
    pub fn submit(&mut self, request: Request) -> Result<usize, EngineError> {
        let plan = Arc::new(match &request.callee {
            Callee::Workflow(module, workflow) => Plan::new(module, workflow)?,
            Callee::Task(module, task) => Plan::of_task(module, task),
        });
        let now = self.clock.now_ms();
        let mut recorded = HashMap::new();
        if request.origin != Origin::New {
            let from = match request.origin {
                Origin::New | Origin::Accepted => vec![RunState::Submitted],
                // Not one whose end was asked for meanwhile.
                Origin::TakenUp => vec![RunState::Submitted, RunState::Running],
                Origin::Resumed => vec![RunState::Submitted, RunState::Running, RunState::Aborting, RunState::Failed, RunState::Aborted],
            };
            if matches!(request.origin, Origin::Resumed | Origin::TakenUp) {
                recorded = self.taken_up(self.store.list_calls(request.id)?);
            }
            let start = RunMove {
                held_by: request.held_by,
                owner: Some(Some(request.owner)),
                spec: Some(to_text(&request.spec)),
                name: Some(request.name.clone()),
                dir: Some(request.dir.to_string_lossy().into_owned()),
                ..RunMove::new(request.id, from, RunState::Running, self.clock.now_ms())
            };
            self.store.write(vec![Write::MoveRun(start)]).wait()?;
        } else {
            let record = RunRecord {
                id: request.id,
                parent: None,
                root: None,
                name: request.name.clone(),
                state: RunState::Running,
                dir: request.dir.to_string_lossy().into_owned(),
                created_ms: now,
                started_ms: Some(now),
                ended_ms: None,
                owner: Some(request.owner),
                spec: to_text(&request.spec),
                result: None,
            };
            self.store.write(vec![Write::InsertRun(record)]).wait()?;
        }
        crash::place("run recorded");
        let root = self.roots.len();
        let mut bound = request.bound;
        let is_new = matches!(request.origin, Origin::New | Origin::Accepted);
        let wrong = is_new.then(|| wrong_constant(&request.callee, &self.settings, &bound.overrides)).flatten();
        if let Callee::Task(..) = request.callee {
            // The plan of a single task is a call of its name without inputs of its own.
            bound.values = bound.values.into_iter().map(|(key, value)| (format!("{}.{key}", request.name), value)).collect();
            bound.overrides = bound.overrides.into_iter().map(|(key, value)| (format!("{}.{key}", request.name), value)).collect();
        }
        let keeps_failures = request.origin == Origin::TakenUp;
        let mut failures = if keeps_failures { self.earlier_failures(request.id)? } else { Vec::new() };
        let mut failing = !failures.is_empty() && self.settings.failure_mode == FailureMode::NoNewCalls;
        if let Some(failure) = wrong {
            failures.push(failure);
            failing = true;
        }
        self.roots.push(Root {
            run: self.runs.len(),
            failures,
            stop: if failing { Stop::NoNewCalls } else { Stop::No },
            active: 0,
            calls: 0,
            resumed: matches!(request.origin, Origin::Resumed | Origin::TakenUp),
            keeps_failures,
            scratch: None,
            finished: None,
            on_end: request.on_end,
        });
        self.open_run(request.id, request.name, root, plan, request.dir, bound, recorded, None);
        Ok(root)
    }

    /// Works until every submitted run has ended and is recorded.
    ///
    /// # Errors
    /// The store cannot record any more; processes that run are left alone and will be found by a resumed run.
    pub fn work(&mut self) -> Result<(), EngineError> {
        loop {
            let mut steps = 0;
            while let Some((frame, step)) = self.frames.next_ready() {
                self.step(frame, step);
                steps += 1;
                // A wide scatter must not keep what is ready from starting.
                if steps % STEPS_AT_ONCE == 0 {
                    self.handle_waiting();
                }
            }
            self.end_idle_roots();
            if self.roots.iter().all(|root| root.finished.is_some()) {
                break;
            }
            self.receive();
        }
        self.store.flush().map_err(|e| EngineError::Broken(told(&e)))?;
        // What was recorded last is told before anybody hears that all is over.
        while let Ok(message) = self.inbox.try_recv() {
            self.handle(message);
        }
        match self.broken.take() {
            Some(problem) => Err(EngineError::Broken(problem)),
            None => Ok(()),
        }
    }

    /// Gives everything up, after a panic of ours: what waits never starts, and what runs is asked to end, since nobody would record
    /// how it does.
    pub fn break_off(&mut self) {
        self.gate.leave();
        self.end_running(false);
    }

    /// How a run ended, after [`Engine::work`].
    pub fn take(&mut self, root: usize) -> Option<Finished> {
        self.roots.get_mut(root)?.finished.take()
    }

    /// Waits for a message and handles it together with all that have come meanwhile.
    fn receive(&mut self) {
        let pause = Duration::from_millis(self.progress.idle().max(1));
        match self.inbox.recv_timeout(pause) {
            Ok(message) => self.handle(message),
            // The engine itself holds a sender, so the channel is never closed.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        self.handle_waiting();
    }

    fn handle_waiting(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.handle(message);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Prepared(call, result) => self.prepared(call, *result),
            Message::Aside(call) => self.aside(call),
            Message::Brings(call) => self.brings(call),
            Message::Image(call, look_up, told) => self.image_told(call, look_up, *told),
            Message::Released(started) => started.into_iter().for_each(|call| self.started(call)),
            Message::Act(actions) => self.act(actions),
            Message::Submitted(call, job_id) => self.submitted(call, job_id),
            Message::Ended(call, end) => self.ended(call, *end),
            Message::Succeeded(call, end, started, left) => {
                started.into_iter().for_each(|call| self.started(call));
                self.act(left);
                self.ended(call, *end);
            }
            Message::Recorded(event, Ok(())) => {
                if let Some(event) = event {
                    if let Event::Ended { call, .. } = &event {
                        self.shared.unwritten.written(call);
                    }
                    self.progress.tell(event);
                }
            }
            Message::Recorded(_, Err(problem)) => self.break_down(problem),
            Message::Live(reply) => {
                // Who asked may have gone away.
                let _ = reply.send(self.live());
            }
            Message::Interrupt => self.interrupt(),
        }
    }

    /// The store refused a record: starting more would run work that nobody remembers.
    fn break_down(&mut self, problem: String) {
        if self.broken.is_none() {
            self.note(format!("state cannot be recorded any more, nothing new is started: {problem}"));
            self.broken = Some(problem.clone());
            for root in &mut self.roots {
                root.stop = root.stop.max(Stop::NoNewCalls);
                root.failures.push(Failure::new(format!("state cannot be recorded: {problem}")));
            }
            self.withdraw_waiting(|_| true);
        }
    }

    fn interrupt(&mut self) {
        let again = self.roots.iter().any(|root| root.finished.is_none() && root.stop == Stop::Abort);
        let now = self.clock.now_ms();
        for root in self.roots.iter_mut().filter(|root| root.finished.is_none()) {
            root.stop = Stop::Abort;
            let Some(context) = self.runs.get(root.run) else { continue };
            if !again {
                let from = vec![RunState::Submitted, RunState::Running, RunState::Aborting];
                let write = Write::MoveRun(RunMove::new(context.id, from, RunState::Aborting, now));
                let outbox = self.outbox.clone();
                self.store.write_then(vec![write], move |result| {
                    let _ = outbox.send(Message::Recorded(None, result.map_err(|e| told(&e))));
                });
            }
        }
        self.withdraw_waiting(|_| true);
        self.end_running(again);
    }

    #[expect(clippy::too_many_arguments, reason = "a run is opened in two places, each with all of these at hand")]
    fn open_run(
        &mut self,
        id: RunId,
        name: String,
        root: usize,
        plan: Arc<Plan>,
        dir: PathBuf,
        bound: Bound,
        recorded: HashMap<(Arc<str>, Shard), CallRecord>,
        parent: Option<Waiter>,
    ) {
        let run = self.runs.len();
        let (mut given, mut nested, mut overrides) =
            (IndexMap::new(), HashMap::<_, IndexMap<_, _>>::new(), HashMap::<_, IndexMap<_, _>>::new());
        for (key, value) in bound.values {
            match key.split_once('.') {
                None => drop(given.insert(key, value)),
                Some((call, rest)) => drop(nested.entry(call.to_owned()).or_default().insert(rest.to_owned(), value)),
            }
        }
        for (key, value) in bound.overrides {
            if let Some((call, rest)) = key.split_once('.') {
                overrides.entry(call.to_owned()).or_default().insert(rest.to_owned(), value);
            }
        }
        let event = Event::RunStarted { run: id, name: name.clone(), dir: dir.to_string_lossy().into_owned(), child: parent.is_some() };
        self.progress.tell(event);
        let frame = self.frames.open(&plan.root, run, &|name| given.contains_key(name));
        let empty = plan.root.steps.is_empty();
        let limits = &self.settings.limits;
        let host = WorkflowHost {
            written: dir.join("written"),
            read_bytes: Arc::clone(&limits.read_bytes),
            reads_files: limits.workflows_read_files,
            remote: self.settings.remote.clone(),
            memory: Arc::clone(&limits.memory),
        };
        self.runs.push(RunContext {
            id,
            name,
            root,
            plan,
            frame,
            dir,
            host,
            given,
            nested,
            overrides,
            recorded,
            parent,
            failures: Vec::new(),
            completed: false,
        });
        if empty {
            self.run_completed(run);
        }
    }

    /// Tells a remark, once.
    fn note(&mut self, note: String) {
        let note = self.settings.secrets.covered(&note).into_owned();
        if self.noted.insert(note.clone()) {
            self.progress.tell(Event::Note(note));
        }
    }

    /// Records something; `event` is told once it is recorded.
    fn record(&self, writes: Vec<Write>, event: Option<Event>) {
        let outbox = self.outbox.clone();
        self.store.write_then(writes, move |result| {
            crash::place("recorded");
            // The engine lives as long as somebody waits for its runs.
            let _ = outbox.send(Message::Recorded(event, result.map_err(|e| told(&e))));
        });
    }

    fn yard_step(&mut self, event: YardEvent) {
        let actions = self.gate.step(event);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Stage(call) => self.stage(call),
                Action::Start(call) => self.launch(call),
                Action::Withdrawn(call) => self.withdrawn(call),
            }
        }
    }

    fn run_dir(&self, run: RunIndex) -> &Path {
        self.runs.get(run).map_or(Path::new(""), |context| &context.dir)
    }

    fn root_mut(&mut self, run: RunIndex) -> Option<&mut Root> {
        let root = self.runs.get(run)?.root;
        self.roots.get_mut(root)
    }

    fn call_id(&self, frame: FrameId, name: &Arc<str>, attempt: u32) -> Option<CallId> {
        let run = self.runs.get(self.frames.run(frame))?.id;
        Some(CallId { run, call: Arc::clone(name), shard: self.frames.shard(frame), attempt })
    }
}

/// What the gate has to say comes like everything else.
fn mailbox(outbox: Sender<Message>) -> Mailbox {
    Box::new(move |word| {
        let message = match word {
            Word::Act(actions) => Message::Act(actions),
            Word::Released(started) => Message::Released(started),
        };
        // An engine that is gone has taken its tasks with it.
        let _ = outbox.send(message);
    })
}

/// An error of the store with its mend.
fn told(error: &StoreError) -> String {
    error.hint().map_or_else(|| error.to_string(), |hint| format!("{error} ({hint})"))
}
