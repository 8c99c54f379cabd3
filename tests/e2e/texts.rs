//! Texts that scripts of the original's users search for, in the metadata of workflows that fail.

use serde_json::{Value as Json, json};

use crate::{
    http::{Server, zipped},
    yard::Yard,
};

/// All messages of the failures of a workflow that is expected to fail, outermost first, one after the other.
fn failures(server: &Server, wdl: &str, inputs: &Json, more: &[(&str, &[u8])]) -> Vec<String> {
    let id = server.submit(wdl, inputs, more);
    assert_eq!(server.wait(&id), "Failed");
    let mut messages = Vec::new();
    collect(&server.about(&id, "metadata")["failures"], &mut messages);
    messages
}

fn collect(failures: &Json, messages: &mut Vec<String>) {
    for failure in failures.as_array().unwrap() {
        messages.push(failure["message"].as_str().unwrap().to_owned());
        collect(&failure["causedBy"], messages);
    }
}

fn task(command: &str, rest: &str) -> String {
    format!("version 1.0\nworkflow w {{ call t }}\ntask t {{ command <<< {command} >>> {rest} }}")
}

#[test]
fn commands_that_fail() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let of = |command: &str, rest: &str| failures(&server, &task(command, rest), &json!({}), &[]);

    let told = of("echo some words >&2; exit 4", "runtime { maxRetries: 1 }");
    assert_eq!(told[0], "Workflow failed");
    let exited = "Job w.t:NA:2 exited with return code 4 which has not been declared as a valid return code. \
        See 'continueOnReturnCode' runtime attribute for more details.";
    assert!(told[1].starts_with(exited), "{told:?}");
    assert!(told[1].ends_with("/call-t/attempt-2/execution/stderr ends with:\nsome words"), "{told:?}");
    let wdl = task("echo 'a Killed process' >&2; exit 4", "runtime { maxRetries: 1 memory: \"1 GB\" }");
    let id = server.submit(&wdl, &json!({}), &[("workflowOptions", br#"{"memory_retry_multiplier": 1.1}"#)]);
    assert_eq!(server.wait(&id), "Failed");
    let metadata = server.about(&id, "metadata");
    let message = metadata["failures"][0]["causedBy"][0]["message"].as_str().unwrap();
    let expected = "stderr for job `w.t:NA:2` contained one of the `memory-retry-error-keys: [";
    assert!(message.starts_with(expected) && message.contains("Killed"), "{message}");
    assert!(message.contains("]` specified in the Cromwell config. Job might have run out of memory."), "{message}");
    let memory = |attempt: usize| metadata["calls"]["w.t"][attempt]["runtimeAttributes"]["memory"].clone();
    assert_eq!((memory(0), memory(1)), (json!("1 GB"), json!("1.1 GB")));
    let told = of("echo oops >&2", "runtime { failOnStderr: true }");
    assert!(told[1].starts_with("stderr for job w.t:NA:1 has length 5 and 'failOnStderr'"), "{told:?}");
    let told = of("true", "output { File f = \"nope.txt\" }");
    assert_eq!(told[1], "Failed to evaluate job outputs");
    assert!(told[2].starts_with("Bad output 'w.t.f': Could not process output, file not found: /"), "{told:?}");
    assert!(told[2].contains("/call-t/execution/nope.txt\n"), "{told:?}");
    let told = of("echo x", "output { Int n = read_int(stdout()) }");
    assert_eq!(told[1], "Failed to evaluate job outputs");
    let told = of("head -c 5000 /dev/zero | tr '\\0' 1", "output { Int n = read_int(stdout()) }");
    assert!(told[2].contains("is larger than requested maximum of 4096 Bytes."), "{told:?}");
}

#[test]
fn calls_that_cannot_begin() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let size = "version 1.0\nworkflow w { call t { input: s = \"lots\" } }\n\
                task t { input { String s } command <<< >>> runtime { memory: s } }";
    let told = failures(&server, size, &json!({}), &[]);
    assert_eq!(told[..2], ["Workflow failed", "Runtime validation failed"]);
    assert!(told[2].contains("memory"), "{told:?}");
    // A constant is looked at before anything runs, even in a branch that is never taken.
    let constant = "version 1.0\nworkflow w { call t if (false) { call u } }\ntask t { command <<< touch \"$OLDPWD/ran\" >>> }\n\
                    task u { command <<< >>> runtime { cpu: 0 } }";
    let told = failures(&server, constant, &json!({}), &[]);
    assert_eq!(told[..2], ["Runtime validation failed", "Task u has an invalid runtime attribute cpu = Valid(WomInteger(0))"]);
    let alone = "version 1.0\nworkflow w { if (false) { call u } }\ntask u { command <<< >>> runtime { cpu: 0 } }";
    assert_eq!(failures(&server, alone, &json!({}), &[])[0], "Runtime validation failed", "nothing is left to be done, and yet");
    assert!(told[2].contains(":4:41: runtime attribute `cpu` must be a positive number, not 0"), "{told:?}");
    let index =
        "version 1.0\nworkflow w { input { Array[Int] xs = [] } call t { input: n = xs[3] } }\ntask t { input { Int n } command <<< >>> }";
    let told = failures(&server, index, &json!({}), &[]);
    assert_eq!(told[1], "Call input and runtime attributes evaluation failed for t");
}

#[test]
fn submissions_that_cannot_begin() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { input { Int a Int? b } }";
    let told = failures(&server, wdl, &json!({"w.colour": 1}), &[]);
    assert_eq!(told[0], "Workflow input processing failed");
    assert!(told.iter().any(|text| text.starts_with("Required workflow input 'w.a' not specified")), "{told:?}");
    assert!(told.iter().any(|text| text == "WARNING: Unexpected input provided: w.colour (expected inputs: [w.a, w.b])"), "{told:?}");
    let told = failures(&server, "version 1.0\nimport \"x.wdl\"\nworkflow w { }", &json!({}), &[]);
    assert!(told[0] == "Workflow input processing failed" && told[1].contains("x.wdl"), "{told:?}");
    let typed = |kind: &str, version: &str| {
        failures(&server, wdl, &json!({"w.a": 1}), &[("workflowType", kind.as_bytes()), ("workflowTypeVersion", version.as_bytes())])
    };
    assert!(typed("CWL", "v1.0")[1].contains("Unknown workflow type: CWL"));
    assert!(typed("wdl", "7")[1].contains("Unknown version '7' for workflow language 'WDL'"));
    // A version without a language is ignored.
    server.run(wdl, &json!({"w.a": 1}), &[("workflowTypeVersion", b"7")]);
}

