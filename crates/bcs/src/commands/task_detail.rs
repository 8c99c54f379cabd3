//! A task.

use serde_json::Value;

use super::{counts, job_detail::cluster, print_thing};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        configs, job_state,
        table::{Table, cell},
        times,
    },
    reply::{Reply, inline, spelled},
    session::Session,
    terminal::Paint,
};

/// Instances above this number are shown in short.
const TABLE: usize = 10;
/// Instances of a line.
const LINE: usize = 5;

/// Shows a task with its instances.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments, job: &str, task: &str) -> Result<(), Failure> {
    let id = session.id("jobs", job)?;
    let name = session.id("tasks", task)?;
    let description_only = arguments.has("description");
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs j {id} {name}{}", if description_only { " -d" } else { "" }))?;
    }
    let service = session.service()?;
    let description = service.get(&["jobs", &id], &[("description", "")])?;
    let task = service.get(&["jobs", &id, "tasks", &name], &[])?;
    let is_app = description.text("Type") == "App";
    let own = if is_app { description.at("App") } else { description.at("DAG").at("Tasks").at(&name) };
    if description_only || arguments.has("show_json") {
        return print_thing(session, own);
    }
    if arguments.has("json") {
        return print_thing(session, &task);
    }
    let paint = session.terminal.paint;
    for line in lines(&task, own, is_app, paint) {
        session.terminal.line(line)?;
    }
    let instances = service.list(&["jobs", &id, "tasks", &name, "instances"], &[])?;
    session.terminal.title("Instances:")?;
    session.terminal.line(pictured(&instances, paint))?;
    session.terminal.note("\n  type \"bcs j <jobId|No.> <taskName|No.> <instanceId>\" to show instance detail\n")
}

fn lines(task: &Value, own: &Value, is_app: bool, paint: Paint) -> Vec<String> {
    let (start, end) = (task.at("StartTime"), task.at("EndTime"));
    let mut row = vec![
        cell(task.at("TaskName")),
        job_state(paint, &task.text("State")),
        counts(task.at("InstanceMetrics")),
        times::local(start),
        times::local(end),
        times::elapsed(start, end),
    ];
    let mut columns = vec!["TaskName", "State", "Counts", "StartTime", "EndTime", "Elapsed"];
    let kept = format!(
        "AutoCluster {}",
        if own.at("AutoCluster").at("ReserveOnFail").is_blank() { String::new() } else { paint.yellow("(ReserveOnFail)") }
    );
    if !is_app {
        columns.push(if own.text("ClusterId").is_empty() { &kept } else { "Cluster" });
        row.push(cluster(own));
    }
    let mut table = Table::listed(&columns);
    table.push(row);
    let mut lines = vec![paint.title("Task:"), table.draw(paint)];
    if is_app {
        app_lines(own, &mut lines, paint)
    } else {
        own_lines(own, &mut lines, paint)
    }
    lines
}

fn own_lines(own: &Value, lines: &mut Vec<String>, paint: Paint) {
    lines.push(paint.title("Task Description:"));
    let configured = own.at("AutoCluster").at("Configs");
    if !own.at("AutoCluster").is_blank() && own.text("ClusterId").is_empty() {
        lines.extend(configs::disks(configured.at("Disks"), paint));
        lines.extend(configs::mounts(configured.at("Mounts"), paint));
        if !configured.at("Networks").is_blank() {
            lines.push(paint.blue("Networks:"));
            lines.extend(configs::networks(configured.at("Networks")));
        }
    }
    if !own.at("Mounts").list("Entries").is_empty() {
        lines.extend(configs::mounts(own.at("Mounts"), paint));
    }
    lines.push(String::new());
    let field = |key: &str| format!("{}: {}", paint.blue(key), spelled(own.at(key)));
    lines.push([field("Timeout"), field("MaxRetryCount"), field("WriteSupport")].join("    "));
    let parameters = own.at("Parameters");
    let command = parameters.at("Command");
    lines.push(paint.blue("Command:"));
    lines.push(format!("  {}: {}", paint.blue("CommandLine"), command.text("CommandLine")));
    if !command.text("PackagePath").is_empty() {
        lines.push(format!("  {}: {}", paint.blue("PackagePath"), command.text("PackagePath")));
    }
    if !command.at("EnvVars").is_blank() {
        lines.push(paint.blue("  EnvVars:"));
        lines.extend(command.at("EnvVars").entries().map(|(key, value)| format!("    {}: {}", paint.bold(key), spelled(value))));
    }
    lines.push(format!("{} {}", paint.blue("InputMappingConfig::"), inline(parameters.at("InputMappingConfig"))));
    for key in ["StdoutRedirectPath", "StderrRedirectPath"] {
        lines.push(format!("{} {}", paint.blue(&format!("{key}::")), parameters.text(key)));
    }
    for key in ["InputMapping", "OutputMapping", "LogMapping"] {
        if !own.at(key).is_blank() {
            map_lines(key, own.at(key), lines, paint);
        }
    }
}

