//! Tells others what happens to jobs and clusters: by posting messages to an address, or adding them to a file.
//!
//! Messages have the original's form and event names. Each is recorded together with the change that it tells of, so that whoever
//! sees the change in the state will be told, also by the next server; one that was told just before a server died is told once
//! more. The state of a job never waits for a message.

mod delivery;
mod lines;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use batchyard_model::{JobState, notice_id};
use batchyard_store::{BatchWrite, JobSummary, NoticeKind, NoticeRecord, NoticeSummary, ResourceRecord, Store, StoreError};
use serde_json::{Value, json};

use self::delivery::Delivery;
pub use self::delivery::{Post, Undelivered};
use crate::{
    engine::{Active, now_ms},
    nodes::{Cluster, DELETING},
    time::iso,
    wire::Topic,
};

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
    delivery: Arc<Delivery>,
}

impl Herald {
    /// A herald, who begins with what earlier servers have left.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn begin(store: Arc<Store>, post: Post) -> Result<Self, StoreError> {
        Ok(Herald { delivery: Delivery::begin(store, post)? })
    }

    /// Messages among these changes have to be told now: the changes are recorded.
    pub fn recorded(&self, messages: Vec<(String, String)>) {
        if !messages.is_empty() {
            self.delivery.recorded(messages);
        }
    }

    /// The message of what happens to a job, where somebody wants to be told; to be recorded with that.
    pub fn of_job(&self, job: &Active, happening: Happening<'_>) -> Option<BatchWrite> {
        let topic = &job.plan.topic;
        if topic.events.is_empty() {
            return None;
        }
        let (kind, state) = match happening {
            Happening::Job(state) => ("Job", state),
            Happening::Task(_, state) => ("Task", state),
            Happening::Instance(_, _, state) => ("Instance", state),
        };
        let event = format!("On{kind}{state}");
        if !wants(topic, &event) {
            return None;
        }
        let mut message = json!({
            "Category": "Job",
            "JobId": job.id.as_str(),
            "JobName": job.name,
            "Event": event,
            "State": state.name(),
            "CreationTime": iso(Some(job.created_ms)),
            "StartTime": iso(job.started_ms),
            "EndTime": iso(state.is_terminal().then(now_ms)),
        });
        match happening {
            Happening::Job(_) => {}
            Happening::Task(task, _) => put(&mut message, "TaskName", json!(task)),
            Happening::Instance(task, number, _) => {
                put(&mut message, "TaskName", json!(task));
                put(&mut message, "InstanceId", json!(number));
            }
        }
        self.message(&topic.endpoint, job.id.as_str(), &message)
    }

    /// The messages that a job is accepted; as above.
    pub fn of_new_job(&self, job: &Active) -> Vec<BatchWrite> {
        let tasks = job.tasks.iter().map(|task| Happening::Task(&task.record.name, JobState::Waiting));
        [Happening::Job(JobState::Waiting)].into_iter().chain(tasks).filter_map(|happening| self.of_job(job, happening)).collect()
    }

    /// The message that a job gets another priority; as above.
    pub fn of_priority(&self, job: &JobSummary, topic: &Topic, priority: u32) -> Option<BatchWrite> {
        let event = "OnPriorityChange";
        if !wants(topic, event) {
            return None;
        }
        let message = json!({
            "Category": "Job", "JobId": job.id.as_str(), "JobName": job.name, "Event": event, "State": job.state.name(),
            "Priority": priority, "CreationTime": iso(Some(job.created_ms)), "StartTime": iso(job.started_ms),
            "EndTime": iso(job.ended_ms),
        });
        self.message(&topic.endpoint, job.id.as_str(), &message)
    }

    /// The messages of what a change makes of a cluster: nodes that are new, and that it is gone; as above.
    pub fn of_cluster(&self, record: &ResourceRecord, before: &Cluster, after: &Cluster) -> Vec<BatchWrite> {
        let mut messages = Vec::new();
        let topic = &after.description.notification.topic;
        let is_known = |id: &str| before.nodes.iter().any(|node| node.id == id);
        for node in after.nodes.iter().filter(|_| !topic.events.is_empty()).filter(|node| !is_known(&node.id)) {
            for (event, state) in [("OnInstanceCreated", "Starting"), ("OnInstanceActive", "Running")] {
                if wants(topic, event) {
                    let message = json!({
                        "Category": "Cluster", "ClusterId": record.id, "Group": node.group, "InstanceId": node.id,
                        "InnerIpAddress": node.ip, "Hints": "", "State": state, "CreationTime": iso(Some(node.created_ms)), "Event": event,
                    });
                    messages.extend(self.message(&topic.endpoint, &record.id, &message));
                }
            }
        }
        let event = "OnClusterDeleted";
        if record.state == DELETING && after.nodes.is_empty() && wants(topic, event) {
            let message = json!({
                "Category": "Cluster", "ClusterId": record.id, "ClusterName": record.name, "CreationTime": iso(Some(record.created_ms)),
                "State": record.state, "Event": event,
            });
            messages.extend(self.message(&topic.endpoint, &record.id, &message));
        }
        messages
    }

    /// A message to be recorded, if there is room for one more.
    fn message(&self, endpoint: &str, subject: &str, message: &Value) -> Option<BatchWrite> {
        if !self.delivery.has_room(endpoint) {
            return None;
        }
        let summary = NoticeSummary {
            id: notice_id(),
            kind: NoticeKind::Job,
            // The jobs of a database belong to one server.
            owner: String::new(),
            subject: subject.to_owned(),
            receiver: endpoint.to_owned(),
            tries: 0,
            created_ms: now_ms(),
        };
        Some(BatchWrite::InsertNotice(NoticeRecord { summary, body: message.to_string() }))
    }
}

/// The messages among changes: whom each is for, and its id.
pub fn messages(writes: &[BatchWrite]) -> Vec<(String, String)> {
    let of = |write: &BatchWrite| match write {
        BatchWrite::InsertNotice(notice) => Some((notice.summary.receiver.clone(), notice.summary.id.clone())),
        _ => None,
    };
    writes.iter().filter_map(of).collect()
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
