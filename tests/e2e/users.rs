//! Instances of accounts that have a user of the machine run as this user, apart from those of others.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    service::{Keys, Service, has_namespaces, job, merge},
    yard::{Yard, wait_for},
};

/// Numbers that no user of a machine has.
const ALICE: &str = "70001";
const BOB: &str = "70002";
const CAROL: &str = "70003";

/// Whether this test may run anything as somebody else.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        not_tested("other users", "run as root");
    }
    root
}

/// Keys of an account whose instances run as this user.
pub fn key(yard: &Yard, account: &str, user: &str) -> Keys {
    let done = yard.call(&["key", "create", "--account", account, "--run-as", user, "--json"]);
    assert!(done.code == 0, "{}", done.err);
    let made: Json = serde_json::from_str(&done.out).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Keys { id: text("AccessKeyId"), secret: text("AccessKeySecret") }
}

/// A server for Alice, as this user, with a bucket of hers, and Bob's keys.
fn started(user: &str) -> (Yard, Service, Keys) {
    let yard = Yard::new();
    fs::set_permissions(yard.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    yard.write(
        "config/batchyard/config.toml",
        "[local]\ncores = 16\nmemory = \"64 GB\"\ngrace_seconds = 1\n[containers]\npolicy = \"off\"\n",
    );
    let (alice, bob) = (key(&yard, "alice", user), key(&yard, "bob", BOB));
    let mut service = Service::start(&yard);
    service.keys = alice;
    service.put("data", "", b"");
    (yard, service, bob)
}

/// The task's own lines, after which it has ended well.
fn finished(service: &Service, id: &str) -> String {
    assert_eq!(service.wait(id), "Finished", "{:?}", service.instances(id, "task"));
    let description = service.get(&format!("/jobs/{id}?description"));
    let logs = description["DAG"]["Tasks"]["task"]["Parameters"]["StdoutRedirectPath"].as_str().unwrap().to_owned();
    let bucket = logs.split('/').nth(2).unwrap();
    service.text(bucket, &format!("logs/stdout.{id}.task.0"))
}

#[test]
fn instances_run_as_the_user_of_their_account() {
    if !is_root() || !has_namespaces() {
        return;
    }
    let (yard, service, _) = started(ALICE);
    service.put("data", "in/a", &b"object\n".repeat(10_000));
    service.put("data", "in/small", b"small\n");
    service.put("data", "tool.sh", b"id -u; id -g; id -G\n");
    // Without a root of its own.
    let more = json!({
        "Parameters": {"Command": {"PackagePath": "oss://data/tool.sh"}}, "OutputMapping": {"out/": "oss://data/out/", "own": "oss://data/own"}
    });
    let line = "bash tool.sh; mkdir -p out/sub; echo 1 > out/sub/x; ln -s sub/x out/y; touch own; touch ../x ../rc 2>&1 | grep -c denied";
    let out = finished(&service, &service.create("/jobs", &job(line, 1, &more)));
    assert_eq!(out, format!("{ALICE}\n{ALICE}\n{ALICE}\n1\n"));
    assert_eq!((service.text("data", "out/sub/x"), service.text("data", "out/y")), ("1\n".to_owned(), "1\n".to_owned()));

    // With objects and absolute places.
    let more = json!({
        "InputMapping": {"oss://data/in/": "/ref/", "oss://data/in/a": "/single"},
        "Mounts": {"Entries": [{"Source": "oss://data/in/", "Destination": "/fixed/", "WriteSupport": false}]},
        "LogMapping": {"/home/admin/run.log": "oss://data/mapped/"},
        "OutputMapping": {"/home/results/": "oss://data/results/", "/top.txt": "oss://data/top.txt", "/ref/new": "oss://data/new"}
    });
    let line = "id -u; cat /ref/a /fixed/a /single | wc -l; echo new > /ref/new; echo changed > /ref/small; rm /ref/a; echo other > /ref/a; \
        cat /ref/a /ref/small; echo x 2>/dev/null > /fixed/x || echo fixed; echo log > /home/admin/run.log; mkdir /home/results/sub; \
        echo r > /home/results/sub/r; echo top > /top.txt; echo $HOME $USER; (echo x > /etc/shadow) 2>&1 | grep -c denied; \
        umount /fixed 2>/dev/null || echo still; grep CapEff /proc/self/status";
    let id = service.create("/jobs", &job(line, 1, &more));
    let out = finished(&service, &id);
    assert_eq!(out, format!("{ALICE}\n30000\nother\nchanged\nfixed\n/ {ALICE}\n1\nstill\nCapEff:\t0000000000000000\n"));
    for (key, text) in [("new", "new\n"), ("results/sub/r", "r\n"), ("top.txt", "top\n"), ("in/small", "small\n")] {
        assert_eq!(service.text("data", key), text, "{key}");
    }
    assert_eq!(service.text("data", &format!("mapped/run.log.{id}.task.0")), "log\n");
    assert!(service.text("data", "in/a").starts_with("object\n"));

    // What only the server may read is not given away by a link.
    let secret = yard.write("secret", "of the server\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    for (line, mapping) in [
        (format!("ln -s {} stolen", secret.display()), json!({"stolen": "oss://data/stolen"})),
        (format!("mkdir d; ln -s {} d/stolen", secret.display()), json!({"d/": "oss://data/"})),
    ] {
        let id = service.create("/jobs", &job(&line, 1, &json!({"OutputMapping": mapping})));
        assert_eq!(service.wait(&id), "Failed");
        assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], "UploadFailed");
        assert_eq!(service.object("GET", "data", "stolen", b"").0, 404);
    }
    // Nor does the server add to files for it.
    let mut told = job("true", 1, &json!({}));
    told["Notification"]["Topic"] = json!({"Name": "t", "Endpoint": format!("file://{}", secret.display()), "Events": ["OnJobFinished"]});
    let (code, body) = service.ask("POST", "/jobs", Some(&told));
    assert_eq!((code, &body["Code"]), (400, &json!("InvalidParameter")), "{body}");
    // A failure's words are found as ever.
    let id = service.create("/jobs", &job("echo oh no >&2; exit 3", 1, &json!({})));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.instances(&id, "task")[0]["Result"]["Detail"], "oh no");
}

