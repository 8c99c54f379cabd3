//! Configuration: one TOML file, every value with a default; environment and flags override, and each value knows
//! where it came from.

mod providers;

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_core::yard::Need;
use batchyard_runner::{
    container::{Engine, EngineKind},
    host,
    stage::Strategy,
};
use batchyard_store::Location;
use batchyard_wdl::version::Dialect;
use batchyard_workflow::{
    provider::LOCAL,
    runtime::parse_bytes,
    settings::{ContainerPolicy, EngineChoice, ImageRule, Settings, StandIn},
};
use indexmap::IndexMap;
use serde::Deserialize;

use crate::cli::warnings::{Levels, Switches};

/// The file as written; everything may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    home: Option<String>,
    database: Option<String>,
    runs_dir: Option<String>,
    local: Local,
    containers: Containers,
    images: Vec<Image>,
    cache: Cache,
    wdl: Wdl,
    check: Switches,
    server: ServerFile,
    default_provider: Option<String>,
    providers: Vec<toml::Table>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServerFile {
    listen: Option<IpAddr>,
    port: Option<u16>,
    allow_remote: Option<bool>,
    max_workflows: Option<usize>,
    abort_on_exit: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Local {
    cores: Option<f64>,
    memory: Option<String>,
    jobs: Option<usize>,
    staging: Option<Vec<String>>,
    grace_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Containers {
    policy: Option<String>,
    engine: Option<String>,
    command: Option<Vec<String>>,
    arguments: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "match")]
    pattern: String,
    image: Option<String>,
    path: Option<Vec<String>>,
    #[serde(default)]
    env: IndexMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cache {
    read: Option<bool>,
    write: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wdl {
    rules: Option<String>,
    import_map: IndexMap<String, String>,
}

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
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Found => f.write_str("this machine"),
            Origin::File(path) => path.display().fmt(f),
            Origin::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address to listen on.
    pub listen: IpAddr,
    /// Port to listen on.
    pub port: u16,
    /// Whether other machines may reach it although nobody has to sign in.
    pub allow_remote: bool,
    /// Most workflows carried out at once.
    pub max_workflows: usize,
    /// Whether what runs is ended with the server.
    pub abort_on_exit: bool,
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
    /// Settings of the engine.
    pub settings: Settings,
    /// Settings of the server.
    pub server: Server,
    /// Every value as text with its origin, in the order of the file.
    pub shown: Vec<(String, String, Origin)>,
}

/// Port of the server unless another is given: the one that Cromwell's clients know.
const PORT: u16 = 8000;
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
}

impl Config {
    /// Loads the file named by `flag`, by the environment, or at the usual place (which may be absent).
    pub fn load(flag: Option<&Path>) -> Result<Config> {
        let named = flag.map(Path::to_owned).or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from));
        let usual = config_home().map(|dir| dir.join("batchyard/config.toml"));
        let path = match named {
            Some(path) => Some(path),
            None => usual.filter(|path| path.is_file()),
        };
        let file: File = match &path {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
                toml::from_str(&text).with_context(|| format!("the configuration `{}` is wrong", path.display()))?
            }
            None => File::default(),
        };
        Self::resolve(file, path)
    }

    fn resolve(file: File, path: Option<PathBuf>) -> Result<Config> {
        let mut loader = Loader { path, shown: Vec::new() };
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
            _ => loader.take("database", file.database, default, |v| text(&without_password(v))),
        };
        let database = if database.contains("://") { Location::Url(database) } else { Location::Sqlite(database.into()) };
        let runs_dir = PathBuf::from(loader.take("runs_dir", file.runs_dir, "batchyard-runs".into(), text));
        let mut settings = loader.settings(file.local, file.containers, file.images, &file.cache, file.wdl.rules)?;
        loader.providers(&mut settings, file.default_provider, file.providers)?;
        let import_map = file.wdl.import_map.into_iter().map(|(url, dir)| (url, PathBuf::from(dir))).collect::<Vec<_>>();
        loader.shown.push((
            "wdl.import_map".into(),
            format!("{import_map:?}"),
            if import_map.is_empty() { Origin::Default } else { loader.path.clone().map_or(Origin::Default, Origin::File) },
        ));
        let warnings = loader.warnings(&file.check)?;
        let server = loader.server(&file.server)?;
        Ok(Config { home, database, runs_dir, import_map, warnings, settings, server, shown: loader.shown })
    }
}

