//! The server is killed at planned places of the life of a job. The next one loses nothing that was answered, repeats nothing
//! that was done, and ends what was to end.

use serde_json::{Value as Json, json};

use crate::{
    service::{Service, date, job, merge, times},
    yard::{Yard, lines, processes_with, wait_for},
};

/// Places at which the server dies while it carries out a job, with the passages at which it does.
const PLACES: [(&str, &[u32]); 16] = [
    ("job planned", &[1]),
    ("job recorded", &[1]),
    ("job told", &[1]),
    ("instance placed", &[1, 3, 4]),
    ("instance let go", &[1]),
    ("next let go", &[1, 3]),
    ("instance may run", &[1, 3]),
    ("start recorded", &[1, 2, 4]),
    ("command ended", &[1, 2, 4]),
    ("outputs kept", &[1, 3, 4]),
    ("logs kept", &[1, 3, 4]),
    ("end known", &[1, 2, 3, 4]),
    ("end recorded", &[1, 3]),
    ("job ended", &[1]),
    ("folder to remove", &[1]),
    // Logs go to the disk together, so that there may be few commits.
    ("change committed", &[3, 4, 5]),
];

/// A server in the yard that dies at this place.
fn mortal(yard: &Yard, place: &str) -> Service {
    Service::start_in(yard, &[], &[("BATCHYARD_CRASH_AT", place)])
}

/// A job of two tasks: three instances, then one that sees what they have left.
fn document(yard: &Yard, more: &Json) -> Json {
    let mark = yard.path("marks");
    let line = |name: &str| format!("echo {name} >> {}; sleep 0.02; echo {name} > result; echo log of {name}", mark.display());
    let output = |name: &str| json!({"OutputMapping": {"result": format!("oss://data/out/{name}")}});
    let mut document = job(&line("a$BATCH_COMPUTE_DAG_INSTANCE_ID"), 3, &output("first"));
    let mut second = document["DAG"]["Tasks"]["task"].clone();
    merge(&mut second, &json!({"InstanceCount": 1, "Parameters": {"Command": {"CommandLine": line("b")}}}));
    second["OutputMapping"] = output("second")["OutputMapping"].clone();
    document["DAG"]["Tasks"]["then"] = second;
    document["DAG"]["Dependencies"] = json!({"task": ["then"]});
    merge(&mut document, more);
    document
}

/// Asks a server that may die over it; nothing when it does.
fn try_ask(service: &Service, method: &str, target: &str, body: &str) -> Option<(u16, Json)> {
    service.try_ask(&service.keys, method, target, body.as_bytes(), &date(0), &[]).ok()
}

/// A folder of a job is there, under whatever name.
fn has_folder(yard: &Yard, id: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(yard.path("home/jobs")) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(id))
}

/// Creates a job as a client does that asks again when it gets no answer; the job must not be there twice.
fn create_over_death(yard: &Yard, place: &str, document: &Json) -> (Service, String) {
    let service = mortal(yard, place);
    service.put("data", "", b"");
    let target = "/jobs?IdempotentToken=once";
    let answered = try_ask(&service, "POST", target, &document.to_string());
    service.await_death_at(place);
    let service = Service::start(yard);
    let id = service.create(target, document);
    if let Some((code, body)) = answered {
        assert_eq!((code, &body["Id"]), (201, &json!(id)), "{place}: what was answered stays");
    }
    (service, id)
}

