//! Decides what is carried out of a job, and on which machines.

use batchyard_model::service_id;
use batchyard_objects::keys::Role;

use super::Service;
use crate::{
    accounts::Caller,
    error::ApiError,
    expand::{self, expand},
    plan::{Plan, PlannedTask, ordered},
    reads_app, types,
    wire::{JobDescription, Problems, TaskDescription, Topic},
};

/// Instances of all tasks that one body may ask for.
const MAX_INSTANCES_OF_JOB: u64 = 1_000_000;

impl Service {
    /// Decides what is carried out of a job.
    pub(super) fn plan(&self, caller: &Caller, description: &JobDescription) -> Result<Plan, ApiError> {
        let mut problems = Problems::default();
        description.check(&mut problems);
        let mut tasks = Vec::new();
        if let Some(call) = description.app.as_ref().filter(|_| description.is_app()) {
            let app = self.app_of_job(caller, &call.app_name)?;
            let expanded = expand(&app, description, call, &mut problems);
            let mut planned = self.planned(caller, expand::TASK.into(), Vec::new(), expanded.task, "App.Config", &mut problems);
            planned.variables = expanded.variables;
            planned.outputs = expanded.outputs;
            let public = super::apps::public_name(&call.app_name);
            if public == Some(reads_app::NAME) {
                reads_app::check(&planned.variables, &mut problems);
            }
            planned.system = public.filter(|name| self.systems.apps().iter().any(|app| app.name == *name)).map(str::to_owned);
            tasks.push(planned);
        } else if problems.is_empty() {
            for (name, needs, task) in ordered(description) {
                let at = format!("DAG.Tasks.{name}");
                tasks.push(self.planned(caller, name, needs, task, &at, &mut problems));
            }
        }
        let instances: u64 = tasks.iter().map(|task| u64::from(task.instances())).sum();
        problems.unless(instances <= MAX_INSTANCES_OF_JOB, "DAG.Tasks", format!("ask for more than {MAX_INSTANCES_OF_JOB} instances"));
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let topic = description.notification.topic.clone();
        self.check_topic(caller, &topic)?;
        Ok(Plan {
            tasks,
            fail_fast: description.job_fail_on_instance_fail,
            auto_release: description.auto_release,
            topic,
            admin: caller.role == Role::Admin,
            call: None,
        })
    }

    /// The server adds to files as its own user, which somebody who runs things as another one must not make use of.
    pub(super) fn check_topic(&self, caller: &Caller, topic: &Topic) -> Result<(), ApiError> {
        if topic.endpoint.starts_with("file://") && self.accounts.is_mapped(&caller.account) {
            let text =
                "`Notification.Topic.Endpoint` must be an `http(s)://` address: instances of this account run as a user of their own";
            return Err(ApiError::bad("InvalidParameter", text));
        }
        Ok(())
    }

    /// Decides on which machines a task runs.
    fn planned(
        &self,
        caller: &Caller,
        name: String,
        needs: Vec<usize>,
        description: TaskDescription,
        at: &str,
        problems: &mut Problems,
    ) -> PlannedTask {
        let auto = &description.auto_cluster;
        let attached = auto.cluster_id.as_deref().unwrap_or_default();
        let cluster = if description.cluster_id.is_empty() { attached } else { &description.cluster_id }.to_owned();
        let (mut type_name, mut image) = (auto.instance_type.clone(), String::new());
        if cluster.is_empty() {
            let asked = [auto.ecs_image_id.as_str(), auto.image_id.as_deref().unwrap_or_default()].into_iter().find(|id| !id.is_empty());
            image = asked.unwrap_or("img-ubuntu").to_owned();
            if !self.knows_image(caller, &image) {
                let text = format!("`{image}` is no image: register it (`bcs create_image`), or take `img-ubuntu`");
                problems.add(format!("{at}.AutoCluster.ImageId"), text);
            }
        } else {
            match self.nodes.get(&cluster) {
                Some((record, found)) if record.owner == caller.account && record.state != crate::nodes::DELETING => {
                    let groups = &found.description.groups;
                    let largest = groups.values().map(|group| &group.instance_type).find(|name| !name.is_empty());
                    type_name = largest.unwrap_or(&found.description.instance_type).clone();
                    image = found.description.image_id.clone();
                }
                _ => problems.coded(
                    "InvalidClusterId",
                    format!("{at}.ClusterId"),
                    format!("`{cluster}` is no cluster of yours, or is being deleted"),
                ),
            }
        }
        if type_name.is_empty() {
            type_name = types::DEFAULT.into();
        }
        let size = types::find(&type_name);
        if size.is_none() {
            problems.add(format!("{at}.AutoCluster.InstanceType"), format!("`{type_name}` is no instance type; `bcs t` lists them"));
        }
        let own_cluster = cluster.is_empty();
        PlannedTask {
            name,
            needs,
            cluster: if own_cluster { service_id("cls") } else { cluster },
            own_cluster,
            cores: size.as_ref().map_or(1, |size| size.cores),
            memory_gib: size.as_ref().map_or(1, |size| size.memory_gib),
            image,
            description,
            variables: std::collections::BTreeMap::new(),
            system: None,
            outputs: std::collections::BTreeMap::new(),
        }
    }
}
