//! The workflows of a Cromwell, taken over from its database and shown as it would show them.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::{Value as Json, json};

use crate::{
    cromwell_tables::{Database, Events, Place, at},
    databases::{mariadb, postgresql, required},
    http::Server,
    yard::{Done, Yard, done, wait_for},
};

const WDL: &str = "version 1.0\nworkflow wf { call scattered }";
const IMPORTED: &str = "version 1.0\nworkflow sub { call inner }";

const MAIN: &str = "0a000000-0000-4000-8000-000000000001";
const SUB: &str = "0a000000-0000-4000-8000-000000000002";
const BAD: &str = "0a000000-0000-4000-8000-000000000003";
const EARLY: &str = "0a000000-0000-4000-8000-000000000004";
const GOING: &str = "0a000000-0000-4000-8000-000000000005";
const BROKEN: &str = "0a000000-0000-4000-8000-000000000006";
const WIDE: &str = "0a000000-0000-4000-8000-000000000007";
const ARCHIVED: &str = "0a000000-0000-4000-8000-000000000008";
const HIT: &str = "0a000000-0000-4000-8000-000000000009";

/// More than are written together.
const CALLS: i64 = 1000;

/// An attempt that ran, and how it is shown.
fn ran(events: &mut Events<'_>, place: Place<'_>, status: &str, code: &str) -> Json {
    let (name, index, attempt) = place;
    let root = format!("/data/{name}/{}/{attempt}", index.unwrap_or(-1));
    let number = index.unwrap_or(-1).to_string();
    events.texts(
        Some(place),
        &[("start", &at("12:00:01.000")), ("executionStatus", "QueuedInCromwell"), ("backend", "SLURM"), ("executionStatus", "Running")],
    );
    // Told again by a server that was started anew.
    events.texts(Some(place), &[("start", &at("12:30:00.000")), ("inputs:who", "Ada")]);
    events.tell(Some(place), "inputs:n", Some(("int", &number)));
    events.tell(Some(place), "inputs:nothing", Some(("null", "")));
    events.texts(
        Some(place),
        &[("commandLine", "echo 'hello' > \"x\\y\""), ("callRoot", &root), ("stdout", &format!("{root}/execution/stdout"))],
    );
    events.texts(Some(place), &[("stderr", &format!("{root}/execution/stderr")), ("jobId", "4711"), ("backendStatus", "Running")]);
    events.texts(Some(place), &[("runtimeAttributes:cpu", "2"), ("runtimeAttributes:docker", "ubuntu:latest"), ("backendLabels:a", "b")]);
    events.texts(
        Some(place),
        &[
            ("executionEvents[981]:description", "RunningJob"),
            ("executionEvents[981]:startTime", &at("12:00:02.000")),
            ("executionEvents[981]:endTime", &at("12:00:03.000")),
            ("executionEvents[17]:description", "Pending"),
            ("executionEvents[17]:startTime", &at("12:00:01.000")),
            ("executionEvents[17]:endTime", &at("12:00:02.000")),
        ],
    );
    events.tell(Some(place), "callCaching:allowResultReuse", Some(("boolean", "true")));
    events.tell(Some(place), "callCaching:hit", Some(("boolean", "false")));
    events.texts(
        Some(place),
        &[
            ("callCaching:result", "Cache Miss"),
            ("callCaching:effectiveCallCachingMode", "ReadAndWriteCache"),
            ("callCaching:hashes:command template", "AB12"),
            ("callCaching:hashes:input:File xs[0]", "00"),
            ("callCaching:hashes:input:File xs[1]", "01"),
        ],
    );
    // The order of numbers is not the order of times.
    let late = events.rows.len() + 2;
    events.tell_at(late, Some(place), "backendStatus", Some(("string", "Done")));
    events.tell_at(late - 1, Some(place), "backendStatus", Some(("string", "WaitingForReturnCode")));
    events.texts(Some(place), &[("executionStatus", status), ("end", &at("12:00:04.000"))]);
    events.tell(Some(place), "returnCode", Some(("int", code)));
    json!({
        "executionStatus": status, "start": at("12:00:01.000"), "end": at("12:00:04.000"), "backend": "SLURM", "jobId": "4711",
        "backendStatus": "Done", "returnCode": code.parse::<i64>().unwrap(), "shardIndex": index.unwrap_or(-1), "attempt": attempt,
        "inputs": {"who": "Ada", "n": index.unwrap_or(-1), "nothing": null}, "commandLine": "echo 'hello' > \"x\\y\"",
        "callRoot": root, "stdout": format!("{root}/execution/stdout"), "stderr": format!("{root}/execution/stderr"),
        "runtimeAttributes": {"cpu": "2", "docker": "ubuntu:latest"}, "backendLabels": {"a": "b"},
        "executionEvents": [
            {"description": "Pending", "startTime": at("12:00:01.000"), "endTime": at("12:00:02.000")},
            {"description": "RunningJob", "startTime": at("12:00:02.000"), "endTime": at("12:00:03.000")},
        ],
        "callCaching": {
            "allowResultReuse": false, "hit": false, "result": "Cache Miss", "effectiveCallCachingMode": "ReadAndWriteCache",
            "hashes": {"command template": "AB12", "input": {"File xs": ["00", "01"]}},
        },
    })
}

