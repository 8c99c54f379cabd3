//! Queries about jobs and resources, and the functions of [`Store`] that make them.

use std::collections::HashMap;

use batchyard_model::{Counts, JobId, JobState};

use super::{
    AuditFilter, AuditRecord, InstanceRecord, JobFilter, JobRecord, JobSummary, ResourceKind, ResourceRecord, TaskRecord,
    apply::{INSTANCE_COLUMNS, JOB_COLUMNS, RESOURCE_COLUMNS, TASK_COLUMNS},
};
use crate::{
    dialect::marks,
    error::StoreError,
    read::{KEYS, Read, Reader},
    sql::{Columns, Row, Values},
    store::Store,
};

impl Store {
    /// The job with its documents.
    ///
    /// # Errors
    /// What kept the database from answering; so for all functions here.
    pub fn load_job(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        self.read(async |reader| reader.job(id).await)
    }

    /// The job without its documents.
    ///
    /// # Errors
    /// As above.
    pub fn load_job_summary(&self, id: &JobId) -> Result<Option<JobSummary>, StoreError> {
        self.read(async |reader| reader.job_summary(id).await)
    }

    /// Jobs that meet the filter, in its order.
    ///
    /// # Errors
    /// As above.
    pub fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobSummary>, StoreError> {
        self.read(async |reader| reader.jobs(filter).await)
    }

    /// How many jobs of an account are in one of these states.
    ///
    /// # Errors
    /// As above.
    pub fn count_jobs(&self, owner: &str, states: &[JobState]) -> Result<u64, StoreError> {
        self.read(async |reader| reader.job_count(owner, states).await)
    }

    /// The tasks of each of these jobs, in their order.
    ///
    /// # Errors
    /// As above.
    pub fn list_tasks(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<TaskRecord>>, StoreError> {
        self.read(async |reader| reader.tasks(jobs).await)
    }

    /// Recorded instances of a task from a number on, by number, at most `limit`.
    ///
    /// # Errors
    /// As above.
    pub fn list_instances(&self, job: &JobId, task: &str, from: u32, limit: u32) -> Result<Vec<InstanceRecord>, StoreError> {
        self.read(async |reader| reader.instances(job, task, from, limit, None).await)
    }

    /// How many instances of a task are recorded, from a number on and before another one.
    ///
    /// # Errors
    /// As above.
    pub fn count_instances(&self, job: &JobId, task: &str, from: u32, before: u32) -> Result<u64, StoreError> {
        self.read(async |reader| reader.instance_count(job, task, from, before).await)
    }

    /// Recorded instances of a task in a state, from a number on.
    ///
    /// # Errors
    /// As above.
    pub fn list_instances_in(
        &self,
        job: &JobId,
        task: &str,
        state: JobState,
        from: u32,
        limit: u32,
    ) -> Result<Vec<InstanceRecord>, StoreError> {
        self.read(async |reader| reader.instances(job, task, from, limit, Some(state)).await)
    }

    /// The resource.
    ///
    /// # Errors
    /// As above.
    pub fn load_resource(&self, kind: ResourceKind, id: &str) -> Result<Option<ResourceRecord>, StoreError> {
        self.read(async |reader| reader.resource(kind, id).await)
    }

    /// Resources of a kind, of one owner where one is given, by id, beginning after an id, at most `limit`.
    ///
    /// # Errors
    /// As above.
    pub fn list_resources(
        &self,
        kind: ResourceKind,
        owner: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ResourceRecord>, StoreError> {
        self.read(async |reader| reader.resources(kind, owner, after, limit).await)
    }

    /// The newest changes that meet the filter, newest first.
    ///
    /// # Errors
    /// As above.
    pub fn list_audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        self.read(async |reader| reader.audit(filter).await)
    }
}

impl Reader<'_> {
    async fn job(&mut self, id: &JobId) -> Read<Option<JobRecord>> {
        let sql = format!("SELECT {JOB_COLUMNS}, spec, plan FROM jobs WHERE id = ?");
        let Some(row) = self.first(sql, Values::default().text(id.as_str()).take()).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        Ok(Some(JobRecord { summary: job_from(&mut columns)?, spec: columns.text()?, plan: columns.text()? }))
    }

