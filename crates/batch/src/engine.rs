//! Carries out jobs. One thread owns the state of all jobs under way; it is told things and records what follows from
//! them. Workers run the attempts, the gate says what may start when.

mod job;
mod left;
mod recover;
mod request;
mod settle;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use batchyard_core::{
    Action, Berth, Event, Go, Machine, Need,
    gate::{Seat as Place, Word},
};
use batchyard_crash as crash;
use batchyard_model::{
    JobId, JobState,
    state::job::{InstanceEvent, JobEvent, next_of_job},
};
use batchyard_runner::{Control, EndedBy};
use batchyard_store::{BatchWrite, JobMove, Store, StoreError, Write};

use self::{job::Turn, request::Reply};
pub use self::{
    job::{Active, new_job},
    request::Request,
};
use crate::{
    events::{Happening, Herald, messages},
    instance::{Access, Attempt, End, Ran, Surroundings},
    nodes::Nodes,
};

/// Attempts that wait at the gate at most: what is in line there can no longer be overtaken by a higher priority.
const AT_GATE: usize = 6;
/// How long logs wait for those of others, so that many go to the disk together.
const COMPANY: Duration = Duration::from_millis(10);
/// Where everybody's apps are carried out.
const SYSTEM_BERTH: Berth = Berth { lane: u64::MAX, limit: 1000, group: 0, group_limit: usize::MAX, need: None };
/// Tasks that are looked at, at most, for one that can start.
const MOST_LOOKED_AT: usize = 1000;

/// What the engine's thread is told.
pub enum Message {
    /// Somebody wants something of a job.
    Request(Request, Reply),
    /// The gate lets this be done.
    Act(Vec<Action>),
    /// These attempts were let go.
    Released(Vec<u64>),
    /// These were let go in the place of one that has succeeded but for its logs, and this is left to do.
    LetGo(Vec<u64>, Vec<Action>),
    /// An attempt has ended.
    Ended(u64, Box<End>),
    /// An attempt has succeeded; these were let go in its place, and this is left to do. In one word, since each wakes the
    /// engine.
    Succeeded(u64, Box<End>, Vec<u64>, Vec<Action>),
    /// The store has recorded what was given to it, or could not.
    Recorded(Result<(), StoreError>),
    /// Nodes have come or gone.
    Nodes,
    /// The end of a job is recorded: what runs of it is to end.
    EndAttempts(JobId),
}

/// What the engine needs.
pub struct Parts {
    /// Who may start.
    pub machine: Arc<Machine>,
    /// Where everything is recorded.
    pub store: Arc<Store>,
    /// What attempts run in.
    pub surroundings: Arc<Surroundings>,
    /// The nodes of clusters.
    pub nodes: Arc<Nodes>,
    /// Folder that holds the folders of jobs.
    pub folder: PathBuf,
    /// Tells others.
    pub herald: Herald,
}

/// One attempt that was given to the gate.
struct UnderWay {
    job: JobId,
    task: usize,
    number: u32,
    control: Arc<Control>,
    node: String,
    /// Whether its worker is getting it ready, or more.
    staged: bool,
    begun: bool,
    /// Whether its job has ended, so that it is to end too.
    ending: bool,
}

/// The engine.
pub struct Engine {
    parts: Parts,
    gate: Arc<Place>,
    inbox: Receiver<Message>,
    outbox: Sender<Message>,
    jobs: HashMap<JobId, Active>,
    /// Tasks of which something can start.
    line: BTreeMap<Turn, JobId>,
    attempts: HashMap<u64, UnderWay>,
    /// Attempts that are not being got ready yet.
    waiting: HashMap<u64, Attempt>,
    at_gate: usize,
    arrivals: u64,
    /// Why nothing more is started.
    broken: Option<String>,
}

impl Engine {
    /// An engine; [`Engine::serve`] makes it work.
    pub fn new(parts: Parts) -> (Engine, Sender<Message>) {
        let (outbox, inbox) = mpsc::channel();
        let to_engine = outbox.clone();
        let mailbox = Box::new(move |word| {
            let message = match word {
                Word::Act(actions) => Message::Act(actions),
                Word::Released(started) => Message::Released(started),
            };
            // An engine that is gone has taken its tasks with it.
            let _ = to_engine.send(message);
        });
        let gate = parts.machine.gate.join(mailbox);
        let engine = Engine {
            parts,
            gate,
            inbox,
            outbox: outbox.clone(),
            jobs: HashMap::new(),
            line: BTreeMap::new(),
            attempts: HashMap::new(),
            waiting: HashMap::new(),
            at_gate: 0,
            arrivals: 0,
            broken: None,
        };
        (engine, outbox)
    }

