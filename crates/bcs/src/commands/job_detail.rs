//! A job.

use serde_json::Value;

use super::{column, counts, print_thing, rows};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        configs,
        dag::{self, Dependencies},
        job_state,
        table::{Table, cell},
        times,
    },
    reply::{Reply, spelled},
    session::Session,
    terminal::Paint,
};

/// A job with what is needed to draw it.
pub struct Job {
    /// Its description.
    pub description: Value,
    /// Its state.
    pub job: Value,
    /// Its tasks, in the order of their layers.
    pub tasks: Vec<Value>,
}

impl Job {
    /// Asks for a job.
    ///
    /// # Errors
    ///
    /// The service's.
    pub fn load(session: &mut Session, id: &str) -> Result<Job, Failure> {
        let service = session.service()?;
        let description = service.get(&["jobs", id], &[("description", "")])?;
        let job = service.get(&["jobs", id], &[])?;
        let mut tasks = service.list(&["jobs", id, "tasks"], &[])?;
        sort(&mut tasks, &description);
        Ok(Job { description, job, tasks })
    }
}

/// Which tasks run after which, with a line for each.
pub fn dependencies(description: &Value) -> Dependencies {
    let dag = description.at("DAG");
    let mut graph: Dependencies = dag.at("Tasks").entries().map(|(name, _)| (name.clone(), Vec::new())).collect();
    for (before, after) in dag.at("Dependencies").entries() {
        let after = after.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        graph.insert(before.clone(), after);
    }
    graph
}

/// Puts tasks in the order of their layers.
pub fn sort(tasks: &mut [Value], description: &Value) {
    if description.text("Type") != "App" {
        let order: Vec<String> = dag::layers(&dependencies(description)).into_iter().flatten().collect();
        tasks.sort_by_cached_key(|task| order.iter().position(|name| *name == task.text("TaskName")));
    }
}

/// Shows a job.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments, word: &str) -> Result<(), Failure> {
    let id = session.id("jobs", word)?;
    let description_only = arguments.has("description");
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs j {id}{}", if description_only { " -d" } else { "" }))?;
    }
    if description_only || arguments.wants_json() {
        let query: &[(&str, &str)] = if description_only { &[("description", "")] } else { &[] };
        let thing = session.service()?.get(&["jobs", &id], query)?;
        return print_thing(session, &thing);
    }
    let job = Job::load(session, &id)?;
    session.cache.remember("tasks", &column(&job.tasks, "TaskName"))?;
    let paint = session.terminal.paint;
    for line in lines(&job, paint) {
        session.terminal.line(line)?;
    }
    session.terminal.note(&rows(job.tasks.len()))?;
    session.terminal.note("\n  type \"bcs j <jobId|No.> <taskName|No.>\" to show task detail\n")
}

/// Everything that is shown of a job, but the hints.
pub fn lines(all: &Job, paint: Paint) -> Vec<String> {
    let Job { description, job, tasks } = all;
    let mut lines = vec![paint.title("Job:"), about(description, job, paint)];
    if !job.text("Message").is_empty() {
        lines.push(format!("  {}", paint.red("Failed Message:")));
        lines.push(format!("    {}", paint.red(&job.text("Message"))));
    }
    lines.extend(configs::notification(description.at("Notification"), paint, "  "));
    if !description.text("Description").is_empty() {
        lines.push(format!("  {}: {}", paint.blue("Description"), description.text("Description")));
    }
    let is_app = description.text("Type") == "App";
    if !is_app && tasks.len() > 1 {
        lines.push(paint.title("DAG:"));
        lines.push(dag::draw(&dependencies(description)));
    }
    lines.push(paint.title("Tasks:"));
    let mut table = Table::numbered(&["TaskName", "State", "Counts", "StartTime", "EndTime", "Elapsed", "Cluster"]);
    for task in tasks {
        let (start, end) = (task.at("StartTime"), task.at("EndTime"));
        let name = task.text("TaskName");
        let cluster = if is_app { String::new() } else { cluster(description.at("DAG").at("Tasks").at(&name)) };
        let state = job_state(paint, &task.text("State"));
        let counts = counts(task.at("InstanceMetrics"));
        table.row([cell(task.at("TaskName")), state, counts, times::local(start), times::local(end), times::elapsed(start, end), cluster]);
    }
    lines.push(table.draw(paint));
    lines
}

fn about(description: &Value, job: &Value, paint: Paint) -> String {
    let field = |name: &str, value: &str| format!("{}: {value}", paint.blue(name));
    let of = |value: &Value, key: &str| field(key, &spelled(value.at(key)));
    let mut table = Table::boxed();
    table.row([of(job, "Id"), of(job, "Name"), field("State", &job_state(paint, &job.text("State")))]);
    let policy = format!("{}    {}", of(description, "JobFailOnInstanceFail"), of(description, "AutoRelease"));
    table.row([policy, of(description, "Type"), of(description, "Priority")]);
    let (start, end) = (job.at("StartTime"), job.at("EndTime"));
    let created = times::ago(job.at("CreationTime"), jiff::Timestamp::now());
    let age = format!("{}    {}", field("Created", &created), field("Elapsed", &times::elapsed(start, end)));
    table.row([age, field("StartTime", &times::local(start)), field("EndTime", &times::local(end))]);
    table.draw(paint)
}

/// Where a task runs.
pub fn cluster(task: &Value) -> String {
    let id = task.text("ClusterId");
    if !id.is_empty() {
        return id;
    }
    let own = task.at("AutoCluster");
    let image = [own.text("ECSImageId"), own.text("ImageId")].into_iter().find(|image| !image.is_empty()).unwrap_or_default();
    format!("img={image}:type={}", own.text("InstanceType"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_graph_job_is_drawn() {
        let task = json!({"ClusterId": "", "AutoCluster": {"ImageId": "img-a", "InstanceType": "t"}});
        let description = json!({"Type": "DAG", "Priority": 1, "JobFailOnInstanceFail": true, "AutoRelease": false,
            "Description": "why", "DAG": {"Tasks": {"b": task, "a": {"ClusterId": "cls-1"}}, "Dependencies": {"a": ["b"]}}});
        let job = json!({"Id": "job-1", "Name": "n", "State": "Failed", "Message": "it broke", "StartTime": "", "EndTime": ""});
        let counted = json!({"FinishedCount": 1, "FailedCount": 0, "RunningCount": 0, "WaitingCount": 2, "StoppedCount": 0});
        let mut tasks: Vec<_> = ["b", "a"].iter().map(|n| json!({"TaskName": n, "State": "Waiting", "InstanceMetrics": counted})).collect();
        sort(&mut tasks, &description);
        let text = lines(&Job { description, job, tasks }, Paint::PLAIN).join("\n");
        for part in [
            "| JobFailOnInstanceFail: True    AutoRelease: False | Type: DAG       | Priority: 1   |",
            "  Failed Message:\n    it broke\n  Description: why\nDAG:\n",
            "| 1.  | a        | Waiting | 1 / 3  | null      | null    |         | cls-1            |",
            "| 2.  | b        | Waiting | 1 / 3  | null      | null    |         | img=img-a:type=t |",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
