//! A job as clients describe it.

use std::collections::{BTreeMap, BTreeSet};

use batchyard_model::events::JOB_EVENTS;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AppCall, Configs, Mounts, Problems,
    docker::check_image,
    mounts::{check_local, check_oss, check_pair},
    number::{decimal, integer},
    problems::is_name,
};

/// Most instances of a task.
pub const MAX_INSTANCES: i64 = 100_000;
/// Most tasks of a job.
pub const MAX_TASKS: usize = 1000;
/// Most attempts after failures.
const MAX_RETRIES: i64 = 100;
/// Longest time limit, in seconds: ten years.
const MAX_TIMEOUT: i64 = 10 * 365 * 24 * 3600;
/// Time limit of an instance where none is given, in seconds.
const DEFAULT_TIMEOUT: i64 = 86_400;
/// Longest address that messages go to, in bytes.
const MAX_ENDPOINT: usize = 2000;

/// What the server's own key may say besides of a job: whose call of a workflow it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Sent {
    /// Absent for jobs of clients.
    pub on_behalf: Option<OnBehalf>,
}

/// A call of somebody's workflow.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OnBehalf {
    /// The account, as its rights are told; empty for nobody's.
    pub account: String,
    /// Folder of the call.
    pub folder: String,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobDescription {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// 0 to 1000; the higher goes first.
    #[serde(deserialize_with = "integer")]
    pub priority: i64,
    /// `DAG` or `App`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Whether the failure of an instance fails the job.
    pub job_fail_on_instance_fail: bool,
    /// Whether its record is removed when it has finished.
    pub auto_release: bool,
    /// Whom to tell what.
    pub notification: Notification,
    /// Its tasks, for a job of type `DAG`.
    #[serde(rename = "DAG", skip_serializing_if = "Option::is_none")]
    pub dag: Option<Dag>,
    /// The app to run, for a job of type `App`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppCall>,
    /// Project that it is filed under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

impl Default for JobDescription {
    fn default() -> Self {
        JobDescription {
            name: String::new(),
            description: String::new(),
            priority: 0,
            kind: String::new(),
            job_fail_on_instance_fail: true,
            auto_release: false,
            notification: Notification::default(),
            dag: None,
            app: None,
            project_id: None,
        }
    }
}

/// Whom to tell what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Notification {
    /// The place.
    pub topic: Topic,
}

/// Where messages go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Topic {
    /// Name of the topic.
    pub name: String,
    /// An `http(s)` address that messages are posted to, or `file:///path` that they are appended to.
    pub endpoint: String,
    /// Which events are told.
    pub events: Vec<String>,
    /// Kept.
    pub user_data: String,
    /// Kept.
    pub user_template: String,
}

impl Topic {
    /// Finds what is wrong; `events` are those of `what` it belongs to.
    pub fn check(&self, events: &[&str], what: &str, problems: &mut Problems) {
        for (n, event) in self.events.iter().enumerate() {
            let known = events.contains(&event.as_str());
            problems.unless(known, format!("Notification.Topic.Events[{n}]"), format!("`{event}` is no event of {what}"));
        }
        if !self.events.is_empty() && !self.endpoint.is_empty() {
            let good = ["http://", "https://", "file:///"].iter().any(|scheme| self.endpoint.starts_with(scheme));
            problems.unless(good, "Notification.Topic.Endpoint", "must be an `http(s)://` address or `file:///path`");
            let is_short = self.endpoint.len() <= MAX_ENDPOINT;
            problems.unless(is_short, "Notification.Topic.Endpoint", format!("has more than {MAX_ENDPOINT} bytes"));
        }
    }
}

/// Tasks and their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Dag {
    /// By name.
    pub tasks: IndexMap<String, TaskDescription>,
    /// For a task those that wait for it.
    pub dependencies: IndexMap<String, Vec<String>>,
}

/// A task: one command, run as many times as it has instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskDescription {
    /// What to run.
    pub parameters: Parameters,
    /// Objects or prefixes, and where they are found in the instance.
    pub input_mapping: BTreeMap<String, String>,
    /// Local files or folders, and where they are stored when the instance ends.
    pub output_mapping: BTreeMap<String, String>,
    /// Local files that are stored while it runs.
    pub log_mapping: BTreeMap<String, String>,
    /// Whether the places of `InputMapping` can be written to.
    pub write_support: bool,
    /// More mounts.
    pub mounts: Mounts,
    /// Time limit of an attempt in seconds.
    #[serde(deserialize_with = "integer")]
    pub timeout: i64,
    /// How many times it runs.
    #[serde(deserialize_with = "integer")]
    pub instance_count: i64,
    /// Attempts after failures.
    #[serde(deserialize_with = "integer")]
    pub max_retry_count: i64,
    /// The cluster to run on; empty for one of its own.
    pub cluster_id: String,
    /// The cluster of its own.
    pub auto_cluster: AutoCluster,
    /// Kept: roles to take on.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub credential_config: Value,
}

