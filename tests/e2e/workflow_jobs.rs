//! Workflows as jobs: the app `:cromwell`, with documents and data in the object store.

use serde_json::{Value as Json, json};

use crate::{
    images,
    service::{Keys, Service, has_namespaces, merge},
    yard::{Yard, wait_for},
};

const WDL: &str = "version 1.0\n\
    workflow wf { input { File words Array[Int] numbers } scatter (n in numbers) { call count { input: words = words, n = n } }\n\
    output { Array[File] counts = count.out Array[String] texts = count.text } }\n\
    task count { input { File words Int n } command <<< echo ~{n} $(wc -w < ~{words}) | tee out.txt >>>\n\
    output { File out = \"out.txt\" String text = read_string(\"out.txt\") } runtime { docker: \"ubuntu:22.04\" } }\n";

fn started() -> (Yard, Service) {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", "[containers]\npolicy = \"off\"\n");
    let service = Service::start(&yard);
    for (key, text) in [("", ""), ("wdl/wf.wdl", WDL), ("in/words.txt", "a b c\n"), ("wdl/options.json", "{\"read_from_cache\": false}")] {
        service.put("data", key, text.as_bytes());
    }
    (yard, service)
}

fn app_job(more: &Json) -> Json {
    let mut job = json!({
        "Name": "wf", "Type": "App", "App": {
            "AppName": ":cromwell",
            "Inputs": {
                "WDL": "oss://data/wdl/wf.wdl", "WORKFLOW_INPUTS": "oss://data/wdl/inputs.json", "WORKFLOW_OPTIONS": "oss://data/wdl/options.json",
                "WORKING_DIR": "oss://data/tree/"
            },
            "Outputs": {"OUTPUTS_DIR": "oss://data/out/"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"},
            "Config": {"ClassicNetwork": false, "InstanceType": "ecs.sn1.medium", "DiskType": "cloud_efficiency", "Timeout": 172_800}
        }
    });
    merge(&mut job, more);
    job
}

#[test]
fn a_workflow_is_a_job() {
    let (_yard, service) = started();
    service.put("data", "wdl/inputs.json", br###"{"wf.words": "oss://data/in/words.txt", "wf.numbers": [1, 2, 3], "##_COMMENT": "x"}"###);
    assert_eq!(service.get("/apps/cromwell?Scope=Public")["InputParameters"]["WORKING_DIR"]["Default"], Json::Null);
    assert_eq!(service.get("/apps?Scope=Public")["Items"][0]["Name"], "cromwell");
    let id = service.create("/jobs", &app_job(&json!({})));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!((&metadata["status"], metadata["calls"]["wf.count"].as_array().unwrap().len()), (&json!("Succeeded"), 3));
    assert_eq!(metadata["outputs"]["wf.texts"], json!(["1 3", "2 3", "3 3"]));
    assert!(metadata["calls"]["wf.count"][0]["start"].as_str().unwrap().ends_with('Z'));
    assert_eq!(metadata["calls"]["wf.count"][0]["backend"], "BCS");
    let first = metadata["outputs"]["wf.counts"][0].as_str().unwrap();
    let workflow = metadata["id"].as_str().unwrap();
    assert_eq!(first, format!("oss://data/tree/wf/{workflow}/call-count/shard-0/execution/out.txt"));
    assert_eq!(service.text("data", first.strip_prefix("oss://data/").unwrap()), "1 3\n");
    // Of each call the whole folder, but not its inputs.
    let execution = format!("tree/wf/{workflow}/call-count/shard-2/execution");
    assert!(service.text("data", &format!("{execution}/script")).contains("tee out.txt"));
    assert_eq!(service.text("data", &format!("{execution}/rc")), "0\n");
    assert_eq!(service.text("data", &format!("{execution}/stdout")), "3 3\n");
    assert_eq!(service.text("data", &format!("{execution}/stderr")), "");
    assert_eq!(metadata["calls"]["wf.count"][2]["stdout"], json!(format!("oss://data/{execution}/stdout")));
    let (_, listed) = service.object("GET", "data", "", b"");
    assert!(listed.contains("/execution/rc</Key>") && !listed.contains("/inputs/"), "{listed}");
    assert!(service.text("data", &format!("logs/stdout.{id}.task.0")).contains("is Succeeded"));
}

#[test]
fn each_call_is_a_job() {
    let (yard, service) = started();
    let cluster = service.create(
        "/clusters",
        &json!({
            "Name": "c", "ImageId": "img-ubuntu", "Groups": {"group": {"DesiredVMCount": 1, "InstanceType": "ecs.n4.small"}}
        }),
    );
    let gate = yard.path("gate");
    let wdl = format!(
        "version 1.0\nworkflow wf {{ call own {{ input: word = \"a\" }} call fixed }}\n\
         task own {{ input {{ String word }} command <<< echo ~{{word}} $BATCH_COMPUTE_DAG_TASK_ID >>> output {{ String text = read_string(stdout()) }}\n\
         runtime {{ cluster: \"OnDemand ecs.n4.small img-ubuntu\" autoReleaseJob: false tag: \"night\" timeout: 600 }} }}\n\
         task fixed {{ command <<< while [ ! -e {} ]; do sleep 0.05; done; echo $BATCH_COMPUTE_CLUSTER_ID >>> output {{ String text = read_string(stdout()) }}\n\
         runtime {{ cluster: \"{cluster}\" }} }}\n",
        gate.display()
    );
    service.put("data", "wdl/jobs.wdl", wdl.as_bytes());
    let id = service.create("/jobs", &app_job(&json!({"App": {"Inputs": {"WDL": "oss://data/wdl/jobs.wdl", "WORKFLOW_INPUTS": ""}}})));
    let named = |part: &str| {
        let jobs = service.get("/jobs?Marker&MaxItemCount=100")["Items"].clone();
        jobs.as_array().unwrap().iter().find(|job| job["Name"].as_str().unwrap().ends_with(part)).cloned()
    };
    wait_for("the jobs of both calls", || named("_fixed").is_some() && named("_own").is_some_and(|job| job["State"] == "Finished"));
    assert!(named("_own").unwrap()["Name"].as_str().unwrap().starts_with("night_"));
    let fixed = named("_fixed").unwrap();
    assert!(fixed["Name"].as_str().unwrap().starts_with("cromwell_"));
    let description = service.get(&format!("/jobs/{}?description", fixed["Id"].as_str().unwrap()));
    assert_eq!(description["DAG"]["Tasks"]["cromwell"]["ClusterId"], json!(cluster));
    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!(metadata["calls"]["wf.own"][0]["outputs"]["text"], "a cromwell");
    assert_eq!(metadata["calls"]["wf.fixed"][0]["outputs"]["text"], json!(cluster));
    wait_for("the released job to be gone", || named("_fixed").is_none());
}

/// `mounts`, `dockerTag` and disks of a call, as those wrote them who ran calls as jobs of the original.
#[test]
fn calls_see_objects_and_run_in_images() {
    if !has_namespaces() {
        return;
    }
    let (yard, service) = started();
    service.put("data", "ref/genome.fa", b"ACGT\n");
    service.put("data", "dockers/demo_0.1.tar", &images::demo(&images::base(&yard), "0.1"));
    let wdl = "version 1.0\n\
        workflow wf { input { File words } call sees { input: f = words } call contained { input: f = words } call bounded }\n\
        task sees { input { File f } command <<< cat /home/ref/genome.fa ~{f} > both.txt; cat both.txt > /home/out.txt; echo x 2>/dev/null > /home/ref/x || echo closed >>>\n\
        output { File both = \"both.txt\" String closed = read_string(stdout()) }\n\
        runtime { mounts: \"oss://data/ref/ /home/ref/ false, /home/out.txt oss://data/left/out.txt true\" } }\n\
        task contained { input { File f } command <<< tool > out.txt; cat /opt/note ~{f} /home/ref/genome.fa >> out.txt >>> output { String text = read_string(\"out.txt\") }\n\
        runtime { dockerTag: \"localhost:5000/demo:0.1 oss://data/dockers/\" mounts: [\"oss://data/ref/ /home/ref/ true\"] } }\n\
        task bounded { command <<< echo ok >>> runtime { systemDisk: \"cloud 40\" dataDisk: \"cloud 50 /home/data/\" autoReleaseJob: false } }\n";
    service.put("data", "wdl/sees.wdl", wdl.as_bytes());
    service.put("data", "wdl/inputs.json", br#"{"wf.words": "oss://data/in/words.txt"}"#);
    let id = service.create("/jobs", &app_job(&json!({"App": {"Inputs": {"WDL": "oss://data/wdl/sees.wdl"}}})));
    let state = service.wait(&id);
    assert_eq!(state, "Finished", "{}", service.text("data", &format!("logs/stderr.{id}.task.0")));
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!(metadata["calls"]["wf.sees"][0]["outputs"]["closed"], "closed");
    assert_eq!(service.text("data", "left/out.txt"), "ACGT\na b c\n");
    assert_eq!(metadata["calls"]["wf.contained"][0]["outputs"]["text"], "tool 0.1\nof the image\na b c\nACGT");
    let jobs = service.get("/jobs?Marker&MaxItemCount=100")["Items"].clone();
    let bounded = jobs.as_array().unwrap().iter().find(|job| job["Name"].as_str().unwrap().ends_with("_bounded")).unwrap().clone();
    let described = service.get(&format!("/jobs/{}?description", bounded["Id"].as_str().unwrap()));
    assert_eq!(described["DAG"]["Tasks"]["cromwell"]["AutoCluster"]["Configs"]["Disks"]["DataDisk"]["Size"], 50);
    // What would end the words of a command is no attribute.
    let wdl =
        "version 1.0\nworkflow wf { call a } task a { command <<< true >>> runtime { tag: \"x'$(touch /tmp/never-made-by-a-tag)'\" } }\n";
    service.put("data", "wdl/quoted.wdl", wdl.as_bytes());
    let id = service.create("/jobs", &app_job(&json!({"App": {"Inputs": {"WDL": "oss://data/wdl/quoted.wdl", "WORKFLOW_INPUTS": ""}}})));
    assert_eq!(service.wait(&id), "Failed");
    assert!(service.text("data", &format!("logs/stderr.{id}.task.0")).contains("runtime attribute `tag` cannot be"));
    assert!(!std::path::Path::new("/tmp/never-made-by-a-tag").exists());
}

/// Lists name what a workflow works on, and belong to whoever submitted it.
#[test]
fn objects_named_in_a_list_are_brought_with_the_rights_of_the_account() {
    let (yard, service) = started();
    let wdl = "workflow wf { File list  Array[File] files = read_lines(list)  Float first = size(files[0])\n\
        scatter (f in files) { call count { input: f = f, name = basename(f, \".txt\") } } output { Array[String] said = count.said Float bytes = first } }\n\
        task count { File f String name command { echo ${name} $(wc -c < ${f}) $(ls $(dirname ${f})) } output { String said = read_string(stdout()) } }\n";
    service.put("data", "wdl/list.wdl", wdl.as_bytes());
    service.put("data", "in/list.txt", b"oss://data/in/words.txt\noss://data/in/more.txt\n");
    service.put("data", "in/more.txt", b"1234567");
    service.put("data", "wdl/inputs.json", br#"{"wf.list": "oss://data/in/list.txt"}"#);
    let documents = json!({"App": {"Inputs": {"WDL": "oss://data/wdl/list.wdl"}}});
    let id = service.create("/jobs", &app_job(&documents));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!(metadata["outputs"], json!({"wf.said": ["words 6 words.txt", "more 7 more.txt"], "wf.bytes": 6.0}));

    // Somebody else may read what the first opens to everybody, nothing more.
    let made = yard.call(&["key", "create", "--account", "other", "--role", "user", "--json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let key: Json = serde_json::from_str(&made.out).unwrap();
    let other = Keys { id: key["AccessKeyId"].as_str().unwrap().into(), secret: key["AccessKeySecret"].as_str().unwrap().into() };
    let ask = |method: &str, target: &str, body: Option<&str>| service.ask_as(&other, method, target, body, &crate::service::date(0));
    wait_for("the new key to be known", || ask("GET", "/jobs?Marker", None).0 == 200);
    let put = |name: &str, text: &str| assert_eq!(service.object_as(&other, "PUT", "others", name, text.as_bytes()).0, 200);
    put("", "");
    for (name, text) in
        [("wf.wdl", wdl), ("list.txt", "oss://data/in/words.txt\n"), ("inputs.json", r#"{"wf.list": "oss://others/list.txt"}"#)]
    {
        put(name, text);
    }
    let job = app_job(&json!({"App": {
        "Inputs": {"WDL": "oss://others/wf.wdl", "WORKFLOW_INPUTS": "oss://others/inputs.json", "WORKFLOW_OPTIONS": "", "WORKING_DIR": "oss://others/tree/"},
        "Outputs": {"OUTPUTS_DIR": "oss://others/out/"}, "Logging": {"StdoutPath": "oss://others/logs/", "StderrPath": "oss://others/logs/"}
    }}));
    let (status, answer) = ask("POST", "/jobs", Some(&job.to_string()));
    assert_eq!(status, 201, "{answer}");
    let target = format!("/jobs/{}", answer["Id"].as_str().unwrap());
    wait_for("the job to end", || ask("GET", &target, None).1["State"] == "Failed");
    let message = ask("GET", &target, None).1["Message"].as_str().unwrap().to_owned();
    assert!(message.contains("oss://data/in/words.txt") && message.contains("belongs to another account"), "{message}");
}

#[test]
fn what_lies_beside_an_object_is_brought_with_it() {
    let (_yard, service) = started();
    let wdl = "version 1.1\nworkflow wf { input { File f } call t { input: f = f } output { String said = t.said } }\n\
        task t { input { File f File index = f + \".idx\" } command <<< cat ~{f} ~{index} ~{f}.idx | tr '\\n' ' ' >>>\n\
        output { String said = read_string(stdout()) } }\n";
    service.put("data", "wdl/beside.wdl", wdl.as_bytes());
    service.put("data", "in/words.txt.idx", b"index\n");
    service.put("data", "in/lone.txt", b"lone\n");
    let run = |file: &str| {
        service.put("data", "wdl/inputs.json", json!({"wf.f": format!("oss://data/in/{file}")}).to_string().as_bytes());
        let id = service.create("/jobs", &app_job(&json!({"App": {"Inputs": {"WDL": "oss://data/wdl/beside.wdl"}}})));
        (service.wait(&id), service.get(&format!("/jobs/{id}"))["Message"].to_string())
    };
    let (state, message) = run("words.txt");
    assert_eq!(state, "Finished", "{message}");
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!(metadata["outputs"]["wf.said"], "a b c index index ");
    let (state, message) = run("lone.txt");
    assert!(state == "Failed" && message.contains("oss://data/in/lone.txt.idx"), "{message}");
}

#[test]
fn a_workflow_that_fails_fails_its_job() {
    let (_yard, service) = started();
    service.put("data", "wdl/inputs.json", br#"{"wf.words": "oss://data/in/none.txt", "wf.numbers": [1]}"#);
    let id = service.create("/jobs", &app_job(&json!({})));
    assert_eq!(service.wait(&id), "Failed");
    let message = service.get(&format!("/jobs/{id}"))["Message"].as_str().unwrap().to_owned();
    assert!(message.contains("oss://data/in/none.txt") && message.contains("is Failed"), "{message}");
    let id = service.create("/jobs", &app_job(&json!({"App": {"Inputs": {"WDL": "oss://data/wdl/none.wdl"}}})));
    assert_eq!(service.wait(&id), "Failed");
    let detail = service.instances(&id, "task")[0]["Result"]["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(detail.contains("`WDL`") && detail.contains("none.wdl"), "{detail}");
}

#[test]
fn a_workflow_of_a_job_is_stopped_and_outlives_the_server() {
    let (yard, service) = started();
    let gate = yard.path("gate");
    let wdl = format!(
        "version 1.0\nworkflow wf {{ call t }}\ntask t {{ command <<< echo begun >> {}; while [ ! -e {} ]; do sleep 0.05; done >>> }}\n",
        yard.path("marks").display(),
        gate.display()
    );
    service.put("data", "wdl/slow.wdl", wdl.as_bytes());
    let more = json!({"App": {"Inputs": {"WDL": "oss://data/wdl/slow.wdl", "WORKFLOW_INPUTS": "", "WORKFLOW_OPTIONS": ""}}});
    let begun = |times: usize| wait_for("the call to begin", || crate::yard::lines(&yard.path("marks")).len() == times);
    let stopped = service.create("/jobs", &app_job(&more));
    begun(1);
    assert_eq!(service.ask("POST", &format!("/jobs/{stopped}/stop"), None).0, 201);
    assert_eq!(service.wait(&stopped), "Stopped");
    let id = service.create("/jobs", &app_job(&more));
    begun(2);
    service.kill();
    let service = Service::start(&yard);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.wait(&id), "Finished");
    assert_eq!(crate::yard::lines(&yard.path("marks")).len(), 2, "the call goes on, it is not begun again");
}
