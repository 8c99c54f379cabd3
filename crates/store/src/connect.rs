//! Where the state is kept, and how a connection to it is made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection as _};

use crate::dialect::Dialect;
use crate::error::{self, StoreError};
use crate::sql::Db;
use crate::sqlite;

/// How long SQLite waits for another process that writes.
const BUSY_TIMEOUT_MS: u32 = 60_000;
/// Page cache of one SQLite connection.
const SQLITE_CACHE_KIB: u32 = 1024;
/// A log longer than this is cut back at a checkpoint.
const SQLITE_LOG_BYTES: u32 = 32 << 20;
/// Reading connections at most; none is opened before it is needed.
const SQLITE_READERS: usize = 4;
const SERVER_READERS: u32 = 4;

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file; it and its folder are made when missing.
    Sqlite(PathBuf),
    /// `mysql://`, `mariadb://`, `postgres://` or `postgresql://`, with an existing database.
    Url(String),
}

impl Location {
    /// The place that a text names: a URL, or the path of a file.
    pub fn of(text: &str) -> Location {
        if text.contains("://") { Location::Url(text.to_owned()) } else { Location::Sqlite(text.into()) }
    }
}

/// The path, or the URL without its password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Sqlite(path) => path.display().fmt(f),
            Location::Url(url) => f.write_str(&without_password(url)),
        }
    }
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let Some((user, host)) = authority.rsplit_once('@') else { return url.to_string() };
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    // Parameters may hold a password too.
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{scheme}://{name}@{host}{path}")
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of this process at any instant. On SQLite a power cut may lose the last moments, never the
    /// consistency; servers follow their own settings.
    #[default]
    Crash,
    /// A power cut as well: every commit waits for the disk.
    PowerLoss,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// How long a write is tried again while the database does not answer, before it is given up.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { durability: Durability::Crash, patience: Duration::from_secs(30) }
    }
}

/// Everything needed to connect again.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) location: Location,
    pub(crate) dialect: Dialect,
    place: Place,
    durability: Durability,
}

#[derive(Clone)]
enum Place {
    File(PathBuf),
    Server(Box<AnyConnectOptions>),
}

/// A connection of one's own.
pub(crate) enum Connection {
    Sqlite(rusqlite::Connection),
    Server(Box<AnyConnection>),
}

/// Connections that read.
#[derive(Clone)]
pub(crate) enum Readers {
    Sqlite(Arc<sqlite::Readers>),
    Server(AnyPool),
}

impl Connection {
    pub(crate) fn db(&mut self) -> Db<'_> {
        match self {
            Connection::Sqlite(db) => Db::Sqlite(db),
            Connection::Server(db) => Db::Server(db),
        }
    }

    /// Closes it in order.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            // It is closed when it is dropped.
            Connection::Sqlite(_) => Ok(()),
            Connection::Server(db) => db.close().await,
        }
    }

    /// Gives it up; nothing is said to the other side.
    pub(crate) async fn close_hard(self) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(_) => Ok(()),
            Connection::Server(db) => db.close_hard().await,
        }
    }
}

impl Readers {
    /// Closes those that are free, and the others once they are given back.
    pub(crate) async fn close(&self) {
        match self {
            Readers::Sqlite(readers) => readers.close(),
            Readers::Server(pool) => pool.close().await,
        }
    }
}

impl Connector {
    /// Reads the location and makes the folder of a file.
    pub(crate) fn new(location: &Location, durability: Durability) -> Result<Connector, StoreError> {
        static DRIVERS: Once = Once::new();
        let (place, dialect) = match location {
            Location::Sqlite(path) => (Place::File(made_ready(location, path)?), Dialect::Sqlite),
            Location::Url(url) => {
                DRIVERS.call_once(sqlx::any::install_default_drivers);
                let dialect = dialect_of(location, url)?;
                let options: AnyConnectOptions = url.parse().map_err(|source| error::describe(location, &source))?;
                (Place::Server(Box::new(options.disable_statement_logging())), dialect)
            }
        };
        Ok(Connector { location: location.clone(), dialect, place, durability })
    }

