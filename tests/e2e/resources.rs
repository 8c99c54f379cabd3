//! Clusters, images, apps, keys and quotas of the BatchCompute service, and what is refused.

use serde_json::{Value as Json, json};

use crate::{
    service::{Keys, Service, date, job, merge, send},
    yard::{Yard, wait_for},
};

fn started() -> (Yard, Service) {
    let yard = Yard::new();
    let service = Service::start(&yard);
    service.put("data", "", b"");
    (yard, service)
}

/// Status, code and message of a refusal.
fn refusal((code, body): (u16, Json)) -> (u16, String, String) {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    assert!(!text("RequestId").is_empty(), "{body}");
    (code, text("Code"), text("Message"))
}

#[test]
fn descriptions_are_checked_field_by_field() {
    let (_yard, service) = started();
    let refused = |more: Json| {
        let mut document = job("true", 1, &json!({}));
        merge(&mut document, &more);
        refusal(service.ask("POST", "/jobs", Some(&document)))
    };
    let task = |more: Json| json!({"DAG": {"Tasks": {"task": more}}});
    for (more, code, words) in [
        (json!({"Name": "1 bad"}), "InvalidParameter", "`Name` must be"),
        (json!({"Priority": 1001}), "InvalidParameter", "`Priority` must be 0 to 1000"),
        (json!({"Priority": {}}), "InvalidParameter", "`Priority` does not fit"),
        (json!({"Type": "Other"}), "InvalidParameter", "`Type` must be `DAG` or `App`"),
        (task(json!({"InstanceCount": 0})), "InvalidParameter", "`DAG.Tasks.task.InstanceCount` must be 1 to 100000"),
        (task(json!({"InstanceCount": "many"})), "InvalidParameter", "`DAG.Tasks.task.InstanceCount` does not fit"),
        (task(json!({"Timeout": -1})), "InvalidParameter", "`DAG.Tasks.task.Timeout`"),
        (task(json!({"MaxRetryCount": 101})), "InvalidParameter", "`DAG.Tasks.task.MaxRetryCount`"),
        (task(json!({"Parameters": {"Command": {"CommandLine": " "}}})), "InvalidParameter", "CommandLine` is missing"),
        (task(json!({"Parameters": {"Command": {"PackagePath": "/tmp/x"}}})), "InvalidParameter", "PackagePath` must be an address"),
        (task(json!({"Parameters": {"StdoutRedirectPath": "logs"}})), "InvalidParameter", "StdoutRedirectPath`"),
        (task(json!({"InputMapping": {"oss://data/a/": "/home/a"}})), "InvalidParameter", "exactly when its source does"),
        (task(json!({"InputMapping": {"oss://data/a/": "/home/../etc/"}})), "InvalidParameter", "must not contain `..`"),
        (task(json!({"InputMapping": {"nas://x/a/": "/home/a/"}})), "InvalidParameter", "is a network file system"),
        (task(json!({"OutputMapping": {"/home/a/": "oss:///x/"}})), "InvalidParameter", "names no bucket"),
        (task(json!({"LogMapping": {"/home/a": "oss://data/x"}})), "InvalidParameter", "must end with `/`"),
        (task(json!({"AutoCluster": {"ImageId": "img-none"}})), "InvalidParameter", "`img-none` is no image"),
        (task(json!({"AutoCluster": {"InstanceType": "ecs.none"}})), "InvalidParameter", "`ecs.none` is no instance type"),
        (task(json!({"ClusterId": "cls-none"})), "InvalidClusterId", "`cls-none` is no cluster of yours"),
        (json!({"DAG": {"Dependencies": {"task": ["task"]}}}), "BadDAG", "waits for itself"),
        (json!({"DAG": {"Dependencies": {"task": ["other"]}}}), "BadDAG", "`other`, which is no task"),
        (json!({"Notification": {"Topic": {"Events": ["OnNothing"]}}}), "InvalidParameter", "`OnNothing` is no event"),
    ] {
        let (status, found, message) = refused(more.clone());
        assert_eq!((status, found.as_str()), (400, code), "{more}: {message}");
        assert!(message.contains(words), "{more}: {message}");
    }
    let mut empty = job("true", 1, &json!({}));
    empty["DAG"]["Tasks"] = json!({});
    assert_eq!(refusal(service.ask("POST", "/jobs", Some(&empty))).1, "BadDAG");
    let several = refused(json!({"Name": "", "Priority": -1})).2;
    assert!(several.contains("`Name`") && several.contains("`Priority`"), "{several}");
    for body in ["", "{", "[]", "7", "{\"Name\": \"\\ud800\"}"] {
        let (code, answer) = service.ask_as(&service.keys, "POST", "/jobs", Some(body), &date(0));
        assert_eq!((code, answer["Code"].as_str().unwrap()), (400, "InvalidJsonFormat"), "{body}: {answer}");
    }
    let long = format!("{{\"Name\": \"{}\"}}", "x".repeat(300 << 10));
    assert_eq!(service.ask_as(&service.keys, "POST", "/jobs", Some(&long), &date(0)).1["Code"], "InvalidHttpBody");
    // What clients of typed languages send for what is not set.
    let nulls = json!({"Description": null, "App": null, "ProjectId": null, "DAG": {"Tasks": {"task": {"Mounts": null, "CredentialConfig": null}}}});
    let mut document = job("true", 1, &json!({}));
    merge(&mut document, &nulls);
    service.create("/jobs", &document);
}

