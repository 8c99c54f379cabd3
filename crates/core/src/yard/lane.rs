//! Lanes: places that run tasks in their own way, each with a number of berths.

use std::collections::{BTreeSet, HashMap};

use super::Need;

/// What a task needs to have a place in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Berth {
    /// Which lane.
    pub lane: u64,
    /// Most tasks in the lane at once.
    pub limit: usize,
    /// Which group of tasks it belongs to.
    pub group: u64,
    /// Most tasks of the group in the lane at once.
    pub group_limit: usize,
    /// What it also needs on this machine, where it runs here.
    pub need: Option<Need>,
}

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<u64, Lane>,
    berths: HashMap<u64, Berth>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<u64>,
    taken: usize,
    taken_by_group: HashMap<u64, usize>,
}

impl Lanes {
    pub(super) fn wait(&mut self, id: u64, berth: Berth) {
        self.berths.insert(id, berth);
        self.lanes.entry(berth.lane).or_default().waiting.insert(id);
    }

    pub(super) fn is_waiting(&self, id: u64) -> bool {
        let lane = self.berths.get(&id).and_then(|berth| self.lanes.get(&berth.lane));
        lane.is_some_and(|lane| lane.waiting.contains(&id))
    }

    /// A task needs its berth no longer, or no longer waits for one. Returns the lane that it was in.
    pub(super) fn leave(&mut self, id: u64) -> Option<u64> {
        let berth = self.berths.remove(&id)?;
        let lane = self.lanes.get_mut(&berth.lane)?;
        if !lane.waiting.remove(&id) {
            lane.taken -= 1;
            let of_group = lane.taken_by_group.entry(berth.group).or_default();
            *of_group -= 1;
            if *of_group == 0 {
                lane.taken_by_group.remove(&berth.group);
            }
        }
        if lane.waiting.is_empty() && lane.taken == 0 {
            self.lanes.remove(&berth.lane);
        }
        Some(berth.lane)
    }

    /// Those that get a berth now, in the order of their arrival, with what they need besides. A group that has its
    /// share is passed over.
    pub(super) fn fill(&mut self, lane: u64) -> Vec<(u64, Option<Need>)> {
        let mut boarded = Vec::new();
        let Some(lane) = self.lanes.get_mut(&lane) else { return boarded };
        for id in &lane.waiting {
            let Some(berth) = self.berths.get(id) else { continue };
            if lane.taken >= berth.limit {
                break;
            }
            let of_group = lane.taken_by_group.entry(berth.group).or_default();
            if *of_group < berth.group_limit {
                *of_group += 1;
                lane.taken += 1;
                boarded.push((*id, berth.need));
            }
        }
        for (id, _) in &boarded {
            lane.waiting.remove(id);
        }
        boarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_gets_its_share() {
        let mut lanes = Lanes::default();
        let berth = |group| Berth { lane: 1, limit: 3, group, group_limit: 2, need: None };
        let ids = |lanes: &mut Lanes| lanes.fill(1).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        for (id, group) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1)] {
            lanes.wait(id, berth(group));
        }
        assert_eq!(ids(&mut lanes), [1, 2, 4]);
        assert_eq!((lanes.leave(4), ids(&mut lanes)), (Some(1), vec![5]));
        assert_eq!((lanes.leave(1), ids(&mut lanes)), (Some(1), vec![3]));
        for id in [2, 3, 5] {
            lanes.leave(id);
        }
        assert!(lanes.lanes.is_empty() && lanes.berths.is_empty());
    }
}
