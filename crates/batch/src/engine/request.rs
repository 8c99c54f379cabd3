//! What clients want of jobs: taken one after the other, answered once it is recorded.

use std::sync::mpsc::SyncSender;

use batchyard_crash as crash;
use batchyard_model::{JobId, JobState, state::job::JobEvent};
use batchyard_store::{BatchWrite, Write};

use super::{Active, Engine, Message, left, tell};
use crate::{error::ApiError, events::messages};

/// A wish.
pub enum Request {
    /// A job that was recorded is to be carried out.
    Submit(Box<Active>),
    /// A job is to end; who wants it is noted with it, here and in the others.
    Stop(JobId, BatchWrite),
    /// A job that was stopped or failed is to go on.
    Start(JobId, BatchWrite),
    /// A job is to have another priority; with what is to be told of it.
    Priority(JobId, u32, Vec<BatchWrite>),
    /// The record of a job is to be removed.
    Delete(JobId, BatchWrite),
    /// All that earlier servers have left is to be taken up.
    TakeUp,
    /// Tasks on this cluster can never run: it is gone.
    ClusterGone(String),
}

/// Who wants to know how it went.
pub type Reply = Option<SyncSender<Result<(), ApiError>>>;

impl Engine {
    pub(super) fn request(&mut self, request: Request, reply: Reply) {
        let ended = if let Request::Stop(id, _) = &request { Some(id.clone()) } else { None };
        let done = match request {
            Request::Submit(job) => {
                let mut job = *job;
                self.arrivals += 1;
                job.arrival = self.arrivals;
                self.take_up(job);
                Ok(None)
            }
            Request::Stop(id, noted) => self.stop(&id).map(|writes| Some(with(writes, noted))),
            Request::Start(id, noted) => self.start(&id).map(|writes| Some(with(writes, noted))),
            Request::Priority(id, priority, noted) => {
                let change = BatchWrite::SetPriority { id, priority, from: vec![JobState::Stopped] };
                Ok(Some([change].into_iter().chain(noted).collect()))
            }
            Request::Delete(id, noted) => {
                self.delete(id, noted, reply);
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
                let (herald, messages) = (self.parts.herald.clone(), messages(&writes));
                let writes = writes.into_iter().map(Write::Batch).collect();
                let outbox = self.outbox.clone();
                self.parts.store.write_then(writes, move |result| {
                    crash::place("wish recorded");
                    if result.is_ok() {
                        herald.recorded(messages);
                    }
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

    fn delete(&mut self, id: JobId, noted: BatchWrite, reply: Reply) {
        let from = vec![JobState::Stopped, JobState::Finished, JobState::Failed];
        let folder = self.parts.folder.join(id.as_str());
        // Known by its name for what it is from before the deletion on, so that a server that dies after it leaves nothing for good.
        let doomed = left::doomed(&folder);
        let is_doomed = !self.jobs.contains_key(&id) && std::fs::rename(&folder, &doomed).is_ok();
        let writes = [BatchWrite::DeleteJob { id, from }, noted].map(Write::Batch);
        self.parts.store.write_then(writes.into(), move |result| {
            crash::place("job deleted");
            let gone = result.is_ok();
            if is_doomed && !gone {
                // It stays as it was; the next server would do the same.
                let _ = std::fs::rename(&doomed, &folder);
            }
            if let Some(reply) = reply {
                // Who asked may have gone away.
                let _ = reply.send(result.map_err(ApiError::from));
            }
            if gone {
                remove_later(if is_doomed { doomed } else { folder });
            }
        });
    }

    /// Removes what a job that succeeded has left here: its outputs and logs are where it said.
    pub(super) fn clear_away(&self, id: &JobId) {
        remove_later(self.parts.folder.join(id.as_str()));
    }

    fn fail_without_cluster(&mut self, cluster: &str) {
        self.fail_where(|needed| needed == cluster);
    }

    /// Jobs that need a cluster of this kind fail.
    pub(super) fn fail_where(&mut self, is_gone: impl Fn(&str) -> bool) {
        let needs = |job: &Active| {
            let open = job.tasks.iter().filter(|task| !task.planned.own_cluster && !task.record.state.is_terminal());
            open.map(|task| task.record.cluster.clone()).find(|cluster| is_gone(cluster))
        };
        let found: Vec<(JobId, String)> = self.jobs.values().filter_map(|job| Some((job.id.clone(), needs(job)?))).collect();
        for (id, cluster) in found {
            self.end_job(&id, JobEvent::Fail, format!("its cluster `{cluster}` was deleted"), Vec::new());
        }
    }
}

fn with(mut writes: Vec<BatchWrite>, noted: BatchWrite) -> Vec<BatchWrite> {
    writes.push(noted);
    writes
}

/// Removes a folder on a thread of its own: there may be very many files in it.
pub(super) fn remove_later(folder: std::path::PathBuf) {
    let work = move || {
        crash::place("folder to remove");
        if let Err(error) = batchyard_runner::root::remove(&folder) {
            tell(&format!("cannot remove `{}`: {error}", folder.display()));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("clear".into()).spawn(work) {
        tell(&format!("no thread to clear away a folder: {error}"));
    }
}
