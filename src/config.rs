//! Configuration: one TOML file, every value with a default; environment and flags override, and each value knows
//! where it came from. A configuration file of the original may lie beneath ([`original`]).

mod batch;
mod engine;
mod file;
pub mod original;
mod providers;
mod stores;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_batch::{expiry::Keeping, instance::room::Limits};
use batchyard_cromwell::{
    config::CromwellConfig,
    language::Accepted,
    remote::{Downloads, Everywhere},
};
use batchyard_objects::remote::{Bounds, Cache, Stores};
use batchyard_store::Location;
use batchyard_workflow::settings::Settings;

use self::{
    file::{BatchFile, File, ServerFile},
    original::{EXECUTIONS, Original, is_original},
};
use crate::{
    cli::warnings::{Levels, Switches},
    files::StoredFiles,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// Found out on this machine.
    Found,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
    /// The original's configuration: the place there, or its own default.
    Original(Option<String>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Found => f.write_str("this machine"),
            Origin::File(path) => path.display().fmt(f),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Original(Some(place)) => f.write_str(place),
            Origin::Original(None) => f.write_str("default of Cromwell"),
        }
    }
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address or host name to listen on.
    pub listen: String,
    /// Whether nobody has said what to listen on.
    pub listens_by_default: bool,
    /// Port to listen on.
    pub port: u16,
    /// Whether the BatchCompute service and the object store are served too.
    pub batch: bool,
    /// Port of the BatchCompute interface.
    pub api_port: u16,
    /// Port of the object store.
    pub oss_port: u16,
    /// Port for encrypted connections to all interfaces; none without it.
    pub tls_port: Option<u16>,
    /// Certificate and key for it; the server's own without them.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Whether other machines may reach it although nobody has to sign in.
    pub allow_remote: bool,
    /// Whether `listen` comes from a configuration of the original, whose author knows that the original has no sign-in.
    pub opened: bool,
    /// Most workflows carried out at once.
    pub max_workflows: usize,
    /// Whether what runs is ended with the server.
    pub abort_on_exit: bool,
    /// How much instances of jobs may fill.
    pub room: Limits,
    /// How long things are kept that nobody needs any more.
    pub keeping: Keeping,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where state lives.
    pub home: PathBuf,
    /// The database.
    pub database: Location,
    /// Where run directories are made.
    pub runs_dir: PathBuf,
    /// URL prefixes of imports and what stands in for them.
    pub import_map: Vec<(String, PathBuf)>,
    /// Which warnings are told.
    pub warnings: Levels,
    /// Object stores of others.
    pub stores: Stores,
    /// How much is kept of what was brought of them.
    pub downloads: Bounds,
    /// Settings of the engine.
    pub settings: Settings,
    /// Settings of the server.
    pub server: Server,
    /// What a configuration of the original says, where there is one.
    pub original: Option<Original>,
    /// Every value as text with its origin, in the order of the file.
    pub shown: Vec<(String, String, Origin)>,
}

/// Where a command was told to look for its configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The file of a flag.
    pub file: Option<&'a Path>,
    /// Whether the command is one of the original's, which reads the original's environment.
    pub as_original: bool,
    /// Settings of the original, from the weakest to the strongest.
    pub properties: &'a [(String, String)],
}

/// Address of the server unless another is given.
const LOOPBACK: &str = "127.0.0.1";
/// Port of the server unless another is given: the one that Cromwell's clients know.
const PORT: u16 = 8000;
const API_PORT: u16 = 8001;
const OSS_PORT: u16 = 8002;
/// Days for which it is remembered who has changed what, unless another number is given.
const AUDIT_DAYS: u32 = 365;
/// Days after which an unpacked image that nobody uses is removed, unless another number is given.
const IMAGE_DAYS: u32 = 30;
/// Workflows carried out at once unless another number is given; each has a thread that mostly sleeps.
const MAX_WORKFLOWS: usize = 1000;
/// Name of the environment variable for the home folder.
pub const HOME_VARIABLE: &str = "BATCHYARD_HOME";
/// Name of the environment variable for the configuration file.
pub const CONFIG_VARIABLE: &str = "BATCHYARD_CONFIG";
/// Name of the environment variable for the database.
pub const DATABASE_VARIABLE: &str = "BATCHYARD_DATABASE";

struct Loader {
    path: Option<PathBuf>,
    original: Option<Original>,
    shown: Vec<(String, String, Origin)>,
}

impl Loader {
    /// The value from the file, else the default; remembered for `config show`.
    fn take<T>(&mut self, name: &str, from_file: Option<T>, default: T, show: impl Fn(&T) -> String) -> T {
        self.take_from(name, from_file, default, Origin::Default, show)
    }

