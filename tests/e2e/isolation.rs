//! Instances and tasks are kept apart from what the store keeps.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value as Json, json};

use crate::{
    images::{base, demo},
    service::{Service, has_namespaces, job, merge},
    users::{is_root, key},
    yard::{Yard, wait_for},
};

/// Larger than what the store keeps in its index: such objects are files.
const LARGE: usize = 300_000;

fn started(config: &str) -> (Yard, Service) {
    let yard = Yard::new();
    yard.write(
        "config/batchyard/config.toml",
        &format!("[local]\ncores = 16\nmemory = \"64 GB\"\ngrace_seconds = 1\n[containers]\npolicy = \"off\"\n{config}"),
    );
    let service = Service::start(&yard);
    service.put("data", "", b"");
    (yard, service)
}

fn large() -> Vec<u8> {
    "what was stored\n".repeat(LARGE / 16).into_bytes()
}

/// Tries all that can be done to a file by its name, also below the folders that the server keeps for the instance.
const HOSTILE: &str = r#"
spoil() {
    chmod 777 "$1"; echo evil > "$1"; echo evil >> "$1"; truncate -s 3 "$1"; dd if=/dev/zero of="$1" bs=1k count=1 conv=notrunc
    ln "$1" "$1.link" && echo evil > "$1.link"; touch -d 2001-01-01 "$1"; rm -f "$1"
}
for place in /ref /fixed $HOME/../*/views .. ../..; do
    mount -o remount,rw,bind "$place"; umount "$place"; umount -l "$place"
done
for file in /ref/genome.fa /fixed/genome.fa /single; do spoil "$file"; done
# Whatever else lies below the server's folder.
find "$STATE" -type f -size +200k | while read -r file; do spoil "$file"; echo "$file" >> found; done
# The roots of other processes.
for root in /proc/[0-9]*/root; do
    for file in $(find "$root$STATE/oss/data" -type f 2>/dev/null); do spoil "$file"; echo "$file" >> found; done
done
cat found > /left 2>/dev/null || echo nothing > /left
exit 0
"#;

#[test]
fn nothing_that_an_instance_does_changes_what_is_stored() {
    if !has_namespaces() {
        return;
    }
    let (yard, service) = started("");
    service.put("data", "ref/genome.fa", &large());
    service.put("data", "hostile.sh", HOSTILE.as_bytes());
    let more = json!({
        "Parameters": {"Command": {"PackagePath": "oss://data/hostile.sh", "EnvVars": {"STATE": yard.path("home").display().to_string()}}},
        "InputMapping": {"oss://data/ref/": "/ref/", "oss://data/ref/genome.fa": "/single"},
        "Mounts": {"Entries": [{"Source": "oss://data/ref/", "Destination": "/fixed/", "WriteSupport": false}]},
        "OutputMapping": {"/left": "oss://data/left"}
    });
    let id = service.create("/jobs", &job("bash ./hostile.sh", 1, &more));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    assert!(service.text("data", "ref/genome.fa").into_bytes() == large(), "the object has changed");
    assert_eq!(service.text("data", "left"), "nothing\n", "{}", service.text("data", &format!("logs/stderr.{id}.task.0")));
}

/// Tries to see what is hidden.
const TRICKS: &str = include_str!("isolation/tricks.sh");

/// A job that waits, after it has written a secret to its folder.
fn with_secret(yard: &Yard, service: &Service) -> (String, String) {
    let line = format!(
        "echo secret > secret; echo secret > /home/results/secret; while [ ! -e {} ]; do sleep 0.05; done",
        yard.path("go").display()
    );
    let id = service.create("/jobs", &job(&line, 1, &json!({"OutputMapping": {"/home/results/": "oss://data/results/"}})));
    let folder = yard.path(&format!("home/jobs/{id}/task/0"));
    wait_for("the secret", || folder.join("root/home/results/secret").exists() || folder.join("work/secret").exists());
    (id, folder.display().to_string())
}

/// What the tricks of an instance have brought to light.
fn found(yard: &Yard, service: &Service, other: &str, more: &Json) -> String {
    found_in("data", yard, service, other, more)
}

fn found_in(bucket: &str, yard: &Yard, service: &Service, other: &str, more: &Json) -> String {
    service.put(bucket, "tricks.sh", TRICKS.as_bytes());
    let mut all = json!({
        "Parameters": {"Command": {"PackagePath": format!("oss://{bucket}/tricks.sh"), "EnvVars": {
            "STATE": yard.path("home").display().to_string(), "OTHER": other, "SERVER": service.pid().to_string(),
            "OUTSIDE": fs::read_link("/proc/self/ns/mnt").unwrap().display().to_string()
        }}},
        "OutputMapping": {"/left/": format!("oss://{bucket}/left/")}
    });
    merge(&mut all, more);
    let id = service.create("/jobs", &job("bash ./tricks.sh > /left/found 2> /left/told", 1, &all));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    // That the tricks were tried at all.
    let told = service.text(bucket, "left/told");
    for refused in
        ["mount: ", "umount: ", "unshare: ", "nsenter: cannot open /proc/1/ns/mnt: Permission denied", "/environ: Permission denied"]
    {
        assert!(told.contains(refused), "{refused} is not told in\n{told}");
    }
    service.text(bucket, "left/found")
}

