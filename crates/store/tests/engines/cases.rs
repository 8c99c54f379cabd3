//! What every engine must do alike.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use batchyard_model::{CallState, RunId, RunState, Shard};
use batchyard_store::{CallRecord, FileDigest, Parentage, RunFilter, RunMove, RunRecord, ServerWrite, Store, StoreError, Write};

use crate::Fresh;
use crate::jobs::{instances_are_replaced, jobs_are_listed, jobs_move, resources_are_versioned};
use crate::long::{foreign_workflows_are_counted, long_changes, long_changes_hinder_nobody, no_foreign_tables};
use crate::notices::{notices_are_taken_over_once, notices_share_the_fate_of_their_change, notices_wait_in_order};
use crate::rows::{call, done, end, id, open, put, run, stored_run, to};

type Case = fn(Fresh<'_>);

pub const CASES: &[(&str, Case)] = &[
    ("runs come back as they were stored", runs_round_trip),
    ("runs are listed and found", runs_are_listed),
    ("a run is inserted once", run_exists),
    ("a run moves only from where it is expected", moves_are_conditional),
    ("calls come back as they were stored", calls_round_trip),
    ("calls are paged", calls_are_paged),
    ("a batch is all or nothing, in order", batches_are_atomic),
    ("a guilty write harms no other", guilt_is_private),
    ("the newest reusable result is found", cache),
    ("recent calls of a task", recent_calls),
    ("digests and blobs", digests_and_blobs),
    ("a deleted run takes what is beneath it", deletion),
    ("callbacks are called once, and may panic", callbacks),
    ("several stores share one database", sharing),
    ("many open a new database at once", opening_together),
    ("threads of another runtime read", reading_within_a_runtime),
    ("runs are searched", runs_are_searched),
    ("calls are forgotten together", calls_are_forgotten_together),
    ("jobs move only from where they are expected", jobs_move),
    ("jobs are listed", jobs_are_listed),
    ("instances are replaced", instances_are_replaced),
    ("resources have versions", resources_are_versioned),
    ("notices wait in their order", notices_wait_in_order),
    ("notices share the fate of their change", notices_share_the_fate_of_their_change),
    ("notices are taken over once", notices_are_taken_over_once),
    ("a fenced server stores nothing more", leases),
    ("active runs tell who holds them", active_owners),
    ("long changes are all or nothing", long_changes),
    ("long changes hinder nobody", long_changes_hinder_nobody),
    ("there may be no tables of others", no_foreign_tables),
    ("workflows of others are counted", foreign_workflows_are_counted),
    ("a newer schema is refused", newer_schema),
];

fn runs_round_trip(fresh: Fresh<'_>) {
    let location = fresh();
    let store = open(&location);
    let parent = stored_run(&store);
    let full = RunRecord {
        parent: Some(parent),
        name: "比对 ü 🧬".into(),
        dir: "/runs/ü".into(),
        state: RunState::Failed,
        started_ms: Some(5),
        ended_ms: Some(1_790_000_000_000),
        owner: Some("host:17".into()),
        spec: "é\\'\"?\n".repeat(40_000),
        result: Some(String::new()),
        ..run(i64::MAX)
    };
    put(&store, Write::InsertRun(full.clone())).unwrap();
    assert_eq!(store.load_run(full.id).unwrap(), Some(full.clone()));
    assert_eq!(store.load_run(RunId::random()).unwrap(), None);
    drop(store);
    assert_eq!(open(&location).load_run(full.id).unwrap(), Some(full), "it is there after opening again");
}

fn runs_are_searched(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let runs: Vec<RunRecord> = (0..4).map(|n| RunRecord { name: format!("wf{}", n % 2), ..run(n) }).collect();
    store.write(runs.iter().cloned().map(Write::InsertRun).collect()).wait().unwrap();
    let label = |run: &RunRecord, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        put(&store, Write::PutLabels { run: run.id, labels })
    };
    label(&runs[0], &[("lab", "a"), ("kind", "x")]).unwrap();
    label(&runs[1], &[("lab", "a")]).unwrap();
    label(&runs[2], &[("lab", "b"), ("kind", "x")]).unwrap();
    label(&runs[2], &[("lab", "ü"), ("new", "")]).unwrap();
    assert!(matches!(label(&run(9), &[("lab", "a")]), Err(StoreError::UnknownRun { .. })));
    let labels = store.list_labels(&[runs[2].id, runs[3].id]).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(labels[&runs[2].id], [pair("kind", "x"), pair("lab", "ü"), pair("new", "")]);
    assert!(!labels.contains_key(&runs[3].id));

    let found = |filter: RunFilter| {
        let listed = store.list_runs(&RunFilter { oldest_first: true, ..filter.clone() }).unwrap();
        let places: Vec<i64> = listed.iter().map(|run| run.created_ms).collect();
        assert_eq!(store.count_runs(&filter).unwrap(), places.len() as u64);
        places
    };
    let any = RunFilter::default();
    assert_eq!(found(RunFilter { names: vec!["wf1".into(), "other".into()], ..any.clone() }), [1, 3]);
    assert_eq!(found(RunFilter { ids: vec![runs[3].id, runs[0].id], ..any.clone() }), [0, 3]);
    assert_eq!(found(RunFilter { labels_all: vec![pair("lab", "a"), pair("kind", "x")], ..any.clone() }), [0]);
    assert_eq!(found(RunFilter { labels_any: vec![pair("lab", "ü"), pair("lab", "a")], ..any.clone() }), [0, 1, 2]);
    assert_eq!(found(RunFilter { without_all: vec![pair("lab", "a"), pair("kind", "x")], ..any.clone() }), [1, 2, 3]);
    assert_eq!(found(RunFilter { without_any: vec![pair("lab", "a"), pair("kind", "x")], ..any.clone() }), [3]);
    assert_eq!(found(RunFilter { created_from_ms: Some(2), ..any.clone() }), [2, 3]);
    assert_eq!(found(RunFilter { started_from_ms: Some(0), ..any.clone() }), [0i64; 0]);
    let paged = RunFilter { offset: 1, limit: 2, ..any.clone() };
    assert_eq!(store.list_runs(&paged).unwrap().iter().map(|run| run.created_ms).collect::<Vec<_>>(), [2, 1]);
    let after = RunFilter { after: Some((2, runs[2].id)), limit: 9, ..any.clone() };
    assert_eq!(store.list_runs(&after).unwrap().iter().map(|run| run.created_ms).collect::<Vec<_>>(), [1, 0]);
    let after = RunFilter { oldest_first: true, ..after };
    assert_eq!(store.list_runs(&after).unwrap().iter().map(|run| run.created_ms).collect::<Vec<_>>(), [3]);
    assert_eq!(store.count_runs(&paged).unwrap(), 4);
    assert_eq!(store.count_runs_by_state().unwrap(), [(RunState::Submitted, 4)]);
    put(&store, Write::DeleteRun(runs[0].id)).unwrap();
    assert_eq!(store.list_labels(&[runs[0].id]).unwrap().len(), 0);
}

