//! The door of a provider: submissions go through a few at a time, and wait together while the scheduler refuses
//! them for the moment.

use std::{
    collections::VecDeque,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Order, Shared, Stage, State,
    files::{self, job_left, keep_job_id},
    poll::Look,
};
use crate::{
    control::Control,
    helper::{self, Ended},
    outcome::{Exit, Outcome, RunError, file},
    script::read_rc,
};

/// Submissions of one provider at once.
const WIDTH: usize = 4;
/// Longest run of a submit command.
const SUBMIT_LIMIT: Duration = Duration::from_secs(600);
/// Pause after a refusal; it grows with each further one.
const REFUSED_PAUSE: Duration = Duration::from_secs(3);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(30);
const REFUSED_PAUSE_GROWTH: f64 = 1.5;
/// An attempt that was refused for so long fails.
const REFUSED_FOR_GOOD: Duration = Duration::from_secs(24 * 3600);
/// Pause while the submit command of a dead engine still runs.
const FOREIGN_SUBMIT_PAUSE: Duration = Duration::from_millis(500);

/// What submit commands print, in small letters, when the same submission may succeed later: the scheduler does not
/// answer, or has enough jobs for now.
const FOR_THE_MOMENT: [&str; 23] = [
    "timed out",
    "temporarily unavailable",
    "temporarily unable",
    "unable to contact",
    "cannot contact",
    "can't contact",
    "connection refused",
    "connection reset",
    "connect failure",
    "cannot connect",
    "can't connect",
    "failed to connect",
    "communication error",
    "unable to send message",
    "try again",
    "please wait",
    "is down",
    "too many jobs",
    "jobs are allowed per user",
    "maximum number of jobs",
    "maxsubmitjob",
    "pending job threshold",
    "per-user limit",
];

/// Whether a command of the configuration failed because the scheduler cannot be asked or has enough to do, and not
/// because of the job.
pub(super) fn is_for_the_moment(words: &str) -> bool {
    let words = words.to_lowercase();
    FOR_THE_MOMENT.iter().any(|phrase| words.contains(phrase))
}

/// Submissions of one provider.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Who waits, in order.
    pub queue: VecDeque<u64>,
    passing: usize,
    /// Since when, how long, and until when it is closed.
    refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    since: Instant,
    pause: Duration,
    until: Instant,
}

impl Door {
    fn next(&mut self, now: Instant) -> Option<u64> {
        let width = match self.refused {
            Some(refused) if now < refused.until => 0,
            // One tries for all.
            Some(_) => 1,
            None => WIDTH,
        };
        if self.passing >= width {
            return None;
        }
        let key = self.queue.pop_front()?;
        self.passing += 1;
        Some(key)
    }
}

/// How a submission went.
enum Went {
    /// The scheduler has it, under this id.
    Submitted { id: String, adopted: bool },
    /// It may go better later.
    Refused(RunError),
    /// An earlier engine is being replaced while its submit command still runs.
    NotYet,
    /// It ended before it was submitted, or cannot be.
    Over(Result<Outcome, RunError>),
}

impl State {
    fn leave_door(&mut self, provider: &Arc<str>) {
        if let Some(door) = self.doors.get_mut(provider) {
            door.passing = door.passing.saturating_sub(1);
        }
    }
}

impl Shared {
    /// Lets those through whose turn it is.
    pub(super) fn open(self: &Arc<Self>, provider: &Arc<str>) {
        loop {
            let mut state = self.lock();
            let Some(key) = state.doors.get_mut(provider).and_then(|door| door.next(Instant::now())) else { return };
            let Some(job) = state.jobs.get_mut(&key) else {
                // It was ended while it waited.
                state.leave_door(provider);
                continue;
            };
            job.stage = Stage::Busy;
            drop(state);
            let name = Arc::clone(provider);
            if !self.by_hand(key, move |shared| shared.pass(key, &name)) {
                self.lock().leave_door(provider);
            }
        }
    }

    /// Submits an attempt, and looks after the door behind it.
    fn pass(self: &Arc<Self>, key: u64, provider: &Arc<str>) {
        let went = self.known(key).map(|(order, control)| submit(&order, &control));
        let mut state = self.lock();
        state.leave_door(provider);
        let (door, now) = (state.doors.entry(Arc::clone(provider)).or_default(), Instant::now());
        let result = match went {
            None => None,
            Some(Went::Submitted { id, adopted }) => {
                door.refused = None;
                drop(state);
                self.submitted(key, &id, adopted);
                self.open(provider);
                return;
            }
            Some(Went::Over(result)) => Some(result),
            Some(Went::NotYet) => {
                let until = now + FOREIGN_SUBMIT_PAUSE;
                door.queue.push_front(key);
                door.refused.get_or_insert(Refused { since: now, pause: REFUSED_PAUSE, until }).until = until;
                None
            }
            Some(Went::Refused(error)) => {
                let refused = match door.refused {
                    // Several that were turned away together are one refusal.
                    Some(old) if now < old.until => old,
                    Some(old) => {
                        let pause = old.pause.mul_f64(REFUSED_PAUSE_GROWTH).min(REFUSED_PAUSE_MAX);
                        Refused { pause, until: now + pause, ..old }
                    }
                    None => Refused { since: now, pause: REFUSED_PAUSE, until: now + REFUSED_PAUSE },
                };
                door.refused = Some(refused);
                if now.duration_since(refused.since) < REFUSED_FOR_GOOD {
                    door.queue.push_front(key);
                    None
                } else {
                    Some(Err(error))
                }
            }
        };
        if let Some(result) = result {
            drop(state);
            self.finish(key, result);
            self.open(provider);
            return;
        }
        let until = door.refused.map_or(now, |refused| refused.until);
        let mut ended = false;
        if let Some(job) = state.jobs.get_mut(&key) {
            job.stage = Stage::Queued;
            ended = job.cancel.is_some();
        }
        state.looks.push(Look::at_door(until, provider));
        drop(state);
        self.wake.notify_one();
        if ended {
            self.end_queued(key);
        }
    }

