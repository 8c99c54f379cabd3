//! How each change is carried out inside a transaction.
//!
//! Changes of different calls commute, so the calls, digests and blobs of a group are gathered and written with
//! many rows a statement; an attempt that starts and ends within one group is written once.

use std::collections::HashMap;
use std::mem;

use batchyard_model::{CallId, JobId, RunId, RunState};

use crate::batch::{InstanceRecord, TaskRecord};
use crate::dialect::{Dialect, marks, value_rows};
use crate::error::StoreError;
use crate::notice::PendingNotices;
use crate::record::{CallEnd, CallRecord, FileDigest, RunMove, RunRecord, Write};
use crate::row::{
    CALL_COLUMNS, CALL_KEY, CALL_VALUES, CALL_WIDTH, DIGEST_COLUMNS, DIGEST_VALUES, DIGEST_WIDTH, RUN_COLUMNS, RUN_WIDTH, bind_call_id,
    bind_digest, bind_run,
};
use crate::sql::{Columns, Db, Values, execute, fetch, fetch_first};

/// Rows a statement: few sizes, so that few statements are prepared.
const ROWS: [usize; 3] = [32, 8, 1];
/// Bytes a statement; servers refuse very large ones.
const STATEMENT_BYTES: usize = 1 << 20;

/// Why a change was not carried out.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The driver's word.
    Sql(sqlx::Error),
    /// Ours: a condition did not hold.
    Verdict(StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Fault::Sql(error)
    }
}

/// One transaction under way.
pub(crate) struct Group<'d, 'w> {
    pub(crate) db: Db<'d>,
    pub(crate) dialect: Dialect,
    /// A former commit of the same changes may have happened although its answer was lost.
    pub(crate) perhaps_done: bool,
    calls: HashMap<&'w CallId, PendingCall<'w>>,
    digests: HashMap<&'w str, &'w FileDigest>,
    blobs: HashMap<&'w str, &'w str>,
    pub(crate) tasks: HashMap<(&'w JobId, &'w str), &'w TaskRecord>,
    pub(crate) instances: HashMap<(&'w JobId, &'w str, u32), &'w InstanceRecord>,
    pub(crate) notices: PendingNotices<'w>,
}

/// A call to be written, with what happened to it since.
struct PendingCall<'w> {
    start: &'w CallRecord,
    end: Option<&'w CallEnd>,
    forgotten: bool,
}

impl PendingCall<'_> {
    fn weight(&self) -> usize {
        let end = self.end.map_or(self.start.end_doc.as_deref(), |end| Some(&end.end_doc));
        self.start.start_doc.len() + end.map_or(0, str::len)
    }

    fn bind(&self, values: &mut Values) {
        let PendingCall { start, end, forgotten } = self;
        bind_call_id(values, &start.id);
        values.text(&start.task).text(end.map_or(start.state, |end| end.state).name()).optional_integer(start.started_ms);
        values.optional_integer(end.map_or(start.ended_ms, |end| Some(end.at_ms)));
        values.optional_integer(end.map_or(start.exit_code, |end| end.exit_code)).integer(start.cached);
        values.optional_text(start.cache_key.as_deref());
        values.integer(end.map_or(start.reusable, |end| end.reusable) && !forgotten).text(&start.start_doc);
        values.optional_text(end.map_or(start.end_doc.as_deref(), |end| Some(&end.end_doc)));
    }
}

impl<'d, 'w> Group<'d, 'w> {
    pub(crate) fn new(db: Db<'d>, dialect: Dialect, perhaps_done: bool) -> Self {
        Group {
            db,
            dialect,
            perhaps_done,
            calls: HashMap::new(),
            digests: HashMap::new(),
            blobs: HashMap::new(),
            tasks: HashMap::new(),
            instances: HashMap::new(),
            notices: PendingNotices::default(),
        }
    }