fn join(one: &mut Json, other: Json) {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
}

/// A workflow with a scatter, a retried attempt, a result that was taken, and a sub-workflow; and how it is shown.
fn main_workflow(database: &Database) -> Json {
    let mut events = database.workflow(MAIN, "wf", "Succeeded");
    let options = "{\n  \"final_workflow_log_dir\": \"/logs\",\n  \"secret\": \"cleared\"\n}";
    let big = "x".repeat(20_000);
    events.texts(
        None,
        &[
            ("submission", &at("12:00:00.000")),
            ("status", "Submitted"),
            ("submittedFiles:workflow", WDL),
            ("submittedFiles:workflowUrl", ""),
            ("submittedFiles:root", ""),
            ("submittedFiles:inputs", "{\"wf.who\":\"Ada\"}"),
            ("submittedFiles:options", options),
            ("submittedFiles:labels", "{\"lab\":\"x\"}"),
            ("submittedFiles:workflowType", "WDL"),
            ("submittedFiles:imports:file\\:///lib/sub.wdl", IMPORTED),
            ("workflowProcessingEvents[44]:cromwellId", "cromid-1"),
            ("workflowProcessingEvents[44]:cromwellVersion", "87"),
            ("workflowProcessingEvents[44]:description", "PickedUp"),
            ("workflowProcessingEvents[44]:timestamp", &at("12:00:00.500")),
            ("start", &at("12:00:00.500")),
            ("status", "Running"),
            ("workflowName", "wf"),
            ("actualWorkflowLanguage", "WDL"),
            ("actualWorkflowLanguageVersion", "1.0"),
            ("workflowRoot", "/data/wf"),
            ("labels:lab", "x"),
            ("labels:cromwell-workflow-id", &format!("cromwell-{MAIN}")),
            ("inputs:who", "Ada"),
            ("inputs:big", &big),
        ],
    );
    events.tell(None, "inputs:ratio", Some(("number", "2.5")));
    let mut scattered = vec![ran(&mut events, ("wf.scattered", Some(0), 1), "Done", "0")];
    let mut first = ran(&mut events, ("wf.scattered", Some(1), 1), "RetryableFailure", "137");
    events.tell(Some(("wf.scattered", Some(1), 1)), "retryableFailure", Some(("boolean", "true")));
    events.texts(Some(("wf.scattered", Some(1), 1)), &[("failures[5]:message", "no luck")]);
    events.tell(Some(("wf.scattered", Some(1), 1)), "failures[5]:causedBy[]", None);
    join(&mut first, json!({"retryableFailure": true, "failures": [{"message": "no luck", "causedBy": []}]}));
    scattered.push(first);
    scattered.push(ran(&mut events, ("wf.scattered", Some(1), 2), "Done", "0"));
    scattered.push(ran(&mut events, ("wf.scattered", Some(2), 1), "Done", "0"));
    for (call, (index, attempt)) in scattered.iter_mut().zip([(0, 1), (1, 1), (1, 2), (2, 1)]) {
        if call["executionStatus"] == "Done" {
            events.texts(Some(("wf.scattered", Some(index), attempt)), &[("outputs:out", "/data/out")]);
            events.tell(Some(("wf.scattered", Some(index), attempt)), "outputs:sizes[1]", Some(("int", "2")));
            events.tell(Some(("wf.scattered", Some(index), attempt)), "outputs:sizes[0]", Some(("int", "1")));
            join(call, json!({"outputs": {"out": "/data/out", "sizes": [1, 2]}}));
        }
    }
    let taken = ("wf.Scattered", None, 1);
    events.texts(Some(taken), &[("executionStatus", "Done"), ("start", &at("12:00:01.000")), ("end", &at("12:00:02.000"))]);
    events.tell(Some(taken), "inputs", None);
    events.tell(Some(taken), "outputs", None);
    events.tell(Some(taken), "callCaching:hit", Some(("boolean", "true")));
    events.texts(Some(taken), &[("callCaching:result", &format!("Cache Hit: {HIT}:wf.t:3")), ("backend", "SLURM")]);
    let hit = json!({
        "executionStatus": "Done", "start": at("12:00:01.000"), "end": at("12:00:02.000"), "inputs": {}, "outputs": {}, "backend": "SLURM",
        "callCaching": {"hit": true, "result": format!("Cache Hit: {HIT}:wf.t:3")}, "shardIndex": -1, "attempt": 1,
    });
    // `call sub as s`: the workflow is called `s`, its calls keep their full names.
    let below = ("wf.s", None, 1);
    events.texts(Some(below), &[("executionStatus", "Done"), ("start", &at("12:00:01.000")), ("end", &at("12:00:05.000"))]);
    events.texts(Some(below), &[("subWorkflowId", SUB), ("outputs:n", "4")]);
    let sub = json!({
        "executionStatus": "Done", "start": at("12:00:01.000"), "end": at("12:00:05.000"), "subWorkflowId": SUB, "outputs": {"n": "4"},
        "shardIndex": -1, "attempt": 1,
    });
    events.texts(None, &[("outputs:wf.out[0]", "/data/a"), ("outputs:wf.out[1]", "/data/b"), ("workflowLog", "/logs/workflow.log")]);
    events.texts(None, &[("end", &at("12:00:06.000")), ("status", "Succeeded")]);
    events.store();
    for (name, value) in [("lab", "x"), ("cromwell-workflow-id", &*format!("cromwell-{MAIN}"))] {
        events.label(name, value);
    }
    json!({
        "id": MAIN, "status": "Succeeded", "workflowName": "wf", "submission": at("12:00:00.000"), "start": at("12:00:00.500"),
        "end": at("12:00:06.000"), "actualWorkflowLanguage": "WDL", "actualWorkflowLanguageVersion": "1.0", "workflowRoot": "/data/wf",
        "inputs": {"who": "Ada", "big": big, "ratio": 2.5}, "outputs": {"wf.out": ["/data/a", "/data/b"]}, "workflowLog": "/logs/workflow.log",
        "labels": {"lab": "x", "cromwell-workflow-id": format!("cromwell-{MAIN}")},
        "submittedFiles": {
            "workflow": WDL, "workflowUrl": "", "root": "", "inputs": "{\"wf.who\":\"Ada\"}", "options": options, "labels": "{\"lab\":\"x\"}",
            "workflowType": "WDL", "imports": {"file:///lib/sub.wdl": IMPORTED},
        },
        "workflowProcessingEvents": [
            {"cromwellId": "cromid-1", "cromwellVersion": "87", "description": "PickedUp", "timestamp": at("12:00:00.500")},
        ],
        "calls": {"wf.scattered": scattered, "wf.Scattered": [hit], "wf.s": [sub]},
    })
}