fn calls_are_forgotten_together(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let (first, second) = (stored_run(&store), stored_run(&store));
    let of = |run, call: &str, key: &str, at| Write::StartCall(done(id(run, call, &[], 1), key, at));
    store.write(vec![of(first, "a", "k1", 10), of(second, "a", "k2", 20), of(second, "b", "k3", 30)]).wait().unwrap();
    let known = || {
        let keys: Vec<String> = ["k1", "k2", "k3"].map(str::to_owned).into();
        store.find_cached(&keys).unwrap().iter().map(Option::is_some).collect::<Vec<_>>()
    };
    put(&store, Write::ForgetCacheOfRun(first)).unwrap();
    assert_eq!(known(), [false, true, true]);
    put(&store, Write::ForgetCacheBefore(30)).unwrap();
    assert_eq!(known(), [false, false, true]);
    let mut calls: Vec<String> = store.list_call_summaries(second).unwrap().iter().map(|call| call.id.to_string()).collect();
    calls.sort();
    assert_eq!(calls, ["a", "b"]);
    assert_eq!(store.load_shards(second, "b", &[Default::default()]).unwrap().len(), 1);
}

fn runs_are_listed(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let runs: Vec<RunRecord> = (0..5).map(run).collect();
    let child = RunRecord { parent: Some(runs[0].id), state: RunState::Running, ..run(9) };
    let writes = runs.iter().chain([&child]).cloned().map(Write::InsertRun).collect();
    store.write(writes).wait().unwrap();
    let ids = |filter: RunFilter| store.list_runs(&filter).unwrap().iter().map(|run| run.id).collect::<Vec<_>>();
    let newest_first: Vec<RunId> = runs.iter().rev().map(|run| run.id).collect();
    assert_eq!(ids(RunFilter::default()), newest_first);
    assert_eq!(ids(RunFilter { limit: 2, ..RunFilter::default() }), newest_first[..2]);
    assert_eq!(ids(RunFilter { states: vec![RunState::Running, RunState::Failed], ..RunFilter::default() }), []);
    assert_eq!(ids(RunFilter { states: vec![RunState::Running], parent: Parentage::Any, limit: 9, ..RunFilter::default() }), [child.id]);
    assert_eq!(store.list_child_runs(runs[0].id).unwrap()[0].id, child.id);
    let text = child.id.to_string();
    for part in [&text[..], &text[..18], &text[..18].replace('-', "").to_uppercase(), &child.id.short()] {
        let found = store.find_runs(part).unwrap();
        assert!(found.iter().any(|run| run.id == child.id), "{part}");
    }
    assert_eq!(store.find_runs(&child.id.short()).unwrap().len(), 1);
    assert_eq!(store.find_runs("%").unwrap(), []);
}

