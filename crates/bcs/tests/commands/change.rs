//! Changing: what is sent.

use serde_json::{Value, json};

use crate::stub::Person;

fn body_of(person: &Person, line: &str) -> Value {
    let asked = person.stub.asked();
    let request = asked.iter().find(|a| a.line == line);
    assert!(request.is_some(), "{line} is not in {asked:?}");
    request.unwrap().json()
}

#[test]
fn a_cluster_is_described_as_the_original_does() {
    let person = Person::known();
    person.stub.on("POST /clusters", json!({"Id": "cls-new"}));
    let out = person.done(
        "cc c1 -n 3 --resource_type Spot --spot_price_limit 0.5 -m oss://b/in/:/home/in/,smb://h/x:::/x -u a:b --disk system:default:40",
    );
    assert_eq!(out, "Cluster created: cls-new\n");
    assert_eq!(
        body_of(&person, "POST /clusters"),
        json!({"Name": "c1", "ImageId": "img-ubuntu", "InstanceType": "ecs.sn1.medium", "Description": "",
            "Groups": {"group": {"InstanceType": "ecs.sn1.medium", "DesiredVMCount": 3, "ResourceType": "Spot", "SpotPriceLimit": 0.5,
                "SpotStrategy": "SpotWithPriceLimit"}},
            "Configs": {"Mounts": {"NAS": {}, "Entries": [{"Destination": "/home/in/", "Source": "oss://b/in/", "WriteSupport": true}],
                "Locale": "GBK"}, "Disks": {"SystemDisk": {"Size": 40}}, "Networks": {"VPC": {"CidrBlock": "192.168.0.0/16"}, "Classic": {}}},
            "UserData": {"a": "b"}, "EnvVars": {}, "Notification": {"Topic": {"Name": "", "Endpoint": "", "Events": [], "UserData": "",
                "UserTemplate": ""}}, "DependencyIsvService": ""})
    );
    assert!(person.fails("cc").contains("missing argument `clusterName`"));
    assert!(person.fails("cc c --spot_price_limit 1").contains("works only if resource_type is Spot"));
    assert!(person.fails("cc c -i x").contains("Invalid imageId: x"));
    assert!(person.fails("cc c --notification_events x").contains("Invalid cluster event: x"));
    let printed: Value = serde_json::from_str(&person.done("cc c --show_json --refresh_time_out 9 --no_cache_support")).unwrap();
    assert_eq!(
        (&printed["Configs"]["Mounts"]["RefreshTimeOut"], &printed["Configs"]["Mounts"]["CacheSupport"]),
        (&json!(9), &json!(false))
    );
    assert!(person.stub.asked().is_empty());
}

#[test]
fn a_cluster_is_changed_and_a_price_sent_twice() {
    let person = Person::known();
    person.stub.on("PUT /clusters/cls-a", json!({}));
    assert_eq!(person.done("uc cls-a -n 12 -y"), "done\n");
    assert_eq!(body_of(&person, "PUT /clusters/cls-a"), json!({"Groups": {"group": {"DesiredVMCount": 12}}}));
    person.done("uc cls-a g2 --spot_price_limit 0 -e k:v -y");
    let asked = person.stub.asked();
    assert_eq!(asked[0].json(), json!({"Groups": {"g2": {"SpotStrategy": "SpotAsPriceGo"}}, "EnvVars": {"k": "v"}}));
    assert_eq!(asked[1].json(), json!({"Groups": {"g2": {"SpotStrategy": "SpotAsPriceGo"}}}));
    assert!(person.fails("uc cls-a -n many -y").contains("Invalid nodes: many"));
    assert!(person.fails("uc 1 -n 1 -y").contains("Invalid id: 1"));
}

#[test]
fn questions_are_asked_and_heeded() {
    let mut person = Person::known();
    assert!(person.fails("dc cls-a").contains("nobody answers; `-y` answers yes"));
    person.answers = b"n\n".to_vec();
    assert_eq!(person.done("dc cls-a,cls-b"), "Delete all these clusters:\ncls-a\ncls-b \nAre you sure? [n] ");
    assert!(person.stub.asked().is_empty());
    person.answers = b"y\n".to_vec();
    person.stub.answer("DELETE /clusters/cls-a", 204, Value::Null);
    assert!(person.done("dc cls-a").ends_with("exec: bcs delete_cluster cls-a\ndone\n"));
}

#[test]
fn nodes_images_and_apps_are_removed() {
    let person = Person::known();
    for line in [
        "DELETE /images/img-a",
        "DELETE /clusters/c/groups/g/instances/ins-1",
        "DELETE /apps/mine?Qualifier=1",
        "DELETE /apps/mine?Qualifier",
    ] {
        person.stub.answer(line, 204, Value::Null);
    }
    person.stub.on("POST /clusters/c/groups/g/instances/ins-1/recreate", Value::Null);
    person.done("di img-a -y");
    assert_eq!(person.done("rci c g ins-1 -y"), "exec: bcs recreate_cluster_instances c g ins-1\ndone\n");
    person.done("dci c g ins-1 -y");
    person.done("da mine 1 -y");
    person.done("da mine -y");
    assert_eq!(person.stub.lines().len(), 5);
}