fn sub_workflow(database: &Database) -> Json {
    let mut events = database.workflow(SUB, "s", "Succeeded");
    let labels = [("cromwell-workflow-id", format!("cromwell-{MAIN}")), ("cromwell-sub-workflow-name", "s".into())];
    events.texts(None, &[("start", &at("12:00:02.000")), ("status", "Running"), ("workflowName", "s"), ("parentWorkflowId", MAIN)]);
    events.texts(None, &[("rootWorkflowId", MAIN), ("workflowRoot", "/data/wf/sub")]);
    for (name, value) in &labels {
        events.texts(None, &[(&format!("labels:{name}"), value)]);
        events.label(name, value);
    }
    let nested = ran(&mut events, ("ScatterAt3_4", Some(0), 1), "Done", "0");
    let inner = ran(&mut events, ("sub.inner", None, 1), "Done", "0");
    // Nothing tells the version of a sub-workflow; its names stay as they are.
    events.texts(None, &[("inputs:s.who", "Ada")]);
    events.texts(None, &[("outputs:sub.n", "4"), ("end", &at("12:00:05.000")), ("status", "Succeeded")]);
    events.store();
    json!({
        "id": SUB, "status": "Succeeded", "workflowName": "s", "submission": at("12:00:02.000"), "start": at("12:00:02.000"),
        "end": at("12:00:05.000"), "parentWorkflowId": MAIN, "rootWorkflowId": MAIN, "workflowRoot": "/data/wf/sub", "inputs": {"s.who": "Ada"},
        "outputs": {"sub.n": "4"}, "labels": {"cromwell-workflow-id": format!("cromwell-{MAIN}"), "cromwell-sub-workflow-name": "s"},
        "calls": {"ScatterAt3_4": [nested], "sub.inner": [inner]},
    })
}

