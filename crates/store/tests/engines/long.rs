//! Changes that take long, and the tables of others.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use batchyard_model::RunState;
use batchyard_store::{Foreign, Location, StoreError, Write};

use crate::{
    Fresh,
    rows::{call, id, open, put, run},
    servers::execute,
};

/// Far more than a write takes, and less than anything waits for a lock.
const PATIENCE: Duration = Duration::from_secs(10);

fn text(hash: &str) -> Write {
    Write::PutBlob { hash: hash.into(), content: format!("text {hash}") }
}

/// Nobody sees them before they are all there, and a failure undoes all.
pub fn long_changes(fresh: Fresh<'_>) {
    let location = fresh();
    let store = open(&location);
    let record = run(1);
    let run_id = record.id;
    let writes = || vec![Write::InsertRun(record.clone()), text("h"), Write::StartCall(call(id(run_id, "a", &[], 1)))];
    let mut long = store.long();
    let labels = vec![("name".to_owned(), "value".to_owned())];
    let undone = long.together(|part| {
        part.write(writes())?;
        assert!(store.load_run(run_id).unwrap().is_none());
        Err::<(), _>(StoreError::Closed)
    });
    assert!(matches!(undone, Err(StoreError::Closed)) && store.load_run(run_id).unwrap().is_none());
    // What was undone holds nothing: others may store the same.
    put(&open(&location), Write::InsertRun(record.clone())).unwrap();
    put(&store, Write::DeleteRun(run_id)).unwrap();

    let made = long.together(|part| {
        part.write(writes())?;
        part.write(vec![Write::StartCall(call(id(run_id, "a", &[3], 1)))])?;
        part.write(vec![Write::PutLabels { run: run_id, labels: labels.clone() }])?;
        assert!(store.load_run(run_id).unwrap().is_none());
        Ok::<_, StoreError>(7)
    });
    assert_eq!((made.unwrap(), store.load_run(run_id).unwrap()), (7, Some(record.clone())));
    assert_eq!(store.list_calls(run_id).unwrap().len(), 2);
    assert_eq!((store.list_labels(&[run_id]).unwrap()[&run_id].clone(), store.load_blob("h").unwrap()), (labels, Some("text h".into())));

    let again = long.together(|part| part.write(writes()));
    assert!(matches!(again, Err(StoreError::Exists { run }) if run == run_id), "{again:?}");
    let other = run(2);
    long.together(|part| part.write(vec![Write::InsertRun(other.clone())])).unwrap();
    assert_eq!(store.load_run(other.id).unwrap(), Some(other));
}

/// While they are under way others write what they like, the same texts too: a server that waited would lose its lease.
pub fn long_changes_hinder_nobody(fresh: Fresh<'_>) {
    let location = fresh();
    let (store, server) = (open(&location), open(&location));
    let record = run(1);
    let (run_id, mut count) = (record.id, 0);
    store
        .long()
        .together(|part| {
            part.write(vec![Write::InsertRun(record), text("h"), Write::StartCall(call(id(run_id, "a", &[], 1)))])?;
            let (tell, told) = mpsc::channel();
            server.write_then(vec![text("h"), Write::InsertRun(run(2))], move |verdict| drop(tell.send(verdict)));
            told.recv_timeout(PATIENCE).expect("it does not wait for the end of this")?;
            // More than one statement holds.
            part.write((0..1000).map(|n| Write::StartCall(call(id(run_id, "b", &[n], 1)))).collect())
        })
        .unwrap();
    let mut visit = |_| {
        count += 1;
        ControlFlow::Continue(())
    };
    store.scan_calls(run_id, &mut visit).unwrap();
    assert_eq!((count, store.load_run(run_id).unwrap().unwrap().state), (1001, RunState::Submitted));
}

/// Where no Cromwell has been there is nothing to count.
pub fn no_foreign_tables(fresh: Fresh<'_>) {
    let location = fresh();
    assert_eq!(open(&location).count_foreign(10).unwrap(), None);
    if let Location::Url(_) = location {
        assert!(!Foreign::open(&location).unwrap().has_tables().unwrap());
    }
}