    async fn job_summary(&mut self, id: &JobId) -> Read<Option<JobSummary>> {
        let sql = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?");
        let row = self.first(sql, Values::default().text(id.as_str()).take()).await?;
        row.map(|row| job_from(&mut Columns::of(&row))).transpose()
    }

    async fn jobs(&mut self, filter: &JobFilter) -> Read<Vec<JobSummary>> {
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut values = Values::default();
        if let Some(owner) = &filter.owner {
            conditions.push("owner = ?".into());
            values.text(owner);
        }
        if !filter.states.is_empty() {
            conditions.push(format!("state IN ({})", marks(filter.states.len())));
            filter.states.iter().for_each(|state| {
                values.text(state.name());
            });
        }
        if let Some(cluster) = &filter.cluster {
            conditions.push("id IN (SELECT job_id FROM job_tasks WHERE cluster = ?)".into());
            values.text(cluster);
        }
        if let Some(project) = &filter.project {
            conditions.push("project = ?".into());
            values.text(project);
        }
        let (order, beyond) = if filter.oldest_first { ("id", '>') } else { ("id DESC", '<') };
        if let Some(after) = &filter.after {
            conditions.push(format!("id {beyond} ?"));
            values.text(after.as_str());
        }
        let sql = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE {} ORDER BY {order} LIMIT ?", conditions.join(" AND "));
        values.integer(filter.limit);
        self.rows(sql, values).await?.iter().map(|row| job_from(&mut Columns::of(row))).collect()
    }

    async fn job_count(&mut self, owner: &str, states: &[JobState]) -> Read<u64> {
        let sql = format!("SELECT COUNT(*) FROM jobs WHERE owner = ? AND state IN ({})", marks(states.len()));
        let mut values = Values::default();
        values.text(owner);
        states.iter().for_each(|state| {
            values.text(state.name());
        });
        self.first(sql, values).await?.map_or(Ok(0), |row| Columns::of(&row).narrow())
    }

    async fn tasks(&mut self, jobs: &[JobId]) -> Read<HashMap<JobId, Vec<TaskRecord>>> {
        let mut found: HashMap<JobId, Vec<TaskRecord>> = HashMap::new();
        for chunk in jobs.chunks(KEYS) {
            let sql = format!("SELECT {TASK_COLUMNS} FROM job_tasks WHERE job_id IN ({}) ORDER BY job_id, position", marks(chunk.len()));
            let mut values = Values::default();
            chunk.iter().for_each(|job| {
                values.text(job.as_str());
            });
            for row in self.rows(sql, values).await? {
                let task = task_from(&row)?;
                found.entry(task.job.clone()).or_default().push(task);
            }
        }
        Ok(found)
    }

    async fn instance_count(&mut self, job: &JobId, task: &str, from: u32, before: u32) -> Read<u64> {
        let sql = "SELECT COUNT(*) FROM job_instances WHERE job_id = ? AND task = ? AND number >= ? AND number < ?".to_owned();
        let values = Values::default().text(job.as_str()).text(task).integer(from).integer(before).take();
        self.first(sql, values).await?.map_or(Ok(0), |row| Columns::of(&row).narrow())
    }

    async fn instances(&mut self, job: &JobId, task: &str, from: u32, limit: u32, state: Option<JobState>) -> Read<Vec<InstanceRecord>> {
        let mut sql = format!("SELECT {INSTANCE_COLUMNS} FROM job_instances WHERE job_id = ? AND task = ? AND number >= ?");
        let mut values = Values::default();
        values.text(job.as_str()).text(task).integer(from);
        if let Some(state) = state {
            sql += " AND state = ?";
            values.text(state.name());
        }
        sql += " ORDER BY number LIMIT ?";
        values.integer(limit);
        self.rows(sql, values).await?.iter().map(instance_from).collect()
    }