    /// Carries out one change, or keeps it for [`Group::finish`].
    pub(crate) async fn apply(&mut self, write: &'w Write) -> Result<(), Fault> {
        match write {
            Write::InsertRun(run) => self.insert_run(run).await,
            Write::MoveRun(change) => self.move_run(change).await,
            Write::StartCall(call) => {
                self.calls.insert(&call.id, PendingCall { start: call, end: None, forgotten: false });
                Ok(())
            }
            Write::EndCall(end) => self.end_call(end).await,
            Write::PutDigest(file) => {
                self.digests.insert(&file.path_hash, file);
                Ok(())
            }
            Write::PutBlob { hash, content } => {
                self.blobs.entry(hash).or_insert(content);
                Ok(())
            }
            Write::ForgetCache { id } => self.forget_cache(id).await,
            Write::ForgetCacheOfRun(run) => {
                self.finish().await?;
                let sql = self.dialect.sql("UPDATE calls SET reusable = 0 WHERE run_id = ? AND reusable = 1");
                execute(&mut self.db, sql, Values::default().run(*run).take()).await?;
                Ok(())
            }
            Write::ForgetCacheBefore(at_ms) => {
                self.finish().await?;
                let sql = self.dialect.sql("UPDATE calls SET reusable = 0 WHERE ended_ms < ? AND reusable = 1");
                execute(&mut self.db, sql, Values::default().integer(*at_ms).take()).await?;
                Ok(())
            }
            Write::PutLabels { run, labels } => self.put_labels(*run, labels).await,
            Write::Batch(write) => self.apply_batch(write).await,
            Write::Server(write) => self.apply_server(write).await,
            Write::Notice(write) => self.apply_notice(write).await,
            Write::DeleteRun(run) => {
                self.finish().await?;
                self.delete_run(*run).await
            }
        }
    }

    /// Writes what was kept.
    pub(crate) async fn finish(&mut self) -> Result<(), Fault> {
        self.write_calls().await?;
        self.write_digests().await?;
        self.write_blobs().await?;
        self.finish_batch().await?;
        self.finish_notices().await
    }

    async fn write_calls(&mut self) -> Result<(), Fault> {
        let mut calls: Vec<PendingCall<'_>> = mem::take(&mut self.calls).into_values().collect();
        // The same order everywhere: writers that share a server do not lock each other out.
        calls.sort_unstable_by_key(|call| &call.start.id);
        let tail = self.dialect.or_replace(CALL_KEY, CALL_VALUES);
        for rows in statements_of(&calls, PendingCall::weight) {
            let sql = format!("INSERT INTO calls ({CALL_COLUMNS}) VALUES {}{tail}", value_rows(rows.len(), CALL_WIDTH));
            let mut values = Values::default();
            rows.iter().for_each(|call| call.bind(&mut values));
            let done = execute(&mut self.db, self.dialect.composed(sql), values).await;
            done.map_err(|error| without_run(error, rows))?;
        }
        Ok(())
    }

