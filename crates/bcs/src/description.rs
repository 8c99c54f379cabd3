//! Descriptions of jobs as they are sent, and how options fill them. Field order as the original sends it.

use indexmap::IndexMap;
use serde::Serialize;

use crate::{
    config::{Config, is_false},
    failure::Failure,
    notation::{
        cluster::{self, Place},
        disk::{self, Disks},
        docker, mount,
        pairs::{items, pairs},
    },
};

/// Seconds an instance may run unless said.
const TIMEOUT: i64 = 86_400;

/// Events of jobs, tasks and instances.
pub const JOB_EVENTS: [&str; 16] = [
    "OnJobWaiting",
    "OnJobRunning",
    "OnJobStopped",
    "OnJobFinished",
    "OnJobFailed",
    "OnTaskWaiting",
    "OnTaskRunning",
    "OnTaskStopped",
    "OnTaskFinished",
    "OnTaskFailed",
    "OnInstanceWaiting",
    "OnInstanceRunning",
    "OnInstanceStopped",
    "OnInstanceFinished",
    "OnInstanceFailed",
    "OnPriorityChange",
];

/// Where options come from: a command line, or a section of a file.
pub trait Source {
    /// The text of an option.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn text(&self, key: &str) -> Result<Option<String>, Failure>;
    /// An option that is on or off.
    ///
    /// # Errors
    ///
    /// When it is neither.
    fn truth(&self, key: &str) -> Result<bool, Failure>;
}

/// A job made of tasks.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    /// Its tasks.
    #[serde(rename = "DAG")]
    pub dag: Dag,
    description: String,
    job_fail_on_instance_fail: bool,
    auto_release: bool,
    priority: i64,
    #[serde(rename = "Type")]
    kind: &'static str,
    /// Its name.
    pub name: String,
    notification: Notification,
}

/// Tasks and what runs after what.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dag {
    /// By name.
    pub tasks: IndexMap<String, Task>,
    /// Upstream → downstream.
    pub dependencies: IndexMap<String, Vec<String>>,
}

/// Who is told.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notification {
    topic: Topic,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Topic {
    name: String,
    endpoint: String,
    events: Vec<String>,
    user_data: String,
    user_template: String,
}

/// A task.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    output_mapping: IndexMap<String, String>,
    timeout: i64,
    input_mapping: IndexMap<String, String>,
    /// Local file → folder of the store.
    pub log_mapping: IndexMap<String, String>,
    /// How many instances.
    pub instance_count: u64,
    /// The cluster it runs on, or empty.
    pub cluster_id: String,
    /// What it sees.
    pub mounts: Mounts,
    auto_cluster: AutoCluster,
    max_retry_count: u64,
    /// What it runs.
    pub parameters: Parameters,
    write_support: bool,
    /// What is to be packed for it.
    #[serde(skip)]
    pub pack: Option<String>,
}

/// What a task sees.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mounts {
    #[serde(rename = "NAS")]
    nas: Nas,
    #[serde(rename = "CacheSupport", skip_serializing_if = "Option::is_none")]
    cache_support: Option<bool>,
    #[serde(rename = "Entries", skip_serializing_if = "Vec::is_empty")]
    entries: Vec<mount::Entry>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Nas {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    access_group: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    file_system: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct AutoCluster {
    #[serde(rename = "ReserveOnFail")]
    reserve_on_fail: bool,
    #[serde(rename = "ImageId", skip_serializing_if = "Option::is_none")]
    image_id: Option<String>,
    #[serde(rename = "InstanceType")]
    instance_type: String,
    #[serde(rename = "ResourceType", skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
    #[serde(rename = "SpotStrategy", skip_serializing_if = "Option::is_none")]
    spot_strategy: Option<&'static str>,
    #[serde(rename = "SpotPriceLimit", skip_serializing_if = "Option::is_none")]
    spot_price_limit: Option<f64>,
    #[serde(rename = "Configs", skip_serializing_if = "Option::is_none")]
    configs: Option<Configs>,
    #[serde(rename = "ECSImageId")]
    ecs_image_id: &'static str,
    #[serde(rename = "UserData")]
    user_data: IndexMap<String, String>,
    #[serde(rename = "DependencyIsvService")]
    dependency_isv_service: &'static str,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Configs {
    #[serde(skip_serializing_if = "Option::is_none")]
    disks: Option<Disks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    networks: Option<Networks>,
}

/// Networks of nodes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Networks {
    #[serde(rename = "VPC")]
    vpc: Vpc,
    #[serde(rename = "Classic")]
    classic: IndexMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Vpc {
    #[serde(skip_serializing_if = "Option::is_none")]
    cidr_block: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<String>,
}

/// What a task runs.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameters {
    /// Folder of standard error.
    pub stderr_redirect_path: String,
    input_mapping_config: InputMappingConfig,
    /// Folder of standard output.
    pub stdout_redirect_path: String,
    /// The command.
    pub command: CommandLine,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct InputMappingConfig {
    lock: bool,
    locale: String,
}

impl Default for InputMappingConfig {
    fn default() -> Self {
        InputMappingConfig { lock: false, locale: "GBK".to_owned() }
    }
}

/// A command.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CommandLine {
    env_vars: IndexMap<String, String>,
    /// As a shell reads it.
    pub command_line: String,
    /// Where its package is, or empty.
    pub package_path: String,
    docker: Docker,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    image: String,
}

