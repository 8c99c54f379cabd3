//! Calls for which something has to be brought from elsewhere: they are prepared on threads that may wait, so that a slow place holds up
//! nobody who needs nothing of it.
//!
//! Runs take turns, and no run has all threads.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use batchyard_core::Pool;
use batchyard_model::RunId;
use batchyard_wdl::limits::STACK_BYTES;

use super::{Preparation, Shared};

/// Threads that may wait.
const THREADS: usize = 16;
/// Most of them for one run.
const OF_ONE_RUN: usize = 6;

/// The calls that wait for their turn.
pub(super) struct Aside {
    pool: Pool,
    runs: Mutex<VecDeque<OfRun>>,
}

/// Those of one run.
struct OfRun {
    root: RunId,
    waiting: VecDeque<Preparation>,
    /// How many are worked on.
    working: usize,
}

impl Aside {
    pub(super) fn new() -> Self {
        Aside { pool: Pool::new("bring", THREADS, STACK_BYTES), runs: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<OfRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, preparation: Preparation) {
        let mut runs = self.lock();
        match runs.iter_mut().find(|run| run.root == preparation.root) {
            Some(run) => run.waiting.push_back(preparation),
            None => runs.push_back(OfRun { root: preparation.root, waiting: [preparation].into(), working: 0 }),
        }
    }

    /// The next one whose run has not too many at work; its run is the last one whose turn comes again.
    fn take(&self) -> Option<Preparation> {
        let mut runs = self.lock();
        let next = runs.iter().position(|run| run.working < OF_ONE_RUN && !run.waiting.is_empty())?;
        let mut run = runs.remove(next)?;
        let preparation = run.waiting.pop_front();
        run.working += usize::from(preparation.is_some());
        runs.push_back(run);
        preparation
    }

    fn end(&self, root: RunId) {
        let mut runs = self.lock();
        if let Some(run) = runs.iter_mut().find(|run| run.root == root) {
            run.working = run.working.saturating_sub(1);
        }
        runs.retain(|run| run.working > 0 || !run.waiting.is_empty());
    }
}

impl Shared {
    /// A call is prepared where waiting harms nobody.
    pub(super) fn put_aside(self: &Arc<Self>, preparation: Preparation) {
        self.aside.add(Preparation { may_wait: true, ..preparation });
        let shared = Arc::clone(self);
        if self.aside.pool.run(move || shared.bring()).is_err() {
            // No thread at all can be made: the work is done here, late but not lost.
            self.bring();
        }
    }

    /// Works until there is nothing to do. What is left because its run has enough at work is done by those who do that.
    fn bring(self: &Arc<Self>) {
        while let Some(preparation) = self.aside.take() {
            let root = preparation.root;
            if let Some(one) = self.tried(preparation) {
                self.answer(vec![one]);
            }
            self.aside.end(root);
        }
    }
}
