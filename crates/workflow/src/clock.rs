//! Time of day that never runs backwards while the process lives, whatever happens to the machine's clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Epoch milliseconds counted on from one reading by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base_ms: i64,
    start: Instant,
}

impl Clock {
    /// Reads the time of day once.
    pub fn start() -> Self {
        let base_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Clock { base_ms, start: Instant::now() }
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.base_ms.saturating_add(self.start.elapsed().as_millis() as i64)
    }
}
