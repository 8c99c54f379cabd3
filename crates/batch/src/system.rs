//! Apps that this program carries out itself, in its own process: everybody's apps.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use batchyard_model::JobId;
use batchyard_runner::Control;

use indexmap::IndexMap;
use serde_json::json;

use crate::{
    instance::Access,
    wire::{AppDescription, ConfigItem, Parameter},
};

/// Settings of everybody's apps, with what holds where a job says nothing.
pub fn config() -> IndexMap<String, ConfigItem> {
    let item = |default| ConfigItem { default, ..ConfigItem::default() };
    [
        ("ResourceType", item(json!("OnDemand"))),
        ("InstanceType", item(json!("ecs.sn1.medium"))),
        ("InstanceCount", ConfigItem { overwritable: false, ..item(json!(1)) }),
        ("MinDiskSize", item(json!(40))),
        ("DiskType", item(json!("cloud_efficiency"))),
        ("MaxRetryCount", item(json!(0))),
        ("Timeout", item(json!(86_400))),
    ]
    .map(|(name, item)| (name.to_owned(), item))
    .into()
}

/// Their one output: a prefix of the object store, found at a local path.
pub fn outputs(local_path: &str, description: &str) -> IndexMap<String, Parameter> {
    let parameter = Parameter { local_path: local_path.into(), description: description.into(), ..Parameter::default() };
    [("OUTPUTS_DIR".to_owned(), parameter)].into()
}

/// One use of such an app.
pub struct SystemCall<'c> {
    /// The job.
    pub job: &'c JobId,
    /// What the job may do with the object store.
    pub access: &'c Access,
    /// Attempts of the instance so far, this one included.
    pub attempt: u32,
    /// Values of the app's parameters.
    pub values: &'c BTreeMap<String, String>,
    /// Folder for `stdout`, `stderr` and anything else.
    pub dir: &'c PathBuf,
    /// Says when it is to end.
    pub control: &'c Arc<Control>,
}

/// Carries such apps out.
pub trait Systems: Send + Sync {
    /// The apps, with their names without `:`.
    fn apps(&self) -> Vec<AppDescription>;

    /// Carries one out, and returns when it has ended. What an earlier server has begun goes on: the same call is made
    /// again then.
    ///
    /// # Errors
    /// Why it failed.
    fn run(&self, app: &str, call: &SystemCall<'_>) -> Result<(), String>;
}
