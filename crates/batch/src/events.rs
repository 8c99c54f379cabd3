//! Tells others what happens to jobs and clusters: by posting messages to an address, or adding them to a file.
//!
//! Messages have the original's form and event names. They are told in order by one thread; one that cannot be delivered
//! is tried a few times and then given up, which is said in the server's log: the state of a job never waits for them.

use std::{
    fs,
    io::Write as _,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use batchyard_model::JobState;
use batchyard_store::{JobSummary, ResourceRecord};
use serde_json::{Value, json};

use crate::{
    engine::{Active, tell},
    nodes::{Cluster, DELETING},
    time::iso,
    wire::Topic,
};

/// Messages that wait at most; beyond that the newest are given up.
const MAX_WAITING: usize = 10_000;
/// Tries of a message.
const TRIES: u32 = 3;
/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(500);

/// Posts a text to an address.
pub type Post = Arc<dyn Fn(&str, &str) -> Result<(), String> + Send + Sync>;

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// To the job.
    Job(JobState),
    /// To a task of it.
    Task(&'a str, JobState),
    /// To an instance of a task.
    Instance(&'a str, u32, JobState),
}

/// Tells others.
#[derive(Clone)]
pub struct Herald {
    queue: SyncSender<(String, String)>,
}

impl Herald {
    /// A herald, with its thread.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn new(post: Post) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel::<(String, String)>(MAX_WAITING);
        thread::Builder::new().name("herald".into()).spawn(move || {
            for (endpoint, text) in waiting {
                deliver(&post, &endpoint, &text);
            }
        })?;
        Ok(Herald { queue })
    }

    /// Tells what has happened, where the job wants it to be told.
    pub fn tell(&self, job: &Active, happening: Happening<'_>) {
        let topic = &job.plan.topic;
        let (kind, state) = match happening {
            Happening::Job(state) => ("Job", state),
            Happening::Task(_, state) => ("Task", state),
            Happening::Instance(_, _, state) => ("Instance", state),
        };
        let event = format!("On{kind}{state}");
        if !wants(topic, &event) {
            return;
        }
        let mut message = json!({
            "Category": "Job",
            "JobId": job.id.as_str(),
            "JobName": job.name,
            "Event": event,
            "State": state.name(),
            "CreationTime": iso(Some(job.created_ms)),
            "StartTime": iso(job.started_ms),
            "EndTime": iso(state.is_terminal().then(crate::engine::now_ms)),
        });
        match happening {
            Happening::Job(_) => {}
            Happening::Task(task, _) => put(&mut message, "TaskName", json!(task)),
            Happening::Instance(task, number, _) => {
                put(&mut message, "TaskName", json!(task));
                put(&mut message, "InstanceId", json!(number));
            }
        }
        self.send(&topic.endpoint, &message);
    }

    /// Tells that a job has got another priority.
    pub fn tell_priority(&self, job: &JobSummary, topic: &Topic, priority: u32) {
        let event = "OnPriorityChange";
        if wants(topic, event) {
            let message = json!({
                "Category": "Job", "JobId": job.id.as_str(), "JobName": job.name, "Event": event, "State": job.state.name(),
                "Priority": priority, "CreationTime": iso(Some(job.created_ms)), "StartTime": iso(job.started_ms),
                "EndTime": iso(job.ended_ms),
            });
            self.send(&topic.endpoint, &message);
        }
    }

    /// Tells what a change has made of a cluster: nodes that are new, and that it is gone.
    pub fn tell_cluster(&self, record: &ResourceRecord, before: &Cluster, after: &Cluster) {
        let topic = &after.description.notification.topic;
        let is_known = |id: &str| before.nodes.iter().any(|node| node.id == id);
        for node in after.nodes.iter().filter(|_| !topic.events.is_empty()).filter(|node| !is_known(&node.id)) {
            for (event, state) in [("OnInstanceCreated", "Starting"), ("OnInstanceActive", "Running")] {
                if wants(topic, event) {
                    let message = json!({
                        "Category": "Cluster", "ClusterId": record.id, "Group": node.group, "InstanceId": node.id,
                        "InnerIpAddress": node.ip, "Hints": "", "State": state, "CreationTime": iso(Some(node.created_ms)), "Event": event,
                    });
                    self.send(&topic.endpoint, &message);
                }
            }
        }
        let event = "OnClusterDeleted";
        if record.state == DELETING && after.nodes.is_empty() && wants(topic, event) {
            let message = json!({
                "Category": "Cluster", "ClusterId": record.id, "ClusterName": record.name, "CreationTime": iso(Some(record.created_ms)),
                "State": record.state, "Event": event,
            });
            self.send(&topic.endpoint, &message);
        }
    }

    /// Tells a message as it is.
    fn send(&self, endpoint: &str, message: &Value) {
        match self.queue.try_send((endpoint.to_owned(), message.to_string())) {
            Err(TrySendError::Full(_)) => tell("too many messages wait for their receivers: one was given up"),
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

/// Whether somebody wants to be told of such an event.
fn wants(topic: &Topic, event: &str) -> bool {
    !topic.endpoint.is_empty() && topic.events.iter().any(|wanted| wanted == event)
}

fn put(message: &mut Value, key: &str, value: Value) {
    if let Some(map) = message.as_object_mut() {
        map.insert(key.into(), value);
    }
}

fn deliver(post: &Post, endpoint: &str, text: &str) {
    let once = || match endpoint.strip_prefix("file://") {
        Some(path) => append(path, text).map_err(|e| e.to_string()),
        None => post(endpoint, text),
    };
    for left in (0..TRIES).rev() {
        match once() {
            Ok(()) => return,
            Err(_) if left > 0 => thread::sleep(PAUSE),
            Err(error) => tell(&format!("a message to `{endpoint}` was given up: {error}")),
        }
    }
}

fn append(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{text}\n").as_bytes())
}
