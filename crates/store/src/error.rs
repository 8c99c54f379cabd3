//! What can go wrong, and whose fault it is.

use batchyard_model::{CallId, RunId, RunState};
use sqlx::error::DatabaseError;

use crate::connect::Location;

/// Why the state could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened, read or written as it is: missing rights, full disk, damaged file.
    #[error("cannot use the database `{location}`: {reason}")]
    Unusable {
        /// Path, or URL without its password.
        location: String,
        /// What the engine said.
        reason: String,
        /// What would mend it.
        hint: Option<&'static str>,
    },
    /// The database was made by a newer program.
    #[error("the state database `{location}` has schema {found}, this program knows schemas up to {known}")]
    Newer {
        /// Path, or URL without its password.
        location: String,
        /// Schema of the database.
        found: i64,
        /// Newest schema of this program.
        known: i64,
    },
    /// The database could not be reached for as long as we were willing to wait. Nothing was stored.
    #[error("the database `{location}` does not answer: {reason}")]
    Unavailable {
        /// Path, or URL without its password.
        location: String,
        /// What was seen last.
        reason: String,
    },
    /// A run with this id is there already.
    #[error("run `{run}` exists already")]
    Exists {
        /// The id.
        run: RunId,
    },
    /// There is no such run.
    #[error("there is no run `{run}`")]
    UnknownRun {
        /// The id.
        run: RunId,
    },
    /// There is no such attempt.
    #[error("there is no call `{call}` in run `{}`", call.run)]
    UnknownCall {
        /// The id.
        call: CallId,
    },
    /// The run is not as the change expected it: somebody else was faster.
    #[error("run `{run}` cannot become {to}: it is {state}{}", owner.as_ref().map_or(String::new(), |owner| format!(" and held by `{owner}`")))]
    Conflict {
        /// The run.
        run: RunId,
        /// The state asked for.
        to: RunState,
        /// The state it is in.
        state: RunState,
        /// Who holds it.
        owner: Option<String>,
    },
    /// There is no such thing.
    #[error("there is no {what} `{id}`")]
    Absent {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The thing is not as the change expected it: somebody else was faster.
    #[error("{what} `{id}` is {state}")]
    Stale {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
        /// The state it is in.
        state: String,
    },
    /// A thing with this id is there already.
    #[error("{what} `{id}` exists already")]
    Taken {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The engine refused the statement or returned something unexpected; a fault of ours, or of the data.
    #[error("the database `{location}` refused: {reason}")]
    Refused {
        /// Path, or URL without its password.
        location: String,
        /// What it said.
        reason: String,
    },
    /// Others have taken over what this process worked on: nothing that it writes is stored any more.
    #[error("another server has taken over the work of this one: nothing more is stored")]
    LeaseLost,
    /// The store was closed.
    #[error("the state database is closed")]
    Closed,
}

impl StoreError {
    /// What would mend it, in a sentence of its own.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StoreError::Unusable { hint, .. } => *hint,
            StoreError::Newer { .. } => Some("use the newer program, or another state database"),
            StoreError::Unavailable { .. } => Some("check that the database runs and that no other program holds a lock on it"),
            StoreError::Exists { .. }
            | StoreError::UnknownRun { .. }
            | StoreError::UnknownCall { .. }
            | StoreError::Conflict { .. }
            | StoreError::Absent { .. }
            | StoreError::Stale { .. }
            | StoreError::Taken { .. }
            | StoreError::Refused { .. }
            | StoreError::LeaseLost
            | StoreError::Closed => None,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }
}

/// What an error of the driver means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The same statement may succeed on the same connection: a lock, a deadlock.
    Busy,
    /// The connection is gone; a new one may work. What a commit under way did is unknown.
    Lost,
    /// The database cannot be used as it is.
    Unusable(Option<&'static str>),
    /// The statement is at fault.
    Refused,
}

pub(crate) fn kind_of(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(inner) => kind_in_database(inner.as_ref()),
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => Kind::Lost,
        sqlx::Error::Configuration(_) => Kind::Unusable(Some("give a path, or a URL like `postgres://user:password@host/database`")),
        sqlx::Error::Tls(_) => Kind::Unusable(None),
        _ => Kind::Refused,
    }
}

/// Whether trying again, perhaps on a new connection, may help.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    matches!(kind_of(error), Kind::Busy | Kind::Lost)
}

fn kind_in_database(error: &dyn DatabaseError) -> Kind {
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return kind_in_mysql(mysql.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() { kind_in_postgres(&code) } else { kind_in_sqlite(&code) }
}

/// SQLite's result codes; the lowest byte is the primary one.
fn kind_in_sqlite(code: &str) -> Kind {
    match code.parse::<i32>().unwrap_or(1) & 0xff {
        5 | 6 => Kind::Busy,
        3 | 8 | 23 => Kind::Unusable(Some("give write access to the file and to the folder it is in, or choose another place for it")),
        10 => Kind::Unusable(Some("check the disk and the file system; a state database needs a local one")),
        11 | 26 => Kind::Unusable(Some("the file is damaged or no SQLite database: restore it from a copy, or move it away to begin anew")),
        13 => Kind::Unusable(Some("the disk is full: make room and try again")),
        14 => Kind::Unusable(Some("check that the folder exists and may be written to")),
        _ => Kind::Refused,
    }
}

/// MySQL's and MariaDB's error numbers.
fn kind_in_mysql(number: u16) -> Kind {
    match number {
        // Lock wait timeout, deadlock, changed record.
        1205 | 1213 | 1020 => Kind::Busy,
        // Too many connections, shutdown, killed, server gone.
        1040 | 1053 | 1077 | 1152 | 1158..=1161 | 1317 | 1927 | 2006 | 2013 => Kind::Lost,
        1044 | 1045 | 1142 | 1698 => Kind::Unusable(Some("check user, password and the rights of the user on the database")),
        1049 => Kind::Unusable(Some("create the database first")),
        1021 | 1114 => Kind::Unusable(Some("the disk of the database server is full")),
        1290 | 1836 => Kind::Unusable(Some("the database server only allows reading")),
        _ => Kind::Refused,
    }
}

/// PostgreSQL's SQLSTATE.
fn kind_in_postgres(code: &str) -> Kind {
    match code {
        "40001" | "40P01" | "55P03" => Kind::Busy,
        "53300" | "57P01" | "57P02" | "57P03" => Kind::Lost,
        "28000" | "28P01" | "42501" => Kind::Unusable(Some("check user, password and the rights of the user on the database")),
        "3D000" => Kind::Unusable(Some("create the database first")),
        "53100" => Kind::Unusable(Some("the disk of the database server is full")),
        "25006" => Kind::Unusable(Some("the database server only allows reading")),
        _ if code.starts_with("08") => Kind::Lost,
        _ => Kind::Refused,
    }
}

/// The driver's error in our words.
pub(crate) fn describe(location: &Location, error: &sqlx::Error) -> StoreError {
    let (location, reason) = (location.to_string(), plain_reason(error));
    match kind_of(error) {
        Kind::Busy | Kind::Lost => StoreError::Unavailable { location, reason },
        Kind::Unusable(hint) => StoreError::Unusable { location, reason, hint },
        Kind::Refused => StoreError::Refused { location, reason },
    }
}

/// The innermost text, without the driver's prefixes.
fn plain_reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(inner) => inner.message().to_string(),
        sqlx::Error::Io(inner) => inner.to_string(),
        other => other.to_string(),
    }
}
