//! Notices on their way, with a receiver that is a socket.

use std::{
    io::{Read, Write as _},
    net::TcpListener,
    sync::mpsc,
};

use batchyard_store::{Location, Options};
use tempfile::TempDir;

use super::*;
use crate::service::seal::key_of;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

fn fresh() -> (TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(dir.path().join("s.db")), Options::default()).unwrap();
    (dir, Arc::new(store))
}

fn seal() -> Arc<Seal> {
    Arc::new(Seal::of_key(key_of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()))
}

fn manner(max_retries: u32) -> Option<Callback> {
    let wait = Duration::from_millis(5);
    Some(Callback { endpoint: None, min_wait: wait, max_wait: wait, multiplier: 1.0, max_retries })
}

/// An address, and what comes in there; the first `refused` ones are.
fn receiver(refused: usize) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (heard, hearing) = mpsc::channel();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let (mut text, mut part) = (String::new(), [0; 4096]);
            while !text.ends_with("]}") {
                let bytes = stream.read(&mut part).unwrap();
                text += std::str::from_utf8(part.get(..bytes).unwrap()).unwrap();
            }
            let answer = if number < refused { "503 Not now" } else { "200 OK" };
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            heard.send(text.rsplit("\r\n").next().unwrap().to_owned()).unwrap();
        }
    });
    (address, hearing)
}

fn waiting(store: &Store) -> usize {
    store.list_notices(NoticeKind::Workflow, &owner(), "", PAGE).unwrap().len()
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A promise whose run has ended.
fn kept(notices: &Notices, store: &Store, url: &str) -> Promise {
    let promise = notices.promise(RunId::random(), Some(url), false).unwrap();
    store.write(vec![promise.keep(RunState::Failed, Map::new(), &[Failure::new("why")])]).wait().unwrap();
    promise
}

#[test]
fn a_notice_is_told_once_and_removed() {
    let (_dir, store) = fresh();
    let (address, heard) = receiver(1);
    let notices = Arc::new(Notices::new(Arc::clone(&store), manner(5), seal()));
    let promise = kept(&notices, &store, &address);
    // Whoever looks at the rows meanwhile finds it, too.
    notices.take_up().unwrap();
    notices.tell(&promise);
    let expected = json!({"workflowId": promise.run.to_string(), "state": "Failed", "outputs": {}, "failures": ["why"]}).to_string();
    assert_eq!([heard.recv_timeout(PATIENCE).unwrap(), heard.recv_timeout(PATIENCE).unwrap()], [expected.clone(), expected]);
    wait_for("the row to go", || waiting(&store) == 0 && notices.undelivered() == 0);
    assert!(heard.recv_timeout(Duration::from_millis(50)).is_err(), "it was taken once");
}

#[test]
fn a_notice_of_an_earlier_server_is_told_in_its_order() {
    let (_dir, store) = fresh();
    let (address, heard) = receiver(0);
    let earlier = Notices::new(Arc::clone(&store), manner(5), seal());
    let runs: Vec<String> = (0..3).map(|_| kept(&earlier, &store, &address).run.to_string()).collect();
    // One thread, so that the order can be seen.
    let notices = Arc::new(Notices::new(Arc::clone(&store), manner(5), seal()));
    notices.lock().threads = THREADS;
    notices.take_up().unwrap();
    let work = Arc::clone(&notices);
    std::thread::spawn(move || work.work());
    for run in runs {
        assert!(heard.recv_timeout(PATIENCE).unwrap().contains(&run));
    }
    wait_for("the rows to go", || waiting(&store) == 0);
}

#[test]
fn tries_are_counted_over_servers_and_bounded() {
    let (_dir, store) = fresh();
    // Nobody listens there any more.
    let nobody = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let notices = Arc::new(Notices::new(Arc::clone(&store), manner(100_000), seal()));
    notices.tell(&kept(&notices, &store, &nobody));
    let tries = || store.list_notices(NoticeKind::Workflow, &owner(), "", 1).unwrap().first().map_or(u32::MAX, |notice| notice.tries);
    wait_for("some tries", || tries() >= 3);
    let next = Arc::new(Notices::new(Arc::clone(&store), manner(3), seal()));
    next.take_up().unwrap();
    wait_for("it to be given up", || waiting(&store) == 0);
}

#[test]
fn without_callbacks_nothing_waits_for_ever() {
    let (_dir, store) = fresh();
    let earlier = Notices::new(Arc::clone(&store), manner(5), seal());
    kept(&earlier, &store, "http://127.0.0.1:1/");
    let notices = Arc::new(Notices::new(Arc::clone(&store), None, seal()));
    assert!(notices.promise(RunId::random(), Some("http://127.0.0.1:1/"), false).is_none());
    notices.take_up().unwrap();
    wait_for("it to be given up", || waiting(&store) == 0);
    assert_eq!(notices.undelivered(), 0);
}

#[test]
fn a_secret_address_is_sealed_and_known_to_the_next_server() {
    let (_dir, store) = fresh();
    let (address, heard) = receiver(0);
    let address = format!("{address}token");
    let earlier = Notices::new(Arc::clone(&store), manner(5), seal());
    let promise = earlier.promise(RunId::random(), Some(&address), true).unwrap();
    assert!(!format!("{promise:?}").contains("token"));
    store.write(vec![promise.keep(RunState::Failed, Map::new(), &[Failure::new("why")])]).wait().unwrap();
    let rows = store.list_notices(NoticeKind::Workflow, &owner(), "", PAGE).unwrap();
    assert!(rows[0].receiver.contains("$sealed") && !rows[0].receiver.contains("token"), "{}", rows[0].receiver);
    let next = Arc::new(Notices::new(Arc::clone(&store), manner(5), seal()));
    next.take_up().unwrap();
    assert!(heard.recv_timeout(PATIENCE).unwrap().contains("Failed"));
    wait_for("the row to go", || waiting(&store) == 0 && next.undelivered() == 0);
    // Without the key nobody knows where to.
    store
        .write(vec![earlier.promise(RunId::random(), Some(&address), true).unwrap().keep(RunState::Failed, Map::new(), &[])])
        .wait()
        .unwrap();
    let other = Arc::new(Notices::new(Arc::clone(&store), manner(5), Arc::new(Seal::none())));
    other.take_up().unwrap();
    wait_for("the row to go", || waiting(&store) == 0);
    assert!(heard.try_recv().is_err());
}
