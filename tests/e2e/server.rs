//! The server's interface, asked as clients of the original ask it.

use std::fs;

use serde_json::{Value as Json, json};

use crate::{
    http::{Server, problem, zipped},
    yard::{Yard, lines, wait_for},
};

const HELLO: &str = "version 1.0\n\
    workflow wf { input { String who Int n = 3 } scatter (i in range(n)) { call greet { input: who = who, i = i } } call count { input: files = greet.out }\n\
      output { Array[File] greetings = greet.out Int total = count.n } }\n\
    task greet { input { String who Int i } command <<< echo \"hello ~{who} ~{i}\" >>> output { File out = stdout() } }\n\
    task count { input { Array[File] files } command <<< cat ~{sep=' ' files} | wc -l >>> output { Int n = read_int(stdout()) } }\n";

const SLEEP: &str = "version 1.0\n\
    workflow w { input { String mark } call nap { input: mark = mark } }\n\
    task nap { input { String mark } command <<< echo started >> '~{mark}'; sleep 60 >>> }\n";

#[test]
fn the_life_of_a_workflow() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(HELLO, &json!({"wf.who": "Ada"}), &[("labels", br#"{"lab": "x"}"#)]);

    let outputs = server.about(&id, "outputs");
    assert_eq!((&outputs["id"], &outputs["outputs"]["wf.total"]), (&json!(id), &json!(3)));
    assert_eq!(fs::read_to_string(outputs["outputs"]["wf.greetings"][1].as_str().unwrap()).unwrap(), "hello Ada 1\n");

    let metadata = server.about(&id, "metadata");
    assert_eq!(metadata["workflowName"], "wf");
    assert_eq!(metadata["inputs"], json!({"who": "Ada", "n": 3}));
    assert_eq!(metadata["actualWorkflowLanguageVersion"], "1.0");
    assert_eq!(metadata["submittedFiles"]["workflow"], HELLO);
    assert_eq!(metadata["submittedFiles"]["inputs"], r#"{"wf.who":"Ada"}"#);
    assert_eq!(metadata["labels"], json!({"lab": "x", "cromwell-workflow-id": format!("cromwell-{id}")}));
    assert_eq!(metadata["workflowProcessingEvents"][1]["description"], "Finished");
    let greets = metadata["calls"]["wf.greet"].as_array().unwrap();
    assert_eq!(greets.iter().map(|call| call["shardIndex"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    let call = &greets[2];
    assert_eq!((&call["executionStatus"], &call["attempt"], &call["returnCode"]), (&json!("Done"), &json!(1), &json!(0)));
    assert_eq!((&call["backend"], &call["inputs"]), (&json!("Local"), &json!({"who": "Ada", "i": 2})));
    assert_eq!(call["commandLine"], "echo \"hello Ada 2\"");
    assert_eq!(call["runtimeAttributes"], json!({"failOnStderr": "false", "continueOnReturnCode": "0", "maxRetries": "0", "cpu": "1"}));
    assert_eq!(call["callCaching"]["effectiveCallCachingMode"], "ReadAndWriteCache");
    assert_eq!(call["callCaching"]["hashes"]["runtime attribute"]["failOnStderr"], "68934A3E9455FA72420237EB05902327");
    assert_eq!(fs::read_to_string(call["stdout"].as_str().unwrap()).unwrap(), "hello Ada 2\n");
    let events: Vec<&str> =
        call["executionEvents"].as_array().unwrap().iter().map(|event| event["description"].as_str().unwrap()).collect();
    assert_eq!(events, ["PreparingJob", "RequestingExecutionToken", "RunningJob", "UpdatingJobStore"]);
    assert_eq!(metadata["calls"]["wf.count"][0]["shardIndex"], -1);

    let logs = server.about(&id, "logs");
    assert_eq!(logs["calls"]["wf.greet"][2], json!({"stdout": call["stdout"], "stderr": call["stderr"], "attempt": 1, "shardIndex": 2}));
    assert_eq!(server.about(&id, "metadata/failed-jobs"), json!({ id.clone(): {"calls": {}, "id": id} }));
    let page = server.get(&format!("/api/workflows/v1/{id}/timing"));
    assert!(page.header("content-type").unwrap().starts_with("text/html") && page.text.contains("RunningJob"));
    server.terminate();
}

#[test]
fn metadata_shows_what_is_asked_for() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(HELLO, &json!({"wf.who": "Ada"}), &[]);
    let keys = |value: &Json| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let of = |query: &str| server.about(&id, &format!("metadata?{query}"));

    assert_eq!(keys(&of("includeKey=status&excludeKey=calls")), ["id", "status"]);
    let narrow = of("includeKey=executionStatus&includeKey=status");
    assert_eq!(keys(&narrow["calls"]["wf.count"][0]), ["executionStatus", "shardIndex", "attempt"]);
    let hits = of("includeKey=callCaching:hit");
    assert_eq!(hits["calls"]["wf.count"][0]["callCaching"], json!({"hit": false}));
    let without = of("excludeKey=callCaching&excludeKey=submittedFiles");
    assert!(without["calls"]["wf.count"][0].get("callCaching").is_none() && without.get("submittedFiles").is_none());
    assert!(without["calls"]["wf.count"][0].get("stdout").is_some());
    let bad = server.get(&format!("/api/workflows/v1/{id}/metadata?expandSubWorkflows=perhaps"));
    assert_eq!(bad.code, 400);
}

#[test]
fn calls_that_wait_are_shown() {
    let yard = Yard::new();
    let server = Server::start(&yard, &["--jobs", "1"]);
    let mark = yard.path("mark");
    let wdl = "version 1.0\nworkflow w { input { String mark } scatter (i in [0, 1, 2]) { call nap { input: mark = mark, i = i } } }\n\
        task nap { input { String mark Int i } command <<< echo ~{i} >> '~{mark}'; sleep 30 >>> }";
    let id = server.submit(wdl, &json!({"w.mark": mark}), &[]);
    wait_for("the first task", || !lines(&mark).is_empty());
    let mut states = Vec::new();
    wait_for("the first call to be recorded", || {
        let calls = server.about(&id, "metadata?includeKey=executionStatus")["calls"]["w.nap"].clone();
        states = calls.as_array().unwrap().iter().map(|call| call["executionStatus"].as_str().unwrap().to_owned()).collect();
        states.iter().any(|state| state == "Running")
    });
    states.sort();
    assert_eq!(states, ["QueuedInCromwell", "QueuedInCromwell", "Running"]);
    server.post(&format!("/api/workflows/v1/{id}/abort"));
    assert_eq!(server.wait(&id), "Aborted");
}

#[test]
fn sub_workflows_are_workflows() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let main = "version 1.0\nimport \"lib/sub.wdl\" as lib\nworkflow outer { scatter (i in [1, 2]) { call lib.inner { input: i = i } } output { Array[Int] n = inner.n } }";
    let sub = "version 1.0\nimport \"../task.wdl\" as t\nworkflow inner { input { Int i } call t.twice { input: i = i } output { Int n = twice.n } }";
    let task = "version 1.0\ntask twice { input { Int i } command <<< echo $((2 * ~{i})) >>> output { Int n = read_int(stdout()) } }";
    let zip = zipped(&[("lib/sub.wdl", sub.as_bytes()), ("task.wdl", task.as_bytes())]);
    let id = server.run(main, &json!({}), &[("workflowDependencies", &zip)]);
    assert_eq!(server.about(&id, "outputs")["outputs"], json!({"outer.n": [2, 4]}));

    let metadata = server.about(&id, "metadata");
    assert_eq!(metadata["submittedFiles"]["imports"]["task.wdl"], task);
    let call = &metadata["calls"]["outer.inner"][1];
    let child = call["subWorkflowId"].as_str().unwrap();
    assert!(call.get("stdout").is_none() && call["outputs"] == json!({"n": 4}));
    let inner = server.about(child, "metadata");
    assert_eq!((&inner["parentWorkflowId"], &inner["rootWorkflowId"]), (&json!(id), &json!(id)));
    assert_eq!(inner["calls"]["inner.twice"][0]["executionStatus"], "Done");
    let expanded = server.about(&id, "metadata?expandSubWorkflows=true");
    assert_eq!(expanded["calls"]["outer.inner"][1]["subWorkflowMetadata"]["calls"]["inner.twice"][0]["outputs"], json!({"n": 4}));
    assert_eq!(server.query("includeSubworkflows=false")["totalResultsCount"], 1);
    assert_eq!(server.query("name=inner")["results"][0]["rootWorkflowId"], json!(id));
}

#[test]
fn submissions_are_checked() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let submit = |parts: &[(&str, &[u8])]| server.form("/api/workflows/v1", parts);

    let answer = submit(&[("nonsense", b"x")]);
    assert_eq!(answer.code, 400);
    let expected = "Error(s): Unexpected body part name: nonsense\nworkflowSource or workflowUrl needs to be supplied";
    assert_eq!(answer.json(), problem("fail", expected));
    // The spelling of the body is what the original prints.
    assert!(answer.text.starts_with("{\n  \"status\": \"fail\",\n  \"message\": \""), "{}", answer.text);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowInputs", b"{\"a\": ")]).code, 400);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowInputs", b"\xff\xfe")]).code, 400);
    assert_eq!(submit(&[("workflowSource", b"x"), ("labels", b"{\"a\": 1}")]).code, 400);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowOptions", b"[]")]).code, 400);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowInputs", b"[{}, {}]")]).code, 400);
    let deep = "[".repeat(100_000);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowInputs", deep.as_bytes())]).code, 400);
    let outside = zipped(&[("../evil.wdl", b"x")]);
    let answer = submit(&[("workflowSource", b"x"), ("workflowDependencies", &outside)]);
    assert!(answer.code == 400 && answer.text.contains("outside"), "{}", answer.text);
    let bomb = zipped(&[("bomb", &vec![0; 70 << 20])]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(submit(&[("workflowSource", b"x"), ("workflowDependencies", &bomb)]).code, 400);
    assert_eq!(server.form("/api/workflows/v1/batch", &[("workflowSource", b"x")]).json(), problem("fail", "No inputs were provided"));

    for (kind, body) in [
        (None, &b"plain"[..]),
        (Some("application/json"), b"{}"),
        (Some("multipart/form-data"), b"--x"),
        (Some("multipart/form-data; boundary=x"), b"--x\r\nContent-Disposition: form-data; name=\"workflowSource\"\r\n\r\nhalf"),
        (Some("multipart/form-data; boundary=x"), b"--x\r\n\xff\xff: y\r\n\r\n\r\n--x--"),
    ] {
        let answer = server.send("POST", "/api/workflows/v1", kind, body);
        assert!((400..500).contains(&answer.code), "{kind:?}: {answer:?}");
        assert_eq!(answer.json()["status"], "fail");
    }
    assert_eq!(server.query("")["totalResultsCount"], 0);

    // What cannot be understood is accepted, and fails.
    let id = server.submit("this is no WDL", &json!({}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    let failures = server.about(&id, "metadata")["failures"].clone();
    assert_eq!(failures[0]["message"], "Workflow input processing failed");
    let id = server.submit(HELLO, &json!({"wf.n": "many"}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    let causes = server.about(&id, "metadata")["failures"][0]["causedBy"].clone();
    let told: Vec<&str> = causes.as_array().unwrap().iter().map(|cause| cause["message"].as_str().unwrap()).collect();
    assert!(told.iter().any(|text| text.contains("Required workflow input 'wf.who' not specified")), "{told:?}");
    assert!(told.iter().any(|text| text.contains("wf.n")), "{told:?}");
    let language = server.submit(HELLO, &json!({}), &[("workflowType", b"CWL")]);
    assert_eq!(server.wait(&language), "Failed");
}

#[test]
fn many_at_once_with_ids_of_their_own() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let ids = ["11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"];
    let requested = json!(ids).to_string();
    let parts: [(&str, &[u8]); 4] = [
        ("workflowSource", HELLO.as_bytes()),
        ("workflowInputs", br#"[{"wf.who": "a"}, {"wf.who": "b"}]"#),
        ("workflowInputs_1", br#"{"wf.n": 1}"#),
        ("requestedWorkflowId", requested.as_bytes()),
    ];
    let answer = server.form("/api/workflows/v1/batch", &parts);
    assert_eq!(answer.code, 201, "{}", answer.text);
    assert_eq!(answer.json(), json!([{"id": ids[0], "status": "Submitted"}, {"id": ids[1], "status": "Submitted"}]));
    assert_eq!(server.wait(ids[1]), "Succeeded");
    assert_eq!(server.about(ids[1], "outputs")["outputs"]["wf.total"], 1);
    let again = server.form("/api/workflows/v1/batch", &parts);
    assert_eq!(again.code, 400);
    assert!(again.json()["message"].as_str().unwrap().starts_with("Requested workflow IDs are already in use: "));
}

#[test]
fn ids_that_lead_nowhere() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let unknown = "11111111-2222-4333-8444-555555555555";
    for what in ["status", "outputs", "logs", "metadata", "labels", "timing", "metadata/failed-jobs", "cost"] {
        let answer = server.get(&format!("/api/workflows/v1/{unknown}/{what}"));
        assert_eq!((answer.code, answer.json()), (404, problem("fail", &format!("Unrecognized workflow ID: {unknown}"))), "{what}");
        let answer = server.get(&format!("/api/workflows/v1/abc/{what}"));
        assert_eq!((answer.code, answer.json()), (400, problem("fail", "Invalid workflow ID: 'abc'.")), "{what}");
    }
    let abort = server.post(&format!("/api/workflows/v1/{unknown}/abort"));
    assert_eq!((abort.code, &abort.json()["status"]), (404, &json!("error")));
    assert!(abort.text.contains(unknown));
    assert_eq!(server.send("PATCH", "/api/workflows/v1/abc/labels", Some("application/json"), b"{}").code, 500);
    assert_eq!(server.get("/api/nothing/here").code, 404);
    assert_eq!(server.get("/api/workflows/v1").code, 405);
}

#[test]
fn hold_release_abort() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let held = server.submit(HELLO, &json!({"wf.who": "x"}), &[("workflowOnHold", b"true")]);
    assert_eq!(server.status(&held), "On Hold");
    let released = server.post(&format!("/api/workflows/v1/{held}/releaseHold"));
    assert_eq!(released.json(), json!({"id": held, "status": "Submitted"}));
    assert_eq!(server.wait(&held), "Succeeded");
    assert_eq!(server.post(&format!("/api/workflows/v1/{held}/releaseHold")).code, 403);

    let other = server.submit(HELLO, &json!({"wf.who": "x"}), &[("workflowOnHold", b"true")]);
    assert_eq!(server.post(&format!("/api/workflows/v1/{other}/abort")).json(), json!({"id": other, "status": "Aborted"}));
    assert_eq!(server.status(&other), "Aborted");

    let mark = yard.path("mark");
    let id = server.submit(SLEEP, &json!({"w.mark": mark}), &[]);
    wait_for("the task to start", || !lines(&mark).is_empty());
    let answer = server.post(&format!("/api/workflows/v1/{id}/abort"));
    assert!(answer.code == 200 && answer.json()["status"] == "Aborting", "{answer:?}");
    // A second one finds it going on or over.
    assert!([200, 404].contains(&server.post(&format!("/api/workflows/v1/{id}/abort")).code));
    assert_eq!(server.wait(&id), "Aborted");
    assert_eq!(server.about(&id, "metadata")["calls"]["w.nap"][0]["executionStatus"], "Aborted");
    let late = server.post(&format!("/api/workflows/v1/{id}/abort"));
    assert_eq!((late.code, &late.json()["status"]), (404, &json!("error")));
}

/// While runs last, those that wait for a turn all begin.
#[test]
fn a_hundred_runs_that_last_all_go_on() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let go = yard.path("go");
    let wdl = "version 1.0\nworkflow w { input { String go } call t { input: go = go } }\n\
        task t { input { String go } command <<< while [ ! -e ~{go} ]; do sleep 0.05; done >>> }";
    let ids: Vec<String> = (0..100).map(|_| server.submit(wdl, &json!({"w.go": go}), &[])).collect();
    let count = |state: &str| server.query(&format!("status={state}&status=Aborting&pageSize=1"))["totalResultsCount"].clone();
    wait_for("all to go on", || count("Running") == json!(100));
    fs::write(&go, "").unwrap();
    wait_for("all to end", || count("Succeeded") == json!(100));
    assert_eq!(server.query("status=Running&status=Succeeded&pageSize=1")["results"][0]["id"], json!(ids[99]), "the newest comes first");
}

#[test]
fn labels_and_queries() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let task = |n: u32| format!("version 1.0\nworkflow w{n} {{ }}");
    let ids: Vec<String> = (0..4)
        .map(|n| server.run(&task(n % 2), &json!({}), &[("labels", format!("{{\"n\": \"{n}\", \"all\": \"yes\"}}").as_bytes())]))
        .collect();
    let patch =
        |id: &str, body: &str| server.send("PATCH", &format!("/api/workflows/v1/{id}/labels"), Some("application/json"), body.as_bytes());
    let answer = patch(&ids[0], r#"{"n": "zero", "new": ""}"#);
    assert_eq!(answer.code, 200);
    let expected = json!({"all": "yes", "n": "zero", "new": "", "cromwell-workflow-id": format!("cromwell-{}", ids[0])});
    assert_eq!(answer.json(), json!({"id": ids[0], "labels": expected}));
    assert_eq!(server.about(&ids[0], "labels")["labels"], expected);
    assert_eq!(patch(&ids[0], &json!({"x": "y".repeat(256)}).to_string()).code, 400);

    let found = |query: &str| {
        let answer = server.query(query);
        answer["results"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let reversed: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(found(""), reversed);
    assert_eq!(found("newestFirst=false"), ids);
    assert_eq!(found("name=w1"), [ids[3].clone(), ids[1].clone()]);
    assert_eq!(found("label=n%3Azero&label=all%3Ayes"), [ids[0].clone()]);
    assert_eq!(found("labelor=n%3A1&labelor=n%3A2"), [ids[2].clone(), ids[1].clone()]);
    assert_eq!(found("excludeLabelOr=n%3A1&excludeLabelOr=n%3A2"), [ids[3].clone(), ids[0].clone()]);
    assert_eq!(found("status=Failed"), Vec::<String>::new());
    assert_eq!(found(&format!("id={}&id={}", ids[1], ids[2])).len(), 2);
    let page = server.query("pageSize=3&page=2");
    assert_eq!((page["results"].as_array().unwrap().len(), &page["totalResultsCount"]), (1, &json!(4)));
    let result = &server.query(&format!("id={}", ids[2]))["results"][0];
    assert_eq!(
        (&result["name"], &result["status"], &result["metadataArchiveStatus"]),
        (&json!("w0"), &json!("Succeeded"), &json!("Unarchived"))
    );
    assert_eq!(result["labels"]["n"], "2");

    let posted = server.send("POST", "/api/workflows/v1/query", Some("application/json"), br#"[{"name": "w1"}, {"pageSize": "1"}]"#);
    assert_eq!(posted.json()["results"][0]["id"], json!(ids[3]));
    let wrong = server.get("/api/workflows/v1/query?Colour=red&page=x");
    assert_eq!(wrong.code, 400);
    assert!(wrong.json()["message"].as_str().unwrap().contains("Unrecognized query keys: Colour"));
    assert_eq!(server.send("POST", "/api/workflows/v1/query", Some("application/json"), b"{").code, 400);
}

#[test]
fn results_are_taken_again_and_compared() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let first = server.run(HELLO, &json!({"wf.who": "Ada"}), &[]);
    let second = server.run(HELLO, &json!({"wf.who": "Ada"}), &[]);
    let call = &server.about(&second, "metadata")["calls"]["wf.greet"][1];
    assert_eq!(call["callCaching"]["hit"], true);
    assert_eq!(call["callCaching"]["result"], format!("Cache Hit: {first}:wf.greet:1"));
    assert_eq!(fs::read_to_string(call["stdout"].as_str().unwrap()).unwrap(), "hello Ada 1\n");
    assert_eq!(call["commandLine"], "echo \"hello Ada 1\"");

    let third = server.run(HELLO, &json!({"wf.who": "Bob"}), &[("workflowOptions", br#"{"read_from_cache": false}"#)]);
    let diff = |a: &str, b: &str| {
        server
            .get(&format!("/api/workflows/v1/callcaching/diff?workflowA={a}&callA=wf.greet&indexA=1&workflowB={b}&callB=wf.greet&indexB=2"))
    };
    let answer = diff(&first, &third);
    assert_eq!(answer.code, 200, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(
        answer["callB"],
        json!({"executionStatus": "Done", "allowResultReuse": true, "callFqn": "wf.greet", "jobIndex": 2, "workflowId": third})
    );
    let keys: Vec<&str> = answer["hashDifferential"].as_array().unwrap().iter().map(|d| d["hashKey"].as_str().unwrap()).collect();
    assert_eq!(keys, ["input:Int i", "input:String who"]);
    let why = server.about(&third, "why?call=wf.greet&index=2")["calls"][0].clone();
    assert_eq!((&why["call"], &why["differences"][0]["part"]), (&json!("wf.greet[2]"), &json!("input who")));
    // Not a shard beside it, and not the one that was itself taken from the first run.
    assert_eq!(why["nearest"], format!("greet[2] of run {first}"));
    assert_eq!(server.get("/api/workflows/v1/callcaching/diff?callA=x").code, 400);
    assert_eq!(diff(&first, "11111111-2222-4333-8444-555555555555").code, 500);
    assert_eq!(server.about(&third, "metadata")["calls"]["wf.greet"][1]["callCaching"]["effectiveCallCachingMode"], "WriteCache");
}

#[test]
fn options_move_files() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\n\
        workflow w { call a call b { input: f = a.f } output { File g = b.g } }\n\
        task a { command <<< echo one > f.txt; echo said >>> output { File f = \"f.txt\" } }\n\
        task b { input { File f } command <<< cat ~{f} > g.txt >>> output { File g = \"g.txt\" } }";
    let options = json!({
        "final_workflow_outputs_dir": yard.path("final"), "use_relative_output_paths": true, "final_workflow_outputs_dir_metadata": "destination",
        "final_call_logs_dir": yard.path("calls"), "final_workflow_log_dir": yard.path("logs"), "delete_intermediate_output_files": true,
        "google_project": "x",
    });
    let id = server.run(wdl, &json!({}), &[("workflowOptions", options.to_string().as_bytes())]);
    let shown = server.about(&id, "outputs")["outputs"]["w.g"].as_str().unwrap().to_owned();
    assert_eq!(shown, yard.path("final/g.txt").to_string_lossy());
    assert_eq!(fs::read_to_string(shown).unwrap(), "one\n");
    assert_eq!(yard.read(&format!("calls/w/{id}/call-a/execution/stdout")), "said\n");
    let metadata = server.about(&id, "metadata");
    wait_for("the log to be copied", || yard.path(&format!("logs/workflow.{id}.log")).exists());
    let log = yard.read(&format!("logs/workflow.{id}.log"));
    assert!(log.contains("google_project") && log.contains("a ended: Done"), "{log}");
    assert_eq!(metadata["workflowLog"], json!(yard.path(&format!("logs/workflow.{id}.log"))));
    assert_eq!(metadata["fileDeletionStatus"], "Succeeded");
    let made = metadata["calls"]["w.a"][0]["outputs"]["f"].as_str().unwrap();
    assert!(!std::path::Path::new(made).exists(), "the intermediate file is still there");

    // A folder that is an output keeps what lies in it; what another run has made is not touched.
    let folder = "version 1.2\nworkflow w { call a call b { input: f = a.f } output { Directory d = b.d } }\n\
        task a { command <<< echo one > f.txt >>> output { File f = \"f.txt\" } }\n\
        task b { input { File f } command <<< mkdir d; cp ~{f} d/g.txt >>> output { Directory d = \"d\" } }";
    let first = server.run(folder, &json!({}), &[]);
    let second = server.run(folder, &json!({}), &[("workflowOptions", br#"{"delete_intermediate_output_files": true}"#)]);
    let made = |id: &str| server.about(id, "metadata")["calls"]["w.a"][0]["outputs"]["f"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&made(&first)).exists() && !std::path::Path::new(&made(&second)).exists());
    assert!(server.about(&first, "metadata").get("fileDeletionStatus").is_none());
    for id in [&first, &second] {
        let kept = server.about(id, "outputs")["outputs"]["w.d"].as_str().unwrap().to_owned();
        assert_eq!(fs::read_to_string(format!("{kept}/g.txt")).unwrap(), "one\n");
    }

    let clash = "version 1.0\nworkflow w { scatter (i in [1, 2]) { call a } output { Array[File] f = a.f } }\ntask a { command <<< echo x > f.txt >>> output { File f = \"f.txt\" } }";
    let id = server.submit(clash, &json!({}), &[("workflowOptions", options.to_string().as_bytes())]);
    assert_eq!(server.wait(&id), "Failed");
    assert!(server.about(&id, "metadata").to_string().contains("Cannot copy output files to given final_workflow_outputs_dir"));
    let id = server.submit(wdl, &json!({}), &[("workflowOptions", br#"{"workflow_failure_mode": "Whatever"}"#)]);
    assert_eq!(server.wait(&id), "Failed");
}

#[test]
fn documents_are_described() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let describe = |parts: &[(&str, &[u8])]| server.form("/api/womtool/v1/describe", parts);
    let wdl = "version 1.0\nstruct S { Int a }\n\
        workflow wf { input { Array[String]+ xs Int? n S s = object { a: 1 } } meta { author: \"me\" } call t output { Map[String, File] m = { \"x\": t.f } } }\n\
        task t { command <<< echo >>> output { File f = stdout() } runtime { docker: \"ubuntu:22.04\" } }";
    let answer = describe(&[("workflowSource", wdl.as_bytes()), ("workflowInputs", br#"{"wf.xs": ["a"]}"#)]);
    assert_eq!(answer.code, 200);
    let answer = answer.json();
    assert_eq!((&answer["valid"], &answer["validWorkflow"], &answer["name"]), (&json!(true), &json!(true), &json!("wf")));
    let string = json!({"typeName": "String"});
    let inputs = answer["inputs"].as_array().unwrap();
    assert_eq!(inputs[2]["valueType"], json!({"typeName": "Array", "arrayType": string, "nonEmpty": true}));
    assert_eq!((&inputs[0]["name"], &inputs[0]["optional"], &inputs[0]["typeDisplayName"]), (&json!("n"), &json!(true), &json!("Int?")));
    assert_eq!(inputs[1]["default"], "object { a: 1 }");
    assert_eq!(inputs[1]["valueType"]["objectFieldTypes"][0]["fieldName"], "a");
    assert_eq!((&answer["images"], &answer["meta"]), (&json!(["ubuntu:22.04"]), &json!({"author": "me"})));
    assert_eq!(answer["submittedDescriptorType"], json!({"descriptorType": "WDL", "descriptorTypeVersion": "1.0"}));

    let missing = describe(&[("workflowSource", wdl.as_bytes()), ("workflowInputs", b"{}")]).json();
    assert_eq!((&missing["valid"], &missing["validWorkflow"]), (&json!(false), &json!(true)));
    assert_eq!(missing["errors"], json!(["Required workflow input 'wf.xs' not specified"]));
    let broken = describe(&[("workflowSource", b"version 1.0\nworkflow w { call nothing }")]);
    assert_eq!((broken.code, &broken.json()["valid"], &broken.json()["name"]), (200, &json!(false), &json!("")));
    assert_eq!(broken.json()["submittedDescriptorType"]["descriptorTypeVersion"], "1.0");
    let importing = b"version 1.0\nimport \"t.wdl\" as t\nworkflow w { call t.t }";
    let zip = zipped(&[("t.wdl", b"version 1.0\ntask t { command <<< >>> }")]);
    assert_eq!(describe(&[("workflowSource", importing)]).json()["valid"], false);
    assert_eq!(describe(&[("workflowSource", importing), ("workflowDependencies", &zip)]).json()["valid"], true);
    let task = describe(&[("workflowSource", b"version 1.0\ntask t { input { Int n } command <<< >>> }")]).json();
    assert_eq!((&task["name"], &task["isRunnableWorkflow"], &task["inputs"][0]["name"]), (&json!("t"), &json!(false), &json!("n")));
    let library = describe(&[("workflowSource", b"version 1.0\nstruct S { Int n }")]).json();
    assert_eq!((&library["valid"], &library["isRunnableWorkflow"], &library["name"]), (&json!(true), &json!(false), &json!("")));
    assert_eq!(describe(&[]).code, 400);
    assert_eq!(describe(&[("workflowUrl", b"http://127.0.0.1:1/x.wdl")]).code, 400);
}

#[test]
fn about_the_server() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    assert!(server.get("/engine/v1/version").json()["cromwell"].is_string());
    assert_eq!(server.get("/engine/v1/status").json(), json!({"Engine Database": {"ok": true}}));
    assert_eq!(server.get("/engine/v1/stats").code, 403);
    assert_eq!(server.get("/api/workflows/v1/backends").json(), json!({"supportedBackends": ["BCS", "Local"], "defaultBackend": "Local"}));
    assert_eq!(server.get("/healthz").json()["ok"], true);
    let refused = yard.call(&["server", "--listen", "0.0.0.0"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--allow-remote"), "{}", refused.err);
    let port = server.base.rsplit(':').next().unwrap();
    let taken = yard.call(&["server", "--port", port]);
    assert!(taken.code == 2 && taken.err.contains("--port"), "{}", taken.err);
}

#[test]
fn workflow_execution_service() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let info = server.get("/api/ga4gh/wes/v1/service-info").json();
    assert!(info["supported_wes_versions"].as_array().unwrap().contains(&json!("1.0.0")));
    let answer = server.form(
        "/api/ga4gh/wes/v1/runs",
        &[
            ("workflow_attachment", HELLO.as_bytes()),
            ("workflow_params", br#"{"wf.who": "Ada"}"#),
            ("workflow_type", b"WDL"),
            ("workflow_type_version", b"1.0"),
            ("tags", br#"{"lab": "x"}"#),
        ],
    );
    assert_eq!(answer.code, 201, "{}", answer.text);
    let id = answer.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Succeeded");
    assert_eq!(server.get(&format!("/api/ga4gh/wes/v1/runs/{id}/status")).json(), json!({"run_id": id, "state": "COMPLETE"}));
    let run = server.get(&format!("/ga4gh/wes/v1/runs/{id}")).json();
    assert_eq!(run["request"]["workflow_params"], json!({"wf.who": "Ada"}));
    assert_eq!((&run["outputs"]["wf.total"], &run["request"]["tags"]["lab"]), (&json!(3), &json!("x")));
    let names: Vec<&str> = run["task_logs"].as_array().unwrap().iter().map(|log| log["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"wf.greet.1") && names.contains(&"wf.count"), "{names:?}");
    assert_eq!(server.get("/api/ga4gh/wes/v1/runs").json()["runs"][0]["run_id"], json!(id));
    let unknown = server.get("/api/ga4gh/wes/v1/runs/11111111-2222-4333-8444-555555555555/status");
    assert_eq!((unknown.code, &unknown.json()["status_code"]), (200, &json!(404)));
    assert_eq!(server.post(&format!("/api/ga4gh/wes/v1/runs/{id}/cancel")).code, 404);
    assert_eq!(server.form("/api/ga4gh/wes/v1/runs", &[("workflow_params", b"{}")]).code, 400);
}

#[test]
fn inputs_may_be_described_piece_by_piece() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    yard.write("data/a.txt", "a");
    yard.write("data/more/b.txt", "b");
    let wdl = "version 1.2\nworkflow w { input { Array[Directory] ds File f } call t { input: d = ds[0], f } output { Array[String] lines = t.lines } }\n\
               task t { input { Directory d File f }\n\
               command <<< cd ~{d} && find . -type f | sort; cat ~{f} >>> output { Array[String] lines = read_lines(stdout()) } }";
    let data = yard.path("data");
    let describe = |listing: Json| json!({"w.ds": [listing], "w.f": {"location": data.join("a.txt"), "basename": "other.txt"}});
    let listing = json!({"location": data, "listing": [
        {"type": "Directory", "basename": "more", "listing": [{"type": "File", "basename": "b.txt"}]},
        {"type": "File", "location": data.join("a.txt"), "basename": "c.txt"},
    ]});
    let id = server.run(wdl, &describe(listing), &[]);
    assert_eq!(server.about(&id, "outputs")["outputs"]["w.lines"], json!(["./c.txt", "./more/b.txt", "a"]));
    let told = |listing: Json| {
        let id = server.submit(wdl, &describe(listing), &[]);
        assert_eq!(server.wait(&id), "Failed");
        server.about(&id, "metadata")["failures"].to_string()
    };
    let gone = told(json!({"location": data, "listing": [{"type": "File", "basename": "gone.txt"}]}));
    assert!(gone.contains("input `w.ds`") && gone.contains("/data/gone.txt` does not exist"), "{gone}");
    assert!(told(json!({"basename": "x", "listing": [{"basename": "a"}]})).contains("an entry of a listing needs `type`"));
    assert!(told(json!({"basename": "../x", "listing": []})).contains("needs a `basename` without `/`"));
    assert!(told(json!({"location": data, "lising": []})).contains("has no `lising`"));
}

#[test]
fn outputs_of_calls_stand_in_for_a_section() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    for version in ["1.0", "1.1", "1.2", "development"] {
        let wdl = format!(
            "version {version}\nworkflow w {{ call t }}\ntask t {{ command <<< echo 7 >>> output {{ Int n = read_int(stdout()) }} }}"
        );
        let id = server.run(&wdl, &json!({}), &[]);
        assert_eq!(server.about(&id, "outputs")["outputs"], json!({"w.t.n": 7}), "{version}");
    }
}
