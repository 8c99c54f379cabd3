//! Ends a dispatched attempt: `rc` gets 143 so that it does not start any more, then `kill` is run until the
//! scheduler does not know the job any more or the time for that is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Shared, Stage,
    files::{ABORTED_RC, KILL_LIMIT, leave_rc},
    poll::{Alive, ask},
};
use crate::{
    helper,
    outcome::{Exit, Outcome, file},
    script::read_rc,
};

/// Pause between two runs of `kill`; doubled each time up to the second.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// An attempt that is being ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cancel {
    /// When it is taken as ended, whatever the scheduler says.
    until: Instant,
    pause: Duration,
    /// Whether `rc` tells that it was ended by us.
    recorded: bool,
}

impl Shared {
    /// Ends an attempt, within this time or at once.
    pub(super) fn cancel(self: &Arc<Self>, key: u64, within: Option<Duration>) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        let now = Instant::now();
        let until = now + within.unwrap_or_default();
        match &mut job.cancel {
            Some(cancel) => cancel.until = cancel.until.min(until),
            None => job.cancel = Some(Cancel { until, pause: PAUSE, recorded: false }),
        }
        match job.stage {
            Stage::Queued => {
                drop(state);
                self.end_queued(key);
            }
            // The hand that works on it sees to it.
            Stage::Busy => {}
            Stage::Watched => {
                state.look_at(key, now);
                drop(state);
                self.wake.notify_one();
            }
        }
    }

    /// Ends an attempt that waits to be submitted. One that an earlier engine may have submitted keeps its place: what
    /// there is to end shows when its turn comes.
    pub(super) fn end_queued(self: &Arc<Self>, key: u64) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get(&key).filter(|job| job.stage == Stage::Queued && !job.order.may_have_started) else { return };
        let (provider, reason) = (Arc::clone(&job.order.provider), job.control.ended_by());
        if let Some(door) = state.doors.get_mut(&provider) {
            door.queue.retain(|queued| *queued != key);
        }
        drop(state);
        let outcome = Outcome { exit: Exit::Signal(15), ended_by: reason, usage: None, adopted: false, lost: false };
        self.by_hand(key, move |shared| shared.finish(key, Ok(outcome)));
    }

    /// One round of ending an attempt.
    pub(super) fn cancel_step(self: &Arc<Self>, key: u64) {
        let Some((order, control)) = self.known(key) else { return };
        let dir = &order.execution_dir;
        let recorded = self.lock().jobs.get(&key).and_then(|job| job.cancel).is_some_and(|cancel| cancel.recorded);
        if !recorded {
            match leave_rc(dir, ABORTED_RC) {
                Ok(true) => {}
                // It has ended by itself meanwhile.
                Ok(false) if read_rc(&dir.join("rc")).is_some() => {
                    return self.finish_with(key, read_rc(&dir.join("rc")).unwrap_or(ABORTED_RC));
                }
                Ok(false) => {}
                Err(e) => return self.finish(key, Err(file(&dir.join("rc"))(e))),
            }
            // A job that never started has none.
            let _ = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("stderr"));
        }
        let kill = dir.join("script.kill").exists();
        if kill {
            // What counts is whether the job is still there afterwards.
            let _ = helper::run(dir, "kill", KILL_LIMIT);
        }
        let left = !kill || !dir.join("script.check").exists() || ask(&order) == Alive::No;
        let mut state = self.lock();
        let Some(job) = state.jobs.get_mut(&key) else { return };
        let Some(cancel) = &mut job.cancel else { return };
        cancel.recorded = true;
        let now = Instant::now();
        if !left && now < cancel.until {
            let at = cancel.until.min(now + cancel.pause);
            cancel.pause = (cancel.pause * 2).min(PAUSE_MAX);
            job.stage = Stage::Watched;
            state.look_at(key, at);
            drop(state);
            self.wake.notify_one();
            return;
        }
        let adopted = job.adopted;
        drop(state);
        let outcome = Outcome { exit: Exit::Code(ABORTED_RC), ended_by: control.ended_by(), usage: None, adopted, lost: false };
        self.finish(key, Ok(outcome));
    }
}