    /// Works until nobody can tell it anything any more, which is the end of the process.
    pub fn serve(mut self) {
        loop {
            let Ok(message) = self.inbox.recv() else { return };
            self.handle(message);
            while let Ok(message) = self.inbox.try_recv() {
                self.handle(message);
            }
            self.feed();
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Request(request, reply) => self.request(request, reply),
            Message::Act(actions) => self.act(actions),
            Message::Released(started) => started.into_iter().for_each(|number| self.begun(number)),
            Message::LetGo(started, left) => {
                started.into_iter().for_each(|number| self.begun(number));
                self.act(left);
            }
            Message::Ended(number, end) => self.ended(number, *end),
            Message::Succeeded(number, end, started, left) => {
                started.into_iter().for_each(|number| self.begun(number));
                self.act(left);
                self.ended(number, *end);
            }
            Message::Recorded(Ok(())) | Message::Nodes => {}
            Message::EndAttempts(id) => self.end_attempts(&id),
            Message::Recorded(Err(error)) => {
                tell(&format!("jobs cannot be recorded any more, nothing new is started: {error}"));
                self.broken = Some(error.to_string());
            }
        }
    }

    /// Takes up a job.
    fn take_up(&mut self, job: Active) {
        let id = job.id.clone();
        self.jobs.insert(id.clone(), job);
        self.line_up(&id);
    }

    /// Puts the tasks of a job that can start something into the line.
    fn line_up(&mut self, id: &JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        for (n, task) in job.tasks.iter().enumerate() {
            if !task.pending.is_empty() && job.is_open(n) && !job.state.is_terminal() {
                self.line.insert(job.turn(n), id.clone());
            }
        }
    }

    /// Gives the gate what may start next.
    fn feed(&mut self) {
        while self.at_gate < AT_GATE && self.broken.is_none() {
            let Some((turn, id)) = self.next_in_line() else { return };
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let Some(task) = job.tasks.get_mut(turn.2) else { continue };
            let Some(seat) = self.parts.nodes.take(&task.planned) else { continue };
            let Some(number) = task.pending.pop_front() else { continue };
            if task.pending.is_empty() {
                self.line.remove(&turn);
            }
            let planned = Arc::clone(&task.planned);
            let node = seat.node.clone();
            let instance = task.instance(number);
            instance.node.clone_from(&node);
            if instance.state == JobState::Waiting {
                instance.attempts += 1;
            }
            let dir = attempt_dir(&self.parts.folder, &id, &planned.name, number, instance.attempts);
            let call = job.plan.call.as_ref();
            let attempt = Attempt {
                job: id.clone(),
                task: planned,
                number,
                count: instance.attempts,
                access: Access {
                    objects: self.parts.surroundings.objects.clone(),
                    cache: self.parts.surroundings.cache.clone(),
                    account: call.map_or(&job.owner, |call| &call.account).clone(),
                    admin: call.map_or(job.plan.admin, |call| call.admin),
                },
                call: call.map(|call| call.folder.clone()),
                dir,
                seat,
                user: None,
                surroundings: Arc::clone(&self.parts.surroundings),
            };
            self.give_to_gate(attempt, id, turn.2, node);
        }
    }

    /// The first task in the line whose instances have somewhere to run.
    fn next_in_line(&mut self) -> Option<(Turn, JobId)> {
        let jobs = &self.jobs;
        let ready = |(turn, id): &(&Turn, &JobId)| {
            let task = jobs.get(*id).and_then(|job| job.tasks.get(turn.2));
            task.is_some_and(|task| !task.pending.is_empty() && self.parts.nodes.has_room(&task.planned))
        };
        self.line.iter().take(MOST_LOOKED_AT).find(ready).map(|(turn, id)| (*turn, id.clone()))
    }

