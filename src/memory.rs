//! The allocator of the process, which knows how much memory is really in use.
//!
//! The system's own counts what was freed and is kept for later as occupied: after one greedy run every other one would seem
//! to have no room.

use tikv_jemalloc_ctl::{epoch, stats};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Bytes that this process has asked for and not given back; 0 where the allocator does not tell.
pub fn in_use() -> u64 {
    match epoch::advance() {
        Ok(_) => stats::allocated::read().map_or(0, |bytes| bytes as u64),
        Err(_) => 0,
    }
}
