//! What clients want of jobs: taken one after the other, answered once it is recorded.

use std::sync::mpsc::SyncSender;

use batchyard_model::{JobId, JobState, state::job::JobEvent};
use batchyard_store::{BatchWrite, Write};

use super::{Active, Engine, Message, tell};
use crate::{error::ApiError, events::Happening};

/// A wish.
pub enum Request {
    /// A job that was recorded is to be carried out.
    Submit(Box<Active>),
    /// A job is to end.
    Stop(JobId),
    /// A job that was stopped or failed is to go on.
    Start(JobId),
    /// A job is to have another priority.
    Priority(JobId, u32),
    /// The record of a job is to be removed.
    Delete(JobId),
    /// All that earlier servers have left is to be taken up.
    TakeUp,
    /// Tasks on this cluster can never run: it is gone.
    ClusterGone(String),
}

/// Who wants to know how it went.
pub type Reply = Option<SyncSender<Result<(), ApiError>>>;

impl Engine {
    pub(super) fn request(&mut self, request: Request, reply: Reply) {
        let ended = if let Request::Stop(id) = &request { Some(id.clone()) } else { None };
        let done = match request {
            Request::Submit(job) => {
                let mut job = *job;
                self.arrivals += 1;
                job.arrival = self.arrivals;
                self.parts.herald.tell(&job, Happening::Job(JobState::Waiting));
                for task in &job.tasks {
                    self.parts.herald.tell(&job, Happening::Task(&task.record.name, JobState::Waiting));
                }
                self.take_up(job);
                Ok(None)
            }
            Request::Stop(id) => self.stop(&id).map(Some),
            Request::Start(id) => self.start(&id).map(Some),
            Request::Priority(id, priority) => Ok(Some(vec![BatchWrite::SetPriority { id, priority, from: vec![JobState::Stopped] }])),
            Request::Delete(id) => {
                self.delete(id, reply);
                return;
            }
            Request::TakeUp => self.take_up_all().map(|()| None),
            Request::ClusterGone(cluster) => {
                self.fail_without_cluster(&cluster);
                Ok(None)
            }
        };
        let answer = move |result| {
            if let Some(reply) = reply {
                // Who asked may have gone away.
                let _ = reply.send(result);
            }
        };
        match done {
            Ok(Some(writes)) => {
                let writes = writes.into_iter().map(Write::Batch).collect();
                let outbox = self.outbox.clone();
                self.parts.store.write_then(writes, move |result| {
                    if let Some(id) = ended.filter(|_| result.is_ok()) {
                        // Without an engine nobody can end anything.
                        let _ = outbox.send(Message::EndAttempts(id));
                    }
                    answer(result.map_err(ApiError::from));
                });
            }
            Ok(None) => answer(Ok(())),
            Err(error) => answer(Err(error)),
        }
    }

    fn stop(&mut self, id: &JobId) -> Result<Vec<BatchWrite>, ApiError> {
        if !self.jobs.contains_key(id) {
            return Err(self.not_under_way(id));
        }
        let writes = self.closing(id, JobEvent::Stop, String::new(), Vec::new()).unwrap_or_default();
        self.jobs.remove(id);
        Ok(writes)
    }

    /// Why something cannot be done with a job that is not under way.
    fn not_under_way(&self, id: &JobId) -> ApiError {
        match self.parts.store.load_job_summary(id) {
            Ok(Some(job)) => ApiError::conflict(job.state.name()),
            Ok(None) => ApiError::not_found(&format!("job `{id}`")),
            Err(error) => error.into(),
        }
    }

    fn delete(&mut self, id: JobId, reply: Reply) {
        let from = vec![JobState::Stopped, JobState::Finished, JobState::Failed];
        let folder = self.parts.folder.join(id.as_str());
        self.parts.store.write_then(vec![Write::Batch(BatchWrite::DeleteJob { id: id.clone(), from })], move |result| {
            let gone = result.is_ok();
            if let Some(reply) = reply {
                // Who asked may have gone away.
                let _ = reply.send(result.map_err(ApiError::from));
            }
            if gone {
                remove_later(folder);
            }
        });
    }

    /// Removes what a job that succeeded has left here: its outputs and logs are where it said.
    pub(super) fn clear_away(&self, id: &JobId) {
        remove_later(self.parts.folder.join(id.as_str()));
    }

    fn fail_without_cluster(&mut self, cluster: &str) {
        let on_it = |job: &&Active| job.tasks.iter().any(|task| task.record.cluster == cluster && !task.record.state.is_terminal());
        let ids: Vec<JobId> = self.jobs.values().filter(on_it).map(|job| job.id.clone()).collect();
        for id in ids {
            self.end_job(&id, JobEvent::Fail, format!("its cluster `{cluster}` was deleted"), Vec::new());
        }
    }
}

/// Removes a folder on a thread of its own: there may be very many files in it.
fn remove_later(folder: std::path::PathBuf) {
    let work = move || {
        if let Err(error) = batchyard_runner::root::remove(&folder) {
            tell(&format!("cannot remove `{}`: {error}", folder.display()));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("clear".into()).spawn(work) {
        tell(&format!("no thread to clear away a folder: {error}"));
    }
}