#[test]
fn failures_of_sub_workflows_are_found_from_above() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let main = "version 1.0\nimport \"inner.wdl\" as lib\nworkflow outer { scatter (i in [0, 3]) { call lib.inner { input: i = i } } }";
    let inner =
        "version 1.0\nworkflow inner { input { Int i } call bad { input: i = i } }\ntask bad { input { Int i } command <<< exit ~{i} >>> }";
    let zip = zipped(&[("inner.wdl", inner.as_bytes())]);
    let id = server.submit(main, &json!({}), &[("workflowDependencies", &zip)]);
    assert_eq!(server.wait(&id), "Failed");
    let metadata = server.about(&id, "metadata?expandSubWorkflows=true");
    let message = &metadata["failures"][0]["causedBy"][0]["message"];
    assert!(message.as_str().unwrap().starts_with("Job inner.bad:NA:1 exited with return code 3"), "{message}");
    let calls = &metadata["calls"]["outer.inner"];
    assert_eq!((&calls[0]["executionStatus"], &calls[1]["executionStatus"]), (&json!("Done"), &json!("Failed")));
    assert!(calls[1]["end"].is_string() && calls[1]["failures"][0]["message"].is_string(), "{calls}");
    let child = &calls[1]["subWorkflowMetadata"];
    assert_eq!((&child["status"], &child["failures"][0]["message"]), (&json!("Failed"), &json!("Workflow failed")));
    assert_eq!(&child["failures"][0]["causedBy"][0]["message"], message);
    let labels = json!({"cromwell-workflow-id": format!("cromwell-{id}"), "cromwell-sub-workflow-name": "inner"});
    assert_eq!(child["labels"], labels);
    let failed = server.about(&id, "metadata/failed-jobs");
    let child = child["id"].as_str().unwrap();
    assert_eq!(failed[child]["calls"]["inner.bad"][0]["returnCode"], 3);
}
