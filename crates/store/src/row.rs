//! Columns of the tables, in the order they are written and read.

use batchyard_model::{CallId, Shard};

use crate::record::{CallRecord, CallSummary, FileDigest, RunRecord, RunSummary};
use crate::sql::{Columns, Row, Values};

/// Columns of a run that lists show, then its documents.
pub(crate) const SUMMARY_COLUMNS: &str = "id, parent_id, root_id, name, state, dir, created_ms, started_ms, ended_ms, owner";
pub(crate) const RUN_COLUMNS: &str = "id, parent_id, root_id, name, state, dir, created_ms, started_ms, ended_ms, owner, spec, result";
pub(crate) const RUN_WIDTH: usize = 12;

/// Key of a call, then the rest.
pub(crate) const CALL_KEY: &str = "run_id, call_name, shard, attempt";
pub(crate) const CALL_VALUES: &[&str] =
    &["task", "state", "started_ms", "ended_ms", "exit_code", "cached", "cache_key", "reusable", "start_doc", "end_doc"];
pub(crate) const CALL_COLUMNS: &str =
    "run_id, call_name, shard, attempt, task, state, started_ms, ended_ms, exit_code, cached, cache_key, reusable, start_doc, end_doc";
pub(crate) const CALL_SUMMARY_COLUMNS: &str = "run_id, call_name, shard, attempt, task, state, started_ms, ended_ms, exit_code, cached";
pub(crate) const CALL_WIDTH: usize = 14;

pub(crate) const DIGEST_VALUES: &[&str] = &["path", "size", "mtime_ns", "inode", "digest"];
pub(crate) const DIGEST_COLUMNS: &str = "path_hash, path, size, mtime_ns, inode, digest";
pub(crate) const DIGEST_WIDTH: usize = 6;

pub(crate) fn bind_run(values: &mut Values, run: &RunRecord) {
    values.run(run.id).optional_text(run.parent.map(|id| id.to_string()).as_deref());
    values.optional_text(run.root.map(|id| id.to_string()).as_deref());
    values.text(&run.name).text(run.state.name()).text(&run.dir);
    values.integer(run.created_ms).optional_integer(run.started_ms).optional_integer(run.ended_ms);
    values.optional_text(run.owner.as_deref()).text(&run.spec).optional_text(run.result.as_deref());
}

pub(crate) fn read_summary(row: &Row) -> Result<RunSummary, sqlx::Error> {
    summary_from(&mut Columns::of(row))
}

fn summary_from(columns: &mut Columns<'_>) -> Result<RunSummary, sqlx::Error> {
    let id = columns.parsed()?;
    Ok(RunSummary {
        id,
        parent: columns.optional_parsed()?,
        root: columns.optional_parsed()?,
        name: columns.text()?,
        state: columns.parsed()?,
        dir: columns.text()?,
        created_ms: columns.integer()?,
        started_ms: columns.optional_integer()?,
        ended_ms: columns.optional_integer()?,
        owner: columns.optional_text()?,
    })
}

pub(crate) fn read_run(row: &Row) -> Result<RunRecord, sqlx::Error> {
    let mut columns = Columns::of(row);
    let RunSummary { id, parent, root, name, state, dir, created_ms, started_ms, ended_ms, owner } = summary_from(&mut columns)?;
    let (spec, result) = (columns.text()?, columns.optional_text()?);
    Ok(RunRecord { id, parent, root, name, state, dir, created_ms, started_ms, ended_ms, owner, spec, result })
}

pub(crate) fn bind_call_id(values: &mut Values, id: &CallId) {
    values.run(id.run).text(&*id.call).text(id.shard.to_string()).integer(id.attempt);
}

pub(crate) fn read_call(row: &Row) -> Result<CallRecord, sqlx::Error> {
    let mut columns = Columns::of(row);
    let CallSummary { id, task, state, started_ms, ended_ms, exit_code, cached } = call_summary_from(&mut columns)?;
    Ok(CallRecord {
        id,
        task,
        state,
        started_ms,
        ended_ms,
        exit_code,
        cached,
        cache_key: columns.optional_text()?,
        reusable: columns.flag()?,
        start_doc: columns.text()?,
        end_doc: columns.optional_text()?,
    })
}

pub(crate) fn read_call_summary(row: &Row) -> Result<CallSummary, sqlx::Error> {
    call_summary_from(&mut Columns::of(row))
}

fn call_summary_from(columns: &mut Columns<'_>) -> Result<CallSummary, sqlx::Error> {
    let run = columns.parsed()?;
    let call = columns.text()?.into();
    let shard: Shard = columns.parsed()?;
    Ok(CallSummary {
        id: CallId { run, call, shard, attempt: columns.narrow()? },
        task: columns.text()?,
        state: columns.parsed()?,
        started_ms: columns.optional_integer()?,
        ended_ms: columns.optional_integer()?,
        exit_code: columns.optional_narrow()?,
        cached: columns.flag()?,
    })
}

pub(crate) fn bind_digest(values: &mut Values, file: &FileDigest) {
    values.text(&file.path_hash).text(&file.path).integer(file.size).integer(file.mtime_ns).integer(file.inode).text(&file.digest);
}

pub(crate) fn read_digest(row: &Row) -> Result<FileDigest, sqlx::Error> {
    let mut columns = Columns::of(row);
    Ok(FileDigest {
        path_hash: columns.text()?,
        path: columns.text()?,
        size: columns.integer()?,
        mtime_ns: columns.integer()?,
        inode: columns.integer()?,
        digest: columns.text()?,
    })
}
