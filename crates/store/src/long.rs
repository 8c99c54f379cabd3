//! Changes that take long to be made and yet happen together: they are not held in memory, nobody sees them before all are there,
//! and nobody has to wait for them meanwhile.

use std::sync::Arc;

use batchyard_model::RunId;
use tokio::runtime::Handle;

use crate::apply::{Fault, Group};
use crate::connect::{Connection, Connector};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::queue::{Batch, Queue, Ticket};
use crate::record::Write;
use crate::sql::Db;

/// With SQLite one writer keeps out all others. So the rows gather in tables of the connection's own, which hide those of the file
/// behind their names, and are copied when all are there.
const STAGE: &str = "PRAGMA temp_store = FILE; \
    CREATE TEMP TABLE runs AS SELECT * FROM main.runs LIMIT 0; CREATE UNIQUE INDEX temp.staged_runs ON runs (id); \
    CREATE TEMP TABLE calls AS SELECT * FROM main.calls LIMIT 0; \
    CREATE UNIQUE INDEX temp.staged_calls ON calls (run_id, call_name, shard, attempt); \
    CREATE TEMP TABLE labels AS SELECT * FROM main.labels LIMIT 0; CREATE UNIQUE INDEX temp.staged_labels ON labels (run_id, name)";
const CLEAR: &str = "DELETE FROM temp.labels; DELETE FROM temp.calls; DELETE FROM temp.runs";
/// What calls and labels belong to comes first.
const COPY: &str = "INSERT INTO main.runs SELECT * FROM temp.runs; INSERT INTO main.calls SELECT * FROM temp.calls; \
    INSERT INTO main.labels SELECT * FROM temp.labels";

/// A connection of its own for such changes, made when it is first needed.
pub struct Long {
    connector: Connector,
    runtime: Handle,
    queue: Arc<Queue>,
    db: Option<Connection>,
}

/// Changes under way, to which more may be added.
pub struct Part<'l> {
    long: &'l Long,
    db: &'l mut Connection,
    /// The last run among them.
    run: Option<RunId>,
}

impl Long {
    pub(crate) fn new(connector: Connector, runtime: Handle, queue: Arc<Queue>) -> Long {
        Long { connector, runtime, queue, db: None }
    }

    /// Makes changes: all that `make` hands over when it succeeds, none when it does not.
    ///
    /// # Errors
    /// What `make` says, or what kept the database from storing them: [`StoreError::Exists`] when a run of this id is there. When the
    /// connection was lost at the end, nobody knows whether they are stored; the run ([`crate::Store::load_run`]) tells.
    pub fn together<V, E: From<StoreError>>(&mut self, make: impl FnOnce(&mut Part<'_>) -> Result<V, E>) -> Result<V, E> {
        let mut db = self.begin()?;
        let mut part = Part { long: self, db: &mut db, run: None };
        let done = make(&mut part).and_then(|value| part.commit().map(|()| value).map_err(E::from));
        if done.is_ok() || self.undo(&mut db).is_ok() {
            // One that cannot undo it is given up, which undoes it as well.
            self.db = Some(db);
        }
        done
    }

    /// The connection, ready for changes; a new one where the last one was lost meanwhile.
    fn begin(&mut self) -> Result<Connection, StoreError> {
        if let Some(mut db) = self.db.take()
            && self.wait(begin(&mut db.db(), self.connector.dialect)).is_ok()
        {
            return Ok(db);
        }
        let begun = self.wait(async {
            let mut db = self.connector.writer().await?;
            if self.connector.dialect == Dialect::Sqlite {
                db.db().script(STAGE).await?;
            }
            begin(&mut db.db(), self.connector.dialect).await?;
            Ok(db)
        });
        begun.map_err(|source| self.connector.describe(&source))
    }

    fn undo(&self, db: &mut Connection) -> Result<(), sqlx::Error> {
        self.wait(async { db.db().rollback().await })
    }

    /// Waits on the calling thread; timers and connections are the store's.
    fn wait<V>(&self, done: impl Future<Output = V>) -> V {
        let _ours = self.runtime.enter();
        futures_executor::block_on(tokio::task::unconstrained(done))
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            // Nothing is under way on it.
            let _ = self.wait(db.close());
        }
    }
}

impl Part<'_> {
    /// Adds runs, their calls and labels. Texts ([`Write::PutBlob`]) are stored at once and stay: whoever stores the same one would
    /// have to wait for the end of all this otherwise.
    ///
    /// # Errors
    /// What the changes say, or what kept the database from storing them. There is no going on after that.
    pub fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        let (texts, rows): (Vec<Write>, Vec<Write>) = writes.into_iter().partition(|write| matches!(write, Write::PutBlob { .. }));
        if !texts.is_empty() {
            let (ticket, done) = Ticket::new();
            self.long.queue.push(Batch { writes: texts, done });
            ticket.wait()?;
        }
        if let Some(Write::InsertRun(run)) = rows.iter().rfind(|write| matches!(write, Write::InsertRun(_))) {
            self.run = Some(run.id);
        }
        let applied = self.long.wait(async {
            let mut group = Group::new(self.db.db(), self.long.connector.dialect, false);
            for write in &rows {
                group.apply(write).await?;
            }
            group.finish().await
        });
        applied.map_err(|fault| match fault {
            Fault::Sql(source) => self.long.connector.describe(&source),
            Fault::Verdict(error) => error,
        })
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.long.wait(commit(&mut self.db.db(), self.long.connector.dialect));
        done.map_err(|source| match (self.run, source.as_database_error()) {
            (Some(run), Some(error)) if error.is_unique_violation() => StoreError::Exists { run },
            _ => self.long.connector.describe(&source),
        })
    }
}

async fn begin(db: &mut Db<'_>, dialect: Dialect) -> Result<(), sqlx::Error> {
    match dialect {
        Dialect::Sqlite => {
            db.script(CLEAR).await?;
            // Without a lock on the file: only tables of the connection's own are written.
            db.begin("BEGIN").await
        }
        Dialect::MySql | Dialect::Postgres => db.begin(dialect.begin()).await,
    }
}

async fn commit(db: &mut Db<'_>, dialect: Dialect) -> Result<(), sqlx::Error> {
    if dialect == Dialect::Sqlite {
        db.commit().await?;
        db.begin(dialect.begin()).await?;
        db.script(COPY).await?;
    }
    db.commit().await
}
