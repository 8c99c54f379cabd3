//! Jobs from their rows: those that an earlier server has left, and those that go on after a stop.

use std::{collections::HashMap, sync::Arc};

use batchyard_model::{
    JobId, JobState,
    state::job::{JobEvent, next_of_job},
};
use batchyard_runner::tree;
use batchyard_store::{BatchWrite, InstanceRecord, JobFilter, JobMove, JobRecord, TaskRecord};
use rustix::process::Signal;

use super::{
    Engine,
    job::{Active, Task},
    now_ms,
};
use crate::{error::ApiError, plan::Plan};

/// Jobs, and instances, that are read at a time.
const PAGE: u32 = 500;

impl Engine {
    /// Takes up everything that earlier servers have left, oldest first.
    pub(super) fn take_up_all(&mut self) -> Result<(), ApiError> {
        let states = vec![JobState::Waiting, JobState::Running];
        let mut filter = JobFilter { states, oldest_first: true, limit: PAGE, ..JobFilter::default() };
        loop {
            let page = self.parts.store.list_jobs(&filter)?;
            for job in &page {
                self.load(&job.id, None)?;
            }
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => filter.after = Some(last.id.clone()),
                _ => break,
            }
        }
        // An earlier server was killed between the deletion of a cluster and the end of what needed it.
        let nodes = std::sync::Arc::clone(&self.parts.nodes);
        self.fail_where(|cluster| !nodes.is_there(cluster));
        self.parts.store.flush()?;
        self.end_left_behind()?;
        self.remove_left_behind()
    }

    /// Ends processes of jobs that have ended: an earlier server recorded the end, and was killed before it could.
    fn end_left_behind(&self) -> Result<(), ApiError> {
        for marker in tree::markers_below("job-") {
            let Some(id) = marker.split('/').next().and_then(|id| id.parse::<JobId>().ok()) else { continue };
            // Jobs of other servers of this machine are none of ours.
            let job = if self.jobs.contains_key(&id) { None } else { self.parts.store.load_job_summary(&id)? };
            if job.is_some_and(|job| job.state.is_terminal()) {
                tree::signal(None, &marker, Signal::KILL);
            }
        }
        Ok(())
    }

    /// A job that was stopped or failed goes on: what has succeeded stays, the rest runs again.
    pub(super) fn start(&mut self, id: &JobId) -> Result<Vec<BatchWrite>, ApiError> {
        if let Some(job) = self.jobs.get(id) {
            return Err(ApiError::conflict(job.state.name()));
        }
        self.load(id, Some(JobEvent::Restart))
    }

    /// Makes a job from its rows and takes it up; with an event it gets another state first. What has to be recorded.
    fn load(&mut self, id: &JobId, event: Option<JobEvent>) -> Result<Vec<BatchWrite>, ApiError> {
        let absent = || ApiError::not_found(&format!("job `{id}`"));
        let JobRecord { summary, plan, .. } = self.parts.store.load_job(id)?.ok_or_else(absent)?;
        let state = match event {
            Some(event) => next_of_job(summary.state, event).map_err(|_| ApiError::conflict(summary.state.name()))?,
            None => summary.state,
        };
        let plan: Plan =
            serde_json::from_str(&plan).map_err(|e| ApiError::internal(format!("the plan of job `{id}` cannot be read: {e}")))?;
        let mut rows = self.parts.store.list_tasks(std::slice::from_ref(id))?;
        let mut rows: HashMap<String, TaskRecord> =
            rows.remove(id).unwrap_or_default().into_iter().map(|row| (row.name.clone(), row)).collect();
        let now = now_ms();
        let mut writes = Vec::new();
        let mut tasks = Vec::with_capacity(plan.tasks.len());
        for (position, planned) in plan.tasks.iter().enumerate() {
            let mut task = Task::new(id, position, planned.clone());
            if let Some(row) = rows.remove(&planned.name) {
                self.fill(&mut task, row, event.is_some(), &mut writes)?;
                task.settle(now, !plan.fail_fast);
            }
            writes.push(BatchWrite::PutTask(task.record.clone()));
            tasks.push(task);
        }
        if event.is_some() {
            let change = JobMove { id: id.clone(), from: vec![summary.state], to: state, at_ms: now, message: String::new() };
            writes.push(BatchWrite::MoveJob(change));
        }
        self.arrivals += 1;
        let job = Active {
            id: id.clone(),
            name: summary.name,
            owner: summary.owner,
            priority: summary.priority,
            created_ms: summary.created_ms,
            started_ms: summary.started_ms,
            state,
            arrival: self.arrivals,
            plan: Arc::new(plan),
            tasks,
        };
        let done = job.is_done();
        self.take_up(job);
        if done {
            self.end_job(id, JobEvent::Finish, String::new(), std::mem::take(&mut writes));
        }
        Ok(writes)
    }

    /// Puts what is recorded of the instances of a task into it.
    fn fill(&self, task: &mut Task, row: TaskRecord, restart: bool, writes: &mut Vec<BatchWrite>) -> Result<(), ApiError> {
        let total = task.planned.instances();
        task.record = row;
        let counts = &mut task.record.counts;
        // Counted anew, so that a number that was wrong does not stay so.
        *counts = batchyard_model::Counts { waiting: u64::from(total), ..Default::default() };
        let mut from = 0;
        let mut done = vec![false; total as usize];
        let mut running = Vec::new();
        loop {
            let page = self.parts.store.list_instances(&task.record.job, &task.record.name, from, PAGE)?;
            for instance in &page {
                let mut instance: InstanceRecord = instance.clone();
                let number = instance.number;
                if restart && matches!(instance.state, JobState::Failed | JobState::Stopped) {
                    instance.state = JobState::Waiting;
                    instance.retries = 0;
                    instance.ended_ms = None;
                    writes.push(BatchWrite::PutInstance(instance.clone()));
                }
                task.record.counts.moved(JobState::Waiting, instance.state);
                match instance.state {
                    JobState::Running => running.push(number),
                    JobState::Waiting => {}
                    JobState::Finished | JobState::Failed | JobState::Stopped => {
                        if let Some(done) = done.get_mut(number as usize) {
                            *done = true;
                        }
                        continue;
                    }
                }
                task.begun.insert(number, instance);
            }
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => from = last.number + 1,
                _ => break,
            }
        }
        // Those that may be running still come first: their processes use the machine already.
        let waiting = (0..total).filter(|number| !done.get(*number as usize).is_some_and(|done| *done) && !running.contains(number));
        task.pending = running.iter().copied().chain(waiting).collect();
        if restart {
            task.record.ended_ms = None;
        }
        Ok(())
    }
}
