//! Instances and tasks are kept apart from what the store keeps.

use serde_json::json;

use crate::{
    service::{Service, has_namespaces, job},
    yard::{Yard, wait_for},
};

/// Larger than what the store keeps in its index: such objects are files.
const LARGE: usize = 300_000;

fn started(config: &str) -> (Yard, Service) {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", &format!("[local]\ngrace_seconds = 1\n[containers]\npolicy = \"off\"\n{config}"));
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
