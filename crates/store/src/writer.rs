//! The one writer: while a commit runs the next writes gather, and all that gathered is committed as one group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::apply::{Fault, Group};
use crate::connect::{Connection, Connector, Readers};
use crate::error::{self, Kind, StoreError};
use crate::lease::{Lease, Moment, Standing};
use crate::queue::{Batch, Queue};
use crate::record::Write;
use crate::sql::Db;

/// Pause before the first new try; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Writer {
    connector: Connector,
    patience: Duration,
    lease: Arc<Lease>,
    /// Absent after the connection was lost.
    db: Option<Connection>,
}

/// How a try went that did not succeed.
enum Setback {
    /// Trying again may help. `perhaps_done` when the commit may have happened nevertheless.
    Passing { error: StoreError, lost: bool, perhaps_done: bool },
    /// Trying again will not help.
    Final(StoreError),
}

impl Writer {
    pub(crate) fn new(connector: Connector, patience: Duration, lease: Arc<Lease>, db: Connection) -> Self {
        Writer { connector, patience, lease, db: Some(db) }
    }

    /// Serves the queue until it is closed and empty, then closes all connections.
    pub(crate) async fn serve(mut self, queue: &Queue, readers: &Readers) {
        while let Some(batches) = queue.take().await {
            self.commit(batches).await;
        }
        readers.close().await;
        if let Some(db) = self.db.take() {
            // Everything acknowledged is stored already; a close that fails has nothing to lose.
            let _ = db.close().await;
        }
    }

    /// Commits the batches as one group and answers all. When one of them is at fault, each is committed by
    /// itself, so that only the guilty one fails.
    async fn commit(&mut self, batches: Vec<Batch>) {
        let writes: Vec<&Write> = batches.iter().flat_map(|batch| &batch.writes).collect();
        match self.persist(&writes).await {
            Ok(()) => batches.into_iter().for_each(|batch| batch.done.give(Ok(()))),
            Err(error) if batches.len() == 1 || error.is_temporary() => {
                batches.into_iter().for_each(|batch| batch.done.give(Err(error.clone())));
            }
            Err(_) => {
                for batch in batches {
                    let writes: Vec<&Write> = batch.writes.iter().collect();
                    let verdict = self.persist(&writes).await;
                    batch.done.give(verdict);
                }
            }
        }
    }

    /// Stores all of the writes or none, trying again for a while when the database does not answer.
    async fn persist(&mut self, writes: &[&Write]) -> Result<(), StoreError> {
        if writes.is_empty() && !self.lease.is_due() {
            return Ok(());
        }
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut perhaps_done = false;
        loop {
            match self.attempt(writes, perhaps_done).await {
                Ok(()) => return Ok(()),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Passing { error, lost, perhaps_done: unsure }) => {
                    perhaps_done |= unsure;
                    if lost && let Some(db) = self.db.take() {
                        // The connection is of no use; what it says about its end is of none either.
                        let _ = db.close_hard().await;
                    }
                    if begun.elapsed() + pause > self.patience {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// One transaction.
    async fn attempt(&mut self, writes: &[&Write], perhaps_done: bool) -> Result<(), Setback> {
        let dialect = self.connector.dialect;
        let db = match self.db.take() {
            Some(db) => self.db.insert(db),
            None => {
                let db = self.connector.writer().await.map_err(|source| setback(&self.connector, &source, false))?;
                self.db.insert(db)
            }
        };
        let (mut db, connector) = (db.db(), &self.connector);
        let heartbeat = match self.lease.standing() {
            Standing::Good => None,
            Standing::Due(server) => Some((server, Moment::now())),
            Standing::Lost => return Err(Setback::Final(StoreError::LeaseLost)),
        };
        if let ([only], None) = (writes, &heartbeat)
            && only.is_one_statement()
        {
            return alone(connector, db, only, perhaps_done).await;
        }
        db.begin(dialect.begin()).await.map_err(|source| setback(connector, &source, false))?;
        let mut group = Group::new(db, dialect, perhaps_done);
        let applied = async {
            // In the same transaction: if it is stored, nobody had fenced this server until then.
            if let Some((server, at)) = &heartbeat
                && !group.beat(server, at.epoch_ms()).await?
            {
                self.lease.lose();
                return Err(Fault::Verdict(StoreError::LeaseLost));
            }
            for write in writes {
                group.apply(write).await?;
            }
            group.finish().await
        };
        if let Err(fault) = applied.await {
            let undone = group.db.rollback().await;
            let setback = match (&fault, &undone) {
                (Fault::Sql(source), _) | (Fault::Verdict(_), Err(source)) => setback(connector, source, false),
                (Fault::Verdict(error), Ok(())) => Setback::Final(error.clone()),
            };
            self.forget_unless(undone.is_ok());
            return Err(setback);
        }
        if let Err(source) = group.db.commit().await {
            // A commit that was refused leaves the transaction open.
            let undone = group.db.rollback().await;
            let setback = setback(connector, &source, true);
            self.forget_unless(undone.is_ok());
            return Err(setback);
        }
        if let Some((_, at)) = heartbeat {
            self.lease.renewed(at);
        }
        Ok(())
    }

    /// A connection of which nobody knows whether it is inside of a transaction is not used any more: what is written by it next
    /// could be lost with that transaction, or store the half of it.
    fn forget_unless(&mut self, undone: bool) {
        if !undone {
            self.db = None;
        }
    }
}

/// One statement is a transaction by itself: a chain of tasks waits for one answer instead of three.
async fn alone(connector: &Connector, db: Db<'_>, write: &Write, perhaps_done: bool) -> Result<(), Setback> {
    let mut group = Group::new(db, connector.dialect, perhaps_done);
    let applied = async {
        group.apply(write).await?;
        group.finish().await
    };
    applied.await.map_err(|fault| match fault {
        Fault::Sql(source) => setback(connector, &source, true),
        Fault::Verdict(error) => Setback::Final(error),
    })
}

fn setback(connector: &Connector, source: &sqlx::Error, committing: bool) -> Setback {
    let error = connector.describe(source);
    match error::kind_of(source) {
        Kind::Busy => Setback::Passing { error, lost: false, perhaps_done: false },
        Kind::Lost => Setback::Passing { error, lost: true, perhaps_done: committing },
        Kind::Unusable(_) | Kind::Refused => Setback::Final(error),
    }
}
