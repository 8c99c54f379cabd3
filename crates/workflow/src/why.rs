//! Why a call was run although others like it had been run before.

use std::{borrow::Cow, collections::BTreeSet};

use batchyard_model::{CallId, RunId};
use batchyard_store::{CallRecord, Store, StoreError};
use serde_json::{Value as Json, json};

use crate::documents::{EndDoc, StartDoc};

/// Earlier calls of the task that are compared.
const COMPARED: u32 = 100;
/// Earlier runs in which the same call is looked at.
const RUNS: usize = 10;

/// How far an earlier call is: parts that differ; whether it is of the same run, because shards next to each other are
/// meant to differ; whether it is another shard. The least is the nearest.
type Rank = (usize, bool, bool);

/// A part of the identity that differs: name, value here, value there.
pub type Difference = (String, Option<String>, Option<String>);

/// What can be said about a call and the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A result was taken from there.
    Hit(String),
    /// It has no identity: why.
    NotCached(Cow<'static, str>),
    /// There was nothing to compare with.
    First,
    /// An earlier one is the same, but could not be taken: why.
    Unusable(String, &'static str),
    /// The nearest earlier one differs.
    Differs(String, Vec<Difference>),
}

/// What kept a call from taking an earlier result, against the nearest of the earlier calls of its task. `created_ms` is when
/// its run, or one around it, was made, in epoch milliseconds.
///
/// # Errors
/// What kept the store from answering.
pub fn explain(store: &Store, created_ms: i64, call: &CallRecord) -> Result<Answer, StoreError> {
    let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
    let end: EndDoc = call.end_doc.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    if let Some(from) = end.reused {
        return Ok(Answer::Hit(from));
    }
    if start.child.is_some() {
        return Ok(Answer::NotCached("it is a sub-workflow, whose own calls are looked up one by one".into()));
    }
    if start.parts.is_empty() {
        let reason: Cow<'static, str> = match start.image.and_then(|image| image.unknown) {
            Some(why) => why.into(),
            None if call.id.attempt > 1 => "only first attempts are looked up".into(),
            None => "caching is off for it".into(),
        };
        return Ok(Answer::NotCached(reason));
    }
    let mut nearest: Option<(Rank, String, Vec<Difference>)> = None;
    for earlier in earlier_calls(store, created_ms, call)? {
        let Some(end) = earlier.end_doc.as_deref().filter(|_| earlier.id != call.id) else { continue };
        let other: StartDoc = serde_json::from_str(&earlier.start_doc).unwrap_or_default();
        if other.parts.is_empty() {
            continue;
        }
        let differing = differences(&start, &other);
        // One that was taken has the identity of the one that was run, which says more.
        let maker = earlier.cached.then(|| serde_json::from_str::<EndDoc>(end).ok()?.reused).flatten();
        let name = maker.unwrap_or_else(|| format!("{} of run {}", earlier.id, earlier.id.run));
        if differing.is_empty() {
            if earlier.cached {
                continue;
            }
            let reason = match (earlier.state, earlier.reusable) {
                (batchyard_model::CallState::Done, true) => {
                    "this run was told not to look (`--no-cache` or `read_from_cache`), or the result is older than it may be"
                }
                (batchyard_model::CallState::Done, false) => {
                    "its output files were changed or removed since, or it was forgotten on request"
                }
                _ => "it did not succeed",
            };
            return Ok(Answer::Unusable(name, reason));
        }
        let rank = (differing.len(), earlier.id.run == call.id.run, earlier.id.shard != call.id.shard);
        if nearest.as_ref().is_none_or(|(before, ..)| rank < *before) {
            nearest = Some((rank, name, differing));
        }
    }
    Ok(nearest.map_or(Answer::First, |(_, name, differing)| Answer::Differs(name, differing)))
}

/// Earlier calls of the task that are worth a comparison: the same call of earlier runs, then the newest ones. In a wide
/// scatter the newest are all of this run or of another shard.
fn earlier_calls(store: &Store, created_ms: i64, call: &CallRecord) -> Result<Vec<CallRecord>, StoreError> {
    let mut newest = store.recent_calls_of_task(&call.task, call.started_ms, COMPARED)?;
    newest.extend(store.recent_calls_of_task(&call.task, Some(created_ms), COMPARED)?);
    let runs: BTreeSet<RunId> = newest.iter().map(|earlier| earlier.id.run).filter(|other| *other != call.id.run).collect();
    let mut earlier = Vec::with_capacity(runs.len() + newest.len());
    let is_earlier = |same: &CallRecord| same.ended_ms.is_some_and(|ended| call.started_ms.is_none_or(|started| ended < started));
    for other in runs.into_iter().rev().take(RUNS) {
        let same = store.load_call(&CallId { run: other, ..call.id.clone() })?;
        earlier.extend(same.filter(|same| same.task == call.task && is_earlier(same)));
    }
    earlier.append(&mut newest);
    Ok(earlier)
}

fn differences(here: &StartDoc, there: &StartDoc) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, value) in &here.parts {
        let other = there.parts.get(name);
        if other != Some(value) {
            found.push((name.clone(), Some(value.clone()), other.cloned()));
        }
    }
    found.extend(there.parts.iter().filter(|(name, _)| !here.parts.contains_key(*name)).map(|(n, v)| (n.clone(), None, Some(v.clone()))));
    found
}

impl Answer {
    /// The answer as JSON; `name` names the call.
    pub fn to_json(&self, name: &str) -> Json {
        match self {
            Answer::Hit(from) => json!({ "call": name, "hit": true, "from": from }),
            Answer::NotCached(reason) => json!({ "call": name, "hit": false, "reason": reason }),
            Answer::First => json!({ "call": name, "hit": false, "reason": "its task had not been run before" }),
            Answer::Unusable(other, reason) => json!({ "call": name, "hit": false, "nearest": other, "reason": reason }),
            Answer::Differs(other, differing) => {
                let parts: Vec<Json> =
                    differing.iter().map(|(n, here, there)| json!({ "part": n, "earlier": there, "now": here })).collect();
                json!({ "call": name, "hit": false, "nearest": other, "differences": parts })
            }
        }
    }
}