#[test]
fn only_those_with_a_key_get_in() {
    let (yard, service) = started();
    let ask = |keys: &Keys, at: i64| service.ask_as(keys, "GET", "/jobs?Marker", None, &date(at));
    let known = service.keys.clone();
    let wrong = Keys { secret: "guess".into(), ..known.clone() };
    assert_eq!(ask(&known, 0).0, 200);
    assert_eq!(refusal(ask(&wrong, 0)).1, "SignatureNotMatch");
    assert_eq!(refusal(ask(&known, -1000)).1, "RequestTimeTooSkewed");
    assert_eq!(refusal(ask(&Keys { id: "nobody".into(), ..known.clone() }, 0)).0, 403);
    let (code, text, headers) = send(&format!("{}/jobs", service.api), "GET", &[], b"");
    assert!(code == 400 && text.contains("InvalidAuthorization"), "{text}");
    assert!(
        headers.iter().any(|(name, _)| name == "x-acs-request-id")
            && headers.iter().any(|(name, value)| name == "content-type" && value == "application/json")
    );
    assert_eq!(refusal(service.ask("GET", "/nothing", None)).1, "InvalidUrlPattern");
    assert_eq!(refusal(service.ask("DELETE", "/quotas", None)).1, "MethodNotAllowed");

    // Keys of other people, made while the server runs.
    let make = |account: &str, role: &str| {
        let made = yard.call(&["key", "create", "--account", account, "--role", role, "--json"]);
        assert_eq!(made.code, 0, "{}", made.err);
        let made: Json = serde_json::from_str(&made.out).unwrap();
        Keys { id: made["AccessKeyId"].as_str().unwrap().into(), secret: made["AccessKeySecret"].as_str().unwrap().into() }
    };
    let (other, viewer) = (make("other", "user"), make("admin", "viewer"));
    wait_for("the new keys to be known", || ask(&other, 0).0 == 200 && ask(&viewer, 0).0 == 200);
    let id = service.create("/jobs", &job("true", 1, &json!({})));
    let target = format!("/jobs/{id}");
    assert_eq!(service.ask_as(&other, "GET", &target, None, &date(0)).0, 404, "other people's jobs are not seen");
    assert_eq!(service.ask_as(&viewer, "GET", &target, None, &date(0)).0, 200);
    assert_eq!(refusal(service.ask_as(&viewer, "POST", &format!("{target}/stop"), None, &date(0))).1, "Forbidden");
    // Nor are their objects, by whatever way.
    service.put("data", "secret.txt", b"secret\n");
    service.put("data", "tool", b"echo stolen");
    for (more, code) in [
        (json!({"InputMapping": {"oss://data/secret.txt": "/home/x"}}), "InvalidMount"),
        (json!({"InputMapping": {"oss://data/": "/home/x/"}}), "InvalidMount"),
        (json!({"Parameters": {"Command": {"PackagePath": "oss://data/tool"}}}), "InvalidPackage"),
        (json!({"OutputMapping": {"x": "oss://data/x"}}), "UploadFailed"),
        (json!({"Parameters": {"StdoutRedirectPath": "oss://data/logs/"}}), "UploadFailed"),
    ] {
        let mut document = job("echo x > x", 1, &json!({"Parameters": {"StdoutRedirectPath": "", "StderrRedirectPath": ""}}));
        merge(&mut document["DAG"]["Tasks"]["task"], &more);
        let (_, made) = service.ask_as(&other, "POST", "/jobs", Some(&document.to_string()), &date(0));
        let target = format!("/jobs/{}", made["Id"].as_str().unwrap());
        wait_for("the job of the others", || service.ask_as(&other, "GET", &target, None, &date(0)).1["State"] == "Failed");
        let instance = service.ask_as(&other, "GET", &format!("{target}/tasks/task/instances/0"), None, &date(0)).1;
        assert_eq!(instance["Result"]["ErrorCode"], code, "{instance}");
        assert!(instance["Result"]["ErrorMessage"].as_str().unwrap().contains("belongs to another account"), "{instance}");
    }
    assert_eq!(yard.call(&["key", "disable", &other.id]).code, 0);
    wait_for("the key to be useless", || ask(&other, 0).0 == 403);
    let listed = yard.call(&["key", "list"]).out;
    assert!(listed.contains("disabled") && listed.contains("viewer") && !listed.contains(&other.secret), "{listed}");

    assert_eq!(yard.call(&["key", "quota", "admin", "ActiveJobs", "1"]).code, 0);
    wait_for("the quota to be known", || {
        service.create("/images", &json!({"Name": "i", "EcsImageId": "m-x", "Platform": "Linux"}));
        service.get("/quotas")["MaxActiveJobs"] == json!(1)
    });
    assert_eq!(service.wait(&id), "Finished");
    let first = service.create("/jobs", &job("sleep 300", 1, &json!({})));
    let (code, name, message) = refusal(service.ask("POST", "/jobs", Some(&job("true", 1, &json!({})))));
    assert_eq!((code, name.as_str(), message.as_str()), (403, "QuotaExhausted", "The ActiveJobs (1) quota is exhausted."));
    assert_eq!(service.ask("POST", &format!("/jobs/{first}/stop"), None).0, 201);
}

