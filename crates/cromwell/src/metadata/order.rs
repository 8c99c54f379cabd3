//! The order of calls in metadata, and their numbers in scatters.

use std::collections::HashMap;

use batchyard_model::Shard;
use batchyard_store::CallSummary;

use super::is_meant;

/// One attempt with the number that clients know its shard by.
#[derive(Debug)]
pub struct Line {
    /// The attempt.
    pub call: CallSummary,
    /// `shardIndex`: −1 outside scatters.
    pub shard: i64,
}

impl Line {
    /// Whether it is a call of this workflow with this name and number; what is not given does not matter.
    pub fn is_named(&self, workflow: &str, call: Option<&str>, index: Option<i64>) -> bool {
        call.is_none_or(|name| is_meant(workflow, &self.call.id.call, name)) && index.is_none_or(|index| index == self.shard)
    }
}

/// The numbers of the shards of one call.
///
/// The original shows each scatter inside a scatter as a workflow of its own. Here such calls are calls of their
/// workflow, counted through in the order of their places, so that call and number still name one of them.
#[derive(Debug, Default)]
pub struct Numbering {
    places: HashMap<Shard, i64>,
}

impl Numbering {
    /// Numbers for these shards of a call.
    pub fn of<'s>(shards: impl Iterator<Item = &'s Shard>) -> Self {
        let mut nested: Vec<&Shard> = shards.filter(|shard| shard.0.len() > 1).collect();
        nested.sort_unstable();
        nested.dedup();
        Numbering { places: nested.into_iter().cloned().zip(0..).collect() }
    }

    /// The number of a shard.
    pub fn number(&self, shard: &Shard) -> i64 {
        self.places.get(shard).copied().unwrap_or_else(|| shard.innermost())
    }
}

/// Attempts by call name, shard and attempt.
pub fn lines(mut calls: Vec<CallSummary>) -> Vec<Line> {
    calls.sort_unstable_by(|a, b| (&a.id.call, &a.id.shard, a.id.attempt).cmp(&(&b.id.call, &b.id.shard, b.id.attempt)));
    let mut lines = Vec::with_capacity(calls.len());
    let mut calls = calls.into_iter().peekable();
    while let Some(first) = calls.next() {
        let mut of_call = vec![first];
        while let Some(next) = calls.next_if(|next| of_call.first().is_some_and(|first| first.id.call == next.id.call)) {
            of_call.push(next);
        }
        let numbering = Numbering::of(of_call.iter().map(|call| &call.id.shard));
        lines.extend(of_call.into_iter().map(|call| Line { shard: numbering.number(&call.id.shard), call }));
    }
    lines
}

/// Runs of lines of one call, none longer than `most`.
pub fn groups(lines: &[Line], most: usize) -> impl Iterator<Item = &[Line]> {
    lines.chunk_by(|a, b| a.call.id.call == b.call.id.call).flat_map(move |of_call| of_call.chunks(most))
}

#[cfg(test)]
mod tests {
    use batchyard_model::{CallId, CallState, RunId};

    use super::*;

    fn call(name: &str, shard: &[u32], attempt: u32) -> CallSummary {
        CallSummary {
            id: CallId { run: RunId::random(), call: name.into(), shard: shard.to_vec().into(), attempt },
            task: String::new(),
            state: CallState::Done,
            started_ms: None,
            ended_ms: None,
            exit_code: None,
            cached: false,
        }
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let lines = lines(vec![call("b", &[10], 1), call("b", &[9], 2), call("b", &[9], 1), call("a", &[], 1)]);
        let order: Vec<_> = lines.iter().map(|line| (&*line.call.id.call, line.shard, line.call.id.attempt)).collect();
        assert_eq!(order, [("a", -1, 1), ("b", 9, 1), ("b", 9, 2), ("b", 10, 1)]);
        assert_eq!(groups(&lines, 2).map(<[Line]>::len).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn nested_shards_are_counted_through() {
        let lines = lines(vec![call("a", &[1, 0], 1), call("a", &[0, 1], 1), call("a", &[0, 0], 1), call("a", &[0, 1], 2)]);
        assert_eq!(lines.iter().map(|line| line.shard).collect::<Vec<_>>(), [0, 1, 1, 2]);
    }
}