    /// The scheduler has an attempt: from now on it is looked after.
    fn submitted(self: &Arc<Self>, key: u64, id: &str, adopted: bool) {
        let Some((order, control)) = self.known(key) else { return };
        control.set_job_id(id);
        let kept = keep_job_id(&order.execution_dir, id).and_then(|()| write_scripts(&order, id));
        let mut state = self.lock();
        let now = Instant::now();
        let period = kept.as_ref().is_ok_and(|has_check| *has_check).then(|| state.alive_period(&order));
        let Some(job) = state.jobs.get_mut(&key) else { return };
        (job.stage, job.since, job.adopted) = (Stage::Watched, now, adopted);
        // One that was found again is asked for at once.
        job.next_check = period.map(|period| if adopted { now } else { now + period });
        state.look_at(key, now);
        drop(state);
        self.wake.notify_one();
        if let Err(error) = kept {
            self.finish(key, Err(error));
        }
    }
}

/// Writes the commands that need the job id. Returns whether there is a `check`.
fn write_scripts(order: &Order, id: &str) -> Result<bool, RunError> {
    let scripts = order.scripts.of(id).map_err(RunError::Template)?;
    for (name, text) in [("check", &scripts.check), ("kill", &scripts.kill)] {
        if let Some(text) = text {
            helper::write(&order.execution_dir, name, text).map_err(file(&order.execution_dir.join(format!("script.{name}"))))?;
        }
    }
    Ok(scripts.check.is_some())
}

fn submit(order: &Order, control: &Control) -> Went {
    let dir = &order.execution_dir;
    if order.may_have_started {
        if helper::is_running(dir, "submit") {
            return Went::NotYet;
        }
        let same = fs::read_to_string(dir.join("script")).is_ok_and(|old| old == order.script);
        if let (true, Some(code)) = (same, read_rc(&dir.join("rc"))) {
            return Went::Over(Ok(Outcome {
                exit: Exit::Code(code),
                ended_by: control.ended_by(),
                usage: None,
                adopted: true,
                lost: false,
            }));
        }
        if let Some(id) = job_left(dir, &order.job_id) {
            return Went::Submitted { id, adopted: true };
        }
    }
    if let Some(reason) = control.ended_by() {
        return Went::Over(Ok(Outcome { exit: Exit::Signal(15), ended_by: Some(reason), usage: None, adopted: false, lost: false }));
    }
    match submit_anew(order) {
        Ok(id) => Went::Submitted { id, adopted: false },
        Err(error) if matches!(&error, RunError::Submit { words, .. } if is_for_the_moment(words)) => Went::Refused(error),
        Err(error) => Went::Over(Err(error)),
    }
}

fn submit_anew(order: &Order) -> Result<String, RunError> {
    let dir = &order.execution_dir;
    // A template that cannot be filled in shall fail before there is a job that nobody can end.
    order.scripts.of("0").map_err(RunError::Template)?;
    for name in ["rc", "rc.tmp", crate::script::STARTED] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(file(&path)(e)),
            _ => {}
        }
    }
    files::forget_job(dir)?;
    let script = dir.join("script");
    fs::write(&script, &order.script).map_err(file(&script))?;
    helper::write(dir, "submit", &order.submit).map_err(file(&dir.join("script.submit")))?;
    let ended = helper::run(dir, "submit", SUBMIT_LIMIT).map_err(|source| RunError::Start { program: "script.submit".into(), source })?;
    let printed = fs::read(dir.join("stdout.submit")).unwrap_or_default();
    let id = order.job_id.find(&String::from_utf8_lossy(&printed));
    let mut words = helper::last_words(dir, "submit");
    match (ended, id) {
        // A job that is there is not submitted again because the command did not come to its end.
        (Ended::Status(0) | Ended::TooLong, Some(id)) => return Ok(id),
        (Ended::Status(0), None) => words = format!("what it printed has no job id: {}", String::from_utf8_lossy(&printed).trim()),
        (Ended::TooLong, None) => words = format!("it did not end within {} s", SUBMIT_LIMIT.as_secs()),
        (Ended::Status(_) | Ended::Unwanted, _) => {}
    }
    Err(RunError::Submit { stderr: dir.join("stderr.submit"), words })
}
