//! Providers: places where tasks run, given by commands of the configuration as in Cromwell's shared-filesystem backends.
//!
//! A [`ProviderDefinition`] is what the configuration says; a [`Provider`] is the same, checked and ready
//! ([`Provider::new`]). [`Site`] is a provider as one call uses it. [`template`] fills in commands, [`attributes`] the
//! values they may name, [`desk`] holds the threads that work for all providers together.

mod attributes;
pub mod bcs;
mod compile;
pub mod desk;
mod site;
mod template;
#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use batchyard_runner::{
    dispatch::JobIdPattern,
    stage::{Staging, Strategy},
};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use self::{attributes::Attributes, template::Template};
use crate::identity::Hashing;
pub use desk::Desk;
pub use site::Site;

/// Name of the provider that needs no configuration: processes of this machine.
pub const LOCAL: &str = "Local";
/// Shell of scripts where a provider names none.
pub const JOB_SHELL: &str = "/bin/bash";

/// A provider as the configuration describes it; the fields are Cromwell's keys.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the keys are explained in the user guide; here they only have to be found again")]
pub struct ProviderDefinition {
    pub name: String,
    pub root: Option<String>,
    pub docker_root: Option<String>,
    pub submit: Option<String>,
    pub submit_docker: Option<String>,
    pub kill: Option<String>,
    pub kill_docker: Option<String>,
    pub check_alive: Option<String>,
    pub job_id_regex: Option<String>,
    pub run_in_background: bool,
    pub runtime_attributes: String,
    pub runtime_attributes_for_caching: IndexMap<String, bool>,
    pub exit_code_timeout: Option<Duration>,
    pub job_shell: Option<String>,
    pub script_epilogue: Option<String>,
    pub temporary_directory: Option<String>,
    pub glob_link_command: Option<String>,
    pub empty_dir_fill_command: Option<String>,
    pub concurrent_job_limit: Option<usize>,
    pub hog_factor: u32,
    pub name_for_call_caching: Option<String>,
    pub default_runtime_attributes: Map<String, Json>,
    pub localization: Option<Vec<String>>,
    pub duplication: Option<Vec<String>>,
    pub hashing_strategy: Option<String>,
    pub check_sibling_md5: bool,
    pub fingerprint_size: u64,
    pub allow_docker_soft_links: bool,
    pub max_hardlinks: u32,
    pub bcs: bool,
    /// Whether its tasks run without their images although it has no command of its own.
    pub without_images: bool,
}

impl Default for ProviderDefinition {
    fn default() -> Self {
        ProviderDefinition {
            name: LOCAL.into(),
            root: None,
            docker_root: None,
            submit: None,
            submit_docker: None,
            kill: None,
            kill_docker: None,
            check_alive: None,
            job_id_regex: None,
            run_in_background: false,
            runtime_attributes: String::new(),
            runtime_attributes_for_caching: IndexMap::new(),
            exit_code_timeout: None,
            job_shell: None,
            script_epilogue: None,
            temporary_directory: None,
            glob_link_command: None,
            empty_dir_fill_command: None,
            concurrent_job_limit: None,
            hog_factor: 1,
            name_for_call_caching: None,
            default_runtime_attributes: Map::new(),
            localization: None,
            duplication: None,
            hashing_strategy: None,
            check_sibling_md5: false,
            fingerprint_size: 10 << 20,
            allow_docker_soft_links: false,
            max_hardlinks: 950,
            bcs: false,
            without_images: false,
        }
    }
}

/// What is wrong with a provider, by the names of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider `{provider}`: `{key}` {problem}")]
pub struct ProviderError {
    /// Name of the provider.
    pub provider: String,
    /// The key, as Cromwell spells it.
    pub key: &'static str,
    /// What is wrong, and what to mend.
    pub problem: String,
}

/// How a provider runs tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By our own runner on this machine.
    BuiltIn,
    /// By its submit command, which runs as long as the task, on this machine.
    Background,
    /// By a job that its submit command hands to a scheduler.
    Dispatched,
}

