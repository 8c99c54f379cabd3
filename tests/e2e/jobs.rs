//! Jobs of the BatchCompute service, from the request to what they leave in the object store.

use serde_json::{Value as Json, json};

use crate::{
    service::{Service, has_namespaces, job, merge, times},
    yard::{Yard, wait_for},
};

fn started() -> (Yard, Service) {
    let yard = Yard::new();
    let service = Service::start(&yard);
    service.put("data", "", b"");
    (yard, service)
}

/// A `worker.tar.gz` with these files.
pub fn package(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        // Set by hand: the library refuses the paths that an attack would use.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_graph_of_tasks_runs_in_order() {
    if !has_namespaces() {
        return;
    }
    let (_yard, service) = started();
    service.put("data", "in/words.txt", b"a b c\nd e\nf\n");
    service.put("data", "worker.tar.gz", &package(&[("split.sh", "split -l 1 -d -a 1 $1 $2"), ("count.sh", "wc -w < \"$1\"")]));
    let command = |line: &str| json!({"Parameters": {"Command": {"CommandLine": line, "PackagePath": "oss://data/worker.tar.gz"}}});
    let mut document = job("", 1, &json!({}));
    let base = document["DAG"]["Tasks"]["task"].clone();
    let task = |line: &str, more: Json| {
        let mut task = base.clone();
        merge(&mut task, &command(line));
        merge(&mut task, &more);
        task
    };
    document["DAG"]["Tasks"] = json!({
        "merge": task("cat /home/admin/counts/* > total.txt", json!({
            "InputMapping": {"oss://data/counts/": "/home/admin/counts/"}, "OutputMapping": {"total.txt": "oss://data/total.txt"}})),
        "split": task("sh split.sh /home/admin/in/words.txt /home/admin/parts/part", json!({
            "InputMapping": {"oss://data/in/": "/home/admin/in/"}, "OutputMapping": {"/home/admin/parts/": "oss://data/parts/"}})),
        "count": task("sh count.sh /home/admin/parts/part$BATCH_COMPUTE_DAG_INSTANCE_ID > /home/admin/counts/$BATCH_COMPUTE_DAG_INSTANCE_ID",
            json!({"InstanceCount": 3, "InputMapping": {"oss://data/parts/": "/home/admin/parts/"},
                "OutputMapping": {"/home/admin/counts/": "oss://data/counts/"}})),
    });
    document["DAG"]["Dependencies"] = json!({"split": ["count"], "count": ["merge"]});
    let id = service.create("/jobs", &document);
    assert_eq!(service.wait(&id), "Finished", "{}", service.get(&format!("/jobs/{id}")));
    assert_eq!(service.text("data", "total.txt"), "3\n2\n1\n");
    let shown = service.get(&format!("/jobs/{id}"));
    assert_eq!((&shown["TaskMetrics"]["FinishedCount"], &shown["InstanceMetrics"]["FinishedCount"]), (&json!(3), &json!(5)));
    assert!(shown["EndTime"].as_str().unwrap().ends_with('Z') && shown["EndTime"].as_str().unwrap().contains('.'));
    let tasks = service.get(&format!("/jobs/{id}/tasks?Marker&MaxItemCount=2"));
    let names: Vec<&str> = tasks["Items"].as_array().unwrap().iter().map(|task| task["TaskName"].as_str().unwrap()).collect();
    assert_eq!((names, &tasks["NextMarker"]), (vec!["split", "count"], &json!("count")));
    let description = service.get(&format!("/jobs/{id}?description"));
    assert_eq!(description["DAG"]["Tasks"]["split"]["LogMapping"], json!({}));
    assert_eq!(description["Notification"]["Topic"]["Events"], json!([]));
    assert!(!std::path::Path::new("/home/admin/counts").exists(), "this machine stays as it is");
}

