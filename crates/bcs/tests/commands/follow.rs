//! Staying with a job until it ends.

use serde_json::{Value, json};

use crate::stub::Person;

const INSTANCES: &str = "/jobs/job-1/tasks/t/instances";

fn state(state: &str) -> Value {
    json!({"Id": "job-1", "Name": "n", "State": state, "TaskMetrics": {"FinishedCount": u8::from(state == "Finished"), "RunningCount": 1}})
}

fn with_states(states: &[&str]) -> Person {
    let person = Person::known();
    person.stub.on("GET /jobs/job-1?description", json!({"Type": "DAG", "DAG": {"Tasks": {"t": {"LogMapping": {}}}}}));
    for (n, name) in states.iter().enumerate() {
        person.stub.on("GET /jobs/job-1", state(name));
        let task = json!({"TaskName": "t", "State": name, "InstanceMetrics": {"FinishedCount": n}});
        person.stub.list("/jobs/job-1/tasks", json!([task]));
    }
    let instance = json!({"InstanceId": 0, "StdoutRedirectPath": "oss://b/stdout.job-1.t.0", "StderrRedirectPath": ""});
    person.stub.list(INSTANCES, json!([instance]));
    person
}

#[test]
fn changes_are_told_and_the_end_is_the_exit_status() {
    let person = with_states(&["Waiting", "Running", "Running", "Finished"]);
    let out = person.done("j job-1 --follow --interval 0");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["exec: bcs j job-1 --follow", "Job: Waiting (0 / 1)", "Task t: Waiting (0 / 0)"]);
    assert_eq!(lines.last(), Some(&"Task t: Finished (3 / 3)"));
    let person = with_states(&["Running", "Failed"]);
    assert_eq!(person.call("j job-1 -f --interval 0").code, 1);
    assert!(person.fails("j job-1 -f --interval x").contains("is not a number of seconds"));
}

#[test]
fn a_server_that_is_away_for_a_while_is_waited_for() {
    let person = with_states(&["Running"]);
    person.stub.answer("GET /jobs/job-1", 503, json!({"Code": "InternalError", "Message": ""}));
    person.stub.on("GET /jobs/job-1", state("Finished"));
    person.done("j job-1 -f --interval 0");
}

#[test]
fn logs_are_printed_as_they_grow() {
    let person = with_states(&["Running", "Running", "Finished"]);
    let store = person.stub.store.clone();
    store.lock().unwrap().objects.insert("b/stdout.job-1.t.0".to_owned(), b"one\n".to_vec());
    let growing = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        store.lock().unwrap().objects.insert("b/stdout.job-1.t.0".to_owned(), b"one\ntwo\n".to_vec());
    });
    let out = person.done("log job-1 --follow --interval 0.1");
    growing.join().unwrap();
    assert!(out.contains("Stdout [TaskName:t, InstanceId:0]\none\n") && out.ends_with("two\n"), "{out}");
    assert_eq!(out.matches("Stdout [").count(), 1);
}
