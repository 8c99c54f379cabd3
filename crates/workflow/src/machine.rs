//! What the engines of one process share: this machine, the store, and the threads that prepare calls.

use std::{io, ops::Deref, sync::Arc};

use batchyard_core::{Need, machine};
use batchyard_store::Store;
use batchyard_wdl::limits;

use crate::prepare::Preparer;

/// Threads that prepare calls (identities, cache look-ups) besides those that run them.
const PREPARERS: usize = 2;
/// Stack of a worker: it evaluates expressions, so it must bear the deepest tree the parser lets through.
const WORKER_STACK_BYTES: usize = limits::STACK_BYTES;

/// This machine as engines of workflows see it.
pub struct Machine {
    shared: Arc<machine::Machine>,
    pub(crate) store: Arc<Store>,
    pub(crate) preparer: Preparer,
}

impl Machine {
    /// A machine of this size on which at most `jobs` tasks run at once.
    pub fn new(store: Arc<Store>, capacity: Need, jobs: usize) -> Arc<Self> {
        let shared = machine::Machine::new(capacity, jobs, WORKER_STACK_BYTES);
        Arc::new(Machine { shared, preparer: Preparer::new(PREPARERS, Arc::clone(&store)), store })
    }

    /// Does work, such as carrying out a run, on a thread that may block as long as it wants.
    ///
    /// # Errors
    /// When no thread can be made at all; the work is then dropped.
    pub fn engage(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.shared.engage(work)
    }

    /// The part that other front ends share.
    pub fn shared(&self) -> &Arc<machine::Machine> {
        &self.shared
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }
}

impl Deref for Machine {
    type Target = machine::Machine;

    fn deref(&self) -> &machine::Machine {
        &self.shared
    }
}