/// How a Spot price is sent: strategy, and limit if there is one.
///
/// # Errors
///
/// When it is no number, or the resource type is another.
pub fn spot(price: &str, resource_type: &str) -> Result<(&'static str, Option<f64>), Failure> {
    let price: f64 = price.parse().map_err(|_| Failure::told(format!("`{price}` is not a price")))?;
    if resource_type != "Spot" {
        return Err(Failure::told("spot_price_limit works only if resource_type is Spot"));
    }
    Ok(if price > 0.0 { ("SpotWithPriceLimit", Some(price)) } else { ("SpotAsPriceGo", None) })
}

/// Networks from the options of private networks; the configuration gives what is not said.
///
/// # Errors
///
/// A network without its address range; `of` names whose.
pub fn networks(cidr: Option<&str>, vpc_id: Option<&str>, config: &Config, of: &str) -> Result<Option<Networks>, Failure> {
    let cidr = match cidr {
        Some(given) if is_false(given) => None,
        Some(given) => Some(given.to_owned()),
        None => config.get("vpc_cidr_block"),
    };
    let vpc_id = vpc_id.filter(|v| !v.is_empty()).map(str::to_owned);
    if vpc_id.is_some() && cidr.is_none() {
        return Err(Failure::told(format!("vpc_id must works with vpc_cidr_block{of}")));
    }
    Ok(cidr.is_some().then(|| Networks { vpc: Vpc { cidr_block: cidr, vpc_id }, classic: IndexMap::new() }))
}

impl Notification {
    /// Takes what is said about notifications; `known` are the events there are, of `whom`.
    ///
    /// # Errors
    ///
    /// An event that does not exist.
    pub fn apply(&mut self, source: &dyn Source, known: &[&str], whom: &str) -> Result<(), Failure> {
        if let Some(endpoint) = source.text("notification_endpoint")? {
            self.topic.endpoint = endpoint;
        }
        if let Some(name) = source.text("notification_topic")? {
            self.topic.name = name;
        }
        if let Some(events) = source.text("notification_events")? {
            self.topic.events = items(&events);
            if let Some(wrong) = self.topic.events.iter().find(|e| !known.contains(&e.as_str())) {
                return Err(Failure::told(format!("Invalid {whom} event: {wrong}\n  Type \"bcs e\" for more")));
            }
        }
        Ok(())
    }
}

impl Default for Job {
    fn default() -> Self {
        Job {
            dag: Dag::default(),
            description: "BatchCompute cli job".to_owned(),
            job_fail_on_instance_fail: true,
            auto_release: false,
            priority: 1,
            kind: "DAG",
            name: "cli-job".to_owned(),
            notification: Notification::default(),
        }
    }
}

impl Job {
    /// Another description.
    pub fn describe(&mut self, description: String) {
        self.description = description;
    }

