//! How runs are carried out on this machine. Workflow options change it for one run: [`options`].

pub mod images;
pub mod options;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use batchyard_core::yard::{Berth, Need};
use batchyard_model::RunId;
use batchyard_runner::{container::Engine, host, stage::Strategy};
use batchyard_wdl::{
    value::Value,
    version::{Dialect, Version},
};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

pub use self::images::{HostEnvironment, ImageRule, StandIn, Tree};
use crate::{
    digests::DigestPolicy,
    documents::{Failure, ImageUse},
    fetch::Remote,
    identity::text_hash,
    limits::Limits,
    provider::{LOCAL, Mode, Provider, Providers, Site},
    secrets::Secrets,
};

/// As Cromwell has them.
const MEMORY_ERRORS: [&str; 2] = ["OutOfMemory", "Killed"];

/// What happens after a call has failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureMode {
    /// Nothing new starts; what runs may end.
    #[default]
    NoNewCalls,
    /// Everything that does not depend on the failed call goes on.
    ContinueWhilePossible,
}

/// Whether tasks that name an image must get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerPolicy {
    /// Without an engine or mapping they run on the host, with a warning.
    #[default]
    Optional,
    /// Without an engine or mapping they fail.
    Required,
    /// They always run on the host.
    Off,
}

/// Which container engine runs tasks that name an image.
#[derive(Clone, Debug, Default)]
pub enum EngineChoice {
    /// None.
    #[default]
    None,
    /// This one.
    Given(Engine),
    /// The first one that is ready; looked for once, when a task first needs it.
    Found {
        /// Further words for every container.
        arguments: Vec<String>,
        /// What was found.
        found: Arc<OnceLock<Option<Engine>>>,
    },
}

impl EngineChoice {
    /// The engine, if there is one.
    pub fn get(&self) -> Option<&Engine> {
        match self {
            EngineChoice::None => None,
            EngineChoice::Given(engine) => Some(engine),
            EngineChoice::Found { arguments, found } => {
                let look = || Engine::find().map(|engine| Engine { arguments: arguments.clone(), ..engine });
                found.get_or_init(look).as_ref()
            }
        }
    }
}

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Cores and memory that tasks may use at once.
    pub capacity: Need,
    /// Most tasks at once.
    pub jobs: usize,
    /// Whether earlier results are looked up.
    pub read_cache: bool,
    /// Whether results may be reused later.
    pub write_cache: bool,
    /// After a failure.
    pub failure_mode: FailureMode,
    /// How input files are put in place.
    pub staging: Vec<Strategy>,
    /// Whether images are needed.
    pub containers: ContainerPolicy,
    /// The container engine.
    pub engine: EngineChoice,
    /// Image mapping; the first match counts.
    pub images: Vec<ImageRule>,
    /// What is done about images whose tags may move.
    pub digests: DigestPolicy,
    /// Words before a command that give it a root of its own; the file that describes the root follows them.
    pub root_words: Vec<String>,
    /// Runtime attributes of tasks that are silent about them.
    pub default_attributes: IndexMap<String, Value>,
    /// What of them, and of other options, is not written down.
    pub secrets: Secrets,
    /// Factor by which memory grows with each attempt that ran out of it.
    pub memory_retry_multiplier: Option<f64>,
    /// Time between the polite signal and the hard one.
    pub grace: Duration,
    /// Rules to follow instead of those of a document's version.
    pub dialect: Option<Dialect>,
    /// Copy final outputs here after success.
    pub final_outputs_dir: Option<String>,
    /// Whether the copies drop the path above the execution directory.
    pub relative_output_paths: bool,
    /// Whether the recorded outputs are the copies.
    pub outputs_are_copies: bool,
    /// Copy what commands wrote here when the run has ended.
    pub call_logs_dir: Option<String>,
    /// Whether output files that are no outputs of the run are deleted after success.
    pub delete_intermediates: bool,
    /// Only results of calls below one of these folders are taken again; empty allows all.
    pub cache_prefixes: Option<Vec<String>>,
    /// Where tasks can run besides the built-in [`LOCAL`].
    pub providers: Providers,
    /// The provider of tasks that name none; the built-in one if there is none.
    pub default_provider: Option<String>,
    /// The provider of all tasks, whatever they name.
    pub provider: Option<String>,
    /// Runs of one group share the berths of a provider; a run without a group is one of its own.
    pub hog_group: Option<String>,
    /// Name of the option that names the group.
    pub hog_option: String,
    /// A level of folders between the name of a workflow and its id, as the Alibaba back-end has it.
    pub workflow_tag: Option<String>,
    /// Words on standard error of a failed command that mean that the memory was too small.
    pub memory_errors: Arc<[String]>,
    /// Whether a result whose files are not what they were is never looked at again.
    pub forget_bad_results: bool,
    /// Who brings files that are elsewhere.
    pub remote: Remote,
    /// Limits of runs.
    pub limits: Limits,
    /// Options of runs that do not set them.
    pub default_options: Map<String, Json>,
    /// Whether the option `delete_intermediate_output_files` may delete files.
    pub may_delete_files: bool,
    /// Whether inputs that a workflow of this version does not have are problems, where the version does not decide it.
    pub strict_inputs: HashMap<Version, bool>,
    /// Whether a workflow without an `output` section has the outputs of its calls also from 1.1 on, where an engine may let its user
    /// choose: Cromwell always gives them.
    pub calls_are_outputs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let capacity = host::capacity();
        Settings {
            capacity: Need { millicores: capacity.millicores, memory_mib: capacity.memory_mib },
            jobs: usize::MAX,
            read_cache: true,
            write_cache: true,
            failure_mode: FailureMode::default(),
            staging: Strategy::DEFAULT.into(),
            containers: ContainerPolicy::default(),
            engine: EngineChoice::None,
            images: Vec::new(),
            digests: DigestPolicy::default(),
            root_words: Vec::new(),
            default_attributes: IndexMap::new(),
            secrets: Secrets::default(),
            memory_retry_multiplier: None,
            grace: Duration::from_secs(5),
            dialect: None,
            final_outputs_dir: None,
            relative_output_paths: false,
            outputs_are_copies: false,
            call_logs_dir: None,
            delete_intermediates: false,
            cache_prefixes: None,
            providers: Providers::default(),
            default_provider: None,
            provider: None,
            hog_group: None,
            hog_option: "hogGroup".into(),
            workflow_tag: None,
            memory_errors: MEMORY_ERRORS.map(str::to_owned).into(),
            forget_bad_results: true,
            remote: Remote::default(),
            limits: Limits::default(),
            default_options: Map::new(),
            may_delete_files: true,
            strict_inputs: HashMap::new(),
            calls_are_outputs: false,
        }
    }
}

