//! Forgetting earlier results on request: nobody takes them again.

use std::ops::ControlFlow;

use batchyard_model::RunId;
use batchyard_store::{CallRecord, Store, StoreError, Write};

use crate::owner::family;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Forgets the results of the calls of a run and its sub-workflows that are `chosen`, and all results that are the same
/// as theirs: otherwise the next call would take one of those. Returns how many calls with a result were chosen, and how many results are
/// forgotten.
///
/// # Errors
/// What kept the store from answering.
pub fn forget_calls(store: &Store, run: RunId, chosen: impl Fn(&CallRecord) -> bool) -> Result<(usize, usize), StoreError> {
    let (mut calls, mut keys) = (0, Vec::new());
    for member in family(store, run)? {
        store.scan_calls(member, |call| {
            if let Some(key) = call.cache_key.clone().filter(|_| chosen(&call)) {
                calls += 1;
                keys.push(key);
            }
            ControlFlow::Continue(())
        })?;
    }
    keys.sort_unstable();
    keys.dedup();
    Ok((calls, forget_keys(store, keys)?))
}

/// Forgets results that are older.
///
/// # Errors
/// What kept the store from answering.
pub fn forget_older_than(store: &Store, days: u32, now_ms: i64) -> Result<(), StoreError> {
    store.write(vec![Write::ForgetCacheBefore(now_ms.saturating_sub(i64::from(days) * DAY_MS))]).wait()
}

/// The newest result of each key is forgotten until there is none.
fn forget_keys(store: &Store, mut keys: Vec<String>) -> Result<usize, StoreError> {
    let mut forgotten = 0;
    loop {
        let found: Vec<CallRecord> = store.find_cached(&keys)?.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok(forgotten);
        }
        forgotten += found.len();
        keys = found.iter().filter_map(|call| call.cache_key.clone()).collect();
        store.write(found.into_iter().map(|call| Write::ForgetCache { id: call.id }).collect()).wait()?;
    }
}
