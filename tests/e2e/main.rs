//! The real binary, driven as its users drive it. One module per capability.

#![expect(clippy::disallowed_methods, reason = "these tests start the product and its peers")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batch_clients;
mod bcs;
mod caching;
mod clients;
mod cluster;
mod configuration;
mod containers;
mod cromwell_tables;
mod databases;
mod digests;
mod dispatched;
mod downloads;
mod encrypted;
mod engines;
mod environments;
mod faults;
mod hostile;
mod http;
mod images;
mod import;
mod isolation;
mod job_faults;
mod jobs;
mod language;
mod metadata;
mod notices;
mod originals;
mod providers;
mod published;
mod quality_page;
mod reads_jobs;
mod recovery;
mod requests;
mod resources;
mod restart;
mod room;
mod running;
mod secrets;
mod server;
mod service;
mod sheets;
mod stores;
mod takeover;
mod texts;
mod users;
mod web;
mod workflow_jobs;
mod yard;

/// Every file of this folder is a module above: a forgotten one would never run.
#[test]
fn every_file_is_listed() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|m| *m != "main") else { continue };
        assert!(main.contains(&format!("mod {module};")), "tests/e2e/{name} is not listed in main.rs");
    }
}
