//! Compares our results with those of the Lightbend library, where Java and the library are installed
//! (`apt-get install default-jre-headless libtypesafe-config-java`). `REQUIRE=lightbend` makes their absence a failure.

#![expect(clippy::disallowed_methods, reason = "starts the reference library")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use batchyard_hocon::{Disk, Include, Kind, Loader, Value};
use serde_json::{Value as Json, json};

const LIBRARY: &str = "/usr/share/java/typesafe-config.jar";
const VARIABLES: [(&str, &str); 2] = [("YARD_TEST_HOME", "/home/yard"), ("YARD_TEST_SWITCH", "true")];

/// Some place between documents in one file: `--- name`, and `--- name.settings` for `-D` settings.
const MARK: &str = "--- ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Lays out all documents in a folder; returns those to be resolved.
fn lay_out(target: &Path) -> Vec<PathBuf> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder().join("documents/parts")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
    }
    for name in ["small.txt", "differing.txt"] {
        let text = std::fs::read_to_string(folder().join("documents").join(name)).unwrap();
        for piece in text.split(&format!("\n{MARK}")).skip(1) {
            let (name, text) = piece.split_once('\n').unwrap_or((piece, ""));
            let path = target.join(if name.contains('.') { name.into() } else { format!("{name}.conf") });
            assert!(!path.exists(), "two documents are called {name}");
            std::fs::write(&path, text).unwrap();
            documents.push(path);
        }
    }
    for entry in std::fs::read_dir(folder().join("documents/cromwell")).unwrap() {
        let path = entry.unwrap().path();
        let copy = target.join(path.file_name().unwrap());
        std::fs::copy(&path, &copy).unwrap();
        documents.push(copy);
    }
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    documents.sort();
    documents
}

fn plain(value: &Value) -> Json {
    match &value.kind {
        Kind::Null => Json::Null,
        Kind::Bool(flag) => json!(flag),
        Kind::Number(text) => json!({ "\0number": text }),
        Kind::Text(text) => json!(text),
        Kind::List(items) => items.iter().map(plain).collect(),
        Kind::Object(fields) => Json::Object(fields.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
    }
}

fn ours(path: &Path, built_in: &[(&str, &str)]) -> Result<Json, String> {
    let disk = Disk { built_in };
    let mut loader = Loader::new(&disk);
    loader.add(Include::File(path.to_str().unwrap()));
    if let Ok(text) = std::fs::read_to_string(path.with_extension("settings")) {
        let settings: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
        loader.add_settings(&settings);
    }
    let environment = |name: &str| VARIABLES.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_string());
    loader.resolve(&environment).map(|(value, _)| plain(&value)).map_err(|problems| problems.to_string())
}

/// Why the reference cannot be asked.
fn missing() -> Option<&'static str> {
    let java = Command::new("java").arg("-version").output();
    if !java.is_ok_and(|output| output.status.success()) {
        return Some("install default-jdk-headless");
    }
    (!Path::new(LIBRARY).exists()).then_some("install libtypesafe-config-java")
}

fn theirs(documents: &[PathBuf], folder_of_parts: &Path) -> BTreeMap<PathBuf, Result<Json, String>> {
    let output = Command::new("java")
        .arg("-cp")
        .arg(format!("{LIBRARY}:{}", folder_of_parts.display()))
        .arg(folder().join("lightbend/Resolve.java"))
        .args(documents)
        .env_clear()
        .envs(VARIABLES)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let mut parts = line.splitn(3, '\t');
        let (name, outcome, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let outcome = if outcome == "ok" { Ok(serde_json::from_str(rest).unwrap()) } else { Err(rest.to_string()) };
        (PathBuf::from(name), outcome)
    });
    lines.collect()
}

#[test]
fn documents_mean_what_they_mean_to_lightbend() {
    if let Some(package) = missing() {
        // Past the capture of the test's output, so that the summary of `make test` finds it.
        let _ = writeln!(std::io::stderr(), "not tested: lightbend ({package})");
        let required = std::env::var("REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name.trim() == "lightbend"), "lightbend is required: {package}");
        return;
    }
    let target = tempfile::tempdir().unwrap();
    let documents = lay_out(target.path());
    let parts: Vec<(String, String)> = std::fs::read_dir(folder().join("documents/parts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    let built_in: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let theirs = theirs(&documents, target.path());
    let mut differences = Vec::new();
    let mut compared = 0;
    for path in &documents {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (ours, theirs) = (ours(path, &built_in), &theirs[path]);
        let as_expected = match (&ours, theirs) {
            (Ok(_), Err(_)) => name.starts_with("reads-"),
            (Err(_), Ok(_)) => name.starts_with("refuses-"),
            (Ok(ours), Ok(theirs)) => ours == theirs && !name.starts_with("refuses-"),
            (Err(_), Err(_)) => !name.starts_with("reads-"),
        };
        compared += 1;
        if !as_expected {
            differences.push(format!("{name}\n  ours:   {ours:?}\n  theirs: {theirs:?}"));
        }
    }
    assert!(compared >= 60, "only {compared} documents were compared");
    assert!(differences.is_empty(), "{} of {compared} differ:\n{}", differences.len(), differences.join("\n"));
}
