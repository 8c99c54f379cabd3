//! The seam to the drivers: statements, values and rows, so that the rest names no driver types. SQLite works on the
//! thread that asks; servers answer over a socket.

use std::borrow::Cow;
use std::str::FromStr;

use batchyard_model::RunId;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Executor, Row as _};

use crate::sqlite;

/// The text of a statement, put together from fixed pieces, never from data.
pub(crate) type Sql = Cow<'static, str>;

/// A connection in use.
pub(crate) enum Db<'c> {
    Sqlite(&'c rusqlite::Connection),
    Server(&'c mut AnyConnection),
}

/// One value; engines with types want to know of what type it is when it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
}

/// Values for the `?` of a statement, in order.
#[derive(Default)]
pub(crate) struct Values(Vec<Value>);

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(Vec<Value>),
    Server(AnyRow),
}

impl Db<'_> {
    /// Runs statements without values; what they answer is dropped.
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), sqlx::Error> {
        match self {
            Db::Sqlite(db) => sqlite::script(db, text),
            Db::Server(db) => db.execute(AssertSqlSafe(text.to_owned())).await.map(drop),
        }
    }

    /// Begins a transaction with the statement for it.
    pub(crate) async fn begin(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        self.plain(statement).await
    }

    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.plain("COMMIT").await
    }

    /// Undoes a transaction; one that the engine has undone itself is over already.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Db::Sqlite(db) if db.is_autocommit() => Ok(()),
            Db::Sqlite(_) | Db::Server(_) => self.plain("ROLLBACK").await,
        }
    }

    async fn plain(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Db::Sqlite(db) => sqlite::execute(db, statement, &[]).map(drop),
            Db::Server(db) => db.execute(statement).await.map(drop),
        }
    }
}

impl Values {
    pub(crate) fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.add(Value::Text(Some(value.into())))
    }

    pub(crate) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.add(Value::Text(value.map(str::to_string)))
    }

    pub(crate) fn integer(&mut self, value: impl Into<i64>) -> &mut Self {
        self.add(Value::Integer(Some(value.into())))
    }

    pub(crate) fn optional_integer(&mut self, value: Option<impl Into<i64>>) -> &mut Self {
        self.add(Value::Integer(value.map(Into::into)))
    }

    pub(crate) fn run(&mut self, id: RunId) -> &mut Self {
        self.text(id.to_string())
    }

    fn add(&mut self, value: Value) -> &mut Self {
        self.0.push(value);
        self
    }

    /// The values, leaving none behind.
    pub(crate) fn take(&mut self) -> Values {
        std::mem::take(self)
    }

    fn for_server(self) -> AnyArguments {
        let mut arguments = AnyArguments::default();
        for value in self.0 {
            let added = match value {
                Value::Text(text) => arguments.add(text),
                Value::Integer(number) => arguments.add(number),
            };
            added.expect("texts and integers always encode");
        }
        arguments
    }
}

/// Runs a statement and says how many rows it changed.
pub(crate) async fn execute(db: &mut Db<'_>, sql: Sql, values: Values) -> Result<u64, sqlx::Error> {
    match db {
        Db::Sqlite(db) => sqlite::execute(db, &sql, &values.0),
        Db::Server(db) => {
            Ok(sqlx::query_with(AssertSqlSafe(sql.into_owned()), values.for_server()).execute(&mut **db).await?.rows_affected())
        }
    }
}

/// All rows of a query.
pub(crate) async fn fetch(db: &mut Db<'_>, sql: Sql, values: Values) -> Result<Vec<Row>, sqlx::Error> {
    match db {
        Db::Sqlite(db) => sqlite::fetch(db, &sql, &values.0, usize::MAX),
        Db::Server(db) => {
            let rows = sqlx::query_with(AssertSqlSafe(sql.into_owned()), values.for_server()).fetch_all(&mut **db).await?;
            Ok(rows.into_iter().map(Row::Server).collect())
        }
    }
}

/// The rows of a query one by one, as a server sends them: few of them are in memory at once.
pub(crate) fn stream(db: &mut AnyConnection, sql: Sql, values: Values) -> impl Iterator<Item = Result<Row, sqlx::Error>> {
    let rows = sqlx::query_with(AssertSqlSafe(sql.into_owned()), values.for_server()).fetch(db);
    futures_executor::block_on_stream(rows).map(|row| row.map(Row::Server))
}

