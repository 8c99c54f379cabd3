//! Jobs: accepted, listed, shown, stopped, started again, removed.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use batchyard_model::{JobId, JobState, service_id};
use batchyard_objects::keys::Role;
use batchyard_store::{BatchWrite, InstanceRecord, JobFilter, JobRecord, JobSummary, StoreError, TaskRecord};
use serde_json::{Value, json};

use super::{
    Page, Service, may_change,
    show::{show_instance, show_job, show_task},
    tokens::Token,
};
use crate::{
    accounts::Caller,
    engine::{Request, new_job, now_ms},
    error::ApiError,
    expand::{self, expand},
    plan::{Plan, PlannedTask, ordered},
    time::iso,
    types,
    wire::{JobDescription, Problems, TaskDescription, parse},
};

/// Requests that may wait for the end of their jobs at once.
const MAX_SYNCHRONOUS: usize = 16;
/// How long one waits at most.
const SYNCHRONOUS_LIMIT: Duration = Duration::from_secs(900);
/// Tasks and instances of all jobs that one body may ask for.
const MAX_INSTANCES_OF_JOB: u64 = 1_000_000;

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
    /// Accepts a job. Its id.
    ///
    /// # Errors
    /// All that is wrong with it, or why it cannot be recorded.
    pub fn create_job(&self, caller: &Caller, body: &[u8], token: Option<&str>) -> Result<String, ApiError> {
        may_change(caller)?;
        let token = self.token(caller, "job", token, body)?;
        if let Token::Used(id) = token {
            return Ok(id);
        }
        let mut description: JobDescription = parse(body)?;
        description.settle();
        let plan = self.plan(caller, &description)?;
        let limit = self.accounts.quota(&caller.account, "ActiveJobs");
        if self.store.count_jobs(&caller.account, &[JobState::Waiting, JobState::Running])? >= limit {
            return Err(ApiError::quota("ActiveJobs", limit));
        }
        let summary = JobSummary {
            id: JobId::random(),
            owner: caller.account.clone(),
            name: description.name.clone(),
            state: JobState::Waiting,
            priority: u32::try_from(description.priority).unwrap_or(0),
            project: description.project_id.clone(),
            message: String::new(),
            created_ms: now_ms(),
            started_ms: None,
            ended_ms: None,
        };
        let id = summary.id.to_string();
        let to_text = |e: serde_json::Error| ApiError::internal(e.to_string());
        let spec = serde_json::to_string(&description).map_err(to_text)?;
        let text = serde_json::to_string(&plan).map_err(to_text)?;
        let job = new_job(&summary, Arc::new(plan));
        let tasks = job.tasks.iter().map(|task| task.record.clone()).collect();
        let mut writes = vec![BatchWrite::InsertJob(Box::new(JobRecord { summary, spec, plan: text }), tasks)];
        writes.extend(token.writes(&id));
        match self.record(caller, "CreateJob", &id, writes) {
            // Somebody used the token at the same moment.
            Err(StoreError::Taken { what: "token", .. }) => {
                return Err(ApiError::new(409, "StateConflict", "The same request is under way."));
            }
            done => done?,
        }
        self.ask(Request::Submit(Box::new(job)))?;
        Ok(id)
    }

    /// Accepts a job and waits for its end: when it began and ended, its outputs, its error.
    ///
    /// # Errors
    /// As [`Service::create_job`]; and when too many wait already, or it takes too long.
    pub fn run_job(&self, caller: &Caller, body: &[u8], token: Option<&str>) -> Result<Value, ApiError> {
        let turn = self.patience.fetch_add(1, Ordering::Relaxed);
        let done = if turn < MAX_SYNCHRONOUS {
            self.create_job(caller, body, token).and_then(|id| self.await_job(caller, &id))
        } else {
            Err(ApiError::new(429, "Throttling.User", "Too many requests wait for the end of their jobs; ask without `sync`."))
        };
        self.patience.fetch_sub(1, Ordering::Relaxed);
        done
    }

    fn await_job(&self, caller: &Caller, id: &str) -> Result<Value, ApiError> {
        let (deadline, mut pause) = (Instant::now() + SYNCHRONOUS_LIMIT, Duration::from_millis(10));
        loop {
            let job = self.own_job(caller, id)?;
            if job.state.is_terminal() {
                let tasks = self.store.list_tasks(std::slice::from_ref(&job.id))?.remove(&job.id).unwrap_or_default();
                let first = tasks.first().map(|task| self.instance(caller, id, &task.name, "0")).transpose()?.unwrap_or_default();
                let failed = job.state != JobState::Finished;
                let code = first.pointer("/Result/ErrorCode").and_then(Value::as_str).filter(|code| !code.is_empty());
                return Ok(json!({
                    "StartTime": iso(job.started_ms), "EndTime": iso(job.ended_ms),
                    "Outputs": first.get("Outputs").cloned().unwrap_or_else(|| json!({})),
                    "Error": { "Code": if failed { code.unwrap_or(job.state.name()) } else { "" }, "Message": job.message },
                }));
            }
            if Instant::now() > deadline {
                return Err(ApiError::new(504, "InternalError.Timeout", format!("The job `{id}` goes on; ask for it by its id.")));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Decides what is carried out of a job.
    fn plan(&self, caller: &Caller, description: &JobDescription) -> Result<Plan, ApiError> {
        let mut problems = Problems::default();
        description.check(&mut problems);
        let mut tasks = Vec::new();
        if let Some(call) = description.app.as_ref().filter(|_| description.is_app()) {
            let app = self.app_of_job(caller, &call.app_name)?;
            let expanded = expand(&app, description, call, &mut problems);
            let mut planned = self.planned(caller, expand::TASK.into(), Vec::new(), expanded.task, "App.Config", &mut problems);
            planned.variables = expanded.variables;
            planned.outputs = expanded.outputs;
            planned.system = super::apps::public_name(&call.app_name).map(str::to_owned);
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
        Ok(Plan {
            tasks,
            fail_fast: description.job_fail_on_instance_fail,
            auto_release: description.auto_release,
            topic,
            admin: caller.role == Role::Admin,
        })
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

    fn own_job(&self, caller: &Caller, id: &str) -> Result<JobSummary, ApiError> {
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
            let mut rows = rows.into_iter().peekable();
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
        }
        Ok(found)
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

    /// Ends a job; when this returns it is stopped.
    ///
    /// # Errors
    /// There is no such job, or it has ended already.
    pub fn stop_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Stop(job.id))?;
        Ok(self.record(caller, "StopJob", id, Vec::new())?)
    }

    /// Goes on with a job that was stopped or failed.
    ///
    /// # Errors
    /// There is no such job, or it is in another state.
    pub fn start_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Start(job.id))?;
        Ok(self.record(caller, "StartJob", id, Vec::new())?)
    }

    /// Removes the record of a job that has ended.
    ///
    /// # Errors
    /// There is no such job, or it has not ended.
    pub fn delete_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Delete(job.id))?;
        Ok(self.record(caller, "DeleteJob", id, Vec::new())?)
    }

    /// Gives a stopped job another priority.
    ///
    /// # Errors
    /// There is no such job, it is not stopped, or the priority is none.
    pub fn set_priority(&self, caller: &Caller, id: &str, body: &[u8]) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        let body: Value =
            serde_json::from_slice(body).map_err(|e| ApiError::bad("InvalidJsonFormat", format!("the body is not JSON: {e}")))?;
        let given = body.get("Priority").ok_or_else(|| ApiError::bad("MissingPriority", "`Priority` is missing"))?;
        let number = given.as_i64().or_else(|| given.as_str().and_then(|text| text.trim().parse().ok()));
        let priority = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 1000);
        let priority = priority.ok_or_else(|| ApiError::bad("InvalidPriority", format!("`Priority` must be 0 to 1000, not {given}")))?;
        self.ask(Request::Priority(job.id, priority))?;
        Ok(self.record(caller, "SetPriority", id, Vec::new())?)
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
