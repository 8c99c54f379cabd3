//! Brings the schema up to what this program knows: numbered files, applied once, never edited later.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::connect::Connector;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::sql::{Columns, Db, Values, execute, fetch_first};

/// Version and text of every migration, in order.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_runs_and_calls.sql")),
    (2, include_str!("../migrations/0002_labels_and_roots.sql")),
    (3, include_str!("../migrations/0003_jobs_and_resources.sql")),
    (4, include_str!("../migrations/0004_servers.sql")),
    (5, include_str!("../migrations/0005_notices.sql")),
    (6, include_str!("../migrations/0006_fewer_indexes.sql")),
];

/// Any fixed number: programs that migrate the same PostgreSQL database exclude each other by it.
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7208114)";
const MYSQL_LOCK: &str = "SELECT GET_LOCK('batchyard_migrate', 60)";
const MYSQL_UNLOCK: &str = "SELECT RELEASE_LOCK('batchyard_migrate')";

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, applied_ms BIGINT NOT NULL)";

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, _)| *version)
}

/// Makes the schema what this program expects.
///
/// # Errors
/// [`StoreError::Newer`] when it is beyond that, otherwise what the engine said.
pub(crate) async fn migrate(connector: &Connector, db: &mut Db<'_>) -> Result<(), StoreError> {
    // The usual case costs one small query. A database without the table fails here and is migrated below.
    let mut version = present_version(connector.dialect, db).await.unwrap_or(0);
    if version < newest() {
        version = apply_missing(connector.dialect, db).await.map_err(|source| connector.describe(&source))?;
    }
    if version > newest() {
        return Err(StoreError::Newer { location: connector.location.to_string(), found: version, known: newest() });
    }
    Ok(())
}

async fn present_version(dialect: Dialect, db: &mut Db<'_>) -> Result<i64, sqlx::Error> {
    let row = fetch_first(db, dialect.sql("SELECT MAX(version) FROM schema_migrations"), Values::default()).await?;
    row.map_or(Ok(0), |row| Ok(Columns::of(&row).optional_integer()?.unwrap_or(0)))
}

/// Applies what is missing, alone among the programs that share the database; says the version reached.
async fn apply_missing(dialect: Dialect, db: &mut Db<'_>) -> Result<i64, sqlx::Error> {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            db.begin(dialect.begin()).await?;
            let reached = apply_alone(dialect, db).await;
            if reached.is_err() {
                // What went wrong before says more.
                let _ = db.rollback().await;
            }
            reached
        }
        // Its schema changes commit themselves, so a lock by name has to do.
        Dialect::MySql => {
            db.script(MYSQL_LOCK).await?;
            let reached = apply_in_order(dialect, db).await;
            db.script(MYSQL_UNLOCK).await?;
            reached
        }
    }
}

/// Inside a transaction, which it commits.
async fn apply_alone(dialect: Dialect, db: &mut Db<'_>) -> Result<i64, sqlx::Error> {
    if dialect == Dialect::Postgres {
        db.script(POSTGRES_LOCK).await?;
    }
    let version = apply_in_order(dialect, db).await?;
    db.commit().await?;
    Ok(version)
}

async fn apply_in_order(dialect: Dialect, db: &mut Db<'_>) -> Result<i64, sqlx::Error> {
    db.script(VERSION_TABLE).await?;
    let mut version = present_version(dialect, db).await?;
    for (number, text) in MIGRATIONS.iter().filter(|(number, _)| *number > version).copied().collect::<Vec<_>>() {
        for part in statements(&dialect.schema(text)) {
            let done = db.script(&part).await;
            if let Err(error) = done
                && !was_done_already(&error)
            {
                return Err(error);
            }
        }
        let insert = dialect.sql("INSERT INTO schema_migrations (version, applied_ms) VALUES (?, ?)");
        execute(db, insert, Values::default().integer(number).integer(now_ms()).take()).await?;
        version = number;
    }
    Ok(version)
}

/// The statements of a file, without comments.
fn statements(text: &str) -> Vec<String> {
    let plain: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    plain.join("\n").split(";\n").map(|statement| statement.trim().trim_end_matches(';').to_string()).filter(|s| !s.is_empty()).collect()
}

/// On MySQL a migration that was cut short begins again, and finds some of its tables, columns and indexes there or gone.
fn was_done_already(error: &sqlx::Error) -> bool {
    let number = error.as_database_error().and_then(|e| e.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()).map(|e| e.number());
    matches!(number, Some(1050 | 1060 | 1061 | 1091))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_in_order_and_end_their_statements() {
        let numbers: Vec<i64> = MIGRATIONS.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=newest()).collect::<Vec<_>>());
        let first = statements(MIGRATIONS[0].1);
        assert_eq!(first.len(), 9, "{first:#?}");
        assert!(first.iter().all(|s| s.starts_with("CREATE ") && !s.contains(';')), "{first:#?}");
    }
}