    fn take_from<T>(&mut self, name: &str, from_file: Option<T>, default: T, otherwise: Origin, show: impl Fn(&T) -> String) -> T {
        let (value, origin) = match (from_file, &self.path) {
            (Some(value), Some(path)) => (value, Origin::File(path.clone())),
            (Some(value), None) => (value, Origin::Default),
            (None, _) => (default, otherwise),
        };
        self.shown.push((name.into(), show(&value), origin));
        value
    }

    /// The value from the file, else what the original's configuration decides, else the default. A `-D` setting counts
    /// more than the file.
    fn take_with<T>(
        &mut self,
        name: &str,
        from_file: Option<T>,
        (key, decided): (&str, impl FnOnce(&CromwellConfig) -> Option<T>),
        default: T,
        show: impl Fn(&T) -> String,
    ) -> T {
        let decided = self.original.as_ref().and_then(|original| original.decide(key, decided));
        match decided.filter(|decided| decided.strong || from_file.is_none()) {
            Some(decided) => {
                self.shown.push((name.into(), show(&decided.value), decided.origin));
                decided.value
            }
            None => self.take(name, from_file, default, show),
        }
    }
}

impl Config {
    /// Loads the file named by a flag, by the environment, or at the usual place (which may be absent).
    ///
    /// # Errors
    /// What is wrong with it. All that is wrong with a file of the original comes as
    /// [`Problems`](batchyard_cromwell::config::Problems).
    pub fn load(given: Given<'_>) -> Result<Config> {
        let named = given.file.map(Path::to_owned).or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from));
        let usual = config_home().map(|dir| dir.join("batchyard/config.toml"));
        let (path, foreign) = match named {
            Some(path) if is_original(&path) => (None, Some(path)),
            Some(path) => (Some(path), None),
            None => (usual.filter(|path| path.is_file()), None),
        };
        let file: File = match &path {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
                toml::from_str(&text).with_context(|| format!("the configuration `{}` is wrong", path.display()))?
            }
            None => File::default(),
        };
        let beside = |name: &PathBuf| path.as_ref().and_then(|path| path.parent()).map_or_else(|| name.clone(), |folder| folder.join(name));
        let foreign = foreign.or_else(|| file.cromwell.config.as_ref().map(beside));
        let original = match foreign.is_some() || given.as_original || !given.properties.is_empty() {
            true => Some(Original::load(foreign.as_deref(), given.properties)?),
            false => None,
        };
        Self::resolve(file, path, original)
    }

    /// What was brought here of other stores.
    pub fn cache(&self) -> Cache {
        Cache::new(self.stores.clone(), self.home.join("downloads").join("stores")).with_bounds(self.downloads)
    }

    /// Files of other stores, without those of a server's own.
    pub fn stored_files(&self) -> Arc<StoredFiles> {
        Arc::new(StoredFiles { embedded: None, cache: self.cache() })
    }

    /// Whether a value was neither set nor decided by anybody.
    pub fn is_default(&self, name: &str) -> bool {
        self.shown.iter().any(|(shown, _, origin)| shown == name && *origin == Origin::Default)
    }

    /// Whether a run of the command line ends its tasks when it is told to end. Only the original's configuration can say
    /// that it does not.
    pub fn ends_runs(&self) -> bool {
        self.original.as_ref().and_then(|original| original.config.system.abort_jobs_on_terminate).unwrap_or(true)
    }

    /// Which languages and versions are accepted.
    pub fn accepted(&self) -> Accepted {
        let Some(Original { config, .. }) = &self.original else { return Accepted::default() };
        let options = &config.workflow_options;
        Accepted::new(&config.languages, options.default_type.clone(), options.default_type_version.clone())
    }

    fn resolve(file: File, path: Option<PathBuf>, original: Option<Original>) -> Result<Config> {
        let mut loader = Loader { path, original, shown: Vec::new() };
        let text = |value: &String| format!("{value:?}");
        let home = match std::env::var(HOME_VARIABLE) {
            Ok(home) if !home.is_empty() => {
                loader.shown.push(("home".into(), text(&home), Origin::Environment(HOME_VARIABLE)));
                PathBuf::from(home)
            }
            _ => {
                let default = data_home().join("batchyard").to_string_lossy().into_owned();
                PathBuf::from(loader.take("home", file.home, default, text))
            }
        };
        let default = home.join("batchyard.db").to_string_lossy().into_owned();
        let database = match std::env::var(DATABASE_VARIABLE) {
            Ok(database) if !database.is_empty() => {
                loader.shown.push(("database".into(), text(&without_password(&database)), Origin::Environment(DATABASE_VARIABLE)));
                database
            }
            _ => loader
                .take_with("database", file.database, ("database.db.url", original::database), default, |v| text(&without_password(v))),
        };
        let database = Location::of(&database);
        let root_key = loader.original.as_ref().map(|original| original.config.backends.root_key()).unwrap_or_default();
        let root = |config: &CromwellConfig| Some(config.backends.root().unwrap_or(EXECUTIONS).to_owned());
        let runs_dir = PathBuf::from(loader.take_with("runs_dir", file.runs_dir, (&root_key, root), "batchyard-runs".into(), text));
        let mut settings = loader.settings(file.local, file.containers, file.images, &file.cache, file.wdl.rules)?;
        loader.providers(&mut settings, file.default_provider, file.providers)?;
        let import_map = file.wdl.import_map.into_iter().map(|(url, dir)| (url, PathBuf::from(dir))).collect::<Vec<_>>();
        loader.shown.push((
            "wdl.import_map".into(),
            format!("{import_map:?}"),
            if import_map.is_empty() { Origin::Default } else { loader.path.clone().map_or(Origin::Default, Origin::File) },
        ));
        if let Some(original) = &loader.original {
            original.config.apply_to(&mut settings);
        }
        let stores = loader.stores(file.stores)?;
        let downloads = loader.downloads(&file.downloads)?;
        let warnings = loader.warnings(&file.check)?;
        let server = loader.server(&file.server, &file.batch)?;
        let (original, shown) = (loader.original, loader.shown);
        let mut config = Config { home, database, runs_dir, import_map, warnings, stores, downloads, settings, server, original, shown };
        let web = Downloads::new(config.home.join("downloads"));
        config.settings.remote.fetch = Some(Arc::new(Everywhere::new(web, Some(config.stored_files()))));
        Ok(config)
    }
}

