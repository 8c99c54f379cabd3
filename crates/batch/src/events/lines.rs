//! Who waits for which messages, and when each receiver is tried next. Nothing here does I/O; times are arguments.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// Messages that wait at most, for all receivers together.
pub const MAX_WAITING: usize = 100_000;
/// Messages that wait for one receiver at most: one that is gone leaves room for others.
pub const MAX_OF_RECEIVER: usize = 50_000;
/// Messages that are told in one round at most, before another receiver has its turn.
const ROUND: usize = 50;
/// Pause after the first failure; doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A receiver's place in the order in which receivers are tried.
type Turn = (Instant, u64);

/// The messages of all receivers, by their ids, each receiver's in the order of their making.
#[derive(Default)]
pub struct Lines {
    of: HashMap<Arc<str>, Line>,
    /// Receivers that are not being told something just now.
    turns: BTreeSet<(Turn, Arc<str>)>,
    waiting: usize,
    number: u64,
    is_full: bool,
}

#[derive(Default)]
struct Line {
    ids: VecDeque<String>,
    /// Failures one after the other.
    failed: u32,
    is_full: bool,
}

/// What a receiver is to be told now.
#[derive(Debug, PartialEq, Eq)]
pub struct Round {
    /// Who.
    pub receiver: Arc<str>,
    /// Which messages, in this order.
    pub ids: Vec<String>,
}

/// How a round went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// So many messages, from the first on, wait no more.
    pub done: usize,
    /// What comes next.
    pub then: Then,
}

/// When a receiver is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// When it has its turn: it listens.
    GoOn,
    /// After a pause, longer each time: it does not answer.
    Pause,
}

/// Whether there is room for one message more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// There is none.
    Full {
        /// For the first time since there was some.
        is_new: bool,
    },
}

impl Lines {
    /// Asks for room for a message to this receiver.
    pub fn ask(&mut self, receiver: &str) -> Room {
        let waiting = self.waiting;
        let room = |is_full: &mut bool, waiting: usize, limit: usize| {
            let was_full = std::mem::replace(is_full, waiting >= limit);
            if *is_full { Room::Full { is_new: !was_full } } else { Room::Free }
        };
        match (room(&mut self.is_full, waiting, MAX_WAITING), self.of.get_mut(receiver)) {
            (Room::Free, Some(line)) => room(&mut line.is_full, line.ids.len(), MAX_OF_RECEIVER),
            (of_all, _) => of_all,
        }
    }

    /// A message is recorded and waits.
    pub fn add(&mut self, receiver: &str, id: String, now: Instant) {
        self.waiting += 1;
        if let Some(line) = self.of.get_mut(receiver) {
            // It has its turn already, or somebody speaks to it and gives it one.
            line.ids.push_back(id);
            return;
        }
        let receiver: Arc<str> = receiver.into();
        self.of.insert(Arc::clone(&receiver), Line { ids: [id].into(), ..Line::default() });
        self.queue(receiver, now);
    }

    /// The receiver whose turn it is, if any, with what it is to be told; it has no turn until [`Lines::settle`].
    pub fn take(&mut self, now: Instant) -> Option<Round> {
        let first = self.turns.first().filter(|((at, _), _)| *at <= now).cloned()?;
        self.turns.remove(&first);
        let (_, receiver) = first;
        let ids = self.of.get(&receiver).map(|line| line.ids.iter().take(ROUND).cloned().collect())?;
        Some(Round { receiver, ids })
    }

    /// When the next receiver has its turn.
    pub fn next(&self) -> Option<Instant> {
        self.turns.first().map(|((at, _), _)| *at)
    }

    /// How many receivers have a turn, now or later.
    pub fn receivers(&self) -> usize {
        self.turns.len()
    }

    /// A round is over. How often its receiver has failed one after the other.
    pub fn settle(&mut self, receiver: &Arc<str>, outcome: Outcome, now: Instant) -> u32 {
        let Some(line) = self.of.get_mut(receiver) else { return 0 };
        let done = outcome.done.min(line.ids.len());
        line.ids.drain(..done);
        self.waiting -= done;
        let at = match outcome.then {
            Then::GoOn => {
                line.failed = 0;
                now
            }
            Then::Pause => {
                line.failed = line.failed.saturating_add(1);
                now + pause_after(line.failed)
            }
        };
        let failed = line.failed;
        if line.ids.is_empty() {
            self.of.remove(receiver);
        } else {
            self.queue(Arc::clone(receiver), at);
        }
        failed
    }

