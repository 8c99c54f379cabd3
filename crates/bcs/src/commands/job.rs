//! `job`: the list, a job, a task, an instance.

use super::{follow, instance_detail, job_detail, job_list, task_detail};
use crate::{failure::Failure, grammar::parse::Arguments, session::Session};

/// Seconds between two looks unless said.
const INTERVAL: f64 = 2.0;
/// Shortest pause.
const MIN_INTERVAL: f64 = 0.05;

/// Goes where the words lead.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (job, task, instance) = (arguments.word("jobId|No."), arguments.word("taskName|No."), arguments.word("instanceId"));
    match (job, task, instance) {
        (Some(job), _, _) if arguments.has("follow") => follow::follow(session, job, interval(arguments)?),
        (Some(job), Some(task), Some(instance)) => instance_detail::show(session, arguments, job, task, instance),
        (Some(job), Some(task), None) => task_detail::show(session, arguments, job, task),
        (Some(job), _, _) => job_detail::show(session, arguments, job),
        (None, ..) => job_list::show(session, arguments),
    }
}

/// How long to wait between two looks.
///
/// # Errors
///
/// A text that is no number of seconds.
pub fn interval(arguments: &Arguments) -> Result<std::time::Duration, Failure> {
    let text = arguments.value("interval");
    let seconds = text.map_or(Some(INTERVAL), |t| t.parse().ok()).filter(|s: &f64| s.is_finite() && *s >= 0.0 && *s < 86_400.0);
    let seconds = seconds.ok_or_else(|| Failure::Argument(format!("`{}` is not a number of seconds", text.unwrap_or_default())))?;
    Ok(std::time::Duration::from_secs_f64(seconds.max(MIN_INTERVAL)))
}
