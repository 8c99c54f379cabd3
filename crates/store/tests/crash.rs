//! What was acknowledged is there after `kill -9` at any instant.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "the test starts and kills a writer")]

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};
use batchyard_store::{CallEnd, CallRecord, Location, Options, RunRecord, Store, Write};

/// Set for the child that writes: the file to write to.
const WRITER: &str = "BATCHYARD_TEST_STORE_WRITER";

fn run(id: RunId) -> RunRecord {
    RunRecord {
        id,
        parent: None,
        root: None,
        name: "crash".into(),
        state: RunState::Running,
        dir: String::new(),
        created_ms: 1,
        started_ms: None,
        ended_ms: None,
        owner: None,
        spec: "{}".into(),
        result: None,
    }
}

fn start(id: &CallId) -> Write {
    Write::StartCall(CallRecord {
        id: id.clone(),
        task: "t".into(),
        state: CallState::Running,
        started_ms: Some(1),
        ended_ms: None,
        exit_code: None,
        cached: false,
        cache_key: None,
        reusable: false,
        start_doc: "x".repeat(500),
        end_doc: None,
    })
}

/// Writes for ever and prints every acknowledged step; does nothing in an ordinary run of the tests.
#[test]
fn writer() {
    let Ok(path) = std::env::var(WRITER) else { return };
    let store = Store::open(&Location::Sqlite(path.into()), Options::default()).unwrap();
    let id = RunId::random();
    store.write(vec![Write::InsertRun(run(id))]).wait().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for n in 0.. {
                    let call = CallId { run: id, call: "c".into(), shard: Shard::from(vec![thread, n]), attempt: 1 };
                    store.write(vec![start(&call)]).wait().unwrap();
                    said("start", &call);
                    let end = CallEnd {
                        id: call.clone(),
                        state: CallState::Done,
                        at_ms: 2,
                        exit_code: Some(0),
                        reusable: true,
                        end_doc: "e".repeat(300),
                    };
                    store.write(vec![Write::EndCall(end)]).wait().unwrap();
                    said("end", &call);
                }
            });
        }
    });
}

/// One whole line in one system call, past the test harness.
fn said(step: &str, call: &CallId) {
    let line = format!("ack {step} {} {}\n", call.run, call.shard);
    let mut output = std::fs::OpenOptions::new().append(true).open("/proc/self/fd/2").unwrap();
    output.write_all(line.as_bytes()).unwrap();
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut acknowledged = Vec::new();
    for round in 0..20u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).filter(|line| line.starts_with("ack ")).collect::<Vec<_>>()
        });
        // Spread over the life of the child: while it opens, while it migrates, while it writes.
        std::thread::sleep(Duration::from_millis(5 + (round * round * 7 + round * 31) % 240));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reader.join().unwrap());
    }
    assert!(acknowledged.len() > 100, "only {} acknowledged: the test tests nothing", acknowledged.len());
    let store = Store::open(&Location::Sqlite(path), Options::default()).unwrap();
    for line in &acknowledged {
        let words: Vec<&str> = line.split(' ').collect();
        let id = CallId { run: words[2].parse().unwrap(), call: "c".into(), shard: words[3].parse().unwrap(), attempt: 1 };
        let call = store.load_call(&id).unwrap().unwrap_or_else(|| panic!("acknowledged and lost: {line}"));
        assert!(words[1] == "start" || call.state == CallState::Done, "acknowledged and lost: {line}");
    }
    println!("{} acknowledged records are all there", acknowledged.len());
}