fn run_exists(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let record = run(1);
    put(&store, Write::InsertRun(record.clone())).unwrap();
    let again = put(&store, Write::InsertRun(RunRecord { spec: "other".into(), ..record.clone() }));
    assert!(matches!(again, Err(StoreError::Exists { run }) if run == record.id), "{again:?}");
    assert_eq!(store.load_run(record.id).unwrap().unwrap().spec, "{}");
}

fn moves_are_conditional(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let load = || store.load_run(run).unwrap().unwrap();
    let start = RunMove { owner: Some(Some("me".into())), ..to(run, &[RunState::Submitted], RunState::Running, 100) };
    put(&store, Write::MoveRun(start.clone())).unwrap();
    assert_eq!(
        (load().state, load().started_ms, load().ended_ms, load().owner.as_deref()),
        (RunState::Running, Some(100), None, Some("me"))
    );

    let error = put(&store, Write::MoveRun(start)).unwrap_err();
    assert_eq!(error.to_string(), format!("run `{run}` cannot become Running: it is Running and held by `me`"));
    let stranger = RunMove { held_by: Some(None), ..to(run, &[], RunState::Failed, 150) };
    assert!(matches!(put(&store, Write::MoveRun(stranger)), Err(StoreError::Conflict { state: RunState::Running, .. })));

    let finish = RunMove {
        held_by: Some(Some("me".into())),
        owner: Some(None),
        result: Some("{\"x\":1}".into()),
        ..to(run, &[RunState::Running, RunState::Aborting], RunState::Failed, 200)
    };
    put(&store, Write::MoveRun(finish)).unwrap();
    assert_eq!((load().ended_ms, load().owner, load().result.as_deref()), (Some(200), None, Some("{\"x\":1}")));

    put(&store, Write::MoveRun(to(run, &[RunState::Failed], RunState::Running, 300))).unwrap();
    assert_eq!((load().started_ms, load().ended_ms, load().result.as_deref()), (Some(100), None, Some("{\"x\":1}")), "resumed");

    let nobody = RunId::random();
    assert!(
        matches!(put(&store, Write::MoveRun(to(nobody, &[], RunState::Failed, 1))), Err(StoreError::UnknownRun { run }) if run == nobody)
    );
}

