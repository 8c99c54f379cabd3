//! Changes are made in groups: those that come while a commit runs are the next commit. Whoever waits first makes the
//! commit for all that wait, so that a lone change costs no hand-over to another thread.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use batchyard_crash as crash;
use redb::Database;

use super::Tables;
use crate::{
    ObjectError,
    files::{Epoch, Files, Id},
};

/// Changes of one commit.
const GROUP: usize = 512;
/// Files whose removal may wait.
const REMOVALS: usize = 1024;
/// After so long without a change the index is left so that even a crash needs no look through all of it.
const REST: Duration = Duration::from_millis(500);

/// Tells the one who waits what became of his change, after the commit.
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
/// A change and whether it failed in a way that spoils the commit.
type Change = Box<dyn FnOnce(&mut Tables<'_>) -> (Answer, bool) + Send>;

/// Makes changes. Dropped, it waits for what is under way.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    rest: Option<JoinHandle<()>>,
}

struct Shared {
    database: Arc<Database>,
    files: Arc<Files>,
    removals: SyncSender<Arc<Epoch>>,
    state: Mutex<State>,
    /// A commit has ended, or the writer has.
    ended: Condvar,
    /// Something was changed, or the writer has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Change>,
    is_committing: bool,
    /// Counts commits.
    commits: u64,
    is_closing: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Writer {
    pub(crate) fn start(database: Arc<Database>, files: Arc<Files>) -> Result<Self, ObjectError> {
        let (removals, removed) = mpsc::sync_channel::<Arc<Epoch>>(REMOVALS);
        let failed = || ObjectError::io("cannot start a thread of the object store");
        // Unlinking a large file takes a while, and nobody should wait for it.
        thread::Builder::new().name("objects-unlink".to_owned()).spawn(move || removed.iter().for_each(drop)).map_err(failed())?;
        let (state, ended, changed) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { database, files, removals, state, ended, changed });
        let resting = Arc::clone(&shared);
        let rest = thread::Builder::new().name("objects-rest".to_owned());
        let rest = rest.spawn(move || resting.rest_when_idle()).map_err(failed())?;
        Ok(Self { shared, rest: Some(rest) })
    }

    /// Makes a change and waits until it is on disk. A change that refuses has changed nothing. It may wait for so long that
    /// others come for the same commit.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        patience: Duration,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (tell, told) = mpsc::sync_channel(1);
        let change: Change = Box::new(move |tables| {
            let outcome = change(tables);
            let spoilt = matches!(outcome, Err(ObjectError::Index(_)));
            let answer: Answer = Box::new(move |committed| {
                let outcome = committed.map_err(|e| ObjectError::Index(e.to_owned())).and(outcome);
                drop(tell.send(outcome));
            });
            (answer, spoilt)
        });
        let until = Instant::now() + patience;
        let mut state = self.shared.state();
        state.queue.push_back(change);
        loop {
            match told.try_recv() {
                Ok(outcome) => return outcome,
                Err(mpsc::TryRecvError::Disconnected) => return Err(ObjectError::Index("a commit could not begin".to_owned())),
                Err(mpsc::TryRecvError::Empty) => {}
            }
            let left = if patience.is_zero() { patience } else { until.saturating_duration_since(Instant::now()) };
            state = match state.is_committing {
                true => self.shared.wait(state),
                false if left.is_zero() || state.queue.len() >= GROUP => self.shared.lead(state),
                false => self.shared.wait_for(state, left),
            };
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.shared.changed.notify_all();
        if let Some(rest) = self.rest.take() {
            drop(rest.join());
        }
    }
}

/// While this is there, a commit is under way. A change that panics does not leave others waiting.
struct Leading<'a>(&'a Shared);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.state().is_committing = false;
        self.0.ended.notify_all();
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.ended.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&'a self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.ended.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Makes a commit of all that waits.
    fn lead<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let count = state.queue.len().min(GROUP);
        let group: Vec<Change> = state.queue.drain(..count).collect();
        state.is_committing = true;
        state.commits += 1;
        drop(state);
        let leading = Leading(self);
        self.commit_and_tell(group);
        drop(leading);
        self.state()
    }

    fn commit_and_tell(&self, group: Vec<Change>) {
        let mut answers = Vec::new();
        let outcome = commit(&self.database, group, &mut answers);
        crash::place("change committed");
        if let Ok(garbage) = &outcome
            && !garbage.is_empty()
        {
            drop(self.removals.send(self.files.discard(garbage)));
        }
        crash::place("garbage told");
        let failed = outcome.err().map(|error| error.to_string());
        for answer in answers {
            answer(failed.as_deref().map_or(Ok(()), Err));
        }
        crash::place("change answered");
    }

    /// Waits for a pause after changes, and uses it.
    fn rest_when_idle(&self) {
        let mut rested_at = 0;
        let mut state = self.state();
        while !state.is_closing {
            if state.commits == rested_at {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let before = state.commits;
            state = self.changed.wait_timeout(state, REST).unwrap_or_else(PoisonError::into_inner).0;
            if state.commits == before && !state.is_committing && state.queue.is_empty() && !state.is_closing {
                state.is_committing = true;
                drop(state);
                let leading = Leading(self);
                // What cannot be done now is done after the next change.
                drop(rest(&self.database));
                drop(leading);
                rested_at = before;
                state = self.state();
            }
        }
    }
}

fn commit(database: &Database, group: Vec<Change>, answers: &mut Vec<Answer>) -> Result<Vec<Id>, ObjectError> {
    let transaction = database.begin_write()?;
    let mut spoilt = false;
    let garbage = {
        let mut tables = Tables::open(&transaction)?;
        for change in group {
            let (answer, broken) = change(&mut tables);
            answers.push(answer);
            spoilt |= broken;
        }
        std::mem::take(&mut tables.garbage)
    };
    if spoilt {
        transaction.abort()?;
        return Err(ObjectError::Index("a change of the same commit failed".to_owned()));
    }
    crash::place("change made");
    transaction.commit()?;
    Ok(garbage)
}

/// A commit after which the index opens at once, whatever happens to the process.
fn rest(database: &Database) -> Result<(), ObjectError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    transaction.commit()?;
    Ok(())
}