    /// Takes what is said about the job as a whole.
    ///
    /// # Errors
    ///
    /// Values that cannot be read.
    pub fn apply(&mut self, source: &dyn Source) -> Result<(), Failure> {
        if let Some(name) = source.text("job_name")? {
            self.name = name;
        }
        if let Some(description) = source.text("description")? {
            self.description = description;
        }
        if let Some(priority) = source.text("priority")? {
            self.priority = priority.parse().unwrap_or(1);
        }
        if source.truth("force")? {
            self.job_fail_on_instance_fail = false;
        }
        if source.truth("auto_release")? {
            self.auto_release = true;
        }
        self.notification.apply(source, &JOB_EVENTS, "job")
    }

    /// The graph with a line for each task, also for those that nothing runs after.
    ///
    /// # Errors
    ///
    /// Dependencies of tasks that do not exist.
    pub fn graph(&self) -> Result<IndexMap<String, Vec<String>>, Failure> {
        let tasks = &self.dag.tasks;
        let mut graph: IndexMap<String, Vec<String>> = tasks.keys().map(|name| (name.clone(), Vec::new())).collect();
        for (before, after) in &self.dag.dependencies {
            if let Some(unknown) = after.iter().chain([before]).find(|name| !tasks.contains_key(*name)) {
                return Err(Failure::told(format!("deps name the task `{unknown}`, which does not exist")));
            }
            graph.insert(before.clone(), after.clone());
        }
        Ok(graph)
    }
}

impl Task {
    /// A task on nodes of its own.
    pub fn new(image: String, kind: String) -> Task {
        Task {
            output_mapping: IndexMap::new(),
            timeout: TIMEOUT,
            input_mapping: IndexMap::new(),
            log_mapping: IndexMap::new(),
            instance_count: 1,
            cluster_id: String::new(),
            mounts: Mounts::default(),
            auto_cluster: AutoCluster { image_id: Some(image), instance_type: kind, ..AutoCluster::default() },
            max_retry_count: 0,
            parameters: Parameters::default(),
            write_support: true,
            pack: None,
        }
    }

    /// Takes what is said about the task: single values.
    ///
    /// # Errors
    ///
    /// Values that cannot be read, or do not fit together.
    pub fn apply(&mut self, source: &dyn Source, config: &Config) -> Result<(), Failure> {
        if let Some(command) = source.text("cmd")? {
            self.parameters.command.command_line = command;
        }
        if let Some(seconds) = source.text("timeout")? {
            self.timeout = seconds.parse().ok().filter(|s| *s > 0).unwrap_or(TIMEOUT);
        }
        if let Some(count) = source.text("nodes")? {
            self.instance_count = count.parse().ok().filter(|n| *n > 0).unwrap_or(1);
        }
        self.place(source, config)?;
        if self.cluster_id.is_empty() {
            self.apply_nodes(source)?;
        }
        if source.truth("no_cache_support")? {
            self.mounts.cache_support = Some(false);
        }
        if let Some(groups) = source.text("nas_access_group")? {
            self.mounts.nas.access_group = items(&groups);
        }
        if let Some(systems) = source.text("nas_file_system")? {
            self.mounts.nas.file_system = items(&systems);
        }
        if source.truth("lock")? {
            self.parameters.input_mapping_config.lock = true;
        }
        if let Some(locale) = source.text("locale")? {
            self.parameters.input_mapping_config.locale = locale;
        }
        if let Some(pack) = source.text("pack")? {
            self.pack = Some(pack);
        }
        Ok(())
    }

    /// Takes what is said about the task and joins what was said before: variables, data, mounts, mappings.
    ///
    /// # Errors
    ///
    /// Values that cannot be read.
    pub fn join(&mut self, source: &dyn Source) -> Result<(), Failure> {
        if let Some(text) = source.text("docker")? {
            let image = docker::image(&text)?;
            let variables = &mut self.parameters.command.env_vars;
            variables.insert(docker::IMAGE.to_owned(), image.name);
            if let Some(registry) = image.registry {
                variables.insert(docker::REGISTRY.to_owned(), registry);
            }
        }
        if let Some(env) = source.text("env")? {
            self.parameters.command.env_vars.extend(pairs(&env));
        }
        for key in ["mount", "read_mount"] {
            if let Some(mounts) = source.text(key)? {
                mount::join(&mut self.mounts.entries, mount::entries(&mounts)?);
            }
        }
        if let Some(mapping) = source.text("write_mount")? {
            self.output_mapping.extend(mount::outputs(&mapping)?);
        }
        if let Some(mapping) = source.text("log_mapping")? {
            self.log_mapping.extend(mount::outputs(&mapping)?);
        }
        if let Some(data) = source.text("user_data")?
            && self.cluster_id.is_empty()
        {
            self.auto_cluster.user_data.extend(pairs(&data));
        }
        Ok(())
    }