impl Default for TaskDescription {
    fn default() -> Self {
        TaskDescription {
            parameters: Parameters::default(),
            input_mapping: BTreeMap::new(),
            output_mapping: BTreeMap::new(),
            log_mapping: BTreeMap::new(),
            write_support: false,
            mounts: Mounts::default(),
            timeout: DEFAULT_TIMEOUT,
            instance_count: 1,
            max_retry_count: 0,
            cluster_id: String::new(),
            auto_cluster: AutoCluster::default(),
            credential_config: Value::Null,
        }
    }
}

/// What a task runs and where its output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Parameters {
    /// The command.
    pub command: Command,
    /// How mapped inputs are mounted; kept.
    pub input_mapping_config: InputMappingConfig,
    /// Prefix for the objects that hold standard output.
    pub stdout_redirect_path: String,
    /// Prefix for the objects that hold standard error.
    pub stderr_redirect_path: String,
}

/// How mapped inputs are mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InputMappingConfig {
    /// Encoding of file names.
    pub locale: String,
    /// Whether files are locked over the network.
    pub lock: bool,
}

impl Default for InputMappingConfig {
    fn default() -> Self {
        InputMappingConfig { locale: "GBK".into(), lock: false }
    }
}

/// A command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Command {
    /// For the shell.
    pub command_line: String,
    /// An archive that is unpacked into the working directory, or one program.
    pub package_path: String,
    /// Environment.
    pub env_vars: BTreeMap<String, Text>,
    /// The container it runs in, where it has one.
    pub docker: Docker,
}

/// A text, also where a client sends a number or a truth value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Text(text)),
            Value::Number(number) => Ok(Text(number.to_string())),
            Value::Bool(flag) => Ok(Text(flag.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("must be a text")),
        }
    }
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Docker {
    /// Its image; empty for none.
    pub image: String,
    /// Where the image lies in the object store.
    #[serde(rename = "RegistryOSSPath", skip_serializing_if = "Option::is_none")]
    pub registry_oss_path: Option<String>,
    /// Kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_mode: Option<String>,
}

/// A cluster that is made for a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutoCluster {
    /// `OnDemand` or `Spot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Size of its machines.
    pub instance_type: String,
    /// Image of its machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The same in another form.
    #[serde(rename = "ECSImageId")]
    pub ecs_image_id: String,
    /// Accepted: there is no market for machines here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_strategy: Option<String>,
    /// Accepted.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_decimal")]
    pub spot_price_limit: Option<f64>,
    /// For the machines.
    pub user_data: BTreeMap<String, Text>,
    /// Whether the machines stay when the job failed.
    pub reserve_on_fail: bool,
    /// Run on this cluster with these settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Disks, networks, mounts.
    pub configs: Configs,
    /// Kept.
    pub dependency_isv_service: String,
}

fn optional_decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    decimal(deserializer).map(Some)
}

impl JobDescription {
    /// Says what kind of job it is where the client has not.
    pub fn settle(&mut self) {
        if self.kind.is_empty() {
            self.kind = if self.app.is_some() && self.dag.is_none() { "App".into() } else { "DAG".into() };
        }
    }

    /// Whether it runs an app.
    pub fn is_app(&self) -> bool {
        self.kind == "App"
    }

    /// Finds what is wrong, except with an app's inputs.
    pub fn check(&self, problems: &mut Problems) {
        let longest = if self.is_app() { 100 } else { 64 };
        problems.unless(
            is_name(&self.name, longest, self.is_app()),
            "Name",
            format!("must be 1 to {longest} letters, digits, `-` and `_`, and not begin with a digit"),
        );
        problems.unless(self.description.len() <= 4096, "Description", "must not be longer than 4096 bytes");
        problems.unless((0..=1000).contains(&self.priority), "Priority", format!("must be 0 to 1000, not {}", self.priority));
        self.notification.topic.check(&JOB_EVENTS, "a job", problems);
        match (self.kind.as_str(), &self.dag, &self.app) {
            ("DAG", Some(dag), _) => dag.check(problems),
            ("DAG", None, _) => problems.add("DAG", "is missing: a job of type `DAG` needs its tasks"),
            ("App", _, Some(_)) => {}
            ("App", _, None) => problems.add("App", "is missing: a job of type `App` needs the app to run"),
            _ => problems.add("Type", format!("must be `DAG` or `App`, not `{}`", self.kind)),
        }
    }
}

