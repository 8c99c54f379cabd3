//! Descriptions of jobs as they are sent, and how options fill them. Field order as the original sends it.

mod task;

use batchyard_model::events::JOB_EVENTS;
use indexmap::IndexMap;
use serde::Serialize;

use crate::{
    config::{Config, is_false},
    failure::Failure,
    notation::pairs::items,
};

pub use task::Task;

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
