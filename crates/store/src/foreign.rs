//! The tables of an earlier Cromwell, which are only read: which workflows it has had, and the events that tell of them.
//!
//! An event says that a key of a workflow, or of an attempt of one of its calls, has a value. There may be millions for one
//! workflow; they are read as the server sends them, one attempt at a time.

mod tables;

use std::mem;

use tokio::runtime::Runtime;

use crate::connect::{Connection, Connector, Durability, Location};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::read::Read;
use crate::sql::{Columns, Row, Values, fetch, stream};

use self::tables::{ENTRY, WORKFLOWS, deleted, has_archive, has_tables, quoted};

pub(crate) use self::tables::count_ended;

/// A connection to the database in which the tables lie.
pub struct Foreign {
    runtime: Runtime,
    connector: Connector,
    db: Connection,
}

/// A workflow as Cromwell sums it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignWorkflow {
    /// Its place in the table; later workflows have higher ones.
    pub entry: i64,
    /// Its id.
    pub id: String,
    /// Name of the workflow, once its document was read.
    pub name: Option<String>,
    /// Its state in the words of Cromwell.
    pub status: Option<String>,
    /// Whether its metadata were archived elsewhere and deleted here.
    pub is_deleted: bool,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignEvent {
    /// What it is about.
    pub key: String,
    /// Type and text of the value; none where something is told to be empty.
    pub value: Option<(String, String)>,
}

/// An attempt of a call with its events, earliest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignCall {
    /// Full name of the call, mostly `workflow.call`.
    pub name: String,
    /// Index in its scatter, if it is in one.
    pub index: Option<i64>,
    /// From 1.
    pub attempt: i64,
    /// What is told of it.
    pub events: Vec<ForeignEvent>,
}

/// An event with what decides about its order: moment and number.
type Timed = ((String, i64), ForeignEvent);

/// Whose event it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    index: Option<i64>,
    attempt: i64,
}

impl Foreign {
    /// Connects to the database of a server.
    ///
    /// # Errors
    /// It cannot be reached or used; a file never can.
    pub fn open(location: &Location) -> Result<Foreign, StoreError> {
        let unusable = |reason: String| StoreError::Unusable {
            location: location.to_string(),
            reason,
            hint: Some("name the database of Cromwell by a URL like `mysql://user:password@host/database`"),
        };
        if matches!(location, Location::Sqlite(_)) {
            return Err(unusable("tables of Cromwell are read from MySQL, MariaDB and PostgreSQL alone".into()));
        }
        let connector = Connector::new(location, Durability::Crash)?;
        // One thread of its own answers for the connection, so that rows can be taken from any thread.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("foreign").enable_all().build();
        let runtime = runtime.map_err(|source| unusable(source.to_string()))?;
        let db = runtime.block_on(connector.writer()).map_err(|source| connector.describe(&source))?;
        Ok(Foreign { runtime, connector, db })
    }

