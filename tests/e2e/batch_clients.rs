//! The clients of the original BatchCompute, unmodified, against the server: its Python SDK and its command line.

use std::{path::Path, process::Command};

use crate::{
    clients::program,
    service::Service,
    yard::{Yard, done},
};

/// What `scripts/setup.sh test` installs both as.
const CLIENT: &str = "batchcompute";

fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap()
}

/// Runs a session with the client's own Python; all that it tells must hold.
fn session(yard: &Yard, python: &Path, script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let folder = yard.path("person");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(python);
    command.arg(script).args(arguments).arg(&folder).current_dir(&folder).env("HOME", &folder);
    let done = done(&mut command);
    assert_eq!(done.code, 0, "{}\n{}\n{}", done.out, done.err, yard.read("server.err"));
    assert!(done.out.ends_with(" hold\n"), "{}", done.out);
}

#[test]
fn the_original_sdk() {
    let Some(python) = program(CLIENT, "python3") else { return };
    let yard = Yard::new();
    let service = Service::start(&yard);
    let keys = &service.keys;
    session(&yard, &python, "batchcompute_session.py", &[port(&service.api), &service.oss, &keys.id, &keys.secret]);
}

#[test]
fn the_original_command_line() {
    let Some(python) = program(CLIENT, "python3") else { return };
    let yard = Yard::new();
    let service = Service::start(&yard);
    let keys = &service.keys;
    session(&yard, &python, "original_bcs_session.py", &[port(&service.api), port(&service.oss), &keys.id, &keys.secret]);
}

/// A server without any bucket makes one, so that the command line has a place for packages and logs at once.
#[test]
fn a_new_server_has_a_bucket() {
    let yard = Yard::new();
    let service = Service::start(&yard);
    assert!(yard.read("server.err").contains("the bucket `batchyard` was made"), "{}", yard.read("server.err"));
    service.put("batchyard", "jobs/", b"");
    service.kill();
    let service = Service::start(&yard);
    assert!(!yard.read("server.err").contains("was made"), "{}", yard.read("server.err"));
    assert_eq!(service.text("batchyard", "jobs/"), "");
    assert_eq!(service.object("GET", "other", "jobs/", b"").0, 404);
}