fn app_lines(app: &Value, lines: &mut Vec<String>, paint: Paint) {
    lines.push(paint.magenta("App:"));
    lines.push(format!("{}: {}", paint.blue("AppName"), app.text("AppName")));
    for key in ["Inputs", "Outputs", "Config", "Logging"] {
        map_lines(key, app.at(key), lines, paint);
    }
}

fn map_lines(title: &str, map: &Value, lines: &mut Vec<String>, paint: Paint) {
    lines.push(paint.blue(&format!("{title}:")));
    lines.extend(map.entries().map(|(key, value)| format!("  {}: {}", paint.bold(key), spelled(value))));
}

/// Instances: a table, or many in short.
fn pictured(instances: &[Value], paint: Paint) -> String {
    if instances.len() > TABLE {
        let short = |i: &Value| format!("{}. {}({}%)", i.text("InstanceId"), job_state(paint, &i.text("State")), i.text("Progress"));
        let lines = instances.chunks(LINE).map(|line| line.iter().map(short).collect::<Vec<_>>().join("    "));
        return lines.collect::<Vec<_>>().join("\n");
    }
    instance_table(instances, paint)
}

/// Instances in a table.
pub fn instance_table(instances: &[Value], paint: Paint) -> String {
    let mut table = Table::listed(&["InstanceId", "State", "Progress", "RetryCount", "StartTime", "EndTime", "Elapsed"]);
    for instance in instances {
        let (start, end) = (instance.at("StartTime"), instance.at("EndTime"));
        table.row([
            cell(instance.at("InstanceId")),
            job_state(paint, &instance.text("State")),
            format!("{}%", instance.text("Progress")),
            cell(instance.at("RetryCount")),
            times::local(start),
            times::local(end),
            times::elapsed(start, end),
        ]);
    }
    table.draw(paint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn many_instances_are_shown_in_short() {
        let instances: Vec<_> = (0..12).map(|n| json!({"InstanceId": n, "State": "Running", "Progress": 10})).collect();
        let text = pictured(&instances, Paint::PLAIN);
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("0. Running(10%)    1. Running(10%)"));
        assert!(pictured(&instances[..1], Paint::PLAIN).contains("| 0          | Running | 10%      | null "));
    }

    #[test]
    fn a_task_shows_what_it_was_told() {
        let own = json!({"ClusterId": "", "AutoCluster": {"ReserveOnFail": true, "Configs": {"Disks": {"SystemDisk": {"Type": "c", "Size": 40}}}},
            "Timeout": 60, "MaxRetryCount": 0, "WriteSupport": true, "Mounts": {},
            "Parameters": {"Command": {"CommandLine": "echo 1", "EnvVars": {"a": "b"}}, "InputMappingConfig": {"Lock": false}, "StdoutRedirectPath": "oss://b/l/"},
            "OutputMapping": {"/o/": "oss://b/o/"}});
        let text = lines(&json!({"TaskName": "t", "State": "Running"}), &own, false, Paint::PLAIN).join("\n");
        for part in [
            "| AutoCluster (ReserveOnFail) |",
            "  |--System Disk: / (c) 40GB",
            "Timeout: 60    MaxRetryCount: 0    WriteSupport: True\nCommand:\n  CommandLine: echo 1\n  EnvVars:\n    a: b\n",
            "InputMappingConfig:: {\"Lock\": false}\nStdoutRedirectPath:: oss://b/l/\n",
            "OutputMapping:\n  /o/: oss://b/o/",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