    /// Whether the tables are there.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn has_tables(&mut self) -> Result<bool, StoreError> {
        let dialect = self.connector.dialect;
        self.runtime.block_on(has_tables(&mut self.db.db(), dialect)).map_err(|source| self.connector.describe(&source))
    }

    /// A page of the workflows before this place, the latest first. Sub-workflows come later than what they belong to.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_workflows(&mut self, before: i64, limit: u32) -> Result<Vec<ForeignWorkflow>, StoreError> {
        let dialect = self.connector.dialect;
        let has_archive = self.runtime.block_on(has_archive(&mut self.db.db(), dialect));
        let deleted = deleted(has_archive.map_err(|source| self.connector.describe(&source))?);
        let sql = format!(
            "SELECT {ENTRY}, \"WORKFLOW_EXECUTION_UUID\", \"WORKFLOW_NAME\", \"WORKFLOW_STATUS\", CASE WHEN {deleted} THEN 'yes' END \
             FROM {WORKFLOWS} WHERE {ENTRY} < ? ORDER BY {ENTRY} DESC LIMIT ?"
        );
        self.all(sql, Values::default().integer(before).integer(limit).take(), |row| {
            let mut columns = Columns::of(row);
            Ok(ForeignWorkflow {
                entry: columns.integer()?,
                id: columns.text()?,
                name: columns.optional_text()?,
                status: columns.optional_text()?,
                is_deleted: columns.optional_text()?.is_some(),
            })
        })
    }

    /// Labels of a workflow.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_labels(&mut self, workflow: &str) -> Result<Vec<(String, String)>, StoreError> {
        let sql =
            "SELECT \"CUSTOM_LABEL_KEY\", \"CUSTOM_LABEL_VALUE\" FROM \"CUSTOM_LABEL_ENTRY\" WHERE \"WORKFLOW_EXECUTION_UUID\" = ?".into();
        self.all(sql, Values::default().text(workflow).take(), |row| {
            let mut columns = Columns::of(row);
            Ok((columns.text()?, columns.text()?))
        })
    }

    /// What is told of a workflow itself, earliest first.
    ///
    /// # Errors
    /// What kept the database from answering.
    pub fn list_events(&mut self, workflow: &str) -> Result<Vec<ForeignEvent>, StoreError> {
        // One without an attempt counts as the workflow's own, whatever call it names.
        let sql = self.events("", "(\"CALL_FQN\" IS NULL OR \"JOB_RETRY_ATTEMPT\" IS NULL)", "");
        let found = self.all(sql, Values::default().text(workflow).take(), |row| read_event(&mut Columns::of(row)))?;
        Ok(in_order(found))
    }

    /// Hands out the attempts of all calls of a workflow, each with its events; their order is of no meaning. Only the events of
    /// one are in memory.
    ///
    /// # Errors
    /// What `visit` says, or what kept the database from answering.
    pub fn scan_calls<E: From<StoreError>>(
        &mut self,
        workflow: &str,
        mut visit: impl FnMut(ForeignCall) -> Result<(), E>,
    ) -> Result<(), E> {
        let place = "\"CALL_FQN\", \"JOB_SCATTER_INDEX\", \"JOB_RETRY_ATTEMPT\"";
        let of_calls = "\"CALL_FQN\" IS NOT NULL AND \"JOB_RETRY_ATTEMPT\" IS NOT NULL";
        let sql = self.events(&format!(", {place}"), of_calls, &format!(" ORDER BY {place}"));
        let Foreign { runtime, connector, db } = self;
        let Connection::Server(db) = db else { return Ok(()) };
        let _ours = runtime.enter();
        let mut gathered = Gathered::default();
        for row in stream(db, connector.dialect.composed(sql), Values::default().text(workflow).take()) {
            let (place, event) = row.and_then(|row| read_of_call(&row)).map_err(|source| connector.describe(&source))?;
            if !gathered.is_beside(&place) {
                gathered.hand_out(&mut visit)?;
            }
            gathered.take(place, event);
        }
        gathered.hand_out(&mut visit)
    }

    fn all<V>(&mut self, sql: String, values: Values, read: impl Fn(&Row) -> Read<V>) -> Result<Vec<V>, StoreError> {
        let sql = self.connector.dialect.composed(quoted(self.connector.dialect, &sql));
        let rows = self.runtime.block_on(fetch(&mut self.db.db(), sql, values));
        rows.and_then(|rows| rows.iter().map(read).collect()).map_err(|source| self.connector.describe(&source))
    }

    /// A query of events of a workflow: more columns, what they must meet, and their order.
    fn events(&self, columns: &str, condition: &str, order: &str) -> String {
        let (value, moment) = match self.connector.dialect {
            // The column holds the number of a large object, as a text.
            Dialect::Postgres => ("convert_from(lo_get(\"METADATA_VALUE\"::oid), 'UTF8')", "CAST(\"METADATA_TIMESTAMP\" AS TEXT)"),
            Dialect::MySql | Dialect::Sqlite => ("\"METADATA_VALUE\"", "CAST(\"METADATA_TIMESTAMP\" AS CHAR)"),
        };
        let sql = format!(
            "SELECT {moment}, \"METADATA_JOURNAL_ID\", \"METADATA_KEY\", \"METADATA_VALUE_TYPE\", {value}{columns} FROM \"METADATA_ENTRY\" \
             WHERE \"WORKFLOW_EXECUTION_UUID\" = ? AND {condition}{order}"
        );
        quoted(self.connector.dialect, &sql)
    }
}

