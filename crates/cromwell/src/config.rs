//! Cromwell's configuration files as plain typed data.
//!
//! [`CromwellConfig::load`] reads a file over our own defaults (`config/defaults`), `-Dkey=value` settings over both, and
//! tells everything that is wrong at once. [`Note`]s tell what is ignored or used in another way; [`explain`] tells it of any
//! key. Both answer from the one table in `keys/table.rs`: every key that is read here stands there.

mod apply;
mod database;
mod images;
mod keys;
mod notes;
mod provider;
mod reader;
mod server;
mod workflows;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::Path};

use batchyard_hocon::{Disk, Include, Loader, Origin, Path as KeyPath, Value};

pub use batchyard_hocon::{Problem, Problems, Remark as Note};

pub use self::{
    database::{DatabaseChoice, MetadataDatabase},
    images::{HashLookup, Method},
    keys::{Explanation, KEYS, Key, Verdict, explain},
    provider::{Backends, Provider, ProviderKind},
    server::{Rate, ReadLimits, System, Webservice},
    workflows::{CallCaching, Callback, EngineFilesystems, LanguageVersion, Languages, OssFilesystem, Wes, WorkflowOptions, YamlLimits},
};
use reader::Reader;

/// Documents that files may include by `classpath("…")`.
const BUILT_IN: [(&str, &str); 4] = [
    ("application.conf", include_str!("config/defaults/application.conf")),
    (REFERENCE, include_str!("config/defaults/reference.conf")),
    ("reference_database.inc.conf", include_str!("config/defaults/reference_database.inc.conf")),
    ("reference_local_provider_config.inc.conf", include_str!("config/defaults/reference_local_provider_config.inc.conf")),
];
const REFERENCE: &str = "reference.conf";

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only errors: `ERROR`, `WARN`, `OFF`.
    Quiet,
    /// `INFO`.
    Normal,
    /// `DEBUG`, `TRACE`.
    Verbose,
}

/// Everything that a configuration says.
#[derive(Clone, Debug)]
pub struct CromwellConfig {
    /// How much is told.
    pub log: LogLevel,
    /// Where and how requests are answered.
    pub webservice: Webservice,
    /// Limits and habits of the engine.
    pub system: System,
    /// Options of workflows.
    pub workflow_options: WorkflowOptions,
    /// Languages and imports.
    pub languages: Languages,
    /// Reuse of results.
    pub call_caching: CallCaching,
    /// Digests of images, where a file says something about them.
    pub hash_lookup: Option<HashLookup>,
    /// What functions of workflows may read.
    pub engine_filesystems: EngineFilesystems,
    /// The store behind `oss://` URLs, where one is named.
    pub oss_filesystem: Option<OssFilesystem>,
    /// Whom to tell when a workflow has ended; nobody when absent.
    pub callback: Option<Callback>,
    /// What the WES interface tells about the service.
    pub wes: Wes,
    /// Limits of inputs in YAML.
    pub yaml: YamlLimits,
    /// Where the state is kept.
    pub database: DatabaseChoice,
    /// Where the original has kept its metadata, when that is a database of its own.
    pub metadata_database: Option<MetadataDatabase>,
    /// Where tasks run.
    pub backends: Backends,
    /// Whether it stands on a file: what that does not say is then as in the original.
    pub whole: bool,
    /// The resolved document.
    values: Value,
}

impl CromwellConfig {
    /// Reads a file, or only the defaults, with settings from the command line over it. Variables of the environment stand
    /// for substitutions that nothing defines.
    ///
    /// # Errors
    /// All that is wrong with the file, or else with its values.
    pub fn load(path: Option<&Path>, overrides: &[(String, String)]) -> Result<(CromwellConfig, Vec<Note>), Problems> {
        let environment = |name: &str| std::env::var(name).ok();
        load(path, overrides, &environment).map(|(config, notes, _)| (config, notes))
    }

    /// Whether a file or setting of the user's says something about a path.
    pub fn is_set(&self, path: &str) -> bool {
        self.values.get(path).is_some_and(|value| !is_built_in(&value.origin))
    }

