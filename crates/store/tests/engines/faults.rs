//! Databases that fail.

use std::io::Write as _;
use std::time::{Duration, Instant};

use batchyard_store::{Location, Options, Store, StoreError, Write};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::rows::{call, id, open, put, stored_run};
use crate::servers::Server;

/// Runs a statement past the store.
pub fn statement(location: &Location, text: &str) {
    let url = match location {
        Location::Sqlite(path) => return rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap(),
        Location::Url(url) => url.clone(),
    };
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut db = AnyConnection::connect(&url).await.unwrap();
        db.execute(AssertSqlSafe(text)).await.unwrap();
        db.close().await.unwrap();
    });
}

/// Connections that are cut are made again; nothing is lost or done twice.
pub fn lost_connections(server: &Server) {
    let store = open(&server.fresh());
    let run = stored_run(&store);
    let mut tickets = Vec::new();
    for n in 0..400 {
        tickets.push(store.write(vec![Write::StartCall(call(id(run, "c", &[n], 1)))]));
        if n % 100 == 50 {
            server.cut_connections();
            assert!(store.load_run(run).unwrap().is_some());
        }
    }
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
    assert_eq!(store.list_calls(run).unwrap().len(), 400);
}

/// A server that is gone is said, after a bounded time, and nothing hangs.
pub fn stopped_server(server: Server) {
    let location = server.fresh();
    let options = Options { patience: Duration::from_millis(500), ..Options::default() };
    let store = Store::open(&location, options.clone()).unwrap();
    let run = stored_run(&store);
    drop(server);
    let begun = Instant::now();
    let error = put(&store, Write::StartCall(call(id(run, "c", &[], 1)))).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }) && error.is_temporary(), "{error:?}");
    assert!(store.load_run(run).is_err());
    assert!(Store::open(&location, options).is_err());
    drop(store);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

fn unusable(location: &Location) -> StoreError {
    let error = Store::open(location, Options::default()).err().unwrap();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    assert!(error.hint().is_some(), "{error}");
    error
}

#[test]
fn unusable_files_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("garbage.db"), "this is not a database, it is a letter\n".repeat(400)).unwrap();
    let error = unusable(&Location::Sqlite(path("garbage.db")));
    assert!(error.to_string().contains("garbage.db"), "{error}");
    std::fs::create_dir(path("folder.db")).unwrap();
    unusable(&Location::Sqlite(path("folder.db")));
    let error = unusable(&Location::Sqlite(path("garbage.db").join("below/state.db")));
    assert!(error.to_string().contains("cannot make the folder"), "{error}");
    unusable(&Location::Url("oracle://x/y".into()));
}

#[test]
fn a_damaged_file_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.db");
    let location = Location::Sqlite(file.clone());
    let store = open(&location);
    let run = stored_run(&store);
    let calls = (0..200).map(|n| Write::StartCall(call(id(run, "c", &[n], 1)))).collect();
    store.write(calls).wait().unwrap();
    drop(store);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xa5);
    std::fs::write(&file, bytes).unwrap();
    let told = Store::open(&location, Options::default()).and_then(|store| store.list_calls(run).map(|_| ()));
    let error = told.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable { hint: Some(hint), .. } if hint.contains("damaged")), "{error:?}");
}

#[test]
fn a_lock_of_another_program_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = open(&Location::Sqlite(path.clone()));
    let begun = Instant::now();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ticket = store.write(vec![Write::PutBlob { hash: "a".into(), content: "b".into() }]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(store.load_blob("a").unwrap(), None, "reading is not held up");
    other.execute_batch("COMMIT").unwrap();
    ticket.wait().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(store.load_blob("a").unwrap().as_deref(), Some("b"));
}

/// A small file system of memory; only root may make one, and not everywhere.
#[test]
fn a_full_disk_is_explained_and_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mounted(folder.path()) else {
        let _ = writeln!(std::io::stderr(), "not tested: full disk (needs root and the right to mount)");
        return;
    };
    let location = Location::Sqlite(folder.path().join("state.db"));
    let store = open(&location);
    let run = stored_run(&store);
    let blob = |n: u32| Write::PutBlob { hash: format!("{n}"), content: "x".repeat(500_000) };
    let error = (0..100).find_map(|n| put(&store, blob(n)).err()).unwrap();
    assert!(matches!(&error, StoreError::Unusable { hint: Some(hint), .. } if hint.contains("disk")), "{error:?}");
    disk.grow();
    put(&store, blob(1000)).unwrap();
    assert!(store.load_run(run).unwrap().is_some());
    drop(store);
    assert!(open(&location).load_blob("1000").unwrap().is_some());
}

struct SmallDisk<'p>(&'p std::path::Path);

#[expect(clippy::disallowed_methods, reason = "the test mounts a small disk")]
impl<'p> SmallDisk<'p> {
    fn mounted(path: &'p std::path::Path) -> Option<Self> {
        let made = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(path).output();
        made.is_ok_and(|output| output.status.success()).then_some(SmallDisk(path))
    }

    fn grow(&self) {
        let grown = std::process::Command::new("mount").args(["-o", "remount,size=64m"]).arg(self.0).status().unwrap();
        assert!(grown.success());
    }
}

#[expect(clippy::disallowed_methods, reason = "the test mounts a small disk")]
impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
    }
}
