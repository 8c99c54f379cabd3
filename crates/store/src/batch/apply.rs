//! How each change of jobs and resources is carried out inside a transaction.

use batchyard_model::{JobId, JobState};

use super::{AuditRecord, BatchWrite, InstanceRecord, JobMove, JobRecord, ResourceRecord, TaskRecord};
use crate::{
    apply::{Fault, Group, statements_of},
    dialect::{marks, value_rows},
    error::StoreError,
    sql::{Columns, Values, execute, fetch_first},
};

pub(super) const JOB_COLUMNS: &str = "id, owner, name, state, priority, project, message, created_ms, started_ms, ended_ms";
pub(super) const TASK_COLUMNS: &str =
    "job_id, name, position, cluster, state, started_ms, ended_ms, waiting, running, finished, failed, stopped";
const TASK_VALUES: &[&str] = &["state", "started_ms", "ended_ms", "waiting", "running", "finished", "failed", "stopped"];
pub(super) const INSTANCE_COLUMNS: &str = "job_id, task, number, state, started_ms, ended_ms, retries, attempts, node, result";
const INSTANCE_VALUES: &[&str] = &["state", "started_ms", "ended_ms", "retries", "attempts", "node", "result"];
pub(super) const RESOURCE_COLUMNS: &str = "kind, id, owner, name, state, version, created_ms, doc";