    fn queue(&mut self, receiver: Arc<str>, at: Instant) {
        self.number += 1;
        self.turns.insert(((at, self.number), receiver));
    }
}

/// The pause after so many failures one after the other.
fn pause_after(failed: u32) -> Duration {
    let doubled = 1u32.checked_shl(failed.saturating_sub(1)).and_then(|factor| FIRST_PAUSE.checked_mul(factor));
    doubled.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(of: &[(&str, usize)], now: Instant) -> Lines {
        let mut lines = Lines::default();
        for (receiver, count) in of {
            (0..*count).for_each(|n| lines.add(receiver, format!("{receiver}{n}"), now));
        }
        lines
    }

    #[test]
    fn receivers_take_turns_and_hear_their_messages_in_order() {
        let now = Instant::now();
        let mut lines = filled(&[("a", ROUND + 2), ("b", 1)], now);
        let first = lines.take(now).unwrap();
        assert_eq!((&*first.receiver, first.ids.len(), first.ids[1].as_str()), ("a", ROUND, "a1"));
        lines.add("a", "late".into(), now);
        assert_eq!(lines.take(now).unwrap().ids, ["b0"], "another one has its turn meanwhile");
        assert_eq!(lines.take(now), None, "nobody is told two things at once");
        lines.settle(&first.receiver, Outcome { done: ROUND, then: Then::GoOn }, now);
        assert_eq!(lines.take(now).unwrap().ids, [format!("a{ROUND}"), format!("a{}", ROUND + 1), "late".into()]);
        lines.settle(&first.receiver, Outcome { done: 3, then: Then::GoOn }, now);
        lines.settle(&"b".into(), Outcome { done: 1, then: Then::GoOn }, now);
        assert_eq!((lines.waiting, lines.of.len(), lines.turns.len(), lines.next()), (0, 0, 0, None), "nothing is left");
    }

    #[test]
    fn pauses_grow_until_somebody_answers() {
        let now = Instant::now();
        let mut lines = filled(&[("a", 3), ("b", 1)], now);
        let receiver = lines.take(now).unwrap().receiver;
        assert_eq!(lines.settle(&receiver, Outcome { done: 0, then: Then::Pause }, now), 1);
        assert_eq!((lines.receivers(), &*lines.take(now).unwrap().receiver), (2, "b"));
        assert_eq!(lines.take(now), None);
        assert_eq!(lines.next(), Some(now + FIRST_PAUSE));
        let later = now + FIRST_PAUSE;
        assert_eq!(lines.take(later).unwrap().ids, ["a0", "a1", "a2"], "the order stays");
        assert_eq!(lines.settle(&receiver, Outcome { done: 1, then: Then::Pause }, later), 2);
        assert_eq!(lines.next(), Some(later + 2 * FIRST_PAUSE));
        let last = later + 2 * FIRST_PAUSE;
        assert_eq!(lines.take(last).unwrap().ids, ["a1", "a2"]);
        assert_eq!(lines.settle(&receiver, Outcome { done: 1, then: Then::GoOn }, last), 0);
        assert_eq!(lines.next(), Some(last));
        assert_eq!([1, 2, 3, 11, 40].map(pause_after).map(|pause| pause.as_millis()), [500, 1000, 2000, 300_000, 300_000]);
    }

    #[test]
    fn there_is_a_limit_for_each_and_for_all() {
        let now = Instant::now();
        let mut lines = filled(&[("a", MAX_OF_RECEIVER)], now);
        assert_eq!([lines.ask("a"), lines.ask("a")], [Room::Full { is_new: true }, Room::Full { is_new: false }]);
        assert_eq!(lines.ask("b"), Room::Free);
        let round = lines.take(now).unwrap();
        lines.settle(&round.receiver, Outcome { done: 1, then: Then::GoOn }, now);
        assert_eq!(lines.ask("a"), Room::Free);
        lines.add("a", "x".into(), now);
        assert_eq!(lines.ask("a"), Room::Full { is_new: true });
        (0..MAX_WAITING - MAX_OF_RECEIVER).for_each(|n| lines.add(&format!("r{n}"), "x".into(), now));
        assert_eq!([lines.ask("new"), lines.ask("other")], [Room::Full { is_new: true }, Room::Full { is_new: false }]);
    }
}
