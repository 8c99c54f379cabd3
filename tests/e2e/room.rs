//! Instances that fill the disk are ended; the server and the others go on.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value as Json, json};

use crate::{
    containers::not_tested,
    service::{Service, has_namespaces, job},
    yard::{Yard, wait_for},
};

fn started(config: &str) -> (Yard, Service) {
    let yard = Yard::new();
    let service = start(&yard, config);
    (yard, service)
}

fn start(yard: &Yard, config: &str) -> Service {
    let text = format!("[local]\ncores = 16\nmemory = \"64 GB\"\ngrace_seconds = 1\n[containers]\npolicy = \"off\"\n[batch]\n{config}\n");
    yard.write("config/batchyard/config.toml", &text);
    let service = Service::start(yard);
    service.put("data", "", b"");
    service
}

fn result(service: &Service, id: &str) -> Json {
    assert_eq!(service.wait(id), "Failed");
    service.instances(id, "task")[0]["Result"].clone()
}

#[test]
fn an_instance_that_fills_its_disk_is_ended() {
    let (yard, service) = started("disk = \"20 MiB\"");
    let fill = "for n in $(seq 1000); do head -c 1000000 /dev/zero > $n; sleep 0.01; done; sleep 300";
    // In its working directory, with processes that do not want to end.
    let id = service.create("/jobs", &job(&format!("echo begun; trap '' TERM; {fill}"), 1, &json!({})));
    let told = result(&service, &id);
    assert_eq!(told["ErrorCode"], "DiskFull", "{told}");
    let message = told["ErrorMessage"].as_str().unwrap();
    assert!(message.contains("MiB of its disk, and may fill 20.0 MiB: ask for a larger disk (`Disks`), or set `batch.disk`"), "{message}");
    assert_eq!(service.text("data", &format!("logs/stdout.{id}.task.0")), "begun\n");
    assert!(!yard.path(&format!("home/jobs/{id}/task/0/work")).exists(), "what it has filled is given back");

    // Among what it keeps while it runs.
    let id = service.create("/jobs", &job(&format!("cd $TMPDIR; {fill}"), 1, &json!({})));
    assert_eq!(result(&service, &id)["ErrorCode"], "DiskFull");
    assert!(!yard.path(&format!("home/jobs/{id}/task/0/tmp")).exists());

    // A log without end.
    let id = service.create("/jobs", &job("yes 0123456789", 1, &json!({})));
    let told = result(&service, &id);
    assert_eq!(told["ErrorCode"], "DiskFull", "{told}");
    let log = service.text("data", &format!("logs/stdout.{id}.task.0"));
    assert!(log.starts_with("0123456789\n") && log.len() <= 64 << 20, "{}", log.len());

    // Outputs at absolute places, and layers over objects; the objects themselves do not count.
    if has_namespaces() {
        service.put("data", "in/large", &vec![b'x'; 30 << 20]);
        let more = json!({"InputMapping": {"oss://data/in/": "/ref/"}, "OutputMapping": {"/home/results/": "oss://data/results/"}});
        let id = service.create("/jobs", &job("sleep 3; ls /ref", 1, &more));
        assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
        for folder in ["/ref", "/home/results"] {
            let id = service.create("/jobs", &job(&format!("cd {folder}; {fill}"), 1, &more));
            assert_eq!(result(&service, &id)["ErrorCode"], "DiskFull");
            assert_eq!(service.object("GET", "data", "results/1", b"").0, 404, "nothing of it is stored");
        }
    }
    // A disk that was asked for counts more than what is usual.
    let more = json!({"AutoCluster": {"Configs": {"Disks": {"SystemDisk": {"Type": "", "Size": 40}}}}});
    let id = service.create("/jobs", &job("head -c 30000000 /dev/zero > x; sleep 3", 1, &more));
    assert_eq!(service.wait(&id), "Finished", "{:?}", service.instances(&id, "task"));
}

/// A file system of its own below a yard; gone when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(yard: &Yard, size: &str) -> Option<Small> {
        let folder = yard.path("home");
        std::fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_instance_that_grows_and_nobody_else() {
    let yard = Yard::new();
    let Some(small) = Small::mount(&yard, "400m") else { return not_tested("a full disk", "run as root") };
    let service = start(&yard, "disk_floor = \"100 MiB\"");
    let go = yard.path("go");
    let line = format!("head -c 20000000 /dev/zero > x; while [ ! -e {} ]; do sleep 0.05; done; wc -c < x", go.display());
    let idle = service.create("/jobs", &job(&line, 1, &json!({})));
    service.wait_running(&idle);
    let greedy =
        service.create("/jobs", &job("for n in $(seq 1000); do head -c 1000000 /dev/zero > $n || exit 1; sleep 0.03; done", 1, &json!({})));
    let told = result(&service, &greedy);
    assert_eq!(told["ErrorCode"], "DiskFull", "{told}");
    let message = told["ErrorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("the disk is nearly full: ") && message.contains("100.0 MiB must stay so (`batch.disk_floor`)"),
        "{message}"
    );
    std::fs::write(&go, "").unwrap();
    assert_eq!(service.wait(&idle), "Finished", "{:?}", service.instances(&idle, "task"));
    assert_eq!(service.text("data", &format!("logs/stdout.{idle}.task.0")), "20000000\n");
    wait_for("the server to say so", || yard.read("server.err").contains("an instance is ended: the disk is nearly full"));
    service.kill();
    drop(small);
}

#[test]
fn sizes_are_checked_at_the_start() {
    let yard = Yard::new();
    yard.write("config/batchyard/config.toml", "[batch]\ndisk = \"much\"\n");
    let done = yard.call(&["config", "show"]);
    assert!(done.code != 0 && done.err.contains("`batch.disk` must be a size such as \"100 GiB\", not \"much\""), "{}", done.err);
    yard.write("config/batchyard/config.toml", "[batch]\ndisk = \"100 GB\"\n");
    let shown = yard.call(&["config", "show"]).out;
    assert!(shown.contains("batch.disk") && shown.contains("100 GB") && shown.contains("batch.disk_floor"), "{shown}");
}
