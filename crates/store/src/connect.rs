//! Where the state is kept, and how a connection to it is made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor};

use crate::dialect::Dialect;
use crate::error::{self, StoreError};

/// How long SQLite waits for another process that writes.
const BUSY_TIMEOUT_MS: u32 = 60_000;
/// Page cache of one SQLite connection.
const SQLITE_CACHE_KIB: u32 = 1024;
/// A log longer than this is cut back at a checkpoint.
const SQLITE_LOG_BYTES: u32 = 32 << 20;
/// Reading connections at most; none is opened before it is needed.
const SQLITE_READERS: u32 = 2;
const SERVER_READERS: u32 = 4;

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file; it and its folder are made when missing.
    Sqlite(PathBuf),
    /// `mysql://`, `mariadb://`, `postgres://` or `postgresql://`, with an existing database.
    Url(String),
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
    options: AnyConnectOptions,
    durability: Durability,
}

impl Connector {
    /// Reads the location and makes the folder of a file.
    pub(crate) fn new(location: &Location, durability: Durability) -> Result<Connector, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (url, dialect) = match location {
            Location::Sqlite(path) => (sqlite_url(location, path)?, Dialect::Sqlite),
            Location::Url(url) => server_url(location, url)?,
        };
        let options: AnyConnectOptions = url.parse().map_err(|source| error::describe(location, &source))?;
        Ok(Connector { location: location.clone(), dialect, options: options.disable_statement_logging(), durability })
    }

    /// The connection that writes.
    pub(crate) async fn writer(&self) -> Result<AnyConnection, sqlx::Error> {
        let fresh = self.is_fresh();
        let mut db = AnyConnection::connect_with(&self.options).await?;
        if self.dialect == Dialect::Sqlite {
            let synchronous = match self.durability {
                Durability::Crash => "NORMAL",
                Durability::PowerLoss => "FULL",
            };
            // While the file is made there is nothing yet that a power cut could destroy.
            let for_creation = if fresh { "PRAGMA synchronous = OFF;" } else { "" };
            // The time to wait comes first: turning to the log needs a lock.
            let settings = format!(
                "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; {for_creation} PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
                 PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{SQLITE_CACHE_KIB}; \
                 PRAGMA journal_size_limit = {SQLITE_LOG_BYTES}"
            );
            db.execute(self.dialect.composed(settings)).await?;
        }
        Ok(db)
    }

    /// Whether there is no database yet.
    fn is_fresh(&self) -> bool {
        match &self.location {
            Location::Sqlite(path) => std::fs::metadata(path).map_or(true, |file| file.len() == 0),
            Location::Url(_) => false,
        }
    }

    /// The connections that read; none is opened yet.
    pub(crate) fn readers(&self, patience: Duration) -> AnyPool {
        let sqlite = self.dialect == Dialect::Sqlite;
        AnyPoolOptions::new()
            .max_connections(if sqlite { SQLITE_READERS } else { SERVER_READERS })
            .acquire_timeout(patience)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(!sqlite)
            .after_connect(move |db, _| {
                Box::pin(async move {
                    if sqlite {
                        let settings = format!(
                            "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{SQLITE_CACHE_KIB}"
                        );
                        db.execute(Dialect::Sqlite.composed(settings)).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }

    pub(crate) fn describe(&self, error: &sqlx::Error) -> StoreError {
        error::describe(&self.location, error)
    }
}

/// Makes the folder and spells the path as the driver wants it.
fn sqlite_url(location: &Location, path: &Path) -> Result<String, StoreError> {
    let unusable = |reason: String, hint: Option<&'static str>| StoreError::Unusable { location: location.to_string(), reason, hint };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(unusable("it names no file".into(), None));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let made = std::fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
    let folder = made.map_err(|source| {
        unusable(format!("cannot make the folder `{}`: {source}", folder.display()), Some("choose a folder that may be written to"))
    })?;
    let full = folder.join(name);
    let Some(text) = full.to_str() else {
        return Err(unusable("the path is not UTF-8".into(), Some("choose a path of plain characters")));
    };
    let mut url = String::from("sqlite://");
    for character in text.chars() {
        match character {
            '/' | '-' | '_' | '.' | '~' => url.push(character),
            _ if character.is_ascii_alphanumeric() => url.push(character),
            _ => {
                let mut bytes = [0u8; 4];
                url.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
            }
        }
    }
    Ok(url + "?mode=rwc")
}

fn server_url(location: &Location, url: &str) -> Result<(String, Dialect), StoreError> {
    let dialect = match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("mysql" | "mariadb") => Dialect::MySql,
        Some("postgres" | "postgresql") => Dialect::Postgres,
        _ => {
            return Err(StoreError::Unusable {
                location: location.to_string(),
                reason: "the URL begins with none of `mysql://`, `mariadb://`, `postgres://`".into(),
                hint: Some("give a path for SQLite, or a URL like `postgres://user:password@host/database`"),
            });
        }
    };
    Ok((url.to_string(), dialect))
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
    fn odd_paths_survive_the_url() {
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
