//! Binding values and reading columns, so that the rest names no driver types.

use std::str::FromStr;

use batchyard_model::RunId;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{AnyConnection, Arguments, Row, SqlStr};

/// Values for the `?` of a statement, in order.
#[derive(Default)]
pub(crate) struct Values(AnyArguments);

impl Values {
    pub(crate) fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.add(value.into())
    }

    pub(crate) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.add(value.map(str::to_string))
    }

    pub(crate) fn integer(&mut self, value: impl Into<i64>) -> &mut Self {
        self.add(value.into())
    }

    pub(crate) fn optional_integer(&mut self, value: Option<impl Into<i64>>) -> &mut Self {
        self.add(value.map(Into::into))
    }

    pub(crate) fn run(&mut self, id: RunId) -> &mut Self {
        self.text(id.to_string())
    }

    fn add<'t, V>(&mut self, value: V) -> &mut Self
    where
        V: sqlx::Encode<'t, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        self.0.add(value).expect("texts and integers always encode");
        self
    }

    /// The values, leaving none behind.
    pub(crate) fn take(&mut self) -> Values {
        std::mem::take(self)
    }
}

/// Runs a statement and says how many rows it changed.
pub(crate) async fn execute(db: &mut AnyConnection, sql: SqlStr, values: Values) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query_with(sql, values.0).execute(db).await?.rows_affected())
}

/// All rows of a query.
pub(crate) async fn fetch(db: &mut AnyConnection, sql: SqlStr, values: Values) -> Result<Vec<AnyRow>, sqlx::Error> {
    sqlx::query_with(sql, values.0).fetch_all(db).await
}

/// The first row of a query.
pub(crate) async fn fetch_first(db: &mut AnyConnection, sql: SqlStr, values: Values) -> Result<Option<AnyRow>, sqlx::Error> {
    sqlx::query_with(sql, values.0).fetch_optional(db).await
}

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r AnyRow) -> Self {
        Columns { row, next: 0 }
    }

    fn take<V>(&mut self) -> Result<V, sqlx::Error>
    where
        V: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index)
    }

    pub(crate) fn text(&mut self) -> Result<String, sqlx::Error> {
        self.take()
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, sqlx::Error> {
        self.take()
    }

    pub(crate) fn integer(&mut self) -> Result<i64, sqlx::Error> {
        self.take()
    }

    pub(crate) fn optional_integer(&mut self) -> Result<Option<i64>, sqlx::Error> {
        self.take()
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
        let text: &str = self.take()?;
        text.parse().map_err(|source: V::Err| sqlx::Error::Decode(Box::new(source)))
    }

    /// A text that must parse, if there is one.
    pub(crate) fn optional_parsed<V>(&mut self) -> Result<Option<V>, sqlx::Error>
    where
        V: FromStr,
        V::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.optional_text()?;
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
