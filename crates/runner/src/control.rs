//! Ends an attempt from outside: on request or when its time is up; politely first, then not.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use crate::tree;

/// How often processes that their leader left behind are looked for while they may end politely.
const STRAYS_POLL: Duration = Duration::from_millis(20);

/// Why an attempt was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// Somebody asked.
    Abort,
    /// Its time limit passed.
    TimeLimit,
    /// It took too much room on the disk.
    Room,
}

/// Handle on a running attempt, shared between the thread that waits for it and those that may end it.
#[derive(Debug)]
pub struct Control {
    marker: String,
    state: Mutex<State>,
}

/// Ends an attempt that is no process of ours: within this time, or at once.
type EndElsewhere = dyn Fn(Option<Duration>) + Send + Sync;
/// Takes the id that a scheduler has given to an attempt.
type OnJobId = dyn FnOnce(&str) + Send;

#[derive(Default)]
struct State {
    /// The leader of the process group; set only while it has not been reaped, so that its number is still its own.
    leader: Option<Pid>,
    /// How it is ended where it runs elsewhere.
    elsewhere: Option<Arc<EndElsewhere>>,
    /// Its number or name where it runs.
    job_id: Option<String>,
    on_job_id: Option<Box<OnJobId>>,
    ended_by: Option<EndedBy>,
    hard: bool,
    /// Whether the attempt has ended: nothing is signalled any more.
    over: bool,
}

impl Control {
    /// A handle for the attempt of this marker (see [`tree::MARKER`]).
    pub fn new(marker: impl Into<String>) -> Arc<Self> {
        Arc::new(Control { marker: marker.into(), state: Mutex::default() })
    }

    /// The marker in the environment of the attempt's processes.
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// Why the attempt was ended, if it was.
    pub fn ended_by(&self) -> Option<EndedBy> {
        self.lock().ended_by
    }

    /// The process id, or the id that a scheduler has given, once there is one.
    pub fn job_id(&self) -> Option<String> {
        self.lock().job_id.clone()
    }

    /// Tells the job id as soon as there is one: at once, or on the thread that learns of it.
    pub fn on_job_id(&self, tell: impl FnOnce(&str) + Send + 'static) {
        let mut state = self.lock();
        match state.job_id.clone() {
            Some(id) => {
                drop(state);
                tell(&id);
            }
            None => state.on_job_id = Some(Box::new(tell)),
        }
    }

    pub(crate) fn set_job_id(&self, id: &str) {
        let mut state = self.lock();
        state.job_id = Some(id.to_owned());
        let tell = state.on_job_id.take();
        drop(state);
        if let Some(tell) = tell {
            tell(id);
        }
    }

    /// Asks the attempt to end (SIGTERM) and ends it for sure (SIGKILL) after `grace`. The first reason counts.
    pub fn end(self: &Arc<Self>, reason: EndedBy, grace: Duration) {
        let mut state = self.lock();
        if state.over || state.ended_by.is_some() {
            return;
        }
        state.ended_by = Some(reason);
        if let Some(end) = state.elsewhere.clone() {
            drop(state);
            end(Some(grace));
            return;
        }
        self.signal(&state, Signal::TERM);
        drop(state);
        watchdog().after(grace, Arc::clone(self), Alarm::Kill);
    }

