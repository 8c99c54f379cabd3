//! Holds the allowed dependency arrows between the crates (see ARCHITECTURE.md).

#![expect(clippy::disallowed_methods, reason = "asks cargo for the graph")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, process::Command};

/// What each crate may depend on; crates that are not listed are not expected.
const ARROWS: [(&str, &[&str]); 14] = [
    ("batchyard-bcs", &["batchyard-model", "batchyard-trust"]),
    ("batchyard-trust", &[]),
    ("batchyard-model", &[]),
    ("batchyard-hocon", &[]),
    ("batchyard-wdl", &[]),
    ("batchyard-store", &["batchyard-model"]),
    ("batchyard-core", &[]),
    ("batchyard-crash", &[]),
    ("batchyard-runner", &[]),
    ("batchyard-objects", &["batchyard-crash"]),
    (
        "batchyard-batch",
        &["batchyard-core", "batchyard-crash", "batchyard-model", "batchyard-objects", "batchyard-runner", "batchyard-store"],
    ),
    (
        "batchyard-workflow",
        &["batchyard-core", "batchyard-crash", "batchyard-model", "batchyard-runner", "batchyard-store", "batchyard-wdl"],
    ),
    (
        "batchyard-cromwell",
        &["batchyard-hocon", "batchyard-model", "batchyard-store", "batchyard-trust", "batchyard-wdl", "batchyard-workflow"],
    ),
    (
        "batchyard",
        &[
            "batchyard-batch",
            "batchyard-bcs",
            "batchyard-core",
            "batchyard-cromwell",
            "batchyard-model",
            "batchyard-objects",
            "batchyard-runner",
            "batchyard-store",
            "batchyard-trust",
            "batchyard-wdl",
            "batchyard-workflow",
        ],
    ),
];

/// Libraries that only these crates may name.
const OWNED: [(&str, &[&str]); 11] = [
    ("axum", &["batchyard", "batchyard-batch", "batchyard-cromwell", "batchyard-objects"]),
    ("ureq", &["batchyard", "batchyard-bcs", "batchyard-cromwell", "batchyard-trust"]),
    ("rusqlite", &["batchyard-store"]),
    ("sqlx", &["batchyard-store"]),
    ("redb", &["batchyard-objects"]),
    ("opendal", &["batchyard-objects"]),
    ("reqwest", &["batchyard-objects"]),
    ("wait4", &["batchyard-runner"]),
    ("fancy-regex", &["batchyard-wdl"]),
    ("tar", &["batchyard-batch", "batchyard-bcs"]),
    ("ariadne", &["batchyard"]),
];

fn metadata() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
        (text(&package["name"]), normal.map(|d| text(&d["name"])).collect())
    });
    packages.collect()
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let packages = metadata();
    for (name, dependencies) in &packages {
        let allowed = ARROWS
            .iter()
            .find(|(n, _)| n == name)
            .unwrap_or_else(|| panic!("crate `{name}` has no arrows: add it to ARCHITECTURE.md and here"))
            .1;
        for dependency in dependencies.iter().filter(|d| d.starts_with("batchyard")) {
            assert!(allowed.contains(&dependency.as_str()), "`{name}` must not depend on `{dependency}`");
        }
    }
    assert_eq!(packages.len(), ARROWS.len());
}

#[test]
fn outside_worlds_have_one_owner() {
    for (name, dependencies) in metadata() {
        for (library, owners) in OWNED {
            let named = dependencies.iter().any(|d| d == library);
            assert!(!named || owners.contains(&name.as_str()), "only {owners:?} may name `{library}`, not `{name}`");
        }
    }
}