#[test]
fn accounts_do_not_see_each_other() {
    if !is_root() || !has_namespaces() {
        return;
    }
    let (yard, mut service, bob) = started(ALICE);
    let go = yard.path("go");
    let line = format!("echo secret > s; chmod 644 s; pwd; cat; while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let plain = service.create("/jobs", &job(&line, 1, &json!({})));
    let line = format!("echo secret > /home/results/s; chmod -R a+rX /home; while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let more = json!({"OutputMapping": {"/home/results/": "oss://data/results/"}});
    let rooted = service.create("/jobs", &job(&line, 1, &more));
    let folder = |id: &str| yard.path(&format!("home/jobs/{id}/task/0"));
    wait_for("both to have written", || folder(&plain).join("work/s").exists() && folder(&rooted).join("root/home/results/s").exists());

    let alice = std::mem::replace(&mut service.keys, bob);
    service.put("bobs", "", b"");
    let look = format!(
        "id -u; cat {0}/work/s {0}/script {0}/stdout {1}/root/home/results/s {1}/root.json; ls {0} {1} {2}/jobs {2}/oss {2}/downloads {2}/images; \
         cat {2}/batchyard.db {2}/service.json; echo x > {0}/rc; kill -9 $(pgrep -u {ALICE})",
        folder(&plain).display(),
        folder(&rooted).display(),
        yard.path("home").display()
    );
    let logs = json!({"Parameters": {"StdoutRedirectPath": "oss://bobs/logs/", "StderrRedirectPath": "oss://bobs/logs/"}});
    let id = service.create("/jobs", &job(&format!("{look} || true"), 1, &logs));
    let out = finished(&service, &id);
    assert_eq!(out, format!("{BOB}\n"), "nothing was read");
    let err = service.text("bobs", &format!("logs/stderr.{id}.task.0"));
    // Processes come and go.
    let refused = |line: &str| ["ermission denied", "not permitted", "No such process"].iter().any(|words| line.contains(words));
    assert!(err.lines().count() > 10 && err.lines().all(refused), "{err}");
    // Nor are the server's own files given away by naming their folder.
    let mut mounted = logs.clone();
    merge(
        &mut mounted,
        &json!({"Mounts": {"Entries": [{"Source": format!("file://{}/", yard.path("home/oss").display()), "Destination": "/x/"}]}}),
    );
    let id = service.create("/jobs", &job("ls /x", 1, &mounted));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], "InvalidMount");
    fs::write(&go, "").unwrap();
    service.keys = alice;
    for id in [&plain, &rooted] {
        assert_eq!(service.wait(id), "Finished");
    }
}

