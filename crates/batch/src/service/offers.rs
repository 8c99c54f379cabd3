//! What there is to choose from.

use serde_json::{Value, json};

use super::Service;
use crate::{accounts::Caller, types};

/// The kind of a disk that names none.
pub(super) const DEFAULT_DISK: &str = "cloud_efficiency";
const DISKS: [&str; 4] = [DEFAULT_DISK, "cloud_ssd", "cloud", "ephemeral_ssd"];

impl Service {
    /// Names of types and disks, and the limits of the account.
    pub fn quotas(&self, caller: &Caller) -> Value {
        let names: Vec<String> = types::offered().into_iter().map(|offered| offered.name).collect();
        let mut quotas = json!({
            "AvailableClusterInstanceType": names,
            "AvailableSpotInstanceType": names,
            "AvailableClusterResourceType": ["OnDemand", "Spot"],
            "AvailableClusterInstanceSystemDiskType": DISKS,
            "AvailableClusterInstanceDataDiskType": DISKS,
        });
        if let Some(map) = quotas.as_object_mut() {
            for (name, _) in crate::accounts::QUOTAS {
                map.insert(format!("Max{name}"), self.accounts.quota(&caller.account, name).into());
            }
        }
        quotas
    }

    /// Types with their sizes.
    pub fn available(&self) -> Value {
        let types: Vec<Value> = types::offered()
            .into_iter()
            .map(|offered| {
                json!({
                    "InstanceType": offered.name, "CpuCore": offered.cores, "MemorySize": offered.memory_gib,
                    "Network": { "Classic": true, "Vpc": true },
                })
            })
            .collect();
        json!({
            "AvailableClusterInstanceType": types,
            "AvailableSpotInstanceType": types,
            "AvailablePrepaidInstanceType": [],
            "AvailableResourceType": ["OnDemand", "Spot"],
            "AvailableSystemDiskType": DISKS,
            "AvailableDataDiskType": DISKS,
        })
    }
}