#[test]
fn bodies_may_be_compressed() {
    use std::io::Write;
    let (_yard, service) = started();
    let plain = job("true", 1, &json!({})).to_string();
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(plain.as_bytes()).unwrap();
    let (bytes, size) = (deflated.finish().unwrap(), plain.len().to_string());
    let more = [("x-acs-compress-type", "deflate"), ("x-acs-body-rawsize", size.as_str())];
    let ask = |bytes: &[u8]| service.ask_with(&service.keys, "POST", "/jobs", bytes, &date(0), &more);
    assert_eq!(ask(&bytes).0, 201);
    assert_eq!(refusal(ask(b"not deflated")).1, "InvalidHttpBody");
    let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    assert_eq!(refusal(ask(&bomb.finish().unwrap())).1, "InvalidHttpBody");
}

#[test]
fn a_token_makes_a_request_harmless_to_repeat() {
    let (_yard, service) = started();
    let document = job("true", 1, &json!({}));
    let first = service.create("/jobs?IdempotentToken=abc_1", &document);
    assert_eq!(service.create("/jobs?IdempotentToken=abc_1", &document), first);
    assert_ne!(service.create("/jobs?IdempotentToken=abc_2", &document), first);
    let other = job("false", 1, &json!({}));
    assert_eq!(refusal(service.ask("POST", "/jobs?IdempotentToken=abc_1", Some(&other))).1, "IdempotentTokenMismatch");
    assert_eq!(refusal(service.ask("POST", "/jobs?IdempotentToken=a%20b", Some(&other))).1, "InvalidIdempotentToken");
}