    async fn write_digests(&mut self) -> Result<(), Fault> {
        let mut files: Vec<&FileDigest> = mem::take(&mut self.digests).into_values().collect();
        files.sort_unstable_by_key(|file| &file.path_hash);
        let tail = self.dialect.or_replace("path_hash", DIGEST_VALUES);
        for rows in statements_of(&files, |file| file.path.len()) {
            let sql = format!("INSERT INTO file_digests ({DIGEST_COLUMNS}) VALUES {}{tail}", value_rows(rows.len(), DIGEST_WIDTH));
            let mut values = Values::default();
            rows.iter().for_each(|file| bind_digest(&mut values, file));
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        Ok(())
    }

    async fn write_blobs(&mut self) -> Result<(), Fault> {
        let mut blobs: Vec<(&str, &str)> = mem::take(&mut self.blobs).into_iter().collect();
        blobs.sort_unstable();
        let tail = self.dialect.or_keep("hash");
        for rows in statements_of(&blobs, |(_, content)| content.len()) {
            let sql = format!("INSERT INTO blobs (hash, content) VALUES {}{tail}", value_rows(rows.len(), 2));
            let mut values = Values::default();
            for (hash, content) in rows {
                values.text(*hash).text(*content);
            }
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        Ok(())
    }

    async fn insert_run(&mut self, run: &RunRecord) -> Result<(), Fault> {
        if self.perhaps_done && self.is_stored(run).await? {
            return Ok(());
        }
        let sql = format!("INSERT INTO runs ({RUN_COLUMNS}) VALUES {}", value_rows(1, RUN_WIDTH));
        let mut values = Values::default();
        bind_run(&mut values, run);
        match execute(&mut self.db, self.dialect.composed(sql), values).await {
            Ok(_) => Ok(()),
            Err(error) if error.as_database_error().is_some_and(|e| e.is_unique_violation()) => {
                Err(Fault::Verdict(StoreError::Exists { run: run.id }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether exactly this run is there.
    async fn is_stored(&mut self, run: &RunRecord) -> Result<bool, Fault> {
        let sql = self.dialect.sql("SELECT created_ms, dir, spec FROM runs WHERE id = ?");
        let Some(row) = fetch_first(&mut self.db, sql, Values::default().run(run.id).take()).await? else { return Ok(false) };
        let mut columns = Columns::of(&row);
        Ok(columns.integer()? == run.created_ms && columns.text()? == run.dir && columns.text()? == run.spec)
    }

    async fn move_run(&mut self, change: &RunMove) -> Result<(), Fault> {
        let mut sql = String::from("UPDATE runs SET state = ?");
        let mut values = Values::default();
        values.text(change.to.name());
        if change.to == RunState::Running {
            sql += ", started_ms = COALESCE(started_ms, ?)";
            values.integer(change.at_ms);
        }
        sql += ", ended_ms = ?";
        values.optional_integer(change.to.is_terminal().then_some(change.at_ms));
        if let Some(owner) = &change.owner {
            sql += ", owner = ?";
            values.optional_text(owner.as_deref());
        }
        let documents = [("result", &change.result), ("spec", &change.spec), ("name", &change.name), ("dir", &change.dir)];
        for (column, text) in documents {
            if let Some(text) = text {
                sql += &format!(", {column} = ?");
                values.text(text);
            }
        }
        sql += " WHERE id = ?";
        values.run(change.id);
        if !change.from.is_empty() {
            sql += &format!(" AND state IN ({})", marks(change.from.len()));
            change.from.iter().for_each(|state| {
                values.text(state.name());
            });
        }
        match &change.held_by {
            None => {}
            Some(None) => sql += " AND owner IS NULL",
            Some(Some(holder)) => {
                sql += " AND owner = ?";
                values.text(holder);
            }
        }
        if execute(&mut self.db, self.dialect.composed(sql), values).await? > 0 { Ok(()) } else { self.explain_no_move(change).await }
    }

    async fn explain_no_move(&mut self, change: &RunMove) -> Result<(), Fault> {
        let sql = self.dialect.sql("SELECT state, owner, ended_ms FROM runs WHERE id = ?");
        let Some(row) = fetch_first(&mut self.db, sql, Values::default().run(change.id).take()).await? else {
            return Err(Fault::Verdict(StoreError::UnknownRun { run: change.id }));
        };
        let mut columns = Columns::of(&row);
        let (state, owner, ended_ms): (RunState, _, _) = (columns.parsed()?, columns.optional_text()?, columns.optional_integer()?);
        let as_wished = state == change.to
            && change.owner.as_ref().is_none_or(|wished| *wished == owner)
            && ended_ms == change.to.is_terminal().then_some(change.at_ms);
        if self.perhaps_done && as_wished {
            return Ok(());
        }
        Err(Fault::Verdict(StoreError::Conflict { run: change.id, to: change.to, state, owner }))
    }

    async fn end_call(&mut self, end: &'w CallEnd) -> Result<(), Fault> {
        if let Some(pending) = self.calls.get_mut(&end.id) {
            pending.end = Some(end);
            pending.forgotten = false;
            return Ok(());
        }
        let sql = self.dialect.sql(
            "UPDATE calls SET state = ?, ended_ms = ?, exit_code = ?, reusable = ?, end_doc = ? \
             WHERE run_id = ? AND call_name = ? AND shard = ? AND attempt = ?",
        );
        let mut values = Values::default();
        values.text(end.state.name()).integer(end.at_ms).optional_integer(end.exit_code).integer(end.reusable).text(&end.end_doc);
        bind_call_id(&mut values, &end.id);
        match execute(&mut self.db, sql, values).await? {
            0 => Err(Fault::Verdict(StoreError::UnknownCall { call: end.id.clone() })),
            _ => Ok(()),
        }
    }

    async fn forget_cache(&mut self, id: &CallId) -> Result<(), Fault> {
        if let Some(pending) = self.calls.get_mut(id) {
            pending.forgotten = true;
            return Ok(());
        }
        let sql = self.dialect.sql("UPDATE calls SET reusable = 0 WHERE run_id = ? AND call_name = ? AND shard = ? AND attempt = ?");
        let mut values = Values::default();
        bind_call_id(&mut values, id);
        execute(&mut self.db, sql, values).await?;
        Ok(())
    }

    async fn put_labels(&mut self, run: RunId, labels: &[(String, String)]) -> Result<(), Fault> {
        let tail = self.dialect.or_replace("run_id, name", &["value"]);
        for rows in statements_of(labels, |(name, value)| name.len() + value.len()) {
            let sql = format!("INSERT INTO labels (run_id, name, value) VALUES {}{tail}", value_rows(rows.len(), 3));
            let mut values = Values::default();
            for (name, value) in rows {
                values.run(run).text(name).text(value);
            }
            match execute(&mut self.db, self.dialect.composed(sql), values).await {
                Err(error) if error.as_database_error().is_some_and(|e| e.is_foreign_key_violation()) => {
                    return Err(Fault::Verdict(StoreError::UnknownRun { run }));
                }
                done => done?,
            };
        }
        Ok(())
    }

    async fn delete_run(&mut self, run: RunId) -> Result<(), Fault> {
        let mut found = vec![run];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let sql = self.dialect.sql("SELECT id FROM runs WHERE parent_id = ?");
            for row in fetch(&mut self.db, sql, Values::default().run(parent).take()).await? {
                let child = Columns::of(&row).parsed()?;
                // A run cannot be its own ancestor, but a loop here would never end.
                if !found.contains(&child) {
                    found.push(child);
                }
            }
            next += 1;
        }
        for id in found.into_iter().rev() {
            for sql in ["DELETE FROM calls WHERE run_id = ?", "DELETE FROM labels WHERE run_id = ?", "DELETE FROM runs WHERE id = ?"] {
                execute(&mut self.db, self.dialect.sql(sql), Values::default().run(id).take()).await?;
            }
        }
        Ok(())
    }
}

/// A call of a run that is not there is the caller's fault; which run, is only known when all are of one.
fn without_run(error: sqlx::Error, rows: &[PendingCall<'_>]) -> Fault {
    match rows {
        [first, rest @ ..]
            if error.as_database_error().is_some_and(|e| e.is_foreign_key_violation())
                && rest.iter().all(|call| call.start.id.run == first.start.id.run) =>
        {
            Fault::Verdict(StoreError::UnknownRun { run: first.start.id.run })
        }
        _ => Fault::Sql(error),
    }
}

/// Cuts rows into statements of a few sizes, none of them heavy unless one row is.
pub(crate) fn statements_of<V>(rows: &[V], weight: impl Fn(&V) -> usize) -> Vec<&[V]> {
    let mut cut = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let mut bytes = 0;
        let light = rest.iter().take_while(|row| {
            bytes += weight(row);
            bytes <= STATEMENT_BYTES
        });
        let most = light.take(ROWS[0]).count();
        let size = ROWS.into_iter().find(|size| *size <= most).unwrap_or(1);
        let (head, tail) = rest.split_at(size);
        cut.push(head);
        rest = tail;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_few_sizes() {
        let sizes = |rows: &[usize]| statements_of(rows, |weight| *weight).iter().map(|cut| cut.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[1; 75]), [32, 32, 8, 1, 1, 1]);
        assert_eq!(sizes(&[]), [0usize; 0]);
        assert_eq!(sizes(&[STATEMENT_BYTES * 2, 1]), [1, 1]);
        assert_eq!(sizes(&[STATEMENT_BYTES / 8; 16]), [8, 8]);
    }
}
