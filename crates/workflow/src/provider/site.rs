//! A provider as one call uses it: with the call's attributes, image and name.

use std::{path::Path, sync::Arc};

use batchyard_runner::dispatch::{JobScripts, ScriptsOfJob};
use batchyard_wdl::{value::Value, version::Dialect};
use indexmap::IndexMap;

use super::{
    Mode, Provider,
    attributes::Asked,
    template::{Template, Values},
};
use crate::{documents::Failure, runtime::Runtime};

/// Run after the command where a provider does not say otherwise: a file in every empty directory, which copying tools would lose.
const FILL_EMPTY_DIRS: &str = "find . -mindepth 1 -type d -empty -exec touch '{}/.file' ';'";
/// Run after that: what was written is given to the file system, so that others see it together with `rc`.
const EPILOGUE: &str = "sync";
/// A temporary folder of the attempt's own.
const TEMPORARY_DIRECTORY: &str = "$(mktemp -d \"$PWD\"/tmp.XXXXXX)";

/// A provider as one call uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    provider: Arc<Provider>,
    attributes: Arc<IndexMap<String, Value>>,
    image: Option<String>,
    job_name: String,
    dialect: Dialect,
}

/// The commands of one attempt.
#[derive(Debug)]
pub(crate) struct Commands {
    pub submit: String,
    pub scripts: ScriptsOfJob,
}

impl Site {
    /// A call with these evaluated attributes at a provider.
    ///
    /// # Errors
    /// A declared attribute that has no value or a wrong one, or an image where there can be none.
    pub(crate) fn new(
        provider: &Arc<Provider>,
        attributes: &IndexMap<String, Value>,
        runtime: &Runtime,
        image: Option<String>,
        job_name: String,
        dialect: Dialect,
    ) -> Result<Site, Failure> {
        let site = Site { provider: Arc::clone(provider), attributes: Arc::new(attributes.clone()), image, job_name, dialect };
        if provider.mode != Mode::BuiltIn {
            site.values(runtime, runtime.memory_bytes)?;
            site.submit()?;
        }
        Ok(site)
    }

    /// The provider.
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// Whether the provider's commands run the task in a container.
    pub(crate) fn in_container(&self) -> bool {
        self.image.is_some()
    }

    fn submit(&self) -> Result<&Template, Failure> {
        let provider = &self.provider;
        let (found, missing) = if self.image.is_some() {
            (provider.submit_docker.as_ref().or(provider.submit.as_ref()), "submit-docker")
        } else {
            (provider.submit.as_ref(), "submit")
        };
        found.ok_or_else(|| {
            Failure::new(format!("provider `{}` has no `{missing}` to run this task with", provider.name()))
                .hint("give the task an image (`docker`), or the provider a `submit` for tasks without one")
        })
    }

    fn values(&self, runtime: &Runtime, memory: Option<u64>) -> Result<Values, Failure> {
        let asked =
            Asked { attributes: &self.attributes, image: self.image.as_deref(), memory, cores: runtime.cores, dialect: self.dialect };
        self.provider.attributes.values(&asked).map_err(|problem| {
            Failure::new(format!("runtime validation failed: {problem} (provider `{}`)", self.provider.name()))
                .hint("set it in the task's `runtime` section or under `default_runtime_attributes` in the workflow options")
        })
    }

    /// The commands of an attempt in this directory with so much memory, for whom a provider may want to know.
    pub(crate) fn commands(
        &self,
        call_dir: &Path,
        execution_dir: &Path,
        runtime: &Runtime,
        memory: Option<u64>,
        on_behalf: Option<&str>,
    ) -> Result<Commands, Failure> {
        let mut values = self.values(runtime, memory)?;
        let path = |name: &str| Value::string(execution_dir.join(name).to_string_lossy().as_ref());
        let mut set = |name: &str, value: Value| drop(values.insert(name.into(), value));
        set("job_name", Value::string(self.job_name.as_str()));
        set("on_behalf", Value::string(on_behalf.unwrap_or_default()));
        set("job_shell", Value::string(self.provider.job_shell()));
        // The call's directory is at the same place inside and outside of a container.
        for name in ["cwd", "docker_cwd"] {
            set(name, Value::string(call_dir.to_string_lossy().as_ref()));
        }
        for (name, file) in [("out", "stdout"), ("err", "stderr"), ("script", "script")] {
            set(name, path(file));
            set(&format!("docker_{name}"), path(file));
        }
        set("docker_cid", path("docker_cid"));
        let submit = self.submit()?.fill(self.provider.name(), &values, execution_dir)?;
        let (provider, container, dir) = (Arc::clone(&self.provider), self.image.is_some(), execution_dir.to_owned());
        let scripts = ScriptsOfJob::new(move |job_id| {
            let mut values = values.clone();
            values.insert("job_id".into(), Value::string(job_id));
            let fill = |template: Option<&Template>| {
                template.map(|t| t.fill(provider.name(), &values, &dir).map_err(|failure| failure.message)).transpose()
            };
            let kill_docker = provider.kill_docker.as_ref().filter(|_| container);
            // What runs here is ended by us; only what its end leaves running needs a command.
            let kill = if provider.mode == Mode::Background { None } else { provider.kill.as_ref() };
            Ok(JobScripts { check: fill(provider.check_alive.as_ref())?, kill: fill(kill_docker.or(kill))? })
        });
        Ok(Commands { submit, scripts })
    }

    /// What the script does after the task's command; `more` at the end.
    pub(crate) fn afterwards(&self, more: Vec<String>) -> Vec<String> {
        let definition = &self.provider.definition;
        let mut parts = vec![definition.empty_dir_fill_command.as_deref().unwrap_or(FILL_EMPTY_DIRS).to_owned()];
        parts.push(definition.script_epilogue.as_deref().unwrap_or(EPILOGUE).to_owned());
        parts.extend(more);
        parts
    }

    /// The word of the script that makes its temporary folder.
    pub(crate) fn temporary_directory(&self) -> &str {
        self.provider.definition.temporary_directory.as_deref().unwrap_or(TEMPORARY_DIRECTORY)
    }

    /// The shell of the script.
    pub(crate) fn shell(&self) -> &str {
        self.provider.job_shell()
    }

    /// What this provider adds to the identity of a call.
    pub(crate) fn identity_parts(&self) -> Vec<(String, String)> {
        let definition = &self.provider.definition;
        let mut parts = vec![("backend".to_owned(), self.provider.cache_name().to_owned())];
        let counting = definition.runtime_attributes_for_caching.iter().filter(|(_, counts)| **counts);
        parts.extend(counting.map(|(name, _)| {
            let value = self.attributes.get(name).filter(|value| !value.is_none());
            let text = value.map_or_else(|| "N/A".to_owned(), |value| batchyard_wdl::json::to_json(value).to_string());
            (format!("runtime attribute {name}"), text)
        }));
        parts
    }
}
