//! Our own configuration file as it is written.

use std::{net::IpAddr, path::PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;

use super::stores::Entry;
use crate::cli::warnings::Switches;

/// The file as written; everything may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub home: Option<String>,
    pub database: Option<String>,
    pub runs_dir: Option<String>,
    pub local: Local,
    pub containers: Containers,
    pub images: Vec<Image>,
    pub cache: Cache,
    pub downloads: DownloadsFile,
    pub wdl: Wdl,
    pub check: Switches,
    pub server: ServerFile,
    pub batch: BatchFile,
    pub cromwell: CromwellFile,
    pub default_provider: Option<String>,
    pub providers: Vec<toml::Table>,
    pub stores: Vec<Entry>,
}

/// What stands in a configuration file of the original.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CromwellFile {
    /// The file; a relative path counts from the folder of this one.
    pub config: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerFile {
    pub listen: Option<IpAddr>,
    pub port: Option<u16>,
    pub batch: Option<bool>,
    pub api_port: Option<u16>,
    pub oss_port: Option<u16>,
    pub tls_port: Option<u16>,
    /// Relative paths count from the folder of this file.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub allow_remote: Option<bool>,
    pub max_workflows: Option<usize>,
    pub abort_on_exit: Option<bool>,
    pub audit_days: Option<u32>,
    pub image_days: Option<u32>,
}

/// Limits of instances of jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchFile {
    pub disk: Option<String>,
    pub disk_floor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    pub cores: Option<f64>,
    pub memory: Option<String>,
    pub engine_memory: Option<String>,
    pub jobs: Option<usize>,
    pub staging: Option<Vec<String>>,
    pub grace_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Containers {
    pub policy: Option<String>,
    pub engine: Option<String>,
    pub command: Option<Vec<String>>,
    pub arguments: Option<Vec<String>>,
    pub digests: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    #[serde(rename = "match")]
    pub pattern: String,
    pub image: Option<String>,
    pub name: Option<String>,
    pub path: Option<Vec<String>>,
    pub root: Option<PathBuf>,
    #[serde(default)]
    pub env: IndexMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    pub read: Option<bool>,
    pub write: Option<bool>,
}

/// What is kept of what was brought from stores of others.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DownloadsFile {
    pub days: Option<u32>,
    pub size: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wdl {
    pub rules: Option<String>,
    pub import_map: IndexMap<String, String>,
}