/// Whether a process of a user lives.
fn runs(user: &str) -> bool {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .any(|status| status.contains(&format!("Uid:\t{user}\t")))
}

#[test]
fn such_instances_are_adopted_and_ended_like_others() {
    if !is_root() {
        return;
    }
    let (yard, service, _) = started(CAROL);
    let alice = service.keys.clone();
    let go = yard.path("go");
    let line = format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo {{}} | tee out; exit ${{STATUS:-0}}", go.display());
    let id = service.create("/jobs", &job(&line, 1, &json!({"OutputMapping": {"out": "oss://data/adopted"}})));
    let stopped = service.create("/jobs", &job("trap '' TERM; setsid sleep 300 & sleep 300", 1, &json!({})));
    for id in [&id, &stopped] {
        service.wait_running(id);
    }
    let begun = yard.path(&format!("home/jobs/{id}/task/0/stdout"));
    wait_for("the command to begin", || fs::read_to_string(&begun).is_ok_and(|out| out.contains("begun")));
    service.kill();
    let mut service = Service::start(&yard);
    service.keys = alice;
    assert_eq!(service.ask("POST", &format!("/jobs/{stopped}/stop"), None).0, 201);
    fs::write(&go, "").unwrap();
    assert_eq!(finished(&service, &id), "begun\n{}\n");
    assert_eq!(service.text("data", "adopted"), "{}\n");
    wait_for("the stopped one to be gone", || !runs(CAROL));
    let id = service.create("/jobs", &job("sleep 300", 1, &json!({"Timeout": 1})));
    assert_eq!(service.wait(&id), "Failed");
    assert_eq!(service.instances(&id, "task")[0]["Result"]["ErrorCode"], "Timeout");
}

