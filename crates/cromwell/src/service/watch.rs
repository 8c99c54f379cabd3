//! Servers that share a database: each tells that it lives, and takes over what dead ones have left.
//!
//! A server of this machine is dead when its process is gone. One of another machine is dead when its heartbeats have not moved on
//! for as long as `ttl`, by our own clock; it is fenced before anything of it is taken, so that it can store nothing more even
//! if it only slept. Runs change hands by compare-and-set, one by one.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use batchyard_model::{RunId, RunState};
use batchyard_store::{NoticeKind, NoticeWrite, RunFilter, RunMove, RunSummary, ServerRecord, ServerWrite, StoreError, Write};
use batchyard_workflow::{
    documents::{Failure, RunResultDoc, RunSpec, to_text},
    engine::Message,
    owner::{Holder, close_records, end_tasks, holder, owner},
};
use serde_json::Map;

use super::{Service, State, report};

/// Longest time between two looks at other servers.
const LONGEST_TICK: Duration = Duration::from_secs(30);
/// Time between two looks at what others want of this one: people wait for it.
const WISH_TICK: Duration = Duration::from_secs(1);

/// How servers of one database know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeats {
    /// Time between two heartbeats.
    pub interval: Duration,
    /// A server of another machine whose heartbeats stand still for so long is dead; longer than the interval.
    pub ttl: Duration,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Heartbeats { interval: Duration::from_secs(120), ttl: Duration::from_secs(600) }
    }
}

impl Heartbeats {
    /// How long a heartbeat of our own is surely known to nobody as old. The rest of `ttl` is for what is on its way.
    fn span(&self) -> Duration {
        self.ttl * 3 / 4
    }

    fn tick(&self) -> Duration {
        self.interval.min(LONGEST_TICK)
    }
}

/// What was seen of others.
#[derive(Default)]
pub(super) struct Watch {
    seen: HashMap<String, Seen>,
    /// Runs that cannot be taken over from here, as was told.
    told: HashSet<RunId>,
    is_first: bool,
}

/// Since when the heartbeats of a server stand still.
#[derive(Clone, Copy)]
struct Seen {
    beat: i64,
    since: Instant,
}

/// What became of a run that a dead server has left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// It is ours.
    Taken,
    /// It is nobody's any more, or somebody else's.
    Settled,
    /// It waits for a server that can carry it out.
    Waits,
}

/// A server that is gone.
struct Gone {
    id: String,
    /// For how long nothing was heard of it, if that is how we know.
    silent: Option<Duration>,
}

