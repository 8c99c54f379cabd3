//! Results that the store will have in a moment: records gather before they are written, and a call that comes right after
//! its twin shall find the result none the less.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use batchyard_model::CallId;
use batchyard_store::CallRecord;

/// Longest outputs that are held a second time; a larger result is found once it is written.
const MAX_BYTES: usize = 1 << 20;

/// Calls that have succeeded and whose end is on its way to the store.
#[derive(Debug, Default)]
pub struct Unwritten(Mutex<Results>);

#[derive(Debug, Default)]
struct Results {
    newest: HashMap<String, CallRecord>,
    keys: HashMap<CallId, String>,
}

impl Unwritten {
    /// A call that others may take the result of.
    pub fn add(&self, record: CallRecord) {
        let small = record.end_doc.as_ref().is_some_and(|text| text.len() <= MAX_BYTES);
        if let (true, Some(key)) = (small, &record.cache_key) {
            let mut results = self.lock();
            results.keys.insert(record.id.clone(), key.clone());
            results.newest.insert(key.clone(), record);
        }
    }

    /// The store has it.
    pub fn written(&self, id: &CallId) {
        let mut results = self.lock();
        let Some(key) = results.keys.remove(id) else { return };
        if results.newest.get(&key).is_some_and(|record| record.id == *id) {
            results.newest.remove(&key);
        }
    }

    /// The newest result of this key.
    pub fn find(&self, key: &str) -> Option<CallRecord> {
        self.lock().newest.get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Results> {
        // A result that is only in one of the maps is found later or not at all, never wrongly.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use batchyard_model::{CallState, RunId};

    use super::*;

    #[test]
    fn a_result_is_found_until_it_is_written() {
        let run = RunId::random();
        let record = |name: &str, bytes: usize| CallRecord {
            id: CallId { run, call: name.into(), shard: Default::default(), attempt: 1 },
            task: "t".into(),
            state: CallState::Done,
            started_ms: None,
            ended_ms: Some(1),
            exit_code: Some(0),
            cached: false,
            cache_key: Some("key".into()),
            reusable: true,
            start_doc: String::new(),
            end_doc: Some("x".repeat(bytes)),
        };
        let unwritten = Unwritten::default();
        let found = || unwritten.find("key").map(|record| record.id.call.to_string());
        unwritten.add(record("large", MAX_BYTES + 1));
        assert_eq!(found(), None);
        let (first, second) = (record("first", 1), record("second", 1));
        unwritten.add(first.clone());
        unwritten.add(second.clone());
        unwritten.written(&first.id);
        assert_eq!(found().as_deref(), Some("second"));
        unwritten.written(&second.id);
        assert_eq!(found(), None);
        assert!(unwritten.lock().keys.is_empty());
    }
}