#[test]
fn a_user_that_cannot_be_is_refused() {
    let yard = Yard::new();
    let refused = |user: &str| {
        let done = yard.call(&["key", "create", "--account", "alice", "--run-as", user]);
        assert!(done.code != 0);
        done.err
    };
    if !rustix::process::geteuid().is_root() {
        assert!(refused(ALICE).contains("only root can run tasks as other users"));
        return;
    }
    fs::set_permissions(yard.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(refused(ALICE).contains(&format!("user `{ALICE}` may not enter")));
    fs::set_permissions(yard.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refused("no-such-user").contains("there is no user `no-such-user`"));
    assert!(refused("root").contains("is root"));
    key(&yard, "alice", ALICE);
    assert!(refused(BOB).contains(&format!("batchyard key run-as alice {BOB}")));
    let listed = yard.call(&["key", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Json>(&listed.out).unwrap()[0]["run_as"], ALICE);
    assert!(yard.call(&["key", "run-as", "alice", BOB]).code == 0);
    assert!(yard.call(&["key", "run-as", "alice"]).code == 0);
    let listed = yard.call(&["key", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Json>(&listed.out).unwrap()[0]["run_as"], Json::Null);
}

/// A workflow of an account, and the value of an option or nothing.
fn workflow(options: &str) -> Json {
    let mut app = json!({
        "Name": "wf", "Type": "App", "App": {
            "AppName": ":cromwell",
            "Inputs": {"WDL": "oss://data/wf.wdl", "WORKFLOW_INPUTS": "oss://data/inputs.json", "WORKING_DIR": "oss://data/tree/"},
            "Outputs": {"OUTPUTS_DIR": "oss://data/out/"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"},
            "Config": {"InstanceType": "ecs.sn1.medium"}
        }
    });
    if !options.is_empty() {
        app["App"]["Inputs"]["WORKFLOW_OPTIONS"] = json!(options);
    }
    app
}

#[test]
fn calls_of_workflows_run_as_the_user_of_their_account() {
    if !is_root() {
        return;
    }
    let (yard, service, _) = started(ALICE);
    let secret = yard.write("secret", "of the server\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    service.put("data", "in/large.txt", &b"line\n".repeat(60_000));
    let wdl = |more: &str| {
        format!(
            "version 1.0\nworkflow wf {{ input {{ File f }} call own {{ input: f = f }} call next {{ input: f = own.out }} {more}\n\
             output {{ String who = own.who Int lines = next.lines Array[File] parts = own.parts }} }}\n\
             task own {{ input {{ File f }} command <<< id -u; cat ~{{f}} > out.txt; touch ~{{f}}.idx; mkdir parts; echo 1 > parts/1\n\
             echo x 2>/dev/null > script.kill || rm -f script 2>/dev/null; mv ../execution ../other 2>/dev/null; ls -d script >&2 >>>\n\
             output {{ File out = \"out.txt\" String who = read_string(stdout()) Array[File] parts = glob(\"parts/*\") }} }}\n\
             task next {{ input {{ File f }} command <<< wc -l < ~{{f}} >>> output {{ Int lines = read_int(stdout()) }} }}\n\
             task steal {{ command <<< ln -s {} link >>> output {{ String text = read_string(\"link\") File out = \"link\" }} }}\n",
            secret.display()
        )
    };
    service.put("data", "wf.wdl", wdl("").as_bytes());
    service.put("data", "inputs.json", br#"{"wf.f": "oss://data/in/large.txt"}"#);
    let id = service.create("/jobs", &workflow(""));
    let state = service.wait(&id);
    let told = |id: &str| service.object("GET", "data", &format!("logs/stderr.{id}.task.0"), b"").1;
    assert_eq!(state, "Finished", "{}", told(&id));
    let metadata: Json = serde_json::from_str(&service.text("data", "out/workflow_metadata.json")).unwrap();
    assert_eq!((&metadata["outputs"]["wf.who"], &metadata["outputs"]["wf.lines"]), (&json!(ALICE), &json!(60_000)));
    let execution = format!("tree/wf/{}/call-own/execution", metadata["id"].as_str().unwrap());
    assert_eq!(service.text("data", &format!("{execution}/rc")), "0\n");
    assert_eq!(service.text("data", &format!("{execution}/stderr")), "script\n", "what is the server's stays");
    // Its folders are closed to everybody else.
    let found = std::process::Command::new("find").arg(yard.path("")).args(["-type", "d", "-name", "call-own"]).output().unwrap();
    let folder = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o007, 0, "{folder}");

    // Neither expressions, nor options, nor other providers get at what is the server's.
    let fails = |wdl: &str, options: &str, words: &str| {
        service.put("data", "wf.wdl", wdl.as_bytes());
        let id = service.create("/jobs", &workflow(options));
        assert_eq!(service.wait(&id), "Failed", "{words}");
        let told = told(&id) + &service.instances(&id, "task")[0]["Result"].to_string();
        assert!(told.contains(words), "{told}");
    };
    fails(&wdl("call steal"), "", "ermission denied");
    fails(&wdl(&format!("String s = read_string(\"{}\")", secret.display())), "", "ermission denied");
    // Nor at what was brought here for others, however the path is given.
    fails(&wdl(&format!("call own as other {{ input: f = \"{}\" }}", secret.display())), "", "ermission denied");
    let found =
        std::process::Command::new("find").arg(yard.path("")).args(["-path", "*downloads*", "-name", "large.txt"]).output().unwrap();
    let brought = String::from_utf8(found.stdout).unwrap().lines().next().expect("it was brought for the first run").to_owned();
    fails(&wdl(&format!("String s = read_string(\"{brought}\")")), "", "ermission denied");
    service.put("data", "inputs.json", json!({ "wf.f": brought }).to_string().as_bytes());
    fails(&wdl(""), "", "ermission denied");
    service.put("data", "inputs.json", br#"{"wf.f": "oss://data/in/large.txt"}"#);
    service.put("data", "options.json", br#"{"backend": "Local"}"#);
    fails(&wdl(""), "oss://data/options.json", "there is no provider (backend) `Local`; there are: BCS");
    service.put("data", "options.json", br#"{"final_workflow_outputs_dir": "/etc/x"}"#);
    fails(&wdl(""), "oss://data/options.json", "the option `final_workflow_outputs_dir` cannot be used");
}
