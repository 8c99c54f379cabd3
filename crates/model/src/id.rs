//! Ids as newtypes; their text form is checked when they are parsed.

mod job;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use job::{JobId, notice_id, service_id};

/// One execution of a workflow or of a single task; sub-workflows are runs of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// A new id; ids made later sort later.
    pub fn random() -> Self {
        RunId(Uuid::now_v7())
    }

    /// No run at all: what ids that belong to no run are made from.
    pub fn none() -> Self {
        RunId(Uuid::nil())
    }

    /// The id of the sub-workflow run that a call starts. It depends on the parent and the call alone, so that a
    /// resumed parent finds the same child.
    pub fn of_child(parent: RunId, call: &str, shard: &Shard) -> Self {
        RunId(Uuid::new_v5(&parent.0, format!("{call}\0{shard}").as_bytes()))
    }

    /// The first eight hexadecimal digits of the random part, enough to tell runs apart in a table.
    pub fn short(&self) -> String {
        let text = self.0.simple().to_string();
        text.chars().skip(24).collect()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}")]
pub struct InvalidId {
    /// What was expected.
    pub what: &'static str,
    /// What was given.
    pub text: String,
}

impl FromStr for RunId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(RunId).map_err(|_| InvalidId { what: "run id (a UUID)", text: text.into() })
    }
}

/// The calls that lead from a top-level run down to one of its sub-workflows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Those that lead to the run around; `None` if that is the top-level run.
    pub above: Option<Arc<Lineage>>,
    /// Name of the call that started the sub-workflow.
    pub call: Arc<str>,
    /// Its shard.
    pub shard: Shard,
}

impl Lineage {
    /// The sub-workflow run at this place of a top-level run.
    pub fn below(&self, root: RunId) -> RunId {
        let around = self.above.as_ref().map_or(root, |above| above.below(root));
        RunId::of_child(around, &self.call, &self.shard)
    }
}

/// Position inside the scatters around a call, outermost first; empty outside scatters. Text form `3` or `3.0`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(pub Arc<[u32]>);

impl Shard {
    /// The shard one scatter further in.
    pub fn child(&self, index: u32) -> Shard {
        self.0.iter().copied().chain([index]).collect::<Vec<_>>().into()
    }

    /// Index in the innermost scatter, −1 outside scatters (as Cromwell's metadata counts).
    pub fn innermost(&self) -> i64 {
        self.0.last().map_or(-1, |i| i64::from(*i))
    }
}

impl From<Vec<u32>> for Shard {
    fn from(indices: Vec<u32>) -> Self {
        Shard(indices.into())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, index) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            index.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Shard {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() {
            return Ok(Shard::default());
        }
        let indices: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        indices.map(Shard::from).map_err(|_| InvalidId { what: "shard (numbers with dots)", text: text.into() })
    }
}

/// One attempt of one call of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    /// The run it belongs to.
    pub run: RunId,
    /// Name of the call inside its workflow (its alias, if it has one).
    pub call: Arc<str>,
    /// Position in the scatters around it.
    pub shard: Shard,
    /// From 1.
    pub attempt: u32,
}

/// `call`, `call[3]`, `call[3][0]`, with `#2` for the second attempt.
impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call)?;
        for index in self.shard.0.iter() {
            write!(f, "[{index}]")?;
        }
        if self.attempt > 1 {
            write!(f, "#{}", self.attempt)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_round_trip() {
        for text in ["", "0", "3.0", "12.7.1"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        assert!("1.".parse::<Shard>().is_err());
        assert!("-1".parse::<Shard>().is_err());
    }

    #[test]
    fn children_are_stable_and_distinct() {
        let parent = RunId::random();
        let shard = Shard::default().child(3);
        assert_eq!(RunId::of_child(parent, "a", &shard), RunId::of_child(parent, "a", &shard));
        assert_ne!(RunId::of_child(parent, "a", &shard), RunId::of_child(parent, "a", &Shard::default()));
    }
}
