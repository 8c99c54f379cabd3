//! What was brought from stores of others and nobody uses goes again, and never what a run still needs.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::json;

use crate::{
    http::Server,
    yard::{Yard, wait_for},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Waits before it reads, by the path at which the file was brought.
const LATE: &str = "version 1.0\nworkflow w { input { File f String go } call late { input: f = f, go = go } output { String s = late.s } }\n\
    task late { input { File f String go } command <<< touch '~{go}.begun'; while [ ! -e '~{go}' ]; do sleep 0.05; done; cat ~{f} >>>\n\
    output { String s = read_string(stdout()) } }\n";
const READ: &str = "version 1.0\nworkflow read { input { File f } output { String text = read_string(f) } }";

/// A store in a folder, and tasks that get soft links to what was brought.
fn yard() -> Yard {
    let yard = Yard::new();
    fs::create_dir_all(yard.path("far")).unwrap();
    yard.write(
        "config/batchyard/config.toml",
        &format!(
            "[local]\nstaging = [\"soft-link\"]\n[downloads]\ndays = 2\n[[stores]]\nurl = \"s3://far\"\nfolder = \"{}\"\n",
            yard.path("far").display()
        ),
    );
    for name in ["a", "b", "c"] {
        yard.write(&format!("far/{name}"), &format!("text of {name}"));
    }
    yard.write("late.wdl", LATE);
    yard.write("read.wdl", READ);
    yard
}

fn cache(yard: &Yard) -> PathBuf {
    yard.path("home/downloads/stores")
}

/// The file and the mark of what was brought; all of it lies in one folder.
fn brought(yard: &Yard, name: &str) -> (PathBuf, PathBuf) {
    let folders = fs::read_dir(cache(yard)).into_iter().flatten().flatten().map(|entry| entry.path());
    let folder = folders.into_iter().find(|folder| folder.join(".marks").is_dir()).unwrap_or_default();
    (folder.join(name), folder.join(".marks").join(name))
}

/// All that was brought seems to have been used three days ago, and nobody has looked since.
fn age(yard: &Yard) {
    let marks = brought(yard, "").1;
    for mark in fs::read_dir(marks).unwrap().map(|entry| entry.unwrap().path()) {
        File::options().write(true).open(mark).unwrap().set_modified(SystemTime::now() - 3 * DAY).unwrap();
    }
    // The next one that brings something looks.
    let _ = fs::remove_file(cache(yard).join(".looked"));
}

/// How many runs have noted what they need.
fn leased(yard: &Yard) -> usize {
    let processes = fs::read_dir(cache(yard).join(".leases")).unwrap().map(|folder| folder.unwrap().path());
    let leases = processes.flat_map(|process| fs::read_dir(process).unwrap().map(|entry| entry.unwrap().file_name()));
    leases.filter(|name| name != "lock").count()
}

fn read(yard: &Yard, name: &str) {
    assert_eq!(yard.outputs(&["run", "read.wdl", &format!("f=s3://far/{name}")])["read.text"], format!("text of {name}"));
}

#[test]
fn what_nobody_uses_goes_but_not_what_a_run_needs() {
    let yard = yard();
    let (go, begun) = (yard.path("go"), yard.path("go.begun"));
    let mut engine = yard.start(&["run", "late.wdl", "-d", "late", "f=s3://far/a", &format!("go={}", go.display())]);
    wait_for("the task", || begun.exists());
    let id = yard.show("last")["id"].as_str().unwrap().to_owned();
    let (file, _) = brought(&yard, "a");
    age(&yard);
    read(&yard, "b");
    assert!(file.exists(), "a run needs it");

    // Its engine dies, and the task goes on.
    engine.kill().unwrap();
    engine.wait().unwrap();
    age(&yard);
    read(&yard, "c");
    assert!(file.exists() && !brought(&yard, "b").0.exists(), "a task that goes on needs it");
    fs::write(&go, "").unwrap();
    assert_eq!(yard.outputs(&["resume", &id])["w.s"], "text of a");
    // The lease of the dead engine counts for a while, that of the living one has ended.
    assert_eq!(leased(&yard), 1);
}

#[test]
fn a_server_removes_what_nobody_uses() {
    let yard = yard();
    for name in ["a", "b"] {
        read(&yard, name);
    }
    age(&yard);
    let (a, b) = (brought(&yard, "a").0, brought(&yard, "b").0);
    assert!(a.exists() && b.exists());
    let server = Server::start(&yard, &["--no-batch"]);
    wait_for("both to be gone", || !a.exists() && !b.exists());
    let id = server.run(LATE, &json!({"w.f": "s3://far/a", "w.go": yard.write("gone", "")}), &[]);
    assert_eq!(server.about(&id, "outputs")["outputs"]["w.s"], "text of a");
    wait_for("the end of the lease", || leased(&yard) == 0);
    server.terminate();
    assert!(yard.read("background.err").contains("2 files of other stores that nobody used were removed"));
}