#[test]
fn images_are_registered() {
    let person = Person::known();
    person.stub.on("POST /images", json!({"Id": "img-new"}));
    assert_eq!(person.done("ci name m-1 -p WINDOWS -d what"), "Image create: img-new\n");
    let sent = body_of(&person, "POST /images");
    assert_eq!(sent.to_string(), r#"{"Name":"name","EcsImageId":"m-1","Platform":"Windows","Description":"what"}"#);
    assert!(person.fails("ci name x").contains("Invalid ecsImageId"));
}

#[test]
fn apps_are_made_and_changed() {
    let person = Person::known();
    person.stub.on("POST /apps", json!({"Name": "new"}));
    let words = "ca new echo~${in} --docker u@oss://b/d/ --inputs in:String:/in/,b --outputs o::/out/ -t ecs.t:true -n 2 --timeout 5 --description what";
    assert_eq!(person.done(words), "App created: new\n");
    let parameter = |path: &str| json!({"Type": "String", "LocalPath": path, "Description": "", "Default": ""});
    let setting = |value: Value, free: bool| json!({"Default": value, "Overwritable": free, "Description": ""});
    assert_eq!(
        body_of(&person, "POST /apps"),
        json!({"Name": "new", "CommandLine": "echo ${in}", "Description": "what",
            "Docker": {"Image": "localhost:5000/u", "RegistryOSSPath": "oss://b/d/"},
            "InputParameters": {"in": parameter("/in/"), "b": parameter("")},
            "OutputParameters": {"o": {"Type": "String", "LocalPath": "/out/", "Description": ""}},
            "Config": {"InstanceType": setting(json!("ecs.t"), true), "InstanceCount": setting(json!(2), false), "Timeout": setting(json!(5), false)}})
    );
    person.write("app.json", r#"{"Name": "of_file", "CommandLine": "x", "VM": {"ECSImageId": "m-1"}}"#);
    person.done("ca --file app.json -t t");
    let sent = body_of(&person, "POST /apps");
    assert_eq!((&sent["Name"], &sent["Config"]["InstanceType"]["Default"]), (&json!("of_file"), &json!("t")));
    assert!(person.fails("ca").contains("app_name is required"));

    person.stub.on("GET /apps/mine?Revisions=True", json!([{"Revision": 0}, {"Revision": 3}, {"Revision": 1}]));
    let detail = json!({"Name": "mine", "CommandLine": "old", "VM": {"ECSImageId": "m-1"}, "CreationTime": "x"});
    person.stub.on("GET /apps/mine?Detail=True&Qualifier=3", detail).on("PUT /apps/mine", json!({}));
    person.done("ua mine new --docker registry.x/y --daemonize false -y");
    let sent = body_of(&person, "PUT /apps/mine");
    assert_eq!(sent, json!({"Name": "mine", "CommandLine": "new", "Daemonize": false, "Docker": {"Image": "registry.x/y"}}));
}

#[test]
fn jobs_are_stopped_before_they_are_deleted() {
    let person = Person::known();
    person.stub.answer("POST /jobs/job-a/stop", 409, json!({"Code": "StateConflict", "Message": "m"}));
    person.stub.answer("DELETE /jobs/job-a", 204, Value::Null);
    assert_eq!(person.done("dj job-a -y"), "exec: bcs delete_job job-a\ndone\n");
    assert_eq!(person.stub.lines(), ["POST /jobs/job-a/stop", "DELETE /jobs/job-a"]);
    person.stub.answer("POST /jobs/job-b/stop", 403, json!({"Code": "Forbidden", "Message": "m"}));
    assert!(person.fails("dj job-b -y").contains("Code: Forbidden"));
    assert_eq!(person.stub.lines(), ["POST /jobs/job-b/stop"]);
}

#[test]
fn jobs_start_and_change_priority() {
    let person = Person::known();
    person.stub.on("POST /jobs/job-a/start", Value::Null).on("PUT /jobs/job-a", Value::Null).on("POST /jobs", json!({"Id": "job-new"}));
    person.done("rj job-a -y");
    person.done("uj job-a -p 7 -y");
    assert_eq!(body_of(&person, "PUT /jobs/job-a"), json!({"Priority": 7}));
    assert!(person.fails("uj job-a -p 0 -y").contains("it should be in scope [1..1000]"));
    person.write("job.json", r#"{"Name": "n"}"#);
    assert_eq!(person.done("cj -f job.json"), "Job created: job-new\n");
    assert_eq!(body_of(&person, "POST /jobs"), json!({"Name": "n"}));
    assert!(person.fails("cj {").contains("is not JSON"));
}