/// Of the newest workflows those count that have ended, have their metadata, and are no runs.
pub fn foreign_workflows_are_counted(fresh: Fresh<'_>) {
    let location = fresh();
    let Location::Url(url) = &location else { return };
    let store = open(&location);
    let runs = [run(1), run(2), run(3)];
    let quote = |sql: &str| if url.starts_with("mysql") { sql.replace('"', "`") } else { sql.to_owned() };
    let table = |columns: &str| {
        execute(
            url,
            &quote(&format!(
                "CREATE TABLE \"WORKFLOW_METADATA_SUMMARY_ENTRY\" (\"WORKFLOW_METADATA_SUMMARY_ENTRY_ID\" BIGINT PRIMARY KEY, \
            \"WORKFLOW_EXECUTION_UUID\" VARCHAR(100) NOT NULL, \"WORKFLOW_NAME\" VARCHAR(100), \"WORKFLOW_STATUS\" VARCHAR(50){columns})"
            )),
        );
    };
    for name in ["METADATA_ENTRY", "CUSTOM_LABEL_ENTRY"] {
        execute(url, &quote(&format!("CREATE TABLE \"{name}\" (id BIGINT)")));
    }
    // As an early release has left it.
    table("");
    let fill = |columns: &str, values: &[String]| {
        execute(url, &quote(&format!("INSERT INTO \"WORKFLOW_METADATA_SUMMARY_ENTRY\" ({columns}) VALUES {}", values.join(", "))));
    };
    let columns = "\"WORKFLOW_METADATA_SUMMARY_ENTRY_ID\", \"WORKFLOW_EXECUTION_UUID\", \"WORKFLOW_STATUS\"";
    let states = ["Succeeded", "Failed", "Running"];
    let row = |n: usize| format!("({n}, '{}', '{}'", runs[n].id, states[n]);
    fill(columns, &[0, 1, 2].map(|n| row(n) + ")"));
    assert_eq!(store.count_foreign(10).unwrap(), Some(2));
    // The newest one has not ended.
    assert_eq!((store.count_foreign(1).unwrap(), store.count_foreign(2).unwrap()), (Some(0), Some(1)));
    execute(url, &quote("DROP TABLE \"WORKFLOW_METADATA_SUMMARY_ENTRY\""));
    table(", \"METADATA_ARCHIVE_STATUS\" VARCHAR(30)");
    let archived = ["'Archived')", "'ArchivedAndDeleted')", "NULL)"];
    fill(&format!("{columns}, \"METADATA_ARCHIVE_STATUS\""), &[0, 1, 2].map(|n| format!("{}, {}", row(n), archived[n])));
    assert_eq!(store.count_foreign(10).unwrap(), Some(1));
    let found = Foreign::open(&location).unwrap().list_workflows(i64::MAX, 10).unwrap();
    assert_eq!(found.iter().map(|workflow| (workflow.entry, workflow.is_deleted)).collect::<Vec<_>>(), [(2, false), (1, true), (0, false)]);
    put(&store, Write::InsertRun(runs[0].clone())).unwrap();
    assert_eq!(store.count_foreign(10).unwrap(), Some(0));
    if url.starts_with("postgres") {
        in_another_schema(url);
    }
}

/// Tables are where the search path of the connection leads.
fn in_another_schema(url: &str) {
    execute(url, "CREATE SCHEMA other");
    for name in ["METADATA_ENTRY", "CUSTOM_LABEL_ENTRY", "WORKFLOW_METADATA_SUMMARY_ENTRY"] {
        execute(url, &format!("ALTER TABLE \"{name}\" SET SCHEMA other"));
    }
    let has_tables = |url: String| Foreign::open(&Location::Url(url)).unwrap().has_tables().unwrap();
    assert!(!has_tables(url.to_owned()));
    for path in ["other", "public%2Cother"] {
        assert!(has_tables(format!("{url}&options%5Bsearch_path%5D={path}")));
    }
}
