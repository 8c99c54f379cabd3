//! SQLite, on the thread that asks: a statement is no way to another thread and back.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OpenFlags};
use sqlx::error::{DatabaseError, ErrorKind};

use crate::sql::{Row, Value};

/// Statements that stay prepared.
const STATEMENTS: usize = 100;
/// `SQLITE_CONSTRAINT_FOREIGNKEY`, `..._PRIMARYKEY`, `..._UNIQUE` of SQLite's extended result codes.
const FOREIGN_KEY: i32 = 787;
const KEYS: [i32; 2] = [1555, 2067];

/// Opens the file, makes it when it is missing, and runs `settings`.
pub(crate) fn open(path: &Path, settings: &str) -> Result<Connection, sqlx::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(fault)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    script(&db, settings)?;
    Ok(db)
}

/// Runs statements without values; what they answer is dropped.
pub(crate) fn script(db: &Connection, text: &str) -> Result<(), sqlx::Error> {
    db.execute_batch(text).map_err(fault)
}

/// Runs a statement and says how many rows it changed.
pub(crate) fn execute(db: &Connection, sql: &str, values: &[Value]) -> Result<u64, sqlx::Error> {
    let mut statement = bound(db, sql, values)?;
    let changed = statement.raw_execute().map_err(fault)?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// The first `most` rows of a query.
pub(crate) fn fetch(db: &Connection, sql: &str, values: &[Value], most: usize) -> Result<Vec<Row>, sqlx::Error> {
    let mut statement = bound(db, sql, values)?;
    let width = statement.column_count();
    let mut answer = statement.raw_query();
    let mut rows = Vec::new();
    while rows.len() < most
        && let Some(row) = answer.next().map_err(fault)?
    {
        let cells = (0..width).map(|column| cell(row.get_ref(column).map_err(fault)?, column)).collect::<Result<_, _>>()?;
        rows.push(Row::Sqlite(cells));
    }
    Ok(rows)
}

fn bound<'d>(db: &'d Connection, sql: &str, values: &[Value]) -> Result<CachedStatement<'d>, sqlx::Error> {
    let mut statement = db.prepare_cached(sql).map_err(fault)?;
    for (index, value) in values.iter().enumerate() {
        let done = match value {
            Value::Text(text) => statement.raw_bind_parameter(index + 1, text.as_deref()),
            Value::Integer(number) => statement.raw_bind_parameter(index + 1, number),
        };
        done.map_err(fault)?;
    }
    Ok(statement)
}

fn cell(value: ValueRef<'_>, column: usize) -> Result<Value, sqlx::Error> {
    match value {
        ValueRef::Null => Ok(Value::Text(None)),
        ValueRef::Integer(number) => Ok(Value::Integer(Some(number))),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(Some(text.to_owned()))),
            Err(source) => Err(sqlx::Error::Decode(Box::new(source))),
        },
        ValueRef::Real(_) | ValueRef::Blob(_) => {
            Err(sqlx::Error::Decode(format!("column {column} of the answer holds neither text nor integer").into()))
        }
    }
}

/// What SQLite said, in the shape of what servers say.
#[derive(Debug)]
struct Fault {
    /// The extended result code.
    code: i32,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {}

impl DatabaseError for Fault {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            FOREIGN_KEY => ErrorKind::ForeignKeyViolation,
            code if KEYS.contains(&code) => ErrorKind::UniqueViolation,
            _ => ErrorKind::Other,
        }
    }
}

fn fault(error: rusqlite::Error) -> sqlx::Error {
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(inner, message) => (inner.extended_code, message.unwrap_or_else(|| inner.to_string())),
        rusqlite::Error::SqlInputError { error: inner, msg, .. } => (inner.extended_code, msg),
        other => return sqlx::Error::Decode(Box::new(other)),
    };
    sqlx::Error::Database(Box::new(Fault { code, message }))
}

/// Connections that read. None is opened before it is needed.
pub(crate) struct Readers {
    most: usize,
    patience: Duration,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    in_use: usize,
    closed: bool,
}

/// A connection in use. It is closed when it is dropped, unless it is given back.
pub(crate) struct Lent<'r> {
    pub(crate) db: Connection,
    seat: Seat<'r>,
}

/// The right to use one of the connections.
struct Seat<'r>(&'r Readers);