fn cluster(nodes: u32) -> Json {
    json!({
        "Name": "cluster", "ImageId": "img-ubuntu", "Description": "", "UserData": {"DATA": "of cluster"}, "EnvVars": {"ENV": "of cluster"},
        "Groups": {"group": {"DesiredVMCount": nodes, "InstanceType": "bcs.a2.large", "ResourceType": "OnDemand"}},
        "Configs": {"Mounts": {"NAS": {}, "Entries": []}, "Disks": {}, "Networks": {}}
    })
}

#[test]
fn clusters_are_places_for_instances() {
    let (yard, service) = started();
    let id = service.create("/clusters", &cluster(1));
    let target = format!("/clusters/{id}");
    let shown = service.get(&target);
    assert_eq!((&shown["State"], &shown["Groups"]["group"]["ActualVMCount"]), (&json!("Active"), &json!(1)));
    for path in
        ["/Configs/Disks", "/Configs/Mounts", "/Configs/Networks/VPC", "/Metrics/StoppedCount", "/Notification/Topic", "/OperationLogs/0"]
    {
        assert!(shown.pointer(path).is_some_and(|value| !value.is_null()), "{path}: {shown}");
    }
    let mut with_disk = cluster(0);
    with_disk["Configs"]["Disks"] = json!({"SystemDisk": {"Size": 40}});
    let plain = service.get(&format!("/clusters/{}", service.create("/clusters", &with_disk)));
    for path in ["/Configs/Disks/SystemDisk/Type", "/Groups/group/Disks/SystemDisk/Type"] {
        assert_eq!(plain.pointer(path), Some(&json!("cloud_efficiency")), "{plain}");
    }
    let mark = yard.path("marks");
    let line = format!("echo begin >> {0}; sleep 0.1; echo end >> {0}; echo $ENV $DATA $BATCH_COMPUTE_CLUSTER_ID", mark.display());
    let document = job(&line, 4, &json!({"ClusterId": id}));
    let first = service.create("/jobs", &document);
    assert_eq!(service.wait(&first), "Finished");
    let order = crate::yard::lines(&mark).join(" ");
    assert_eq!(order, ["begin end"; 4].join(" "), "one node takes one instance at a time");
    assert_eq!(service.text("data", &format!("logs/stdout.{first}.task.0")), format!("of cluster of cluster {id}\n"));
    assert_eq!(service.get(&format!("/jobs?ClusterId={id}"))["Items"].as_array().unwrap().len(), 1);

    assert_eq!(service.ask("PUT", &target, Some(&json!({"Groups": {"group": {"DesiredVMCount": 3}}, "EnvVars": {"ENV": "new"}}))).0, 200);
    let nodes = service.get(&format!("{target}/groups/group/instances?Marker&MaxItemCount=2"));
    assert_eq!(nodes["Items"].as_array().unwrap().len(), 2);
    assert_ne!(nodes["NextMarker"], "");
    let node = nodes["Items"][0]["Id"].as_str().unwrap();
    let of_node = format!("{target}/groups/group/instances/{node}");
    assert_eq!(service.get(&of_node)["State"], "Running");
    assert_eq!(service.ask("POST", &format!("{of_node}/recreate"), None).0, 201);
    assert_eq!(service.ask("GET", &of_node, None).0, 404);
    let nodes = service.get(&format!("{target}/groups/group/instances"));
    assert_eq!(nodes["Items"].as_array().unwrap().len(), 3);
    let node = nodes["Items"][2]["Id"].as_str().unwrap();
    assert_eq!(service.ask("DELETE", &format!("{target}/groups/group/instances/{node}"), None).0, 204);
    let shown = service.get(&target);
    assert_eq!((&shown["Groups"]["group"]["DesiredVMCount"], &shown["EnvVars"]["ENV"]), (&json!(2), &json!("new")));
    assert_eq!(refusal(service.ask("PUT", &target, Some(&json!({"Groups": {"other": {"DesiredVMCount": 1}}})))).1, "InvalidParameter");

    let waiting = service.create("/jobs", &job("sleep 300", 9, &json!({"ClusterId": id})));
    service.wait_running(&waiting);
    assert_eq!(service.ask("PUT", &target, Some(&json!({"Groups": {"group": {"DesiredVMCount": 1}}}))).0, 200);
    assert_eq!(service.get(&target)["Metrics"]["StoppingCount"], 1, "a busy node goes when it is free");
    assert_eq!(service.ask("DELETE", &target, None).0, 204);
    assert_eq!(service.wait(&waiting), "Failed");
    assert!(service.get(&format!("/jobs/{waiting}"))["Message"].as_str().unwrap().contains("was deleted"));
    wait_for("the cluster to be gone", || service.ask("GET", &target, None).0 == 404);
    let mut wrong = cluster(1);
    merge(
        &mut wrong,
        &json!({"ImageId": "img-none", "Groups": {"group": {"SpotStrategy": "SpotAsPriceGo"}, "two": {"DesiredVMCount": -1}}}),
    );
    let (_, code, message) = refusal(service.ask("POST", "/clusters", Some(&wrong)));
    assert_eq!(code, "InvalidParameter");
    for path in ["`ImageId`", "`Groups.group.SpotStrategy`", "`Groups.two.DesiredVMCount`", "`Groups.two.InstanceType`"] {
        assert!(message.contains(path), "{message}");
    }
}

