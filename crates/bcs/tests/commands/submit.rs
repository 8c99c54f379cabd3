//! Submitting: what is packed, uploaded and sent.

use std::io::Read;

use serde_json::{Value, json};

use crate::stub::Person;

fn submitted(person: &Person) -> Value {
    person.stub.asked().iter().find(|a| a.line == "POST /jobs").unwrap().json()
}

/// The names in a package of the store.
fn packed(person: &Person, path: &str) -> Vec<String> {
    let store = person.stub.store.lock().unwrap();
    let bytes = &store.objects[path];
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
    let mut archive = tar::Archive::new(&text[..]);
    archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect()
}

fn path_of(url: &Value) -> String {
    url.as_str().unwrap().trim_start_matches("oss://").to_owned()
}

#[test]
fn a_command_is_what_the_original_sends() {
    let person = Person::known();
    person.stub.on("POST /jobs", json!({"Id": "job-new"}));
    assert_eq!(person.done("sub echo~123 -n 2"), "Job created: job-new\n");
    let sent = submitted(&person);
    let logs = sent["DAG"]["Tasks"]["task"]["Parameters"]["StdoutRedirectPath"].as_str().unwrap().to_owned();
    assert!(logs.starts_with("oss://mybucket/bcscli/") && logs.ends_with("/logs/"));
    // A body of the original, with the path of this run.
    let original = json!({"DAG":{"Tasks":{"task":{"OutputMapping":{},"Timeout":86400,"InputMapping":{},"LogMapping":{},"InstanceCount":2,
        "ClusterId":"","Mounts":{"NAS":{}},"AutoCluster":{"ReserveOnFail":false,"ImageId":"img-ubuntu","InstanceType":"ecs.sn1.medium",
        "ResourceType":"OnDemand","Configs":{"Networks":{"VPC":{"CidrBlock":"192.168.0.0/16"},"Classic":{}}},"ECSImageId":"","UserData":{},
        "DependencyIsvService":""},"MaxRetryCount":0,"Parameters":{"StderrRedirectPath":logs,"InputMappingConfig":{"Lock":false,"Locale":"GBK"},
        "StdoutRedirectPath":logs,"Command":{"EnvVars":{},"CommandLine":"echo 123","PackagePath":"","Docker":{"Image":""}}},
        "WriteSupport":true}},"Dependencies":{}},"Description":"BatchCompute cli job","JobFailOnInstanceFail":true,"AutoRelease":false,
        "Priority":1,"Type":"DAG","Name":"cli-job","Notification":{"Topic":{"Name":"","Endpoint":"","Events":[],"UserData":"","UserTemplate":""}}});
    assert_eq!(sent.to_string(), original.to_string());
}

#[test]
fn folders_and_files_are_packed_and_uploaded() {
    let person = Person::known();
    person.stub.on("POST /jobs", json!({"Id": "job-new"}));
    person.write("program/main.py", "main");
    person.write("program/lib/a.py", "a");
    let out = person.done("sub python~main.py name -p program");
    assert!(out.starts_with("packing folder..\npack ") && out.contains("\nadd lib/a.py\nadd main.py\nUpload: "), "{out}");
    let sent = submitted(&person);
    let package = path_of(&sent["DAG"]["Tasks"]["task"]["Parameters"]["Command"]["PackagePath"]);
    assert_eq!(packed(&person, &package), ["lib/a.py", "main.py"]);
    let out = person.done("sub python~main.py -p program/main.py,program/lib/a.py");
    assert!(out.contains("packing multi-files..") && out.contains("add program/lib/a.py"), "{out}");
    let sent = submitted(&person);
    assert_eq!(packed(&person, &path_of(&sent["DAG"]["Tasks"]["task"]["Parameters"]["Command"]["PackagePath"])), ["main.py", "a.py"]);
    assert!(person.fails("sub x -p nothing").contains("nothing"));
}