fn calls_round_trip(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let first = call(id(run, "main.align", &[3, 0], 1));
    put(&store, Write::StartCall(first.clone())).unwrap();
    assert_eq!(store.load_call(&first.id).unwrap(), Some(first.clone()));
    put(&store, Write::EndCall(end(first.id.clone(), 20))).unwrap();
    let ended = CallRecord {
        state: CallState::Done,
        ended_ms: Some(20),
        exit_code: Some(0),
        reusable: true,
        end_doc: Some("{\"out\":2}".into()),
        ..first.clone()
    };
    assert_eq!(store.load_call(&first.id).unwrap(), Some(ended));
    put(&store, Write::StartCall(first.clone())).unwrap();
    assert_eq!(store.load_call(&first.id).unwrap(), Some(first.clone()), "begun anew, nothing of the former end is left");

    let negative =
        CallRecord { exit_code: Some(-9), cached: true, cache_key: Some("k".repeat(64)), ..done(id(run, "main.align", &[3, 0], 2), "", 7) };
    put(&store, Write::StartCall(negative.clone())).unwrap();
    assert_eq!(store.latest_attempt(run, "main.align", &Shard::from(vec![3, 0])).unwrap(), Some(negative));
    assert_eq!(store.latest_attempt(run, "main.align", &Shard::default()).unwrap(), None);
    assert_eq!(store.count_calls_by_state(run).unwrap(), [(CallState::Running, 1), (CallState::Done, 1)]);

    let unknown = put(&store, Write::EndCall(end(id(run, "nothing", &[], 1), 1)));
    assert!(matches!(unknown, Err(StoreError::UnknownCall { .. })), "{unknown:?}");
    let homeless = put(&store, Write::StartCall(call(id(RunId::random(), "x", &[], 1))));
    assert!(matches!(homeless, Err(StoreError::UnknownRun { .. })), "{homeless:?}");
}

fn calls_are_paged(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let mut expected: Vec<_> = (0..450).map(|n| id(run, if n % 2 == 0 { "a" } else { "a_b" }, &[n], 1 + n % 3)).collect();
    store.write(expected.iter().cloned().map(|id| Write::StartCall(call(id))).collect()).wait().unwrap();
    put(&store, Write::StartCall(call(id(stored_run(&store), "a", &[], 1)))).unwrap();
    expected.sort_by_key(|id| (id.call.clone(), id.shard.to_string(), id.attempt));
    let listed: Vec<_> = store.list_calls(run).unwrap().into_iter().map(|call| call.id).collect();
    assert_eq!(listed, expected);
    let mut seen = 0;
    store
        .scan_calls(run, |_| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 3);
}

fn batches_are_atomic(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let [kept, lost, again] = ["kept", "lost", "again"].map(|name| id(run, name, &[], 1));
    let together =
        vec![Write::StartCall(call(kept.clone())), Write::EndCall(end(kept.clone(), 5)), Write::ForgetCache { id: kept.clone() }];
    store.write(together).wait().unwrap();
    let record = store.load_call(&kept).unwrap().unwrap();
    assert_eq!((record.state, record.ended_ms, record.reusable), (CallState::Done, Some(5), false));

    let half = vec![Write::StartCall(call(lost.clone())), Write::EndCall(end(id(run, "none", &[], 1), 5))];
    assert!(store.write(half).wait().is_err());
    assert_eq!(store.load_call(&lost).unwrap(), None);

    let anew = vec![
        Write::StartCall(call(again.clone())),
        Write::EndCall(end(again.clone(), 5)),
        Write::StartCall(CallRecord { started_ms: Some(77), ..call(again.clone()) }),
    ];
    store.write(anew).wait().unwrap();
    let record = store.load_call(&again).unwrap().unwrap();
    assert_eq!((record.state, record.started_ms, record.end_doc), (CallState::Running, Some(77), None));
}

