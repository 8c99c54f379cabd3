//! `project status`: the job's description, drawn and checked.

use serde_json::Value;

use super::{
    job_detail::{cluster, dependencies},
    project::open,
};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{dag, table::Table},
    reply::{Reply, spelled},
    session::Session,
    terminal::Paint,
};

/// Longest name of a job or task.
const NAME: usize = 63;

/// Shows the project.
///
/// # Errors
///
/// A folder that is no project, or a task that does not exist.
pub fn status(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (_, job) = open(session)?;
    let paint = session.terminal.paint;
    let field = |key: &str| format!("{}: {}", paint.blue(key), spelled(job.at(key)));
    let mut table = Table::boxed();
    table.row(["Name", "JobFailOnInstanceFail", "Type", "Priority"].map(field));
    session.terminal.title("Job Description:")?;
    session.terminal.line(table.draw(paint))?;
    if !job.text("Description").is_empty() {
        session.terminal.line(format!("  {}", field("Description")))?;
    }
    let graph = dependencies(&job);
    let tasks = job.at("DAG").at("Tasks");
    if let Some(name) = arguments.filled("task") {
        let task = tasks.get(name).ok_or_else(|| Failure::told(format!("Not found task {name}")))?;
        session.terminal.title(&format!("Task Description for [{name}]:"))?;
        for line in lines(name, task, paint) {
            session.terminal.line(line)?;
        }
    } else {
        session.terminal.title("DAG:")?;
        session.terminal.line(dag::draw(&graph))?;
        if !arguments.has("dag_only") {
            session.terminal.title("Task Descriptions:")?;
            for (n, name) in dag::layers(&graph).iter().flatten().enumerate() {
                for line in lines(&format!("{}.{name}", n + 1), tasks.at(name), paint) {
                    session.terminal.line(line)?;
                }
            }
        }
    }
    let wrong = problems(session, &job);
    let verdict = if wrong.is_empty() { paint.green("OK") } else { paint.yellow(&format!("WARNING:\n{}", wrong.join("\n"))) };
    session.terminal.line(format!("{verdict}\n"))
}

fn lines(name: &str, task: &Value, paint: Paint) -> Vec<String> {
    let field = |of: &Value, key: &str| format!("{}: {}", paint.blue(key), spelled(of.at(key)));
    let parameters = task.at("Parameters");
    let mut table = Table::boxed();
    table.row([
        format!("{}: {}", paint.blue("TaskName"), paint.magenta(name)),
        field(task, "InstanceCount"),
        field(task, "Timeout"),
        field(task, "MaxRetryCount"),
    ]);
    let mut lines = vec![table.draw(paint), format!("  {}: {}", paint.blue("Cluster"), cluster(task))];
    lines.extend(["CommandLine", "PackagePath"].map(|key| format!("  {}", field(parameters.at("Command"), key))));
    lines.extend(["StdoutRedirectPath", "StderrRedirectPath"].map(|key| format!("  {}", field(parameters, key))));
    for key in ["InputMapping", "OutputMapping", "LogMapping"] {
        for (from, to) in task.at(key).entries() {
            lines.push(format!("  {}: {from} => {}", paint.blue(key), spelled(to)));
        }
    }
    lines
}

/// What is wrong with a job's description; what it reads from the store is looked for there.
pub fn problems(session: &mut Session, job: &Value) -> Vec<String> {
    let mut wrong = shape(job);
    for (name, task) in job.at("DAG").at("Tasks").entries() {
        for (url, _) in task.at("InputMapping").entries().filter(|(url, _)| url.starts_with("oss://")) {
            if let Err(failure) = exists(session, url) {
                wrong.push(format!("Invalid {name}.InputMapping: {url} ({failure})"));
            }
        }
    }
    wrong
}

fn exists(session: &mut Session, url: &str) -> Result<(), Failure> {
    let place = session.location(url)?;
    let store = session.store()?;
    if !place.is_folder() {
        return store.head(&place).map(drop);
    }
    let listing = store.list(&place, "/")?;
    if listing.objects.is_empty() && listing.folders.is_empty() { Err(Failure::told("it is empty")) } else { Ok(()) }
}

