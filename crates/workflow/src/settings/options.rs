//! Workflow options, by Cromwell's names.

use serde_json::{Map, Value as Json};

use super::{FailureMode, Settings};
use crate::documents::Failure;

impl Settings {
    /// The options of a run: those given, and for others the defaults.
    pub fn with_default_options(&self, given: &Map<String, Json>) -> Map<String, Json> {
        let mut options = self.default_options.clone();
        options.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        options
    }

    /// Applies workflow options (Cromwell's names), the defaults among them. Returns remarks on those without effect here.
    ///
    /// # Errors
    /// An option whose value makes no sense.
    pub fn apply_options(&mut self, options: &Map<String, Json>) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        for (name, value) in &self.with_default_options(options) {
            let wrong = |expected: &str| Failure::new(format!("workflow option `{name}` must be {expected}, not {value}"));
            if *name == self.hog_option {
                self.hog_group = Some(value.as_str().ok_or_else(|| wrong("a text"))?.into());
                continue;
            }
            match name.as_str() {
                "read_from_cache" => self.read_cache &= value.as_bool().ok_or_else(|| wrong("true or false"))?,
                "write_to_cache" => self.write_cache &= value.as_bool().ok_or_else(|| wrong("true or false"))?,
                "workflow_failure_mode" => {
                    self.failure_mode = match value.as_str() {
                        Some("NoNewCalls") => FailureMode::NoNewCalls,
                        Some("ContinueWhilePossible") => FailureMode::ContinueWhilePossible,
                        _ => return Err(wrong("\"NoNewCalls\" or \"ContinueWhilePossible\"")),
                    }
                }
                "memory_retry_multiplier" => {
                    let factor = value.as_f64().filter(|f| (1.0..=99.0).contains(f)).ok_or_else(|| wrong("a number from 1.0 to 99.0"))?;
                    self.memory_retry_multiplier = Some(factor);
                }
                "default_runtime_attributes" => {
                    let object = value.as_object().ok_or_else(|| wrong("an object"))?;
                    self.default_attributes.extend(object.iter().map(|(k, v)| (k.clone(), batchyard_wdl::json::from_json_any(v))));
                }
                "final_workflow_outputs_dir" => self.final_outputs_dir = Some(value.as_str().ok_or_else(|| wrong("a path"))?.into()),
                "backend" => {
                    let name = value.as_str().ok_or_else(|| wrong("the name of a provider"))?;
                    if !self.providers.knows(name) {
                        return Err(self.unknown_provider(name));
                    }
                    self.provider = Some(name.into());
                }
                "bcs_workflow_tag" if self.runs_as_bcs() => {
                    let tag = value.as_str().filter(|tag| !tag.contains('/') && !tag.starts_with('.'));
                    self.workflow_tag = Some(tag.ok_or_else(|| wrong("a name without `/` that begins without a dot"))?.into());
                }
                "use_relative_output_paths" => self.relative_output_paths = value.as_bool().ok_or_else(|| wrong("true or false"))?,
                "final_workflow_outputs_dir_metadata" => {
                    self.outputs_are_copies = match value.as_str() {
                        Some("destination") => true,
                        Some("source") => false,
                        _ => return Err(wrong("\"source\" or \"destination\"")),
                    }
                }
                "final_call_logs_dir" => self.call_logs_dir = Some(value.as_str().ok_or_else(|| wrong("a path"))?.into()),
                "delete_intermediate_output_files" => {
                    let wanted = value.as_bool().ok_or_else(|| wrong("true or false"))?;
                    self.delete_intermediates = wanted && self.may_delete_files;
                    if wanted && !self.may_delete_files {
                        notes.push(format!("workflow option `{name}` has no effect: `system.delete-workflow-files` is not set"));
                    }
                }
                "call_cache_hit_path_prefixes" => {
                    let prefix = |item: &Json| item.as_str().map(str::to_owned);
                    let prefixes: Option<Vec<String>> = value.as_array().and_then(|items| items.iter().map(prefix).collect());
                    self.cache_prefixes = Some(prefixes.ok_or_else(|| wrong("a list of paths"))?);
                }
                // Carried out by the server, which reads them itself.
                "final_workflow_log_dir" | "workflow_callback_uri" => {
                    value.as_str().ok_or_else(|| wrong("a text"))?;
                }
                _ => notes.push(format!("workflow option `{name}` has no effect here")),
            }
        }
        Ok(notes)
    }

    /// Whether an option of this name changes anything.
    pub fn takes_option(&self, name: &str) -> bool {
        if *name == *self.hog_option {
            return true;
        }
        let alone = Map::from_iter([(name.to_owned(), Json::Null)]);
        // Those that are known refuse this value.
        self.clone().apply_options(&alone).is_err()
    }

    /// Whether workflows run as at the Alibaba back-end unless their tasks say otherwise.
    fn runs_as_bcs(&self) -> bool {
        let name = self.provider.as_deref().or(self.default_provider.as_deref());
        name.and_then(|name| self.providers.get(name)).is_some_and(|provider| provider.definition().bcs)
    }
}
