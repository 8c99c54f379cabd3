//! Jobs, tasks and instances: listed and shown.

use batchyard_model::{JobId, JobState};
use batchyard_store::{InstanceRecord, JobFilter, JobSummary, TaskRecord};
use serde_json::Value;

use super::{
    Page, Service,
    show::{show_instance, show_job, show_task},
};
use crate::{
    accounts::Caller,
    error::ApiError,
    plan::{Plan, PlannedTask},
};

/// Which jobs a list shows.
#[derive(Debug, Default)]
pub struct JobQuery {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those with a task on this cluster.
    pub cluster: Option<String>,
    /// Only those of this project.
    pub project: Option<String>,
    /// What they are ordered by.
    pub order_by: Option<String>,
    /// The other way round.
    pub reverse: bool,
}
impl Service {
    /// A page of jobs.
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn list_jobs(&self, caller: &Caller, query: &JobQuery, marker: &str, limit: u32) -> Result<Page, ApiError> {
        let states = query.state.iter().map(|state| parse_state(state)).collect::<Result<Vec<_>, _>>()?;
        let after = (!marker.is_empty()).then(|| marker.parse::<JobId>());
        let after =
            after.transpose().map_err(|_| ApiError::bad("InvalidMarker", format!("`Marker` `{marker}` is not from a list of jobs")))?;
        // Without an order the newest come first; with one, what was asked for.
        let oldest_first = query.order_by.as_ref().is_some_and(|order| !order.is_empty()) != query.reverse;
        let filter = JobFilter {
            owner: Some(caller.account.clone()),
            states,
            cluster: query.cluster.clone().filter(|cluster| !cluster.is_empty()),
            project: query.project.clone().filter(|project| !project.is_empty()),
            oldest_first,
            after,
            limit: limit + 1,
        };
        let mut jobs = self.store.list_jobs(&filter)?;
        let more = jobs.len() > limit as usize;
        jobs.truncate(limit as usize);
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        let tasks = self.store.list_tasks(&ids)?;
        let none = Vec::new();
        let items = jobs.iter().map(|job| show_job(job, tasks.get(&job.id).unwrap_or(&none))).collect();
        let next = ids.last().filter(|_| more).map(ToString::to_string).unwrap_or_default();
        Ok(Page { items, next })
    }

    /// A job.
    ///
    /// # Errors
    /// There is no such job of the caller.
    pub fn job(&self, caller: &Caller, id: &str) -> Result<Value, ApiError> {
        let job = self.own_job(caller, id)?;
        let tasks = self.store.list_tasks(std::slice::from_ref(&job.id))?;
        Ok(show_job(&job, tasks.get(&job.id).map(Vec::as_slice).unwrap_or_default()))
    }

    pub(super) fn own_job(&self, caller: &Caller, id: &str) -> Result<JobSummary, ApiError> {
        let absent = || ApiError::not_found(&format!("job `{id}`"));
        let parsed: JobId = id.parse().map_err(|_| absent())?;
        self.store.load_job_summary(&parsed)?.filter(|job| job.owner == caller.account).ok_or_else(absent)
    }

    /// What was submitted, with all defaults.
    ///
    /// # Errors
    /// There is no such job of the caller.
    pub fn job_description(&self, caller: &Caller, id: &str) -> Result<Value, ApiError> {
        let summary = self.own_job(caller, id)?;
        let job = self.store.load_job(&summary.id)?.ok_or_else(|| ApiError::not_found(&format!("job `{id}`")))?;
        let mut spec: Value = serde_json::from_str(&job.spec).map_err(|e| ApiError::internal(e.to_string()))?;
        if let Some(map) = spec.as_object_mut() {
            map.insert("Priority".into(), job.summary.priority.into());
        }
        Ok(spec)
    }