fn shape(job: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = |name: &str| (1..=NAME).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if !name(&job.text("Name")) {
        wrong.push(format!("Invalid Name: {}", job.text("Name")));
    }
    if !job.at("Priority").as_i64().is_some_and(|p| (0..=1000).contains(&p)) {
        wrong.push(format!("Invalid Priority: {}", spelled(job.at("Priority"))));
    }
    let tasks = job.at("DAG").at("Tasks");
    if tasks.is_blank() {
        wrong.push("Not found DAG.Tasks property".to_owned());
    }
    for (before, after) in job.at("DAG").at("Dependencies").entries() {
        let all = after.as_array().into_iter().flatten().filter_map(Value::as_str).chain([before.as_str()]);
        wrong.extend(all.filter(|n| tasks.get(*n).is_none()).map(|n| format!("Invalid Dependencies: no task {n}")));
    }
    for (task_name, task) in tasks.entries() {
        if !name(task_name) {
            wrong.push(format!("Invalid TaskName: {task_name}"));
        }
        let own = task.at("AutoCluster");
        if task.text("ClusterId").is_empty() && own.text("ECSImageId").is_empty() && own.text("ImageId").is_empty() {
            wrong.push(format!("Invalid {task_name}: neither ClusterId nor an image"));
        }
        if task.number("InstanceCount") < 1 {
            wrong.push(format!("Invalid {task_name}.InstanceCount: {}", spelled(task.at("InstanceCount"))));
        }
        wrong.extend(urls(task).into_iter().filter(|(_, url)| !is_url(url)).map(|(key, url)| format!("Invalid {task_name}.{key}: {url}")));
    }
    wrong
}

/// The places of the store that a task names.
fn urls(task: &Value) -> Vec<(&'static str, String)> {
    let parameters = task.at("Parameters");
    let mut urls = vec![
        ("Parameters.Command.PackagePath", parameters.at("Command").text("PackagePath")),
        ("Parameters.StdoutRedirectPath", parameters.text("StdoutRedirectPath")),
        ("Parameters.StderrRedirectPath", parameters.text("StderrRedirectPath")),
    ];
    urls.retain(|(_, url)| !url.is_empty());
    for key in ["OutputMapping", "LogMapping"] {
        urls.extend(task.at(key).entries().map(|(_, url)| (key, spelled(url))));
    }
    urls
}

fn is_url(text: &str) -> bool {
    text.strip_prefix("oss://").and_then(|rest| rest.split_once('/')).is_some_and(|(bucket, _)| !bucket.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::templates::{Kind, files};

    #[test]
    fn templates_are_in_order() {
        for kind in [Kind::Empty, Kind::Python, Kind::Shell, Kind::Java] {
            let text = files(kind).iter().find(|(name, _)| *name == "job.json").unwrap().1;
            let mut job: Value = serde_json::from_str(text).unwrap();
            for (_, task) in job["DAG"]["Tasks"].as_object_mut().unwrap() {
                task["AutoCluster"]["ImageId"] = "img-ubuntu".into();
            }
            assert_eq!(shape(&job), Vec::<String>::new(), "{kind:?}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let job = serde_json::json!({"Name": "a b", "Priority": 2000, "DAG": {"Tasks": {"t": {"InstanceCount": 0,
            "OutputMapping": {"/o/": "s3://b/o/"}, "Parameters": {"StdoutRedirectPath": "oss://b"}}}, "Dependencies": {"t": ["u"]}}});
        assert_eq!(
            shape(&job),
            [
                "Invalid Name: a b",
                "Invalid Priority: 2000",
                "Invalid Dependencies: no task u",
                "Invalid t: neither ClusterId nor an image",
                "Invalid t.InstanceCount: 0",
                "Invalid t.Parameters.StdoutRedirectPath: oss://b",
                "Invalid t.OutputMapping: s3://b/o/",
            ]
        );
    }
}