fn guilt_is_private(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run_id = stored_run(&store);
    let taken = run(1);
    put(&store, Write::InsertRun(taken.clone())).unwrap();
    let tickets: Vec<_> = (0..300)
        .map(|n| {
            (
                n,
                match n {
                    // A call of a run that is not there, a run that is there, a move that cannot be, an end without a start.
                    50 => store.write(vec![Write::StartCall(call(id(RunId::random(), "c", &[n], 1)))]),
                    100 => store.write(vec![Write::InsertRun(taken.clone())]),
                    150 => store.write(vec![Write::MoveRun(to(run_id, &[RunState::Aborting], RunState::Aborted, 1))]),
                    200 => store.write(vec![Write::EndCall(end(id(run_id, "none", &[], 1), 1))]),
                    _ => store.write(vec![Write::StartCall(call(id(run_id, "c", &[n], 1)))]),
                },
            )
        })
        .collect();
    store.flush().unwrap();
    let failed: Vec<u32> = tickets.into_iter().filter_map(|(n, ticket)| ticket.wait().is_err().then_some(n)).collect();
    assert_eq!(failed, [50, 100, 150, 200]);
    assert_eq!(store.list_calls(run_id).unwrap().len(), 296);
}

fn cache(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let other = stored_run(&store);
    let old = done(id(run, "a", &[], 1), "key1", 10);
    let newer = done(id(other, "a", &[], 1), "key1", 20);
    let spoilt = CallRecord { reusable: false, ..done(id(run, "b", &[], 1), "key1", 30) };
    let failed = CallRecord { state: CallState::Failed, ..done(id(run, "c", &[], 1), "key1", 40) };
    let plain = done(id(run, "d", &[], 1), "key2", 10);
    let all = [&old, &newer, &spoilt, &failed, &plain];
    store.write(all.into_iter().cloned().map(Write::StartCall).collect()).wait().unwrap();
    let many: Vec<String> =
        ["key2", "none", "key1", "key2"].map(String::from).into_iter().chain((0..250).map(|n| format!("no{n}"))).collect();
    let found = store.find_cached(&many).unwrap();
    assert_eq!(found.len(), many.len());
    assert_eq!(found[..4], [Some(plain.clone()), None, Some(newer.clone()), Some(plain)]);
    assert_eq!(store.list_cached("key1", 5).unwrap(), [newer.clone(), old.clone()], "newest first");
    assert_eq!(store.list_cached("key1", 1).unwrap(), std::slice::from_ref(&newer));
    put(&store, Write::ForgetCache { id: newer.id }).unwrap();
    assert_eq!(store.find_cached(&["key1".into()]).unwrap(), [Some(old.clone())]);
    let twin = done(id(run, "z", &[], 1), "key1", 10);
    put(&store, Write::StartCall(twin.clone())).unwrap();
    assert_eq!(store.find_cached(&["key1".into()]).unwrap(), [Some(twin)], "of two that ended together always the same one");
    assert_eq!(store.find_cached(&[]).unwrap(), []);
}

fn recent_calls(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let calls = (0..6).map(|n| Write::StartCall(done(id(run, "a", &[n], 1), "k", i64::from(n) * 10)));
    let other = CallRecord { task: "sort".into(), ..done(id(run, "s", &[], 1), "k", 35) };
    let unfinished = call(id(run, "u", &[], 1));
    store.write(calls.chain([other, unfinished].map(Write::StartCall)).collect()).wait().unwrap();
    let ended = |before, limit| {
        store.recent_calls_of_task("align", before, limit).unwrap().iter().filter_map(|call| call.ended_ms).collect::<Vec<_>>()
    };
    assert_eq!(ended(None, 3), [50, 40, 30]);
    assert_eq!(ended(Some(30), 9), [20, 10, 0]);
}

fn digests_and_blobs(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let file = |n: i64, digest: &str| FileDigest {
        path_hash: format!("{n:064x}"),
        path: format!("/data/{}", "x".repeat(300)),
        size: i64::MAX,
        mtime_ns: 1_790_000_000_123_456_789,
        inode: n,
        digest: digest.into(),
    };
    store.write((0..70).map(|n| Write::PutDigest(file(n, "old"))).collect()).wait().unwrap();
    store.write(vec![Write::PutDigest(file(3, "new")), Write::PutDigest(file(3, "newest"))]).wait().unwrap();
    let found = store.find_digests(&[file(3, "").path_hash, "none".into(), file(69, "").path_hash]).unwrap();
    assert_eq!(found, [Some(file(3, "newest")), None, Some(file(69, "old"))]);

    let blob = |hash: &str, content: &str| Write::PutBlob { hash: hash.into(), content: content.into() };
    let long = "长".repeat(700_000);
    store.write(vec![blob("a", "first"), blob("b", &long), blob("a", "second")]).wait().unwrap();
    put(&store, blob("a", "third")).unwrap();
    assert_eq!(store.load_blob("a").unwrap().as_deref(), Some("first"));
    assert!(store.load_blob("b").unwrap().as_deref() == Some(&*long));
    assert_eq!(store.load_blob("A").unwrap(), None, "hashes are compared byte by byte");
}

