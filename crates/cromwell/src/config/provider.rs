//! Providers as configuration files describe them.

use std::time::Duration;

use batchyard_hocon::{Origin, Path, Problem};
use batchyard_workflow::provider::{LOCAL, Provider as Checked, ProviderDefinition, bcs};
use indexmap::IndexMap;

use super::{
    System,
    reader::{Reader, object_json},
};

/// What runs the tasks of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// The built-in runner: the provider has no submit command of its own.
    BuiltIn,
    /// The commands of the provider.
    Commands,
    /// The built-in runner in place of the cloud service that the provider names.
    Bcs,
}

/// A provider that tasks may name.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What runs its tasks.
    pub kind: ProviderKind,
    /// What the configuration says.
    pub definition: ProviderDefinition,
    /// Whether nobody has changed what the built-in defaults say.
    pub plain: bool,
    /// Where it is defined.
    pub origin: Origin,
}

/// The providers of a configuration.
#[derive(Clone, Debug)]
pub struct Backends {
    /// The provider of tasks that name none; always one of `providers`.
    pub default: String,
    /// All that are enabled, in the order of their definition.
    pub providers: IndexMap<String, Provider>,
}

const SHARED_FILESYSTEM: &str = "cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory";
/// The factory of the Alibaba BatchCompute back-end.
pub(super) const BCS: &str = "cromwell.backend.impl.bcs.BcsBackendLifecycleActorFactory";
/// Beginnings of factories that other services need.
const FOREIGN: [(&str, &str); 6] = [
    ("cromwell.backend.impl.tes.", "a TES server"),
    ("cromwell.backend.impl.aws.", "AWS Batch"),
    ("cromwell.backend.google.", "Google Cloud"),
    ("cromwell.backend.impl.google.", "Google Cloud"),
    ("cromwell.backend.impl.spark.", "Spark"),
    ("cromwell.backend.impl.htcondor.", "the old HTCondor back-end"),
];
const LOCALIZATION: [&str; 4] = ["hard-link", "soft-link", "copy", "cached-copy"];
const DUPLICATION: [&str; 3] = ["hard-link", "soft-link", "copy"];
const HASHING: [&str; 6] = ["md5", "file", "xxh64", "fingerprint", "path", "path+modtime"];

impl Backends {
    /// Where the default provider wants its runs to lie.
    pub fn root(&self) -> Option<&str> {
        self.providers.get(&self.default)?.definition.root.as_deref()
    }

    /// What the engine needs to know besides its built-in provider: a provider that nobody has changed is just that one.
    pub fn definitions(&self) -> impl Iterator<Item = &ProviderDefinition> {
        let changed = |provider: &&Provider| !(provider.plain && provider.definition.name == LOCAL);
        self.providers.values().filter(changed).map(|provider| &provider.definition)
    }

    /// Whether the engine's built-in provider may be used.
    pub fn allow_built_in(&self) -> bool {
        self.providers.contains_key(LOCAL)
    }

    /// The key that says where the default provider wants its runs to lie.
    pub fn root_key(&self) -> String {
        Path(["backend", "providers", &self.default, "config", "root"].map(str::to_owned).to_vec()).to_string()
    }

    pub(super) fn read(reader: &Reader<'_>, system: &System) -> Backends {
        let default = reader.need_text("backend.default");
        let all = reader.names("backend.providers");
        let enabled = reader.texts("backend.enabled").unwrap_or_else(|| all.clone());
        for name in enabled.iter().filter(|name| !all.contains(name)) {
            missing(reader, "backend.enabled", name, &all);
        }
        if !enabled.contains(&default) && all.contains(&default) {
            let message = format!("the default provider `{default}` is not among `backend.enabled`");
            reader.problem_at("backend.default", message, "add it there, or choose another default");
        } else if !all.contains(&default) {
            missing(reader, "backend.default", &default, &all);
        }
        let wanted = all.iter().filter(|name| enabled.contains(name));
        let providers = wanted.filter_map(|name| Some((name.clone(), Provider::read(reader, name, system)?))).collect();
        Backends { default, providers }
    }
}

fn missing(reader: &Reader<'_>, key: &str, name: &str, all: &[String]) {
    let hint = match batchyard_wdl::spelling::nearest(name, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", all.join(", ")),
    };
    reader.problem_at(key, format!("`{key}` names the provider `{name}`, but `backend.providers` has none of this name"), hint);
}

