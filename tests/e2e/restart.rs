//! The server is killed while tasks run; the next one goes on and loses nothing.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;

use crate::{
    http::{Server, zipped},
    yard::{Yard, lines, processes_with, wait_for},
};

/// Each task appends its number to a ledger, in one write, so that a second run of it would show.
const LEDGER: &str = "version 1.0\n\
    task t { input { Int i String ledger } command <<< sleep 0.05; echo ~{i} >> '~{ledger}'; echo $((~{i} * 2)) >>> output { Int twice = read_int(stdout()) } runtime { cpu: 0.1 } }\n\
    workflow w { input { Int n String ledger } scatter (i in range(n)) { call t { input: i = i, ledger = ledger } } output { Array[Int] twice = t.twice } }";

#[test]
fn a_thousand_tasks_survive_kills_of_the_server() {
    /// Tasks of each workflow; two, so that one may be waiting or beginning when the other is in the middle.
    const TASKS: [usize; 2] = [600, 400];
    let yard = Yard::new();
    let ledgers = [yard.path("ledger-0"), yard.path("ledger-1")];
    let written = || lines(&ledgers[0]).len() + lines(&ledgers[1]).len();
    let mut server = Server::start(&yard, &["--jobs", "40"]);
    let ids: Vec<String> = (0..2).map(|n| server.submit(LEDGER, &json!({"w.n": TASKS[n], "w.ledger": ledgers[n]}), &[])).collect();
    for part in 1..=8 {
        wait_for("tasks to run", || written() >= part * 100);
        server.kill();
        server = Server::start(&yard, &["--jobs", "40"]);
        assert_ne!(server.status(&ids[0]), "", "an acknowledged workflow is gone");
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(server.wait(id), "Succeeded", "{}", server.about(id, "metadata?includeKey=failures"));
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        lines(&ledgers[n]).iter().for_each(|line| *counts.entry(line.parse().unwrap()).or_default() += 1);
        let again: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
        assert!(again.is_empty() && counts.len() == TASKS[n], "run more than once: {again:?}, of {} tasks {}", TASKS[n], counts.len());
        let twice: Vec<usize> = (0..TASKS[n]).map(|i| i * 2).collect();
        assert_eq!(server.about(id, "outputs")["outputs"]["w.twice"], json!(twice));
        let calls = server.about(id, "metadata?includeKey=executionStatus")["calls"]["w.t"].as_array().unwrap().len();
        assert_eq!(calls, TASKS[n]);
    }
}