#[test]
fn nodes_run_their_bootstrap_once() {
    let (yard, service) = started();
    let mark = yard.path("marks");
    let mut document = cluster(2);
    document["Bootstrap"] = json!(format!("echo $BATCH_COMPUTE_WORKER_ID $ENV >> {}", mark.display()));
    let id = service.create("/clusters", &document);
    let first = service.create("/jobs", &job("sleep 0.05", 8, &json!({"ClusterId": id})));
    assert_eq!(service.wait(&first), "Finished");
    let times = crate::service::times(&yard, "marks");
    assert!(
        !times.is_empty() && times.len() <= 2 && times.iter().all(|(line, times)| *times == 1 && line.ends_with(" of cluster")),
        "{times:?}"
    );
    document["Bootstrap"] = json!("exit 3");
    let id = service.create("/clusters", &document);
    let first = service.create("/jobs", &job("true", 1, &json!({"ClusterId": id})));
    assert_eq!(service.wait(&first), "Failed");
    assert_eq!(service.instances(&first, "task")[0]["Result"]["ErrorCode"], "BootstrapFailed");
}

#[test]
fn clusters_and_their_jobs_outlive_the_server() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    service.put("data", "", b"");
    let id = service.create("/clusters", &cluster(2));
    let gate = yard.path("gate");
    let line = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    let running = service.create("/jobs", &job(&line, 5, &json!({"ClusterId": id})));
    service.wait_running(&running);
    service.kill();
    let service = Service::start(&yard);
    assert_eq!(service.get(&format!("/clusters/{id}"))["Groups"]["group"]["ActualVMCount"], 2);
    std::fs::write(&gate, "").unwrap();
    assert_eq!(service.wait(&running), "Finished");
}

