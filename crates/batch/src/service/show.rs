//! Jobs, tasks and instances as clients want to see them: nothing is null where they would stumble over it.

use batchyard_model::{Counts, JobState};
use batchyard_store::{InstanceRecord, JobSummary, TaskRecord};
use serde_json::{Value, json};

use crate::{instance::log_address, plan::PlannedTask, result::ResultDoc, time::iso};

fn metrics(counts: Counts) -> Value {
    json!({
        "WaitingCount": counts.waiting,
        "RunningCount": counts.running,
        "FinishedCount": counts.finished,
        "FailedCount": counts.failed,
        "StoppedCount": counts.stopped,
    })
}

/// A job.
pub fn show_job(job: &JobSummary, tasks: &[TaskRecord]) -> Value {
    let (mut by_task, mut by_instance) = (Counts::default(), Counts::default());
    for task in tasks {
        *by_task.of(task.state) += 1;
        for state in JobState::ALL {
            let mut counts = task.counts;
            *by_instance.of(state) += *counts.of(state);
        }
    }
    json!({
        "Id": job.id.as_str(),
        "Name": job.name,
        "OwnerId": owner(&job.owner),
        "Priority": job.priority,
        "State": job.state.name(),
        "Message": job.message,
        "CreationTime": iso(Some(job.created_ms)),
        "StartTime": iso(job.started_ms),
        "EndTime": iso(job.ended_ms),
        "TaskMetrics": metrics(by_task),
        "InstanceMetrics": metrics(by_instance),
    })
}

/// An account as a number.
pub fn owner(account: &str) -> u64 {
    account.parse().unwrap_or(0)
}

/// A task.
pub fn show_task(task: &TaskRecord) -> Value {
    json!({
        "TaskName": task.name,
        "State": task.state.name(),
        "StartTime": iso(task.started_ms),
        "EndTime": iso(task.ended_ms),
        "InstanceMetrics": metrics(task.counts),
    })
}

/// An instance.
pub fn show_instance(instance: &InstanceRecord, task: &PlannedTask) -> Value {
    let result = ResultDoc::from_text(&instance.result);
    let parameters = &task.description.parameters;
    let log = |prefix: &str, name: &str| match prefix {
        "" => String::new(),
        prefix => log_address(prefix, name, instance.job.as_str(), &instance.task, instance.number),
    };
    json!({
        "InstanceId": instance.number,
        "State": instance.state.name(),
        "StartTime": iso(instance.started_ms),
        "EndTime": iso(instance.ended_ms),
        "RetryCount": instance.retries,
        "Progress": if instance.state == JobState::Finished { 100 } else { 0 },
        "NodeIp": "127.0.0.1",
        "StdoutRedirectPath": log(&parameters.stdout_redirect_path, "stdout"),
        "StderrRedirectPath": log(&parameters.stderr_redirect_path, "stderr"),
        "Result": {
            "ExitCode": result.exit_code,
            "ErrorCode": result.error_code,
            "ErrorMessage": result.message,
            "Detail": result.detail,
        },
        "Error": { "Code": "", "Message": "" },
        "Outputs": result.outputs,
    })
}
