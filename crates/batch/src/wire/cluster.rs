//! Clusters and images as clients describe them.

use std::collections::BTreeMap;

use batchyard_model::events::CLUSTER_EVENTS;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Mounts, Notification, Problems,
    job::Text,
    number::{decimal, integer},
    problems::is_name,
};

/// Most nodes of a group.
pub const MAX_NODES: i64 = 10_000;
/// Most groups of a cluster.
const MAX_GROUPS: usize = 100;

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClusterDescription {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Image of its nodes.
    pub image_id: String,
    /// Size of the nodes of groups that do not say it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance_type: String,
    /// Groups of equal nodes.
    pub groups: IndexMap<String, GroupDescription>,
    /// For the nodes.
    pub user_data: BTreeMap<String, Text>,
    /// Environment of everything that runs there.
    pub env_vars: BTreeMap<String, Text>,
    /// Disks, networks, mounts.
    pub configs: Configs,
    /// Whom to tell what.
    pub notification: Notification,
    /// Command that each node runs once before anything else.
    pub bootstrap: String,
    /// Kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_type: Option<String>,
    /// Kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_inherit: Option<bool>,
    /// Kept.
    pub dependency_isv_service: String,
}

/// A group of equal nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GroupDescription {
    /// How many nodes are wanted.
    #[serde(rename = "DesiredVMCount", deserialize_with = "integer")]
    pub desired_vm_count: i64,
    /// Size of its nodes.
    pub instance_type: String,
    /// `OnDemand`, `Spot` or `PrePaid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_type: String,
    /// Accepted: there is no market for machines here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub spot_strategy: String,
    /// Accepted.
    #[serde(deserialize_with = "decimal")]
    pub spot_price_limit: f64,
    /// What the names of its nodes begin with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname_prefix: String,
    /// Image of its nodes, where it is another one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image_id: String,
}

/// Disks, networks and mounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Configs {
    /// Disks of the machines.
    pub disks: Disks,
    /// Networks; kept.
    pub networks: Networks,
    /// Mounts.
    pub mounts: Mounts,
}

/// Networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Networks {
    /// The old kind.
    #[serde(rename = "Classic", skip_serializing_if = "Value::is_null")]
    pub classic: Value,
    /// The new kind.
    #[serde(rename = "VPC", skip_serializing_if = "Value::is_null")]
    pub vpc: Value,
}

/// Disks of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Disks {
    /// The one with the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_disk: Option<Disk>,
    /// One for data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_disk: Option<Disk>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Disk {
    /// Its kind.
    #[serde(rename = "Type")]
    pub kind: String,
    /// GiB.
    #[serde(deserialize_with = "integer")]
    pub size: i64,
    /// Where it is found.
    pub mount_point: String,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageDescription {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The machine image it stands for.
    pub ecs_image_id: String,
    /// `Linux` or `Windows`.
    pub platform: String,
}

impl Configs {
    /// Finds what is wrong.
    pub fn check(&self, at: &str, problems: &mut Problems) {
        self.mounts.check(&format!("{at}.Mounts"), problems);
        for (name, disk, range) in [("SystemDisk", &self.disks.system_disk, 40..=500), ("DataDisk", &self.disks.data_disk, 5..=2000)] {
            let Some(disk) = disk.as_ref().filter(|disk| disk.size != 0) else { continue };
            let text = format!("must be {} to {} GB, not {}", range.start(), range.end(), disk.size);
            problems.unless(range.contains(&disk.size), format!("{at}.Disks.{name}.Size"), text);
        }
        let vpc = &self.networks.vpc;
        let given = |key: &str| vpc.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        problems.unless(!given("VpcId") || given("CidrBlock"), format!("{at}.Networks.VPC.VpcId"), "needs `CidrBlock` beside it");
    }
}

impl ClusterDescription {
    /// Finds what is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.unless(is_name(&self.name, 64, false), "Name", "must be 1 to 64 letters, digits, `-` and `_`, and not begin with a digit");
        problems.unless(!self.image_id.is_empty(), "ImageId", "is missing: which image do the nodes start from? `img-ubuntu` is there");
        problems.unless(!self.groups.is_empty(), "Groups", "is empty: a cluster needs at least one group");
        problems.unless(self.groups.len() <= MAX_GROUPS, "Groups", format!("holds more than {MAX_GROUPS} groups"));
        for (name, group) in &self.groups {
            let at = format!("Groups.{name}");
            problems.unless(is_name(name, 64, false), &at, "is no name for a group");
            group.check(&at, problems);
            let sized = !group.instance_type.is_empty() || !self.instance_type.is_empty();
            problems.unless(sized, format!("{at}.InstanceType"), "is missing, and the cluster has none either");
        }
        self.configs.check("Configs", problems);
        self.notification.topic.check(&CLUSTER_EVENTS, "a cluster", problems);
    }
}

impl GroupDescription {
    fn check(&self, at: &str, problems: &mut Problems) {
        let text = format!("must be 0 to {MAX_NODES}, not {}", self.desired_vm_count);
        problems.unless((0..=MAX_NODES).contains(&self.desired_vm_count), format!("{at}.DesiredVMCount"), text);
        let kinds = ["", "OnDemand", "Spot", "PrePaid"];
        let text = format!("must be `OnDemand`, `Spot` or `PrePaid`, not `{}`", self.resource_type);
        problems.unless(kinds.contains(&self.resource_type.as_str()), format!("{at}.ResourceType"), text);
        let strategies = ["", "SpotWithPriceLimit", "SpotAsPriceGo", "NoSpot"];
        let text = format!("must be `SpotWithPriceLimit` or `SpotAsPriceGo`, not `{}`", self.spot_strategy);
        problems.unless(strategies.contains(&self.spot_strategy.as_str()), format!("{at}.SpotStrategy"), text);
        let spot_only = self.spot_strategy.is_empty() || self.spot_strategy == "NoSpot" || self.resource_type == "Spot";
        problems.unless(spot_only, format!("{at}.SpotStrategy"), "is for groups with `ResourceType` `Spot`");
    }
}

impl ImageDescription {
    /// Finds what is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.unless(is_name(&self.name, 64, true), "Name", "must be 1 to 64 letters, digits, `-` and `_`");
        problems.unless(self.ecs_image_id.starts_with("m-"), "EcsImageId", "must begin with `m-`");
        let known = ["Linux", "Windows"].contains(&self.platform.as_str());
        problems.unless(known, "Platform", format!("must be `Linux` or `Windows`, not `{}`", self.platform));
    }
}
