//! `[[providers]]`: Cromwell's shared-filesystem providers in TOML. Keys are the original's, with `-` or `_`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use batchyard_workflow::provider::{ProviderDefinition, Providers};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// One entry as written, after `-` became `_`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    root: Option<String>,
    docker_root: Option<String>,
    submit: Option<String>,
    submit_docker: Option<String>,
    kill: Option<String>,
    kill_docker: Option<String>,
    check_alive: Option<String>,
    job_id_regex: Option<String>,
    #[serde(default)]
    run_in_background: bool,
    #[serde(default)]
    runtime_attributes: String,
    #[serde(default)]
    runtime_attributes_for_caching: IndexMap<String, bool>,
    #[serde(alias = "exit_code_timeout_seconds")]
    exit_code_timeout: Option<f64>,
    job_shell: Option<String>,
    script_epilogue: Option<String>,
    temporary_directory: Option<String>,
    glob_link_command: Option<String>,
    empty_dir_fill_command: Option<String>,
    concurrent_job_limit: Option<usize>,
    hog_factor: Option<u32>,
    #[serde(alias = "name_for_call_caching_purposes")]
    name_for_call_caching: Option<String>,
    #[serde(default)]
    default_runtime_attributes: Map<String, Json>,
    localization: Option<Vec<String>>,
    #[serde(alias = "duplication_strategy")]
    duplication: Option<Vec<String>>,
    hashing_strategy: Option<String>,
    #[serde(default)]
    check_sibling_md5: bool,
    fingerprint_size: Option<u64>,
    #[serde(default)]
    allow_docker_soft_links: bool,
    max_hardlinks: Option<u32>,
}

/// Reads all entries.
pub fn read(entries: Vec<toml::Table>) -> Result<Vec<ProviderDefinition>> {
    entries.into_iter().map(definition).collect()
}

/// Checks definitions, from wherever they come.
pub fn checked(definitions: Vec<ProviderDefinition>) -> Result<Providers> {
    Providers::new(definitions).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

fn definition(table: toml::Table) -> Result<ProviderDefinition> {
    let name = table.get("name").and_then(|name| name.as_str()).unwrap_or("without a name").to_owned();
    let table: toml::Table = table.into_iter().map(|(key, value)| (key.replace('-', "_"), value)).collect();
    let entry: Entry = table.try_into().with_context(|| format!("the `[[providers]]` entry `{name}` is wrong"))?;
    let defaults = ProviderDefinition::default();
    let timeout = match entry.exit_code_timeout {
        Some(seconds) => match Duration::try_from_secs_f64(seconds) {
            Ok(timeout) => Some(timeout),
            Err(_) => bail!("provider `{name}`: `exit-code-timeout` must be a number of seconds from 0, not {seconds}"),
        },
        None => None,
    };
    Ok(ProviderDefinition {
        name: entry.name,
        root: entry.root,
        docker_root: entry.docker_root,
        submit: entry.submit,
        submit_docker: entry.submit_docker,
        kill: entry.kill,
        kill_docker: entry.kill_docker,
        check_alive: entry.check_alive,
        job_id_regex: entry.job_id_regex,
        run_in_background: entry.run_in_background,
        runtime_attributes: entry.runtime_attributes,
        runtime_attributes_for_caching: entry.runtime_attributes_for_caching,
        exit_code_timeout: timeout,
        job_shell: entry.job_shell,
        script_epilogue: entry.script_epilogue,
        temporary_directory: entry.temporary_directory,
        glob_link_command: entry.glob_link_command,
        empty_dir_fill_command: entry.empty_dir_fill_command,
        concurrent_job_limit: entry.concurrent_job_limit,
        hog_factor: entry.hog_factor.unwrap_or(defaults.hog_factor),
        name_for_call_caching: entry.name_for_call_caching,
        default_runtime_attributes: entry.default_runtime_attributes,
        localization: entry.localization,
        duplication: entry.duplication,
        hashing_strategy: entry.hashing_strategy,
        check_sibling_md5: entry.check_sibling_md5,
        fingerprint_size: entry.fingerprint_size.unwrap_or(defaults.fingerprint_size),
        allow_docker_soft_links: entry.allow_docker_soft_links,
        max_hardlinks: entry.max_hardlinks.unwrap_or(defaults.max_hardlinks),
        bcs: false,
        without_images: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Providers> {
        #[derive(Deserialize)]
        struct File {
            providers: Vec<toml::Table>,
        }
        checked(read(toml::from_str::<File>(text)?.providers)?)
    }

    #[test]
    fn keys_with_either_sign() {
        let providers = read_text(
            "[[providers]]\nname = \"SGE\"\nruntime-attributes = \"Int cpu = 1\"\nsubmit = 'qsub ${script}'\nkill = 'qdel ${job_id}'\n\
             job_id_regex = '(\\d+)'\nexit-code-timeout-seconds = 30\ndefault_runtime_attributes = { cpu = 2 }\nconcurrent-job-limit = 5\n\
             runtime-attributes-for-caching = { queue = true }",
        )
        .unwrap();
        let definition = providers.get("SGE").unwrap().definition();
        assert_eq!(definition.exit_code_timeout, Some(Duration::from_secs(30)));
        assert_eq!((definition.concurrent_job_limit, definition.default_runtime_attributes.get("cpu")), (Some(5), Some(&Json::from(2))));
        assert_eq!(providers.names(), ["Local", "SGE"]);
    }

    #[test]
    fn wrong_entries_name_provider_and_key() {
        let problem = |text: &str| format!("{:#}", read_text(text).unwrap_err());
        let told = problem("[[providers]]\nname = \"SGE\"\nsubmitt = \"x\"");
        assert!(told.contains("`SGE`") && told.contains("submitt"), "{told}");
        let told = problem("[[providers]]\nname = \"LSF\"\nsubmit = \"bsub ${queue}\"\njob-id-regex = \"x\"");
        for part in ["provider `LSF`", "`job-id-regex`", "exactly one group", "`kill`", "`queue`"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
