//! A task of a job.

use indexmap::IndexMap;
use serde::Serialize;

use super::{Networks, Source, networks, spot};
use crate::{
    config::Config,
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