/// The first row of a query.
pub(crate) async fn fetch_first(db: &mut Db<'_>, sql: Sql, values: Values) -> Result<Option<Row>, sqlx::Error> {
    match db {
        Db::Sqlite(db) => Ok(sqlite::fetch(db, &sql, &values.0, 1)?.pop()),
        Db::Server(db) => {
            let row = sqlx::query_with(AssertSqlSafe(sql.into_owned()), values.for_server()).fetch_optional(&mut **db).await?;
            Ok(row.map(Row::Server))
        }
    }
}

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r Row) -> Self {
        Columns { row, next: 0 }
    }

    fn optional_str(&mut self) -> Result<Option<&'r str>, sqlx::Error> {
        let index = self.next;
        self.next += 1;
        match self.row {
            Row::Server(row) => row.try_get(index),
            Row::Sqlite(cells) => match cells.get(index) {
                Some(Value::Text(text)) => Ok(text.as_deref()),
                other => Err(unexpected(index, "a text", other)),
            },
        }
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, sqlx::Error> {
        Ok(self.optional_str()?.map(str::to_owned))
    }

    pub(crate) fn text(&mut self) -> Result<String, sqlx::Error> {
        self.needed(Self::optional_str).map(str::to_owned)
    }

    pub(crate) fn optional_integer(&mut self) -> Result<Option<i64>, sqlx::Error> {
        let index = self.next;
        self.next += 1;
        match self.row {
            Row::Server(row) => row.try_get(index),
            Row::Sqlite(cells) => match cells.get(index) {
                Some(Value::Integer(number)) => Ok(*number),
                Some(Value::Text(None)) => Ok(None),
                other => Err(unexpected(index, "an integer", other)),
            },
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, sqlx::Error> {
        self.needed(Self::optional_integer)
    }

    fn needed<V>(&mut self, read: impl FnOnce(&mut Self) -> Result<Option<V>, sqlx::Error>) -> Result<V, sqlx::Error> {
        let index = self.next;
        read(self)?.ok_or_else(|| unexpected(index, "a value", Some(&Value::Text(None))))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, sqlx::Error> {
        Ok(self.integer()? != 0)
    }

    /// A text that must parse: an id or the name of a state.
    pub(crate) fn parsed<V>(&mut self) -> Result<V, sqlx::Error>
    where
        V: FromStr,
        V::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.needed(Self::optional_str)?;
        text.parse().map_err(|source: V::Err| sqlx::Error::Decode(Box::new(source)))
    }

    /// A text that must parse, if there is one.
    pub(crate) fn optional_parsed<V>(&mut self) -> Result<Option<V>, sqlx::Error>
    where
        V: FromStr,
        V::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.optional_str()?;
        text.map(|text| text.parse().map_err(|source: V::Err| sqlx::Error::Decode(Box::new(source)))).transpose()
    }

    /// A number that must fit.
    pub(crate) fn narrow<V>(&mut self) -> Result<V, sqlx::Error>
    where
        V: TryFrom<i64>,
        V::Error: std::error::Error + Send + Sync + 'static,
    {
        narrowed(self.integer()?)
    }

    pub(crate) fn optional_narrow<V>(&mut self) -> Result<Option<V>, sqlx::Error>
    where
        V: TryFrom<i64>,
        V::Error: std::error::Error + Send + Sync + 'static,
    {
        self.optional_integer()?.map(narrowed).transpose()
    }
}

fn narrowed<V>(number: i64) -> Result<V, sqlx::Error>
where
    V: TryFrom<i64>,
    V::Error: std::error::Error + Send + Sync + 'static,
{
    V::try_from(number).map_err(|source| sqlx::Error::Decode(Box::new(source)))
}

fn unexpected(index: usize, wanted: &str, found: Option<&Value>) -> sqlx::Error {
    let found = match found {
        None => "nothing",
        Some(Value::Text(None) | Value::Integer(None)) => "no value",
        Some(Value::Text(Some(_))) => "a text",
        Some(Value::Integer(Some(_))) => "an integer",
    };
    sqlx::Error::Decode(format!("column {index} of the answer holds {found}, not {wanted}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_undone_once() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut db = Db::Sqlite(&connection);
        let count = |db: &mut Db<'_>| {
            let row = futures_executor::block_on(fetch_first(db, "SELECT COUNT(*), NULL, 'x' FROM t".into(), Values::default()));
            let row = row.unwrap().unwrap();
            let mut columns = Columns::of(&row);
            let count = columns.integer().unwrap();
            assert_eq!(columns.optional_text().unwrap(), None);
            assert!(columns.integer().is_err(), "a text is no number");
            count
        };
        futures_executor::block_on(async {
            db.script("CREATE TABLE t (n BIGINT NOT NULL)").await.unwrap();
            db.begin("BEGIN IMMEDIATE").await.unwrap();
            let insert = || Sql::from("INSERT INTO t VALUES (?)");
            assert_eq!(execute(&mut db, insert(), Values::default().integer(1).take()).await.unwrap(), 1);
            execute(&mut db, insert(), Values::default().optional_integer(None::<i64>).take()).await.unwrap_err();
            db.rollback().await.unwrap();
            // Where the engine was faster there is nothing left to undo.
            db.rollback().await.unwrap();
            db.begin("BEGIN IMMEDIATE").await.unwrap();
            execute(&mut db, insert(), Values::default().integer(2).take()).await.unwrap();
            db.commit().await.unwrap();
            assert!(db.commit().await.is_err(), "there is none");
        });
        assert_eq!(count(&mut db), 1);
    }
}