impl Readers {
    /// At most `most` connections; who waits for one longer than `patience` gets none.
    pub(crate) fn new(most: usize, patience: Duration) -> Self {
        Readers { most, patience, state: Mutex::default(), given_back: Condvar::new() }
    }

    /// A connection, by `open` if there is none that is free and another one may be made. Waits on the calling thread.
    pub(crate) fn lend(&self, open: impl FnOnce() -> Result<Connection, sqlx::Error>) -> Result<Lent<'_>, sqlx::Error> {
        let begun = Instant::now();
        let mut state = self.lock();
        while !state.closed && state.idle.is_empty() && state.in_use >= self.most {
            let Some(left) = self.patience.checked_sub(begun.elapsed()) else { return Err(sqlx::Error::PoolTimedOut) };
            state = self.given_back.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed {
            return Err(sqlx::Error::PoolClosed);
        }
        state.in_use += 1;
        let (seat, free) = (Seat(self), state.idle.pop());
        drop(state);
        Ok(Lent { db: free.map_or_else(open, Ok)?, seat })
    }

    /// Closes all that are free, and the others once they are given back.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.idle.clear();
        drop(state);
        self.given_back.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is done under the lock that could leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Keeps the connection for those who come next.
    pub(crate) fn give_back(self) {
        let Lent { db, seat } = self;
        let mut state = seat.0.lock();
        if !state.closed {
            state.idle.push(db);
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.lock().in_use -= 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        script(&db, "PRAGMA foreign_keys = ON; CREATE TABLE a (id TEXT PRIMARY KEY, n BIGINT); CREATE TABLE b (a TEXT REFERENCES a (id))")
            .unwrap();
        db
    }

    #[test]
    fn values_come_back_as_they_were() {
        let db = fresh();
        let text = |text: &str| Value::Text(Some(text.into()));
        let insert = |id: &str, n: Option<i64>| execute(&db, "INSERT INTO a (id, n) VALUES (?, ?)", &[text(id), Value::Integer(n)]);
        assert_eq!(insert("é\u{0}'", Some(i64::MIN)).unwrap(), 1);
        assert_eq!(insert("none", None).unwrap(), 1);
        let rows = fetch(&db, "SELECT id, n FROM a ORDER BY n DESC", &[], usize::MAX).unwrap();
        let Row::Sqlite(first) = &rows[0] else { panic!("whose row is this?") };
        assert_eq!(*first, [text("é\u{0}'"), Value::Integer(Some(i64::MIN))]);
        let Row::Sqlite(second) = &rows[1] else { panic!("whose row is this?") };
        assert_eq!(*second, [text("none"), Value::Text(None)]);
        assert_eq!(fetch(&db, "SELECT id FROM a", &[], 1).unwrap().len(), 1);
    }

    #[test]
    fn violations_are_told_apart() {
        let db = fresh();
        let kind = |sql: &str| match execute(&db, sql, &[]) {
            Err(sqlx::Error::Database(error)) => error.kind(),
            other => panic!("{other:?}"),
        };
        execute(&db, "INSERT INTO a VALUES ('x', 1)", &[]).unwrap();
        assert!(matches!(kind("INSERT INTO a VALUES ('x', 1)"), ErrorKind::UniqueViolation));
        assert!(matches!(kind("INSERT INTO b VALUES ('y')"), ErrorKind::ForeignKeyViolation));
        assert!(matches!(kind("INSERT INTO nowhere VALUES (1)"), ErrorKind::Other));
    }

    #[test]
    fn connections_are_used_again_up_to_a_number() {
        let readers = Readers::new(2, Duration::from_millis(20));
        let open = || Connection::open_in_memory().map_err(fault);
        let none = || -> Result<Connection, sqlx::Error> { panic!("one is free") };
        let (first, second) = (readers.lend(open).unwrap(), readers.lend(open).unwrap());
        assert!(matches!(readers.lend(open).map(drop), Err(sqlx::Error::PoolTimedOut)));
        first.give_back();
        readers.lend(none).unwrap().give_back();
        drop(second);
        let (kept, _made) = (readers.lend(none).unwrap(), readers.lend(open).unwrap());
        readers.close();
        assert!(matches!(readers.lend(open).map(drop), Err(sqlx::Error::PoolClosed)));
        kept.give_back();
        assert!(readers.lock().idle.is_empty());
    }
}