fn check_finished(yard: &Yard, service: &Service, id: &str, at: &str) {
    assert_eq!(service.wait(id), "Finished", "{at}: {}", service.get(&format!("/jobs/{id}")));
    let marks = times(yard, "marks");
    assert_eq!(marks.keys().collect::<Vec<_>>(), ["a0", "a1", "a2", "b"], "{at}");
    assert!(marks.values().all(|times| *times == 1), "{at}: {marks:?}");
    let listed = service.get("/jobs?Marker&MaxItemCount=10");
    assert_eq!(listed["Items"].as_array().unwrap().len(), 1, "{at}: {listed}");
    let shown = service.get(&format!("/jobs/{id}"));
    for (metric, count) in [("FinishedCount", 4), ("RunningCount", 0), ("WaitingCount", 0), ("FailedCount", 0), ("StoppedCount", 0)] {
        assert_eq!(shown["InstanceMetrics"][metric], count, "{at}: {shown}");
    }
    assert_eq!(shown["TaskMetrics"]["FinishedCount"], 2, "{at}: {shown}");
    for (task, count) in [("task", 3), ("then", 1)] {
        let instances = service.instances(id, task);
        assert_eq!(instances.len(), count, "{at}");
        for (number, instance) in instances.iter().enumerate() {
            assert_eq!((&instance["State"], &instance["Result"]["ExitCode"]), (&json!("Finished"), &json!(0)), "{at}: {instance}");
            let name = if task == "task" { format!("a{number}") } else { "b".into() };
            assert_eq!(service.text("data", &format!("logs/stdout.{id}.{task}.{number}")), format!("log of {name}\n"), "{at}");
        }
    }
    assert_eq!(service.text("data", "out/second"), "b\n", "{at}");
    assert!(service.text("data", "out/first").starts_with('a'), "{at}");
    wait_for("the job's folder to go", || !has_folder(yard, id));
}

#[test]
fn a_server_that_dies_on_the_way_of_a_job() {
    for (place, passages) in PLACES {
        for passage in passages {
            let yard = Yard::new();
            let at = format!("{place}:{passage}");
            let (service, id) = create_over_death(&yard, &at, &document(&yard, &json!({})));
            check_finished(&yard, &service, &id, &at);
        }
    }
}

#[test]
fn a_job_that_fails_fails_although_the_server_dies() {
    for place in ["command ended", "logs kept", "end known", "job ended"] {
        let yard = Yard::new();
        let line = format!("echo x >> {}; echo oh no >&2; exit 3", yard.path("marks").display());
        let (service, id) = create_over_death(&yard, place, &job(&line, 1, &json!({})));
        assert_eq!(service.wait(&id), "Failed", "{place}");
        let instance = &service.instances(&id, "task")[0];
        assert_eq!((&instance["State"], &instance["Result"]["ExitCode"]), (&json!("Failed"), &json!(3)), "{place}: {instance}");
        assert_eq!(times(&yard, "marks"), [("x".to_owned(), 1)].into(), "{place}");
        assert_eq!(service.text("data", &format!("logs/stderr.{id}.task.0")), "oh no\n", "{place}");
    }
}

#[test]
fn a_job_that_releases_itself_is_gone() {
    let yard = Yard::new();
    let service = mortal(&yard, "job ended");
    service.put("data", "", b"");
    let id = service.create("/jobs", &document(&yard, &json!({"AutoRelease": true})));
    service.await_death();
    let service = Service::start(&yard);
    assert_eq!(service.ask("GET", &format!("/jobs/{id}"), None).0, 404);
    assert_eq!(service.get("/jobs?Marker")["Items"], json!([]));
    assert_eq!(times(&yard, "marks").len(), 4);
    assert_eq!(service.text("data", "out/second"), "b\n");
}

/// Notes of a kind of change that were made.
fn noted(yard: &Yard, kind: &str) -> usize {
    let done = yard.call(&["audit", "--json", "--kind", kind]);
    assert_eq!(done.code, 0, "{}", done.err);
    serde_json::from_str::<Vec<Json>>(&done.out).unwrap().len()
}

