//! The queue of one machine: first come, first served, by counted cores and memory; and the lanes of tasks that run
//! elsewhere, first come, first served, by number.

mod lane;

use std::collections::{BTreeMap, HashMap};

pub use lane::Berth;
use lane::Lanes;

/// What a task occupies while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Cores, in thousandths.
    pub millicores: u64,
    /// Memory, in MiB.
    pub memory_mib: u64,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A task wants to run.
    Submit(u64, Need),
    /// A task wants to run, and must have a berth first.
    Board(u64, Berth),
    /// A task has ended; its cores and memory are free.
    Ended(u64),
    /// A task shall not run any more. Without effect on one that runs already.
    Withdraw(u64),
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get this task ready: it is among the next to start. Told at most once for each submission.
    Stage(u64),
    /// Start this task now.
    Start(u64),
    /// This task was taken out of the queue before it started.
    Withdrawn(u64),
}

/// Cores and memory of one machine, who uses them, and who waits.
///
/// Strictly in the order of the tasks' numbers, which count their arrival: a big task at the head is not overtaken by
/// small ones, so it cannot starve; one that took longer to get ready goes before later ones that still wait.
#[derive(Debug)]
pub struct Yard {
    total: Need,
    free: Need,
    /// Most tasks that may run at once.
    limit: usize,
    /// How many of the next tasks are got ready while they wait.
    ahead: usize,
    waiting: BTreeMap<u64, Waiting>,
    running: HashMap<u64, Need>,
    lanes: Lanes,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    need: Need,
    staged: bool,
}

impl Yard {
    /// A yard of this size; `limit` bounds the number of tasks that run at once, `ahead` that of tasks got ready before.
    pub fn new(total: Need, limit: usize, ahead: usize) -> Self {
        Yard { total, free: total, limit: limit.max(1), ahead, waiting: BTreeMap::new(), running: HashMap::new(), lanes: Lanes::default() }
    }

    /// What a request is cut down to so that it fits the machine at all.
    pub fn clamp(&self, need: Need) -> Need {
        Need { millicores: need.millicores.min(self.total.millicores), memory_mib: need.memory_mib.min(self.total.memory_mib) }
    }

