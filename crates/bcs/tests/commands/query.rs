//! Looking.

use serde_json::{Value, json};

use crate::stub::Person;

const JOB: &str = "job-000000005C49BE3100006A5F00301D8E";

fn metrics(finished: u32, running: u32) -> Value {
    json!({"WaitingCount": 0, "RunningCount": running, "FinishedCount": finished, "FailedCount": 0, "StoppedCount": 0})
}

fn job(id: &str, name: &str, state: &str) -> Value {
    json!({"Id": id, "Name": name, "State": state, "Message": "", "CreationTime": "2026-01-02T01:00:00.000000Z",
        "StartTime": "2026-01-02T02:00:00.000000Z", "EndTime": "", "TaskMetrics": metrics(1, 1), "InstanceMetrics": metrics(1, 1)})
}

#[test]
fn jobs_are_listed_page_by_page_and_numbered() {
    let person = Person::known();
    let page = |items: Value, next: &str| json!({"Items": items, "NextMarker": next});
    person.stub.on("GET /jobs?Marker&MaxItemCount=100", page(json!([job("job-1", "alpha", "Finished")]), "a/b"));
    person.stub.on("GET /jobs?Marker=a%2Fb&MaxItemCount=100", page(json!([job("job-2", "beta", "Running")]), ""));
    let out = person.done("j");
    assert!(out.starts_with("exec: bcs j -t 10\nJobs:\n+-----+-------+-------+----------+--------+"), "{out}");
    assert!(out.contains("| 1.  | job-2 | beta  | Running  | 1 / 2  |"), "{out}");
    assert!(out.contains("Total: 2  (cache 2 rows)"));
    assert_eq!(person.read(".batchcompute/clicache_jobs.json"), r#"{"data":["job-2","job-1"],"title":"jobs"}"#);
    let out = person.done("j -s finished -n ALP");
    assert!(out.contains("exec: bcs j -t 10 -s finished -n ALP") && out.contains("job-1") && !out.contains("job-2"), "{out}");
    let out = person.done("j -t 1");
    assert!(out.contains("append -t <num> to show more") && !out.contains("job-1"), "{out}");
    let listed: Value = serde_json::from_str(&person.done("j --json")).unwrap();
    assert_eq!(listed["Items"][0]["Id"], "job-2");
    let first = &person.stub.asked()[0];
    assert_eq!((first.headers["x-acs-region-id"].as_str(), first.headers["x-acs-version"].as_str()), ("cn-test", "2015-11-11"));
}

#[test]
fn pages_that_do_not_end_are_noticed() {
    let person = Person::known();
    for line in ["GET /jobs?Marker&MaxItemCount=100", "GET /jobs?Marker=x&MaxItemCount=100"] {
        person.stub.on(line, json!({"Items": [], "NextMarker": "x"}));
    }
    assert!(person.fails("j").contains("its pages do not end"));
}

/// A job of two tasks with logs in the store.
fn with_job() -> Person {
    let person = Person::known();
    let task = json!({"ClusterId": "cls-a", "Timeout": 5, "MaxRetryCount": 0, "WriteSupport": true, "LogMapping": {"/home/a.log": "oss://b/logs/"},
        "Parameters": {"Command": {"CommandLine": "echo"}, "InputMappingConfig": {"Lock": false}}});
    let description = json!({"Name": "dag", "Type": "DAG", "Priority": 1, "JobFailOnInstanceFail": true, "AutoRelease": false,
        "Notification": {"Topic": {}}, "DAG": {"Tasks": {"b": task, "a": task}, "Dependencies": {"a": ["b"]}}});
    let instance = |task: &str| {
        json!({"InstanceId": 0, "State": "Failed", "Progress": 100, "RetryCount": 0, "StartTime": "", "EndTime": "",
            "StdoutRedirectPath": format!("oss://b/logs/stdout.{JOB}.{task}.0"), "StderrRedirectPath": format!("oss://b/logs/stderr.{JOB}.{task}.0"),
            "Result": {"ExitCode": 1, "ErrorCode": "Bad", "ErrorMessage": "m", "Detail": "at once"}, "Error": {}, "Outputs": {}})
    };
    let path = format!("/jobs/{JOB}");
    person.stub.on(&format!("GET {path}?description"), description);
    person.stub.on(&format!("GET {path}"), job(JOB, "dag", "Failed"));
    let listed =
        |name: &str| json!({"TaskName": name, "State": "Failed", "StartTime": "", "EndTime": "", "InstanceMetrics": metrics(1, 0)});
    person.stub.list(&format!("{path}/tasks"), json!([listed("b"), listed("a")]));
    for name in ["a", "b"] {
        person.stub.on(&format!("GET {path}/tasks/{name}"), listed(name));
        person.stub.list(&format!("{path}/tasks/{name}/instances"), json!([instance(name)]));
        person.stub.on(&format!("GET {path}/tasks/{name}/instances/0"), instance(name));
        let mut store = person.stub.store.lock().unwrap();
        store.objects.insert(format!("b/logs/stdout.{JOB}.{name}.0"), format!("out of {name}\n\n").into_bytes());
        store.objects.insert(format!("b/logs/a.log.{JOB}.{name}.0"), b"mapped".to_vec());
    }
    person
}

#[test]
fn a_job_a_task_an_instance() {
    let person = with_job();
    let out = person.done(&format!("j {JOB}"));
    let (a, b) = (out.find("| 1.  | a ").unwrap(), out.find("| 2.  | b ").unwrap());
    assert!(a < b && out.contains("DAG:\n1.a ") && out.contains("| cls-a "), "{out}");
    // Numbers of the last list stand for names.
    let out = person.done(&format!("j {JOB} 2"));
    assert!(
        out.contains(&format!("exec: bcs j {JOB} b\n")) && out.contains("Timeout: 5    MaxRetryCount: 0    WriteSupport: True"),
        "{out}"
    );
    let out = person.done(&format!("j {JOB} 1 0"));
    assert!(out.contains("--------------------stdout--------------------\nout of a\n") && out.contains("  ErrorCode: Bad"), "{out}");
    assert!(!out.contains("---stderr---"), "what does not exist is not shown: {out}");
    let printed: Value = serde_json::from_str(person.done(&format!("j {JOB} --json")).trim()).unwrap();
    assert_eq!(printed["Name"], "dag");
}

#[test]
fn logs_are_printed_or_saved() {
    let person = with_job();
    let out = person.done(&format!("log {JOB}"));
    let rule = "-".repeat(60);
    let block = format!("Stdout [TaskName:a, InstanceId:0]\noss://b/logs/stdout.{JOB}.a.0\n{rule}\nout of a\n{rule}\n");
    assert!(out.contains(&block) && out.contains("Log [TaskName:b, InstanceId:0]") && out.contains("Result [TaskName:b"), "{out}");
    assert!(!person.done(&format!("log {JOB} a -e")).contains("out of"));
    assert!(person.done(&format!("log {JOB} a 0 -m")).contains("mapped"));
    assert!(person.done(&format!("log {JOB} -d logs/x")).ends_with("done\n"));
    assert_eq!(person.read(&format!("logs/x/stdout.{JOB}.b.0")), "out of b\n\n");
    assert!(person.read(&format!("logs/x/result.{JOB}.a.0")).contains("\"ExitCode\": 1"));
}

#[test]
fn check_shows_the_tree_and_the_results() {
    let out = with_job().done(&format!("check {JOB}"));
    let tree = "\nTree:\nJobName: dag (Failed)\n  |- TaskName: a (Failed)\n    |- InstanceId: 0 (Failed)\n       Result [TaskName:a, InstanceId:0]\n";
    assert!(out.contains(tree), "{out}");
}

#[test]
fn what_does_not_exist_is_an_error() {
    let out = Person::known().fails("j job-x");
    assert!(
        out.contains("ERROR: HTTP Status: 404, Code: InvalidResource.NotFound, RequestID: rid, Message: Specified resource is not found.")
    );
}

#[test]
fn images_and_apps_of_both_scopes() {
    let person = Person::known();
    let image =
        |id: &str, kind: &str| json!({"Id": id, "Name": "n", "EcsImageId": "m-1", "Platform": "Linux", "Type": kind, "CreationTime": ""});
    let listed = |items: Value| json!({"Items": items, "NextMarker": ""});
    person.stub.on("GET /images?Marker&MaxItemCount=100&Type=System", listed(json!([image("img-ubuntu", "System")])));
    person.stub.list("/images", json!([image("img-mine", "Self")]));
    let out = person.done("i");
    assert!(out.contains("| 1.  | img-ubuntu | n    | m-1        | Linux    | System | null         |"), "{out}");
    person.stub.on("GET /images/img-mine", image("img-mine", "Self"));
    assert!(person.done("i 2").contains("Platform: Linux (Self)"));

    let app = json!({"Name": "cromwell", "Description": "a description that is long", "CreationTime": "", "InputParameters":
        {"WDL": {"Type": "String", "Default": null, "LocalPath": "", "Description": "d"}, "O": {"Type": "String", "Default": ""}},
        "OutputParameters": {}, "Config": {"Timeout": {"Default": 5, "Overwritable": true}}});
    person.stub.on("GET /apps?Marker&MaxItemCount=100&Scope=Public", listed(json!([app])));
    person.stub.on("GET /apps?Marker&MaxItemCount=100&Scope=Private", listed(json!([])));
    person.stub.on("GET /apps/cromwell?Scope=Public", app);
    assert!(person.done("a").contains("| 1.  | :cromwell | a description that i... | Public |"));
    let out = person.done("a 1");
    assert!(out.contains("exec: bcs a cromwell(public)") && out.contains("| WDL  | true     |         | String |"), "{out}");
    assert!(out.contains("| O    | false    | \"\"      | String |") && out.contains("| Timeout | false    | 5       | true "), "{out}");
}

#[test]
fn clusters_groups_and_nodes() {
    let person = Person::known();
    let group = json!({"DesiredVMCount": 2, "ActualVMCount": 1, "InstanceType": "bcs.a2.large", "ResourceType": "OnDemand", "Disks": {}});
    let cluster = json!({"Id": "cls-a", "Name": "c", "State": "Active", "CreationTime": "", "ImageId": "img-x", "Configs": {"Mounts": {}, "Disks": {}},
        "Groups": {"group": group}, "OperationLogs": ["[t]made"], "Metrics": {"RunningCount": 1}, "UserData": {"k": "v"}});
    person.stub.list("/clusters", json!([cluster])).on("GET /clusters/cls-a", cluster);
    person.stub.list("/clusters/cls-a/groups/group/instances", json!([{"Id": "ins-1", "State": "Running", "HostName": "h"}]));
    assert!(person.done("c").contains("| 1.  | cls-a | c    | Active | 1 / 2  |"));
    let out = person.done("c 1 -l");
    assert!(out.contains("group | 1 / 2   | bcs.a2.large, 4Cores, 8GB |") && out.contains("Operation Logs:\n  [t]made"), "{out}");
    assert!(person.done("c 1 1").contains("| 1.  | ins-1 | h        |"));
}

#[test]
fn jobs_in_the_words_of_a_batch_system() {
    let person = Person::known();
    person.stub.list(
        "/jobs",
        json!([job(JOB, "qsub-root-night", "Running"), job("job-2", "other", "Running"), job(JOB, "qsub-ada-x", "Finished")]),
    );
    person.stub.on(&format!("GET /jobs/{JOB}"), job(JOB, "qsub-root-night", "Running"));
    let out = person.done("qstat");
    assert!(out.contains("28561770641917936053049630094.console   night   R       root "), "{out}");
    assert!(!out.contains("other") && !out.contains("ada"));
    assert!(person.done("qstat -a -u ada").contains(" ada "));
    assert!(person.done("qstat -f 28561770641917936053049630094.console").starts_with(&format!("Job Id: {JOB}\nName=qsub-root-night\n")));
}

#[test]
fn groups_of_nodes_in_the_words_of_a_batch_system() {
    let person = Person::known();
    let group = json!({"DesiredVMCount": 2, "ActualVMCount": 1, "InstanceType": "t"});
    person.stub.list("/clusters", json!([{"Id": "cls-a", "Groups": {"group": group}}]));
    let out = person.done("qhost");
    assert!(out.contains("cls-a     group   t      1 / 2"), "{out}");
}