impl Service {
    /// Takes up what earlier servers have left, and begins to tell others that this one lives: what was submitted, what was running,
    /// what was being ended.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn take_up(self: &Arc<Self>) -> Result<usize, StoreError> {
        self.store().begin_lease(&owner(), &self.options.name, self.options.heartbeats.span())?;
        let mut watch = Watch { is_first: true, ..Watch::default() };
        let found = self.look_around(&mut watch)?;
        watch.is_first = false;
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
        Ok(found)
    }

    /// Tells others that this server lives, and takes over what dead ones leave, until it ends. When others have taken over what is
    /// this server's, its tasks are ended and `lost` is called; nothing that it does is stored from then on.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn watch(self: &Arc<Self>, lost: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let service = Arc::clone(self);
        let work = move || {
            let (mut beaten, mut looked) = (Instant::now(), Instant::now());
            let mut trouble = None;
            while service.wait_for_tick() {
                let mut done = Ok(());
                if beaten.elapsed() >= service.options.heartbeats.interval {
                    done = service.store().renew_lease();
                    beaten = Instant::now();
                }
                let is_closing = service.lock().closing;
                let done = done.and_then(|()| {
                    if is_closing {
                        return Ok(());
                    }
                    service.heed_others()?;
                    if looked.elapsed() < service.options.heartbeats.tick() {
                        return Ok(());
                    }
                    looked = Instant::now();
                    let mut watch = service.watch.lock().unwrap_or_else(PoisonError::into_inner);
                    service.look_around(&mut watch).map(drop)
                });
                match done {
                    Ok(()) => trouble = None,
                    Err(StoreError::LeaseLost) => {
                        service.stop_tasks();
                        lost();
                        return;
                    }
                    // Told once, however long it lasts.
                    Err(error) => {
                        let text = error.to_string();
                        if trouble.as_ref() != Some(&text) {
                            report(&format!("heartbeats of this server: {text}"));
                        }
                        trouble = Some(text);
                    }
                }
            }
        };
        std::thread::Builder::new().name("heartbeats".into()).spawn(work).map(drop)
    }

    /// Waits; false when the server has ended. One that is about to still tells that it lives.
    fn wait_for_tick(&self) -> bool {
        let waited = self.closed.wait_timeout_while(self.lock(), self.options.heartbeats.tick().min(WISH_TICK), |state| !state.closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Tells nothing more to others; who has nothing left to take over is forgotten.
    pub(super) fn stop_watching(&self) {
        self.lock().closed = true;
        self.closed.notify_all();
        let me = owner();
        let has_runs = self.store().list_active_owners().map_or(true, |owners| owners.contains(&Some(me.clone())));
        let has_notices = self.store().list_notice_owners(NoticeKind::Workflow).map_or(true, |owners| owners.contains(&me));
        if !has_runs && !has_notices {
            // A row that stays is removed by the next server.
            let _ = self.store().write(vec![Write::Server(ServerWrite::Forget(me))]).wait();
        }
    }

    /// Ends runs whose end was asked for at another server.
    fn heed_others(&self) -> Result<(), StoreError> {
        if self.lock().running.is_empty() {
            return Ok(());
        }
        let filter = RunFilter { states: vec![RunState::Aborting], limit: u32::MAX, ..RunFilter::default() };
        let asked = self.store().list_runs(&filter)?;
        let mut state = self.lock();
        for run in asked {
            state.interrupt(run.id);
        }
        Ok(())
    }

    /// Looks for dead servers and takes over what they have left. How many runs that were.
    fn look_around(self: &Arc<Self>, watch: &mut Watch) -> Result<usize, StoreError> {
        let me = owner();
        let servers: Vec<ServerRecord> = self.store().list_servers()?.into_iter().filter(|server| server.id != me).collect();
        let gone = self.gone(watch, &servers)?;
        let known: HashSet<&str> = servers.iter().map(|server| server.id.as_str()).collect();
        let holders = self.store().list_active_owners()?;
        let is_first = watch.is_first;
        let is_left = |held_by: &Option<String>| match held_by {
            // Of a version that named nobody before the beginning.
            None => is_first,
            Some(id) if gone.iter().any(|gone| gone.id == *id) => true,
            Some(id) => *id != me && !known.contains(id.as_str()) && holder(Some(id)) == Holder::Nobody,
        };
        let left: HashSet<Option<String>> = holders.into_iter().filter(|held_by| is_left(held_by)).collect();
        let (mut taken, mut kept) = (0, HashSet::new());
        if !left.is_empty() {
            let states = vec![RunState::Submitted, RunState::Running, RunState::Aborting];
            let filter = RunFilter { states, oldest_first: true, limit: u32::MAX, ..RunFilter::default() };
            for run in self.store().list_runs(&filter)?.into_iter().filter(|run| left.contains(&run.owner)) {
                let silent = gone.iter().find(|gone| Some(&gone.id) == run.owner.as_ref()).and_then(|gone| gone.silent);
                match self.take_over(watch, &run, silent)? {
                    Left::Taken => taken += 1,
                    Left::Settled => {}
                    Left::Waits => drop(kept.insert(run.owner)),
                }
            }
        }
        self.take_notices(|held_by| is_left(&Some(held_by.to_owned())))?;
        // Who has left nothing more is forgotten.
        for gone in gone.into_iter().filter(|gone| !kept.contains(&Some(gone.id.clone()))) {
            self.store().write(vec![Write::Server(ServerWrite::Forget(gone.id))]).wait()?;
        }
        if taken > 0 {
            self.pump();
        }
        Ok(taken)
    }

    /// Takes over what dead servers were to tell.
    fn take_notices(&self, is_left: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let left: Vec<String> = self.store().list_notice_owners(NoticeKind::Workflow)?.into_iter().filter(|from| is_left(from)).collect();
        if left.is_empty() {
            return Ok(());
        }
        for from in left {
            // Of several servers that do so at once each notice goes to one.
            let take = NoticeWrite::TakeOver { kind: NoticeKind::Workflow, from, to: owner() };
            self.store().write(vec![Write::Notice(take)]).wait()?;
        }
        self.notices.take_up()
    }

    /// The servers that are gone, fenced.
    fn gone(&self, watch: &mut Watch, servers: &[ServerRecord]) -> Result<Vec<Gone>, StoreError> {
        let now = Instant::now();
        watch.seen.retain(|id, _| servers.iter().any(|server| server.id == *id));
        let mut gone = Vec::new();
        for server in servers {
            let seen = watch.seen.entry(server.id.clone()).or_insert(Seen { beat: server.beat, since: now });
            if seen.beat != server.beat {
                *seen = Seen { beat: server.beat, since: now };
            }
            let silent = now.duration_since(seen.since);
            let silent = match holder(Some(&server.id)) {
                // A living process of this machine is left alone: what it has started would be ours to see, and its to end.
                Holder::Process(_) => continue,
                Holder::Nobody => None,
                Holder::OtherMachine if silent >= self.options.heartbeats.ttl => Some(silent),
                Holder::OtherMachine => continue,
            };
            if !server.is_fenced {
                let fence = ServerWrite::Fence { id: server.id.clone(), beat: server.beat };
                match self.store().write(vec![Write::Server(fence)]).wait() {
                    Ok(()) if silent.is_none() => {}
                    Ok(()) => {
                        report(&format!("server `{}` ({}) was not heard of for too long and is taken for dead", server.name, server.id))
                    }
                    // It lives after all, or another server was faster, which the next look shows.
                    Err(StoreError::Stale { .. } | StoreError::Absent { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            gone.push(Gone { id: server.id.clone(), silent });
        }
        Ok(gone)
    }

    /// Takes over a run that its server has left.
    fn take_over(&self, watch: &mut Watch, run: &RunSummary, silent: Option<Duration>) -> Result<Left, StoreError> {
        // Runs of the command line belong to who started them, and are resumed there.
        let Some(record) = self.store().load_run(run.id)? else { return Ok(Left::Settled) };
        let spec = serde_json::from_str::<RunSpec>(&record.spec).ok();
        if spec.is_none_or(|spec| spec.submission.is_none()) {
            return Ok(Left::Settled);
        }
        let is_hidden = run.state == RunState::Running && !run.dir.is_empty() && !Path::new(&run.dir).is_dir();
        if let Some(silent) = silent.filter(|_| is_hidden) {
            return self.leave_or_fail(watch, run, &record.spec, silent);
        }
        let change = RunMove {
            held_by: Some(run.owner.clone()),
            owner: Some(Some(owner())),
            ..RunMove::new(run.id, vec![run.state], run.state, self.clock.now_ms())
        };
        match self.store().write(vec![Write::MoveRun(change)]).wait() {
            Ok(()) => {
                self.lock().waiting.push_back(run.id);
                Ok(Left::Taken)
            }
            // Another server was faster, or it was ended.
            Err(StoreError::Conflict { .. } | StoreError::UnknownRun { .. }) => Ok(Left::Settled),
            Err(error) => Err(error),
        }
    }

    /// A run whose directory cannot be seen from here: a server that sees it has as long as `ttl` to take it, then it has failed.
    fn leave_or_fail(&self, watch: &mut Watch, run: &RunSummary, spec: &str, silent: Duration) -> Result<Left, StoreError> {
        let lost = format!(
            "the server that worked on it is gone, and its directory `{}` cannot be seen from this one ({})",
            run.dir, self.options.name
        );
        if silent < self.options.heartbeats.ttl * 2 {
            if watch.told.insert(run.id) {
                report(&format!("run {}: {lost}; another server may take it", run.id));
            }
            return Ok(Left::Waits);
        }
        let hint =
            "servers that share a database should share the folder of the runs; `batchyard resume` goes on with it where the folder is";
        let failure = Failure::new(lost).hint(hint);
        let promise = self.promise_of(run.id, spec);
        let told = promise.as_ref().map(|promise| promise.keep(RunState::Failed, Map::new(), std::slice::from_ref(&failure)));
        let result = RunResultDoc { failures: vec![failure], ..RunResultDoc::default() };
        let end = RunMove {
            held_by: Some(run.owner.clone()),
            owner: Some(None),
            result: Some(to_text(&result)),
            ..RunMove::new(run.id, vec![run.state], RunState::Failed, self.clock.now_ms())
        };
        match self.store().write([Write::MoveRun(end)].into_iter().chain(told).collect()).wait() {
            Ok(()) => {
                promise.iter().for_each(|promise| self.notices.tell(promise));
                close_records(self.store(), run.id)?;
                Ok(Left::Settled)
            }
            Err(StoreError::Conflict { .. } | StoreError::UnknownRun { .. }) => Ok(Left::Settled),
            Err(error) => Err(error),
        }
    }

    /// Ends the tasks of all runs on this machine: others carry them out now.
    fn stop_tasks(&self) {
        report(
            "other servers have taken over the workflows of this one, which was not heard of for too long: it ends its tasks, and itself",
        );
        self.wind_down();
        let runs: Vec<RunId> = self.lock().running.keys().copied().collect();
        end_tasks(&runs, self.options.settings.engine.get());
    }
}

impl State {
    /// Asks the engine of a run to end it. Whether the run is carried out here.
    pub(super) fn interrupt(&mut self, id: RunId) -> bool {
        let Some(running) = self.running.get_mut(&id) else { return false };
        // Only the first request counts: a second message would not wait for tasks that tidy up.
        if !running.abort {
            running.abort = true;
            if let Some(mailbox) = &running.mailbox {
                // An engine that is gone has just ended the run.
                let _ = mailbox.send(Message::Interrupt);
            }
        }
        true
    }
}
