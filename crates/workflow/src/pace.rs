//! How fast tasks may start: at most so many in any period of a given length, over all engines of a process.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use batchyard_runner::Control;

/// Longest sleep before an abort is looked for again.
const NAP: Duration = Duration::from_millis(100);
/// Most starts that are remembered; with more in one period the pace is a little slower than asked for.
const REMEMBERED: usize = 10_000;

/// A limit on starts.
#[derive(Debug)]
pub struct Pace {
    count: usize,
    period: Duration,
    /// When the last `count` tasks start or will start, oldest first.
    starts: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// At most `count` starts (from 1) in any `period`.
    pub fn new(count: u64, period: Duration) -> Pace {
        let whole = usize::try_from(count).unwrap_or(usize::MAX).max(1);
        // So many in so long are as fast as half as many in half the time.
        let (count, period) = match whole {
            whole if whole <= REMEMBERED => (whole, period),
            whole => (REMEMBERED, period.mul_f64(REMEMBERED as f64 / whole as f64)),
        };
        Pace { count, period, starts: Mutex::default() }
    }

    /// Takes the next place in the line of starts; returns when it is due.
    fn reserve(&self, now: Instant) -> Instant {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = now;
        if starts.len() >= self.count {
            due = starts.pop_front().and_then(|oldest| oldest.checked_add(self.period)).map_or(now, |earliest| earliest.max(now));
        }
        starts.push_back(due);
        due
    }

    /// Waits until an attempt may start, or until it is to be ended.
    pub fn wait(&self, control: &Control) {
        let due = self.reserve(Instant::now());
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if control.ended_by().is_some() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use batchyard_runner::EndedBy;

    use super::*;

    #[test]
    fn no_period_has_more_starts_than_allowed() {
        let pace = Pace::new(3, Duration::from_secs(10));
        let begin = Instant::now();
        let after: Vec<u64> = (0..8).map(|_| (pace.reserve(begin) - begin).as_secs()).collect();
        assert_eq!(after, [0, 0, 0, 10, 10, 10, 20, 20]);
        let later = begin + Duration::from_secs(60);
        assert_eq!(pace.reserve(later), later, "what was not used is not saved up, and nothing has to be waited for");
    }

    #[test]
    fn a_large_number_is_the_same_pace_in_shorter_periods() {
        let pace = Pace::new(1_000_000, Duration::from_secs(10));
        assert_eq!((pace.count, pace.period), (REMEMBERED, Duration::from_millis(100)));
    }

    #[test]
    fn an_aborted_attempt_does_not_wait() {
        let pace = Pace::new(1, Duration::from_secs(3600));
        let control = Control::new("pace");
        pace.wait(&control);
        control.kill(EndedBy::Abort);
        pace.wait(&control);
    }
}
