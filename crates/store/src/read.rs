//! Queries. Each is one statement, or pages of one, on a reading connection.

use std::collections::HashMap;

use batchyard_model::{CallId, CallState, RunId, RunState, Shard};

use crate::dialect::{Dialect, marks};
use crate::record::{CallRecord, CallSummary, FileDigest, Parentage, RunFilter, RunRecord, RunSummary};
use crate::row::{
    CALL_COLUMNS, CALL_SUMMARY_COLUMNS, DIGEST_COLUMNS, RUN_COLUMNS, SUMMARY_COLUMNS, bind_call_id, read_call, read_call_summary,
    read_digest, read_run, read_summary,
};
use crate::sql::{Columns, Db, Row, Values, fetch, fetch_first};

/// Keys a statement.
pub(crate) const KEYS: usize = 100;
/// Calls a page.
pub(crate) const PAGE: u32 = 200;
/// Runs found by a part of their id at most.
const MOST_FOUND: i64 = 20;

/// A reading connection and its language.
pub(crate) struct Reader<'d> {
    pub(crate) db: Db<'d>,
    pub(crate) dialect: Dialect,
}

pub(crate) type Read<V> = Result<V, sqlx::Error>;

impl Reader<'_> {
    pub(crate) async fn rows(&mut self, sql: String, values: Values) -> Read<Vec<Row>> {
        fetch(&mut self.db, self.dialect.composed(sql), values).await
    }

    pub(crate) async fn first(&mut self, sql: String, values: Values) -> Read<Option<Row>> {
        fetch_first(&mut self.db, self.dialect.composed(sql), values).await
    }

    pub(crate) async fn run(&mut self, id: RunId) -> Read<Option<RunRecord>> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?");
        self.first(sql, Values::default().run(id).take()).await?.map(|row| read_run(&row)).transpose()
    }

    pub(crate) async fn runs_like(&mut self, part: &str) -> Read<Vec<RunSummary>> {
        let Some((head, tail)) = id_patterns(part) else { return Ok(Vec::new()) };
        let sql = format!("SELECT {SUMMARY_COLUMNS} FROM runs WHERE id LIKE ? OR id LIKE ? ORDER BY created_ms DESC, id DESC LIMIT ?");
        let rows = self.rows(sql, Values::default().text(head).text(tail).integer(MOST_FOUND).take()).await?;
        rows.iter().map(read_summary).collect()
    }

    pub(crate) async fn runs(&mut self, filter: &RunFilter) -> Read<Vec<RunSummary>> {
        let (mut conditions, mut values) = conditions(filter);
        let (order, beyond) = if filter.oldest_first { ("created_ms, id", '>') } else { ("created_ms DESC, id DESC", '<') };
        if let Some((created_ms, id)) = filter.after {
            conditions += &format!(" AND (created_ms, id) {beyond} (?, ?)");
            values.integer(created_ms).run(id);
        }
        // What is sorted are keys of an index; only rows that are wanted are read.
        let sql = format!(
            "SELECT {SUMMARY_COLUMNS} FROM (SELECT id AS wanted FROM runs WHERE {conditions} ORDER BY {order} LIMIT ? OFFSET ?) page \
             JOIN runs ON runs.id = page.wanted ORDER BY {order}"
        );
        values.integer(filter.limit).integer(i64::try_from(filter.offset).unwrap_or(i64::MAX));
        self.rows(sql, values).await?.iter().map(read_summary).collect()
    }

    pub(crate) async fn run_count(&mut self, filter: &RunFilter) -> Read<u64> {
        let (conditions, values) = conditions(filter);
        let row = self.first(format!("SELECT COUNT(*) FROM runs WHERE {conditions}"), values).await?;
        row.map_or(Ok(0), |row| Columns::of(&row).narrow())
    }

    pub(crate) async fn run_states(&mut self) -> Read<Vec<(RunState, u64)>> {
        let sql = "SELECT state, COUNT(*) FROM runs WHERE parent_id IS NULL GROUP BY state".to_string();
        let read = |row: &Row| {
            let mut columns = Columns::of(row);
            Ok((columns.parsed()?, columns.narrow()?))
        };
        self.rows(sql, Values::default()).await?.iter().map(read).collect()
    }

    pub(crate) async fn labels(&mut self, runs: &[RunId]) -> Read<HashMap<RunId, Vec<(String, String)>>> {
        let mut found: HashMap<RunId, Vec<(String, String)>> = HashMap::new();
        for chunk in runs.chunks(KEYS) {
            let sql = format!("SELECT run_id, name, value FROM labels WHERE run_id IN ({}) ORDER BY run_id, name", marks(chunk.len()));
            let mut values = Values::default();
            chunk.iter().for_each(|run| {
                values.run(*run);
            });
            for row in self.rows(sql, values).await? {
                let mut columns = Columns::of(&row);
                let run = columns.parsed()?;
                found.entry(run).or_default().push((columns.text()?, columns.text()?));
            }
        }
        Ok(found)
    }

    pub(crate) async fn call_summaries(&mut self, run: RunId) -> Read<Vec<CallSummary>> {
        let sql = format!("SELECT {CALL_SUMMARY_COLUMNS} FROM calls WHERE run_id = ?");
        self.rows(sql, Values::default().run(run).take()).await?.iter().map(read_call_summary).collect()
    }

    /// Attempts of one call, in no order.
    pub(crate) async fn calls_of(&mut self, run: RunId, call: &str, shards: &[String]) -> Read<Vec<CallRecord>> {
        let mut found = Vec::new();
        for chunk in shards.chunks(KEYS) {
            let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE run_id = ? AND call_name = ? AND shard IN ({})", marks(chunk.len()));
            let mut values = Values::default();
            values.run(run).text(call);
            chunk.iter().for_each(|shard| {
                values.text(shard);
            });
            for row in self.rows(sql, values).await? {
                found.push(read_call(&row)?);
            }
        }
        Ok(found)
    }

    pub(crate) async fn child_runs(&mut self, parent: RunId) -> Read<Vec<RunSummary>> {
        let sql = format!("SELECT {SUMMARY_COLUMNS} FROM runs WHERE parent_id = ? ORDER BY created_ms, id");
        self.rows(sql, Values::default().run(parent).take()).await?.iter().map(read_summary).collect()
    }

    pub(crate) async fn call(&mut self, id: &CallId) -> Read<Option<CallRecord>> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE run_id = ? AND call_name = ? AND shard = ? AND attempt = ?");
        let mut values = Values::default();
        bind_call_id(&mut values, id);
        self.first(sql, values).await?.map(|row| read_call(&row)).transpose()
    }

    pub(crate) async fn latest_attempt(&mut self, run: RunId, call: &str, shard: &Shard) -> Read<Option<CallRecord>> {
        let sql =
            format!("SELECT {CALL_COLUMNS} FROM calls WHERE run_id = ? AND call_name = ? AND shard = ? ORDER BY attempt DESC LIMIT 1");
        let values = Values::default().run(run).text(call).text(shard.to_string()).take();
        self.first(sql, values).await?.map(|row| read_call(&row)).transpose()
    }

    /// The calls of a run that follow the given one, a page of them.
    pub(crate) async fn page_of_calls(&mut self, run: RunId, after: Option<&CallId>) -> Read<Vec<CallRecord>> {
        let mut sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE run_id = ?");
        let mut values = Values::default();
        values.run(run);
        if let Some(id) = after {
            sql += " AND (call_name, shard, attempt) > (?, ?, ?)";
            values.text(&*id.call).text(id.shard.to_string()).integer(id.attempt);
        }
        sql += " ORDER BY call_name, shard, attempt LIMIT ?";
        values.integer(PAGE);
        self.rows(sql, values).await?.iter().map(read_call).collect()
    }

    /// For each key the newest call whose result may be taken.
    pub(crate) async fn cached(&mut self, keys: &[String]) -> Read<Vec<Option<CallRecord>>> {
        let mut newest: HashMap<String, CallRecord> = HashMap::new();
        for chunk in keys.chunks(KEYS) {
            // The inner query walks only what is newer than the candidate, in the order of the index.
            let sql = format!(
                "SELECT {CALL_COLUMNS} FROM calls WHERE cache_key IN ({}) AND reusable = 1 AND state = ? AND NOT EXISTS \
                 (SELECT 1 FROM calls newer WHERE newer.cache_key = calls.cache_key AND newer.ended_ms > calls.ended_ms \
                 AND newer.reusable = 1 AND newer.state = ?)",
                marks(chunk.len())
            );
            let mut values = Values::default();
            chunk.iter().for_each(|key| {
                values.text(key);
            });
            values.text(CallState::Done.name()).text(CallState::Done.name());
            for row in self.rows(sql, values).await? {
                let call = read_call(&row)?;
                let Some(key) = call.cache_key.clone() else { continue };
                // Several may have ended in the same millisecond: always the same one of them.
                if newest.get(&key).is_none_or(|other| other.id < call.id) {
                    newest.insert(key, call);
                }
            }
        }
        Ok(keys.iter().map(|key| newest.get(key).cloned()).collect())
    }

    /// Calls of a key whose result may be taken, newest first.
    pub(crate) async fn cached_of(&mut self, key: &str, limit: u32) -> Read<Vec<CallRecord>> {
        let sql =
            format!("SELECT {CALL_COLUMNS} FROM calls WHERE cache_key = ? AND reusable = 1 AND state = ? ORDER BY ended_ms DESC LIMIT ?");
        let values = Values::default().text(key).text(CallState::Done.name()).integer(limit).take();
        self.rows(sql, values).await?.iter().map(read_call).collect()
    }

    pub(crate) async fn recent_calls(&mut self, task: &str, before_ms: Option<i64>, limit: u32) -> Read<Vec<CallRecord>> {
        let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE task = ? AND ended_ms < ? ORDER BY ended_ms DESC LIMIT ?");
        let values = Values::default().text(task).integer(before_ms.unwrap_or(i64::MAX)).integer(limit).take();
        self.rows(sql, values).await?.iter().map(read_call).collect()
    }

    pub(crate) async fn digests(&mut self, path_hashes: &[String]) -> Read<Vec<Option<FileDigest>>> {
        let mut found: HashMap<String, FileDigest> = HashMap::new();
        for chunk in path_hashes.chunks(KEYS) {
            let sql = format!("SELECT {DIGEST_COLUMNS} FROM file_digests WHERE path_hash IN ({})", marks(chunk.len()));
            let mut values = Values::default();
            chunk.iter().for_each(|hash| {
                values.text(hash);
            });
            for row in self.rows(sql, values).await? {
                let file = read_digest(&row)?;
                found.insert(file.path_hash.clone(), file);
            }
        }
        Ok(path_hashes.iter().map(|hash| found.get(hash).cloned()).collect())
    }

    pub(crate) async fn blob(&mut self, hash: &str) -> Read<Option<String>> {
        let row = self.first("SELECT content FROM blobs WHERE hash = ?".into(), Values::default().text(hash).take()).await?;
        row.map(|row| Columns::of(&row).text()).transpose()
    }

    pub(crate) async fn call_counts(&mut self, run: RunId) -> Read<Vec<(CallState, u64)>> {
        let sql = "SELECT state, COUNT(*) FROM calls WHERE run_id = ? GROUP BY state".to_string();
        let mut counts = Vec::new();
        for row in self.rows(sql, Values::default().run(run).take()).await? {
            let mut columns = Columns::of(&row);
            counts.push((columns.parsed()?, columns.narrow()?));
        }
        counts.sort_by_key(|(state, _)| CallState::ALL.iter().position(|s| s == state));
        Ok(counts)
    }
}