#[test]
fn no_trick_uncovers_what_is_hidden() {
    if !has_namespaces() {
        return;
    }
    // The state's folder holds those of runs, too.
    let yard = Yard::new();
    let runs = yard.path("home/runs");
    yard.write(
        "config/batchyard/config.toml",
        &format!("runs_dir = \"{}\"\n[local]\ncores = 16\nmemory = \"64 GB\"\n[containers]\npolicy = \"off\"\n", runs.display()),
    );
    let service = Service::start(&yard);
    service.put("data", "", b"");
    let (other, folder) = with_secret(&yard, &service);
    assert_eq!(found(&yard, &service, &folder, &json!({})), "");
    yard.write("go", "");
    assert_eq!(service.wait(&other), "Finished");
}

/// The same as a user of the machine, with an instance of another account beside it.
#[test]
fn no_trick_of_a_user_uncovers_what_is_hidden() {
    if !is_root() || !has_namespaces() {
        return;
    }
    let yard = Yard::new();
    fs::set_permissions(yard.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    yard.write("config/batchyard/config.toml", "[local]\ncores = 16\nmemory = \"64 GB\"\n[containers]\npolicy = \"off\"\n");
    let (alice, bob) = (key(&yard, "alice", "70011"), key(&yard, "bob", "70012"));
    let mut service = Service::start(&yard);
    service.keys = alice;
    service.put("data", "", b"");
    let (other, folder) = with_secret(&yard, &service);
    let alice = std::mem::replace(&mut service.keys, bob);
    service.put("bobs", "", b"");
    let more = json!({
        "Parameters": {"StdoutRedirectPath": "oss://bobs/logs/", "StderrRedirectPath": "oss://bobs/logs/"},
        "OutputMapping": {"/left/": "oss://bobs/left/"}
    });
    assert_eq!(found_in("bobs", &yard, &service, &folder, &more), "");
    yard.write("go", "");
    service.keys = alice;
    assert_eq!(service.wait(&other), "Finished");
}

/// An image hides the machine. That no input is shown in it makes no difference.
#[test]
fn an_image_is_no_way_to_the_machine() {
    if !has_namespaces() {
        return;
    }
    let (yard, service) = started("");
    service.put("data", "dockers/demo.tar", &demo(&base(&yard), "0.1"));
    let (other, folder) = with_secret(&yard, &service);
    let line = "cwd=$OTHER/work; for way in /proc/[0-9]*/root /proc/[0-9]*/cwd/../../../../../../../..; do \
        for file in $STATE/batchyard.db $STATE/service.json $cwd/secret; do [ -e $way$file ] && echo $way$file; done; done; \
        for device in /dev/* /dev/mapper/*; do [ -b $device ] && echo $device; done; \
        [ -w /proc/sys/kernel/core_pattern ] && echo orders; echo looked";
    let more = json!({"Parameters": {"Command": {
        "EnvVars": {"STATE": yard.path("home").display().to_string(), "OTHER": folder},
        "Docker": {"Image": "localhost:5000/demo:0.1", "RegistryOSSPath": "oss://data/dockers/"}
    }}});
    let id = service.create("/jobs", &job(line, 1, &more));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
    assert_eq!(service.text("data", &format!("logs/stdout.{id}.task.0")), "looked\n");
    yard.write("go", "");
    assert_eq!(service.wait(&other), "Finished");
}

/// What a command leaves running still has its log open.
#[test]
fn a_stored_log_stays_what_it_was() {
    let (yard, service) = started("");
    let line = format!(
        "yes 0123456789 | head -n 30000; (while [ ! -e {0} ]; do sleep 0.05; done; echo evil; echo evil > ../stdout; touch {0}.done) &",
        yard.path("go").display()
    );
    let id = service.create("/jobs", &job(&line, 1, &json!({})));
    assert_eq!(service.wait(&id), "Finished");
    let log = format!("logs/stdout.{id}.task.0");
    wait_for("the log", || service.text("data", &log).len() == 330_000);
    yard.write("go", "");
    wait_for("the rest of the command", || yard.path("go.done").exists());
    assert!(service.text("data", &log) == "0123456789\n".repeat(30_000));
}

#[test]
fn nothing_that_a_task_of_a_workflow_does_changes_what_is_stored() {
    let (_yard, service) = started("");
    service.put("data", "in/large.txt", &large());
    let wdl = "version 1.0\n\
        workflow wf { input { File f } call spoil { input: f = f } call count { input: f = f, after = spoil.done } output { Int lines = count.lines } }\n\
        task spoil { input { File f } command <<< \n\
        chmod 777 ~{f}; echo evil >> ~{f}; truncate -s 3 ~{f}; rm -f ~{f} >>> output { String done = \"yes\" } }\n\
        task count { input { File f String after } command <<< wc -l < ~{f} >>> output { Int lines = read_int(stdout()) } }\n";
    service.put("data", "wf.wdl", wdl.as_bytes());
    service.put("data", "inputs.json", br#"{"wf.f": "oss://data/in/large.txt"}"#);
    let app = json!({
        "Name": "wf", "Type": "App", "App": {
            "AppName": ":cromwell",
            "Inputs": {"WDL": "oss://data/wf.wdl", "WORKFLOW_INPUTS": "oss://data/inputs.json", "WORKING_DIR": "oss://data/tree/"},
            "Outputs": {"OUTPUTS_DIR": "oss://data/out/"},
            "Logging": {"StdoutPath": "oss://data/logs/", "StderrPath": "oss://data/logs/"},
            "Config": {"InstanceType": "ecs.sn1.medium"}
        }
    });
    for _ in 0..2 {
        let id = service.create("/jobs", &app);
        assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
        assert!(service.text("data", "in/large.txt").into_bytes() == large(), "the object has changed");
    }
}
