//! The real clients of both dialects, unmodified, against the store.

#![expect(clippy::disallowed_methods, reason = "starts the clients")]
#![expect(clippy::print_stderr, reason = "says what could not be tested")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod endpoint;

use std::{path::PathBuf, process::Command};

use endpoint::Endpoint;

/// Python of a client that `scripts/setup.sh test` installs; says so when it is not there.
fn python(client: &str) -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let path = root.join(".cache/clients").join(client).join("bin/python3");
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var("REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name == client), "`{client}` is required: run scripts/setup.sh test");
    eprintln!("not tested: {client} (run scripts/setup.sh test)");
    None
}

fn session(client: &str, script: &str, arguments: &[&str]) {
    let Some(python) = python(client) else { return };
    let endpoint = Endpoint::start(&[]);
    let script = format!("{}/../../tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(script).arg(&endpoint.url).args(arguments).arg(endpoint.path("work")).env_remove("HTTP_PROXY").env_remove("http_proxy");
    std::fs::create_dir(endpoint.path("work")).unwrap();
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}\n{}", String::from_utf8_lossy(&output.stderr), endpoint.complaints());
    assert_eq!(endpoint.complaints(), "", "{text}");
}

#[test]
fn oss2_with_version_1() {
    session("oss2", "oss2_session.py", &["v1", "path"]);
}

#[test]
fn oss2_with_version_1_and_buckets_in_host_names() {
    session("oss2", "oss2_session.py", &["v1", "host"]);
}

#[test]
fn oss2_with_version_4() {
    session("oss2", "oss2_session.py", &["v4", "path"]);
}

#[test]
fn oss2_with_version_4_and_buckets_in_host_names() {
    session("oss2", "oss2_session.py", &["v4", "host"]);
}

#[test]
fn boto3() {
    session("boto3", "boto3_session.py", &[]);
}