/// Where a task runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Engine and image, `None` on the host.
    pub container: Option<(Engine, String)>,
    /// Folders put before `PATH` on the host.
    pub path: Vec<String>,
    /// Variables set on the host.
    pub env: Vec<(String, String)>,
    /// A tree of programs that is laid over the host's root.
    pub tree: Option<PathBuf>,
    /// What makes the host's environment what it is, where something stands in for an image.
    pub environment: Option<String>,
    /// What was asked for and used; `None` for a task without image.
    pub image: Option<ImageUse>,
    /// Remark for the user, once per image.
    pub note: Option<String>,
    /// The provider that runs it, if it is one of the configuration.
    pub site: Option<Site>,
}

impl Place {
    /// How a provider of the configuration runs it.
    pub fn mode(&self) -> Mode {
        self.site.as_ref().map_or(Mode::BuiltIn, |site| site.provider().mode())
    }

    /// Name of its provider.
    pub fn provider(&self) -> &str {
        self.site.as_ref().map_or(LOCAL, |site| site.provider().name())
    }
}

impl Settings {
    /// Memory for an attempt, in MiB, after so many that ran out of it.
    pub fn grown_memory(&self, asked_mib: u64, failures: i32) -> u64 {
        (asked_mib as f64 * self.memory_growth(failures)).ceil() as u64
    }

    /// By how much that is more than was asked for.
    pub fn memory_growth(&self, failures: i32) -> f64 {
        self.memory_retry_multiplier.unwrap_or(1.0).powi(failures)
    }

    /// The rules a document runs by.
    pub fn dialect_of(&self, version: Version) -> Dialect {
        self.dialect.unwrap_or_else(|| Dialect::of(version))
    }

    /// The provider of a task with these attributes; `None` is the built-in one.
    ///
    /// # Errors
    /// It names one that does not exist.
    pub fn provider_of(&self, attributes: &IndexMap<String, Value>) -> Result<Option<&Arc<Provider>>, Failure> {
        let asked = match attributes.get("backend") {
            Some(Value::String(name)) => Some(&**name),
            _ => None,
        };
        let name = self.provider.as_deref().or(asked).or(self.default_provider.as_deref()).unwrap_or(LOCAL);
        if self.providers.knows(name) { Ok(self.providers.get(name)) } else { Err(self.unknown_provider(name)) }
    }

    fn unknown_provider(&self, name: &str) -> Failure {
        Failure::new(format!("there is no provider (backend) `{name}`; there are: {}", self.providers.names().join(", ")))
            .hint("name one of these, or override all tasks with the workflow option `backend`")
    }

    /// What a task needs in the queue of its provider, where that is not only room on this machine.
    pub fn berth(&self, place: &Place, root: RunId, need: Need) -> Option<Berth> {
        let provider = place.site.as_ref()?.provider();
        let elsewhere = provider.mode() == Mode::Dispatched;
        let limit = provider.definition().concurrent_job_limit;
        if !elsewhere && limit.is_none() {
            return None;
        }
        let limit = limit.unwrap_or(usize::MAX);
        let group = self.hog_group.clone().unwrap_or_else(|| root.to_string());
        Some(Berth {
            lane: number_of(provider.name()),
            limit,
            group: number_of(&group),
            group_limit: limit.div_ceil(provider.definition().hog_factor.max(1) as usize),
            need: (!elsewhere).then_some(need),
        })
    }

    /// The directory of a new run below a root.
    pub fn run_dir(&self, root: &Path, workflow: &str, id: RunId) -> PathBuf {
        let tag = self.workflow_tag.as_deref().filter(|tag| !tag.is_empty());
        let folder = root.join(workflow);
        tag.map_or(folder.clone(), |tag| folder.join(tag)).join(id.to_string())
    }
}

/// A number for a name, the same everywhere.
fn number_of(name: &str) -> u64 {
    u64::from_str_radix(text_hash(name).get(..16).unwrap_or_default(), 16).unwrap_or_default()
}
