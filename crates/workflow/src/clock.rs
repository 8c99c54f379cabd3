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

    /// Goes on from a moment that is on record already, when the machine's clock was set back since.
    pub fn not_before(&mut self, at_ms: i64) {
        self.base_ms = self.base_ms.saturating_add(at_ms.saturating_sub(self.now_ms()).max(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_what_is_recorded() {
        let mut clock = Clock::start();
        let now = clock.now_ms();
        let recorded = now + 3_600_000;
        clock.not_before(recorded);
        assert!(clock.now_ms() >= recorded);
        // An older record changes nothing, and no record can make it overflow.
        clock.not_before(now);
        assert!(clock.now_ms() >= recorded);
        clock.not_before(i64::MIN);
        clock.not_before(i64::MAX);
        assert_eq!(clock.now_ms(), i64::MAX);
    }
}