#[test]
fn what_was_accepted_survives_at_once() {
    let yard = Yard::new();
    for round in 0..5 {
        let server = Server::start(&yard, &[]);
        let id = server.submit("version 1.0\nworkflow w { output { Int n = 7 } }", &json!({}), &[("labels", br#"{"a": "b"}"#)]);
        server.kill();
        let server = Server::start(&yard, &[]);
        assert_eq!(server.wait(&id), "Succeeded", "round {round}");
        assert_eq!(server.about(&id, "labels")["labels"]["a"], "b");
        server.kill();
    }
}

/// The command line ends one run of a server, which goes on with its others.
#[test]
fn an_abort_by_command_ends_one_run_of_a_server() {
    let yard = Yard::new();
    let server = Server::start(&yard, &["--jobs", "2"]);
    let sleeper = |seconds: u32| {
        format!(
            "version 1.0\ntask t {{ command <<< sleep {seconds} >>> output {{ Int n = 7 }} }}\nworkflow w {{ call t output {{ Int n = t.n }} }}"
        )
    };
    let (ended, other) = (server.submit(&sleeper(300), &json!({}), &[]), server.submit(&sleeper(3), &json!({}), &[]));
    let held = server.submit(&sleeper(300), &json!({}), &[("workflowOnHold", b"true")]);
    wait_for("both to run", || [&ended, &other].iter().all(|id| server.status(id) == "Running"));
    for id in [&ended, &held] {
        let output = yard.command(&["abort", id]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("Aborted"), "{said}");
        assert_eq!(server.status(id), "Aborted");
    }
    assert_eq!(server.wait(&other), "Succeeded");
    assert_eq!(server.about(&other, "outputs")["outputs"]["w.n"], 7);
}

#[test]
fn an_abort_outlives_the_server() {
    let yard = Yard::new();
    let number = yard.unique_number();
    let wdl = format!(
        "version 1.0\nworkflow w {{ input {{ String mark }} call nap {{ input: mark = mark }} }}\n\
         task nap {{ input {{ String mark }} command <<< trap '' TERM; echo started >> '~{{mark}}'; sleep {number} & wait; wait >>> }}"
    );
    let mark = yard.path("mark");
    let server = Server::start(&yard, &[]);
    let id = server.submit(&wdl, &json!({"w.mark": mark}), &[]);
    wait_for("the task to start", || !lines(&mark).is_empty());
    assert_eq!(server.post(&format!("/api/workflows/v1/{id}/abort")).code, 200);
    assert_eq!(server.status(&id), "Aborting");
    server.kill();
    let server = Server::start(&yard, &[]);
    assert_eq!(server.wait(&id), "Aborted");
    wait_for("the task to be gone", || processes_with(&["sleep", &number]) == 0);
    let call = server.about(&id, "metadata")["calls"]["w.nap"][0].clone();
    assert!(call["executionStatus"] == "Aborted" && call["end"].is_string(), "{call}");
    server.terminate();
}

#[test]
fn an_abort_that_was_answered_is_no_failure_after_a_kill() {
    let yard = Yard::new();
    // It ends at once with 143, before or after the server does.
    let wdl = "version 1.0\nworkflow w { input { String mark } call nap { input: mark = mark } }\n\
        task nap { input { String mark } command <<< echo started >> '~{mark}'; exec sleep 1000 >>> }";
    for n in 0..5 {
        let mark = yard.path(&format!("mark{n}"));
        let server = Server::start(&yard, &[]);
        let id = server.submit(wdl, &json!({"w.mark": mark}), &[]);
        wait_for("the task to start", || !lines(&mark).is_empty());
        let answer = server.post(&format!("/api/workflows/v1/{id}/abort"));
        server.kill();
        assert_eq!((answer.code, &answer.json()["status"]), (200, &json!("Aborting")));
        let server = Server::start(&yard, &[]);
        assert_eq!(server.wait(&id), "Aborted", "{}", server.about(&id, "metadata"));
        assert_eq!(server.about(&id, "metadata")["calls"]["w.nap"][0]["executionStatus"], "Aborted");
        server.terminate();
    }
}

#[test]
fn a_sub_workflow_ends_with_the_whole_alone() {
    let yard = Yard::new();
    let wdl = "version 1.0\nimport \"inner.wdl\" as lib\nworkflow w { input { String mark } call lib.inner { input: mark = mark } }";
    let inner = "version 1.0\nworkflow inner { input { String mark } call nap { input: mark = mark } }\n\
        task nap { input { String mark } command <<< while [ ! -e '~{mark}' ]; do sleep 0.05; done >>> }";
    let zip = zipped(&[("inner.wdl", inner.as_bytes())]);
    let server = Server::start(&yard, &[]);
    let mark = yard.path("mark");
    let id = server.submit(wdl, &json!({"w.mark": mark}), &[("workflowDependencies", &zip)]);
    let sub = || server.about(&id, "metadata")["calls"]["w.inner"][0]["subWorkflowId"].as_str().map(str::to_owned);
    wait_for("the sub-workflow", || sub().is_some_and(|sub| server.about(&sub, "metadata")["calls"]["inner.nap"][0]["jobId"].is_string()));
    let sub = sub().unwrap();
    let answer = server.post(&format!("/api/workflows/v1/{sub}/abort"));
    assert_eq!(
        (answer.code, &answer.json()["message"]),
        (404, &json!(format!("Couldn't abort {sub} because no workflow with that ID is in progress")))
    );
    std::fs::write(&mark, "").unwrap();
    assert_eq!(server.wait(&id), "Succeeded", "{}", server.about(&id, "metadata"));
}

#[test]
fn what_has_failed_stays_so_and_nothing_new_begins() {
    let yard = Yard::new();
    let wdl = "version 1.0\nimport \"inner.wdl\" as lib\n\
        workflow w { input { String mark } call lib.inner { input: mark = mark } call long { input: mark = mark }\n\
          call after { input: mark = mark, ready = long.n } }\n\
        task long { input { String mark } command <<< while [ ! -e '~{mark}.go' ]; do sleep 0.05; done; echo 5 >>> output { Int n = read_int(stdout()) } runtime { cpu: 0.1 } }\n\
        task after { input { String mark Int ready } command <<< echo after >> '~{mark}' >>> }";
    let inner = "version 1.0\nworkflow inner { input { String mark } call bad { input: mark = mark } }\n\
        task bad { input { String mark } command <<< echo bad >> '~{mark}'; exit 3 >>> runtime { cpu: 0.1 } }";
    for (mode, ledger) in [("NoNewCalls", vec!["bad"]), ("ContinueWhilePossible", vec!["bad", "after"])] {
        let mark = yard.path(mode);
        let options = json!({"workflow_failure_mode": mode}).to_string();
        let zip = zipped(&[("inner.wdl", inner.as_bytes())]);
        let server = Server::start(&yard, &[]);
        let more: [(&str, &[u8]); 2] = [("workflowOptions", options.as_bytes()), ("workflowDependencies", &zip)];
        let id = server.submit(wdl, &json!({"w.mark": mark}), &more);
        let failed = |server: &Server| server.about(&id, "metadata/failed-jobs").to_string().contains("inner.bad");
        wait_for("the failure and the other task", || {
            failed(&server) && server.about(&id, "metadata")["calls"]["w.long"][0]["executionStatus"] == "Running"
        });
        server.kill();
        let server = Server::start(&yard, &[]);
        assert_eq!(server.status(&id), "Running", "{mode}: something is still going on");
        std::fs::write(yard.path(&format!("{mode}.go")), "").unwrap();
        assert_eq!(server.wait(&id), "Failed");
        assert_eq!(lines(&mark), ledger, "{mode}");
        let metadata = server.about(&id, "metadata?expandSubWorkflows=true");
        assert_eq!(metadata["calls"]["w.long"][0]["executionStatus"], "Done");
        let inner = &metadata["calls"]["w.inner"][0];
        assert_eq!(inner["executionStatus"], "Failed");
        let bad = inner["subWorkflowMetadata"]["calls"]["inner.bad"].as_array().unwrap();
        assert_eq!((bad.len(), &bad[0]["returnCode"]), (1, &json!(3)), "{mode}: {bad:?}");
        for failures in [&metadata["failures"], &inner["subWorkflowMetadata"]["failures"]] {
            let message = failures[0]["causedBy"][0]["message"].as_str().unwrap();
            assert!(message.starts_with("Job inner.bad:NA:1 exited with return code 3"), "{message}");
        }
        server.terminate();
    }
}

#[test]
fn large_inputs_are_whole_again() {
    let yard = Yard::new();
    let go = yard.path("go");
    let wdl = "version 1.0\nimport \"inner.wdl\" as lib\n\
        workflow w { input { String go Array[String] xs Map[String, String] odd } call wait { input: go = go } call lib.inner { input: xs = xs, ready = wait.ready }\n\
          output { Int n = inner.n Map[String, String] same = odd } }\n\
        task wait { input { String go } command <<< while [ ! -e '~{go}' ]; do sleep 0.05; done >>> output { Boolean ready = true } }";
    let inner = "version 1.0\nworkflow inner { input { Array[String] xs Boolean ready } output { Int n = length(xs) } }";
    let inputs = json!({"w.go": go, "w.xs": vec!["x".repeat(100); 300], "w.odd": {"$blob": "0123"}});
    let server = Server::start(&yard, &[]);
    let id = server.submit(wdl, &inputs, &[("workflowDependencies", &zipped(&[("inner.wdl", inner.as_bytes())]))]);
    wait_for("the task to run", || server.about(&id, "metadata")["calls"]["w.wait"][0]["executionStatus"] == "Running");
    server.kill();
    let server = Server::start(&yard, &[]);
    std::fs::write(&go, "").unwrap();
    assert_eq!(server.wait(&id), "Succeeded");
    let metadata = server.about(&id, "metadata?expandSubWorkflows=true");
    assert_eq!(metadata["outputs"], json!({"w.n": 300, "w.same": {"$blob": "0123"}}));
    assert_eq!((&metadata["inputs"]["xs"], &metadata["inputs"]["odd"]), (&inputs["w.xs"], &inputs["w.odd"]));
    let call = &metadata["calls"]["w.inner"][0];
    assert_eq!((&call["inputs"]["xs"], &call["subWorkflowMetadata"]["inputs"]["xs"]), (&inputs["w.xs"], &inputs["w.xs"]));
}

#[test]
fn a_server_that_ends_answers_what_has_begun_and_takes_nothing_new() {
    let yard = Yard::new();
    let mut server = Server::start(&yard, &[]);
    let body = b"--x\r\nContent-Disposition: form-data; name=\"workflowSource\"\r\n\r\nversion 1.0\nworkflow w { }\r\n--x--\r\n";
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let head = "POST /api/workflows/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n";
    write!(stream, "{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    // The request has begun once the server asks for its body.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body[..20]).unwrap();
    let pid = server.child.id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    wait_for("the server to stop listening", || TcpStream::connect(server.base.trim_start_matches("http://")).is_err());
    stream.write_all(&body[20..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("Cromwell service is shutting down."), "{answer}");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn running_tasks_outlive_a_server_that_ends() {
    let yard = Yard::new();
    let mark = yard.path("mark");
    let wdl = "version 1.0\nworkflow w { input { String mark } call nap { input: mark = mark } output { Int n = nap.n } }\n\
        task nap { input { String mark } command <<< echo started >> '~{mark}'; while ! [ -e '~{mark}.go' ]; do sleep 0.05; done; echo 5 >>>\n\
        output { Int n = read_int(stdout()) } }";
    let server = Server::start(&yard, &[]);
    let id = server.submit(wdl, &json!({"w.mark": mark}), &[]);
    wait_for("the task to start", || !lines(&mark).is_empty());
    let job = |server: &Server| server.about(&id, "metadata")["calls"]["w.nap"][0]["jobId"].clone();
    wait_for("its start to be recorded", || job(&server).is_string());
    let before = job(&server);
    server.terminate();
    std::thread::sleep(Duration::from_millis(100));
    let server = Server::start(&yard, &[]);
    wait_for("the next server to find it", || job(&server).is_string());
    let go = yard.path("mark.go");
    std::fs::write(&go, "").unwrap();
    assert_eq!(server.wait(&id), "Succeeded");
    assert_eq!(job(&server), before, "it is the same process");
    assert_eq!(lines(&mark).len(), 1, "the task was run again");
    server.terminate();

    std::fs::remove_file(&go).unwrap();
    let server = Server::start(&yard, &["--abort-on-exit"]);
    // Not the same task, or its result would be taken again.
    let id = server.submit(&wdl.replace("0.05", "0.06"), &json!({"w.mark": mark}), &[]);
    wait_for("the task to start", || lines(&mark).len() == 2);
    server.terminate();
    let server = Server::start(&yard, &[]);
    assert_eq!(server.status(&id), "Aborted");
}
