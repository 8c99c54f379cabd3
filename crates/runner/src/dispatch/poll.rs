//! The poller: one thread that looks after all dispatched attempts, each at times of its own.

use std::{
    cmp::Ordering,
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant, SystemTime},
};

use super::{
    Order, Shared, Stage, State,
    door::is_for_the_moment,
    files::{Rc, forget_job, leave_rc, look_for_rc},
};
use crate::{
    helper::{self, Ended},
    outcome::{Exit, Outcome, RunError, file},
    script::STARTED,
};

/// A job is looked at after this part of the time for which it has been there: its end is noticed late by an eighth
/// of its own length,
const AGE_PART: u32 = 8;
/// but not more often than this,
const PAUSE: Duration = Duration::from_millis(50);
/// and not more seldom than this.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often `check` is run where the configuration does not say, and most runs of it in a second.
const ALIVE_PERIOD: Duration = Duration::from_secs(120);
const CHECKS_PER_SECOND: u32 = 2;
/// The shortest period, where the configuration says one.
const ALIVE_PERIOD_MIN: Duration = Duration::from_millis(500);
/// Longest run of a `check`.
const CHECK_LIMIT: Duration = Duration::from_secs(60);
/// So many times a job must be unknown before it counts as gone: the scheduler may not have heard of it yet, and the
/// file system may show `rc` late.
const UNKNOWN_TIMES: u32 = 2;
/// Time between them for a job that was found again.
const ADOPTED_AGAIN: Duration = Duration::from_secs(3);
/// Looks at an `rc` without a number before that is what it says.
const UNREADABLE_LOOKS: u32 = 20;
/// Status of a job that is gone, as Cromwell writes it.
const GONE_RC: i32 = 79;

/// Something the poller shall look at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look {
    at: Instant,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Job(u64),
    Door(Arc<str>),
}

impl Look {
    pub(super) fn at_door(at: Instant, provider: &Arc<str>) -> Self {
        Look { at, what: What::Door(Arc::clone(provider)) }
    }
}

impl PartialOrd for Look {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Look {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl State {
    /// Has the poller look at an attempt.
    pub(super) fn look_at(&mut self, key: u64, at: Instant) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.next_look = at;
            self.looks.push(Look { at, what: What::Job(key) });
        }
    }

    /// How often to ask whether a job is alive.
    pub(super) fn alive_period(&self, order: &Order) -> Duration {
        let all = Duration::from_secs(self.jobs.len() as u64) / CHECKS_PER_SECOND;
        order.alive_period.map_or(ALIVE_PERIOD.max(all), |period| period.max(ALIVE_PERIOD_MIN))
    }
}

