//! Transactions that may take long, and the tables of others.

use batchyard_store::{Foreign, Location, StoreError, Write};

use crate::{
    Fresh,
    rows::{call, id, open, run},
};

/// Nobody sees them before they are committed, and dropping them undoes all.
pub fn long_transactions(fresh: Fresh<'_>) {
    let store = open(&fresh());
    let record = run(1);
    let (run_id, texts) = (record.id, Write::PutBlob { hash: "h".into(), content: "text".into() });
    let writes = [Write::InsertRun(record), texts, Write::StartCall(call(id(run_id, "a", &[], 1)))];

    let mut dropped = store.begin_long().unwrap();
    dropped.write(&writes).unwrap();
    assert!(store.load_run(run_id).unwrap().is_none());
    drop(dropped);
    assert!(store.load_run(run_id).unwrap().is_none() && store.load_blob("h").unwrap().is_none());

    let mut long = store.begin_long().unwrap();
    long.write(&writes).unwrap();
    long.write(&[Write::StartCall(call(id(run_id, "a", &[3], 1)))]).unwrap();
    let labels = vec![("name".to_owned(), "value".to_owned())];
    long.write(&[Write::PutLabels { run: run_id, labels: labels.clone() }]).unwrap();
    assert!(store.load_run(run_id).unwrap().is_none());
    long.commit().unwrap();
    assert_eq!(store.list_calls(run_id).unwrap().len(), 2);
    assert_eq!((store.list_labels(&[run_id]).unwrap()[&run_id].clone(), store.load_blob("h").unwrap()), (labels, Some("text".into())));

    let mut again = store.begin_long().unwrap();
    assert!(matches!(again.write(&writes), Err(StoreError::Exists { run }) if run == run_id));
}

/// Where no Cromwell has been there is nothing to count.
pub fn no_foreign_tables(fresh: Fresh<'_>) {
    let location = fresh();
    assert_eq!(open(&location).count_foreign(10).unwrap(), None);
    if let Location::Url(_) = location {
        assert!(!Foreign::open(&location).unwrap().has_tables().unwrap());
    }
}