#[test]
fn images_are_registered() {
    let (_yard, service) = started();
    let id = service.create("/images", &json!({"Name": "mine", "EcsImageId": "m-mine", "Platform": "Linux", "Description": "d"}));
    assert!(id.starts_with("img-"));
    let own = service.get("/images?Marker&MaxItemCount=10");
    assert_eq!((own["Items"].as_array().unwrap().len(), &own["Items"][0]["Type"]), (1, &json!("Self")));
    assert!(service.get("/images?Type=System")["Items"].as_array().unwrap().iter().any(|image| image["Id"] == "img-ubuntu"));
    assert_eq!(service.get(&format!("/images/{id}"))["EcsImageId"], "m-mine");
    for image in [&id, "m-mine"] {
        let job = service.create("/jobs", &job("true", 1, &json!({"AutoCluster": {"ImageId": image}})));
        assert_eq!(service.wait(&job), "Finished");
    }
    assert_eq!(service.ask("DELETE", &format!("/images/{id}"), None).0, 204);
    assert_eq!(service.ask("GET", &format!("/images/{id}"), None).0, 404);
    assert_eq!(refusal(service.ask("DELETE", "/images/img-ubuntu", None)).1, "Forbidden");
    let (_, _, message) = refusal(service.ask("POST", "/images", Some(&json!({"Name": "", "EcsImageId": "x", "Platform": "Mac"}))));
    assert!(message.contains("`Name`") && message.contains("`EcsImageId`") && message.contains("`Platform`"), "{message}");
}

