//! The seam between the engines: one SQL text, spelled for each.

use std::fmt::Write;

use crate::sql::Sql;

/// Whose SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
    Postgres,
}

impl Dialect {
    /// A fixed text, with its `?` turned into what the engine wants.
    pub(crate) fn sql(self, text: &'static str) -> Sql {
        match self {
            Dialect::Sqlite | Dialect::MySql => text.into(),
            Dialect::Postgres => number_placeholders(text).into(),
        }
    }

    /// A text put together from fixed pieces (never from data).
    pub(crate) fn composed(self, text: String) -> Sql {
        match self {
            Dialect::Sqlite | Dialect::MySql => text.into(),
            Dialect::Postgres => number_placeholders(&text).into(),
        }
    }

    /// A migration's text with the types of the engine.
    pub(crate) fn schema(self, text: &str) -> String {
        let (bigtext, options, of_runs) = match self {
            Dialect::Sqlite | Dialect::Postgres => ("TEXT", "", ""),
            // Ids and names compare byte by byte on every engine.
            Dialect::MySql => ("LONGTEXT", " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", " ON runs"),
        };
        text.replace("{bigtext}", bigtext).replace(" {table_options}", options).replace("{of_runs}", of_runs)
    }

    /// Tail of an INSERT that overwrites `columns` of a row with the same `key`.
    pub(crate) fn or_replace(self, key: &str, columns: &[&str]) -> String {
        let mut text = match self {
            Dialect::Sqlite | Dialect::Postgres => format!(" ON CONFLICT ({key}) DO UPDATE SET "),
            Dialect::MySql => " ON DUPLICATE KEY UPDATE ".to_string(),
        };
        for (n, column) in columns.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let _ = match self {
                Dialect::Sqlite | Dialect::Postgres => write!(text, "{comma}{column} = excluded.{column}"),
                Dialect::MySql => write!(text, "{comma}{column} = VALUES({column})"),
            };
        }
        text
    }

    /// Tail of an INSERT that leaves a row with the same `key` as it is.
    pub(crate) fn or_keep(self, key: &str) -> String {
        match self {
            Dialect::Sqlite | Dialect::Postgres => format!(" ON CONFLICT ({key}) DO NOTHING"),
            Dialect::MySql => format!(" ON DUPLICATE KEY UPDATE {key} = {key}"),
        }
    }

    /// What begins a transaction that will write.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            // Takes the write lock at once: a lock taken later could fail although the engine may wait.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::MySql | Dialect::Postgres => "BEGIN",
        }
    }
}

/// `?` becomes `$1`, `$2`... Our texts hold no question mark in quotes.
fn number_placeholders(text: &str) -> String {
    let mut numbered = String::with_capacity(text.len() + 32);
    let mut count = 0u32;
    for piece in text.split_inclusive('?') {
        if let Some(before) = piece.strip_suffix('?') {
            count += 1;
            let _ = write!(numbered, "{before}${count}");
        } else {
            numbered.push_str(piece);
        }
    }
    numbered
}

/// `(?, ?, ?), (?, ?, ?)`: `rows` times `columns` placeholders.
pub(crate) fn value_rows(rows: usize, columns: usize) -> String {
    let row = format!("({})", marks(columns));
    vec![row; rows].join(", ")
}

/// `?, ?, ?`
pub(crate) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered() {
        assert_eq!(number_placeholders("a = ? AND b IN (?, ?) ORDER"), "a = $1 AND b IN ($2, $3) ORDER");
        assert_eq!(number_placeholders("no marks"), "no marks");
        assert_eq!(value_rows(2, 3), "(?, ?, ?), (?, ?, ?)");
    }

    #[test]
    fn upserts_are_spelled_for_each_engine() {
        assert_eq!(Dialect::Sqlite.or_replace("a, b", &["c", "d"]), " ON CONFLICT (a, b) DO UPDATE SET c = excluded.c, d = excluded.d");
        assert_eq!(Dialect::MySql.or_replace("a, b", &["c"]), " ON DUPLICATE KEY UPDATE c = VALUES(c)");
        assert_eq!(Dialect::Postgres.or_keep("hash"), " ON CONFLICT (hash) DO NOTHING");
    }

    #[test]
    fn types_are_spelled_for_each_engine() {
        let text = "CREATE TABLE t (a {bigtext}) {table_options};";
        assert_eq!(Dialect::Sqlite.schema(text), "CREATE TABLE t (a TEXT);");
        assert!(Dialect::MySql.schema(text).contains("LONGTEXT) ENGINE=InnoDB"));
    }
}