fn deletion(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let kept = stored_run(&store);
    let top = stored_run(&store);
    let child = RunRecord { parent: Some(top), ..run(2) };
    let grandchild = RunRecord { parent: Some(child.id), ..run(3) };
    let (child_id, grandchild_id) = (child.id, grandchild.id);
    let calls = [kept, top, grandchild_id].map(|run| Write::StartCall(call(id(run, "a", &[], 1))));
    store.write([child, grandchild].map(Write::InsertRun).into_iter().chain(calls).collect()).wait().unwrap();
    store.write(vec![Write::StartCall(call(id(top, "b", &[], 1))), Write::DeleteRun(top)]).wait().unwrap();
    for gone in [top, child_id, grandchild_id] {
        assert_eq!(store.load_run(gone).unwrap(), None);
        assert_eq!(store.list_calls(gone).unwrap(), []);
    }
    assert_eq!(store.list_calls(kept).unwrap().len(), 1);
    put(&store, Write::DeleteRun(top)).unwrap();
}

fn callbacks(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let (told, answers) = mpsc::channel();
    let tell = told.clone();
    store.write_then(vec![Write::InsertRun(run(1))], move |answer| tell.send(answer.is_ok()).unwrap());
    store.write_then(vec![Write::EndCall(end(id(RunId::random(), "a", &[], 1), 1))], move |answer| told.send(answer.is_ok()).unwrap());
    store.write_then(vec![], |_| panic!("on purpose: a callback that panics"));
    store.flush().unwrap();
    assert_eq!(answers.iter().collect::<Vec<_>>(), [true, false]);
    drop(store);
}

fn sharing(fresh: Fresh<'_>) {
    let location = fresh();
    let stores: Vec<Store> = (0..3).map(|_| open(&location)).collect();
    let run = stored_run(&stores[0]);
    std::thread::scope(|scope| {
        for (n, store) in (0u32..).zip(&stores) {
            for thread in 0..2 {
                scope.spawn(move || {
                    for m in 0..40 {
                        let id = id(run, "c", &[n, thread, m], 1);
                        put(store, Write::StartCall(call(id.clone()))).unwrap();
                        // All of them also fight for the same rows.
                        store
                            .write(vec![Write::EndCall(end(id, 5)), Write::PutBlob { hash: format!("{m}"), content: "b".into() }])
                            .wait()
                            .unwrap();
                    }
                });
            }
        }
    });
    for store in &stores {
        assert_eq!(store.count_calls_by_state(run).unwrap(), [(CallState::Done, 240)]);
    }
    let start = to(run, &[RunState::Submitted], RunState::Running, 1);
    let won = stores.iter().filter(|store| put(store, Write::MoveRun(start.clone())).is_ok()).count();
    assert_eq!(won, 1, "only one takes up a run");
}

fn opening_together(fresh: Fresh<'_>) {
    let location = fresh();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| stored_run(&open(&location)));
        }
    });
    assert_eq!(open(&location).list_runs(&RunFilter::default()).unwrap().len(), 6);
}

/// Servers read on such threads. Ever so many reads take none of their own, and no budget of the runtime ends them.
fn reading_within_a_runtime(fresh: Fresh<'_>) {
    let store = Arc::new(open(&fresh()));
    let run = stored_run(&store);
    let read = {
        let store = Arc::clone(&store);
        move || (0..500).for_each(|_| assert_eq!(store.load_run(run).unwrap().map(|found| found.id), Some(run)))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let blocking = read.clone();
        tokio::task::spawn_blocking(blocking).await.unwrap();
        tokio::spawn(async move { read() }).await.unwrap();
    });
}

