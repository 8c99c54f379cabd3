//! Messages that wait for their receivers, on every engine alike.

use batchyard_model::{RunState, notice_id};
use batchyard_store::{BatchWrite, NoticeKind, NoticeRecord, NoticeSummary, NoticeWrite, RunMove, Store, Write};

use crate::{
    Fresh,
    rows::{open, put, stored_run},
};

fn notice(kind: NoticeKind, owner: &str, body: &str) -> NoticeRecord {
    let summary = NoticeSummary {
        id: notice_id(),
        kind,
        owner: owner.into(),
        subject: "job-1".into(),
        receiver: "https://hör.example/?a=b".into(),
        tries: 0,
        created_ms: 1_790_000_000_000,
    };
    NoticeRecord { summary, body: body.into() }
}

fn ids(store: &Store, kind: NoticeKind, owner: &str) -> Vec<String> {
    store.list_notices(kind, owner, "", 1000).unwrap().into_iter().map(|found| found.id).collect()
}

pub fn notices_wait_in_order(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let made: Vec<NoticeRecord> = (0..75).map(|n| notice(NoticeKind::Job, "", &format!("{{\"n\": {n}, \"é\": \"'?\"}}"))).collect();
    let writes = made.iter().map(|notice| Write::Batch(BatchWrite::InsertNotice(notice.clone()))).collect();
    store.write(writes).wait().unwrap();
    put(&store, Write::Notice(NoticeWrite::Insert(notice(NoticeKind::Workflow, "1:1:here", "w")))).unwrap();

    let page = store.list_notices(NoticeKind::Job, "", &made[9].summary.id, 3).unwrap();
    assert_eq!(page, made[10..13].iter().map(|notice| notice.summary.clone()).collect::<Vec<_>>());
    assert_eq!(ids(&store, NoticeKind::Job, "").len(), 75);
    let wanted: Vec<&str> = ["nobody", &made[70].summary.id, &made[3].summary.id].to_vec();
    assert_eq!(store.load_notices(&wanted).unwrap(), [made[3].clone(), made[70].clone()]);
    assert_eq!(store.load_notices(&[]).unwrap(), []);

    put(&store, Write::Notice(NoticeWrite::Tried { id: made[0].summary.id.clone(), tries: 7 })).unwrap();
    put(&store, Write::Notice(NoticeWrite::Tried { id: "nobody".into(), tries: 7 })).unwrap();
    assert_eq!(store.list_notices(NoticeKind::Job, "", "", 1).unwrap()[0].tries, 7);
    let gone = made.iter().skip(1).map(|notice| Write::Notice(NoticeWrite::Remove(notice.summary.id.clone())));
    store.write(gone.chain([Write::Notice(NoticeWrite::Remove("nobody".into()))]).collect()).wait().unwrap();
    assert_eq!(ids(&store, NoticeKind::Job, ""), [made[0].summary.id.clone()]);
    assert_eq!(ids(&store, NoticeKind::Workflow, "1:1:here").len(), 1);
}

pub fn notices_share_the_fate_of_their_change(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let run = stored_run(&store);
    let tell = |from: RunState, to: RunState, body: &str| {
        let change = RunMove::new(run, vec![from], to, 9);
        let told = NoticeWrite::Insert(notice(NoticeKind::Workflow, "a", body));
        store.write(vec![Write::Notice(told), Write::MoveRun(change)]).wait()
    };
    let state = store.load_run(run).unwrap().unwrap().state;
    tell(state, RunState::Failed, "happened").unwrap();
    tell(state, RunState::Succeeded, "did not").unwrap_err();
    let found = ids(&store, NoticeKind::Workflow, "a");
    let found = store.load_notices(&found.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!(found.iter().map(|notice| notice.body.as_str()).collect::<Vec<_>>(), ["happened"]);
}

pub fn notices_are_taken_over_once(fresh: Fresh<'_>) {
    let location = fresh();
    let (one, two) = (open(&location), open(&location));
    for (kind, owner) in [(NoticeKind::Workflow, "dead"), (NoticeKind::Workflow, "alive"), (NoticeKind::Job, "dead")] {
        put(&one, Write::Notice(NoticeWrite::Insert(notice(kind, owner, "x")))).unwrap();
    }
    let mut owners = two.list_notice_owners(NoticeKind::Workflow).unwrap();
    owners.sort();
    assert_eq!(owners, ["alive", "dead"]);
    let take = |store: &Store, to: &str| {
        let change = NoticeWrite::TakeOver { kind: NoticeKind::Workflow, from: "dead".into(), to: to.into() };
        put(store, Write::Notice(change)).unwrap();
        ids(store, NoticeKind::Workflow, to).len()
    };
    assert_eq!((take(&one, "one"), take(&two, "two")), (1, 0));
    assert_eq!((ids(&one, NoticeKind::Workflow, "alive").len(), ids(&one, NoticeKind::Job, "dead").len()), (1, 1));
}