impl Loader {
    fn server(&mut self, file: &ServerFile) -> Result<Server> {
        let listen = self.take("server.listen", file.listen, IpAddr::from([127, 0, 0, 1]), IpAddr::to_string);
        let port = self.take("server.port", file.port, PORT, u16::to_string);
        let allow_remote = self.take("server.allow_remote", file.allow_remote, false, bool::to_string);
        let max_workflows = self.take("server.max_workflows", file.max_workflows, MAX_WORKFLOWS, usize::to_string);
        if max_workflows == 0 {
            bail!("`server.max_workflows = 0` would run nothing: give a number from 1");
        }
        let abort_on_exit = self.take("server.abort_on_exit", file.abort_on_exit, false, bool::to_string);
        Ok(Server { listen, port, allow_remote, max_workflows, abort_on_exit })
    }

    fn warnings(&mut self, switches: &Switches) -> Result<Levels> {
        for (name, list) in [("allow", &switches.allow), ("warn", &switches.warn), ("deny", &switches.deny)] {
            let from_file = (!list.is_empty()).then(|| list.clone());
            self.take(&format!("check.{name}"), from_file, Vec::new(), |list| format!("{list:?}"));
        }
        Levels::default().switched(switches, "the section `[check]`")
    }

    fn settings(
        &mut self,
        local: Local,
        containers: Containers,
        images: Vec<Image>,
        cache: &Cache,
        rules: Option<String>,
    ) -> Result<Settings> {
        let capacity = host::capacity();
        let cores = self.take_from("local.cores", local.cores, capacity.millicores as f64 / 1000.0, Origin::Found, f64::to_string);
        if !(cores > 0.0 && cores < 1e6) {
            bail!("`local.cores` must be a positive number, not {cores}");
        }
        let memory =
            self.take_from("local.memory", local.memory, format!("{} MiB", capacity.memory_mib), Origin::Found, |v| format!("{v:?}"));
        let bytes = parse_bytes(&memory, Dialect::Specification).filter(|b| *b >= f64::from(1 << 20));
        let memory_mib =
            bytes.map(|b| b as u64 >> 20).with_context(|| format!("`local.memory` must be a size such as \"8 GiB\", not {memory:?}"))?;
        let jobs = self.take("local.jobs", local.jobs, usize::MAX, |v| if *v == usize::MAX { "unlimited".into() } else { v.to_string() });
        let default_staging = Strategy::DEFAULT.iter().map(ToString::to_string).collect();
        let staging = self.take("local.staging", local.staging, default_staging, |v: &Vec<String>| format!("{v:?}"));
        let staging = staging
            .iter()
            .map(|s| s.parse::<Strategy>().map_err(|e| anyhow::anyhow!("`local.staging`: {e}")))
            .collect::<Result<Vec<_>>>()?;
        if staging.contains(&Strategy::CachedCopy) {
            bail!("`local.staging` cannot have \"cached-copy\": give a provider that says where its `root` is");
        }
        let grace = self.take("local.grace_seconds", local.grace_seconds, 5, u64::to_string);
        let policy = self.take("containers.policy", containers.policy, "optional".into(), |v: &String| format!("{v:?}"));
        let policy = match policy.as_str() {
            "optional" => ContainerPolicy::Optional,
            "required" => ContainerPolicy::Required,
            "off" => ContainerPolicy::Off,
            other => bail!("`containers.policy` must be \"optional\", \"required\" or \"off\", not {other:?}"),
        };
        let engine = self.engine(containers.engine, containers.command, containers.arguments)?;
        let origin = if images.is_empty() { Origin::Default } else { self.path.clone().map_or(Origin::Default, Origin::File) };
        let images = images.into_iter().map(image_rule).collect::<Result<Vec<_>>>()?;
        let patterns: Vec<&str> = images.iter().map(|rule| rule.pattern.as_str()).collect();
        self.shown.push(("images".into(), format!("{patterns:?}"), origin));
        let read_cache = self.take("cache.read", cache.read, true, bool::to_string);
        let write_cache = self.take("cache.write", cache.write, true, bool::to_string);
        let rules = self.take("wdl.rules", rules, "by version".into(), |v: &String| format!("{v:?}"));
        let dialect = match rules.as_str() {
            "by version" => None,
            "cromwell" => Some(Dialect::Cromwell),
            "specification" => Some(Dialect::Specification),
            other => bail!("`wdl.rules` must be \"by version\", \"cromwell\" or \"specification\", not {other:?}"),
        };
        Ok(Settings {
            capacity: Need { millicores: (cores * 1000.0) as u64, memory_mib },
            jobs,
            read_cache,
            write_cache,
            staging,
            containers: policy,
            engine,
            images,
            grace: Duration::from_secs(grace),
            dialect,
            ..Settings::default()
        })
    }

