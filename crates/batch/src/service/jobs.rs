//! Jobs: accepted, stopped, started again, removed. `planning` decides what is carried out of them, `look` shows them.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use batchyard_crash as crash;
use batchyard_model::{JobId, JobState};
use batchyard_store::{BatchWrite, JobRecord, JobSummary, StoreError};
use serde_json::{Value, json};

use super::{Service, may_change, noted, tokens::Token};
use crate::{
    accounts::Caller,
    engine::{Request, new_job, now_ms},
    error::ApiError,
    events::messages,
    instance::access::ADMIN,
    plan::{Call, Plan},
    time::iso,
    wire::{self, JobDescription, parse},
};

/// Requests that may wait for the end of their jobs at once.
const MAX_SYNCHRONOUS: usize = 16;
/// How long one waits at most.
const SYNCHRONOUS_LIMIT: Duration = Duration::from_secs(900);

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
        let mut plan = self.plan(caller, &description)?;
        plan.call = self.call(caller, body);
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
        let told = self.herald.of_new_job(&job);
        let messages = messages(&told);
        crash::place("job planned");
        let mut writes = vec![BatchWrite::InsertJob(Box::new(JobRecord { summary, spec, plan: text }), tasks)];
        writes.extend(token.writes(&id));
        writes.extend(told);
        match self.record(caller, "CreateJob", &id, writes) {
            // Somebody used the token at the same moment.
            Err(StoreError::Taken { what: "token", .. }) => {
                return Err(ApiError::new(409, "StateConflict", "The same request is under way."));
            }
            done => done?,
        }
        crash::place("job recorded");
        self.herald.recorded(messages);
        self.ask(Request::Submit(Box::new(job)))?;
        crash::place("job told");
        Ok(id)
    }

    /// The call that a job is, which only the server itself can say.
    fn call(&self, caller: &Caller, body: &[u8]) -> Option<Call> {
        let wire::Sent { on_behalf } = serde_json::from_slice(body).ok().filter(|_| caller.key == self.door)?;
        let wire::OnBehalf { account, folder } = on_behalf.filter(|call| !call.account.is_empty())?;
        let admin = account.strip_prefix(ADMIN);
        Some(Call { account: admin.unwrap_or(&account).to_owned(), admin: admin.is_some(), folder: folder.into() })
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

    /// Ends a job; when this returns it is stopped.
    ///
    /// # Errors
    /// There is no such job, or it has ended already.
    pub fn stop_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Stop(job.id, noted(caller, "StopJob", id)))
    }

    /// Goes on with a job that was stopped or failed.
    ///
    /// # Errors
    /// There is no such job, or it is in another state.
    pub fn start_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Start(job.id, noted(caller, "StartJob", id)))
    }

    /// Removes the record of a job that has ended.
    ///
    /// # Errors
    /// There is no such job, or it has not ended.
    pub fn delete_job(&self, caller: &Caller, id: &str) -> Result<(), ApiError> {
        may_change(caller)?;
        let job = self.own_job(caller, id)?;
        self.ask(Request::Delete(job.id, noted(caller, "DeleteJob", id)))
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
        let mut writes = vec![noted(caller, "SetPriority", id)];
        if priority != job.priority {
            writes.extend(self.of_priority(&job, priority)?);
        }
        self.ask(Request::Priority(job.id.clone(), priority, writes))
    }

    /// The message to those whom the job names that its priority is another.
    fn of_priority(&self, job: &JobSummary, priority: u32) -> Result<Option<BatchWrite>, ApiError> {
        let Some(record) = self.store.load_job(&job.id)? else { return Ok(None) };
        let plan: Plan = serde_json::from_str(&record.plan).map_err(|e| ApiError::internal(e.to_string()))?;
        Ok(self.herald.of_priority(job, &plan.topic, priority))
    }
}
