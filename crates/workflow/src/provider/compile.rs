//! Checks a definition, once and at the start, so that no task meets a broken one.

use batchyard_runner::{
    dispatch::JobIdPattern,
    stage::{InputCache, Staging, Strategy},
};

use super::{Mode, Provider, ProviderDefinition, ProviderError, attributes::Attributes, root_of, template::Template};
use crate::identity::Hashing;

/// Names that every command may use besides the declared attributes.
const NAMES: [&str; 12] = [
    "job_name",
    "on_behalf",
    "cwd",
    "out",
    "err",
    "script",
    "job_shell",
    "docker_cwd",
    "docker_cid",
    "docker_script",
    "docker_out",
    "docker_err",
];
/// Names of the commands that need a job.
const JOB_NAMES: [&str; 1] = ["job_id"];
/// Cromwell's order.
const LOCALIZATION: [Strategy; 3] = [Strategy::HardLink, Strategy::SoftLink, Strategy::Copy];

pub(super) fn compile(definition: ProviderDefinition) -> Result<Provider, Vec<ProviderError>> {
    let mut check = Check { provider: definition.name.clone(), problems: Vec::new() };
    if definition.name.trim().is_empty() {
        check.add("name", "must not be empty");
    }
    let mode = check.mode(&definition);
    let attributes = check.read("runtime-attributes", Attributes::parse(&definition.runtime_attributes));
    let declared: Vec<&str> = attributes.iter().flat_map(|a| a.names()).collect();
    let mut template = |key: &'static str, text: &Option<String>, more: &[&str]| {
        let known: Vec<&str> = NAMES.iter().chain(more).copied().chain(declared.iter().copied()).collect();
        // With broken declarations every name would be reported as well.
        let text = text.as_deref().filter(|text| !text.trim().is_empty() && attributes.is_some())?;
        check.read(key, Template::new(key, text, &known))
    };
    let submit = template("submit", &definition.submit, &[]);
    let submit_docker = template("submit-docker", &definition.submit_docker, &[]);
    let kill = template("kill", &definition.kill, &JOB_NAMES);
    let kill_docker = template("kill-docker", &definition.kill_docker, &JOB_NAMES);
    let check_alive = template("check-alive", &definition.check_alive, &JOB_NAMES);
    let job_id = definition.job_id_regex.as_deref().and_then(|text| check.read("job-id-regex", JobIdPattern::new(text)));
    let cache = InputCache { root: root_of(&definition).join("cached-inputs"), max_hardlinks: definition.max_hardlinks };
    let staging = Staging {
        strategies: check.strategies("filesystems.local.localization", definition.localization.as_deref()),
        soft_links_in_containers: definition.allow_docker_soft_links,
        cache: Some(cache),
    };
    let duplication = check.strategies("filesystems.local.caching.duplication-strategy", definition.duplication.as_deref());
    let hashing = definition.hashing_strategy.as_deref().and_then(|name| {
        let hashing = Hashing::new(name, definition.check_sibling_md5, definition.fingerprint_size);
        check.read("filesystems.local.caching.hashing-strategy", hashing)
    });
    if definition.concurrent_job_limit == Some(0) {
        check.add("concurrent-job-limit", "must be a number from 1");
    }
    if definition.hog_factor == 0 {
        check.add("hog-factor", "must be a number from 1");
    }
    match attributes {
        Some(attributes) if check.problems.is_empty() => Ok(Provider {
            definition,
            mode,
            attributes,
            submit,
            submit_docker,
            kill,
            kill_docker,
            check_alive,
            job_id,
            staging,
            duplication,
            hashing,
        }),
        _ => Err(check.problems),
    }
}

struct Check {
    provider: String,
    problems: Vec<ProviderError>,
}

impl Check {
    fn add(&mut self, key: &'static str, problem: impl Into<String>) {
        self.problems.push(ProviderError { provider: self.provider.clone(), key, problem: problem.into() });
    }

    fn read<T>(&mut self, key: &'static str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.add(key, problem)).ok()
    }

    fn mode(&mut self, definition: &ProviderDefinition) -> Mode {
        let has_submit = definition.submit.is_some() || definition.submit_docker.is_some();
        if !has_submit && definition.run_in_background {
            return Mode::BuiltIn;
        }
        if !has_submit {
            self.add("submit", "or `submit-docker` is needed: the command that starts a task");
        }
        if definition.run_in_background {
            return Mode::Background;
        }
        if definition.job_id_regex.is_none() {
            self.add("job-id-regex", "is needed to find the job id in what `submit` prints; or set `run-in-background = true`");
        }
        if definition.submit.is_some() && definition.kill.is_none() {
            self.add("kill", "is needed: the command that ends a job, for example `scancel ${job_id}`");
        }
        if definition.submit_docker.is_some() && definition.kill.is_none() && definition.kill_docker.is_none() {
            self.add("kill-docker", "is needed: the command that ends a job in a container");
        }
        Mode::Dispatched
    }

    fn strategies(&mut self, key: &'static str, names: Option<&[String]>) -> Vec<Strategy> {
        let Some(names) = names else { return LOCALIZATION.to_vec() };
        if names.is_empty() {
            self.add(key, "must name at least one way");
        }
        names.iter().filter_map(|name| self.read(key, name.parse::<Strategy>().map_err(|e| format!("is wrong: {e}")))).collect()
    }
}