fn failed_workflow(database: &Database) -> Json {
    let mut events = database.workflow(BAD, "bad", "Failed");
    events.texts(None, &[("submission", &at("13:00:00.000")), ("start", &at("13:00:01.000")), ("workflowName", "bad")]);
    let mut call = ran(&mut events, ("bad.t", None, 1), "Failed", "1");
    events.tell(Some(("bad.t", None, 1)), "retryableFailure", Some(("boolean", "false")));
    events.texts(Some(("bad.t", None, 1)), &[("failures[77]:message", "Job bad.t:NA:1 exited")]);
    events.tell(Some(("bad.t", None, 1)), "failures[77]:causedBy[]", None);
    join(&mut call, json!({"retryableFailure": false, "failures": [{"message": "Job bad.t:NA:1 exited", "causedBy": []}]}));
    events.texts(None, &[("failures[9]:message", "Workflow failed"), ("failures[9]:causedBy[0]:message", "Job bad.t:NA:1 exited")]);
    events.tell(None, "failures[9]:causedBy[0]:causedBy[]", None);
    // More than a row holds.
    let long = "no luck ".repeat(3000);
    events.texts(None, &[("failures[9]:causedBy[1]:message", &long), ("outputs:bad.early", "/data/early")]);
    events.tell(None, "failures[9]:causedBy[1]:causedBy[]", None);
    events.texts(None, &[("end", &at("13:00:02.000")), ("status", "Failed")]);
    events.store();
    json!({
        "id": BAD, "status": "Failed", "workflowName": "bad", "submission": at("13:00:00.000"), "start": at("13:00:01.000"),
        "end": at("13:00:02.000"), "labels": {"cromwell-workflow-id": format!("cromwell-{BAD}")},
        "failures": [{"message": "Workflow failed", "causedBy": [
            {"message": "Job bad.t:NA:1 exited", "causedBy": []}, {"message": long, "causedBy": []},
        ]}],
        "outputs": {"bad.early": "/data/early"},
        "calls": {"bad.t": [call]},
    })
}

/// Workflows that are not taken over, and one that was ended before it began.
fn others(database: &Database) {
    let mut early = database.workflow(EARLY, "", "Aborted");
    early.texts(None, &[("submission", &at("11:00:00.000")), ("status", "Submitted"), ("end", &at("11:00:01.000")), ("status", "Aborted")]);
    early.store();
    let mut going = database.workflow(GOING, "going", "Running");
    going.texts(None, &[("submission", &at("14:00:00.000")), ("start", &at("14:00:01.000")), ("workflowName", "going")]);
    going.store();
    let mut wide = database.workflow(WIDE, "wide", "Succeeded");
    wide.texts(None, &[("submission", &at("16:00:00.000")), ("end", &at("16:00:01.000"))]);
    for index in 0..CALLS {
        wide.texts(Some(("wide.t", Some(index), 1)), &[("executionStatus", "Done"), ("outputs:n", &index.to_string())]);
    }
    wide.store();
    database.workflow(ARCHIVED, "old", "Succeeded").archive();
    // The last one, which is read first: what goes wrong with it must not harm those that come after it, nor leave anything behind.
    let mut broken = database.workflow(BROKEN, "broken", "Succeeded");
    broken.texts(None, &[("submission", &at("15:00:00.000")), ("workflowName", "broken")]);
    ran(&mut broken, ("broken.a", None, 1), "Done", "0");
    broken.texts(Some(("broken.b", None, 1)), &[("executionStatus", "Odd"), ("executionStatus", "Done")]);
    broken.store();
}