    /// Whether a `-D` setting says it.
    pub fn is_property(&self, path: &str) -> bool {
        self.values.get(path).is_some_and(|value| value.origin.source.name.starts_with("-D"))
    }

    /// Where the value at a path was defined, as `file:line`.
    pub fn place(&self, path: &str) -> Option<String> {
        self.values.get(path).map(|value| value.origin.to_string())
    }

    /// Every value that is no object, with its key and place, in the order of the files; secrets are not shown.
    pub fn shown(&self) -> Vec<(String, String, String)> {
        notes::shown(&self.values)
    }

    /// The value at a path, as [`CromwellConfig::shown`] shows it, with its place.
    pub fn shown_at(&self, path: &str) -> Option<(String, String)> {
        let value = self.values.get(path)?;
        Some((notes::text(&KeyPath::parse(path).ok()?.0, value), value.origin.to_string()))
    }
}

/// Whether a value comes from our own defaults.
fn is_built_in(origin: &Origin) -> bool {
    origin.source.name.starts_with("classpath:")
}

type Loaded = (CromwellConfig, Vec<Note>, BTreeSet<String>);

fn load(path: Option<&Path>, overrides: &[(String, String)], environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    let disk = Disk { built_in: &BUILT_IN };
    let mut loader = Loader::new(&disk);
    loader.add_text("classpath:properties", &java_properties(environment));
    loader.add(Include::Classpath(REFERENCE));
    match path.map(|path| path.to_str().ok_or(path)) {
        Some(Ok(name)) => loader.add(Include::File(name)),
        Some(Err(path)) => return Err(Problem::new(format!("the name of the file `{}` is not UTF-8", path.display())).into()),
        None => loader.add(Include::Classpath("application.conf")),
    }
    loader.add_settings(overrides);
    let (values, remarks) = loader.resolve(environment)?;
    let reader = Reader::new(&values);
    let config = read(&reader, &values, path.is_some());
    let (problems, said, keys) = reader.finish();
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let notes = remarks.into_iter().chain(said).chain(notes::of(&values)).collect();
    Ok((config, notes, keys))
}

fn read(reader: &Reader<'_>, values: &Value, whole: bool) -> CromwellConfig {
    let system = System::read(reader);
    let backends = Backends::read(reader, &system);
    CromwellConfig {
        log: LogLevel::read(reader),
        webservice: Webservice::read(reader),
        workflow_options: WorkflowOptions::read(reader),
        languages: Languages::read(reader),
        call_caching: CallCaching::read(reader),
        hash_lookup: HashLookup::read(reader),
        engine_filesystems: EngineFilesystems::read(reader),
        callback: Callback::read(reader),
        wes: Wes::read(reader),
        yaml: YamlLimits::read(reader),
        database: DatabaseChoice::read(reader),
        metadata_database: MetadataDatabase::read(reader),
        oss_filesystem: OssFilesystem::read(reader, &backends.default),
        backends,
        system,
        whole,
        values: values.clone(),
    }
}

impl LogLevel {
    fn read(reader: &Reader<'_>) -> LogLevel {
        let levels = [
            ("OFF", LogLevel::Quiet),
            ("ERROR", LogLevel::Quiet),
            ("WARN", LogLevel::Quiet),
            ("INFO", LogLevel::Normal),
            ("DEBUG", LogLevel::Verbose),
            ("TRACE", LogLevel::Verbose),
        ];
        reader.choice("LOG_LEVEL", &levels).unwrap_or(LogLevel::Normal)
    }
}

/// The properties of the Java virtual machine that configuration files use in substitutions.
fn java_properties(environment: &dyn Fn(&str) -> Option<String>) -> String {
    let quoted = |text: String| serde_json::Value::String(text).to_string();
    let home = quoted(environment("HOME").unwrap_or_default());
    let name = quoted(environment("USER").unwrap_or_default());
    let folder = quoted(std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default());
    let temporary = quoted(environment("TMPDIR").unwrap_or_else(|| "/tmp".into()));
    format!("user {{ home = {home}, name = {name}, dir = {folder} }}\njava.io.tmpdir = {temporary}\n")
}
