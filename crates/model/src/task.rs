//! The unit of work, in the shape of the GA4GH Task Execution Service (TES 1.1), and where it is placed.
//!
//! Everything that runs anywhere is a [`Task`]. What TES has no field for (limits, retries, image mapping) is in
//! [`Placement`] beside it, never squeezed into TES fields.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A TES task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Name for people.
    pub name: String,
    /// What must be in place before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What it leaves behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// What it needs.
    pub resources: Resources,
    /// What is run, one after the other.
    pub executors: Vec<Executor>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub tags: IndexMap<String, String>,
}

/// Kind of a TES input or output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileType {
    /// One file.
    #[default]
    File,
    /// A tree.
    Directory,
}

/// A file put in place before the task starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Where it comes from: a path or URL.
    pub url: String,
    /// Where the task finds it.
    pub path: String,
    /// File or directory.
    #[serde(rename = "type")]
    pub kind: FileType,
}

/// A file kept after the task ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Where the task leaves it; may be a wildcard.
    pub path: String,
    /// Where it goes.
    pub url: String,
    /// File or directory.
    #[serde(rename = "type")]
    pub kind: FileType,
}

/// What a task asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Cores; TES knows whole ones, the local runner also fractions.
    pub cpu_cores: f64,
    /// Memory in GiB, 0 when nothing was asked for.
    pub ram_gb: f64,
    /// Disk in GiB, 0 when nothing was asked for.
    #[serde(default)]
    pub disk_gb: f64,
    /// Whether a machine that may be taken away is good enough.
    #[serde(default)]
    pub preemptible: bool,
}

/// One command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Executor {
    /// Container image; empty runs on the host.
    #[serde(default)]
    pub image: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working directory.
    pub workdir: String,
    /// File that receives standard output.
    pub stdout: String,
    /// File that receives standard error.
    pub stderr: String,
    /// Environment variables added to the inherited ones.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
}

/// Where and how an attempt of a [`Task`] runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Wall time after which the attempt is ended, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_ms: Option<u64>,
    /// Time between the polite signal and the hard one, in milliseconds.
    pub grace_ms: u64,
}
