//! How a server carries out workflows.

use std::{collections::HashSet, fmt, path::PathBuf, sync::Arc, time::Duration};

use batchyard_model::RunId;
use batchyard_workflow::{
    fetch::{Fetch, User},
    secrets::{CLEARED, Secrets},
    settings::Settings,
};
use serde_json::{Map, Value as Json};

use super::{
    seal::{Seal, SealError, is_sealed},
    watch::Heartbeats,
};
use crate::{
    LOCAL,
    config::{Callback, CromwellConfig, Wes, YamlLimits},
    documents::Sources,
    language::Accepted,
};

/// Time that running tasks get to end when the server ends them, unless a configuration says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user of this machine as whom a run is carried out for somebody, by the name that [`Submission::on_behalf`] tells; nothing for
/// the server's own.
///
/// [`Submission::on_behalf`]: crate::submission::Submission::on_behalf
#[derive(Clone)]
pub struct Users(pub FindUser);

/// Looks for the user.
pub type FindUser = Arc<dyn Fn(&str) -> Result<Option<User>, String> + Send + Sync>;

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("users")
    }
}

/// How a server carries out workflows.
#[derive(Clone, Debug)]
pub struct Options {
    /// What holds for every run unless its options say otherwise.
    pub settings: Settings,
    /// Folder in which runs lie: `<root>/<workflow>/<id>`.
    pub root: PathBuf,
    /// Where documents may come from.
    pub sources: Sources,
    /// Where files of the web are kept.
    pub downloads: PathBuf,
    /// Who brings files of object stores here, and takes them there, where there are any.
    pub objects: Option<Arc<dyn Fetch + Send + Sync>>,
    /// The users of this machine as whom runs are carried out for others.
    pub users: Option<Users>,
    /// Languages and versions that are accepted.
    pub accepted: Accepted,
    /// Limits of inputs in YAML.
    pub yaml: YamlLimits,
    /// Most runs carried out at once; others wait.
    pub max_concurrent: usize,
    /// Whether the end of the server ends what runs. Otherwise the next server goes on with it.
    pub abort_on_terminate: bool,
    /// How long it waits for that.
    pub abort_patience: Duration,
    /// How servers of one database know of each other.
    pub heartbeats: Heartbeats,
    /// Names this server in metadata.
    pub name: String,
    /// How those are told of an end who want to know; nobody is told when absent.
    pub callback: Option<Callback>,
    /// Options of workflows whose values are not shown.
    pub hidden_options: HashSet<String>,
    /// Keeps those of them that are needed later.
    pub seal: Arc<Seal>,
    /// Folder for the logs of runs, instead of the directory of each.
    pub log_dir: Option<PathBuf>,
    /// Whether they are removed from there when a run has ended.
    pub log_temporary: bool,
    /// Longest command that metadata shows, in characters; 0 is without limit.
    pub command_chars: usize,
    /// What the WES interface tells about the service.
    pub wes: Wes,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            settings: Settings::default(),
            root: PathBuf::from("."),
            sources: Sources::default(),
            downloads: PathBuf::from("."),
            objects: None,
            users: None,
            accepted: Accepted::default(),
            yaml: YamlLimits::default(),
            max_concurrent: usize::MAX,
            abort_on_terminate: false,
            abort_patience: PATIENCE,
            heartbeats: Heartbeats::default(),
            name: "batchyard".into(),
            callback: Some(Callback::default()),
            hidden_options: HashSet::new(),
            seal: Arc::new(Seal::none()),
            log_dir: None,
            log_temporary: true,
            command_chars: 0,
            wes: Wes::default(),
        }
    }
}

impl Options {
    /// Follows what a configuration decides. What our own configuration can say too (limits of workflows at once, what ends
    /// with the server, where runs lie, settings of runs) is left to the caller.
    pub fn follow(&mut self, config: &CromwellConfig) {
        let options = &config.workflow_options;
        self.sources.hosts.clone_from(&config.languages.import_hosts);
        self.accepted = Accepted::new(&config.languages, options.default_type.clone(), options.default_type_version.clone());
        self.yaml = config.yaml;
        if config.decides("akka.coordinated-shutdown.phases.abort-all-workflows.timeout") {
            self.abort_patience = config.system.abort_timeout;
        }
        if let Some(name) = &config.system.cromwell_id {
            self.name.clone_from(name);
            if config.system.cromwell_id_random_suffix {
                self.name = format!("{name}-{}", RunId::random().short());
            }
        }
        if config.decides("workflow-state-callback.enabled") {
            self.callback.clone_from(&config.callback);
        }
        self.heartbeats = config.system.heartbeats;
        self.hidden_options = options.encrypted_fields.iter().cloned().collect();
        if let Some(key) = options.encryption_key {
            self.seal = Arc::new(Seal::of_key(key));
        }
        self.log_dir = options.log_dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
        self.log_temporary = options.log_temporary;
        self.command_chars = config.system.abbreviate_command_length;
        self.wes.clone_from(&config.wes);
    }

    /// Names of the backends, sorted, and the one that runs what names none.
    pub fn backends(&self) -> (Vec<String>, String) {
        let names = self.settings.providers.names().into_iter().map(str::to_owned).collect();
        (names, self.settings.default_provider.clone().unwrap_or_else(|| LOCAL.to_owned()))
    }

    /// Options of a workflow as they are kept: a secret that nothing here has a use for is not, others are sealed.
    ///
    /// # Errors
    /// There is no key to seal them with.
    pub fn kept_options(&self, options: &Map<String, Json>) -> Result<Map<String, Json>, SealError> {
        let kept = |name: &String, value: &Json| match self.hidden_options.contains(name) {
            true if self.settings.takes_option(name) => self.seal.seal(name, value),
            true => Ok(Json::from(CLEARED)),
            false => Ok(value.clone()),
        };
        options.iter().map(|(name, value)| Ok((name.clone(), kept(name, value)?))).collect()
    }

    /// Options that were kept, as they were given; those that cannot be opened any more as they are. For what only looks at them.
    pub fn opened_options(&self, options: &Map<String, Json>) -> Map<String, Json> {
        self.seal.open_all(options).unwrap_or_else(|_| options.clone())
    }

    /// Whether an option of this name, kept like this, is a secret.
    pub fn hides(&self, name: &str, kept: &Json) -> bool {
        self.hidden_options.contains(name) || is_sealed(kept)
    }

    /// The secrets of a run: of its options as they were kept, and as they are with the defaults.
    ///
    /// # Errors
    /// There is no key to make digests of them with.
    pub fn secrets(&self, kept: &Map<String, Json>, opened: &Map<String, Json>) -> Result<Secrets, SealError> {
        let mut secret = self.settings.with_default_options(opened);
        secret.retain(|name, _| self.hides(name, kept.get(name).unwrap_or(&Json::Null)));
        if secret.is_empty() { Ok(Secrets::default()) } else { Ok(Secrets::of(&secret, &self.seal.salt()?)) }
    }

    /// Options of a workflow as they may be shown.
    pub fn shown_options(&self, options: &Map<String, Json>) -> Map<String, Json> {
        let shown = |name: &String, value: &Json| if self.hides(name, value) { Json::from(CLEARED) } else { value.clone() };
        options.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
    }

    /// The same of a JSON text.
    pub fn shown_options_text(&self, text: &str) -> String {
        match serde_json::from_str(text) {
            Ok(Json::Object(options)) if options.keys().any(|name| self.hidden_options.contains(name)) => {
                serde_json::to_string_pretty(&self.shown_options(&options)).unwrap_or_default()
            }
            _ => text.to_owned(),
        }
    }
}
