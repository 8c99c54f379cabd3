//! Details of requests that clients of the original make: names, limits, options.

use serde_json::{Value as Json, json};

use crate::{http::Server, yard::Yard};

const NOTHING: &str = "version 1.0\nworkflow w { }";

#[test]
fn deprecated_names_still_count() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let answer = server.form("/api/workflows/v1", &[("wdlSource", NOTHING.as_bytes())]);
    assert_eq!(answer.code, 201);
    let warning = answer.header("warning").unwrap();
    assert!(warning.starts_with("299 cromwell/92 \"") && warning.contains("wdlSource"), "{warning}");
    assert!(server.form("/api/workflows/v1", &[("workflowSource", NOTHING.as_bytes())]).header("warning").is_none());
    let both = server.form("/api/workflows/v1", &[("workflowSource", b"x"), ("wdlSource", b"x")]);
    assert!(both.code == 400 && both.text.contains("can't both be supplied"), "{}", both.text);
}

#[test]
fn labels_come_in_any_type() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(NOTHING, &json!({}), &[]);
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = server.send("PATCH", &format!("/api/workflows/v1/{id}/labels"), kind, br#"{"a": "b"}"#);
        assert_eq!((answer.code, &answer.json()["labels"]["a"]), (200, &json!("b")), "{kind:?}");
    }
}

#[test]
fn addresses_of_documents_are_checked() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let told =
        |url: &str| server.form("/api/workflows/v1", &[("workflowUrl", url.as_bytes())]).json()["message"].as_str().unwrap().to_owned();
    let long = format!("http://h/{}", "x".repeat(2000));
    assert_eq!(told(&long), "Error(s): Invalid workflow url: url has length 2009, longer than the maximum allowed 2000 characters");
    assert!(told("not an address").starts_with("Error(s): Error while validating workflow url: "));
    let nowhere =
        server.form("/api/workflows/v1", &[("workflowUrl", b"http://127.0.0.1:1/w.wdl")]).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&nowhere), "Failed");
    assert_eq!(server.about(&nowhere, "metadata")["failures"][0]["message"], "Workflow input processing failed");
}

#[test]
fn options_have_types() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let send = |options: &str| {
        server.form("/api/workflows/v1", &[("workflowSource", NOTHING.as_bytes()), ("workflowOptions", options.as_bytes())])
    };
    let answer = send(r#"{"a": {"b": 1}, "c": [[1]], "d": null}"#);
    assert_eq!(answer.code, 400);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(message.matches("Unsupported key/value pair in WorkflowOptions: ").count(), 3, "{message}");
    for good in
        [r#"{"a": [1, "x", true]}"#, r#"{"default_runtime_attributes": {"cpu": 1}, "google_labels": {"a": "b"}}"#, r#"{"unknown": 1}"#, ""]
    {
        assert_eq!(send(good).code, 201, "{good}");
    }
}

#[test]
fn options_change_how_tasks_run() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { call a call b }\ntask a { command <<< exit 3 >>> }\ntask b { command <<< exit 4 >>> runtime { continueOnReturnCode: 4 } }";
    let options = |value: serde_json::Value| value.to_string().into_bytes();
    // Attributes that a task states itself are not touched.
    let id =
        server.run(wdl, &json!({}), &[("workflowOptions", &options(json!({"default_runtime_attributes": {"continueOnReturnCode": [3]}})))]);
    let calls = server.about(&id, "metadata")["calls"].clone();
    assert_eq!((&calls["w.a"][0]["returnCode"], &calls["w.b"][0]["returnCode"]), (&json!(3), &json!(4)));
    assert_eq!(calls["w.a"][0]["runtimeAttributes"]["continueOnReturnCode"], "[3]");
    // Only results below one of these paths are taken.
    let again = |prefixes: &[&str]| {
        let value = json!({"default_runtime_attributes": {"continueOnReturnCode": [3]}, "call_cache_hit_path_prefixes": prefixes});
        let id = server.run(wdl, &json!({}), &[("workflowOptions", &options(value))]);
        server.about(&id, "metadata")["calls"]["w.a"][0]["callCaching"]["hit"].clone()
    };
    assert_eq!((again(&["/nowhere"]), again(&[])), (json!(false), json!(false)));
    assert_eq!(again(&[yard.path("").canonicalize().unwrap().to_str().unwrap()]), true);
}