/// A provider, checked.
pub struct Provider {
    definition: ProviderDefinition,
    mode: Mode,
    attributes: Attributes,
    submit: Option<Template>,
    submit_docker: Option<Template>,
    kill: Option<Template>,
    kill_docker: Option<Template>,
    check_alive: Option<Template>,
    job_id: Option<JobIdPattern>,
    staging: Staging,
    duplication: Vec<Strategy>,
    hashing: Option<Hashing>,
}

impl Provider {
    /// Checks a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(definition: ProviderDefinition) -> Result<Provider, Vec<ProviderError>> {
        compile::compile(definition)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What the configuration says of it.
    pub fn definition(&self) -> &ProviderDefinition {
        &self.definition
    }

    /// How it runs tasks.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether its commands can run images.
    pub fn knows_images(&self) -> bool {
        self.attributes.know_images()
    }

    /// How input files are put in place.
    pub fn staging(&self) -> &Staging {
        &self.staging
    }

    /// How files of an earlier result are put in place.
    pub fn duplication(&self) -> &[Strategy] {
        &self.duplication
    }

    /// By what files are known; `None` is our own way.
    pub fn hashing(&self) -> Option<&Hashing> {
        self.hashing.as_ref()
    }

    /// The name by which the call cache knows it.
    pub fn cache_name(&self) -> &str {
        self.definition.name_for_call_caching.as_deref().unwrap_or(&self.definition.name)
    }

    /// Finds the job id in what its submit command prints.
    pub(crate) fn job_id_pattern(&self) -> Option<&JobIdPattern> {
        self.job_id.as_ref()
    }

    fn job_shell(&self) -> &str {
        self.definition.job_shell.as_deref().unwrap_or(JOB_SHELL)
    }
}

/// Providers are the same when they have the same definition.
impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider `{}` ({:?})", self.definition.name, self.mode)
    }
}

/// All providers of a configuration, and those who work for them.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    by_name: IndexMap<String, Arc<Provider>>,
    desk: Option<Arc<Desk>>,
    /// Whether the built-in provider may not be used unless it is among them.
    closed: bool,
}

impl Providers {
    /// Checks all definitions.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(definitions: impl IntoIterator<Item = ProviderDefinition>) -> Result<Providers, Vec<ProviderError>> {
        let (mut by_name, mut problems) = (IndexMap::new(), Vec::new());
        for definition in definitions {
            let name = definition.name.clone();
            match Provider::new(definition) {
                Ok(provider) => {
                    if by_name.insert(name.clone(), Arc::new(provider)).is_some() {
                        problems.push(ProviderError { provider: name, key: "name", problem: "is given twice".into() });
                    }
                }
                Err(mut found) => problems.append(&mut found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let desk = (!by_name.is_empty()).then(|| Arc::new(Desk::new()));
        Ok(Providers { by_name, desk, closed: false })
    }

    /// The same without the built-in provider, unless a definition has its name.
    pub fn without_built_in(self) -> Self {
        Providers { closed: true, ..self }
    }

    /// The same, open or closed to the built-in provider as others are.
    pub fn closed_as(self, others: &Providers) -> Self {
        Providers { closed: others.closed, ..self }
    }

    /// Those by which tasks become jobs of the BatchCompute service, and no others.
    pub fn jobs_alone(&self) -> Self {
        let by_name = self.by_name.iter().filter(|(_, provider)| provider.definition.bcs);
        Providers {
            by_name: by_name.map(|(name, provider)| (name.clone(), Arc::clone(provider))).collect(),
            desk: self.desk.clone(),
            closed: true,
        }
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.by_name.get(name)
    }

    /// Names of all that can be used, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        if !self.closed && !self.by_name.contains_key(LOCAL) {
            names.push(LOCAL);
        }
        names.sort_unstable();
        names
    }

    /// Whether it can be used.
    pub fn knows(&self, name: &str) -> bool {
        (name == LOCAL && !self.closed) || self.by_name.contains_key(name)
    }

    /// The threads that work for providers; there are none without providers.
    pub fn desk(&self) -> Option<&Arc<Desk>> {
        self.desk.as_ref()
    }
}

/// A root folder as given, or Cromwell's.
fn root_of(definition: &ProviderDefinition) -> PathBuf {
    let root = definition.root.as_deref().unwrap_or("cromwell-executions");
    std::path::absolute(root).unwrap_or_else(|_| root.into())
}
