//! Calls for which something has to be brought from elsewhere: they are prepared on threads that may wait, so that a slow place holds up
//! nobody who needs nothing of it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use batchyard_core::Pool;
use batchyard_model::RunId;
use batchyard_wdl::limits::STACK_BYTES;

use super::{Preparation, Shared, guarded};
use crate::{documents::Failure, engine::Message};

/// Threads that may wait.
const THREADS: usize = 16;
/// Most of them for one run.
const OF_ONE_RUN: usize = 6;

/// The threads, and the calls that wait for one.
pub(super) struct Aside {
    pool: Pool,
    turns: Mutex<Turns<Preparation>>,
}

impl Aside {
    pub(super) fn new() -> Self {
        Aside { pool: Pool::new("bring", THREADS, STACK_BYTES), turns: Mutex::default() }
    }

    /// Does what was taken for a run. A panic of ours ends that alone.
    fn done(&self, root: RunId, work: impl FnOnce()) -> Result<(), Failure> {
        let done = guarded(|| {
            work();
            Ok(())
        });
        self.turns().end(root);
        done
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Preparation>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which runs of an engine are ending: calls of theirs that have not begun are brought nothing any more.
#[derive(Default)]
pub struct Endings(Mutex<HashMap<RunId, Arc<AtomicBool>>>);

impl Endings {
    /// Whether a run is ending.
    pub(super) fn of(&self, root: RunId) -> Arc<AtomicBool> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(root).or_default())
    }
}

impl Preparation {
    /// What is set when its run ends, so that its engine has ended the call; an attempt that may go on does not end with it.
    pub(super) fn ending(&self) -> Option<Arc<AtomicBool>> {
        (!self.may_have_started).then(|| self.context.endings.of(self.root))
    }
}

impl Shared {
    /// A call is prepared where waiting harms nobody.
    pub(super) fn put_aside(self: &Arc<Self>, preparation: Preparation) {
        // Before anybody can say how it went. An engine that is gone needs no answer.
        let _ = preparation.context.reply.send(Message::Brings(preparation.number));
        self.aside.turns().add(preparation.root, Preparation { may_wait: true, ..preparation });
        let shared = Arc::clone(self);
        if self.aside.pool.run(move || shared.bring()).is_err() {
            // No thread at all can be made: the work is done here, late but not lost.
            self.bring();
        }
    }

    /// Works until there is nothing to do. What is left because its run has enough at work is done by those who do that.
    fn bring(self: &Arc<Self>) {
        loop {
            let Some((root, preparation)) = self.aside.turns().take() else { return };
            let (reply, number, ending) = (preparation.context.reply.clone(), preparation.number, preparation.ending());
            let is_in_vain = || ending.as_ref().is_some_and(|ending| ending.load(Ordering::Relaxed));
            let done = self.aside.done(root, || {
                if !is_in_vain()
                    && let Some(one) = self.tried(preparation)
                    // Nothing is put any more into the folder of a call that has ended meanwhile.
                    && !is_in_vain()
                {
                    self.answer(vec![one]);
                }
            });
            if let Err(failure) = done {
                let _ = reply.send(Message::Prepared(number, Box::new(Err(failure))));
            }
        }
    }
}

/// What waits: runs take turns, and no run has all threads.
struct Turns<T> {
    runs: VecDeque<OfRun<T>>,
}

/// That of one run.
struct OfRun<T> {
    root: RunId,
    waiting: VecDeque<T>,
    /// How many are worked on.
    working: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Turns { runs: VecDeque::new() }
    }
}

impl<T> Turns<T> {
    fn add(&mut self, root: RunId, one: T) {
        match self.runs.iter_mut().find(|run| run.root == root) {
            Some(run) => run.waiting.push_back(one),
            None => self.runs.push_back(OfRun { root, waiting: [one].into(), working: 0 }),
        }
    }

    /// The next one whose run has not too many at work; its run is the last one whose turn comes again.
    fn take(&mut self) -> Option<(RunId, T)> {
        let next = self.runs.iter().position(|run| run.working < OF_ONE_RUN && !run.waiting.is_empty())?;
        let mut run = self.runs.remove(next)?;
        let taken = run.waiting.pop_front().map(|one| (run.root, one));
        run.working += usize::from(taken.is_some());
        self.runs.push_back(run);
        taken
    }

    /// One that was taken is done.
    fn end(&mut self, root: RunId) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.root == root) {
            run.working = run.working.saturating_sub(1);
        }
        self.runs.retain(|run| run.working > 0 || !run.waiting.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_ours_takes_no_turn_from_others() {
        let aside = Aside::new();
        let run = RunId::random();
        aside.turns().runs.push_back(OfRun { root: run, waiting: VecDeque::new(), working: 1 });
        assert!(aside.done(run, || panic!("a mistake of ours")).is_err());
        assert!(aside.turns().runs.is_empty());
    }

    #[test]
    fn runs_take_turns_and_none_has_all_threads() {
        let mut turns = Turns::default();
        let (large, small) = (RunId::random(), RunId::random());
        (0..20).for_each(|n| turns.add(large, n));
        turns.add(small, 100);
        let taken: Vec<_> = std::iter::from_fn(|| turns.take()).map(|(_, n)| n).collect();
        assert_eq!(taken, [0, 100, 1, 2, 3, 4, 5], "the small run comes second, the large one has its share");
        turns.end(large);
        assert_eq!((turns.take(), turns.take()), (Some((large, 6)), None));
        turns.end(small);
        assert_eq!(turns.runs.len(), 1, "nothing is kept of a run that is done");
    }
}