#[test]
fn accelerators_are_refused_and_unknown_attributes_kept() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let task = |attributes: &str| format!("version 1.1\nworkflow w {{ call t }}\ntask t {{ command <<< >>> runtime {{ {attributes} }} }}");
    let id = server.submit(&task("gpu: true"), &json!({}), &[]);
    assert_eq!(server.wait(&id), "Failed");
    assert!(server.about(&id, "metadata")["failures"].to_string().contains("gpu"));
    let id = server.run(&task("gpu: false zones: \"a b\" preemptible: 3 disks: \"local-disk 10 SSD\""), &json!({}), &[]);
    let attributes = server.about(&id, "metadata")["calls"]["w.t"][0]["runtimeAttributes"].clone();
    assert_eq!((&attributes["zones"], &attributes["preemptible"]), (&json!("a b"), &json!("3")));
}

#[test]
fn files_of_which_copies_are_optional_are_put_in_place() {
    let yard = Yard::new();
    yard.write("in.txt", "text\n");
    let place = "cat ~{f}; dirname ~{f}; pwd";
    let wdl = |version: &str, inputs: &str, section: &str| {
        let command = if version == "draft-2" { place.replace('~', "$") } else { place.to_owned() };
        let version = if version == "draft-2" { String::new() } else { format!("version {version}\n") };
        let given = if inputs.is_empty() { "File f" } else { inputs };
        let outer = if version.is_empty() { "File f" } else { "input { File f }" };
        format!(
            "{version}workflow w {{ {outer} call t {{ input: f = f }} output {{ Array[String] lines = t.lines }} }}\n\
            task t {{ {given} command <<< {command} >>> {section} output {{ Array[String] lines = read_lines(stdout()) }} }}"
        )
    };
    for (name, text) in [
        ("draft-2", wdl("draft-2", "", "parameter_meta { f: { localization_optional: true } }")),
        ("1.0", wdl("1.0", "input { File f }", "parameter_meta { f: { localization_optional: true } }")),
        ("1.1", wdl("1.1", "input { File f }", "runtime { localizationOptional: true }")),
        ("1.1, one input", wdl("1.1", "input { File f }", "runtime { inputs: object { f: object { localizationOptional: true } } }")),
        ("1.2", wdl("1.2", "input { File f }", "hints { localization_optional: true }")),
        ("1.2, one input", wdl("1.2", "input { File f }", "hints { inputs: input { f: hints { localization_optional: true } } }")),
    ] {
        yard.write("w.wdl", &text);
        let run = yard.call(&["run", "w.wdl", "f=in.txt", "--no-cache"]);
        assert_eq!(run.code, 0, "{name}: {}", run.err);
        assert!(!run.err.contains("ocalization"), "{name}: {}", run.err);
        let told: Json = serde_json::from_str(&run.out).unwrap();
        let lines: Vec<&str> = told["outputs"]["w.lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let [content, folder, here] = lines[..] else { panic!("{name}: {lines:?}") };
        assert_eq!(content, "text", "{name}");
        let attempt = here.strip_suffix("/execution").unwrap();
        assert!(folder.starts_with(&format!("{attempt}/inputs/")), "{name}: {folder} is not below {attempt}");
    }
}

#[test]
fn queries_know_all_their_keys() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let id = server.run(NOTHING, &json!({}), &[("labels", br#"{"a": "b"}"#)]);
    let count = |query: &str| server.query(query)["totalResultsCount"].as_u64().unwrap();
    assert_eq!(count("additionalQueryResultFields=labels&additionalQueryResultFields=parentWorkflowId"), 1);
    assert_eq!(count("metadataArchiveStatus=Unarchived&STATUS=Succeeded"), 1);
    assert_eq!(count("metadataArchiveStatus=Archived"), 0);
    assert_eq!(count("submission=2020-01-01T00:00:00.000Z&start=2020-01-01T00:00:00Z"), 1);
    assert_eq!(count("end=2020-01-01T00:00:00.000Z"), 0);
    assert_eq!(count("excludeLabelAnd=a%3Ab&excludeLabelAnd=x%3Ay"), 1);
    assert_eq!(count("excludeLabelAnd=a%3Ab"), 0);
    let result = server.query(&format!("id={id}"))["results"][0].clone();
    let keys: Vec<&String> = result.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "name", "status", "submission", "start", "end", "labels", "metadataArchiveStatus"]);
    let wrong = server.get("/api/workflows/v1/query?start=2026-02-05T12:00:00Z&end=2026-01-01T00:00:00Z&page=1&page=2&label=x&name=1");
    let message = wrong.json()["message"].as_str().unwrap().to_owned();
    assert_eq!((wrong.code, message.lines().count()), (400, 4), "{message}");
}

#[test]
fn runs_of_the_execution_service() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let info = server.get("/api/ga4gh/wes/v1/service-info").json();
    assert_eq!((&info["workflow_engine_versions"]["Cromwell"], &info["default_workflow_engine_parameters"]), (&json!("92"), &json!([])));
    assert!(info["workflow_type_version"]["WDL"].is_array() && info["supported_wes_versions"].as_array().unwrap().contains(&json!("1.0")));
    let wdl = "version 1.0\nworkflow w { scatter (i in [1, 2]) { call t } }\ntask t { command <<< echo out; exit 3 >>> }";
    let answer = server.form("/api/ga4gh/wes/v1/runs", &[("workflow_attachment", wdl.as_bytes())]);
    let id = answer.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Failed");
    let run = server.get(&format!("/api/ga4gh/wes/v1/runs/{id}")).json();
    assert_eq!((&run["state"], &run["request"]["workflow_type"]), (&json!("EXECUTOR_ERROR"), &json!("None supplied")));
    assert!(run["run_log"]["stderr"].as_str().unwrap().contains("Job w.t:"), "{run}");
    let log = &run["task_logs"][0];
    assert!(log["name"].as_str().unwrap().starts_with("w.t.") && log["exit_code"] == 3 && log["cmd"][0] == "echo out; exit 3", "{log}");
    assert!(log["stdout"].as_str().unwrap().ends_with("/execution/stdout") && log["end_time"].is_string());
    let held = server.submit(NOTHING, &json!({}), &[("workflowOnHold", b"true")]);
    assert_eq!(server.get(&format!("/api/ga4gh/wes/v1/runs/{held}/status")).json()["state"], "PAUSED");
    let cancelled = server.post(&format!("/api/ga4gh/wes/v1/runs/{held}/cancel"));
    assert_eq!((cancelled.code, cancelled.json()), (200, json!({"run_id": held})));
    assert_eq!(server.get(&format!("/api/ga4gh/wes/v1/runs/{held}/status")).json()["state"], "CANCELED");
    let page = server.get("/api/ga4gh/wes/v1/runs?page_size=1").json();
    let next = server.get(&format!("/api/ga4gh/wes/v1/runs?page_size=1&page_token={}", page["next_page_token"].as_str().unwrap())).json();
    assert_eq!((&page["runs"][0]["run_id"], &next["runs"][0]["run_id"]), (&json!(held), &json!(id)));
    let unknown = server.post("/api/ga4gh/wes/v1/runs/11111111-2222-4333-8444-555555555555/cancel");
    assert_eq!((unknown.code, &unknown.json()["status_code"]), (404, &json!(404)));
}
