//! What a configuration means for runs, in the words of the engine.

use std::{collections::HashMap, sync::Arc};

use batchyard_workflow::{
    limits::{Limits, ReadBytes},
    pace::Pace,
    settings::Settings,
};

use super::{CromwellConfig, ReadLimits};
use crate::language::version_named;

impl CromwellConfig {
    /// Whether the configuration decides about this key: it sets it, or it is a whole file, which stands on the defaults of
    /// the original.
    pub fn decides(&self, key: &str) -> bool {
        self.whole || self.is_set(key)
    }

    /// Sets what this configuration decides about runs. Providers, and whether results are reused, are left to the
    /// caller, whose own configuration says them too.
    pub fn apply_to(&self, settings: &mut Settings) {
        self.apply_limits(&mut settings.limits);
        if self.decides("workflow-options.workflow-failure-mode") {
            settings.failure_mode = self.workflow_options.failure_mode;
        }
        settings.default_options.clone_from(&self.workflow_options.defaults);
        if self.decides("system.delete-workflow-files") {
            settings.may_delete_files = self.system.delete_workflow_files;
        }
        if self.decides("call-caching.invalidate-bad-cache-results") {
            settings.forget_bad_results = self.call_caching.invalidate_bad_cache_results;
        }
        if self.decides("system.hog-safety.workflow-option") {
            settings.hog_option.clone_from(&self.system.hog_group_option);
        }
        if self.decides("system.memory-retry-error-keys") {
            settings.memory_errors = self.system.memory_retry_error_keys.clone().into();
        }
        let versions = self.languages.wdl_versions.iter();
        settings.strict_inputs = versions.filter_map(|(name, version)| Some((version_named(name)?, version.strict_validation))).collect();
    }

    fn apply_limits(&self, limits: &mut Limits) {
        let system = &self.system;
        if self.decides("system.max-scatter-width-per-scatter") {
            limits.scatter_width = system.max_scatter_width;
        }
        if self.decides("system.total-max-jobs-per-root-workflow") {
            limits.calls = system.max_jobs_per_root_workflow;
        }
        limits.read_bytes = read_bytes(&system.input_read_limits);
        limits.workflows_read_files = self.engine_filesystems.local;
        if self.decides("call-caching.max-result-age-days") {
            limits.result_age = Some(self.call_caching.max_result_age);
        }
        if self.decides("call-caching.max-failed-copy-attempts") {
            limits.result_tries = self.call_caching.max_failed_copy_attempts;
        }
        limits.pace = system.job_rate.map(|rate| Arc::new(Pace::new(rate.jobs, rate.per)));
    }
}

fn read_bytes(limits: &ReadLimits) -> ReadBytes {
    let always = [
        ("read_lines", limits.lines),
        ("read_string", limits.string),
        ("read_json", limits.json),
        ("read_tsv", limits.tsv),
        ("read_map", limits.map),
        ("read_object", limits.object),
        ("read_objects", limits.object),
    ];
    let set = [("read_boolean", limits.bool), ("read_int", limits.int), ("read_float", limits.float)];
    let set = set.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    Arc::new(always.into_iter().chain(set).collect::<HashMap<_, _>>())
}
