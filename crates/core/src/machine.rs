//! What all front ends of one process share: the queue of this machine and its threads.

use std::{io, sync::Arc};

use crate::{
    gate::Gate,
    pool::Pool,
    yard::{Need, Yard},
};

/// Tasks that are got ready while others run, so that no core waits for a directory to be made.
const AHEAD: usize = 4;
/// Most worker threads; more tasks than this at once wait for a thread.
const MAX_WORKERS: usize = 4096;
/// Most threads that each carry out a run.
const MAX_ENGINES: usize = 32_768;

/// This machine as engines see it.
pub struct Machine {
    /// Who may start.
    pub gate: Arc<Gate>,
    /// Threads that get tasks ready and wait for them.
    pub workers: Pool,
    engines: Pool,
}

impl Machine {
    /// A machine of this size on which at most `jobs` tasks run at once. `stack_bytes` is the stack of a thread, which
    /// must bear the deepest recursion of what it works on.
    pub fn new(capacity: Need, jobs: usize, stack_bytes: usize) -> Arc<Self> {
        Arc::new(Machine {
            gate: Gate::new(Yard::new(capacity, jobs, AHEAD)),
            workers: Pool::new("worker", MAX_WORKERS, stack_bytes),
            engines: Pool::new("engine", MAX_ENGINES, stack_bytes),
        })
    }

    /// Does work, such as carrying out a run, on a thread that may block as long as it wants.
    ///
    /// # Errors
    /// When no thread can be made at all; the work is then dropped.
    pub fn engage(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.engines.run(work)
    }

    /// How many tasks wait for room and how many run.
    pub fn load(&self) -> (usize, usize) {
        self.gate.load()
    }
}
