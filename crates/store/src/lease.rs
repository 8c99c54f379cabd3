//! The lease of a server: what lets it write, and what tells other servers of the database that it lives.
//!
//! A server has a row that counts its heartbeats. Others take a server for dead whose count has stood still for long enough by
//! their own clocks, and fence it ([`ServerWrite::Fence`]): from then on it can never count again. A server that may have been fenced
//! counts once more in the transaction of whatever it writes next, so that nothing of a fenced server is ever stored. While its
//! last heartbeat is fresh nobody can have fenced it, and its writes cost nothing more.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use batchyard_model::RunState;

use crate::{
    apply::{Fault, Group},
    dialect::{marks, value_rows},
    error::StoreError,
    read::Reader,
    sql::{Columns, Row, Values, execute, fetch, fetch_first},
};

/// A server of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRecord {
    /// Names its process, as in the owner of a run; at most 191 characters.
    pub id: String,
    /// What people call it, at most 191 characters.
    pub name: String,
    /// Counts its heartbeats.
    pub beat: i64,
    /// Whether others have fenced it.
    pub is_fenced: bool,
    /// When it was heard of last by its own clock, epoch milliseconds; for people.
    pub seen_ms: i64,
}

/// A change of what is known of servers.
#[derive(Clone, Debug)]
pub enum ServerWrite {
    /// A server begins, or begins anew.
    Register {
        /// Names its process.
        id: String,
        /// What people call it.
        name: String,
        /// When, epoch milliseconds.
        at_ms: i64,
    },
    /// A server that has not been heard of since this heartbeat is fenced; [`crate::StoreError::Stale`] when it has, or was already.
    Fence {
        /// Which.
        id: String,
        /// Its last known heartbeat.
        beat: i64,
    },
    /// A server is forgotten; does nothing when there is no such one.
    Forget(String),
}

/// What a server's own writes have to heed.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Held {
    server: String,
    span: Duration,
    /// When the last heartbeat that was stored was on its way.
    last: Moment,
    /// Whether the next write is to be a heartbeat in any case.
    is_due: bool,
    is_lost: bool,
}

/// A moment by both clocks: the one stands still while the machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

/// How the lease stands before a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody can have fenced this process, or it holds no lease at all.
    Good,
    /// A heartbeat of this server must be stored with the write.
    Due(String),
    /// Others have fenced this server.
    Lost,
}

impl Lease {
    /// This process holds the lease of a server from `since` on. A heartbeat is fresh for `span`, which must be shorter than
    /// the time after which others fence.
    pub(crate) fn hold(&self, server: &str, span: Duration, since: Moment) {
        *self.lock() = Some(Held { server: server.to_owned(), span, last: since, is_due: false, is_lost: false });
    }

    pub(crate) fn standing(&self) -> Standing {
        match &*self.lock() {
            None => Standing::Good,
            Some(held) if held.is_lost => Standing::Lost,
            Some(held) if held.is_due || held.last.elapsed() > held.span => Standing::Due(held.server.clone()),
            Some(_) => Standing::Good,
        }
    }

    /// Whether somebody asked for a heartbeat.
    pub(crate) fn is_due(&self) -> bool {
        self.lock().as_ref().is_some_and(|held| held.is_due)
    }

    /// The next write is to be a heartbeat.
    pub(crate) fn make_due(&self) {
        if let Some(held) = &mut *self.lock() {
            held.is_due = true;
        }
    }

    /// A heartbeat that was on its way at this moment is stored.
    pub(crate) fn renewed(&self, at: Moment) {
        if let Some(held) = &mut *self.lock() {
            (held.last, held.is_due) = (at, false);
        }
    }

