//! What the server as a whole does: its address, limits, identity and fair shares.

use std::time::Duration;

use super::reader::Reader;
use crate::service::Heartbeats;

/// Where and how requests are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Webservice {
    /// Address or name to listen on, where the configuration says one.
    pub interface: Option<String>,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// After this time a request is answered with 503; without end when absent.
    pub request_timeout: Option<Duration>,
    /// Longest pause within a request, also between requests of a connection; without end when absent.
    pub idle_timeout: Option<Duration>,
    /// Largest body of a request in bytes, where the configuration says one.
    pub max_content_length: Option<u64>,
}

impl Webservice {
    pub(super) fn read(reader: &Reader<'_>) -> Webservice {
        let length = "akka.http.server.parsing.max-content-length";
        let endless = reader.text(length).is_some_and(|text| text == "infinite");
        Webservice {
            interface: reader.text("webservice.interface"),
            port: reader.need_whole("webservice.port", 0..=65_535),
            request_timeout: reader.need_length("akka.http.server.request-timeout"),
            idle_timeout: reader.need_length("akka.http.server.idle-timeout"),
            max_content_length: if endless { Some(u64::MAX) } else { reader.size(length) },
        }
    }
}

/// So many in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub jobs: u64,
    /// In which time; never zero.
    pub per: Duration,
}

/// Most bytes that the read functions of WDL accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the function of the same name")]
pub struct ReadLimits {
    pub lines: u64,
    pub string: u64,
    pub json: u64,
    pub tsv: u64,
    pub map: u64,
    pub object: u64,
    pub bool: Option<u64>,
    pub int: Option<u64>,
    pub float: Option<u64>,
}

/// Limits and habits of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Whether the end of the process aborts running workflows. When not set, `run` does and a server does not.
    pub abort_jobs_on_terminate: Option<bool>,
    /// How long the end waits for aborted jobs.
    pub abort_timeout: Duration,
    /// Most root workflows at once.
    pub max_concurrent_workflows: usize,
    /// A wider scatter fails the workflow.
    pub max_scatter_width: usize,
    /// More jobs than this fail the root workflow.
    pub max_jobs_per_root_workflow: usize,
    /// How fast jobs may start, where the configuration says it.
    pub job_rate: Option<Rate>,
    /// Name of the workflow option that names the group for fair shares.
    pub hog_group_option: String,
    /// Each group may use the limit divided by this.
    pub hog_factor: u32,
    /// How servers of one database know of each other.
    pub heartbeats: Heartbeats,
    /// Name of the server in metadata, where the configuration says one.
    pub cromwell_id: Option<String>,
    /// Whether `-` and random characters are added to that name.
    pub cromwell_id_random_suffix: bool,
    /// Shell of job scripts where a provider names none.
    pub job_shell: String,
    /// Characters of a command that metadata shows; 0 is all of them.
    pub abbreviate_command_length: usize,
    /// Words in stderr that mean that the memory was too small.
    pub memory_retry_error_keys: Vec<String>,
    /// Whether the option `delete_intermediate_output_files` may delete files.
    pub delete_workflow_files: bool,
    /// What the read functions accept.
    pub input_read_limits: ReadLimits,
}

const COUNT: std::ops::RangeInclusive<i64> = 1..=i64::MAX;

impl System {
    pub(super) fn read(reader: &Reader<'_>) -> System {
        System {
            abort_jobs_on_terminate: reader.flag("system.abort-jobs-on-terminate"),
            abort_timeout: reader.need_duration("akka.coordinated-shutdown.phases.abort-all-workflows.timeout"),
            max_concurrent_workflows: reader.need_whole("system.max-concurrent-workflows", COUNT),
            max_scatter_width: reader.need_whole("system.max-scatter-width-per-scatter", COUNT),
            max_jobs_per_root_workflow: reader.need_whole("system.total-max-jobs-per-root-workflow", COUNT),
            job_rate: Rate::read(reader),
            hog_group_option: reader.need_text("system.hog-safety.workflow-option"),
            hog_factor: reader.need_whole("system.hog-safety.hog-factor", 1..=i64::from(u32::MAX)),
            heartbeats: heartbeats(reader),
            cromwell_id: reader.text("system.cromwell_id"),
            cromwell_id_random_suffix: reader.need_flag("system.cromwell_id_random_suffix"),
            job_shell: reader.need_text("system.job-shell"),
            abbreviate_command_length: reader.need_whole("system.abbreviate-command-length", 0..=i64::MAX),
            memory_retry_error_keys: reader.need_texts("system.memory-retry-error-keys"),
            delete_workflow_files: reader.need_flag("system.delete-workflow-files"),
            input_read_limits: ReadLimits::read(reader),
        }
    }
}

fn heartbeats(reader: &Reader<'_>) -> Heartbeats {
    let (interval, ttl) = ("system.workflow-heartbeats.heartbeat-interval", "system.workflow-heartbeats.ttl");
    let found = Heartbeats { interval: reader.need_duration(interval), ttl: reader.need_duration(ttl) };
    if found.interval.is_zero() {
        reader.problem_at(interval, format!("`{interval}` must be longer than nothing"), "write for example `2 minutes`");
    }
    // Half of it, so that one heartbeat may come late.
    if found.interval * 2 > found.ttl {
        let hint = "a server whose heartbeats are missed loses its workflows: one that comes late must not be taken for dead";
        reader.problem_at(ttl, format!("`{ttl}` must be at least twice `{interval}`"), hint);
    }
    found
}

impl Rate {
    /// What is not said of it is as the original has it.
    fn read(reader: &Reader<'_>) -> Option<Rate> {
        let (count, period) = ("system.job-rate-control.jobs", "system.job-rate-control.per");
        let (jobs, per) = (reader.whole(count, COUNT), reader.duration(period));
        if jobs.is_none() && per.is_none() {
            return None;
        }
        if per.is_some_and(|per| per.is_zero()) {
            reader.problem_at(period, format!("`{period}` must be longer than nothing"), "write for example `10 seconds`");
        }
        Some(Rate { jobs: jobs.unwrap_or(20), per: per.filter(|per| !per.is_zero()).unwrap_or(Duration::from_secs(10)) })
    }
}

impl ReadLimits {
    fn read(reader: &Reader<'_>) -> ReadLimits {
        let limit = |name: &str| reader.need_size(&format!("system.input-read-limits.{name}"));
        let scalar = |name: &str| reader.size(&format!("system.input-read-limits.{name}"));
        ReadLimits {
            lines: limit("lines"),
            string: limit("string"),
            json: limit("json"),
            tsv: limit("tsv"),
            map: limit("map"),
            object: limit("object"),
            bool: scalar("bool"),
            int: scalar("int"),
            float: scalar("float"),
        }
    }
}
