//! Messages on their way, without a server and without a network.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use batchyard_store::{Location, NoticeKind, NoticeRecord, NoticeSummary, Options, Store, Write};
use tempfile::TempDir;

use super::*;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Takes nothing.
const DEAD: &str = "http://dead";
/// Hears and does not want what is bad.
const CHOOSY: &str = "http://choosy";

type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A herald, and what its receivers have taken.
fn herald(store: &Arc<Store>, fails: impl Fn(&str, &str) -> Option<bool> + Send + Sync + 'static) -> (Herald, Heard) {
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    let post = move |receiver: &str, text: &str| match fails(receiver, text) {
        Some(is_refused) => Err(Undelivered { reason: "no".into(), is_refused }),
        None => {
            log.lock().unwrap().push((receiver.to_owned(), text.to_owned()));
            Ok(())
        }
    };
    (Herald::begin(Arc::clone(store), Arc::new(post)).unwrap(), heard)
}

/// Who is dead and who is choosy.
fn usual(receiver: &str, text: &str) -> Option<bool> {
    match receiver {
        DEAD => Some(false),
        CHOOSY if text == "bad" => Some(true),
        _ => None,
    }
}

fn fresh() -> (TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(dir.path().join("s.db")), Options::default()).unwrap();
    (dir, Arc::new(store))
}

fn message(receiver: &str, body: &str, created_ms: i64) -> BatchWrite {
    let summary = NoticeSummary {
        id: notice_id(),
        kind: NoticeKind::Job,
        owner: String::new(),
        subject: "job-1".into(),
        receiver: receiver.into(),
        tries: 0,
        created_ms,
    };
    BatchWrite::InsertNotice(NoticeRecord { summary, body: body.into() })
}

/// Records messages to receivers and has them told.
fn tell(store: &Store, herald: &Herald, told: &[(&str, &str)]) {
    let writes: Vec<BatchWrite> = told.iter().map(|(receiver, body)| message(receiver, body, now_ms())).collect();
    let messages = messages(&writes);
    store.write(writes.into_iter().map(Write::Batch).collect()).wait().unwrap();
    herald.recorded(messages);
}

fn waiting(store: &Store) -> Vec<NoticeSummary> {
    store.list_notices(NoticeKind::Job, "", "", 1000).unwrap()
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_not_taken_waits_for_the_next_server() {
    let (_dir, store) = fresh();
    let (first, heard) = herald(&store, |_, _| Some(false));
    let told: Vec<String> = (0..120).map(|n| n.to_string()).collect();
    let pairs: Vec<(&str, &str)> = told.iter().map(|text| (DEAD, text.as_str())).collect();
    tell(&store, &first, &pairs);
    wait_for("a try", || waiting(&store)[0].tries > 0);
    assert_eq!((waiting(&store).len(), heard.lock().unwrap().len()), (120, 0));
    assert!(waiting(&store).iter().skip(1).all(|notice| notice.tries == 0), "those behind the first one wait for it");
    let (second, heard) = herald(&store, |_, _| None);
    tell(&store, &second, &[(DEAD, "new")]);
    wait_for("all to be told", || heard.lock().unwrap().len() == 121 && waiting(&store).is_empty());
    let texts: Vec<String> = heard.lock().unwrap().iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, told.into_iter().chain(["new".into()]).collect::<Vec<_>>());
}

#[test]
fn a_receiver_that_is_gone_holds_up_nobody_else() {
    let (_dir, store) = fresh();
    let (herald, heard) = herald(&store, usual);
    tell(&store, &herald, &[(DEAD, "x"), ("http://a", "1"), ("http://b", "2"), ("http://a", "3")]);
    wait_for("the others to be told", || heard.lock().unwrap().len() == 3);
    wait_for("their rows to go", || waiting(&store).len() == 1);
    assert_eq!(waiting(&store)[0].receiver, DEAD);
}

#[test]
fn a_message_that_is_refused_is_given_up_after_a_few_tries() {
    let (_dir, store) = fresh();
    let (herald, heard) = herald(&store, usual);
    tell(&store, &herald, &[(CHOOSY, "bad"), (CHOOSY, "good")]);
    wait_for("the good one", || heard.lock().unwrap().len() == 1 && waiting(&store).is_empty());
    assert_eq!(*heard.lock().unwrap(), [(CHOOSY.to_owned(), "good".to_owned())]);
}

#[test]
fn what_has_waited_too_long_is_tried_once_more() {
    let (_dir, store) = fresh();
    let day_ms = 24 * 3600 * 1000;
    let old = now_ms() - day_ms - 60_000;
    let writes = [message(DEAD, "1", old), message(DEAD, "2", old + 1), message(DEAD, "3", now_ms()), message("http://a", "4", old)];
    store.write(writes.map(Write::Batch).into()).wait().unwrap();
    let (_herald, heard) = herald(&store, usual);
    wait_for("the late ones to be given up", || waiting(&store).len() == 1);
    assert_eq!(*heard.lock().unwrap(), [("http://a".to_owned(), "4".to_owned())]);
    assert_eq!(store.load_notices(&[&waiting(&store)[0].id]).unwrap()[0].body, "3");
}