#[test]
fn a_cluster_that_does_not_exist_is_noticed() {
    let person = Person::known();
    assert!(person.fails("sub x -c cls-x").contains("Invalid ClusterId `cls-x`, type \"bcs c\" for more"));
    person.stub.on("GET /clusters/cls-x", json!({"Id": "cls-x"})).on("POST /jobs", json!({"Id": "job-new"}));
    person.done("sub x -c cls-x -t 60");
    let task = &submitted(&person)["DAG"]["Tasks"]["task"];
    assert_eq!((&task["ClusterId"], &task["Timeout"]), (&json!("cls-x"), &json!(60)));
}

#[test]
fn a_file_of_tasks_with_two_packages() {
    let person = Person::known();
    person.stub.on("POST /jobs", json!({"Id": "job-new"}));
    person.write("p/x.py", "x");
    person.write(
        "job.cfg",
        "[DEFAULT]\njob_name=cfg\ndeps=a->b,c\npack=p\n[a]\ncmd=echo a\n[b]\ncmd=echo b\npack=job.cfg\n[c]\ncmd=echo c\n",
    );
    let out = person.done("sub --file job.cfg -n 4 -e k:v");
    assert_eq!(out.matches("Upload: ").count(), 2, "{out}");
    let sent = submitted(&person);
    assert_eq!((&sent["Name"], &sent["DAG"]["Dependencies"]), (&json!("cfg"), &json!({"a": ["b", "c"]})));
    let command = |task: &str| sent["DAG"]["Tasks"][task]["Parameters"]["Command"].clone();
    assert_eq!(command("a")["PackagePath"], command("c")["PackagePath"]);
    assert!(path_of(&command("b")["PackagePath"]).ends_with("/worker_b.tar.gz"));
    assert_eq!((&sent["DAG"]["Tasks"]["b"]["InstanceCount"], &command("b")["EnvVars"]), (&json!(4), &json!({"k": "v"})));
    let drawn = person.done("sub --file job.cfg --show_dag");
    assert!(drawn.contains("1.a") && drawn.contains("2.b") && drawn.contains("3.c"), "{drawn}");
    assert!(person.done("sub --file job.cfg --show_json").contains("\"PackagePath\": \"oss://mybucket/bcscli/"));
    assert!(person.stub.asked().is_empty());
}

#[test]
fn nothing_to_submit() {
    let person = Person::known();
    assert_eq!(person.fails("sub"), "\n  type \"bcs sub -h\" for more\n\n");
    person.write("job.cfg", "[a]\nnodes=1\n");
    assert!(person.fails("sub --file job.cfg").contains("Missing required option: cmd (task `a`)"));
    std::fs::write(person.path(".batchcompute/cliconfig"), person.read(".batchcompute/cliconfig").replace("osspath", "other")).unwrap();
    assert!(person.fails("sub x").contains("Not found osspath, type: \"bcs set -h\" for more help"));
}

fn with_app() -> Person {
    let person = Person::known();
    let text = |default: Value| json!({"Type": "String", "Default": default, "LocalPath": "", "Description": "the file"});
    let app = json!({"Name": "cromwell", "InputParameters": {"WDL": text(Value::Null), "WORKING_DIR": text(Value::Null), "N": {"Type": "Number"}},
        "OutputParameters": {"OUTPUTS_DIR": text(Value::Null)}, "Config": {}});
    person.stub.on("GET /apps/cromwell?Scope=Public", app).on("POST /jobs", json!({"Id": "job-new"}));
    person
}

#[test]
fn an_app_brings_its_options() {
    let person = with_app();
    let help = person.done("asub cromwell -h");
    for part in ["--input_WDL [WDL]", "--input_from_file_WDL [WDL]", "--output_OUTPUTS_DIR", "Input Parameters, Type: String, the file"] {
        assert!(help.contains(part), "{part}\n{help}");
    }
    assert!(!help.contains("--iWDL"));
    assert_eq!(person.stub.lines(), ["GET /apps/cromwell?Scope=Private", "GET /apps/cromwell?Scope=Public"]);
    assert!(person.fails("asub nothing").contains("ERROR: NotFound App named nothing"));
    assert!(person.fails("asub cromwell --input_WLD x").contains("did you mean `--input_WDL`?"));
}

