//! What the engines of one process share: the queue of this machine, its threads, and the store.

use std::{io, sync::Arc};

use batchyard_core::{
    Pool,
    yard::{Need, Yard},
};
use batchyard_store::Store;
use batchyard_wdl::limits;

use crate::{gate::Gate, prepare::Preparer};

/// Threads that prepare calls (identities, cache look-ups) besides those that run them.
const PREPARERS: usize = 2;
/// Tasks that are got ready while others run, so that no core waits for a directory to be made.
const AHEAD: usize = 2;
/// Most worker threads; more tasks than this at once wait for a thread.
const MAX_WORKERS: usize = 4096;
/// Most threads that each carry out a run.
const MAX_ENGINES: usize = 32_768;
/// Stack of a worker: it evaluates expressions, so it must bear the deepest tree the parser lets through.
const WORKER_STACK_BYTES: usize = limits::STACK_BYTES;

/// This machine as engines see it.
pub struct Machine {
    pub(crate) store: Arc<Store>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) workers: Pool,
    pub(crate) preparer: Preparer,
    engines: Pool,
}

impl Machine {
    /// A machine of this size on which at most `jobs` tasks run at once.
    pub fn new(store: Arc<Store>, capacity: Need, jobs: usize) -> Arc<Self> {
        Arc::new(Machine {
            gate: Gate::new(Yard::new(capacity, jobs, AHEAD)),
            workers: Pool::new("worker", MAX_WORKERS, WORKER_STACK_BYTES),
            preparer: Preparer::new(PREPARERS, Arc::clone(&store)),
            engines: Pool::new("engine", MAX_ENGINES, WORKER_STACK_BYTES),
            store,
        })
    }

    /// Does work, such as carrying out a run, on a thread that may block as long as it wants.
    ///
    /// # Errors
    /// When no thread can be made at all; the work is then dropped.
    pub fn engage(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.engines.run(work)
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// How many tasks wait for room and how many run.
    pub fn load(&self) -> (usize, usize) {
        self.gate.load()
    }
}
