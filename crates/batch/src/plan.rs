//! What is carried out of a job: tasks in order, with everything decided when it was accepted.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::wire::{JobDescription, TaskDescription, Topic};

/// A job as it is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In an order in which they can run.
    pub tasks: Vec<PlannedTask>,
    /// Whether the failure of an instance fails the job.
    pub fail_fast: bool,
    /// Whether the record is removed when it has finished.
    pub auto_release: bool,
    /// Whom to tell what.
    pub topic: Topic,
    /// Whether it was made with an administrator's key.
    #[serde(default)]
    pub admin: bool,
    /// The call of a workflow that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
}

/// A call of a workflow that somebody has submitted as a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Whose workflow it is.
    pub account: String,
    /// Whether it was submitted with an administrator's key.
    pub admin: bool,
    /// Folder of the call.
    pub folder: PathBuf,
}

/// A task as it is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTask {
    /// Its name.
    pub name: String,
    /// Places of the tasks that must have finished.
    pub needs: Vec<usize>,
    /// What was asked for.
    pub description: TaskDescription,
    /// The cluster that it runs on, or the id of the one that is made for it.
    pub cluster: String,
    /// Whether the cluster is its own.
    pub own_cluster: bool,
    /// Cores of its machine.
    pub cores: u64,
    /// Memory of its machine, in GiB.
    pub memory_gib: u64,
    /// Image of its machine.
    pub image: String,
    /// Values of an app's parameters, as variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// The app of everybody's that it is, carried out by this program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Where an app's outputs go.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

impl PlannedTask {
    /// How many instances it has.
    pub fn instances(&self) -> u32 {
        u32::try_from(self.description.instance_count).unwrap_or(1)
    }
}

/// Tasks of a job before their machines are decided: name, needs, description.
pub fn ordered(description: &JobDescription) -> Vec<(String, Vec<usize>, TaskDescription)> {
    let Some(dag) = &description.dag else { return Vec::new() };
    let order = dag.order().unwrap_or_default();
    let place = |name: &str| order.iter().position(|other| *other == name);
    let one = |name: &&str| {
        let task = dag.tasks.get(*name)?.clone();
        Some(((*name).to_owned(), dag.needs(name).into_iter().filter_map(place).collect(), task))
    };
    order.iter().filter_map(one).collect()
}