    pub(crate) fn lose(&self) {
        if let Some(held) = &mut *self.lock() {
            held.is_lost = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // Every part is whole after each statement.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// By the wall clock, epoch milliseconds.
    pub(crate) fn epoch_ms(&self) -> i64 {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// The longer of what both clocks say: too long costs a heartbeat, too short could cost more.
    fn elapsed(&self) -> Duration {
        self.steady.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

impl Group<'_, '_> {
    pub(crate) async fn apply_server(&mut self, write: &ServerWrite) -> Result<(), Fault> {
        match write {
            ServerWrite::Register { id, name, at_ms } => {
                // Another process had the same name before, on a machine that was started again.
                execute(&mut self.db, self.dialect.sql("DELETE FROM servers WHERE id = ?"), Values::default().text(id).take()).await?;
                let sql = format!("INSERT INTO servers (id, name, beat, fenced, seen_ms) VALUES {}", value_rows(1, 5));
                let mut values = Values::default();
                values.text(id).text(name).integer(0).integer(0).integer(*at_ms);
                execute(&mut self.db, self.dialect.composed(sql), values).await?;
                Ok(())
            }
            ServerWrite::Fence { id, beat } => self.fence(id, *beat).await,
            ServerWrite::Forget(id) => {
                execute(&mut self.db, self.dialect.sql("DELETE FROM servers WHERE id = ?"), Values::default().text(id).take()).await?;
                Ok(())
            }
        }
    }

    /// Counts a heartbeat; false when others have fenced the server.
    pub(crate) async fn beat(&mut self, id: &str, at_ms: i64) -> Result<bool, Fault> {
        let sql = self.dialect.sql("UPDATE servers SET beat = beat + 1, seen_ms = ? WHERE id = ? AND fenced = 0");
        Ok(execute(&mut self.db, sql, Values::default().integer(at_ms).text(id).take()).await? > 0)
    }

    async fn fence(&mut self, id: &str, beat: i64) -> Result<(), Fault> {
        let sql = self.dialect.sql("UPDATE servers SET fenced = 1 WHERE id = ? AND beat = ? AND fenced = 0");
        if execute(&mut self.db, sql, Values::default().text(id).integer(beat).take()).await? > 0 {
            return Ok(());
        }
        let sql = self.dialect.sql("SELECT fenced FROM servers WHERE id = ?");
        let row = fetch_first(&mut self.db, sql, Values::default().text(id).take()).await?;
        let fenced: Option<i64> = row.map(|row| Columns::of(&row).integer()).transpose()?;
        let state = match fenced {
            None => return Err(Fault::Verdict(StoreError::Absent { what: "server", id: id.to_owned() })),
            Some(1) if self.perhaps_done => return Ok(()),
            Some(1) => "fenced already",
            Some(_) => "alive",
        };
        Err(Fault::Verdict(StoreError::Stale { what: "server", id: id.to_owned(), state: state.into() }))
    }
}

impl Reader<'_> {
    pub(crate) async fn servers(&mut self) -> Result<Vec<ServerRecord>, sqlx::Error> {
        let sql = self.dialect.sql("SELECT id, name, beat, fenced, seen_ms FROM servers ORDER BY id");
        let read = |row: &Row| {
            let mut columns = Columns::of(row);
            Ok(ServerRecord {
                id: columns.text()?,
                name: columns.text()?,
                beat: columns.integer()?,
                is_fenced: columns.integer()? != 0,
                seen_ms: columns.integer()?,
            })
        };
        fetch(&mut self.db, sql, Values::default()).await?.iter().map(read).collect()
    }

    pub(crate) async fn active_owners(&mut self) -> Result<Vec<Option<String>>, sqlx::Error> {
        let states = [RunState::Submitted, RunState::Running, RunState::Aborting];
        let sql = format!("SELECT DISTINCT owner FROM runs WHERE parent_id IS NULL AND state IN ({})", marks(states.len()));
        let mut values = Values::default();
        for state in states {
            values.text(state.name());
        }
        let rows = fetch(&mut self.db, self.dialect.composed(sql), values).await?;
        rows.iter().map(|row| Columns::of(row).optional_text()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_goes_from_good_to_due_to_lost() {
        let lease = Lease::default();
        assert_eq!(lease.standing(), Standing::Good, "who holds none may write");
        lease.hold("a", Duration::from_secs(60), Moment::now());
        assert_eq!(lease.standing(), Standing::Good);
        lease.make_due();
        assert_eq!(lease.standing(), Standing::Due("a".into()));
        lease.renewed(Moment::now());
        assert_eq!(lease.standing(), Standing::Good);
        // The machine slept, or the process was stopped.
        lease.renewed(Moment { steady: Instant::now(), wall: SystemTime::now() - Duration::from_secs(61) });
        assert_eq!(lease.standing(), Standing::Due("a".into()));
        lease.lose();
        lease.renewed(Moment::now());
        assert_eq!(lease.standing(), Standing::Lost, "for good");
    }
}
