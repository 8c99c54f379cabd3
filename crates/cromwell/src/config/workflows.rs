//! What holds for each workflow: options, languages, call caching, images, call-backs.

use std::{fmt, path::PathBuf, time::Duration};

use batchyard_hocon::Path;
use batchyard_workflow::settings::FailureMode;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::reader::{Reader, object_json};
use crate::service::seal::{KEY_BYTES, Key, key_of};

/// `workflow-options`.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowOptions {
    /// Options whose values are not shown.
    pub encrypted_fields: Vec<String>,
    /// The key that secret options are kept with, where the configuration gives one.
    pub encryption_key: Option<Key>,
    /// Where the log of each workflow is written, where the configuration says it.
    pub log_dir: Option<PathBuf>,
    /// Whether it is removed from there when the workflow has ended.
    pub log_temporary: bool,
    /// What happens after a failure where the workflow does not say.
    pub failure_mode: FailureMode,
    /// Language of submissions that name none.
    pub default_type: Option<String>,
    /// Its version.
    pub default_type_version: Option<String>,
    /// Options that hold where a submission is silent.
    pub defaults: Map<String, Json>,
}

impl WorkflowOptions {
    pub(super) fn read(reader: &Reader<'_>) -> WorkflowOptions {
        let modes = [("NoNewCalls", FailureMode::NoNewCalls), ("ContinueWhilePossible", FailureMode::ContinueWhilePossible)];
        let mut defaults = reader.object("workflow-options.default").map(object_json).unwrap_or_default();
        let (kind, version) = ("workflow-type", "workflow-type-version");
        defaults.retain(|name, _| name != kind && name != version);
        WorkflowOptions {
            encrypted_fields: reader.need_texts("workflow-options.encrypted-fields"),
            encryption_key: encryption_key(reader),
            log_dir: reader.text("workflow-options.workflow-log-dir").map(PathBuf::from),
            log_temporary: reader.need_flag("workflow-options.workflow-log-temporary"),
            failure_mode: reader.choice("workflow-options.workflow-failure-mode", &modes).unwrap_or_default(),
            default_type: reader.text("workflow-options.default.workflow-type"),
            default_type_version: reader.text("workflow-options.default.workflow-type-version"),
            defaults,
        }
    }
}

/// The key for secret options; the original's default, all zeros, is none.
fn encryption_key(reader: &Reader<'_>) -> Option<Key> {
    const PATH: &str = "workflow-options.base64-encryption-key";
    let key = key_of(&reader.text(PATH)?);
    if key.is_none() {
        let hint = "make one with `openssl rand -base64 32`, or remove the key: the server makes one of its own";
        reader.problem_at(PATH, format!("`{PATH}` must have {KEY_BYTES} bytes in base64"), hint);
    }
    key.filter(|key| !key.is_zero())
}

/// What is said about one version of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageVersion {
    /// Workflows of a disabled version fail.
    pub enabled: bool,
    /// Whether inputs that a workflow does not have fail it.
    pub strict_validation: bool,
}

/// `languages`.
#[derive(Clone, Debug, PartialEq)]
pub struct Languages {
    /// The version of WDL texts that do not say theirs.
    pub default_wdl_version: String,
    /// The versions of WDL by their configured names.
    pub wdl_versions: IndexMap<String, LanguageVersion>,
    /// The only hosts from which documents may be imported, where that is limited.
    pub import_hosts: Option<Vec<String>>,
}

impl Languages {
    pub(super) fn read(reader: &Reader<'_>) -> Languages {
        let names = reader.names("languages.WDL.versions").into_iter().filter(|name| name != "default");
        let versions = names.map(|name| {
            let key = Path(vec!["languages".into(), "WDL".into(), "versions".into(), name.clone()]);
            let strict = reader.flag(&format!("{key}.config.strict-validation")).unwrap_or(name != "draft-2");
            (name, LanguageVersion { enabled: reader.flag(&format!("{key}.config.enabled")).unwrap_or(true), strict_validation: strict })
        });
        let versions: IndexMap<String, LanguageVersion> = versions.collect();
        let key = "languages.WDL.versions.default";
        let default_version = reader.need_text(key);
        if !versions.contains_key(&default_version) && reader.origin(key).is_some() {
            let known: Vec<&str> = versions.keys().map(String::as_str).collect();
            reader.problem_at(
                key,
                format!("`{key}` names the unknown version `{default_version}`"),
                format!("there are: {}", known.join(", ")),
            );
        }
        let language = reader.need_text("languages.default");
        if !language.eq_ignore_ascii_case("WDL") && reader.origin("languages.default").is_some() {
            reader.problem_at("languages.default", format!("the language `{language}` is not supported"), "remove the key, or write `WDL`");
        }
        let limited = reader.need_flag("languages.WDL.http-allow-list.enabled");
        let hosts = reader.need_texts("languages.WDL.http-allow-list.allowed-http-hosts");
        Languages { default_wdl_version: default_version, wdl_versions: versions, import_hosts: limited.then_some(hosts) }
    }
}

/// `call-caching`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCaching {
    /// Whether results are looked up and kept for later.
    pub enabled: bool,
    /// Whether a result whose files cannot be taken is never offered again.
    pub invalidate_bad_cache_results: bool,
    /// How many earlier results are tried before a call is run.
    pub max_failed_copy_attempts: u32,
    /// Older results are not offered.
    pub max_result_age: Duration,
}

