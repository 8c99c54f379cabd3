//! Who we are and where the service is.

use serde_json::json;

use crate::stub::Person;

fn with_quotas() -> Person {
    let person = Person::new();
    let kind = |name: &str| json!({"InstanceType": name, "CpuCore": 2, "MemorySize": 4, "Network": {}});
    let available = json!({"AvailableClusterInstanceType": [kind("ecs.a")], "AvailableSpotInstanceType": [kind("ecs.b")]});
    person.stub.on("GET /available", available);
    person.stub.on("GET /jobs?Marker&MaxItemCount=1", json!({"Items": [], "NextMarker": ""}));
    let quotas = json!({"AvailableClusterInstanceType": ["ecs.a", "unknown"], "AvailableSpotInstanceType": ["ecs.b"],
        "AvailableClusterResourceType": ["OnDemand"], "AvailableClusterInstanceSystemDiskType": [], "AvailableClusterInstanceDataDiskType": []});
    person.stub.on("GET /quotas", quotas);
    person
}

#[test]
fn login_tries_then_remembers() {
    let person = with_quotas();
    assert!(person.fails("j").contains("ERROR: You need to login first"));
    let out = person.done("login cn-test AKID123 SECRET456");
    assert!(out.contains("[WARN]: default osspath is recommended") && out.ends_with("login success\n"), "{out}");
    assert_eq!(person.stub.lines(), ["GET /jobs?Marker&MaxItemCount=1", "GET /available"]);
    assert_eq!(
        person.read(".batchcompute/cliconfig"),
        "[common]\nregion = cn-test\naccesskeyid = AKID123\naccesskeysecret = SECRET456\ndefaultimage = img-ubuntu\n\
         vpc_cidr_block = 192.168.0.0/16\n\n"
    );
    let types = person.read(".batchcompute/clicache_ecs_instancetypes.json");
    assert_eq!(types, r#"{"ecs.a":{"name":"ecs.a","cpu":2,"memory":4},"ecs.b":{"name":"ecs.b","cpu":2,"memory":4}}"#);
    assert_eq!(
        person.done("me"),
        "region: cn-test\naccesskeyid: AKID123\naccesskeysecret: SEC******456\ndefaultimage: img-ubuntu\nvpc_cidr_block: 192.168.0.0/16\n"
    );
}

#[test]
fn a_refused_login_leaves_no_trace() {
    let person = Person::new();
    person.stub.answer("GET /jobs?Marker&MaxItemCount=1", 400, json!({"Code": "SignatureNotMatch", "Message": "no"}));
    let out = person.fails("login cn-test AKID123 SECRET456");
    assert_eq!(out, "\n  ERROR: HTTP Status: 400, Code: SignatureNotMatch, RequestID: rid, Message: no.\n\n");
    assert!(!person.path(".batchcompute/cliconfig").exists());
}

#[test]
fn the_secret_may_be_typed() {
    let mut person = with_quotas();
    person.answers = b"AKID123\nSECRET456\n".to_vec();
    assert!(person.done("login cn-test").contains("input accessKeyId: "));
    person.answers.clear();
    assert!(person.fails("login cn-test").contains("nobody answers"));
}

#[test]
fn endpoints_are_remembered() {
    let mut person = with_quotas();
    let base = person.stub.base.clone();
    person.variables.clear();
    person.done(&format!("login local AKID123 SECRET456 --endpoint {base} --oss-endpoint {base}"));
    person.done("t");
    assert!(person.read(".batchcompute/cliconfig").contains(&format!("[batchyard]\nendpoint = {base}\noss_endpoint = {base}\n")));
    person.done("set --endpoint false");
    assert!(!person.read(".batchcompute/cliconfig").contains(&format!("\nendpoint = {base}")));
}

#[test]
fn settings_are_checked() {
    let person = with_quotas();
    person.done("login cn-test AKID123 SECRET456");
    person.stub.asked();
    assert_eq!(person.done("set -o oss://mybucket/x"), "done\n");
    assert_eq!(person.stub.lines(), ["PUT /mybucket/x/", "DELETE /mybucket/x/tmp.txt"]);
    assert!(person.fails("set -t unknown").contains("'unknown' is invalid, type 'bcs t' for more"));
    assert!(person.fails("set -l fr").contains("Unsupported locale"));
    assert!(person.fails("set --vpc_cidr_block x").contains("Invalid vpc_cidr_block format"));
    assert!(person.fails("set --networktype x").contains("Invalid networktype x"));
    for words in ["set -t ecs.a", "set -l zh", "set -i img-x", "set -s false", "set -g 1", "set --vpc_cidr_block false"] {
        assert_eq!(person.done(words), "done\n", "{words}");
    }
    let shown = person.done("me");
    for line in ["osspath: oss://mybucket/x/", "locale: zh", "ssl: false", "god: 1", "defaultimage: img-x", "defaulttype: ecs.a"] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains("vpc_cidr_block"));
    assert!(person.done("j -h").contains("查看作业列表"));
    person.done("logout");
    assert!(person.fails("j").contains("You need to login first"));
}

#[test]
fn a_path_that_cannot_be_written_is_refused() {
    let person = with_quotas();
    person.done("login cn-test AKID123 SECRET456");
    person.stub.store.lock().unwrap().failing.push("PUT /mybucket/x/".to_owned());
    let out = person.fails("set -o oss://mybucket/x");
    assert!(out.contains("Invalid osspath oss://mybucket/x/") && out.contains("InternalError"), "{out}");
}

#[test]
fn help_version_and_mistakes() {
    let mut person = Person::new();
    assert!(person.done("").contains("Usage: batchcompute|bcs <command> [option]"));
    assert!(person.done("-V").contains("(batchcompute|bcs 1.7.7)"));
    assert!(person.done("o").contains("Commands:"));
    assert!(person.done("completion bash").contains("complete -o filenames -F"));
    let out = person.fails("jub");
    assert!(out.contains("Usage:") && out.contains("ERROR: unknown command `jub`"), "{out}");
    assert!(person.fails("login").contains("add \"-h\" for more information"));
    assert!(person.fails("j --tpo 3").contains("did you mean `--top`?"));
    person.variables.insert("BCS_COMPAT_EXIT".to_owned(), "1".to_owned());
    assert_eq!(person.call("login").code, 0);
}
