//! Apps, and jobs that run them, as clients describe them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Problems,
    docker::check_image,
    job::{Docker, Text},
    problems::is_name,
};

/// Most parameters of a kind.
const MAX_PARAMETERS: usize = 50;
/// Keys of `Config` with a text.
const TEXT_KEYS: [&str; 5] = ["ResourceType", "InstanceType", "DiskType", "DataDiskType", "DataDiskMountPoint"];
/// Keys of `Config` with a number.
const NUMBER_KEYS: [&str; 5] = ["InstanceCount", "MinDiskSize", "MinDataDiskSize", "MaxRetryCount", "Timeout"];
/// Keys of `Config` that only a job has.
const JOB_KEYS: [&str; 3] = ["ClassicNetwork", "ClusterId", "ReserveOnFail"];

/// An app: a job with parameters, kept for use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AppDescription {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The command; `${Name}` stands for a parameter.
    pub command_line: String,
    /// The machine it runs on, where it runs in no container.
    #[serde(rename = "VM", skip_serializing_if = "Option::is_none")]
    pub vm: Option<Vm>,
    /// The container it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<Docker>,
    /// Environment.
    pub env_vars: BTreeMap<String, Text>,
    /// Whether one process serves many jobs.
    pub daemonize: bool,
    /// What a job gives to it.
    pub input_parameters: IndexMap<String, Parameter>,
    /// What it gives back.
    pub output_parameters: IndexMap<String, Parameter>,
    /// Where and how it runs.
    pub config: IndexMap<String, ConfigItem>,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Vm {
    /// Its image.
    #[serde(rename = "ECSImageId")]
    pub ecs_image_id: String,
}

/// A parameter of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parameter {
    /// `String` or `Number`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its value where a job gives none; null when a job must.
    pub default: Value,
    /// Where its file lies in the instance.
    pub local_path: String,
    /// For people.
    pub description: String,
}

impl Default for Parameter {
    fn default() -> Self {
        Parameter { kind: "String".into(), default: Value::Null, local_path: String::new(), description: String::new() }
    }
}

/// A setting of an app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigItem {
    /// Its value.
    pub default: Value,
    /// For people.
    pub description: String,
    /// Whether a job may give another one.
    pub overwritable: bool,
}

impl Default for ConfigItem {
    fn default() -> Self {
        ConfigItem { default: Value::Null, description: String::new(), overwritable: true }
    }
}

/// The use of an app by a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AppCall {
    /// The app; `:name` or `Public:name` for one of everybody's.
    pub app_name: String,
    /// Values of its input parameters.
    pub inputs: IndexMap<String, Value>,
    /// Where its outputs go.
    pub outputs: IndexMap<String, Value>,
    /// Where its logs go.
    pub logging: Logging,
    /// Settings that differ from the app's.
    pub config: IndexMap<String, Value>,
}

/// Where logs go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Logging {
    /// Prefix for the objects that hold standard output.
    pub stdout_path: String,
    /// Prefix for the objects that hold standard error.
    pub stderr_path: String,
}

impl AppDescription {
    /// Finds what is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.unless(is_name(&self.name, 64, true), "Name", "must be 1 to 64 letters, digits, `-` and `_`");
        problems.unless(self.description.len() <= 1000, "Description", "must not be longer than 1000 bytes");
        problems.unless(!self.command_line.trim().is_empty(), "CommandLine", "is missing: what should the app run?");
        let docker = self.docker.as_ref().is_some_and(|docker| !docker.image.is_empty());
        let vm = self.vm.as_ref().is_some_and(|vm| !vm.ecs_image_id.is_empty());
        if let Some(docker) = &self.docker {
            check_image(&docker.image, docker.registry_oss_path.as_deref().unwrap_or_default(), "Docker", problems);
        }
        problems.unless(docker != vm, "VM", "give exactly one of `VM.ECSImageId` and `Docker.Image`");
        for (kind, parameters) in [("InputParameters", &self.input_parameters), ("OutputParameters", &self.output_parameters)] {
            problems.unless(parameters.len() <= MAX_PARAMETERS, kind, format!("holds more than {MAX_PARAMETERS} parameters"));
            for (name, parameter) in parameters {
                parameter.check(&format!("{kind}.{name}"), name, problems);
            }
        }
        for (key, item) in &self.config {
            let at = format!("Config.{key}");
            if JOB_KEYS.contains(&key.as_str()) {
                problems.add(at, "can only be given by a job");
            } else {
                check_setting(key, &item.default, &format!("{at}.Default"), problems);
            }
        }
    }
}

impl Parameter {
    fn check(&self, at: &str, name: &str, problems: &mut Problems) {
        problems.unless(is_name(name, 64, true), at, "is no name for a parameter");
        let fits = match self.kind.as_str() {
            "String" => self.default.is_null() || self.default.is_string(),
            "Number" => self.default.is_null() || self.default.is_number(),
            other => return problems.add(format!("{at}.Type"), format!("must be `String` or `Number`, not `{other}`")),
        };
        problems.unless(fits, format!("{at}.Default"), format!("must be a {}, as `Type` says", self.kind));
        if !self.local_path.is_empty() {
            super::mounts::check_local(&self.local_path, &format!("{at}.LocalPath"), problems);
        }
    }
}

/// Checks one setting; `at` says where it stands.
pub fn check_setting(key: &str, value: &Value, at: &str, problems: &mut Problems) {
    if NUMBER_KEYS.contains(&key) {
        problems.unless(value.is_number() || value.is_null(), at, "must be a number");
    } else if TEXT_KEYS.contains(&key) || key == "ClusterId" {
        problems.unless(value.is_string() || value.is_null(), at, "must be a text");
    } else if JOB_KEYS.contains(&key) {
        problems.unless(value.is_boolean() || value.is_null(), at, "must be true or false");
    } else {
        let known = [TEXT_KEYS.as_slice(), NUMBER_KEYS.as_slice(), JOB_KEYS.as_slice()].concat().join("`, `");
        problems.add(at, format!("is no setting; known are `{known}`"));
    }
}