impl CallCaching {
    pub(super) fn read(reader: &Reader<'_>) -> CallCaching {
        let days: u64 = reader.need_whole("call-caching.max-result-age-days", 1..=36_500);
        CallCaching {
            enabled: reader.need_flag("call-caching.enabled"),
            invalidate_bad_cache_results: reader.need_flag("call-caching.invalidate-bad-cache-results"),
            max_failed_copy_attempts: reader.need_whole("call-caching.max-failed-copy-attempts", 1..=1_000_000),
            max_result_age: Duration::from_secs(days * 24 * 60 * 60),
        }
    }
}

/// `engine.filesystems`: what functions of workflows may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineFilesystems {
    /// Files of this machine.
    pub local: bool,
}

impl EngineFilesystems {
    pub(super) fn read(reader: &Reader<'_>) -> EngineFilesystems {
        EngineFilesystems { local: reader.need_flag("engine.filesystems.local.enabled") }
    }
}

/// `filesystems.oss` of the engine, or else of the default provider: the store behind every `oss://` URL.
#[derive(Clone, PartialEq, Eq)]
pub struct OssFilesystem {
    /// Address of the service.
    pub endpoint: String,
    /// Id of the access key.
    pub access_id: String,
    /// Its secret.
    pub access_key: String,
    /// Where it is written.
    pub place: String,
}

impl fmt::Debug for OssFilesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OssFilesystem").field("endpoint", &self.endpoint).field("access_id", &self.access_id).finish_non_exhaustive()
    }
}

impl OssFilesystem {
    pub(super) fn read(reader: &Reader<'_>, provider: &str) -> Option<OssFilesystem> {
        let of_provider = Path(["backend", "providers", provider, "config", "filesystems", "oss", "auth"].map(str::to_owned).to_vec());
        ["engine.filesystems.oss.auth".to_owned(), of_provider.to_string()].into_iter().find_map(|auth| {
            let text = |name: &str| reader.text(&format!("{auth}.{name}")).filter(|text| !text.is_empty());
            let (endpoint, access_id, access_key) = (text("endpoint"), text("access-id"), text("access-key"));
            let place = reader.origin(&auth).map(ToString::to_string).unwrap_or_default();
            Some(OssFilesystem { endpoint: endpoint?, access_id: access_id?, access_key: access_key?, place })
        })
    }
}

/// `workflow-state-callback`: who is told when a workflow has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// Where to, unless the workflow option `workflow_callback_uri` says otherwise.
    pub endpoint: Option<String>,
    /// Shortest wait before the next attempt.
    pub min_wait: Duration,
    /// Longest wait.
    pub max_wait: Duration,
    /// By which the wait grows.
    pub multiplier: f64,
    /// Attempts after the first one.
    pub max_retries: u32,
}

impl Default for Callback {
    /// A few attempts for who is named by the options of a workflow.
    fn default() -> Self {
        let (min_wait, max_wait) = (Duration::from_secs(1), Duration::from_secs(5));
        Callback { endpoint: None, min_wait, max_wait, multiplier: 5.0, max_retries: 2 }
    }
}

impl Callback {
    /// How long to wait after so many failed attempts.
    pub fn wait_after(&self, failed: u32) -> Duration {
        let factor = self.multiplier.powi(i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX));
        let wait = self.min_wait.as_secs_f64() * factor;
        Duration::try_from_secs_f64(wait).unwrap_or(self.max_wait).min(self.max_wait)
    }

    /// Nothing when call-backs are switched off.
    pub(super) fn read(reader: &Reader<'_>) -> Option<Callback> {
        let key = |name: &str| format!("workflow-state-callback.{name}");
        let callback = Callback {
            endpoint: reader.text(&key("endpoint")),
            min_wait: reader.need_duration(&key("request-backoff.min")),
            max_wait: reader.need_duration(&key("request-backoff.max")),
            multiplier: reader.need_number(&key("request-backoff.multiplier"), 1.0..=1_000.0),
            max_retries: reader.need_whole(&key("max-retries"), 0..=i64::from(u32::MAX)),
        };
        reader.need_flag(&key("enabled")).then_some(callback)
    }
}

/// `ga4gh.wes`: what the service tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wes {
    /// How to get access; may be empty.
    pub auth_instructions_url: String,
    /// Whom to ask; may be empty.
    pub contact_info_url: String,
}

impl Wes {
    pub(super) fn read(reader: &Reader<'_>) -> Wes {
        Wes {
            auth_instructions_url: reader.need_text("ga4gh.wes.auth-instructions-url"),
            contact_info_url: reader.need_text("ga4gh.wes.contact-info-url"),
        }
    }
}

/// `yaml`: limits of inputs in YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YamlLimits {
    /// Most values.
    pub max_nodes: usize,
    /// Deepest nesting.
    pub max_depth: usize,
}

impl Default for YamlLimits {
    /// Those of the original.
    fn default() -> Self {
        YamlLimits { max_nodes: 1_000_000, max_depth: 100 }
    }
}

impl YamlLimits {
    pub(super) fn read(reader: &Reader<'_>) -> YamlLimits {
        YamlLimits {
            max_nodes: reader.need_whole("yaml.max-nodes", 1..=i64::MAX),
            max_depth: reader.need_whole("yaml.max-depth", 1..=i64::MAX),
        }
    }
}