/// What is in the tables of Cromwell.
fn fingerprint(database: &Database) -> String {
    let tables = ["METADATA_ENTRY", "WORKFLOW_METADATA_SUMMARY_ENTRY", "CUSTOM_LABEL_ENTRY"];
    let count = |table: &str| match database.is_mysql {
        true => format!("CHECKSUM TABLE \"{table}\";\n"),
        false => format!("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{table}\" t;\n"),
    };
    database.sql(&tables.map(count).concat())
}

fn import(yard: &Yard) -> Done {
    yard.call(&["import", "--config", "c.conf", "--json"])
}

fn workflows_are_taken_over(database: &Database) {
    let yard = Yard::new();
    database.configuration(&yard);
    let (main, sub, bad) = (main_workflow(database), sub_workflow(database), failed_workflow(database));
    others(database);
    let before = fingerprint(database);

    let start = || Server::start_as(&yard, &["server", "--config", "c.conf", "--port", "0", "--no-batch"]);
    let told = || yard.read("background.err");
    let server = start();
    wait_for("the note", || {
        told().contains("note: the database has at least 6 workflows of Cromwell that have ended and are not shown here")
    });
    assert!(told().contains("hint: `batchyard import`"), "{}", told());
    assert_eq!(server.query("")["totalResultsCount"], 0);

    // The server goes on meanwhile.
    let first = import(&yard);
    assert_eq!(first.code, 1, "{}", first.err);
    let reason = "`executionStatus` is `Odd`, which is no state";
    let expected = json!({
        "taken": 5, "calls": CALLS + 9, "known": 0, "archived": 1, "unended": 1, "unendedFirst": [{"id": GOING, "status": "Running"}],
        "failed": [{"id": BROKEN, "reason": reason}],
    });
    assert_eq!(first.out.parse::<Json>().unwrap(), expected);
    assert!(first.err.contains(&format!("workflow {BROKEN} cannot be taken over: {reason}")), "{}", first.err);

    for (id, expected) in [(MAIN, &main), (SUB, &sub), (BAD, &bad)] {
        assert_eq!(&server.about(id, "metadata"), expected, "{id}");
    }
    views(&server, &main, &sub);
    commands(&yard);
    let wide = server.about(WIDE, "metadata?includeKey=outputs");
    let numbers: Vec<_> = wide["calls"]["wide.t"].as_array().unwrap().iter().map(|call| call["outputs"]["n"].clone()).collect();
    assert_eq!(numbers, (0..CALLS).map(|index| json!(index.to_string())).collect::<Vec<_>>());
    assert_eq!(server.get(&format!("/api/workflows/v1/{BROKEN}/status")).code, 404);
    assert_eq!(database.sql(&format!("SELECT COUNT(*) FROM calls WHERE run_id = '{BROKEN}'")), "0");

    // Again, with the broken one mended.
    assert_eq!(fingerprint(database), before);
    database.sql("DELETE FROM \"METADATA_ENTRY\" WHERE \"CALL_FQN\" = 'broken.b';\n");
    let again = yard.call(&["import", "--config", "c.conf"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let lines: Vec<&str> = again.out.lines().collect();
    let gone = "1 workflow archived by Cromwell and deleted from its tables: their metadata are gone";
    let expected = ["1 workflow taken over, with 1 call", "5 workflows known already", gone, "1 workflow left alone, not ended:"];
    assert_eq!(lines[..4], expected);
    assert!(lines[4].contains(GOING) && lines[5].contains("let Cromwell finish or abort them"), "{lines:?}");
    assert_eq!((server.status(BROKEN).as_str(), server.get(&format!("/api/workflows/v1/{GOING}/status")).code), ("Succeeded", 404));
    server.terminate();
    let server = start();
    assert_eq!(server.query("")["totalResultsCount"], 6);
    server.terminate();
    assert!(!told().contains("Cromwell that have ended"), "{}", told());
}

/// All that a server answers about them.
fn views(server: &Server, main: &Json, sub: &Json) {
    let mut expanded = main.clone();
    let call = expanded["calls"]["wf.s"][0].as_object_mut().unwrap();
    call.remove("subWorkflowId");
    call.insert("subWorkflowMetadata".into(), sub.clone());
    assert_eq!(server.about(MAIN, "metadata?expandSubWorkflows=true"), expanded);
    let narrow =
        server.about(MAIN, "metadata?includeKey=status&includeKey=backendLabels&includeKey=callCaching:hit&excludeKey=callCaching:hi");
    assert_eq!(narrow["calls"]["wf.scattered"][0], json!({"backendLabels": {"a": "b"}, "shardIndex": 0, "attempt": 1}));
    assert_eq!((&narrow["status"], narrow.get("inputs"), narrow["calls"].get("wf.Scattered")), (&json!("Succeeded"), None, None));
    assert_eq!(server.about(MAIN, "status"), json!({"status": "Succeeded", "id": MAIN}));
    assert_eq!(server.about(MAIN, "outputs"), json!({"outputs": {"wf.out": ["/data/a", "/data/b"]}, "id": MAIN}));
    assert_eq!(server.about(BAD, "outputs"), json!({"outputs": {"bad.early": "/data/early"}, "id": BAD}));
    let logs = server.about(MAIN, "logs");
    let log = |shard: i64, attempt: i64| {
        let root = format!("/data/wf.scattered/{shard}/{attempt}/execution");
        json!({"stdout": format!("{root}/stdout"), "stderr": format!("{root}/stderr"), "attempt": attempt, "shardIndex": shard})
    };
    assert_eq!(logs["calls"], json!({"wf.scattered": [log(0, 1), log(1, 1), log(1, 2), log(2, 1)]}));
    assert_eq!(server.about(SUB, "logs")["calls"]["ScatterAt3_4"][0]["shardIndex"], 0);
    let failed = server.about(BAD, "metadata/failed-jobs");
    assert_eq!(failed[BAD]["calls"]["bad.t"][0]["failures"][0]["message"], "Job bad.t:NA:1 exited");
    assert!(server.get(&format!("/api/workflows/v1/{MAIN}/timing")).text.contains("RunningJob"));

    let found = server.query("name=wf&label=lab:x");
    let result = json!({
        "id": MAIN, "name": "wf", "status": "Succeeded", "submission": at("12:00:00.000"), "start": at("12:00:00.500"),
        "end": at("12:00:06.000"), "labels": {"lab": "x"}, "metadataArchiveStatus": "Unarchived",
    });
    assert_eq!(found, json!({"results": [result], "totalResultsCount": 1}));
    assert_eq!(server.query("includeSubworkflows=false")["totalResultsCount"], 4);
    let below = &server.query("name=s")["results"][0];
    assert_eq!((&below["parentWorkflowId"], &below["rootWorkflowId"]), (&json!(MAIN), &json!(MAIN)));
    assert_eq!(server.query("status=Aborted")["results"][0]["id"], EARLY);
    let early = json!({
        "id": EARLY, "status": "Aborted", "submission": at("11:00:00.000"), "end": at("11:00:01.000"), "calls": {},
        "labels": {"cromwell-workflow-id": format!("cromwell-{EARLY}")},
    });
    assert_eq!(server.about(EARLY, "metadata"), early);
    assert_eq!(server.query(&format!("start={}", at("12:30:00.000")))["results"][0]["id"], BAD);

    assert_eq!(server.about(MAIN, "labels")["labels"]["lab"], "x");
    let changed = server.send("PATCH", &format!("/api/workflows/v1/{MAIN}/labels"), Some("application/json"), b"{\"lab\":\"y\"}");
    assert_eq!((changed.code, &server.about(MAIN, "metadata")["labels"]["lab"]), (200, &json!("y")));
    let run = server.get(&format!("/api/ga4gh/wes/v1/runs/{BAD}")).json();
    assert_eq!((&run["state"], &run["task_logs"][0]["exit_code"]), (&json!("EXECUTOR_ERROR"), &json!(1)));
    let stderr: Json = run["run_log"]["stderr"].as_str().unwrap().parse().unwrap();
    assert_eq!(stderr, server.about(BAD, "metadata?includeKey=failures")["failures"]);
    assert!(stderr[0]["causedBy"][1]["message"].as_str().unwrap().starts_with("no luck no luck"), "{stderr}");
    let sides = format!("workflowA={MAIN}&callA=wf.scattered&indexA=0&workflowB={BAD}&callB=bad.t");
    let differing = server.get(&format!("/api/workflows/v1/callcaching/diff?{sides}")).json();
    assert_eq!((&differing["hashDifferential"], &differing["callA"]["allowResultReuse"]), (&json!([]), &json!(false)));
    for (call, index) in [("sub.inner", -1), ("ScatterAt3_4", 0)] {
        let sides = format!("workflowA={SUB}&callA={call}&indexA={index}&workflowB={BAD}&callB=bad.t");
        // It asks for names with a dot.
        let code = if call.contains('.') { 200 } else { 400 };
        let answer = server.get(&format!("/api/workflows/v1/callcaching/diff?{sides}"));
        assert_eq!(answer.code, code, "{}", answer.text);
        let short = call.rsplit('.').next().unwrap();
        for asked in [call, short] {
            let why = server.about(SUB, &format!("why?call={asked}&index={index}"));
            assert!(why["calls"][0]["call"].as_str().unwrap().starts_with(call), "{why}");
        }
    }
    assert_eq!(server.about(SUB, "why?call=s.inner")["calls"], json!([]));
    assert_eq!(server.post(&format!("/api/workflows/v1/{MAIN}/abort")).code, 404);
}

/// Commands of our own.
fn commands(yard: &Yard) {
    let call = |words: &[&str]| yard.call(&[words, &["--config", "c.conf"]].concat());
    let call_why = |name: &str| call(&["why", MAIN, name]);
    let shown = call(&["show", BAD]);
    assert!(shown.out.contains("state     Failed") && shown.err.contains("error: Job bad.t:NA:1 exited"), "{}{}", shown.out, shown.err);
    let shown = call(&["show", MAIN]);
    assert!(shown.out.contains("scattered[1]#2") && shown.out.contains("Done (cached)"), "{}", shown.out);
    assert!(shown.out.contains("s/ScatterAt3_4[0]") && shown.out.contains("s/sub.inner"), "{}", shown.out);
    for (call, told) in [("inner", "s/sub.inner"), ("s/sub.inner", "s/sub.inner"), ("ScatterAt3_4[0]", "s/ScatterAt3_4[0]")] {
        let why = call_why(call);
        assert!(why.code == 0 && why.out.starts_with(told), "{}{}", why.out, why.err);
    }
    let resumed = call(&["resume", BAD]);
    assert!(resumed.code != 0 && resumed.err.contains("was carried out by Cromwell"), "{}", resumed.err);
    let why = call_why("Scattered");
    assert!(format!("{}{}", why.out, why.err).contains(&format!("t[3] of run {HIT}")), "{}{}", why.out, why.err);
}

/// The end comes in the middle of one workflow: what was written of it is gone, and the next try finds all of it.
fn the_end_comes_in_the_middle(database: &Database) {
    let yard = Yard::new();
    database.configuration(&yard);
    let expected = main_workflow(database);
    // So that there are tables of ours to lock.
    assert_eq!(yard.call(&["ls", "--config", "c.conf"]).code, 0);
    let mut holder = database.client().spawn().unwrap();
    let lock = match database.is_mysql {
        true => "LOCK TABLES labels READ; SELECT 1;\n",
        false => "BEGIN; LOCK TABLE labels IN EXCLUSIVE MODE; SELECT 1;\n",
    };
    let mut input = holder.stdin.take().unwrap();
    input.write_all(lock.as_bytes()).unwrap();
    input.flush().unwrap();
    let mut answer = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer.trim(), "1", "the lock is held");
    let waiting = match database.is_mysql {
        true => {
            "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%' AND info LIKE 'INSERT INTO labels%';\n"
        }
        false => "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO labels%';\n",
    };
    // Labels come last.
    let mut killed = yard.start(&["import", "--config", "c.conf"]);
    wait_for("the labels", || database.sql(waiting) == "1");
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(input);
    holder.wait().unwrap();
    wait_for("the lock", || database.sql(waiting) == "0");
    assert_eq!(database.sql("SELECT COUNT(*) FROM runs; SELECT COUNT(*) FROM calls; SELECT COUNT(*) FROM labels;\n"), "0\n0\n0");
    let again = import(&yard);
    assert_eq!((again.code, &again.out.parse::<Json>().unwrap()["taken"]), (0, &json!(1)), "{}", again.err);
    let server = Server::start_as(&yard, &["server", "--config", "c.conf", "--port", "0", "--no-batch"]);
    assert_eq!(server.about(MAIN, "metadata"), expected);
}

/// State in another place than the tables of Cromwell.
fn tables_of_another_place(database: &Database) {
    let yard = Yard::new();
    failed_workflow(database);
    let from = |words: &[&str]| done(&mut yard.command(&[&["import", "--from", &database.server.url], words].concat()));
    let taken = from(&[]);
    assert_eq!((taken.code, taken.out.trim()), (0, "1 workflow taken over, with 1 call"), "{}", taken.err);
    assert_eq!(yard.show(BAD)["state"], "Failed");
    let state = yard.path("other.db");
    let taken = from(&["--database", state.to_str().unwrap()]);
    assert!(taken.code == 0 && state.exists(), "{}", taken.err);
    // Where our runs go says nothing about where Cromwell's tables lie.
    database.configuration(&yard);
    let aside = yard.path("aside.db");
    let taken = yard.call(&["import", "--config", "c.conf", "--database", aside.to_str().unwrap()]);
    assert_eq!((taken.code, taken.out.trim()), (0, "1 workflow taken over, with 1 call"), "{}", taken.err);
    assert!(aside.exists() && database.sql(tables_of_ours(database)) == "0");
    // Its configuration names the place, too.
    yard.write("m.conf", &format!("database.metadata.db.url = \"{}\"", jdbc(&database.server.url)));
    let known = yard.call(&["import", "--config", "m.conf"]);
    assert!(known.out.contains("0 workflows taken over") && known.out.contains("1 workflow known already"), "{}{}", known.out, known.err);
}

fn tables_of_ours(database: &Database) -> &'static str {
    match database.is_mysql {
        true => "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'runs';\n",
        false => "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('runs');\n",
    }
}