    async fn resource(&mut self, kind: ResourceKind, id: &str) -> Read<Option<ResourceRecord>> {
        let sql = format!("SELECT {RESOURCE_COLUMNS} FROM resources WHERE kind = ? AND id = ?");
        let row = self.first(sql, Values::default().text(kind.name()).text(id).take()).await?;
        row.map(|row| resource_from(&row)).transpose()
    }

    async fn resources(&mut self, kind: ResourceKind, owner: Option<&str>, after: &str, limit: u32) -> Read<Vec<ResourceRecord>> {
        let mut sql = format!("SELECT {RESOURCE_COLUMNS} FROM resources WHERE kind = ? AND id > ?");
        let mut values = Values::default();
        values.text(kind.name()).text(after);
        if let Some(owner) = owner {
            sql += " AND owner = ?";
            values.text(owner);
        }
        sql += " ORDER BY id LIMIT ?";
        values.integer(limit);
        self.rows(sql, values).await?.iter().map(resource_from).collect()
    }

    async fn audit(&mut self, filter: &AuditFilter) -> Read<Vec<AuditRecord>> {
        let mut sql = "SELECT id, at_ms, account, action, resource, detail FROM audit WHERE at_ms >= ?".to_owned();
        let mut values = Values::default();
        values.integer(filter.since_ms.unwrap_or(i64::MIN));
        for (column, wanted) in [("account", &filter.account), ("action", &filter.action)] {
            if let Some(text) = wanted {
                sql += &format!(" AND {column} = ?");
                values.text(text);
            }
        }
        sql += " ORDER BY id DESC LIMIT ?";
        values.integer(filter.limit);
        let read = |row: &Row| {
            let mut columns = Columns::of(row);
            let (id, at_ms, account) = (columns.text()?, columns.integer()?, columns.text()?);
            Ok(AuditRecord { id, at_ms, account, action: columns.text()?, resource: columns.text()?, detail: columns.text()? })
        };
        self.rows(sql, values).await?.iter().map(read).collect()
    }
}

fn job_from(columns: &mut Columns<'_>) -> Read<JobSummary> {
    Ok(JobSummary {
        id: columns.parsed()?,
        owner: columns.text()?,
        name: columns.text()?,
        state: columns.parsed()?,
        priority: columns.narrow()?,
        project: columns.optional_text()?,
        message: columns.text()?,
        created_ms: columns.integer()?,
        started_ms: columns.optional_integer()?,
        ended_ms: columns.optional_integer()?,
    })
}

fn task_from(row: &Row) -> Read<TaskRecord> {
    let mut columns = Columns::of(row);
    Ok(TaskRecord {
        job: columns.parsed()?,
        name: columns.text()?,
        position: columns.narrow()?,
        cluster: columns.text()?,
        state: columns.parsed()?,
        started_ms: columns.optional_integer()?,
        ended_ms: columns.optional_integer()?,
        counts: Counts {
            waiting: columns.narrow()?,
            running: columns.narrow()?,
            finished: columns.narrow()?,
            failed: columns.narrow()?,
            stopped: columns.narrow()?,
        },
    })
}

fn instance_from(row: &Row) -> Read<InstanceRecord> {
    let mut columns = Columns::of(row);
    Ok(InstanceRecord {
        job: columns.parsed()?,
        task: columns.text()?,
        number: columns.narrow()?,
        state: columns.parsed()?,
        started_ms: columns.optional_integer()?,
        ended_ms: columns.optional_integer()?,
        retries: columns.narrow()?,
        attempts: columns.narrow()?,
        node: columns.text()?,
        result: columns.text()?,
    })
}

fn resource_from(row: &Row) -> Read<ResourceRecord> {
    let mut columns = Columns::of(row);
    Ok(ResourceRecord {
        kind: columns.parsed()?,
        id: columns.text()?,
        owner: columns.text()?,
        name: columns.text()?,
        state: columns.text()?,
        version: columns.integer()?,
        created_ms: columns.integer()?,
        doc: columns.text()?,
    })
}
