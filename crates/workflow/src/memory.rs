//! How much memory the values of all runs of this process may take together.
//!
//! A document can ask for far more than the machine has, in one expression or in many small ones. A program that runs out of
//! memory ends, and with it every run it serves; so whoever is about to make values asks here first. What a process holds is
//! known to its allocator alone (values are shared, freed and made again), and asking it for every text would cost more than the
//! text: what was asked for is counted, and only when the count reaches the limit is it compared with what is really held.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use batchyard_wdl::eval::TOO_MUCH;

use crate::documents::Failure;

/// The memory of this process, as far as values are concerned.
///
/// Askers that ask at the same moment may together get more than the limit, each at most once: leave them room above it.
#[derive(Debug)]
pub struct Memory {
    /// Bytes that may be held.
    limit: u64,
    /// Bytes that were held when it was last looked.
    held: AtomicU64,
    /// Bytes that were asked for since then; many of them are given back already.
    asked: AtomicU64,
    look: fn() -> u64,
}

/// What was asked for is more than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this needs {} MB of memory, the engine holds {} MB of the {} MB that `local.engine_memory` gives it", mb(*.needed), mb(*.held), mb(*.limit))]
pub struct Shortage {
    /// Bytes asked for.
    pub needed: u64,
    /// Bytes held.
    pub held: u64,
    /// Bytes that may be held.
    pub limit: u64,
}

impl From<Shortage> for Failure {
    fn from(shortage: Shortage) -> Self {
        Failure::new(shortage.to_string()).hint(TOO_MUCH)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory::new(u64::MAX, || 0)
    }
}

impl Memory {
    /// Memory of at most `limit` bytes; `look` tells how many the process holds.
    pub fn new(limit: u64, look: fn() -> u64) -> Self {
        Memory { limit, held: AtomicU64::new(0), asked: AtomicU64::new(0), look }
    }

    /// Whether `bytes` more may be taken.
    ///
    /// # Errors
    /// They do not fit beside what the process holds.
    pub fn ask(&self, bytes: u64) -> Result<(), Shortage> {
        let asked = self.asked.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if self.held.load(Relaxed).saturating_add(asked) <= self.limit {
            return Ok(());
        }
        let held = (self.look)();
        self.held.store(held, Relaxed);
        if held.saturating_add(bytes) <= self.limit {
            self.asked.store(bytes, Relaxed);
            return Ok(());
        }
        self.asked.store(0, Relaxed);
        Err(Shortage { needed: bytes, held, limit: self.limit })
    }

    /// Most bytes that any question can be granted.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

fn mb(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn small_questions_add_up_and_what_is_free_again_is_granted_again() {
        let memory = Memory::new(100 * MB, || 60 * MB);
        for _ in 0..1000 {
            memory.ask(MB).unwrap();
        }
        assert_eq!(memory.ask(41 * MB), Err(Shortage { needed: 41 * MB, held: 60 * MB, limit: 100 * MB }));
        memory.ask(40 * MB).unwrap();
    }

    #[test]
    fn a_full_process_is_told_so() {
        let memory = Memory::new(100 * MB, || 100 * MB);
        memory.ask(99 * MB).unwrap();
        let shortage = memory.ask(2 * MB).unwrap_err();
        assert_eq!(
            shortage.to_string(),
            "this needs 2 MB of memory, the engine holds 100 MB of the 100 MB that `local.engine_memory` gives it"
        );
        Memory::default().ask(u64::MAX).unwrap();
    }
}
