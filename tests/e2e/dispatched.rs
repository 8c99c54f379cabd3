//! Jobs of schedulers when something goes wrong: the engine is killed, the scheduler refuses, loses, lies, or does not answer.

use std::{
    collections::BTreeMap,
    fs,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cluster::{Cluster, SGE},
    yard::{lines, wait_for},
};

/// Kills of the engine at random moments.
const KILLS: usize = 24;
const TASKS: usize = 10;

const LEDGER: &str = "version 1.1\n\
    task t { input { Int i String ledger String act = \"true\" } command <<< echo ~{i} >> '~{ledger}'; ~{act}; echo $((~{i} * ~{i})) >>>\n\
      output { Int square = read_int(stdout()) } runtime { maxRetries: 1 } }\n\
    workflow w { input { Int n = 1 String ledger String act = \"true\" } scatter (i in range(n)) { call t { input: i = i, ledger = ledger, act = act } } output { Array[Int] squares = t.square } }";

fn cluster(more: &str) -> (Cluster, String) {
    let cluster = Cluster::new(&format!("default_provider = \"SGE\"\n[local]\ncores = 1\ngrace_seconds = 1\n{SGE}{more}"));
    cluster.yard.write("w.wdl", LEDGER);
    let ledger = format!("ledger={}", cluster.yard.path("ledger").display());
    (cluster, ledger)
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn ledger(cluster: &Cluster) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for line in lines(&cluster.yard.path("ledger")) {
        *counts.entry(line.parse().unwrap()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn the_engine_is_killed_at_any_moment_and_no_job_is_lost_or_doubled() {
    let (mut kills, mut round) = (0, 0u64);
    while kills < KILLS {
        round += 1;
        let (cluster, ledger_input) = cluster("");
        let n = format!("n={TASKS}");
        let mut child = cluster.start(&["run", "w.wdl", "-d", "run", "--no-cache", "--quiet", &n, &ledger_input, "act=sleep 0.3"]);
        wait_for("the first submission", || !cluster.calls("qsub").is_empty() || child.try_wait().unwrap().is_some());
        thread::sleep(Duration::from_millis(round * 37 % 200));
        kill(&mut child);
        kills += 1;
        for pause in 0..6u64 {
            let mut again = cluster.start(&["resume", "last", "--quiet"]);
            let deadline = Instant::now() + Duration::from_millis(20 + (round * 53 + pause * 71) % 300);
            while Instant::now() < deadline && again.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(2));
            }
            if again.try_wait().unwrap().is_some() {
                break;
            }
            kill(&mut again);
            kills += 1;
        }
        let done = cluster.call(&["resume", "last", "--quiet"]);
        assert_eq!(done.code, 0, "round {round}: {}", done.err);
        let document: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let squares: Vec<usize> = (0..TASKS).map(|i| i * i).collect();
        assert_eq!(document["outputs"]["w.squares"], json!(squares), "round {round}");
        assert_eq!(ledger(&cluster), (0..TASKS).map(|i| (i, 1)).collect(), "round {round}: every task runs exactly once");
    }
}

#[test]
fn an_abort_ends_all_jobs() {
    let (cluster, ledger_input) = cluster("");
    let mut run = cluster.start(&["run", "w.wdl", "-d", "run", "n=5", &ledger_input, "act=sleep 300"]);
    wait_for("the jobs", || cluster.living() == 5 && ledger(&cluster).len() == 5);
    let abort = cluster.call(&["abort", "last"]);
    assert_eq!((abort.code, run.wait().unwrap().code()), (0, Some(130)), "{}", abort.err);
    assert_eq!(cluster.living(), 0);
    assert!(cluster.calls("qdel").len() >= 5);
    assert_eq!(cluster.yard.read("run/call-t/shard-3/execution/rc"), "143\n");
    let show = cluster.yard.show("last");
    assert!(show["state"] == "Aborted" && show["calls"].as_array().unwrap().iter().all(|call| call["state"] == "Aborted"), "{show}");
}

#[test]
fn an_abort_without_an_engine_ends_all_jobs() {
    let (cluster, ledger_input) = cluster("");
    let mut run = cluster.start(&["run", "w.wdl", "-d", "run", "n=4", &ledger_input, "act=sleep 300"]);
    wait_for("the jobs", || cluster.living() == 4 && ledger(&cluster).len() == 4);
    let has_kill = |i: usize| cluster.yard.path(&format!("run/call-t/shard-{i}/execution/script.kill")).exists();
    wait_for("the ids", || (0..4).all(has_kill));
    kill(&mut run);
    assert_eq!(cluster.living(), 4, "jobs outlive the engine");
    let abort = cluster.call(&["abort", "last"]);
    assert!(abort.code == 0 && abort.err.contains("4 of its tasks"), "{}", abort.err);
    wait_for("the end of the jobs", || cluster.living() == 0);
}

#[test]
fn a_lost_job_is_noticed_and_tried_again() {
    let (cluster, ledger_input) = cluster("");
    cluster.switch("lose", "");
    let done = cluster.call(&["run", "w.wdl", "-d", "run", &ledger_input, "act=sleep 1"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("is gone") && done.err.contains("`check-alive`"), "{}", done.err);
    assert_eq!(cluster.yard.read("run/call-t/shard-0/execution/rc"), "79\n");
    assert!(cluster.yard.path("run/call-t/shard-0/attempt-2/execution/rc").exists());
    assert_eq!(cluster.yard.show("last")["calls"][0]["exit_code"], json!(79));
}

#[test]
fn a_job_that_was_lost_while_no_engine_looked_is_started_again() {
    let (cluster, ledger_input) = cluster("");
    let go = cluster.yard.path("go");
    let command = format!("act=[ -e '{}' ] || sleep 300", go.display());
    let mut run = cluster.start(&["run", "w.wdl", "-d", "run", &ledger_input, &command]);
    wait_for("the job", || cluster.living() == 1 && cluster.yard.path("run/call-t/shard-0/execution/job_id").exists());
    wait_for("its start", || ledger(&cluster).len() == 1);
    kill(&mut run);
    let pid = fs::read_to_string(cluster.yard.path("bin/jobs/100/pid")).unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{}", pid.trim())]).status().unwrap();
    assert!(killed.success());
    cluster.yard.write("go", "");
    let done = cluster.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.err.contains("Unable to determine that 100 is alive, and ") && done.err.contains("/execution/rc does not exist."),
        "{}",
        done.err
    );
    assert_eq!((cluster.calls("qsub").len(), ledger(&cluster)), (2, BTreeMap::from([(0, 2)])));
}

#[test]
fn a_job_that_ended_while_no_engine_looked_is_taken() {
    let (cluster, ledger_input) = cluster("");
    let mut run = cluster.start(&["run", "w.wdl", "-d", "run", "n=3", &ledger_input, "act=sleep 1"]);
    wait_for("the jobs", || cluster.calls("qsub").len() == 3 && ledger(&cluster).len() == 3);
    kill(&mut run);
    wait_for("the ends", || (0..3).all(|i| cluster.yard.path(&format!("run/call-t/shard-{i}/execution/rc")).exists()));
    let done = cluster.call(&["resume", "last"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(cluster.calls("qsub").len(), 3);
}

#[test]
fn a_scheduler_that_does_not_answer_or_lies_is_seen_through() {
    let (cluster, ledger_input) = cluster("");
    cluster.switch("deaf", "");
    let done = cluster.call(&["run", "w.wdl", &ledger_input, "act=sleep 4"]);
    assert_eq!(done.code, 0, "a job is not lost because nobody can ask for it: {}", done.err);
    assert!(cluster.calls("qstat").len() >= 2);
    fs::remove_file(cluster.yard.path("bin/deaf")).unwrap();
    // It gives an id and never starts the job.
    cluster.switch("lie", "");
    let done = cluster.call(&["run", "w.wdl", "--no-cache", &ledger_input]);
    assert!(done.code == 1 && done.err.contains("is gone"), "{}", done.err);
    assert_eq!(cluster.calls("qsub").len(), 3, "one try more, as `maxRetries` says");
}

#[test]
fn refusals_for_the_moment_are_waited_out_and_others_are_told() {
    let (cluster, ledger_input) = cluster("");
    cluster.switch("refuse", "4\nUnable to run job: job rejected: only 10 jobs are allowed per user (current job count: 10).\n");
    let began = Instant::now();
    let done = cluster.call(&["run", "w.wdl", "n=3", &ledger_input]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(began.elapsed() >= Duration::from_secs(3) && ledger(&cluster).len() == 3);
    cluster.switch("refuse", "9\nUnable to run job: unknown queue \"long.q\".\n");
    let done = cluster.call(&["run", "w.wdl", "-d", "run", "--no-cache", &ledger_input]);
    let path = fs::canonicalize(cluster.yard.path("run")).unwrap().join("call-t/shard-0/execution/stderr.submit");
    let told = format!("Unable to start job. Check the stderr file for possible errors: {}", path.display());
    assert!(done.code == 1 && done.err.contains(&told) && done.err.contains("unknown queue"), "{}", done.err);
}

#[test]
fn jobs_elsewhere_do_not_count_here_but_keep_to_their_limit() {
    let most = |more: &str, tasks: usize| {
        let (cluster, ledger_input) = cluster(more);
        let n = format!("n={tasks}");
        let mut run = cluster.start(&["run", "w.wdl", "--jobs", "1", "--quiet", &n, &ledger_input, "act=sleep 1"]);
        let mut most = 0;
        while run.try_wait().unwrap().is_none() {
            most = most.max(cluster.living());
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(ledger(&cluster).len(), tasks, "{}", cluster.yard.read("background.err"));
        most
    };
    assert_eq!(most("", 6), 6, "one core and `--jobs 1` are for tasks on this machine");
    assert_eq!(most("concurrent-job-limit = 2\n", 6), 2);
    assert_eq!(most("concurrent-job-limit = 4\nhog-factor = 2\n", 4), 2, "a run without a group is one of its own");
}

#[test]
fn many_waiting_jobs_need_no_thread_of_their_own() {
    let (cluster, ledger_input) = cluster("");
    // Jobs that nobody starts, until the folder says that they are done.
    cluster.switch("lie", "");
    let patient = SGE.replace("exit-code-timeout-seconds = 1", "exit-code-timeout-seconds = 600");
    cluster.configure(&format!("default_provider = \"SGE\"\n{patient}"));
    let mut run = cluster.start(&["run", "w.wdl", "-d", "run", "--quiet", "n=300", &ledger_input]);
    let attempt = |i: usize| cluster.yard.path(&format!("run/call-t/shard-{i}/execution"));
    wait_for("all submissions", || (0..300).all(|i| attempt(i).join("script.kill").exists()));
    let status = fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
    let threads: usize = status.lines().find_map(|l| l.strip_prefix("Threads:")).unwrap().trim().parse().unwrap();
    assert!(threads < 40, "{threads} threads");
    for i in 0..300 {
        fs::write(attempt(i).join("stdout"), format!("{}\n", i * i)).unwrap();
        fs::write(attempt(i).join("rc"), "0\n").unwrap();
    }
    assert!(run.wait().unwrap().success(), "{}", cluster.yard.read("background.err"));
}

#[test]
fn memory_grows_with_each_attempt_that_ran_out_of_it() {
    let (cluster, _) = cluster("");
    cluster.yard.write(
        "m.wdl",
        "version 1.0\ntask t { input { String flag } command <<< [ -e '~{flag}' ] || { touch '~{flag}'; echo 'slurmstepd: error: Detected 1 oom-kill event' >&2; exit 1; } >>>\n\
         output { Boolean ok = true } runtime { memory: \"2 GB\" maxRetries: 1 } }\nworkflow w { input { String flag } call t { input: flag = flag } }",
    );
    cluster.yard.write("o.json", "{\"memory_retry_multiplier\": 1.5}");
    let done = cluster.call(&["run", "m.wdl", "-o", "o.json", &format!("flag={}", cluster.yard.path("flag").display())]);
    assert_eq!(done.code, 0, "{}", done.err);
    let asked: Vec<bool> =
        cluster.calls("qsub").iter().zip(["mem_free=2.0g", "mem_free=3.0g"]).map(|(call, asked)| call.contains(asked)).collect();
    assert_eq!(asked, [true, true], "{:?}", cluster.calls("qsub"));
}

#[test]
fn a_background_provider_keeps_to_its_limit_and_to_this_machine() {
    let most = |more: &str| {
        let (cluster, ledger_input) = cluster("");
        let stanza = "[[providers]]\nname = \"Shell\"\nrun-in-background = true\nscript-epilogue = \"\"\nsubmit = \"\"\"echo up >> ../../../../ups\n\
                      ${job_shell} ${script}\necho down >> ../../../../ups\"\"\"\n";
        cluster.configure(&format!("default_provider = \"Shell\"\n[local]\ncores = 3\n{stanza}{more}"));
        let done = cluster.call(&["run", "w.wdl", "-d", "run", "--quiet", "n=6", &ledger_input, "act=sleep 0.3"]);
        assert_eq!((done.code, ledger(&cluster).len()), (0, 6), "{}", done.err);
        let (mut up, mut most) = (0i32, 0);
        for line in lines(&cluster.yard.path("ups")) {
            up += if line == "up" { 1 } else { -1 };
            most = most.max(up);
        }
        most
    };
    assert_eq!(most(""), 3, "as many as there are cores");
    assert_eq!(most("concurrent-job-limit = 2\n"), 2);
}