#[test]
fn a_job_of_an_app() {
    let person = with_app();
    person.write("src/x.wdl", "workflow");
    let config = ["--config", "ClassicNetwork=false", "-t", "ecs.t", "-n", "2", "--timeout", "9"];
    let files = ["--input_from_file_WDL", "src/x.wdl", "--input_WORKING_DIR", "oss://mybucket/wd/", "--iN", "7"];
    let mut words: Vec<String> = ["asub", "cromwell", "myjob", "--output_OUTPUTS_DIR", "out///:oss"].map(str::to_owned).to_vec();
    words.extend(files.iter().chain(&config).map(|w| (*w).to_owned()));
    let done = person.run("batchcompute", words);
    assert_eq!(done.code, 0, "{}", done.out);
    assert!(
        done.out.starts_with("Upload: src/x.wdl ==> oss://mybucket/bcscli/") && done.out.ends_with("Job created: job-new\n"),
        "{}",
        done.out
    );
    let sent = submitted(&person);
    let app = &sent["App"];
    assert_eq!((&sent["Type"], &sent["Name"], &app["AppName"]), (&json!("App"), &json!("myjob"), &json!(":cromwell")));
    let wdl = path_of(&app["Inputs"]["WDL"]);
    assert!(wdl.ends_with("/input/x.wdl"));
    assert_eq!(person.stub.store.lock().unwrap().objects[&wdl], b"workflow");
    assert_eq!((&app["Inputs"]["WORKING_DIR"], &app["Inputs"]["N"]), (&json!("oss://mybucket/wd/"), &json!(7)));
    assert!(path_of(&app["Outputs"]["OUTPUTS_DIR"]).ends_with("/output/out/"));
    assert_eq!(app["Config"], json!({"ClassicNetwork": false, "InstanceType": "ecs.t", "InstanceCount": 2, "Timeout": 9}));
    assert!(person.fails("asub cromwell --input_from_file_WDL nothing").contains("Not found locale file: nothing"));
}

#[test]
fn a_script_in_the_words_of_a_batch_system() {
    let person = Person::known();
    let id = "job-000000005C49BE3100006A5F00301D8E";
    person.stub.on("POST /jobs", json!({"Id": id}));
    person
        .stub
        .on("GET /quotas", json!({"AvailableClusterInstanceType": ["bcs.a2.large", "bcs.a2.xlarge"], "AvailableSpotInstanceType": []}));
    person.write(".qsub-task-description.json", r#"{"Mounts": {"Entries": [{"Source": "nas://h/x/", "Destination": "/x/"}]}}"#);
    person.write("run.pbs", "#!/bin/sh\n#PBS -N night\n#PBS -l select=2:ncpus=3,walltime=0:10:00\necho hi\n");
    assert_eq!(person.done("qsub run.pbs"), "28561770641917936053049630094.console\n");
    let sent = submitted(&person);
    let task = &sent["DAG"]["Tasks"]["task"];
    assert_eq!((&sent["Name"], &task["Timeout"]), (&json!("qsub-root-night"), &json!(600)));
    assert_eq!(task["AutoCluster"]["InstanceType"], "bcs.a2.xlarge");
    assert_eq!(task["Mounts"]["Entries"][0]["Source"], "nas://h/x/");
    assert_eq!(task["LogMapping"].as_object().unwrap().len(), 2);
    assert_eq!(packed(&person, &path_of(&task["Parameters"]["Command"]["PackagePath"])), ["qsub.py", "run.pbs"]);
    assert!(person.fails("qsub run.pbs -l ncpus=64").contains("Can not found suitable instance type"));
    person.stub.on(&format!("POST /jobs/{id}/stop"), Value::Null).answer(&format!("DELETE /jobs/{id}"), 204, Value::Null);
    assert_eq!(person.done("qdel 28561770641917936053049630094.console"), "done\n");
}
