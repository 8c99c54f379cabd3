//! The clients that people use with the original, unmodified, against the server.

use std::{path::PathBuf, process::Command};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    http::Server,
    yard::{Done, Yard, done},
};

const HELLO: &str = "version 1.0\n\
    workflow wf { input { String who } scatter (i in range(2)) { call greet { input: who = who, i = i } } output { Array[File] all = greet.out } }\n\
    task greet { input { String who Int i } command <<< echo \"hello ~{who} ~{i}\" >>> output { File out = stdout() } }\n";

/// Requests made for each operation of the description, in each way of making them.
const FUZZED: &str = "120";

/// A program of a client that `scripts/setup.sh test` installs; says so when it is not there.
pub fn program(client: &str, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/clients").join(client).join("bin").join(name);
    if path.exists() {
        return Some(path);
    }
    not_tested(client, "run scripts/setup.sh test");
    None
}

fn documents(yard: &Yard) {
    yard.write("hello.wdl", HELLO);
    yard.write("inputs.json", r#"{"wf.who": "Ada"}"#);
    yard.write("options.json", r#"{"read_from_cache": false}"#);
    yard.write("labels.json", r#"{"lab": "x"}"#);
}

fn call(yard: &Yard, program: &PathBuf, arguments: &[&str]) -> Done {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(yard.path("")).env("HOME", yard.path("person")).env("NO_COLOR", "1");
    done(&mut command)
}

#[test]
fn cromshell() {
    let Some(cromshell) = program("cromshell", "cromshell") else { return };
    let yard = Yard::new();
    documents(&yard);
    let server = Server::start(&yard, &[]);
    yard.write("person/.cromshell/cromshell_config.json", &json!({"cromwell_server": server.base, "requests_timeout": 20}).to_string());
    let ask = |arguments: &[&str]| {
        let mut all = vec!["--no_turtle"];
        all.extend(arguments);
        let done = call(&yard, &cromshell, &all);
        assert_eq!(done.code, 0, "{arguments:?}: {}\n{}", done.out, done.err);
        done.out
    };
    let submitted = ask(&["submit", "--no-validation", "hello.wdl", "inputs.json", "-op", "options.json"]);
    let start = submitted.find('{').unwrap();
    let id = serde_json::from_str::<Json>(&submitted[start..]).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&id), "Succeeded");
    assert!(ask(&["status", &id]).contains("Succeeded"));
    assert!(ask(&["counts", &id]).contains("0 Running, 2 Done"));
    assert!(ask(&["list-outputs", &id]).contains("wf.all: /"));
    assert!(ask(&["metadata", &id]).contains("actualWorkflowLanguageVersion"));
    assert!(ask(&["slim-metadata", &id]).contains("shardIndex"));
    assert!(ask(&["logs", "-s", "ALL", &id]).contains("wf.greet-shard-1:\tDone"));
    ask(&["alias", &id, "mine"]);
    assert!(ask(&["status", "mine"]).contains("Succeeded"));
    assert!(ask(&["list", "-u"]).contains(&id));
}

#[test]
fn cromwell_tools() {
    let Some(python) = program("cromwell-tools", "python3") else { return };
    let yard = Yard::new();
    documents(&yard);
    let server = Server::start(&yard, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/cromwell_tools_session.py");
    let folder = yard.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let done = call(&yard, &python, &[script, &server.base, &folder]);
    assert_eq!(done.code, 0, "{}\n{}", done.out, done.err);
    let answers: Json = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&answers["submitted"], &answers["released"], &answers["status"]),
        (&json!("On Hold"), &json!("Submitted"), &json!("Succeeded"))
    );
    assert_eq!(answers["found"], json!([answers["run"]]));
    assert_eq!((&answers["labels"]["lab"], &answers["labels"]["more"]), (&json!("x"), &json!("yes")));
    assert_eq!((&answers["metadata"]["status"], &answers["abort"]), (&json!("Succeeded"), &json!(404)));
}

#[test]
fn wes_client() {
    let Some(client) = program("wes-service", "wes-client") else { return };
    let yard = Yard::new();
    documents(&yard);
    let server = Server::start(&yard, &[]);
    let host = server.base.trim_start_matches("http://").to_owned();
    let ask = |arguments: &[&str]| {
        let mut all = vec!["--host", &host, "--proto", "http"];
        all.extend(arguments);
        call(&yard, &client, &all)
    };
    assert!(ask(&["--info"]).out.contains("supported_wes_versions"));
    let run = ask(&["--attachments=hello.wdl", "hello.wdl", "inputs.json"]);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert!(run.out.contains("wf.all"), "{}", run.out);
    assert!(ask(&["--list"]).out.contains("COMPLETE"));
}

/// Requests that a fuzzer makes from the description of the interface: every answer is one that is described.
#[test]
fn schemathesis() {
    let Some(schemathesis) = program("schemathesis", "schemathesis") else { return };
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let inputs = json!({"wf.who": "Ada"});
    let done = server.run(HELLO, &inputs, &[]);
    let failed = server.submit("version 1.0\nworkflow wf { call no }\ntask no { command <<< exit 3 >>> }", &json!({}), &[]);
    assert_eq!(server.wait(&failed), "Failed");
    let held = server.submit(HELLO, &inputs, &[("workflowOnHold", b"true")]);
    let alone = |text: &str| {
        let wdl = format!("version 1.0\nworkflow wf {{ call alone }} task alone {{ command <<< echo {text} >>> }}");
        server.run(&wdl, &json!({}), &[])
    };
    let compared = json!([alone("one"), alone("two")]);
    let known =
        format!("\n[dictionaries.workflows]\nvalues = {}\n[dictionaries.compared]\nvalues = {compared}\n", json!([done, failed, held]));
    yard.write("fuzz.toml", &(include_str!("../clients/schemathesis.toml").to_owned() + &known));
    let document = format!("{}/openapi.json", server.base);
    // One worker: Python 3.11 now and then fails to parse its own sources on two threads at once.
    let report = ["--report", "har", "--report-har-path", "fuzz.har"];
    let begin = ["--config-file", "fuzz.toml", "run", &document, "--no-color", "-n", FUZZED, "-w", "1"];
    let found = call(&yard, &schemathesis, &[&begin[..], &report].concat());
    assert_eq!(found.code, 0, "{}\n{}", found.out, found.err);
    assert!(found.out.contains("No issues found"), "{}", found.out);
    let report: Json = serde_json::from_str(&yard.read("fuzz.har")).unwrap();
    let entries = report["log"]["entries"].as_array().unwrap();
    let compares = |entry: &&Json| entry["request"]["url"].as_str().is_some_and(|url| url.contains("/callcaching/diff"));
    let answers = entries.iter().filter(compares).map(|entry| entry["response"]["status"].as_u64().unwrap());
    assert!(answers.clone().any(|status| status == 200), "two calls were never compared: {:?}", answers.collect::<Vec<_>>());
    // After all that it still works.
    assert_eq!(server.get("/engine/v1/status").code, 200);
    server.run(HELLO, &inputs, &[("workflowOptions", br#"{"read_from_cache": false}"#)]);
    server.terminate();
}