impl Loader {
    fn server(&mut self, file: &ServerFile, batch_file: &BatchFile) -> Result<Server> {
        let listen = file.listen.map(|address| address.to_string());
        let interface = |config: &CromwellConfig| config.webservice.interface.clone();
        let listen = self.take_with("server.listen", listen, ("webservice.interface", interface), LOOPBACK.into(), |v| format!("{v:?}"));
        let origin = self.shown.last().map(|(_, _, origin)| origin);
        let (listens_by_default, opened) = (origin == Some(&Origin::Default), matches!(origin, Some(Origin::Original(_))));
        let port = |config: &CromwellConfig| Some(config.webservice.port);
        let port = self.take_with("server.port", file.port, ("webservice.port", port), PORT, u16::to_string);
        let batch = self.take("server.batch", file.batch, true, bool::to_string);
        let api_port = self.take("server.api_port", file.api_port, API_PORT, u16::to_string);
        let oss_port = self.take("server.oss_port", file.oss_port, OSS_PORT, u16::to_string);
        let tell = |port: &Option<u16>| port.map_or_else(|| "none".into(), |port| port.to_string());
        let tls_port = self.take("server.tls_port", file.tls_port.map(Some), None, tell);
        let tls_cert = self.take_path("server.tls_cert", file.tls_cert.as_ref());
        let tls_key = self.take_path("server.tls_key", file.tls_key.as_ref());
        if tls_cert.is_some() != tls_key.is_some() {
            bail!("`server.tls_cert` and `server.tls_key` belong together: set both, or none for a certificate of the server's own");
        }
        let allow_remote = self.take("server.allow_remote", file.allow_remote, false, bool::to_string);
        let most = |config: &CromwellConfig| Some(config.system.max_concurrent_workflows);
        let most = ("system.max-concurrent-workflows", most);
        let max_workflows = self.take_with("server.max_workflows", file.max_workflows, most, MAX_WORKFLOWS, usize::to_string);
        if max_workflows == 0 {
            bail!("`server.max_workflows = 0` would run nothing: give a number from 1");
        }
        let abort = ("system.abort-jobs-on-terminate", |config: &CromwellConfig| config.system.abort_jobs_on_terminate);
        let abort_on_exit = self.take_with("server.abort_on_exit", file.abort_on_exit, abort, false, bool::to_string);
        let keeping = Keeping {
            audit: days(self.take("server.audit_days", file.audit_days, AUDIT_DAYS, u32::to_string)),
            images: days(self.take("server.image_days", file.image_days, IMAGE_DAYS, u32::to_string)),
        };
        let room = self.room(batch_file)?;
        Ok(Server {
            listen,
            listens_by_default,
            port,
            batch,
            api_port,
            oss_port,
            tls_port,
            tls_cert,
            tls_key,
            allow_remote,
            opened,
            max_workflows,
            abort_on_exit,
            room,
            keeping,
        })
    }