    /// Networks of its own nodes.
    ///
    /// # Errors
    ///
    /// A network without its address range.
    pub fn connect(&mut self, cidr: Option<&str>, vpc_id: Option<&str>, config: &Config, name: &str) -> Result<(), Failure> {
        if self.cluster_id.is_empty()
            && let Some(networks) = networks(cidr, vpc_id, config, &format!(", taskName={name}"))?
        {
            self.auto_cluster.configs.get_or_insert_default().networks = Some(networks);
        }
        Ok(())
    }

    /// Where it runs.
    fn place(&mut self, source: &dyn Source, config: &Config) -> Result<(), Failure> {
        let (image, kind) = (source.text("image")?, source.text("type")?);
        match source.text("cluster")? {
            Some(text) => match cluster::place(&text)? {
                Place::Cluster(id) => {
                    self.cluster_id = id;
                    self.auto_cluster = AutoCluster::default();
                }
                Place::Own { image: own, kind: of } => {
                    self.cluster_id = String::new();
                    self.auto_cluster.image_id = Some(image.or(own).map_or_else(|| config.default_image(), Ok)?);
                    self.auto_cluster.instance_type = kind.or(of).map_or_else(|| config.default_type(), Ok)?;
                }
            },
            None if self.cluster_id.is_empty() => {
                if image.is_some() {
                    self.auto_cluster.image_id = image;
                }
                if let Some(kind) = kind {
                    self.auto_cluster.instance_type = kind;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// What its own nodes are like.
    fn apply_nodes(&mut self, source: &dyn Source) -> Result<(), Failure> {
        let nodes = &mut self.auto_cluster;
        if let Some(kind) = source.text("resource_type")? {
            nodes.resource_type = Some(kind);
        }
        if let Some(price) = source.text("spot_price_limit")? {
            let (strategy, limit) = spot(&price, nodes.resource_type.as_deref().unwrap_or_default())?;
            nodes.spot_strategy = Some(strategy);
            nodes.spot_price_limit = limit;
        }
        if let Some(disks) = source.text("disk")? {
            nodes.configs.get_or_insert_default().disks = Some(disk::disks(&disks)?);
        }
        if source.truth("reserve_on_fail")? {
            nodes.reserve_on_fail = true;
        }
        Ok(())
    }

    /// What is sent when nothing was said.
    pub fn complete(&mut self) {
        if self.cluster_id.is_empty() {
            self.auto_cluster.resource_type.get_or_insert_with(|| "OnDemand".to_owned());
        }
    }

    /// Seconds an instance may run.
    pub fn limit(&mut self, seconds: i64) {
        self.timeout = seconds;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    struct Given(BTreeMap<&'static str, &'static str>);

    impl Source for Given {
        fn text(&self, key: &str) -> Result<Option<String>, Failure> {
            Ok(self.0.get(key).map(|v| (*v).to_owned()))
        }
        fn truth(&self, key: &str) -> Result<bool, Failure> {
            Ok(self.0.contains_key(key))
        }
    }

    fn config() -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(folder.path()).unwrap();
        for (key, value) in [("defaultimage", "img-ubuntu"), ("defaulttype", "ecs.sn1.medium"), ("vpc_cidr_block", "192.168.0.0/16")] {
            config.set(key, value);
        }
        (folder, config)
    }

    fn task(given: &[(&'static str, &'static str)]) -> Result<serde_json::Value, String> {
        let (_folder, config) = config();
        let given = Given(given.iter().copied().collect());
        let mut task = Task::new("img-ubuntu".to_owned(), "ecs.sn1.medium".to_owned());
        let text = |key: &str| given.text(key).unwrap();
        (|| {
            task.apply(&given, &config)?;
            task.join(&given)?;
            task.connect(text("vpc_cidr_block").as_deref(), text("vpc_id").as_deref(), &config, "task")?;
            task.complete();
            Ok::<_, Failure>(())
        })()
        .map_err(|e| e.to_string())?;
        Ok(serde_json::to_value(task).unwrap())
    }

    /// The body that the original sent for `sub "echo 123" -n 2`, less the paths.
    #[test]
    fn a_plain_task_is_what_the_original_sends() {
        let sent = task(&[("cmd", "echo 123"), ("nodes", "2")]).unwrap();
        let original = json!({"OutputMapping":{},"Timeout":86400,"InputMapping":{},"LogMapping":{},"InstanceCount":2,
            "ClusterId":"","Mounts":{"NAS":{}},"AutoCluster":{"ReserveOnFail":false,"ImageId":"img-ubuntu",
            "InstanceType":"ecs.sn1.medium","ResourceType":"OnDemand","Configs":{"Networks":{"VPC":{"CidrBlock":"192.168.0.0/16"},
            "Classic":{}}},"ECSImageId":"","UserData":{},"DependencyIsvService":""},"MaxRetryCount":0,"Parameters":{
            "StderrRedirectPath":"","InputMappingConfig":{"Lock":false,"Locale":"GBK"},"StdoutRedirectPath":"",
            "Command":{"EnvVars":{},"CommandLine":"echo 123","PackagePath":"","Docker":{"Image":""}}},"WriteSupport":true});
        assert_eq!(sent.to_string(), original.to_string());
    }

    #[test]
    fn a_cluster_takes_the_place_of_own_nodes() {
        let sent = task(&[("cluster", "cls-abc"), ("image", "img-x"), ("disk", "system:default:40"), ("user_data", "a:b")]).unwrap();
        assert_eq!(sent["ClusterId"], "cls-abc");
        let nothing = json!({"ReserveOnFail":false,"InstanceType":"","ECSImageId":"","UserData":{},"DependencyIsvService":""});
        assert_eq!(sent["AutoCluster"], nothing);
        let sent = task(&[("cluster", "type=big"), ("image", "img-x")]).unwrap();
        assert_eq!((&sent["AutoCluster"]["ImageId"], &sent["AutoCluster"]["InstanceType"]), (&json!("img-x"), &json!("big")));
    }

    #[test]
    fn mounts_mappings_and_nodes() {
        let sent = task(&[
            ("mount", "oss://b/in/:/home/in/"),
            ("read_mount", "oss://b/f:/home/f"),
            ("write_mount", "oss://b/out/:/home/out/"),
            ("log_mapping", "oss://b/log/:/home/a.log"),
            ("docker", "ubuntu@oss://b/d/"),
            ("env", "k:v"),
            ("resource_type", "Spot"),
            ("spot_price_limit", "0.5"),
            ("nas_access_group", "a,b"),
            ("vpc_id", "vpc-1"),
        ])
        .unwrap();
        assert_eq!(sent["Mounts"]["Entries"][0], json!({"Destination": "/home/in/", "Source": "oss://b/in/", "WriteSupport": true}));
        assert_eq!(sent["Mounts"]["NAS"], json!({"AccessGroup": ["a", "b"]}));
        assert_eq!(sent["OutputMapping"], json!({"/home/out/": "oss://b/out/"}));
        assert_eq!(sent["LogMapping"], json!({"/home/a.log": "oss://b/log/"}));
        assert_eq!(sent["Parameters"]["Command"]["EnvVars"]["BATCH_COMPUTE_DOCKER_IMAGE"], "localhost:5000/ubuntu");
        assert_eq!(sent["AutoCluster"]["SpotPriceLimit"], 0.5);
        assert_eq!(sent["AutoCluster"]["Configs"]["Networks"]["VPC"], json!({"CidrBlock": "192.168.0.0/16", "VpcId": "vpc-1"}));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert_eq!(task(&[("spot_price_limit", "1")]).unwrap_err(), "spot_price_limit works only if resource_type is Spot");
        let wrong = task(&[("vpc_id", "v"), ("vpc_cidr_block", "false")]).unwrap_err();
        assert_eq!(wrong, "vpc_id must works with vpc_cidr_block, taskName=task");
        assert_eq!(task(&[("vpc_cidr_block", "false")]).unwrap()["AutoCluster"].get("Configs"), None);
        let mut job = Job::default();
        let wrong = job.apply(&Given([("notification_events", "OnNothing")].into())).unwrap_err();
        assert!(wrong.to_string().starts_with("Invalid job event: OnNothing"));
    }
}
