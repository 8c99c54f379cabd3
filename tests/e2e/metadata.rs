//! The keys of metadata, of workflows and of calls, in all states.

use serde_json::{Value as Json, json};

use crate::{
    http::{Server, zipped},
    yard::{Yard, lines, wait_for},
};

fn keys(value: &Json) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn what_was_submitted_is_shown_as_it_was() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nimport \"t.wdl\"\nworkflow w { input { Int a = 1 String? b Int c = a } call t.t }";
    let task = "version 1.0\ntask t { input { Int n String s = \"x\" File? f } command <<< >>> }";
    let zip = zipped(&[("t.wdl", task.as_bytes())]);
    let more: &[(&str, &[u8])] = &[
        ("workflowDependencies", &zip),
        ("workflowOptions", br#"{"read_from_cache":false}"#),
        ("labels", br#"{"lab":"x"}"#),
        ("workflowRoot", b"main.wdl"),
        ("workflowType", b"WDL"),
        ("workflowTypeVersion", b"1.0"),
    ];
    let id = server.run(wdl, &json!({"w.t.n": 5}), more);
    let metadata = server.about(&id, "metadata");
    let expected = json!({
        "workflow": wdl, "workflowUrl": "", "root": "main.wdl", "inputs": r#"{"w.t.n":5}"#,
        "options": "{\n  \"read_from_cache\": false\n}", "labels": r#"{"lab":"x"}"#,
        "workflowType": "WDL", "workflowTypeVersion": "1.0", "imports": {"t.wdl": task},
    });
    assert_eq!(metadata["submittedFiles"], expected);
    // Inputs of the workflow by their own names, those of calls by their full ones; defaults as far as they are constant.
    assert_eq!(metadata["inputs"], json!({"w.t.n": 5, "a": 1, "b": null}));
    assert_eq!(metadata["calls"]["w.t"][0]["inputs"], json!({"n": 5, "s": "x", "f": null}));
    assert_eq!((&metadata["actualWorkflowLanguage"], &metadata["actualWorkflowLanguageVersion"]), (&json!("WDL"), &json!("1.0")));
    assert!(metadata["workflowRoot"].as_str().unwrap().ends_with(&format!("/w/{id}")));
    let events = metadata["workflowProcessingEvents"].as_array().unwrap();
    assert_eq!(events.iter().map(|event| event["description"].as_str().unwrap()).collect::<Vec<_>>(), ["PickedUp", "Finished"]);
    assert_eq!(keys(&events[0]), ["cromwellId", "cromwellVersion", "timestamp", "description"]);
    for key in ["submission", "start", "end"] {
        let moment = metadata[key].as_str().unwrap();
        assert!(moment.len() == "2026-02-05T12:00:00.000Z".len() && moment.ends_with('Z'), "{moment}");
    }
    let draft2 = "workflow w { Int n Int m = 2 call t { input: n = n } } task t { Int n command { true } }";
    let id = server.run(draft2, &json!({"w.n": 3}), &[]);
    assert_eq!(server.about(&id, "metadata")["inputs"], json!({"w.n": 3, "w.m": 2}));
    // Of what never began, all keys that there can be.
    let held = server.submit(draft2, &json!({"w.n": 3}), &[("workflowOnHold", b"true")]);
    let held = server.about(&held, "metadata");
    assert_eq!(
        (&held["status"], &held["inputs"], &held["outputs"], &held["calls"]),
        (&json!("On Hold"), &json!({}), &json!({}), &json!({}))
    );
    assert!(held.get("workflowName").is_none() && held.get("start").is_none() && held.get("workflowRoot").is_none());
}

#[test]
fn attempts_are_shown_with_their_states() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { call t }\ntask t { command <<< [[ $PWD == */attempt-2/* ]] && echo yes >>>\n\
        output { String s = read_string(stdout()) } runtime { maxRetries: 2 memory: \"512 MB\" cpu: 1 failOnStderr: false continueOnReturnCode: [0, 7] } }";
    let id = server.run(wdl, &json!({}), &[]);
    let metadata = server.about(&id, "metadata");
    let (first, second) = (&metadata["calls"]["w.t"][0], &metadata["calls"]["w.t"][1]);
    assert_eq!((&first["executionStatus"], &first["attempt"], &first["returnCode"]), (&json!("RetryableFailure"), &json!(1), &json!(1)));
    assert_eq!((&first["retryableFailure"], &first["backendStatus"], &first["backend"]), (&json!(true), &json!("Failed"), &json!("Local")));
    assert!(first["failures"][0]["message"].is_string() && first.get("outputs").is_none());
    assert_eq!((&second["executionStatus"], &second["attempt"], &second["outputs"]), (&json!("Done"), &json!(2), &json!({"s": "yes"})));
    assert!(second["backendStatus"] == "Done" && second.get("failures").is_none() && second.get("retryableFailure").is_none());
    assert!(second["start"].as_str().unwrap() >= first["end"].as_str().unwrap());
    assert!(second["callRoot"].as_str().unwrap().ends_with("/call-t/attempt-2"));
    assert_eq!(second["stdout"], format!("{}/execution/stdout", second["callRoot"].as_str().unwrap()));
    assert_eq!(second["stderr"], format!("{}/execution/stderr", second["callRoot"].as_str().unwrap()));
    // Attributes are texts, whatever they were.
    let attributes = second["runtimeAttributes"].as_object().unwrap();
    assert!(attributes.values().all(Json::is_string), "{attributes:?}");
    assert_eq!((&attributes["maxRetries"], &attributes["cpu"], &attributes["failOnStderr"]), (&json!("2"), &json!("1"), &json!("false")));
    // Each event ends where the next begins.
    let events = second["executionEvents"].as_array().unwrap();
    assert!(events.windows(2).all(|pair| pair[0]["endTime"] == pair[1]["startTime"]), "{events:?}");
    assert_eq!(events.last().unwrap()["endTime"], second["end"]);
    assert!(second["resourceUsage"]["wall_ms"].is_number());
}

#[test]
fn a_call_that_cannot_begin_is_among_the_calls() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { scatter (i in [0, 3]) { call t { input: n = [7][i] } } if (false) { call t as never { input: n = 1 } } }\n\
        task t { input { Int n } command <<< echo ~{n} >>> }";
    let options = json!({"workflow_failure_mode": "ContinueWhilePossible"}).to_string();
    let id = server.submit(wdl, &json!({}), &[("workflowOptions", options.as_bytes())]);
    assert_eq!(server.wait(&id), "Failed");
    let metadata = server.about(&id, "metadata");
    let call = &metadata["calls"]["w.t"][1];
    assert_eq!((&call["executionStatus"], &call["shardIndex"], &call["attempt"]), (&json!("Failed"), &json!(1), &json!(1)));
    assert_eq!(call["failures"][0]["message"], "Call input and runtime attributes evaluation failed for t");
    assert!(call["end"].is_string() && call.get("stdout").is_none() && call.get("returnCode").is_none(), "{call}");
    assert_eq!(metadata["failures"][0]["causedBy"][0]["message"], call["failures"][0]["message"]);
    assert_eq!(metadata["calls"]["w.t"][0]["executionStatus"], "Done");
    // A call that never comes to be is not there, as with the original.
    assert_eq!(keys(&metadata["calls"]), ["w.t"]);
    assert_eq!(server.about(&id, "metadata/failed-jobs")[&id]["calls"]["w.t"][0]["shardIndex"], 1);
}

#[test]
fn what_goes_on_is_shown_as_it_goes() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let mark = yard.path("mark");
    let wdl = "version 1.0\nworkflow w { input { String mark } call nap { input: mark = mark } }\n\
        task nap { input { String mark } command <<< trap 'sleep 2; exit 1' TERM; echo started >> '~{mark}'; sleep 60 & wait >>> }";
    let id = server.submit(wdl, &json!({"w.mark": mark}), &[]);
    wait_for("the task to start", || !lines(&mark).is_empty());
    wait_for("its start to be recorded", || server.about(&id, "metadata")["calls"]["w.nap"][0]["executionStatus"] == "Running");
    let metadata = server.about(&id, "metadata");
    assert_eq!((&metadata["status"], &metadata["outputs"]), (&json!("Running"), &json!({})));
    let call = &metadata["calls"]["w.nap"][0];
    assert_eq!((&call["executionStatus"], &call["backendStatus"]), (&json!("Running"), &json!("Running")));
    assert!(call.get("end").is_none() && call.get("returnCode").is_none() && call["commandLine"].is_string());
    let job: u32 = call["jobId"].as_str().unwrap().parse().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{job}")).exists(), "it is the number of the process");
    assert_eq!(server.about(&id, "outputs")["outputs"], json!({}));
    assert_eq!(server.about(&id, "logs")["calls"]["w.nap"][0]["stdout"], call["stdout"]);
    server.post(&format!("/api/workflows/v1/{id}/abort"));
    wait_for("the abort to be recorded", || server.status(&id) == "Aborting");
    assert_eq!(server.about(&id, "metadata")["calls"]["w.nap"][0]["executionStatus"], "Aborting");
    assert_eq!(server.wait(&id), "Aborted");
    let call = server.about(&id, "metadata")["calls"]["w.nap"][0].clone();
    assert_eq!((&call["executionStatus"], &call["backendStatus"]), (&json!("Aborted"), &json!("Aborted")));
    assert_eq!(call["jobId"], job.to_string());
}

#[test]
fn call_caching_is_explained() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = |meta: &str| {
        format!(
            "version 1.0\nworkflow w {{ call t {{ input: n = 2, s = \"x\", xs = [3] }} }}\n\
            task t {{ input {{ Int n String s Array[Int] xs }} meta {{ {meta} }} command <<< echo ~{{n}} >>> output {{ Int m = read_int(stdout()) }} }}"
        )
    };
    let caching = |wdl: &str, options: &Json| {
        let id = server.run(wdl, &json!({}), &[("workflowOptions", options.to_string().as_bytes())]);
        (id.clone(), server.about(&id, "metadata")["calls"]["w.t"][0]["callCaching"].clone())
    };
    let (first, missed) = caching(&wdl(""), &json!({}));
    let shown = |caching: &Json| {
        [&caching["effectiveCallCachingMode"], &caching["hit"], &caching["allowResultReuse"], &caching["result"]].map(Json::clone)
    };
    assert_eq!(shown(&missed), [json!("ReadAndWriteCache"), json!(false), json!(true), json!("Cache Miss")]);
    let hashes = &missed["hashes"];
    assert_eq!(
        (&hashes["backend name"], &hashes["input"]["Int n"]),
        (&json!("509820290D57F333403F490DDE7316F4"), &json!("C81E728D9D4C2F636F067F89CC14862C"))
    );
    assert_eq!(hashes["runtime attribute"]["continueOnReturnCode"], "CFCD208495D565EF66E7DFF9F98764DA");
    // As the original makes them of `echo ${n}`, three inputs, one output, and `read_int(stdout())`.
    assert_eq!(hashes["command template"], "C3D4B0C10AA2A9A7839F9B8D1BC2E3D8");
    assert_eq!(
        (&hashes["input count"], &hashes["output count"]),
        (&json!("ECCBC87E4B5CE2FE28308FD9F2A7BAF3"), &json!("C4CA4238A0B923820DCC509A6F75849B"))
    );
    assert_eq!(hashes["output expression"]["Int m"], "93114C80C6826C071C28393FDD0D5F73");
    let (_, hit) = caching(&wdl(""), &json!({}));
    assert_eq!(shown(&hit), [json!("ReadAndWriteCache"), json!(true), json!(true), json!(format!("Cache Hit: {first}:w.t:-1"))]);
    let (_, read_only) = caching(&wdl("").replace("echo", "echo  "), &json!({"write_to_cache": false}));
    assert_eq!(shown(&read_only), [json!("ReadCache"), json!(false), json!(false), json!("Cache Miss")]);
    let (_, write_only) = caching(&wdl(""), &json!({"read_from_cache": false}));
    assert_eq!(shown(&write_only), [json!("WriteCache"), json!(false), json!(true), Json::Null]);
    let (_, off) = caching(&wdl("volatile: true"), &json!({}));
    assert_eq!(shown(&off), [json!("CallCachingOff"), json!(false), json!(false), Json::Null]);
}

#[test]
fn a_spoilt_result_is_a_miss_and_loses_its_reuse() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { call t output { File f = t.f } }\n\
        task t { command <<< echo a > f >>> output { File f = \"f\" } }";
    let caching = |id: &str| server.about(id, "metadata")["calls"]["w.t"][0]["callCaching"].clone();
    let first = server.run(wdl, &json!({}), &[]);
    std::fs::remove_file(server.about(&first, "metadata")["outputs"]["w.f"].as_str().unwrap()).unwrap();
    let second = caching(&server.run(wdl, &json!({}), &[]));
    assert_eq!((&second["hit"], &second["result"]), (&json!(false), &json!("Cache Miss")));
    // Release 92 leaves this key out of comparisons, and nothing of it writes the key any more.
    assert_eq!(second.get("hitFailures"), None);
    assert_eq!(caching(&first)["allowResultReuse"], json!(false));
}

#[test]
fn scatters_in_scatters_are_counted_through() {
    let yard = Yard::new();
    let server = Server::start(&yard, &[]);
    let wdl = "version 1.0\nworkflow w { scatter (i in [0, 1]) { scatter (j in [0, 1, 2]) { call t { input: n = 10 * i + j } } } output { Array[Array[Int]] m = t.m } }\n\
        task t { input { Int n } command <<< echo ~{n} >>> output { Int m = read_int(stdout()) } }";
    let id = server.run(wdl, &json!({}), &[]);
    let metadata = server.about(&id, "metadata");
    assert_eq!(metadata["outputs"]["w.m"], json!([[0, 1, 2], [10, 11, 12]]));
    let calls = metadata["calls"]["w.t"].as_array().unwrap();
    let shown: Vec<(i64, i64)> =
        calls.iter().map(|call| (call["shardIndex"].as_i64().unwrap(), call["outputs"]["m"].as_i64().unwrap())).collect();
    assert_eq!(shown, [(0, 0), (1, 1), (2, 2), (3, 10), (4, 11), (5, 12)]);
    assert_eq!(calls[4]["shardPath"], json!([1, 1]));
}