    /// A file that the configuration names; a relative path counts from its folder.
    fn take_path(&mut self, name: &str, from_file: Option<&PathBuf>) -> Option<PathBuf> {
        let folder = self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let show = |path: &Option<PathBuf>| path.as_ref().map_or_else(|| "none".into(), |path| format!("{:?}", path.display().to_string()));
        self.take(name, from_file.map(|path| Some(folder.join(path))), None, show)
    }

    fn warnings(&mut self, switches: &Switches) -> Result<Levels> {
        for (name, list) in [("allow", &switches.allow), ("warn", &switches.warn), ("deny", &switches.deny)] {
            let from_file = (!list.is_empty()).then(|| list.clone());
            self.take(&format!("check.{name}"), from_file, Vec::new(), |list| format!("{list:?}"));
        }
        Levels::default().switched(switches, "the section `[check]`")
    }
}

/// A database URL whose password is not shown.
fn without_password(url: &str) -> String {
    let hidden = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        let name = user.split(':').next()?;
        user.contains(':').then(|| format!("{scheme}://{name}:***@{host}"))
    });
    hidden.unwrap_or_else(|| url.into())
}

/// So many days; 0 stands for ever.
fn days(number: u32) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(u64::from(number) * 24 * 3600))
}

fn config_home() -> Option<PathBuf> {
    match std::env::var_os("XDG_CONFIG_HOME") {
        Some(dir) if !dir.is_empty() => Some(dir.into()),
        _ => Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")),
    }
}

fn data_home() -> PathBuf {
    match (std::env::var_os("XDG_DATA_HOME"), std::env::var_os("HOME")) {
        (Some(dir), _) if !dir.is_empty() => dir.into(),
        (_, Some(home)) => PathBuf::from(home).join(".local/share"),
        // Without a home the state goes where the command was started.
        (_, None) => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Config> {
        Config::resolve(toml::from_str(text)?, Some("c.toml".into()), None)
    }

    fn with_original(text: &str, properties: &[&str]) -> Config {
        let properties: Vec<_> = properties.iter().map(|text| original::property(text)).collect();
        Config::resolve(toml::from_str(text).unwrap(), Some("c.toml".into()), Some(Original::load(None, &properties).unwrap())).unwrap()
    }

    #[test]
    fn settings_of_the_original_count_more_than_our_file() {
        let config = with_original("[server]\nport = 1\nmax_workflows = 3", &["webservice.port=2", "call-caching.enabled=false"]);
        assert_eq!((config.server.port, config.server.max_workflows, config.settings.read_cache), (2, 3, false));
        let origin = |name: &str| config.shown.iter().find(|(n, _, _)| n == name).unwrap().2.to_string();
        assert_eq!((origin("server.port").as_str(), origin("server.max_workflows").as_str()), ("-Dwebservice.port", "c.toml"));
        // Nobody has said anything about these, and no file of the original is in use.
        assert_eq!((origin("runs_dir").as_str(), config.server.abort_on_exit), ("default", false));
        assert!(config.server.listens_by_default && !config.server.opened);
    }

    #[test]
    fn an_address_from_the_original_is_taken_as_meant() {
        let config = with_original("", &["webservice.interface=0.0.0.0", "system.abort-jobs-on-terminate=true"]);
        assert_eq!((config.server.listen.as_str(), config.server.opened, config.server.abort_on_exit), ("0.0.0.0", true, true));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused() {
        assert!(toml::from_str::<File>("homee = 1").unwrap_err().to_string().contains("homee"));
        assert!(resolve("[containers]\npolicy = \"maybe\"").unwrap_err().to_string().contains("containers.policy"));
        assert!(resolve("[local]\nmemory = \"much\"").is_err());
    }

    #[test]
    fn each_value_knows_its_origin() {
        let config = resolve("[local]\ncores = 3\n[[images]]\nmatch = \"python:*\"\npath = [\"/opt\"]").unwrap();
        let origin = |name: &str| config.shown.iter().find(|(n, _, _)| n == name).unwrap().2.clone();
        assert_eq!(origin("local.cores"), Origin::File("c.toml".into()));
        assert_eq!(origin("cache.read"), Origin::Default);
        assert_eq!(config.settings.capacity.millicores, 3000);
        assert_eq!(config.settings.images.len(), 1);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_password("mysql://me:secret@host/db"), "mysql://me:***@host/db");
        assert_eq!(without_password("/a/b.db"), "/a/b.db");
    }
}