impl<'w> Group<'_, 'w> {
    pub(crate) async fn apply_batch(&mut self, write: &'w BatchWrite) -> Result<(), Fault> {
        match write {
            BatchWrite::InsertJob(job, tasks) => self.insert_job(job, tasks).await,
            BatchWrite::MoveJob(change) => self.move_job(change).await,
            BatchWrite::SetPriority { id, priority, from } => self.set_priority(id, *priority, from).await,
            BatchWrite::PutTask(task) => {
                self.tasks.insert((&task.job, &task.name), task);
                Ok(())
            }
            BatchWrite::PutInstance(instance) => {
                self.instances.insert((&instance.job, &instance.task, instance.number), instance);
                Ok(())
            }
            BatchWrite::DeleteJob { id, from } => self.delete_job(id, from).await,
            BatchWrite::InsertResource(resource) => self.insert_resource(resource).await,
            BatchWrite::UpdateResource(resource) => self.update_resource(resource).await,
            BatchWrite::DeleteResource(kind, id) => {
                let sql = self.dialect.sql("DELETE FROM resources WHERE kind = ? AND id = ?");
                execute(&mut self.db, sql, Values::default().text(kind.name()).text(id).take()).await?;
                Ok(())
            }
            BatchWrite::InsertAudit(audit) => self.insert_audit(audit).await,
            BatchWrite::InsertNotice(notice) => {
                self.insert_notice(notice);
                Ok(())
            }
            BatchWrite::ForgetAudit(before_ms) => {
                execute(&mut self.db, self.dialect.sql("DELETE FROM audit WHERE at_ms < ?"), Values::default().integer(*before_ms).take())
                    .await?;
                Ok(())
            }
            BatchWrite::ExpireResources(kind, before_ms) => {
                let sql = self.dialect.sql("DELETE FROM resources WHERE kind = ? AND created_ms < ?");
                execute(&mut self.db, sql, Values::default().text(kind.name()).integer(*before_ms).take()).await?;
                Ok(())
            }
        }
    }

    /// Writes the tasks and instances that were kept.
    pub(crate) async fn finish_batch(&mut self) -> Result<(), Fault> {
        let mut tasks: Vec<&TaskRecord> = std::mem::take(&mut self.tasks).into_values().collect();
        tasks.sort_unstable_by(|a, b| (&a.job, &a.name).cmp(&(&b.job, &b.name)));
        self.put_tasks(&tasks).await?;
        let mut instances: Vec<&InstanceRecord> = std::mem::take(&mut self.instances).into_values().collect();
        instances.sort_unstable_by(|a, b| (&a.job, &a.task, a.number).cmp(&(&b.job, &b.task, b.number)));
        let tail = self.dialect.or_replace("job_id, task, number", INSTANCE_VALUES);
        for rows in statements_of(&instances, |instance| instance.result.len()) {
            let sql = format!("INSERT INTO job_instances ({INSTANCE_COLUMNS}) VALUES {}{tail}", value_rows(rows.len(), 10));
            let mut values = Values::default();
            rows.iter().for_each(|instance| bind_instance(&mut values, instance));
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        Ok(())
    }

    async fn put_tasks(&mut self, tasks: &[&TaskRecord]) -> Result<(), Fault> {
        let tail = self.dialect.or_replace("job_id, name", TASK_VALUES);
        for rows in statements_of(tasks, |_| 0) {
            let sql = format!("INSERT INTO job_tasks ({TASK_COLUMNS}) VALUES {}{tail}", value_rows(rows.len(), 12));
            let mut values = Values::default();
            rows.iter().for_each(|task| bind_task(&mut values, task));
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        Ok(())
    }

    async fn insert_job(&mut self, job: &JobRecord, tasks: &[TaskRecord]) -> Result<(), Fault> {
        // Ids are made by chance, so the same one again is the same insertion again.
        let tail = self.dialect.or_keep("id");
        let sql = format!("INSERT INTO jobs ({JOB_COLUMNS}, spec, plan) VALUES {}{tail}", value_rows(1, 12));
        let mut values = Values::default();
        let summary = &job.summary;
        values.text(summary.id.as_str()).text(&summary.owner).text(&summary.name).text(summary.state.name()).integer(summary.priority);
        values.optional_text(summary.project.as_deref()).text(&summary.message).integer(summary.created_ms);
        values.optional_integer(summary.started_ms).optional_integer(summary.ended_ms).text(&job.spec).text(&job.plan);
        execute(&mut self.db, self.dialect.composed(sql), values).await?;
        let tasks: Vec<&TaskRecord> = tasks.iter().collect();
        self.put_tasks(&tasks).await
    }

    async fn move_job(&mut self, change: &JobMove) -> Result<(), Fault> {
        let mut sql = String::from("UPDATE jobs SET state = ?, message = ?, ended_ms = ?");
        let mut values = Values::default();
        values.text(change.to.name()).text(&change.message).optional_integer(change.to.is_terminal().then_some(change.at_ms));
        if change.to == JobState::Running {
            sql += ", started_ms = COALESCE(started_ms, ?)";
            values.integer(change.at_ms);
        }
        sql += &format!(" WHERE id = ? AND state IN ({})", marks(change.from.len()));
        values.text(change.id.as_str());
        bind_states(&mut values, &change.from);
        if execute(&mut self.db, self.dialect.composed(sql), values).await? > 0 {
            return Ok(());
        }
        self.explain(&change.id, Some(change.to)).await
    }

    async fn set_priority(&mut self, id: &JobId, priority: u32, from: &[JobState]) -> Result<(), Fault> {
        let sql = format!("UPDATE jobs SET priority = ? WHERE id = ? AND state IN ({})", marks(from.len()));
        let mut values = Values::default();
        values.integer(priority).text(id.as_str());
        bind_states(&mut values, from);
        if execute(&mut self.db, self.dialect.composed(sql), values).await? > 0 {
            return Ok(());
        }
        self.explain(id, None).await
    }

    async fn delete_job(&mut self, id: &JobId, from: &[JobState]) -> Result<(), Fault> {
        self.finish_batch().await?;
        let sql = format!("DELETE FROM jobs WHERE id = ? AND state IN ({})", marks(from.len()));
        let mut values = Values::default();
        values.text(id.as_str());
        bind_states(&mut values, from);
        if execute(&mut self.db, self.dialect.composed(sql), values).await? == 0 && !self.perhaps_done {
            return self.explain(id, None).await;
        }
        for sql in ["DELETE FROM job_tasks WHERE job_id = ?", "DELETE FROM job_instances WHERE job_id = ?"] {
            execute(&mut self.db, self.dialect.sql(sql), Values::default().text(id.as_str()).take()).await?;
        }
        Ok(())
    }

    /// Why a job was not changed; `wished` is a state that is good when the same change may have been made before.
    async fn explain(&mut self, id: &JobId, wished: Option<JobState>) -> Result<(), Fault> {
        let sql = self.dialect.sql("SELECT state FROM jobs WHERE id = ?");
        let row = fetch_first(&mut self.db, sql, Values::default().text(id.as_str()).take()).await?;
        let state: Option<JobState> = row.map(|row| Columns::of(&row).parsed()).transpose()?;
        match state {
            None => Err(Fault::Verdict(StoreError::Absent { what: "job", id: id.to_string() })),
            Some(state) if self.perhaps_done && wished == Some(state) => Ok(()),
            Some(state) => Err(Fault::Verdict(StoreError::Stale { what: "job", id: id.to_string(), state: state.name().into() })),
        }
    }

    async fn insert_resource(&mut self, resource: &ResourceRecord) -> Result<(), Fault> {
        let sql = format!("INSERT INTO resources ({RESOURCE_COLUMNS}) VALUES {}", value_rows(1, 8));
        let mut values = Values::default();
        values.text(resource.kind.name()).text(&resource.id).text(&resource.owner).text(&resource.name).text(&resource.state);
        values.integer(resource.version).integer(resource.created_ms).text(&resource.doc);
        match execute(&mut self.db, self.dialect.composed(sql), values).await {
            Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {
                if self.perhaps_done
                    && self.version_and_doc(resource).await?.is_some_and(|found| found == (resource.version, resource.doc.clone()))
                {
                    return Ok(());
                }
                Err(Fault::Verdict(StoreError::Taken { what: resource.kind.name(), id: resource.id.clone() }))
            }
            done => {
                done?;
                Ok(())
            }
        }
    }

    async fn update_resource(&mut self, resource: &ResourceRecord) -> Result<(), Fault> {
        let sql = "UPDATE resources SET name = ?, state = ?, version = ?, doc = ? WHERE kind = ? AND id = ? AND version = ?";
        let mut values = Values::default();
        values.text(&resource.name).text(&resource.state).integer(resource.version).text(&resource.doc);
        values.text(resource.kind.name()).text(&resource.id).integer(resource.version - 1);
        if execute(&mut self.db, self.dialect.sql(sql), values).await? > 0 {
            return Ok(());
        }
        let what = resource.kind.name();
        match self.version_and_doc(resource).await? {
            None => Err(Fault::Verdict(StoreError::Absent { what, id: resource.id.clone() })),
            Some((version, doc)) if self.perhaps_done && version == resource.version && doc == resource.doc => Ok(()),
            Some((version, _)) => {
                Err(Fault::Verdict(StoreError::Stale { what, id: resource.id.clone(), state: format!("at version {version}") }))
            }
        }
    }

    async fn version_and_doc(&mut self, resource: &ResourceRecord) -> Result<Option<(i64, String)>, Fault> {
        let sql = self.dialect.sql("SELECT version, doc FROM resources WHERE kind = ? AND id = ?");
        let values = Values::default().text(resource.kind.name()).text(&resource.id).take();
        let Some(row) = fetch_first(&mut self.db, sql, values).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        Ok(Some((columns.integer()?, columns.text()?)))
    }

    async fn insert_audit(&mut self, audit: &AuditRecord) -> Result<(), Fault> {
        let tail = self.dialect.or_keep("id");
        let sql = format!("INSERT INTO audit (id, at_ms, account, action, resource, detail) VALUES {}{tail}", value_rows(1, 6));
        let mut values = Values::default();
        values.text(&audit.id).integer(audit.at_ms).text(&audit.account).text(&audit.action).text(&audit.resource).text(&audit.detail);
        execute(&mut self.db, self.dialect.composed(sql), values).await?;
        Ok(())
    }
}

fn bind_states(values: &mut Values, states: &[JobState]) {
    for state in states {
        values.text(state.name());
    }
}

fn bind_task(values: &mut Values, task: &TaskRecord) {
    values.text(task.job.as_str()).text(&task.name).integer(task.position).text(&task.cluster).text(task.state.name());
    values.optional_integer(task.started_ms).optional_integer(task.ended_ms);
    let counts = &task.counts;
    for count in [counts.waiting, counts.running, counts.finished, counts.failed, counts.stopped] {
        values.integer(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

fn bind_instance(values: &mut Values, instance: &InstanceRecord) {
    values.text(instance.job.as_str()).text(&instance.task).integer(instance.number).text(instance.state.name());
    values.optional_integer(instance.started_ms).optional_integer(instance.ended_ms).integer(instance.retries).integer(instance.attempts);
    values.text(&instance.node).text(&instance.result);
}