/// Events of attempts that the server may have mixed: on MySQL names that differ in case alone are equal to it.
#[derive(Default)]
struct Gathered(Vec<(Place, Timed)>);

impl Gathered {
    fn is_beside(&self, place: &Place) -> bool {
        self.0.last().is_none_or(|(last, _)| {
            last.name.eq_ignore_ascii_case(&place.name) && (last.index, last.attempt) == (place.index, place.attempt)
        })
    }

    fn take(&mut self, place: Place, event: Timed) {
        self.0.push((place, event));
    }

    /// Hands out each attempt that was gathered, leaving none behind.
    fn hand_out<E>(&mut self, visit: &mut impl FnMut(ForeignCall) -> Result<(), E>) -> Result<(), E> {
        while let Some((Place { name, index, attempt }, _)) = self.0.first() {
            let (name, index, attempt) = (name.clone(), *index, *attempt);
            let (own, others): (Vec<_>, Vec<_>) = mem::take(&mut self.0).into_iter().partition(|(place, _)| place.name == name);
            self.0 = others;
            let events = in_order(own.into_iter().map(|(_, event)| event).collect());
            visit(ForeignCall { name, index, attempt, events })?;
        }
        Ok(())
    }
}

/// Moments are compared as texts: date and time are of fixed width, and fractions of a second, which may lack zeros at their end,
/// compare from left to right as texts do.
fn in_order(mut events: Vec<Timed>) -> Vec<ForeignEvent> {
    events.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    events.into_iter().map(|(_, event)| event).collect()
}

fn read_event(columns: &mut Columns<'_>) -> Read<Timed> {
    let order = (columns.text()?, columns.integer()?);
    let (key, kind, text) = (columns.text()?, columns.optional_text()?, columns.optional_text()?);
    // An empty text is kept as none, with its type.
    Ok((order, ForeignEvent { key, value: kind.map(|kind| (kind, text.unwrap_or_default())) }))
}

fn read_of_call(row: &Row) -> Read<(Place, Timed)> {
    let mut columns = Columns::of(row);
    let event = read_event(&mut columns)?;
    Ok((Place { name: columns.text()?, index: columns.optional_integer()?, attempt: columns.integer()? }, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: &str, number: i64, key: &str) -> Timed {
        ((at.into(), number), ForeignEvent { key: key.into(), value: None })
    }

    #[test]
    fn events_go_by_time_then_number() {
        let events = vec![event("10:00:00.5", 1, "d"), event("10:00:00", 3, "b"), event("10:00:00", 2, "a"), event("10:00:00.123", 9, "c")];
        assert_eq!(in_order(events).into_iter().map(|event| event.key).collect::<String>(), "abcd");
    }

    #[test]
    fn names_that_differ_in_case_are_told_apart() {
        let place = |name: &str, index, attempt| Place { name: name.into(), index, attempt };
        let mut gathered = Gathered::default();
        for (name, key) in [("w.t", "1"), ("w.T", "2"), ("w.t", "3")] {
            assert!(gathered.is_beside(&place(name, None, 1)));
            gathered.take(place(name, None, 1), event("", 0, key));
        }
        assert!(!gathered.is_beside(&place("w.t", Some(0), 1)) && !gathered.is_beside(&place("w.t", None, 2)));
        let mut found = Vec::new();
        let mut visit = |call: ForeignCall| {
            found.push((call.name, call.events.len()));
            Ok::<_, StoreError>(())
        };
        gathered.hand_out(&mut visit).unwrap();
        assert_eq!(found, [("w.t".to_owned(), 2), ("w.T".to_owned(), 1)]);
    }

    #[test]
    fn files_hold_no_such_tables() {
        let error = Foreign::open(&Location::Sqlite("x.db".into())).err().unwrap();
        assert!(error.hint().is_some_and(|hint| hint.contains("mysql://")), "{error}");
    }
}