fn jdbc(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (account, place) = rest.split_once('@').unwrap();
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let engine = if scheme == "mysql" { "mysql" } else { "postgresql" };
    format!("jdbc:{engine}://{place}?user={user}&password={password}")
}

#[test]
fn workflows_in_mariadb() {
    if let Some(server) = required("mariadb", "mariadb-server", mariadb()) {
        workflows_are_taken_over(&Database::new(server, true));
    }
}

#[test]
fn workflows_in_postgresql() {
    if let Some(server) = required("postgresql", "postgresql", postgresql()) {
        workflows_are_taken_over(&Database::new(server, false));
    }
}

#[test]
fn a_kill_leaves_nothing_in_mariadb() {
    if let Some(server) = required("mariadb", "mariadb-server", mariadb()) {
        the_end_comes_in_the_middle(&Database::new(server, true));
    }
}

#[test]
fn a_kill_leaves_nothing_in_postgresql() {
    if let Some(server) = required("postgresql", "postgresql", postgresql()) {
        the_end_comes_in_the_middle(&Database::new(server, false));
    }
}

#[test]
fn the_tables_may_lie_elsewhere() {
    if let Some(server) = required("mariadb", "mariadb-server", mariadb()) {
        tables_of_another_place(&Database::new(server, true));
    }
}

#[test]
fn other_databases_are_refused_with_the_mend() {
    let yard = Yard::new();
    let of_file = yard.call(&["import"]);
    assert!(of_file.code != 0 && of_file.err.contains("HSQLDB cannot be read") && of_file.err.contains("`--from URL`"), "{}", of_file.err);
    for (key, part) in [("metadata.db.url", "hint: write `jdbc:mysql://"), ("db.url", "HSQLDB cannot be read")] {
        yard.write("h.conf", &format!("database.{key} = \"jdbc:hsqldb:file:x/y;shutdown=false\""));
        let embedded = yard.call(&["import", "--config", "h.conf"]);
        assert!(embedded.code != 0 && embedded.err.contains("HSQLDB") && embedded.err.contains(part), "{}", embedded.err);
    }
    if let Some(server) = required("mariadb", "mariadb-server", mariadb()) {
        let bare = yard.call(&["import", "--database", &server.url]);
        assert!(bare.code != 0 && bare.err.contains("has no tables of Cromwell"), "{}", bare.err);
        assert!(!bare.err.contains("secret"), "{}", bare.err);
    }
}
