//! A configuration file of the original under our own configuration, and `-Dkey=value` settings over both.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Result;
use batchyard_cromwell::config::{CromwellConfig, DatabaseChoice, LogLevel, Note};
use batchyard_model::RunId;
use batchyard_store::Location;

use super::Origin;

/// Extensions of the original's configuration files.
const EXTENSIONS: [&str; 2] = ["conf", "hocon"];
/// The setting that names the original's configuration file.
const FILE_PROPERTY: &str = "config.file";
/// Folder in which runs lie, as the original names it.
pub const EXECUTIONS: &str = "cromwell-executions";
/// Folder of a state that nobody shall find again, once there is one.
static PRIVATE: OnceLock<PathBuf> = OnceLock::new();

/// What the original's configuration says.
#[derive(Clone, Debug)]
pub struct Original {
    /// As it was read.
    pub config: CromwellConfig,
    /// What its author should know.
    pub notes: Vec<Note>,
}

/// A value that the original's configuration decides.
pub struct Decided<T> {
    pub value: T,
    pub origin: Origin,
    /// Whether a `-D` setting says it, which counts more than any file.
    pub strong: bool,
}

/// Whether a file is a configuration of the original, by its name.
pub fn is_original(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// The name and value of a `-D` setting; without `=` the value is empty.
pub fn property(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.trim().to_owned(), value.to_owned())
}

impl Original {
    /// Reads the file that a setting names, else this one; with settings over it.
    pub fn load(file: Option<&Path>, properties: &[(String, String)]) -> Result<Original> {
        let named = properties.iter().rev().find(|(key, _)| key == FILE_PROPERTY).map(|(_, value)| Path::new(value));
        let (config, notes) = CromwellConfig::load(named.or(file), properties)?;
        Ok(Original { config, notes })
    }

    /// The value of a key, if this configuration decides about it.
    pub fn decide<T>(&self, key: &str, value: impl FnOnce(&CromwellConfig) -> Option<T>) -> Option<Decided<T>> {
        if !self.config.decides(key) {
            return None;
        }
        let origin = Origin::Original(self.config.place(key).filter(|_| self.config.is_set(key)));
        Some(Decided { value: value(&self.config)?, origin, strong: self.config.is_property(key) })
    }

    /// How much is told.
    pub fn log_level(&self) -> LogLevel {
        self.config.log
    }

    /// All values that do not come from the built-in defaults: key, value, place. Secrets are not shown.
    pub fn shown(&self) -> impl Iterator<Item = (String, String, String)> {
        self.config.shown().into_iter().filter(|(key, _, _)| self.config.is_set(key))
    }
}

/// Where the state is to be kept, as our own configuration writes it.
pub fn database(config: &CromwellConfig) -> Option<String> {
    match &config.database {
        DatabaseChoice::Unsaid => None,
        DatabaseChoice::At(Location::Url(url)) => Some(url.clone()),
        DatabaseChoice::At(Location::Sqlite(path)) => Some(path.to_string_lossy().into_owned()),
        DatabaseChoice::Private => {
            let folder = PRIVATE.get_or_init(|| std::env::temp_dir().join(format!("batchyard-{}", RunId::random())));
            Some(folder.join("state.db").to_string_lossy().into_owned())
        }
    }
}

/// Removes the state that nobody shall find again.
pub fn remove_private_state() {
    if let Some(folder) = PRIVATE.get() {
        // One that was never made, or cannot be removed, lies in the system's temporary folder.
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_files_are_told_apart() {
        assert_eq!(property("a.b=c=d"), ("a.b".into(), "c=d".into()));
        assert_eq!(property("flag"), ("flag".into(), String::new()));
        assert!(is_original(Path::new("/etc/cromwell.conf")) && is_original(Path::new("x.hocon")));
        assert!(!is_original(Path::new("x.toml")) && !is_original(Path::new("conf")));
    }
}
