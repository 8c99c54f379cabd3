//! The engine is killed at any moment and started again: everything ends exactly once.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use crate::yard::{Yard, lines, wait_for};

/// Kills of the engine at random moments, over all runs of the test.
const KILLS: usize = 200;
/// Tasks of each run.
const TASKS: usize = 24;

/// Each task appends its number to a ledger, in one write, so that a second run of it would show.
const LEDGER: &str = "version 1.1\n\
    task t { input { Int i String ledger Float pause } command <<< sleep ~{pause}; echo ~{i} >> '~{ledger}'; echo $((~{i} * ~{i})) >>> output { Int square = read_int(stdout()) File out = stdout() } }\n\
    task sum { input { Array[File] files } command <<< cat ~{sep(' ', files)} | paste -sd+ - >>> output { String sum = read_string(stdout()) } }\n\
    workflow w { input { Int n String ledger Float pause } scatter (i in range(n)) { call t { input: i = i, ledger = ledger, pause = pause } } call sum { input: files = t.out } output { Array[Int] squares = t.square String text = sum.sum } }";

/// A small generator, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts the engine and kills it after `pause`, unless it has ended before. Returns whether it was killed.
fn start_and_kill(yard: &Yard, arguments: &[&str], pause: Duration) -> bool {
    let mut child = yard.start(arguments);
    let deadline = Instant::now() + pause;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}: {}", yard.read("background.err"));
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    kill(&mut child);
    true
}

fn expected() -> Json {
    let squares: Vec<usize> = (0..TASKS).map(|i| i * i).collect();
    let sum = squares.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    json!({ "w.squares": squares, "w.text": sum })
}

fn check_ledger(yard: &Yard, name: &str) {
    let mut counts = BTreeMap::new();
    for line in lines(&yard.path(name)) {
        *counts.entry(line.parse::<usize>().unwrap()).or_insert(0) += 1;
    }
    let all: BTreeMap<usize, i32> = (0..TASKS).map(|i| (i, 1)).collect();
    assert_eq!(counts, all, "every task runs exactly once");
}

#[test]
fn killed_at_random_moments_nothing_is_lost_or_repeated() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_124);
    let mut random = Random(seed);
    let mut kills = 0;
    let mut round = 0;
    while kills < KILLS {
        round += 1;
        let yard = Yard::new();
        yard.write("w.wdl", LEDGER);
        let ledger = format!("ledger={}", yard.path("ledger").display());
        let (n, pause) = (format!("n={TASKS}"), format!("pause=0.0{}", random.below(9)));
        let first = ["run", "w.wdl", "-d", "run", "--no-cache", "--quiet", &n, &ledger, &pause];
        // The first kill comes after the run was accepted: before that there is nothing to resume.
        let mut child = yard.start(&first);
        wait_for("the first task", || yard.path("run/call-t").exists() || child.try_wait().unwrap().is_some());
        thread::sleep(Duration::from_millis(random.below(60)));
        kill(&mut child);
        kills += 1;
        while start_and_kill(&yard, &["resume", "last", "--quiet"], Duration::from_millis(random.below(150))) {
            kills += 1;
        }
        let done = yard.call(&["resume", "last", "--quiet"]);
        assert_eq!(done.code, 0, "seed {seed}, round {round}: {}", done.err);
        let document: Json = serde_json::from_str(&done.out).unwrap();
        assert_eq!(document["outputs"], expected(), "seed {seed}, round {round}");
        check_ledger(&yard, "ledger");
        let show = yard.show("last");
        assert_eq!(show["state"], json!("Succeeded"));
        assert!(show["calls"].as_array().unwrap().iter().all(|c| c["state"] == "Done"), "{show}");
    }
}

/// Places of the engine at which it is killed, with the passages at which that happens.
const PLACES: [(&str, &[u32]); 8] = [
    ("run recorded", &[1]),
    ("prepared", &[1, 7, 25]),
    ("staged", &[1, 2, 13, 25]),
    ("started", &[1, 2, 13, 25]),
    ("command ended", &[1, 2, 13, 25]),
    ("end known", &[1, 2, 13, 25]),
    ("recorded", &[1, 2, 20]),
    ("outputs known", &[1]),
];