    /// The connection that writes.
    pub(crate) async fn writer(&self) -> Result<Connection, sqlx::Error> {
        match &self.place {
            Place::File(path) => self.writer_of(path).map(Connection::Sqlite),
            Place::Server(options) => Ok(Connection::Server(Box::new(AnyConnection::connect_with(options).await?))),
        }
    }

    fn writer_of(&self, path: &Path) -> Result<rusqlite::Connection, sqlx::Error> {
        let synchronous = match self.durability {
            Durability::Crash => "NORMAL",
            Durability::PowerLoss => "FULL",
        };
        // While the file is made there is nothing yet that a power cut could destroy.
        let fresh = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let for_creation = if fresh { "PRAGMA synchronous = OFF;" } else { "" };
        // The time to wait comes first: turning to the log needs a lock.
        let settings = format!(
            "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; {for_creation} PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{SQLITE_CACHE_KIB}; \
             PRAGMA journal_size_limit = {SQLITE_LOG_BYTES}"
        );
        sqlite::open(path, &settings)
    }

    /// A connection that reads a file.
    pub(crate) fn reader_of_file(&self) -> Result<rusqlite::Connection, sqlx::Error> {
        let Place::File(path) = &self.place else { return Err(sqlx::Error::PoolClosed) };
        let settings = format!(
            "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{SQLITE_CACHE_KIB}"
        );
        sqlite::open(path, &settings)
    }

    /// The connections that read; none is opened yet.
    pub(crate) fn readers(&self, patience: Duration) -> Readers {
        match &self.place {
            Place::File(_) => Readers::Sqlite(Arc::new(sqlite::Readers::new(SQLITE_READERS, patience))),
            Place::Server(options) => Readers::Server(
                AnyPoolOptions::new()
                    .max_connections(SERVER_READERS)
                    .acquire_timeout(patience)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(true)
                    .connect_lazy_with((**options).clone()),
            ),
        }
    }

    pub(crate) fn describe(&self, error: &sqlx::Error) -> StoreError {
        error::describe(&self.location, error)
    }
}

/// Makes the folder, and the path absolute.
fn made_ready(location: &Location, path: &Path) -> Result<PathBuf, StoreError> {
    let unusable = |reason: String, hint: Option<&'static str>| StoreError::Unusable { location: location.to_string(), reason, hint };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(unusable("it names no file".into(), None));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let made = std::fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
    let folder = made.map_err(|source| {
        unusable(format!("cannot make the folder `{}`: {source}", folder.display()), Some("choose a folder that may be written to"))
    })?;
    Ok(folder.join(name))
}

fn dialect_of(location: &Location, url: &str) -> Result<Dialect, StoreError> {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("mysql" | "mariadb") => Ok(Dialect::MySql),
        Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
        _ => Err(StoreError::Unusable {
            location: location.to_string(),
            reason: "the URL begins with none of `mysql://`, `mariadb://`, `postgres://`".into(),
            hint: Some("give a path for SQLite, or a URL like `postgres://user:password@host/database`"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let shown = |url: &str| Location::Url(url.into()).to_string();
        assert_eq!(shown("mysql://yard:s3cr3t@db:3306/yard"), "mysql://yard@db:3306/yard");
        assert_eq!(shown("postgres://u:a@b@db/yard?password=x"), "postgres://u@db/yard");
        assert_eq!(shown("postgres:///yard"), "postgres:///yard");
    }

    #[test]
    fn odd_paths_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b%20?#é").join("state.db");
        let connector = Connector::new(&Location::Sqlite(path.clone()), Durability::Crash).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { connector.writer().await.unwrap().close().await.unwrap() });
        assert!(path.exists());
    }

    #[test]
    fn a_wrong_scheme_is_explained() {
        let error = Connector::new(&Location::Url("oracle://x/y".into()), Durability::Crash).err().unwrap();
        assert!(error.to_string().contains("begins with none"), "{error}");
    }
}
