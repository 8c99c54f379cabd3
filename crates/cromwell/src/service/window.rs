//! How many runs go on at once while others wait to begin.
//!
//! A run that begins while those before it end within milliseconds only waits in another place, with a thread and a plan in memory.
//! So a few begin, and each that ends lets the next one begin. Where runs take longer than that, twice as many are let in every
//! [`STEP`], up to what is configured: thousands of runs that wait for a cluster all go on after half a second.

use std::time::{Duration, Instant};

/// Time between two looks at whether more may begin.
pub(super) const STEP: Duration = Duration::from_millis(50);
/// Runs that may always begin.
const FEW: usize = 32;
/// The part of the runs that has to end in a step to keep the others waiting.
const PART: usize = 4;

/// The bound as it is now.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    /// Runs that have ended in this step.
    ended: usize,
    /// Whether somebody looks after the step.
    is_watched: bool,
    /// When nobody waited.
    rested: Option<Instant>,
}

impl Default for Window {
    fn default() -> Self {
        Window { most: FEW, ended: 0, is_watched: false, rested: None }
    }
}

impl Window {
    /// Whether one more than `running` may go on.
    pub(super) fn admits(&self, running: usize) -> bool {
        running < self.most
    }

    /// A run has ended.
    pub(super) fn count_end(&mut self) {
        self.ended += 1;
    }

    /// Nobody waits; `running` go on. Runs that are submitted one after the other find it so each time: they are a burst as well.
    pub(super) fn rest(&mut self, running: usize, now: Instant) {
        if self.rested.is_none_or(|rested| now.saturating_duration_since(rested) >= STEP) {
            self.rested = Some(now);
            self.most = running + FEW;
        }
    }

    /// Begins a step, unless one is under way; then the answer is no, and nobody needs to look after it.
    pub(super) fn begin_step(&mut self) -> bool {
        if self.is_watched {
            return false;
        }
        self.is_watched = true;
        self.ended = 0;
        true
    }

    /// Ends the step: more may go on unless many have ended.
    pub(super) fn end_step(&mut self) {
        self.is_watched = false;
        if self.ended < self.most / PART {
            self.widen();
        }
    }

    /// Lets in twice as many.
    pub(super) fn widen(&mut self) {
        self.most = self.most.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps until so many go on when in each of them this share of those that go on ends.
    fn steps_until(wanted: usize, share: f64) -> Option<usize> {
        let mut window = Window::default();
        (0..100).find(|_| {
            let reached = window.admits(wanted - 1);
            assert!(window.begin_step() && !window.begin_step());
            (0..(window.most as f64 * share) as usize).for_each(|_| window.count_end());
            window.end_step();
            reached
        })
    }

    #[test]
    fn runs_that_last_all_go_on_soon_and_short_ones_take_turns() {
        assert_eq!(steps_until(32, 0.0), Some(0));
        assert_eq!(steps_until(5000, 0.0), Some(8));
        assert_eq!(steps_until(5000, 0.2), Some(8));
        assert_eq!(steps_until(33, 0.3), None);
    }

    #[test]
    fn a_burst_after_a_rest_begins_anew() {
        let mut window = Window::default();
        (0..10).for_each(|_| window.widen());
        assert!(window.admits(10_000));
        let now = Instant::now();
        window.rest(7, now);
        assert!(window.admits(38) && !window.admits(39));
        window.rest(39, now + STEP / 2);
        assert!(!window.admits(39));
        window.rest(39, now + STEP);
        assert!(window.admits(70) && !window.admits(71));
    }
}