    /// The tasks of a job.
    ///
    /// # Errors
    /// There is no such job of the caller.
    pub fn list_tasks(&self, caller: &Caller, id: &str, query: &JobQuery, marker: &str, limit: u32) -> Result<Page, ApiError> {
        let job = self.own_job(caller, id)?;
        let state = query.state.as_deref().map(parse_state).transpose()?;
        let tasks = self.store.list_tasks(std::slice::from_ref(&job.id))?.remove(&job.id).unwrap_or_default();
        let fits = |task: &&TaskRecord| {
            state.is_none_or(|state| task.state == state)
                && query.cluster.as_ref().is_none_or(|cluster| cluster.is_empty() || task.cluster == *cluster)
        };
        let skip = if marker.is_empty() { 0 } else { tasks.iter().position(|task| task.name == marker).map_or(tasks.len(), |n| n + 1) };
        let mut found: Vec<&TaskRecord> = tasks.iter().skip(skip).filter(fits).take(limit as usize + 1).collect();
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|task| task.name.clone()).unwrap_or_default();
        Ok(Page { items: found.into_iter().map(show_task).collect(), next })
    }

    /// A task.
    ///
    /// # Errors
    /// There is no such task.
    pub fn task(&self, caller: &Caller, id: &str, name: &str) -> Result<Value, ApiError> {
        Ok(show_task(&self.own_task(caller, id, name)?.1))
    }

    fn own_task(&self, caller: &Caller, id: &str, name: &str) -> Result<(JobSummary, TaskRecord), ApiError> {
        let job = self.own_job(caller, id)?;
        let tasks = self.store.list_tasks(std::slice::from_ref(&job.id))?.remove(&job.id).unwrap_or_default();
        let task = tasks.into_iter().find(|task| task.name == name);
        Ok((job, task.ok_or_else(|| ApiError::not_found(&format!("task `{name}` in job `{id}`")))?))
    }

    /// The instances of a task.
    ///
    /// # Errors
    /// There is no such task, or the question is wrong.
    pub fn list_instances(
        &self,
        caller: &Caller,
        id: &str,
        name: &str,
        state: Option<&str>,
        marker: &str,
        limit: u32,
    ) -> Result<Page, ApiError> {
        let (job, task) = self.own_task(caller, id, name)?;
        let planned = self.planned_task(&job, name)?;
        let state = state.map(parse_state).transpose()?;
        let from: u32 = match marker {
            "" => 0,
            text => {
                text.parse().map_err(|_| ApiError::bad("InvalidMarker", format!("`Marker` `{text}` is not from a list of instances")))?
            }
        };
        let rowless = rowless_state(&job, &task);
        let mut found: Vec<InstanceRecord> = match state {
            // Those that never began have no row.
            Some(state) if state != rowless => self.store.list_instances_in(&job.id, name, state, from, limit + 1)?,
            _ => self.with_rowless(&job, &planned, rowless, from, state, limit + 1)?,
        };
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|instance| (instance.number + 1).to_string()).unwrap_or_default();
        Ok(Page { items: found.iter().map(|instance| show_instance(instance, &planned)).collect(), next })
    }

    fn with_rowless(
        &self,
        job: &JobSummary,
        planned: &PlannedTask,
        rowless: JobState,
        from: u32,
        only: Option<JobState>,
        limit: u32,
    ) -> Result<Vec<InstanceRecord>, ApiError> {
        let mut found = Vec::new();
        let mut next = from;
        let total = planned.instances();
        while next < total && found.len() < limit as usize {
            let rows = self.store.list_instances(&job.id, &planned.name, next, limit)?;
            let until = rows.last().filter(|_| rows.len() >= limit as usize).map_or(total, |row| row.number + 1);
            let (mut rows, before) = (rows.into_iter().peekable(), found.len());
            while next < until && found.len() < limit as usize {
                let instance = match rows.next_if(|row| row.number == next) {
                    Some(row) => row,
                    None => never_begun(job, &planned.name, next, rowless),
                };
                if only.is_none_or(|state| state == instance.state) {
                    found.push(instance);
                }
                next += 1;
            }
            // Those that wait come after all that have ended: they are not looked for row by row.
            if let Some(state) = only.filter(|_| found.len() == before && next < total) {
                let row = self.store.list_instances_in(&job.id, &planned.name, state, next, 1)?.first().map_or(total, |row| row.number);
                next = row.min(self.first_rowless(&job.id, &planned.name, next, total)?);
            }
        }
        Ok(found)
    }

    /// The first instance from a number on that has no row; `total` if all have one.
    fn first_rowless(&self, job: &JobId, task: &str, from: u32, total: u32) -> Result<u32, ApiError> {
        let (mut low, mut high) = (from, total);
        // All before `low` have rows, and one before `high` has none, unless that is the end.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.store.count_instances(job, task, low, middle)? == u64::from(middle - low) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    fn planned_task(&self, job: &JobSummary, name: &str) -> Result<PlannedTask, ApiError> {
        let absent = || ApiError::not_found(&format!("task `{name}` in job `{}`", job.id));
        let record = self.store.load_job(&job.id)?.ok_or_else(absent)?;
        let plan: Plan = serde_json::from_str(&record.plan).map_err(|e| ApiError::internal(e.to_string()))?;
        plan.tasks.into_iter().find(|task| task.name == name).ok_or_else(absent)
    }

    /// An instance.
    ///
    /// # Errors
    /// There is no such instance.
    pub fn instance(&self, caller: &Caller, id: &str, name: &str, number: &str) -> Result<Value, ApiError> {
        let (job, task) = self.own_task(caller, id, name)?;
        let planned = self.planned_task(&job, name)?;
        let absent = || ApiError::not_found(&format!("instance `{number}` of task `{name}` in job `{id}`"));
        let number: u32 = number.parse().map_err(|_| absent())?;
        if number >= planned.instances() {
            return Err(absent());
        }
        let row = self.store.list_instances(&job.id, name, number, 1)?.into_iter().find(|row| row.number == number);
        Ok(show_instance(&row.unwrap_or_else(|| never_begun(&job, name, number, rowless_state(&job, &task))), &planned))
    }
}

fn parse_state(text: &str) -> Result<JobState, ApiError> {
    text.parse().map_err(|_| {
        ApiError::bad("InvalidState", format!("`State` must be one of Waiting, Running, Finished, Failed, Stopped, not `{text}`"))
    })
}

/// The state of instances that never began.
fn rowless_state(job: &JobSummary, task: &TaskRecord) -> JobState {
    let over = job.state.is_terminal() || task.state.is_terminal();
    if over && task.counts.stopped > 0 { JobState::Stopped } else { JobState::Waiting }
}

fn never_begun(job: &JobSummary, task: &str, number: u32, state: JobState) -> InstanceRecord {
    InstanceRecord {
        job: job.id.clone(),
        task: task.into(),
        number,
        state,
        started_ms: None,
        ended_ms: job.ended_ms.filter(|_| state.is_terminal()),
        retries: 0,
        attempts: 0,
        node: String::new(),
        result: String::new(),
    }
}