    /// Takes in an event and appends what is to be done about it.
    pub fn step(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Submit(id, need) => self.wait_for_room(id, need),
            Event::Board(id, berth) => {
                self.lanes.wait(id, berth);
                self.fill(berth.lane, actions);
            }
            Event::Ended(id) => {
                // One that failed while it was got ready has not started.
                self.waiting.remove(&id);
                if let Some(need) = self.running.remove(&id) {
                    self.free.millicores += need.millicores;
                    self.free.memory_mib += need.memory_mib;
                }
                if let Some(lane) = self.lanes.leave(id) {
                    self.fill(lane, actions);
                }
            }
            Event::Withdraw(id) => {
                if self.waiting.remove(&id).is_some() || self.lanes.is_waiting(id) {
                    actions.push(Action::Withdrawn(id));
                    if let Some(lane) = self.lanes.leave(id) {
                        self.fill(lane, actions);
                    }
                }
            }
        }
        self.start_what_fits(actions);
        for (id, waiting) in self.waiting.iter_mut().take(self.ahead).filter(|(_, waiting)| !waiting.staged) {
            waiting.staged = true;
            actions.push(Action::Stage(*id));
        }
    }

    fn wait_for_room(&mut self, id: u64, need: Need) {
        self.waiting.insert(id, Waiting { need: self.clamp(need), staged: false });
    }

    /// Gives the free berths of a lane to those that have waited longest.
    fn fill(&mut self, lane: u64, actions: &mut Vec<Action>) {
        for (id, need) in self.lanes.fill(lane) {
            match need {
                Some(need) => self.wait_for_room(id, need),
                // It takes nothing of this machine, so it starts at once.
                None => actions.push(Action::Start(id)),
            }
        }
    }

    fn start_what_fits(&mut self, actions: &mut Vec<Action>) {
        while self.running.len() < self.limit {
            let Some((id, need)) = self.waiting.first_key_value().map(|(id, waiting)| (*id, waiting.need)) else { return };
            if need.millicores > self.free.millicores || need.memory_mib > self.free.memory_mib {
                return;
            }
            self.waiting.pop_first();
            self.free.millicores -= need.millicores;
            self.free.memory_mib -= need.memory_mib;
            self.running.insert(id, need);
            actions.push(Action::Start(id));
        }
    }

    /// Number of tasks that wait for room on this machine.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Number of tasks that run on this machine.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn need(millicores: u64, memory_mib: u64) -> Need {
        Need { millicores, memory_mib }
    }

    fn steps(yard: &mut Yard, events: &[Event]) -> Vec<Action> {
        let mut actions = Vec::new();
        events.iter().for_each(|e| yard.step(*e, &mut actions));
        actions
    }

    #[test]
    fn order_of_submission_is_order_of_start() {
        let mut yard = Yard::new(need(2000, 100), 9, 0);
        let got = steps(&mut yard, &[Event::Submit(1, need(1000, 0)), Event::Submit(2, need(2000, 0)), Event::Submit(3, need(1000, 0))]);
        assert_eq!(got, [Action::Start(1)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(1)]), [Action::Start(2)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(2)]), [Action::Start(3)]);
    }

    #[test]
    fn memory_counts_and_too_big_is_cut_down() {
        let mut yard = Yard::new(need(8000, 100), 9, 0);
        let got = steps(&mut yard, &[Event::Submit(1, need(1000, 5000)), Event::Submit(2, need(99000, 1))]);
        assert_eq!(got, [Action::Start(1)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(1)]), [Action::Start(2)]);
    }

    #[test]
    fn withdrawn_tasks_never_start() {
        let mut yard = Yard::new(need(1000, 1), 9, 0);
        let got = steps(
            &mut yard,
            &[Event::Submit(1, need(1000, 0)), Event::Submit(2, need(1000, 0)), Event::Withdraw(2), Event::Withdraw(1), Event::Ended(1)],
        );
        assert_eq!(got, [Action::Start(1), Action::Withdrawn(2)]);
        assert_eq!((yard.waiting(), yard.running()), (0, 0));
    }

    #[test]
    fn the_next_ones_are_got_ready_once() {
        let mut yard = Yard::new(need(1000, 1), 9, 1);
        let got = steps(&mut yard, &[Event::Submit(1, need(1000, 0)), Event::Submit(2, need(1000, 0)), Event::Submit(3, need(1000, 0))]);
        assert_eq!(got, [Action::Start(1), Action::Stage(2)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(1)]), [Action::Start(2), Action::Stage(3)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(3), Event::Ended(2)]), []);
    }

    #[test]
    fn a_lane_neither_takes_room_nor_waits_for_it() {
        let mut yard = Yard::new(need(1000, 1), 1, 2);
        let berth = Berth { lane: 7, limit: 2, group: 0, group_limit: usize::MAX, need: None };
        let events = [
            Event::Submit(1, need(1000, 0)),
            Event::Submit(2, need(1000, 0)),
            Event::Board(3, berth),
            Event::Board(4, berth),
            Event::Board(5, berth),
            Event::Board(6, Berth { lane: 8, ..berth }),
        ];
        let got = steps(&mut yard, &events);
        assert_eq!(got, [Action::Start(1), Action::Stage(2), Action::Start(3), Action::Start(4), Action::Start(6)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(1)]), [Action::Start(2)]);
        assert_eq!(steps(&mut yard, &[Event::Withdraw(4), Event::Ended(4)]), [Action::Start(5)]);
        assert_eq!(steps(&mut yard, &[Event::Board(9, berth), Event::Withdraw(9)]), [Action::Withdrawn(9)]);
    }

    #[test]
    fn a_berth_may_be_needed_besides_room() {
        let mut yard = Yard::new(need(2000, 1), 9, 0);
        let berth = Berth { lane: 1, limit: 1, group: 0, group_limit: usize::MAX, need: Some(need(1000, 0)) };
        let got = steps(&mut yard, &[Event::Board(1, berth), Event::Board(2, berth), Event::Submit(3, need(2000, 0))]);
        assert_eq!(got, [Action::Start(1)]);
        assert_eq!(steps(&mut yard, &[Event::Ended(1)]), [Action::Start(2)], "an earlier task goes first");
        assert_eq!(steps(&mut yard, &[Event::Ended(2)]), [Action::Start(3)]);
    }

    proptest! {
        /// Random walks: never over-committed, nothing starts twice, nothing is lost.
        #[test]
        fn invariants(needs in prop::collection::vec((0u64..5000, 0u64..300), 1..60), limit in 1usize..6) {
            let total = need(4000, 200);
            let mut yard = Yard::new(total, limit, 0);
            let (mut actions, mut started, mut next) = (Vec::new(), Vec::new(), 0);
            let mut running = std::collections::VecDeque::new();
            loop {
                if next < needs.len() {
                    yard.step(Event::Submit(next as u64, need(needs[next].0, needs[next].1)), &mut actions);
                    next += 1;
                } else if let Some(id) = running.pop_front() {
                    yard.step(Event::Ended(id), &mut actions);
                } else {
                    break;
                }
                for action in actions.drain(..) {
                    let Action::Start(id) = action else { continue };
                    started.push(id);
                    running.push_back(id);
                }
                prop_assert!(running.len() <= limit);
                let used: u64 = running.iter().map(|id| needs[*id as usize].0.min(total.millicores)).sum();
                prop_assert!(used <= total.millicores);
            }
            prop_assert_eq!(started, (0..needs.len() as u64).collect::<Vec<_>>());
        }
    }
}
