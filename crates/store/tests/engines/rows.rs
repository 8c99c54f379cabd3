//! Rows to write in tests.

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};
use batchyard_store::{CallEnd, CallRecord, Location, Options, RunMove, RunRecord, Store, StoreError, Write};

pub fn open(location: &Location) -> Store {
    Store::open(location, Options::default()).unwrap()
}

pub fn put(store: &Store, write: Write) -> Result<(), StoreError> {
    store.write(vec![write]).wait()
}

pub fn run(created_ms: i64) -> RunRecord {
    RunRecord {
        id: RunId::random(),
        parent: None,
        root: None,
        name: "wf".into(),
        state: RunState::Submitted,
        dir: "/runs/wf".into(),
        created_ms,
        started_ms: None,
        ended_ms: None,
        owner: None,
        spec: "{}".into(),
        result: None,
    }
}

/// A stored run.
pub fn stored_run(store: &Store) -> RunId {
    let record = run(1);
    let id = record.id;
    put(store, Write::InsertRun(record)).unwrap();
    id
}

pub fn id(run: RunId, call: &str, shard: &[u32], attempt: u32) -> CallId {
    CallId { run, call: call.into(), shard: Shard::from(shard.to_vec()), attempt }
}

pub fn call(id: CallId) -> CallRecord {
    CallRecord {
        id,
        task: "align".into(),
        state: CallState::Running,
        started_ms: Some(10),
        ended_ms: None,
        exit_code: None,
        cached: false,
        cache_key: None,
        reusable: false,
        start_doc: "{\"in\":1}".into(),
        end_doc: None,
    }
}

/// A call that ended well.
pub fn done(id: CallId, key: &str, ended_ms: i64) -> CallRecord {
    CallRecord {
        state: CallState::Done,
        ended_ms: Some(ended_ms),
        exit_code: Some(0),
        cache_key: Some(key.into()),
        reusable: true,
        end_doc: Some("{}".into()),
        ..call(id)
    }
}

pub fn end(id: CallId, at_ms: i64) -> CallEnd {
    CallEnd { id, state: CallState::Done, at_ms, exit_code: Some(0), reusable: true, end_doc: "{\"out\":2}".into() }
}

pub fn to(id: RunId, from: &[RunState], state: RunState, at_ms: i64) -> RunMove {
    RunMove::new(id, from.to_vec(), state, at_ms)
}
