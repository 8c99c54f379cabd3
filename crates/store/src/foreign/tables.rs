//! Which of Cromwell's tables and columns there are, and how much in them is not among our runs.

use crate::dialect::Dialect;
use crate::read::{Read, Reader};
use crate::sql::{Columns, Db, Values, fetch_first};

pub(super) const WORKFLOWS: &str = "\"WORKFLOW_METADATA_SUMMARY_ENTRY\"";
pub(super) const ENTRY: &str = "\"WORKFLOW_METADATA_SUMMARY_ENTRY_ID\"";
const TABLES: [&str; 3] = ["METADATA_ENTRY", "WORKFLOW_METADATA_SUMMARY_ENTRY", "CUSTOM_LABEL_ENTRY"];
/// What became of the metadata; missing in tables of early releases, which archived nothing.
const ARCHIVE: &str = "METADATA_ARCHIVE_STATUS";
const DELETED: &str = "'ArchivedAndDeleted'";
/// States in which a workflow has ended.
const ENDED: &str = "'Succeeded', 'Failed', 'Aborted'";

/// Names in quotes as the engine quotes them; our texts have double quotes around nothing else.
pub(super) fn quoted(dialect: Dialect, sql: &str) -> String {
    match dialect {
        Dialect::MySql => sql.replace('"', "`"),
        Dialect::Sqlite | Dialect::Postgres => sql.to_owned(),
    }
}

/// How many things the server knows of by these names, in the place that its statements mean.
async fn count_named(db: &mut Db<'_>, dialect: Dialect, tables: &[&str], column: Option<&str>) -> Read<i64> {
    let names = |pattern: fn(&str) -> String| tables.iter().map(|name| pattern(name)).collect::<Vec<_>>().join(", ");
    let sql = match (dialect, column) {
        (Dialect::Postgres, column) => {
            // Wherever the search path leads, as for the statements that read them.
            let found = names(|name| format!("to_regclass('\"{name}\"')"));
            match column {
                None => format!("SELECT COUNT(*) FROM pg_class WHERE oid IN ({found})"),
                Some(column) => format!("SELECT COUNT(*) FROM pg_attribute WHERE attrelid IN ({found}) AND attname = '{column}'"),
            }
        }
        // Some servers of MySQL keep all names in small letters, and find them however they are written.
        (Dialect::MySql | Dialect::Sqlite, column) => {
            let from = if column.is_some() { "columns" } else { "tables" };
            let condition = column.map(|column| format!(" AND UPPER(column_name) = '{column}'")).unwrap_or_default();
            let found = names(|name| format!("'{name}'"));
            format!(
                "SELECT COUNT(*) FROM information_schema.{from} WHERE table_schema = DATABASE() AND UPPER(table_name) IN ({found}){condition}"
            )
        }
    };
    let row = fetch_first(db, dialect.composed(sql), Values::default()).await?;
    row.map_or(Ok(0), |row| Columns::of(&row).integer())
}

pub(super) async fn has_tables(db: &mut Db<'_>, dialect: Dialect) -> Read<bool> {
    Ok(count_named(db, dialect, &TABLES, None).await? == TABLES.len() as i64)
}

pub(super) async fn has_archive(db: &mut Db<'_>, dialect: Dialect) -> Read<bool> {
    Ok(count_named(db, dialect, &["WORKFLOW_METADATA_SUMMARY_ENTRY"], Some(ARCHIVE)).await? == 1)
}

/// The condition that the metadata of a workflow were deleted.
pub(super) fn deleted(has_archive: bool) -> String {
    if has_archive { format!("\"{ARCHIVE}\" = {DELETED}") } else { "1 = 0".to_owned() }
}

/// How many of the newest workflows have ended, still have their metadata, and are no runs; `None` without the tables.
pub(crate) async fn count_ended(reader: &mut Reader<'_>, newest: u32) -> Read<Option<u64>> {
    if !has_tables(&mut reader.db, reader.dialect).await? {
        return Ok(None);
    }
    let deleted = deleted(has_archive(&mut reader.db, reader.dialect).await?);
    let id = match reader.dialect {
        // Its tables may compare in another way than ours.
        Dialect::MySql => "CONVERT(w.id USING utf8mb4) COLLATE utf8mb4_bin",
        Dialect::Sqlite | Dialect::Postgres => "w.id",
    };
    let sql = format!(
        "SELECT COUNT(*) FROM (SELECT \"WORKFLOW_EXECUTION_UUID\" AS id, \"WORKFLOW_STATUS\" AS state, CASE WHEN {deleted} THEN 1 ELSE 0 END AS gone \
         FROM {WORKFLOWS} ORDER BY {ENTRY} DESC LIMIT ?) w \
         WHERE w.state IN ({ENDED}) AND w.gone = 0 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = {id})"
    );
    let row = reader.first(quoted(reader.dialect, &sql), Values::default().integer(newest).take()).await?;
    row.map_or(Ok(Some(0)), |row| Columns::of(&row).narrow().map(Some))
}