#[test]
fn failures_are_told_and_retried() {
    let (yard, service) = started();
    let mark = yard.path("marks");
    let line = format!("echo $BATCH_COMPUTE_DAG_INSTANCE_ID >> {}; echo oh no >&2; exit 3", mark.display());
    let id = service.create("/jobs", &job(&line, 1, &json!({"MaxRetryCount": 2})));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(times(&yard, "marks")["0"], 3);
    let instance = &service.instances(&id, "task")[0];
    assert_eq!((&instance["RetryCount"], &instance["Result"]["ExitCode"]), (&json!(2), &json!(3)));
    assert_eq!((&instance["Result"]["ErrorCode"], &instance["Result"]["Detail"]), (&json!("ProgramFailed"), &json!("oh no")));
    let message = service.get(&format!("/jobs/{id}"))["Message"].as_str().unwrap().to_owned();
    assert_eq!(message, "instance 0 of task `task` failed: exit status 3");
    assert_eq!(service.text("data", &format!("logs/stderr.{id}.task.0")), "oh no\n");

    // A job may go on although instances fail.
    let mut tolerant = job("[ $BATCH_COMPUTE_DAG_INSTANCE_ID != 1 ]", 3, &json!({}));
    tolerant["JobFailOnInstanceFail"] = json!(false);
    let id = service.create("/jobs", &tolerant);
    assert_eq!(service.wait(&id), "Finished");
    let counts = service.get(&format!("/jobs/{id}"))["InstanceMetrics"].clone();
    assert_eq!((&counts["FinishedCount"], &counts["FailedCount"]), (&json!(2), &json!(1)));

    // The first failure ends what else there is.
    let id = service.create("/jobs", &job("[ $BATCH_COMPUTE_DAG_INSTANCE_ID != 0 ] && sleep 300", 50, &json!({})));
    assert_eq!(service.wait(&id), "Failed");
    let counts = service.get(&format!("/jobs/{id}"))["InstanceMetrics"].clone();
    assert_eq!((&counts["FailedCount"], &counts["StoppedCount"]), (&json!(1), &json!(49)));

    let id = service.create("/jobs", &job("sleep 300", 1, &json!({"Timeout": 1})));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], "Timeout");
    for (more, code) in [
        (json!({"Parameters": {"Command": {"PackagePath": "oss://data/none.tar.gz"}}}), "InvalidPackage"),
        (json!({"InputMapping": {"oss://data/none": "/home/x"}}), "InvalidMount"),
        (json!({"OutputMapping": {"never-made.txt": "oss://data/o"}}), "UploadFailed"),
        (json!({"Parameters": {"StdoutRedirectPath": "oss://no-such-bucket/"}}), "UploadFailed"),
    ] {
        let id = service.create("/jobs", &job("true", 1, &more));
        assert_eq!(service.wait(&id), "Failed", "{more}");
        assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], code);
    }
}