impl Provider {
    /// Reads one provider; nothing when its factory is of no use, which is told.
    fn read(reader: &Reader<'_>, name: &str, system: &System) -> Option<Provider> {
        let provider = Path(vec!["backend".into(), "providers".into(), name.into()]).to_string();
        let keys = Keys { reader, provider, system };
        let origin = reader.origin(&keys.provider)?.clone();
        let factory_key = format!("{}.actor-factory", keys.provider);
        let Some(factory) = reader.text(&factory_key) else {
            let problem = Problem::at(&origin, format!("the provider `{name}` has no `actor-factory`"));
            reader.problem(problem.hint(format!("add `actor-factory = \"{SHARED_FILESYSTEM}\"`")));
            return None;
        };
        let bcs = factory == BCS;
        if !bcs && factory != SHARED_FILESYSTEM {
            refuse_factory(reader, name, &factory_key, &factory);
            return None;
        }
        let definition = keys.definition(name, bcs);
        let built_in = keys.flag("built-in-runner").unwrap_or(false);
        let kind = if bcs {
            keys.check_bcs(name, &factory_key, &definition);
            ProviderKind::Bcs
        } else if definition.submit.is_some() || (definition.submit_docker.is_some() && !built_in) {
            ProviderKind::Commands
        } else if built_in {
            ProviderKind::BuiltIn
        } else {
            let problem = Problem::at(&origin, format!("the provider `{name}` has neither `submit` nor `submit-docker`"));
            let hint = "give it a command, or `include required(classpath(\"reference_local_provider_config.inc.conf\"))` in its `config`";
            reader.problem(problem.hint(hint));
            return None;
        };
        let definition = keys.checked(definition, kind, &origin);
        let plain = reader.is_built_in(&keys.provider);
        Some(Provider { kind, definition, plain, origin })
    }
}

fn refuse_factory(reader: &Reader<'_>, name: &str, key: &str, factory: &str) {
    let (what, hint) = match FOREIGN.iter().find(|(prefix, _)| factory.starts_with(prefix)) {
        Some((_, service)) => (
            format!("the provider `{name}` needs {service}, which is not supported"),
            "remove the provider or leave it out of `backend.enabled`; tasks run on this machine or through commands such as `sbatch`",
        ),
        None => (
            format!("the provider `{name}` has the unknown actor factory `{factory}`"),
            "commands are run by the factory `cromwell.backend.impl.sfs.config.ConfigBackendLifecycleActorFactory`",
        ),
    };
    reader.problem_at(key, what, hint);
}

/// The keys of one provider.
struct Keys<'r, 'v> {
    reader: &'r Reader<'v>,
    provider: String,
    /// For what the provider does not say.
    system: &'r System,
}

impl Keys<'_, '_> {
    fn path(&self, key: &str) -> String {
        format!("{}.config.{key}", self.provider)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.reader.text(&self.path(key))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.reader.flag(&self.path(key))
    }

    /// A command; an empty one counts as none.
    fn command(&self, key: &str) -> Option<String> {
        self.text(key).filter(|command| !command.trim().is_empty())
    }

    fn definition(&self, name: &str, bcs: bool) -> ProviderDefinition {
        let seconds = self.reader.whole(&self.path("exit-code-timeout-seconds"), 0..=i64::from(i32::MAX));
        ProviderDefinition {
            name: name.into(),
            root: self.root(name, bcs),
            // A call's directory is at the same place inside and outside of a container.
            docker_root: None,
            submit: self.command("submit"),
            submit_docker: self.command("submit-docker"),
            kill: self.command("kill"),
            kill_docker: self.command("kill-docker"),
            check_alive: self.command("check-alive"),
            job_id_regex: self.text("job-id-regex"),
            run_in_background: self.flag("run-in-background").unwrap_or(false),
            runtime_attributes: self.text("runtime-attributes").unwrap_or_default(),
            runtime_attributes_for_caching: self.caching_attributes(),
            exit_code_timeout: seconds.map(Duration::from_secs),
            job_shell: self.text("job-shell").or_else(|| Some(self.system.job_shell.clone())),
            script_epilogue: self.text("script-epilogue"),
            temporary_directory: self.text("temporary-directory"),
            glob_link_command: self.text("glob-link-command"),
            empty_dir_fill_command: self.text("empty-dir-fill-command"),
            concurrent_job_limit: self.reader.whole(&self.path("concurrent-job-limit"), 1..=i64::from(i32::MAX)),
            hog_factor: self.reader.whole(&self.path("hog-factor"), 1..=i64::from(i32::MAX)).unwrap_or(self.system.hog_factor),
            name_for_call_caching: self.text("name-for-call-caching-purposes"),
            default_runtime_attributes: self.reader.object(&self.path("default-runtime-attributes")).map(object_json).unwrap_or_default(),
            localization: self.strategies("filesystems.local.localization", &LOCALIZATION),
            duplication: self.strategies("filesystems.local.caching.duplication-strategy", &DUPLICATION),
            hashing_strategy: self.hashing(),
            check_sibling_md5: self.flag("filesystems.local.caching.check-sibling-md5").unwrap_or(false),
            fingerprint_size: self.reader.size(&self.path("filesystems.local.caching.fingerprint-size")).unwrap_or(10 << 20),
            allow_docker_soft_links: self.flag("filesystems.local.docker.allow-soft-links").unwrap_or(false),
            max_hardlinks: self.reader.whole(&self.path("filesystems.local.max-hardlinks"), 1..=i64::from(i32::MAX)).unwrap_or(950),
            bcs,
            without_images: false,
        }
    }

