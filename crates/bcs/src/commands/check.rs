//! `check`: why a job failed, and what a workflow cost.

use serde_json::Value;

use super::job_detail::{Job, dependencies};
use crate::{
    cache::{InstanceType, whole},
    failure::Failure,
    grammar::parse::Arguments,
    render::{dag, job_state, table::Table, times},
    reply::{Reply, pretty},
    session::Session,
};

/// Dashes around a result.
const RULE: usize = 60;
/// Largest metadata that are read.
const MAX_METADATA: u64 = 256 << 20;

/// Shows the tree of a job with the results of its instances.
///
/// # Errors
///
/// The service's.
pub fn check(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let id = session.id("jobs", arguments.needed("jobId|No.")?)?;
    session.terminal.note(&format!("exec: bcs check {id}"))?;
    let all = Job::load(session, &id)?;
    let paint = session.terminal.paint;
    if !all.job.text("Message").is_empty() {
        let message = paint.bold(&paint.red(&all.job.text("Message")));
        session.terminal.line(format!("\n{message}"))?;
    }
    let is_app = all.description.text("Type") == "App";
    if !is_app && all.tasks.len() > 1 {
        session.terminal.title("DAG:")?;
        session.terminal.line(dag::draw(&dependencies(&all.description)))?;
    }
    session.terminal.line(format!("\n{}", paint.title("Tree:")))?;
    let branch = |indent: &str, key: &str, name: &str, state: &str| {
        format!("{indent}{}: {} ({})", paint.blue(key), paint.magenta(name), job_state(paint, state))
    };
    session.terminal.line(branch("", "JobName", &all.job.text("Name"), &all.job.text("State")))?;
    let service = session.service()?;
    for task in &all.tasks {
        let name = task.text("TaskName");
        session.terminal.line(branch("  |- ", "TaskName", &name, &task.text("State")))?;
        for instance in service.list(&["jobs", &id, "tasks", &name, "instances"], &[])? {
            let number = instance.text("InstanceId");
            session.terminal.line(branch("    |- ", "InstanceId", &number, &instance.text("State")))?;
            if !instance.at("Result").text("ErrorCode").is_empty() {
                result(session, &name, &number, instance.at("Result"))?;
            }
        }
    }
    if is_app && matches!(all.description.at("App").text("AppName").as_str(), ":cromwell" | "Public:cromwell") {
        // What a workflow cost is an addition: without metadata there is none.
        let _ = costs(session, &all.description);
    }
    session.terminal.note("\n type \"bcs log <jobId|No.>\" to show log detail\n")
}

fn result(session: &mut Session, task: &str, number: &str, result: &Value) -> Result<(), Failure> {
    let paint = session.terminal.paint;
    let names = format!("[{}:{}, {}:{}]", paint.blue("TaskName"), paint.magenta(task), paint.blue("InstanceId"), paint.magenta(number));
    session.terminal.line(format!("       {} {names}", paint.bold("Result")))?;
    session.terminal.note(&"-".repeat(RULE))?;
    session.terminal.line(paint.red(&pretty(result, 4)))?;
    session.terminal.note(&"-".repeat(RULE))
}

fn costs(session: &mut Session, description: &Value) -> Result<(), Failure> {
    let folder = description.at("App").at("Outputs").text("OUTPUTS_DIR");
    let place = session.location(&format!("{folder}workflow_metadata.json"))?;
    let bytes = session.store()?.read(&place, Some((0, Some(MAX_METADATA))))?;
    let metadata: Value = serde_json::from_slice(&bytes).map_err(|e| Failure::told(e.to_string()))?;
    let types = session.cache.types();
    let calls = counted(&metadata, &|name| types.get(name).cloned());
    let mut table = Table::numbered(&["task", "count", "cpu", "hours", "coreHours"]);
    for call in &calls {
        let rounded = |number: f64| whole((number * 1e4).round() / 1e4).to_string();
        table.row([call.task.clone(), call.count.to_string(), rounded(call.cpu), rounded(call.hours), rounded(call.core_hours)]);
    }
    let paint = session.terminal.paint;
    session.terminal.line(format!("\n{}", paint.title("BillingInfo(cromwell):")))?;
    session.terminal.line(table.draw(paint))?;
    let total = calls.iter().map(|c| c.core_hours).sum::<f64>();
    session.terminal.line(format!("{}: {}", paint.green("Total core * hours"), whole((total * 1e4).round() / 1e4)))
}

#[derive(Debug, PartialEq)]
struct Call {
    task: String,
    count: usize,
    cpu: f64,
    hours: f64,
    core_hours: f64,
}

/// What the calls of a workflow took, from its metadata.
fn counted(metadata: &Value, known: &dyn Fn(&str) -> Option<InstanceType>) -> Vec<Call> {
    let calls = metadata.at("calls").entries();
    calls
        .map(|(task, attempts)| {
            let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
            let mut call = Call { task: task.clone(), count: attempts.len(), cpu: 0.0, hours: 0.0, core_hours: 0.0 };
            for attempt in attempts {
                let (start, end) = (times::parse(attempt.at("start")), times::parse(attempt.at("end")));
                let seconds = start.zip(end).map_or(0.0, |(start, end)| end.duration_since(start).as_secs_f64());
                let attributes = attempt.at("runtimeAttributes");
                let cluster = attributes.text("cluster");
                let kind = instance_type(&cluster).map_or_else(|| attributes.text("instanceType"), str::to_owned);
                call.cpu = known(&kind).map_or(0.0, |t| t.cpu);
                call.hours += seconds / 3600.0;
                call.core_hours += seconds / 3600.0 * call.cpu;
            }
            call
        })
        .collect()
}

/// The instance type of `Right(AutoClusterConfiguration(OnDemand,ecs.x,img-...))` or `OnDemand ecs.x img-...`.
fn instance_type(cluster: &str) -> Option<&str> {
    let inner = cluster.rsplit('(').next()?.trim_end_matches(')');
    let mut parts = inner.split([',', ' ']).map(str::trim).filter(|p| !p.is_empty());
    let first = parts.next()?;
    if first.starts_with("ecs.") || first.starts_with("bcs.") { Some(first) } else { parts.next() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn core_hours_of_calls() {
        let metadata = json!({"calls": {"wf.a": [
            {"start": "2019-01-24T07:00:00.000Z", "end": "2019-01-24T08:00:00.000Z",
             "runtimeAttributes": {"cluster": "Right(AutoClusterConfiguration(OnDemand,ecs.big,img-gatk4,None,None))"}},
            {"start": "2019-01-24T07:00:00.000Z", "end": "2019-01-24T07:30:00.000Z", "runtimeAttributes": {"instanceType": "ecs.big"}},
        ]}});
        let known = |name: &str| (name == "ecs.big").then(|| InstanceType { name: name.to_owned(), cpu: 8.0, memory: 16.0 });
        assert_eq!(counted(&metadata, &known), [Call { task: "wf.a".to_owned(), count: 2, cpu: 8.0, hours: 1.5, core_hours: 12.0 }]);
        assert_eq!(instance_type("OnDemand ecs.x img"), Some("ecs.x"));
        assert_eq!(instance_type(""), None);
    }
}