impl Shared {
    /// The poller's thread: ends with its dispatcher.
    pub(super) fn poll(weak: &Weak<Shared>) {
        while let Some(shared) = weak.upgrade() {
            let mut state = shared.lock();
            if state.closed {
                return;
            }
            let now = Instant::now();
            match state.looks.peek().map(|look| look.at.saturating_duration_since(now)) {
                Some(Duration::ZERO) => {
                    let due = state.looks.pop();
                    drop(state);
                    match due.map(|look| (look.at, look.what)) {
                        Some((at, What::Job(key))) => shared.look(key, at),
                        Some((_, What::Door(provider))) => shared.open(&provider),
                        None => {}
                    }
                }
                left => {
                    let pause = left.unwrap_or(PAUSE_MAX);
                    drop(shared.wake.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }

    /// Looks at an attempt whose time has come.
    fn look(self: &Arc<Self>, key: u64, at: Instant) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        // Of several appointments only the last one made counts.
        if job.stage != Stage::Watched || job.next_look != at {
            return;
        }
        if job.cancel.is_some() {
            job.stage = Stage::Busy;
            drop(state);
            self.by_hand(key, move |shared| shared.cancel_step(key));
            return;
        }
        let (order, now) = (Arc::clone(&job.order), Instant::now());
        let check = job.next_check.is_some_and(|check| check <= now);
        let limit = if job.limited { None } else { order.time_limit };
        drop(state);
        match look_for_rc(&order.execution_dir) {
            Rc::Code(code) => {
                self.by_hand(key, move |shared| shared.finish_with(key, code));
                return;
            }
            Rc::Unreadable(text) => return self.unreadable(key, text),
            Rc::Absent => {}
        }
        if let Some(limit) = limit
            && let Some(age) = age_of(&order.execution_dir.join(STARTED))
        {
            self.limit(key, limit.saturating_sub(age));
        }
        if check {
            if let Some(job) = self.lock().jobs.get_mut(&key) {
                job.stage = Stage::Busy;
            }
            self.by_hand(key, move |shared| shared.check_step(key));
            return;
        }
        self.look_later(key);
    }

    /// Makes the next appointment with an attempt.
    pub(super) fn look_later(&self, key: u64) {
        let mut state = self.lock();
        let now = Instant::now();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        job.stage = Stage::Watched;
        let pause = (now.duration_since(job.since) / AGE_PART).clamp(PAUSE, PAUSE_MAX);
        let at = if job.cancel.is_some() { now } else { job.next_check.map_or(now + pause, |check| check.clamp(now, now + pause)) };
        state.look_at(key, at);
        drop(state);
        self.wake.notify_one();
    }

    fn unreadable(self: &Arc<Self>, key: u64, text: String) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        job.unreadable += 1;
        if job.unreadable < UNREADABLE_LOOKS {
            state.look_at(key, Instant::now() + 10 * PAUSE);
            return;
        }
        let path = job.order.execution_dir.join("rc");
        drop(state);
        // A hook of a site may have left out the line end.
        self.by_hand(key, move |shared| match text.trim().parse() {
            Ok(code) => shared.finish_with(key, code),
            Err(_) => shared.finish(key, Err(RunError::Status { path, text })),
        });
    }

    fn limit(&self, key: u64, left: Duration) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        job.limited = true;
        let (control, grace) = (Arc::clone(&job.control), job.order.grace);
        drop(state);
        control.limit(left, grace);
    }

    /// Asks whether a job is alive, and decides what it means if it is not.
    fn check_step(self: &Arc<Self>, key: u64) {
        let Some((order, control)) = self.known(key) else { return };
        let dir = &order.execution_dir;
        let answer = ask(&order);
        if let Rc::Code(code) = look_for_rc(dir) {
            return self.finish_with(key, code);
        }
        let mut state = self.lock();
        let period = state.alive_period(&order);
        let Some(job) = state.jobs.get_mut(&key) else { return };
        job.confirmed |= answer == Alive::Yes;
        let found_again = job.adopted && !job.confirmed;
        job.unknown = if answer == Alive::No { job.unknown + 1 } else { 0 };
        job.next_check = Some(Instant::now() + if answer == Alive::No && found_again { ADOPTED_AGAIN.min(period) } else { period });
        let gone = job.unknown >= UNKNOWN_TIMES;
        let adopted = job.adopted;
        drop(state);
        if !gone {
            return self.look_later(key);
        }
        let id = control.job_id().unwrap_or_default();
        if found_again {
            let gone = forget_job(dir).err().unwrap_or(RunError::Unalive { id, rc: dir.join("rc") });
            return self.finish(key, Err(gone));
        }
        match leave_rc(dir, GONE_RC) {
            Ok(true) => self.finish(key, Ok(Outcome { exit: Exit::Code(GONE_RC), ended_by: None, usage: None, adopted, lost: true })),
            Ok(false) => self.look_later(key),
            Err(e) => self.finish(key, Err(file(&dir.join("rc"))(e))),
        }
    }
}

/// What `check` says of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alive {
    Yes,
    No,
    /// The scheduler could not be asked.
    Unknown,
}

/// Runs `check`.
pub(super) fn ask(order: &Order) -> Alive {
    let dir = &order.execution_dir;
    match helper::run(dir, "check", CHECK_LIMIT) {
        Ok(Ended::Status(0)) => Alive::Yes,
        Ok(Ended::Status(_)) if !is_for_the_moment(&helper::last_words(dir, "check")) => Alive::No,
        Ok(_) | Err(_) => Alive::Unknown,
    }
}

/// How long ago a file was written last.
fn age_of(path: &std::path::Path) -> Option<Duration> {
    let written = std::fs::metadata(path).ok()?.modified().ok()?;
    // A clock that is ahead on the other machine makes it new.
    Some(SystemTime::now().duration_since(written).unwrap_or_default())
}