#[test]
fn a_wish_that_was_recorded_is_carried_out() {
    let yard = Yard::new();
    let service = mortal(&yard, "wish recorded");
    service.put("data", "", b"");
    let seconds = yard.unique_number();
    let mark = yard.path("marks");
    let line = format!("if [ -e {0} ]; then echo again >> {0}; else echo once > {0}; sleep {seconds}; fi", mark.display());
    let id = service.create("/jobs", &job(&line, 1, &json!({})));
    wait_for("the command", || processes_with(&["sleep", &seconds]) == 1);
    assert!(try_ask(&service, "POST", &format!("/jobs/{id}/stop"), "").is_none(), "there is no answer");
    service.await_death();
    assert_eq!(processes_with(&["sleep", &seconds]), 1, "nobody was there to end it");
    let service = mortal(&yard, "wish recorded");
    wait_for("the end of the command", || processes_with(&["sleep", &seconds]) == 0);
    assert_eq!((service.get(&format!("/jobs/{id}"))["State"].clone(), noted(&yard, "StopJob")), (json!("Stopped"), 1));

    assert!(try_ask(&service, "POST", &format!("/jobs/{id}/start"), "").is_none());
    service.await_death();
    let service = mortal(&yard, "job deleted");
    assert_eq!((service.wait(&id), noted(&yard, "StartJob")), ("Finished".into(), 1));
    assert_eq!(lines(&mark), ["once", "again"]);
    assert!(try_ask(&service, "DELETE", &format!("/jobs/{id}"), "").is_none());
    service.await_death();
    let service = Service::start(&yard);
    assert_eq!((service.ask("GET", &format!("/jobs/{id}"), None).0, noted(&yard, "DeleteJob")), (404, 1));
    wait_for("the job's folder to go", || !has_folder(&yard, &id));
}

#[test]
fn a_deleted_job_leaves_nothing() {
    for place in ["job deleted", "folder to remove"] {
        let yard = Yard::new();
        let service = mortal(&yard, place);
        service.put("data", "", b"");
        let id = service.create("/jobs", &job("exit 1", 1, &json!({})));
        assert_eq!(service.wait(&id), "Failed");
        assert!(has_folder(&yard, &id), "what has failed can be looked at");
        try_ask(&service, "DELETE", &format!("/jobs/{id}"), "");
        service.await_death();
        assert!(has_folder(&yard, &id), "{place}");
        let service = Service::start(&yard);
        assert_eq!(service.ask("GET", &format!("/jobs/{id}"), None).0, 404, "{place}");
        wait_for("the job's folder to go", || !has_folder(&yard, &id));
    }
}

#[test]
fn jobs_of_a_deleted_cluster_fail_although_the_server_dies() {
    let yard = Yard::new();
    let service = mortal(&yard, "cluster gone");
    service.put("data", "", b"");
    let document = json!({
        "Name": "cluster", "ImageId": "img-ubuntu", "Groups": {"group": {"DesiredVMCount": 1, "InstanceType": "bcs.a2.large"}}
    });
    let cluster = service.create("/clusters", &document);
    let seconds = yard.unique_number();
    let running = service.create("/jobs", &job(&format!("sleep {seconds}"), 2, &json!({"ClusterId": cluster})));
    wait_for("the command", || processes_with(&["sleep", &seconds]) == 1);
    let waiting = service.create("/jobs", &job("true", 1, &json!({"ClusterId": cluster})));
    assert!(try_ask(&service, "DELETE", &format!("/clusters/{cluster}"), "").is_none());
    service.await_death();
    let service = Service::start(&yard);
    assert_eq!((service.wait(&running), service.wait(&waiting)), ("Failed".into(), "Failed".into()));
    assert!(service.get(&format!("/jobs/{waiting}"))["Message"].as_str().unwrap().contains("was deleted"));
    wait_for("the command to end", || processes_with(&["sleep", &seconds]) == 0);
    assert_eq!(service.ask("GET", &format!("/clusters/{cluster}"), None).0, 404, "it had nothing left to wait for");
}

#[test]
fn a_bootstrap_under_way_is_not_begun_again() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    service.put("data", "", b"");
    let (mark, gate) = (yard.path("marks"), yard.path("gate"));
    let bootstrap =
        format!("echo begun >> {0}; while [ ! -e {1} ]; do sleep 0.02; done; echo ended >> {0}", mark.display(), gate.display());
    let document = json!({
        "Name": "cluster", "ImageId": "img-ubuntu", "Bootstrap": bootstrap,
        "Groups": {"group": {"DesiredVMCount": 1, "InstanceType": "bcs.a2.large"}}
    });
    let cluster = service.create("/clusters", &document);
    let id = service.create("/jobs", &job(&format!("echo job >> {}", mark.display()), 1, &json!({"ClusterId": cluster})));
    wait_for("the bootstrap to begin", || lines(&mark) == ["begun"]);
    service.kill();
    let service = Service::start(&yard);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.wait(&id), "Finished");
    assert_eq!(lines(&mark), ["begun", "ended", "job"]);
}