/// What a run must meet to be listed, and the values of it.
fn conditions(filter: &RunFilter) -> (String, Values) {
    let mut sql = String::from("1 = 1");
    let mut values = Values::default();
    let mut one_of = |column: &str, texts: Vec<String>| {
        if !texts.is_empty() {
            sql += &format!(" AND {column} IN ({})", marks(texts.len()));
            texts.into_iter().for_each(|text| {
                values.text(text);
            });
        }
    };
    one_of("state", filter.states.iter().map(|state| state.name().into()).collect());
    one_of("id", filter.ids.iter().map(ToString::to_string).collect());
    one_of("name", filter.names.clone());
    if filter.parent == Parentage::TopLevelOnly {
        sql += " AND parent_id IS NULL";
    }
    let moments =
        [("created_ms >=", filter.created_from_ms), ("started_ms >=", filter.started_from_ms), ("ended_ms <=", filter.ended_until_ms)];
    for (condition, moment) in moments {
        if let Some(moment) = moment {
            sql += &format!(" AND {condition} ?");
            values.integer(moment);
        }
    }
    // Few runs have a label; those who have it are found first.
    let labelled = "id IN (SELECT run_id FROM labels WHERE name = ? AND value = ?)";
    let mut with = |prefix: &str, joint: &str, labels: &[(String, String)]| {
        if !labels.is_empty() {
            sql += &format!(" AND {prefix}({})", vec![labelled; labels.len()].join(joint));
            for (name, value) in labels {
                values.text(name).text(value);
            }
        }
    };
    with("", " AND ", &filter.labels_all);
    with("", " OR ", &filter.labels_any);
    with("NOT ", " AND ", &filter.without_all);
    with("NOT ", " OR ", &filter.without_any);
    (sql, values)
}

/// LIKE patterns for the begin and the end of an id, from digits with or without hyphens; `None` when no id can match.
fn id_patterns(part: &str) -> Option<(String, String)> {
    let digits: String = part.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((format!("{}%", with_hyphens(&digits, 0)), format!("%{}", with_hyphens(&digits, 32 - digits.len()))))
}

/// Hyphens where an id has them, for digits that begin at a position of it.
fn with_hyphens(digits: &str, begin: usize) -> String {
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && matches!(begin + n, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_ids_become_patterns() {
        let patterns = |part| id_patterns(part).map(|(head, tail)| format!("{head} {tail}"));
        assert_eq!(patterns("0193A").as_deref(), Some("0193a% %0193a"));
        assert_eq!(patterns("0193a5b2-7c").as_deref(), Some("0193a5b2-7c% %0193a5b27c"));
        assert_eq!(patterns("7c0f1234567890abc").as_deref(), Some("7c0f1234-5678-90ab-c% %7-c0f1-234567890abc"));
        assert_eq!(patterns("%"), None);
        assert_eq!(patterns(""), None);
    }
}