    fn give_to_gate(&mut self, attempt: Attempt, job: JobId, task: usize, node: String) {
        let number = self.gate.number();
        let need = Need { millicores: attempt.task.cores * 1000, memory_mib: attempt.task.memory_gib << 10 };
        let need = self.gate.clamp(need);
        // One of everybody's apps works by what others do: it must not take their room.
        let event = match attempt.task.system {
            Some(_) => Event::Board(number, SYSTEM_BERTH),
            None => Event::Submit(number, need),
        };
        let control = Control::new(attempt.marker());
        let under_way = UnderWay { job, task, number: attempt.number, control, node, staged: false, begun: false, ending: false };
        self.attempts.insert(number, under_way);
        self.at_gate += 1;
        self.waiting.insert(number, attempt);
        let actions = self.gate.step(event);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Stage(number) => self.stage(number),
                Action::Start(number) => {
                    self.stage(number);
                    self.gate.open(number);
                    crash::place("instance let go");
                    self.begun(number);
                }
                Action::Withdrawn(number) => self.withdrawn(number),
            }
        }
    }

    /// A worker gets an attempt ready and waits until it may go.
    fn stage(&mut self, number: u64) {
        let Some(under_way) = self.attempts.get_mut(&number).filter(|under_way| !under_way.staged) else { return };
        under_way.staged = true;
        let control = Arc::clone(&under_way.control);
        let Some(attempt) = self.waiting.remove(&number) else { return };
        self.gate.expect(number);
        let (outbox, gate) = (self.outbox.clone(), Arc::clone(&self.gate));
        let tell = move |message| {
            // Without an engine nobody wants to know.
            let _ = outbox.send(message);
        };
        let done = move |Ran { end, logs }: Ran| {
            if !end.is_success() {
                tell(Message::Ended(number, Box::new(end)));
                return;
            }
            let (started, left) = gate.released(number, if logs.is_some() { Go::aside } else { Go::here });
            crash::place("next let go");
            let Some(logs) = logs else {
                tell(Message::Succeeded(number, Box::new(end), started, left));
                return;
            };
            // Who has let another one go keeps no core idle, and can wait for company on the way to the disk.
            let patience = if started.is_empty() { Duration::ZERO } else { COMPANY };
            tell(Message::LetGo(started, left));
            tell(Message::Ended(number, Box::new(logs.keep(end, patience))));
        };
        let (gate, pool) = (Arc::clone(&self.gate), self.parts.machine.workers.clone());
        let work = move || match attempt.prepare(&control) {
            Ok(ready) => {
                let run = move || {
                    crash::place("instance may run");
                    done(ready.run(&control));
                };
                gate.ready(number, Go::new(&pool, run));
            }
            Err(end) => done(Ran { end, logs: None }),
        };
        if let Err(error) = self.parts.machine.workers.run(work) {
            let end = End::failed("InternalError", format!("no thread for this instance: {error}"));
            let _ = self.outbox.send(Message::Ended(number, Box::new(end)));
        }
    }

    /// An attempt was let go: it counts as running.
    fn begun(&mut self, number: u64) {
        let now = now_ms();
        let Some(under_way) = self.attempts.get_mut(&number).filter(|under_way| !under_way.begun) else { return };
        under_way.begun = true;
        self.at_gate = self.at_gate.saturating_sub(1);
        let (id, task, instance) = (under_way.job.clone(), under_way.task, under_way.number);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let tolerant = !job.plan.fail_fast;
        let mut writes = Vec::new();
        if let Ok(state) = next_of_job(job.state, JobEvent::Begin)
            && state != job.state
        {
            writes.push(BatchWrite::MoveJob(JobMove {
                id: id.clone(),
                from: vec![job.state],
                to: state,
                at_ms: now,
                message: String::new(),
            }));
            job.state = state;
            job.started_ms.get_or_insert(now);
            writes.extend(self.parts.herald.of_job(job, Happening::Job(state)));
        }
        let Some(task) = job.tasks.get_mut(task) else { return };
        let before = task.record.state;
        let Some(record) = task.happen(instance, InstanceEvent::Begin, now, tolerant) else { return };
        writes.push(BatchWrite::PutInstance(record));
        writes.push(BatchWrite::PutTask(task.record.clone()));
        let (name, after) = (task.record.name.clone(), task.record.state);
        if before != after {
            writes.extend(self.parts.herald.of_job(job, Happening::Task(&name, after)));
        }
        writes.extend(self.parts.herald.of_job(job, Happening::Instance(&name, instance, JobState::Running)));
        self.record_then(writes, || crash::place("start recorded"));
    }

    /// An attempt was taken out of the line before it began.
    fn withdrawn(&mut self, number: u64) {
        let Some(under_way) = self.attempts.remove(&number) else { return };
        // What gets it ready is ended, too.
        under_way.control.end(EndedBy::Abort, self.parts.surroundings.grace);
        self.waiting.remove(&number);
        self.at_gate = self.at_gate.saturating_sub(usize::from(!under_way.begun));
        self.give_back(&under_way.node);
    }

    fn give_back(&self, node: &str) {
        if let Err(error) = self.parts.nodes.give_back(node) {
            tell(&format!("the end of node `{node}` cannot be recorded: {error}"));
        }
    }

    /// Records something without waiting for it, and does something once it is recorded.
    fn record_then(&self, writes: Vec<BatchWrite>, then: impl FnOnce() + Send + 'static) {
        let outbox = self.outbox.clone();
        let (herald, messages) = (self.parts.herald.clone(), messages(&writes));
        self.parts.store.write_then(writes.into_iter().map(Write::Batch).collect(), move |result| match result {
            Ok(()) => {
                then();
                herald.recorded(messages);
            }
            Err(error) => {
                // Without an engine nobody wants to know.
                let _ = outbox.send(Message::Recorded(Err(error)));
            }
        });
    }
}

/// Folder of an attempt; the first ones have the plain number, so that most instances have one folder.
fn attempt_dir(folder: &Path, job: &JobId, task: &str, number: u32, attempt: u32) -> PathBuf {
    let name = if attempt <= 1 { number.to_string() } else { format!("{number}.{attempt}") };
    folder.join(job.as_str()).join(task).join(name)
}

/// Now, in epoch milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// For whoever looks after the server.
#[expect(clippy::print_stderr, reason = "the server's own log")]
pub(crate) fn tell(text: &str) {
    eprintln!("batchyard: {text}");
}