    fn providers(&mut self, settings: &mut Settings, default: Option<String>, entries: Vec<toml::Table>) -> Result<()> {
        let origin = if entries.is_empty() { Origin::Default } else { self.path.clone().map_or(Origin::Default, Origin::File) };
        settings.providers = providers::read(entries)?;
        let names = settings.providers.names();
        self.shown.push(("providers".into(), format!("{names:?}"), origin));
        let default = self.take("default_provider", default, LOCAL.into(), |v: &String| format!("{v:?}"));
        if !settings.providers.knows(&default) {
            bail!("`default_provider` must be one of {}, not {default:?}", settings.providers.names().join(", "));
        }
        settings.default_provider = Some(default);
        Ok(())
    }

    fn engine(&mut self, name: Option<String>, command: Option<Vec<String>>, arguments: Option<Vec<String>>) -> Result<EngineChoice> {
        let name = self.take("containers.engine", name, "auto".into(), |v: &String| format!("{v:?}"));
        let command = self.take("containers.command", command, Vec::new(), |v| format!("{v:?}"));
        let arguments = self.take("containers.arguments", arguments, Vec::new(), |v| format!("{v:?}"));
        if name == "none" {
            return Ok(EngineChoice::None);
        }
        if name == "auto" {
            if !command.is_empty() {
                bail!("`containers.command` needs to know whose command it is: set `containers.engine` too");
            }
            return Ok(EngineChoice::Found { arguments, found: Arc::default() });
        }
        let Some(kind) = EngineKind::ALL.into_iter().find(|k| k.program() == name) else {
            bail!("`containers.engine` must be \"auto\", \"docker\", \"podman\", \"apptainer\" or \"none\", not {name:?}");
        };
        let command = if command.is_empty() { vec![kind.program().into()] } else { command };
        Ok(EngineChoice::Given(Engine { kind, command, arguments }))
    }
}

fn image_rule(image: Image) -> Result<ImageRule> {
    let pattern = glob::Pattern::new(&image.pattern).with_context(|| format!("`images.match` {:?} is no pattern", image.pattern))?;
    let stand_in = match (image.image, image.path) {
        (Some(image), None) => StandIn::Image(image),
        (None, path) => StandIn::Host { path: path.unwrap_or_default(), env: image.env.into_iter().collect() },
        (Some(_), Some(_)) => bail!("the `[[images]]` entry {:?} names both `image` and `path`: only one can stand in", image.pattern),
    };
    Ok(ImageRule { pattern, stand_in })
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
        Config::resolve(toml::from_str(text)?, Some("c.toml".into()))
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