#[test]
fn killed_at_planned_places_nothing_is_lost_or_repeated() {
    for (place, passages) in PLACES {
        for passage in passages {
            let yard = Yard::new();
            yard.write("w.wdl", LEDGER);
            let ledger = format!("ledger={}", yard.path("ledger").display());
            let n = format!("n={TASKS}");
            let mut first = yard.command(&["run", "w.wdl", "-d", "run", "--no-cache", "--quiet", &n, &ledger, "pause=0.01"]);
            let killed = first.env("BATCHYARD_CRASH_AT", format!("{place}:{passage}")).output().unwrap();
            assert_eq!(killed.status.signal(), Some(9), "{place}:{passage} was not reached");
            let done = yard.call(&["resume", "last", "--quiet"]);
            assert_eq!(done.code, 0, "{place}:{passage}: {}", done.err);
            let document: Json = serde_json::from_str(&done.out).unwrap();
            assert_eq!(document["outputs"], expected(), "{place}:{passage}");
            check_ledger(&yard, "ledger");
        }
    }
}

#[test]
fn a_running_task_is_adopted_and_not_started_again() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { input { String log } command <<< echo start >> '~{log}'; sleep 2; echo end >> '~{log}' >>> output { Boolean ok = true } }\n\
         workflow w { input { String log } call t { input: log = log } output { Boolean ok = t.ok } }",
    );
    let log = yard.path("log");
    let mut child = yard.start(&["run", "w.wdl", &format!("log={}", log.display())]);
    wait_for("the task", || lines(&log).len() == 1);
    kill(&mut child);
    assert!(yard.call(&["ls"]).out.contains("interrupted"));
    let done = yard.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(lines(&log), ["start", "end"]);
}

#[test]
fn a_task_that_died_with_its_engine_is_run_again() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask t { input { String log } command <<< set -e; mkdir made; echo $$ >> '~{log}'; [ -e '~{log}.go' ] || sleep 300 >>> }\nworkflow w { input { String log } call t { input: log = log } }",
    );
    let log = yard.path("log");
    let mut child = yard.start(&["run", "w.wdl", &format!("log={}", log.display())]);
    wait_for("the task", || lines(&log).len() == 1);
    kill(&mut child);
    // As a machine that lost its power: the task is gone too and has left no status.
    let pid = lines(&log).remove(0);
    let killed = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{pid}")]).status().unwrap();
    assert!(killed.success());
    yard.write("log.go", "");
    let done = yard.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(lines(&log).len(), 2);
}

#[test]
fn a_failed_run_goes_on_after_the_cause_is_mended() {
    let yard = Yard::new();
    yard.write(
        "w.wdl",
        "version 1.1\ntask first { input { String log } command <<< echo first >> '~{log}' >>> output { Boolean ok = true } }\n\
         task second { input { String log Boolean after } command <<< echo second >> '~{log}'; cat '~{log}.mended' >>> output { String text = read_string(stdout()) } }\n\
         workflow w { input { String log } call first { input: log = log } call second { input: log = log, after = first.ok } output { String text = second.text } }",
    );
    let log = yard.path("log");
    let done = yard.call(&["run", "w.wdl", &format!("log={}", log.display())]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("batchyard resume"), "{}", done.err);
    yard.write("log.mended", "now\n");
    let done = yard.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(lines(&log), ["first", "second", "second"]);
    assert!(done.out.contains("\"now\""));
}

#[test]
fn a_resumed_run_uses_the_documents_it_began_with() {
    let yard = Yard::new();
    yard.write(
        "lib.wdl",
        "version 1.0\ntask t { input { String gate } command { cat ~{gate} } output { String s = read_string(stdout()) } }",
    );
    yard.write(
        "w.wdl",
        "version 1.0\nimport \"lib.wdl\" as lib\nworkflow w { input { String gate } call lib.t { input: gate = gate } output { String s = t.s } }",
    );
    let gate = yard.path("gate");
    assert_eq!(yard.call(&["run", "w.wdl", &format!("gate={}", gate.display())]).code, 1);
    fs::remove_file(yard.path("lib.wdl")).unwrap();
    yard.write("w.wdl", "no longer WDL");
    yard.write("gate", "open\n");
    let done = yard.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("\"open\""));
}

#[test]
fn a_killed_engine_leaves_its_signal_as_status() {
    let yard = Yard::new();
    yard.write("w.wdl", "version 1.0\ntask t { command { sleep 1 } }\nworkflow w { call t }");
    let mut child = yard.start(&["run", "w.wdl"]);
    wait_for("the run", || yard.path("home/batchyard.db").exists());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}