impl Dag {
    /// Finds what is wrong.
    pub fn check(&self, problems: &mut Problems) {
        if self.tasks.is_empty() {
            problems.coded("BadDAG", "DAG.Tasks", "is empty: a job needs at least one task");
        }
        problems.unless(self.tasks.len() <= MAX_TASKS, "DAG.Tasks", format!("holds more than {MAX_TASKS} tasks"));
        for (name, task) in &self.tasks {
            let good = is_name(name, 63, false);
            problems.unless(
                good,
                format!("DAG.Tasks.{name}"),
                "is no name for a task: 1 to 63 letters, digits, `-` and `_`, no digit first",
            );
            task.check(&format!("DAG.Tasks.{name}"), problems);
        }
        for (from, targets) in &self.dependencies {
            for name in [from].into_iter().chain(targets) {
                if !self.tasks.contains_key(name) {
                    problems.coded("BadDAG", format!("DAG.Dependencies.{from}"), format!("names `{name}`, which is no task of the job"));
                }
            }
        }
        if problems.is_empty()
            && let Err(name) = self.order()
        {
            problems.coded("BadDAG", "DAG.Dependencies", format!("task `{name}` waits for itself: the dependencies are a circle"));
        }
    }

    /// Tasks that a task waits for.
    pub fn needs(&self, task: &str) -> Vec<&str> {
        let sources = self.dependencies.iter().filter(|(_, targets)| targets.iter().any(|target| target == task));
        sources.map(|(source, _)| source.as_str()).collect()
    }

    /// The tasks in an order in which they can run.
    ///
    /// # Errors
    /// A task that waits for itself.
    pub fn order(&self) -> Result<Vec<&str>, String> {
        let mut open: IndexMap<&str, BTreeSet<&str>> = self.tasks.keys().map(|name| (name.as_str(), BTreeSet::new())).collect();
        for (from, targets) in &self.dependencies {
            for target in targets {
                if let Some(needs) = open.get_mut(target.as_str()) {
                    needs.insert(from);
                }
            }
        }
        let mut order = Vec::with_capacity(open.len());
        while let Some(name) = open.iter().find(|(_, needs)| needs.is_empty()).map(|(name, _)| *name) {
            open.shift_remove(name);
            for needs in open.values_mut() {
                needs.remove(name);
            }
            order.push(name);
        }
        open.keys().next().map_or(Ok(order), |name| Err((*name).to_owned()))
    }
}

impl TaskDescription {
    fn check(&self, at: &str, problems: &mut Problems) {
        let command = &self.parameters.command;
        problems.unless(
            !command.command_line.trim().is_empty(),
            format!("{at}.Parameters.Command.CommandLine"),
            "is missing: what should the instances run?",
        );
        if !command.package_path.is_empty()
            && let Err(text) = check_oss(&command.package_path, false)
        {
            problems.add(format!("{at}.Parameters.Command.PackagePath"), text);
        }
        let (image, registry) = crate::instance::image_of(command);
        check_image(image, registry, &format!("{at}.Parameters.Command.Docker"), problems);
        for name in command.env_vars.keys() {
            let good = !name.is_empty() && !name.contains(['=', '\0']);
            problems.unless(good, format!("{at}.Parameters.Command.EnvVars"), format!("`{name}` is no name of a variable"));
        }
        let logs =
            [("StdoutRedirectPath", &self.parameters.stdout_redirect_path), ("StderrRedirectPath", &self.parameters.stderr_redirect_path)];
        for (field, path) in logs.into_iter().filter(|(_, path)| !path.is_empty()) {
            if let Err(text) = check_oss(path, true) {
                problems.add(format!("{at}.Parameters.{field}"), text);
            }
        }
        let range = |value: i64, least: i64, most: i64, field: &str, problems: &mut Problems| {
            let text = format!("must be {least} to {most}, not {value}");
            problems.unless((least..=most).contains(&value), format!("{at}.{field}"), text);
        };
        range(self.timeout, 1, MAX_TIMEOUT, "Timeout", problems);
        range(self.instance_count, 1, MAX_INSTANCES, "InstanceCount", problems);
        range(self.max_retry_count, 0, MAX_RETRIES, "MaxRetryCount", problems);
        self.check_mappings(at, problems);
        self.mounts.check(&format!("{at}.Mounts"), problems);
        self.auto_cluster.configs.check(&format!("{at}.AutoCluster.Configs"), problems);
    }

    fn check_mappings(&self, at: &str, problems: &mut Problems) {
        for (source, destination) in &self.input_mapping {
            let at = format!("{at}.InputMapping.{source}");
            check_pair(source, destination, &at, &at, problems);
        }
        for (local, url) in &self.output_mapping {
            let at = format!("{at}.OutputMapping.{local}");
            check_local(local, &at, problems);
            match check_oss(url, true) {
                Err(text) => problems.add(&at, text),
                Ok(()) if local.ends_with('/') != url.ends_with('/') => {
                    problems.add(&at, "must end with `/` exactly when its target does: a folder for a prefix, a file for an object");
                }
                Ok(()) if self.input_mapping.get(url) == Some(local) => {
                    problems.add(&at, "is an input at the same place; give the output a folder of its own");
                }
                Ok(()) => {}
            }
        }
        for (local, url) in &self.log_mapping {
            let at = format!("{at}.LogMapping.{local}");
            check_local(local, &at, problems);
            match check_oss(url, true) {
                Err(text) => problems.add(&at, text),
                Ok(()) => problems.unless(url.ends_with('/'), at, "must end with `/`: logs of all instances are stored below it"),
            }
        }
    }
}