    /// Ends the attempt at once (SIGKILL).
    pub fn kill(&self, reason: EndedBy) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        state.ended_by.get_or_insert(reason);
        state.hard = true;
        if let Some(end) = state.elsewhere.clone() {
            drop(state);
            end(None);
            return;
        }
        self.signal(&state, Signal::KILL);
    }

    /// From now on the attempt is ended by `end`; what was asked for meanwhile reaches it now.
    pub(crate) fn runs_elsewhere(&self, grace: Duration, end: impl Fn(Option<Duration>) + Send + Sync + 'static) {
        let end: Arc<EndElsewhere> = Arc::new(end);
        let mut state = self.lock();
        state.elsewhere = Some(Arc::clone(&end));
        let asked = state.ended_by.is_some().then_some(if state.hard { None } else { Some(grace) });
        drop(state);
        if let Some(within) = asked {
            end(within);
        }
    }

    /// What ran elsewhere before the attempt itself has ended.
    pub(crate) fn comes_back(&self) {
        self.lock().elsewhere = None;
    }

    /// An attempt that runs elsewhere has ended: nobody need end it any more.
    pub(crate) fn over(&self) {
        let mut state = self.lock();
        state.over = true;
        state.elsewhere = None;
    }

    /// Ends the attempt when `limit` has passed, as [`Control::end`] does.
    pub(crate) fn limit(self: &Arc<Self>, limit: Duration, grace: Duration) {
        watchdog().after(limit, Arc::clone(self), Alarm::TimeLimit { grace });
    }

    /// The attempt's leader is running; an end asked for meanwhile reaches it now.
    pub(crate) fn started(&self, leader: Option<Pid>) {
        let mut state = self.lock();
        state.leader = leader;
        if state.ended_by.is_some() {
            self.signal(&state, if state.hard { Signal::KILL } else { Signal::TERM });
        }
    }

    /// The leader has ended and is about to be reaped: its number must not be signalled any more. What it left
    /// behind is ended too if the attempt was ended by us; it may use what is left of the grace.
    pub(crate) fn leader_gone(&self) {
        let mut state = self.lock();
        state.leader = None;
        while state.ended_by.is_some() && !state.hard && !tree::find(&self.marker).is_empty() {
            drop(state);
            thread::sleep(STRAYS_POLL);
            state = self.lock();
        }
        if state.ended_by.is_some() {
            // A process may fork while it is looked for, hence more than once; SIGKILL cannot be refused.
            for _ in 0..50 {
                if tree::signal(None, &self.marker, Signal::KILL) == 0 {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        state.over = true;
    }

    fn signal(&self, state: &State, signal: Signal) {
        tree::signal(state.leader, &self.marker, signal);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let State { leader, job_id, ended_by, hard, over, .. } = self;
        write!(f, "leader {leader:?}, job {job_id:?}, ended by {ended_by:?}, hard {hard}, over {over}")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Kill,
    TimeLimit { grace: Duration },
}

struct Entry {
    at: Instant,
    alarm: Alarm,
    control: Arc<Control>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// One thread for all alarms; it sleeps until the next one is due. Monotonic time, so a changed clock is no matter.
struct Watchdog {
    alarms: Mutex<BinaryHeap<Reverse<Entry>>>,
    changed: Condvar,
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<&'static Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| {
        let watchdog: &'static Watchdog = Box::leak(Box::new(Watchdog { alarms: Mutex::default(), changed: Condvar::new() }));
        // Without the thread, alarms would never ring: that is as bad as being out of memory.
        thread::Builder::new().name("watchdog".into()).spawn(|| watchdog.run()).expect("a thread can be started");
        watchdog
    })
}

impl Watchdog {
    fn after(&self, delay: Duration, control: Arc<Control>, alarm: Alarm) {
        let Some(at) = Instant::now().checked_add(delay) else { return };
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.push(Reverse(Entry { at, alarm, control }));
        drop(alarms);
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let wait = alarms.peek().map(|Reverse(e)| e.at.saturating_duration_since(Instant::now()));
            match wait {
                None => alarms = self.changed.wait(alarms).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left > Duration::ZERO => {
                    alarms = self.changed.wait_timeout(alarms, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let Some(Reverse(due)) = alarms.pop() else { continue };
                    drop(alarms);
                    match due.alarm {
                        Alarm::Kill => due.control.kill(EndedBy::Abort),
                        Alarm::TimeLimit { grace } => due.control.end(EndedBy::TimeLimit, grace),
                    }
                    alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
