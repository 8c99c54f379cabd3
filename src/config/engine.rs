//! Settings of the engine from a configuration: limits of this machine, containers, images, providers.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use batchyard_core::yard::Need;
use batchyard_cromwell::{
    config::{CromwellConfig, Method},
    registry::{RETRIES, RegistryClient},
};
use batchyard_runner::{
    container::{Engine, EngineKind},
    host,
    root::unshare,
    stage::Strategy,
};
use batchyard_wdl::version::Dialect;
use batchyard_workflow::{
    digests::{Bounds, DigestPolicy, Digests, Source},
    limits::Limits,
    memory::Memory,
    provider::{LOCAL, ProviderDefinition},
    runtime::parse_bytes,
    settings::{ContainerPolicy, EngineChoice, HostEnvironment, ImageRule, Settings, StandIn, Tree},
};

use super::{
    Loader, Origin,
    file::{Cache, Containers, Image, Local},
    providers,
};
use crate::{cli::exec_root, memory::in_use};

/// Values of `containers.digests`.
const TAGS: &str = "tag-is-identity";
const REMOTE_DIGESTS: &str = "remote";
const LOCAL_DIGESTS: &str = "local";
const NO_DIGESTS: &str = "off";

impl Loader {
    pub(super) fn settings(
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
        let limits = Limits {
            memory: Arc::new(Memory::new(self.engine_memory(local.engine_memory, capacity.memory_mib)?, in_use)),
            ..Limits::default()
        };
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
        let digests = self.digests(containers.digests)?;
        let origin = if images.is_empty() { Origin::Default } else { self.path.clone().map_or(Origin::Default, Origin::File) };
        let images = images.into_iter().map(image_rule).collect::<Result<Vec<_>>>()?;
        let lays_trees = images.iter().any(|rule| matches!(&rule.stand_in, StandIn::Host(host) if host.tree.is_some()));
        let root_words = if lays_trees { unshare(&exec_root::own_words()?) } else { Vec::new() };
        let patterns: Vec<&str> = images.iter().map(|rule| rule.pattern.as_str()).collect();
        self.shown.push(("images".into(), format!("{patterns:?}"), origin));
        let caching = ("call-caching.enabled", |config: &CromwellConfig| Some(config.call_caching.enabled));
        let read_cache = self.take_with("cache.read", cache.read, caching, true, bool::to_string);
        let write_cache = self.take_with("cache.write", cache.write, caching, true, bool::to_string);
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
            digests,
            root_words,
            grace: Duration::from_secs(grace),
            dialect,
            limits,
            ..Settings::default()
        })
    }

    /// Bytes that the values of all runs may take: half of this machine's memory, so that tasks find the other half.
    fn engine_memory(&mut self, given: Option<String>, machine_mib: u64) -> Result<u64> {
        let half = format!("{} MiB", (machine_mib / 2).max(512));
        let memory = self.take_from("local.engine_memory", given, half, Origin::Found, |v| format!("{v:?}"));
        let bytes = parse_bytes(&memory, Dialect::Specification).filter(|b| *b >= f64::from(64 << 20));
        bytes.map(|b| b as u64).with_context(|| format!("`local.engine_memory` must be a size of at least \"64 MiB\", not {memory:?}"))
    }

    /// Our own providers and those of the original's configuration; of two with one name ours.
    pub(super) fn providers(&mut self, settings: &mut Settings, default: Option<String>, entries: Vec<toml::Table>) -> Result<()> {
        let own = if entries.is_empty() { Origin::Default } else { self.path.clone().map_or(Origin::Default, Origin::File) };
        let mut definitions = providers::read(entries)?;
        let backends = self.original.as_ref().map(|original| &original.config.backends);
        let further: Vec<ProviderDefinition> = backends.into_iter().flat_map(|backends| backends.definitions()).cloned().collect();
        let origin =
            if further.is_empty() { own } else { Origin::Original(self.original.as_ref().and_then(|o| o.config.place("backend"))) };
        definitions.extend(further.into_iter().filter(|one| !definitions.iter().any(|other| other.name == one.name)).collect::<Vec<_>>());
        let closed = backends.is_some_and(|backends| !backends.allow_built_in());
        settings.providers = providers::checked(definitions)?;
        if closed {
            settings.providers = std::mem::take(&mut settings.providers).without_built_in();
        }
        let names = settings.providers.names();
        self.shown.push(("providers".into(), format!("{names:?}"), origin));
        let decided = ("backend.default", |config: &CromwellConfig| Some(config.backends.default.clone()));
        let default = self.take_with("default_provider", default, decided, LOCAL.into(), |v: &String| format!("{v:?}"));
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

impl Loader {
    /// What is done about images whose tags may move.
    fn digests(&mut self, name: Option<String>) -> Result<DigestPolicy> {
        let decided = |config: &CromwellConfig| {
            let method = config.hash_lookup?.method;
            Some(method.map_or(NO_DIGESTS, |method| if method == Method::Local { LOCAL_DIGESTS } else { REMOTE_DIGESTS }).to_owned())
        };
        let show = |v: &String| format!("{v:?}");
        let name = self.take_with("containers.digests", name, ("docker.hash-lookup", decided), TAGS.into(), show);
        let said = self.original.as_ref().and_then(|original| original.config.hash_lookup);
        let source = match name.as_str() {
            TAGS => return Ok(DigestPolicy::TagIsIdentity),
            NO_DIGESTS => return Ok(DigestPolicy::Off),
            // Sizes are wanted by who knows them from the original.
            REMOTE_DIGESTS => Source::Registries(Arc::new(RegistryClient::new(said.map_or(RETRIES, |said| said.retries), said.is_some()))),
            LOCAL_DIGESTS => Source::Engine,
            other => bail!(
                "`containers.digests` must be \"{TAGS}\", \"{REMOTE_DIGESTS}\", \"{LOCAL_DIGESTS}\" or \"{NO_DIGESTS}\", not {other:?}"
            ),
        };
        Ok(DigestPolicy::LookUp(Arc::new(Digests::new(source, said.map_or_else(Bounds::default, |said| said.bounds)))))
    }
}

fn image_rule(image: Image) -> Result<ImageRule> {
    let pattern = glob::Pattern::new(&image.pattern).with_context(|| format!("`images.match` {:?} is no pattern", image.pattern))?;
    let of_host = [("path", image.path.is_some()), ("root", image.root.is_some()), ("env", !image.env.is_empty())];
    let of_host = of_host.iter().find(|(_, given)| *given).map(|(name, _)| *name);
    let stand_in = match (image.image, of_host) {
        (Some(image), None) => StandIn::Image(image),
        (None, _) => StandIn::Host(HostEnvironment {
            name: image.name,
            path: image.path.unwrap_or_default(),
            env: image.env.into_iter().collect(),
            tree: image.root.map(tree).transpose()?,
        }),
        (Some(_), Some(other)) => {
            bail!("the `[[images]]` entry {:?} names both `image` and `{other}`: only one can stand in", image.pattern)
        }
    };
    Ok(ImageRule { pattern, stand_in })
}

fn tree(path: PathBuf) -> Result<Tree> {
    if !path.is_absolute() {
        bail!("`images.root` {path:?} must be an absolute path");
    }
    Ok(Tree::new(path))
}
