//! A transaction that may take long, on a connection of its own: it is not held in memory, and nobody sees it before it is committed.

use tokio::runtime::Handle;

use crate::apply::{Fault, Group};
use crate::connect::{Connection, Connector};
use crate::error::StoreError;
use crate::record::Write;

/// Changes that happen together or not at all, handed over bit by bit. Dropping it undoes them; so does the death of the process.
///
/// With SQLite nobody else can write until it has ended.
pub struct Long {
    connector: Connector,
    runtime: Handle,
    db: Connection,
}

impl Long {
    pub(crate) fn begin(connector: Connector, runtime: Handle) -> Result<Long, StoreError> {
        let begun = wait(&runtime, async {
            let mut db = connector.writer().await?;
            db.db().begin(connector.dialect.begin()).await?;
            Ok(db)
        });
        match begun {
            Ok(db) => Ok(Long { connector, runtime, db }),
            Err(source) => Err(connector.describe(&source)),
        }
    }

    /// Carries out changes, after those handed over before.
    ///
    /// # Errors
    /// What the changes say, or what kept the database from storing them. There is no going on after that: drop it.
    pub fn write(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let dialect = self.connector.dialect;
        let applied = wait(&self.runtime, async {
            let mut group = Group::new(self.db.db(), dialect, false);
            for write in writes {
                group.apply(write).await?;
            }
            group.finish().await
        });
        applied.map_err(|fault| match fault {
            Fault::Sql(source) => self.connector.describe(&source),
            Fault::Verdict(error) => error,
        })
    }

    /// Makes the changes last.
    ///
    /// # Errors
    /// What kept the database from it. When the connection was lost meanwhile, nobody knows whether they do; the run that was written
    /// ([`crate::Store::load_run`]) tells.
    pub fn commit(self) -> Result<(), StoreError> {
        let Long { connector, runtime, mut db } = self;
        wait(&runtime, async { db.db().commit().await }).map_err(|source| connector.describe(&source))?;
        // What was committed is stored, however the connection ends.
        let _ = wait(&runtime, db.close());
        Ok(())
    }
}

/// Waits on the calling thread; timers and connections are the store's.
fn wait<V>(runtime: &Handle, done: impl Future<Output = V>) -> V {
    let _ours = runtime.enter();
    futures_executor::block_on(tokio::task::unconstrained(done))
}