fn newer_schema(fresh: Fresh<'_>) {
    let location = fresh();
    drop(open(&location));
    crate::faults::statement(&location, "INSERT INTO schema_migrations (version, applied_ms) VALUES (999, 0)");
    let error = Store::open(&location, batchyard_store::Options::default()).err().unwrap();
    assert!(error.to_string().contains("has schema 999, this program knows schemas up to 6"), "{error}");
    assert!(error.hint().is_some());
}

fn leases(fresh: Fresh<'_>) {
    let location = fresh();
    let (one, two) = (open(&location), open(&location));
    let long = Duration::from_secs(3600);
    one.begin_lease("1:1:here", "one", long).unwrap();
    two.begin_lease("2:2:there", "two", long).unwrap();
    let beat_of = |id: &str| two.list_servers().unwrap().into_iter().find(|server| server.id == id).unwrap();
    assert_eq!((beat_of("1:1:here").beat, beat_of("2:2:there").name), (0, "two".into()));
    one.renew_lease().unwrap();
    let seen = beat_of("1:1:here");
    assert_eq!((seen.beat, seen.is_fenced), (1, false));

    // Who was heard of since cannot be fenced.
    one.renew_lease().unwrap();
    let fence = |beat: i64| two.write(vec![Write::Server(ServerWrite::Fence { id: "1:1:here".into(), beat })]).wait();
    assert!(matches!(fence(1), Err(StoreError::Stale { what: "server", .. })));
    let kept = run(1);
    fence(2).unwrap();
    assert!(matches!(fence(2), Err(StoreError::Stale { .. })), "only one fences");
    assert!(beat_of("1:1:here").is_fenced);

    // While its heartbeat is fresh it does not even look; then nothing of what it writes is stored.
    put(&one, Write::InsertRun(kept.clone())).unwrap();
    assert!(matches!(one.renew_lease(), Err(StoreError::LeaseLost)));
    let late = run(1);
    assert!(matches!(one.write(vec![Write::InsertRun(late.clone())]).wait(), Err(StoreError::LeaseLost)));
    assert!(two.load_run(kept.id).unwrap().is_some() && two.load_run(late.id).unwrap().is_none());
    assert!(one.load_run(kept.id).unwrap().is_some(), "it may look");

    // A heartbeat that is not fresh any more comes with whatever is written next.
    let three = open(&location);
    three.begin_lease("3:3:here", "three", Duration::ZERO).unwrap();
    put(&three, Write::InsertRun(late.clone())).unwrap();
    assert_eq!(beat_of("3:3:here").beat, 1);
    two.write(vec![Write::Server(ServerWrite::Fence { id: "3:3:here".into(), beat: 1 })]).wait().unwrap();
    let change = RunMove::new(late.id, vec![late.state], RunState::Failed, 9);
    assert!(matches!(three.write(vec![Write::MoveRun(change)]).wait(), Err(StoreError::LeaseLost)));
    assert_eq!(two.load_run(late.id).unwrap().unwrap().state, late.state, "what was written under a lost lease is undone");

    put(&two, Write::Server(ServerWrite::Forget("1:1:here".into()))).unwrap();
    assert_eq!(two.list_servers().unwrap().len(), 2);
    // A process of the same name, after the machine was started again.
    let again = open(&location);
    again.begin_lease("3:3:here", "three", long).unwrap();
    again.renew_lease().unwrap();
    assert!(matches!(three.renew_lease(), Err(StoreError::LeaseLost)));
}

fn active_owners(fresh: Fresh<'_>) {
    let location = fresh();
    let store = open(&location);
    let held = |owner: Option<&str>, state: RunState| RunRecord { state, owner: owner.map(str::to_owned), ..run(1) };
    for record in [
        held(Some("a"), RunState::Running),
        held(Some("a"), RunState::Submitted),
        held(Some("b"), RunState::Aborting),
        held(Some("c"), RunState::Succeeded),
        held(None, RunState::Submitted),
        held(None, RunState::OnHold),
    ] {
        put(&store, Write::InsertRun(record)).unwrap();
    }
    let mut owners = store.list_active_owners().unwrap();
    owners.sort();
    assert_eq!(owners, [None, Some("a".into()), Some("b".into())]);
}