#[test]
fn jobs_are_stopped_started_and_deleted() {
    let (yard, service) = started();
    let gate = yard.path("gate");
    let mark = yard.path("marks");
    let line = format!(
        "echo $BATCH_COMPUTE_DAG_INSTANCE_ID >> {}; [ $BATCH_COMPUTE_DAG_INSTANCE_ID = 0 ] || while [ ! -e {} ]; do sleep 0.05; done",
        mark.display(),
        gate.display()
    );
    let id = service.create("/jobs", &job(&line, 3, &json!({})));
    wait_for("the first instance to finish", || service.get(&format!("/jobs/{id}"))["InstanceMetrics"]["FinishedCount"] == json!(1));
    let conflict = |method: &str, target: &str| {
        let (code, body) = service.ask(method, target, None);
        assert_eq!((code, body["Code"].as_str().unwrap()), (409, "StateConflict"), "{body}");
        body["Message"].as_str().unwrap().to_owned()
    };
    let target = format!("/jobs/{id}");
    assert_eq!(conflict("DELETE", &target), "User operation is invalid. The current resource state is Running.");
    conflict("POST", &format!("{target}/start"));
    assert_eq!(service.ask("PUT", &target, Some(&json!({"Priority": 9}))).0, 409);
    assert_eq!(service.ask("POST", &format!("{target}/stop"), None).0, 201);
    assert_eq!(service.get(&target)["State"], "Stopped");
    let states: Vec<Json> = service.instances(&id, "task").iter().map(|instance| instance["State"].clone()).collect();
    assert_eq!(states, ["Finished", "Stopped", "Stopped"]);
    conflict("POST", &format!("{target}/stop"));
    assert_eq!(service.ask("PUT", &target, Some(&json!({"Priority": "77"}))).0, 200);
    assert_eq!(service.get(&target)["Priority"], 77);
    assert_eq!(service.ask("PUT", &target, Some(&json!({"Priority": 1001}))).1["Code"], "InvalidPriority");

    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.ask("POST", &format!("{target}/start"), None).0, 201);
    assert_eq!(service.wait(&id), "Finished");
    assert_eq!(times(&yard, "marks")["0"], 1, "what has finished is not run again");
    conflict("POST", &format!("{target}/start"));
    assert_eq!(service.ask("DELETE", &target, None).0, 204);
    let (code, body) = service.ask("GET", &target, None);
    assert_eq!((code, &body["Code"]), (404, &json!("InvalidResource.NotFound")));

    // Stop and start at once: what still runs of the former life says nothing about the new one.
    let again = yard.path("again");
    let line = format!("trap '' TERM; echo $BATCH_COMPUTE_DAG_INSTANCE_ID >> {0}; [ $(wc -l < {0}) -gt 1 ] || sleep 300", again.display());
    let id = service.create("/jobs", &job(&line, 1, &json!({})));
    wait_for("the command to run", || times(&yard, "again").len() == 1);
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/start"), None).0, 201);
    assert_eq!(service.wait(&id), "Finished");
    assert_eq!(times(&yard, "again")["0"], 2);

    // Stop and delete at once, as clients do.
    let id = service.create("/jobs", &job("sleep 300", 4, &json!({})));
    service.wait_running(&id);
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
    assert_eq!(service.ask("DELETE", &format!("/jobs/{id}"), None).0, 204);
    let mut releasing = job("true", 1, &json!({}));
    releasing["AutoRelease"] = json!(true);
    let id = service.create("/jobs", &releasing);
    wait_for("the job to be gone", || service.ask("GET", &format!("/jobs/{id}"), None).0 == 404);
}

#[test]
fn a_killed_server_loses_and_repeats_nothing() {
    let (yard, mut service) = started();
    let mark = yard.path("marks");
    let line = format!("echo $BATCH_COMPUTE_DAG_INSTANCE_ID >> {}; sleep 0.03; echo done", mark.display());
    let id = service.create("/jobs", &job(&line, 120, &json!({})));
    let other = service.create("/jobs", &job(&line.replace("INSTANCE_ID", "JOB_ID"), 1, &json!({})));
    let mut seed = 7u64;
    for _ in 0..6 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(std::time::Duration::from_millis(20 + (seed >> 33) % 250));
        service.kill();
        service = Service::start(&yard);
    }
    assert_eq!((service.wait(&id), service.wait(&other)), ("Finished".into(), "Finished".into()));
    let times = times(&yard, "marks");
    assert_eq!(times.len(), 121);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    let counts = service.get(&format!("/jobs/{id}"))["InstanceMetrics"].clone();
    assert_eq!(counts["FinishedCount"], 120);
    assert_eq!(service.text("data", &format!("logs/stdout.{id}.task.119")), "done\n");
}

#[test]
fn what_a_stopped_job_has_left_is_ended() {
    let (yard, service) = started();
    let seconds = yard.unique_number();
    let id = service.create("/jobs", &job(&format!("trap '' TERM; sleep {seconds}; sleep {seconds}"), 1, &json!({})));
    let running = || crate::yard::processes_with(&["sleep", &seconds]);
    wait_for("the command to run", || running() > 0);
    // Its processes do not end when they are asked to, and the server dies before it ends them for sure.
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
    service.kill();
    assert!(running() > 0);
    let service = Service::start(&yard);
    wait_for("the processes to be gone", || running() == 0);
    assert_eq!(service.get(&format!("/jobs/{id}"))["State"], "Stopped");
}