    /// The root folder. That of a cloud provider is a place in the cloud, which the built-in runner cannot use.
    fn root(&self, name: &str, bcs: bool) -> Option<String> {
        let root = self.text("root")?;
        if !root.contains("://") {
            return Some(root);
        }
        let path = self.path("root");
        if bcs {
            let message =
                format!("the root of the provider `{name}` is in the cloud; its calls get their directories in the usual root here");
            self.reader.note_at(&path, message, "set `root` to a folder to choose another");
        } else {
            self.reader.problem_at(
                &path,
                format!("the root of the provider `{name}` is no folder of this machine"),
                "give the path of a folder",
            );
        }
        None
    }

    fn caching_attributes(&self) -> IndexMap<String, bool> {
        let key = "runtime-attributes-for-caching";
        let names = self.reader.object(&self.path(key)).map(|fields| fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let counted = names.into_iter().filter_map(|name| {
            let flag = self.flag(&format!("{key}.{}", Path(vec![name.clone()])))?;
            Some((name, flag))
        });
        counted.collect()
    }

    fn strategies(&self, key: &str, known: &[&str]) -> Option<Vec<String>> {
        let path = self.path(key);
        let names = self.reader.texts(&path)?;
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let hint = match batchyard_wdl::spelling::nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", known.join(", ")),
            };
            self.reader.problem_at(&path, format!("`{path}` has the unknown strategy `{name}`"), hint);
        }
        if names.is_empty() {
            self.reader.problem_at(&path, format!("`{path}` is empty"), format!("there are: {}", known.join(", ")));
        }
        Some(names)
    }

    /// An unknown strategy means `path`, as in the original, and is told.
    fn hashing(&self) -> Option<String> {
        let key = "filesystems.local.caching.hashing-strategy";
        let name = self.text(key)?;
        if HASHING.contains(&name.as_str()) {
            return Some(name);
        }
        let hint = format!("there are: {}", HASHING.join(", "));
        self.reader.note_at(&self.path(key), format!("the hashing strategy `{name}` is unknown; `path` is used instead"), &hint);
        Some("path".into())
    }

    /// The definition as the engine takes it. What the engine finds wrong with it is told at its keys.
    fn checked(&self, mut definition: ProviderDefinition, kind: ProviderKind, origin: &Origin) -> ProviderDefinition {
        if kind != ProviderKind::Commands {
            definition.run_in_background = true;
        }
        if kind == ProviderKind::BuiltIn && definition.submit_docker.is_some() {
            // Its own command for images, and for other tasks what the original's reference says.
            definition.submit = Some("${job_shell} ${script}".into());
        }
        match Checked::new(definition.clone()) {
            // Whoever takes `docker` out of its attributes wants no containers.
            Ok(checked) => definition.without_images = kind == ProviderKind::BuiltIn && !checked.knows_images(),
            Err(found) => found.into_iter().for_each(|wrong| {
                let path = self.path(wrong.key);
                let problem = Problem::at(self.reader.origin(&path).unwrap_or(origin), wrong.to_string());
                self.reader.problem(problem);
            }),
        }
        definition
    }

    fn check_bcs(&self, name: &str, factory: &str, definition: &ProviderDefinition) {
        let message = format!("the cloud service of the provider `{name}` no longer exists; its tasks run on this machine");
        self.reader.note_at(factory, message, "its runtime attributes are accepted and checked; instance types and disks are not provided");
        for problem in bcs::check_bcs_attributes(&definition.default_runtime_attributes) {
            let path = self.path("default-runtime-attributes");
            let attribute = problem.0;
            let at = format!("{path}.{}", Path(vec![attribute.clone()]));
            self.reader.problem_at(&at, format!("the runtime attribute `{attribute}` {}", problem.1), problem.2);
        }
    }
}