#[test]
fn apps_have_parameters_and_revisions() {
    if !crate::service::has_namespaces() {
        return;
    }
    let (_yard, service) = started();
    service.put("data", "in.txt", b"hello\n");
    let document = json!({
        "Name": "copy", "Description": "", "CommandLine": "cat ${in} > ${out}; echo ${n} times ${word} >> ${out}", "Daemonize": false,
        "VM": {"ECSImageId": "img-ubuntu"}, "EnvVars": {},
        "InputParameters": {
            "in": {"Type": "String", "Default": null, "LocalPath": "/home/in.txt", "Description": ""},
            "n": {"Type": "Number", "Default": 2, "LocalPath": "", "Description": ""},
            "word": {"Type": "String", "Default": "", "LocalPath": "", "Description": ""}
        },
        "OutputParameters": {"out": {"Type": "String", "Default": null, "LocalPath": "/home/out.txt", "Description": ""}},
        "Config": {"InstanceType": {"Default": "ecs.sn1.medium", "Description": "", "Overwritable": false}}
    });
    let (code, body) = service.ask("POST", "/apps", Some(&document));
    assert_eq!((code, &body["Name"]), (201, &json!("copy")));
    assert_eq!(refusal(service.ask("POST", "/apps", Some(&document))).1, "InvalidResource.AlreadyExisting");
    let app_job = |more: Json| {
        let mut job = json!({"Name": "2nd_job", "Type": "App", "App": {
            "AppName": "copy", "Inputs": {"in": "oss://data/in.txt", "word": "x"}, "Outputs": {"out": "oss://data/out.txt"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"}, "Config": {}}});
        merge(&mut job, &more);
        job
    };
    let id = service.create("/jobs", &app_job(json!({})));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    assert_eq!(service.text("data", "out.txt"), "hello\n2 times x\n");
    assert_eq!(service.instances(&id, "task")[0]["Outputs"], json!({"out": "oss://data/out.txt"}));
    let description = service.get(&format!("/jobs/{id}?description"));
    assert_eq!(
        (&description["Type"], &description["App"]["Inputs"]["word"], &description["DAG"]),
        (&json!("App"), &json!("x"), &Json::Null)
    );
    assert!(description["Notification"]["Topic"].is_object());

    let change = json!({"CommandLine": "echo changed > ${out}", "InputParameters": {}, "OutputParameters": {}, "Config": {}});
    assert_eq!(service.ask("PUT", "/apps/copy", Some(&change)).0, 200);
    let (code, answer) = service.ask("POST", "/jobs?sync", Some(&app_job(json!({}))));
    assert_eq!((code, &answer["Outputs"], &answer["Error"]["Code"]), (200, &json!({"out": "oss://data/out.txt"}), &json!("")), "{answer}");
    assert_eq!(service.text("data", "out.txt"), "changed\n");
    assert_eq!(service.get("/apps/copy?Revisions=True").as_array().unwrap().len(), 2);
    assert!(service.get("/apps/copy?Detail=True&Qualifier=0")["CommandLine"].as_str().unwrap().starts_with("cat"));
    assert_eq!(service.get("/apps/copy?Detail=True&Qualifier")["CommandLine"], "echo changed > ${out}");
    assert_eq!(service.get("/apps?Scope=Private")["Items"][0]["Name"], "copy");
    for (more, words) in [
        (json!({"App": {"AppName": "none"}}), "there is no `none`"),
        (json!({"App": {"Inputs": {"other": 1}}}), "`App.Inputs.other` is no parameter"),
        (json!({"App": {"Inputs": {"n": "many"}}}), "`App.Inputs.n` must be a Number"),
        (json!({"App": {"Outputs": {"out": "/tmp/x"}}}), "`App.Outputs.out` must be an address"),
        (json!({"App": {"Config": {"InstanceType": "ecs.sn2.large"}}}), "the app `copy` fixes it"),
    ] {
        let (_, _, message) = refusal(service.ask("POST", "/jobs", Some(&app_job(more))));
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(refusal(service.ask("POST", "/jobs", Some(&app_job(json!({"App": {"Inputs": {"in": null}}}))))).1, "MissingParameter");
    assert_eq!(service.ask("DELETE", "/apps/copy?Qualifier=0", None).0, 204);
    assert_eq!(service.ask("DELETE", "/apps/copy?Qualifier", None).0, 204);
    assert_eq!(service.ask("GET", "/apps/copy?Scope=Private", None).0, 404);
}

#[test]
fn there_are_types_to_choose_from() {
    let (_yard, service) = started();
    let quotas = service.get("/quotas");
    for list in ["InstanceType", "ResourceType", "InstanceSystemDiskType", "InstanceDataDiskType"] {
        assert!(!quotas[format!("AvailableCluster{list}")].as_array().unwrap().is_empty(), "{list}");
    }
    assert!(quotas["AvailableSpotInstanceType"].is_array());
    let types = service.get("/available")["AvailableClusterInstanceType"].clone();
    let medium = types.as_array().unwrap().iter().find(|one| one["InstanceType"] == "ecs.sn1.medium").unwrap().clone();
    assert_eq!((&medium["CpuCore"], &medium["MemorySize"]), (&json!(2), &json!(4)));
}

#[test]
fn a_request_is_good_for_once() {
    let (yard, service) = started();
    let ask_of = |service: &Service, nonce: &str, date: &str| {
        let (code, answer) = service.ask_with(&service.keys, "GET", "/jobs?Marker", b"", date, &[("x-acs-signature-nonce", nonce)]);
        (code, answer["Code"].as_str().unwrap_or_default().to_owned())
    };
    let ask = |nonce: &str, date: &str| ask_of(&service, nonce, date);
    let now = date(0);
    assert_eq!(ask("once", &now), (200, String::new()));
    assert_eq!(ask("once", &now), (400, "SignatureNonceUsed".into()));
    assert_eq!(ask("once", &date(600)), (400, "SignatureNonceUsed".into()), "another date does not make it new");
    // A forged request does not use up the nonce of the real one.
    let forger = Keys { secret: "guessed".into(), ..service.keys.clone() };
    let forged = service.ask_with(&forger, "GET", "/jobs?Marker", b"", &now, &[("x-acs-signature-nonce", "next")]);
    assert_eq!(forged.1["Code"], "SignatureNotMatch");
    assert_eq!(ask("next", &now).0, 200);
    // Clients that send none are let in as before.
    assert_eq!((ask("", &now).0, ask("", &now).0), (200, 200));

    // The next server knows them too, and lets in whoever has an honest clock that is late.
    service.kill();
    let service = Service::start(&yard);
    assert_eq!(ask_of(&service, "once", &now), (400, "SignatureNonceUsed".into()));
    assert_eq!(ask_of(&service, "next", &now), (400, "SignatureNonceUsed".into()));
    assert_eq!(ask_of(&service, "late", &date(-600)), (200, String::new()));
}

#[test]
fn events_of_clusters_are_told() {
    let (yard, service) = started();
    let file = yard.path("told");
    let told = |count: usize| {
        wait_for("the messages", || crate::yard::lines(&file).len() == count);
        let messages = crate::yard::lines(&file).into_iter().map(|line| serde_json::from_str::<Json>(&line).unwrap());
        messages.collect::<Vec<_>>()
    };
    let mut document = json!({
        "Name": "c", "ImageId": "img-ubuntu", "Groups": {"group": {"DesiredVMCount": 2, "InstanceType": "ecs.n4.small"}},
        "Notification": {"Topic": {"Name": "t", "Endpoint": format!("file://{}", file.display()),
            "Events": ["OnInstanceCreated", "OnInstanceActive", "OnClusterDeleted"]}}
    });
    let id = service.create("/clusters", &document);
    let messages = told(4);
    let nodes = service.get(&format!("/clusters/{id}/groups/group/instances?Marker"))["Items"].clone();
    let names: Vec<&str> = messages.iter().map(|message| message["Event"].as_str().unwrap()).collect();
    assert_eq!(names, ["OnInstanceCreated", "OnInstanceActive", "OnInstanceCreated", "OnInstanceActive"]);
    for node in nodes.as_array().unwrap() {
        let active = messages.iter().find(|message| message["InstanceId"] == node["Id"] && message["Event"] == "OnInstanceActive").unwrap();
        assert_eq!((&active["ClusterId"], &active["Group"], &active["State"]), (&json!(id), &json!("group"), &json!("Running")));
        assert_eq!((&active["InnerIpAddress"], &active["Category"]), (&node["IpAddress"], &json!("Cluster")));
    }
    let first = nodes[0]["Id"].as_str().unwrap();
    assert!(service.ask("POST", &format!("/clusters/{id}/groups/group/instances/{first}/recreate"), None).0 < 300);
    assert_eq!(told(6)[5]["Event"], "OnInstanceActive");
    assert!(service.ask("DELETE", &format!("/clusters/{id}"), None).0 < 300);
    let last = told(7).pop().unwrap();
    assert_eq!((&last["Event"], &last["ClusterName"], &last["State"]), (&json!("OnClusterDeleted"), &json!("c"), &json!("Deleting")));
    document["Notification"]["Topic"]["Endpoint"] = json!("mns://x");
    let (code, answer) = service.ask("POST", "/clusters", Some(&document));
    assert!(code == 400 && answer["Message"].as_str().unwrap().contains("Notification.Topic.Endpoint"), "{answer}");
}

#[test]
fn changes_are_noted_and_shown() {
    let (yard, service) = started();
    let id = service.create("/jobs", &job("true", 1, &json!({})));
    service.create("/clusters", &cluster(0));
    let shown = |more: &[&str]| {
        let done = yard.call(&[["audit", "--json"].as_slice(), more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        serde_json::from_str::<Vec<Json>>(&done.out).unwrap()
    };
    let kinds = |more: &[&str]| shown(more).iter().map(|change| change["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = kinds(&[]);
    assert_eq!((all[0].as_str(), all[1].as_str()), ("CreateCluster", "CreateJob"), "the newest first: {all:?}");
    let created = &shown(&["--kind", "CreateJob"])[0];
    assert_eq!((&created["account"], &created["what"], &created["key"]), (&json!("admin"), &json!(id), &json!(service.keys.id)));
    // The first key was made by the server itself.
    assert!(
        kinds(&["--account", "-"]).contains(&"CreateKey".to_owned()) && !kinds(&["--account", "admin"]).contains(&"CreateKey".to_owned())
    );
    assert_eq!(kinds(&["--since", "1h", "-n", "1"]), ["CreateCluster"]);
    assert!(kinds(&["--since", "2999-01-01"]).is_empty());
    assert!(yard.call(&["audit"]).out.contains("CreateCluster"));
    let wrong = yard.call(&["audit", "--account", "nobody"]);
    assert!(wrong.code == 2 && wrong.err.contains("there are admin"), "{}", wrong.err);
}