#[test]
fn what_a_job_sees_and_leaves() {
    if !has_namespaces() {
        return;
    }
    let (yard, service) = started();
    service.put("data", "ref/genome.fa", b"ACGT\n");
    service.put("data", "ref/sub/x", b"x");
    service.put("data", "tool", b"#!/bin/sh\necho tool $1\n");
    let line = "./tool $WHO; cat /ref/genome.fa /single; ls /ref /ref/sub; echo changed > /ref/genome.fa; echo new > /ref/new; \
        touch /fixed/x 2>/dev/null || echo fixed; echo log > /home/admin/run.log; echo $BATCH_COMPUTE_REGION; echo ${BATCHYARD_ACCESS_KEY_SECRET:-none}";
    let more = json!({
        "Parameters": {"Command": {"PackagePath": "oss://data/tool", "EnvVars": {"WHO": "me"}}},
        "InputMapping": {"oss://data/ref/": "/ref/", "oss://data/ref/genome.fa": "/single"},
        "Mounts": {"Entries": [{"Source": "oss://data/ref/", "Destination": "/fixed/", "WriteSupport": false}]},
        "LogMapping": {"/home/admin/run.log": "oss://data/mapped/"}, "OutputMapping": {"/ref/new": "oss://data/new"}
    });
    let id = service.create("/jobs", &job(line, 1, &more));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    let out = service.text("data", &format!("logs/stdout.{id}.task.0"));
    assert_eq!(out, "tool me\nACGT\nACGT\n/ref:\ngenome.fa\nsub\n\n/ref/sub:\nx\nfixed\nlocal\nnone\n");
    assert_eq!(service.text("data", "ref/genome.fa"), "ACGT\n", "objects are not changed by what sees them");
    assert_eq!(service.text("data", "new"), "new\n");
    assert_eq!(service.text("data", &format!("mapped/run.log.{id}.task.0")), "log\n");
    assert!(!std::path::Path::new("/ref").exists() && !std::path::Path::new("/single").exists());

    // An archive must not write elsewhere.
    service.put("data", "evil.tar.gz", &package(&[("../../../../../../escaped", "x")]));
    let id = service.create("/jobs", &job("true", 1, &json!({"Parameters": {"Command": {"PackagePath": "oss://data/evil.tar.gz"}}})));
    assert_eq!(service.wait(&id), "Failed");
    let mut folder = yard.path("home");
    while folder.pop() {
        assert!(!folder.join("escaped").exists(), "{}", folder.display());
    }
    // Outputs of a failed command are kept as far as they are there.
    let more = json!({"OutputMapping": {"part.txt": "oss://data/part.txt", "rest.txt": "oss://data/rest.txt"}});
    let id = service.create("/jobs", &job("echo part > part.txt; exit 1", 1, &more));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.text("data", "part.txt"), "part\n");
}

#[test]
fn logs_grow_while_a_command_runs() {
    let (yard, service) = started();
    let gate = yard.path("gate");
    let id = service
        .create("/jobs", &job(&format!("echo early; while [ ! -e {} ]; do sleep 0.05; done; echo late", gate.display()), 1, &json!({})));
    let key = format!("logs/stdout.{id}.task.0");
    wait_for("the log to appear", || service.object("GET", "data", &key, b"") == (200, "early\n".into()));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.wait(&id), "Finished");
    assert_eq!(service.text("data", &key), "early\nlate\n");
}

#[test]
fn higher_priorities_go_first_and_lists_are_paged() {
    let (yard, service) = started();
    let gate = yard.path("gate");
    let (blocker, mark) = (format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display()), yard.path("marks"));
    let many = service.create("/jobs", &job(&blocker, 40, &json!({})));
    service.wait_running(&many);
    let ranked = |name: &str, priority: u32| {
        let mut document = job(&format!("echo {name} >> {}", mark.display()), 1, &json!({}));
        (document["Name"], document["Priority"]) = (json!(name), json!(priority));
        service.create("/jobs", &document)
    };
    let ids = [ranked("low", 1), ranked("high", 900), ranked("middle", 50)];
    std::fs::write(&gate, "").unwrap();
    for id in &ids {
        assert_eq!(service.wait(id), "Finished");
    }
    assert_eq!(crate::yard::lines(&mark), ["high", "middle", "low"]);
    assert_eq!(service.wait(&many), "Finished");

    let page = service.get("/jobs?Marker&MaxItemCount=3");
    assert_eq!(page["Items"].as_array().unwrap().len(), 3);
    let marker = page["NextMarker"].as_str().unwrap();
    let rest = service.get(&format!("/jobs?Marker={marker}&MaxItemCount=3"));
    assert_eq!((rest["Items"][0]["Id"].as_str(), &rest["NextMarker"]), (Some(many.as_str()), &json!("")));
    let found = service.get("/jobs?IsReverse=True&Marker=0&MaxItemCount=10&OrderBy=CreationTime&State=Finished");
    assert_eq!(found["Items"].as_array().unwrap().len(), 4);
    assert_eq!(service.get("/jobs?State=Running")["Items"], json!([]));
    let instances = service.get(&format!("/jobs/{many}/tasks/task/instances?Marker&MaxItemCount=25"));
    assert_eq!(instances["NextMarker"], "25");
    let rest = service.get(&format!("/jobs/{many}/tasks/task/instances?Marker=25&MaxItemCount=25"));
    assert_eq!((rest["Items"].as_array().unwrap().len(), &rest["NextMarker"]), (15, &json!("")));
}

#[test]
fn others_are_told() {
    let (yard, service) = started();
    let file = yard.path("told");
    let mut document = job("true", 1, &json!({}));
    let events = ["OnJobWaiting", "OnTaskWaiting", "OnJobRunning", "OnJobFinished", "OnTaskFinished", "OnInstanceFinished"];
    document["Notification"]["Topic"] = json!({"Name": "t", "Endpoint": format!("file://{}", file.display()), "Events": events});
    let id = service.create("/jobs", &document);
    assert_eq!(service.wait(&id), "Finished");
    wait_for("the messages", || crate::yard::lines(&file).len() == 6);
    let told: Vec<Json> = crate::yard::lines(&file).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = told.iter().map(|message| message["Event"].as_str().unwrap()).collect();
    assert_eq!(names, ["OnJobWaiting", "OnTaskWaiting", "OnJobRunning", "OnInstanceFinished", "OnTaskFinished", "OnJobFinished"]);
    assert_eq!((&told[0]["JobId"], &told[0]["Category"], &told[3]["InstanceId"]), (&json!(id), &json!("Job"), &json!(0)));
    document["DAG"]["Tasks"]["task"]["Parameters"]["Command"]["CommandLine"] = json!("sleep 600");
    document["Notification"]["Topic"]["Events"] = json!(["OnPriorityChange"]);
    let id = service.create("/jobs", &document);
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
    // The same priority is no change.
    for priority in [1, 7] {
        assert_eq!(service.ask("PUT", &format!("/jobs/{id}"), Some(&json!({"Priority": priority}))).0, 200);
    }
    wait_for("the message", || crate::yard::lines(&file).len() == 7);
    let last: Json = serde_json::from_str(&crate::yard::lines(&file)[6]).unwrap();
    assert_eq!((&last["Event"], &last["JobId"], &last["Priority"]), (&json!("OnPriorityChange"), &json!(id), &json!(7)));
}

/// Those that have ended and have rows are passed over, not looked at one by one.
#[test]
fn waiting_instances_are_found_behind_those_that_have_ended() {
    let (_yard, service) = started();
    let document = job("[ $BATCH_COMPUTE_DAG_INSTANCE_ID -lt 150 ] || sleep 600", 400, &json!({}));
    let id = service.create("/jobs", &document);
    wait_for("the first ones to end", || service.get(&format!("/jobs/{id}"))["InstanceMetrics"]["FinishedCount"] == 150);
    wait_for("as many as can to run", || {
        service.get(&format!("/jobs/{id}/tasks/task/instances?Marker&MaxItemCount=10&State=Running"))["Items"] != json!([])
    });
    let mut numbers: Vec<u64> = Vec::new();
    let mut marker = String::from("0");
    while !marker.is_empty() {
        let page = service.get(&format!("/jobs/{id}/tasks/task/instances?Marker={marker}&MaxItemCount=10&State=Waiting"));
        numbers.extend(page["Items"].as_array().unwrap().iter().map(|instance| instance["InstanceId"].as_u64().unwrap()));
        marker = page["NextMarker"].as_str().unwrap().to_owned();
    }
    let first = numbers[0];
    assert!(first > 150 && first < 200, "{first}");
    assert_eq!(numbers, (first..400).collect::<Vec<_>>());
    assert_eq!(service.ask("POST", &format!("/jobs/{id}/stop"), None).0, 201);
}
