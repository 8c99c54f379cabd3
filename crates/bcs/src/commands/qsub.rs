//! `qsub`: a script as a job, in the words of the Portable Batch System.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Value, json};

use super::{kinds::offered, package, print_thing, qstat::number_of};
use crate::{
    description::{Job, Task},
    failure::Failure,
    grammar::parse::Arguments,
    notation::resources::{Resources, resources},
    reply::Reply,
    session::{Session, read_text},
};

/// The program that runs the script on the node.
const RUNNER: &str = include_str!("../../templates/qsub/qsub.py");
/// The shell of scripts that name none.
const SHELL: &str = "/bin/bash";

/// What the runner is told.
#[derive(Debug, Default, Serialize)]
struct Order {
    shell: String,
    job_name: String,
    script_name: String,
    work_path: String,
    stdout_path: String,
    stderr_path: String,
    join: String,
    resource_list: Resources,
    env: BTreeMap<String, String>,
}

/// Submits a script.
///
/// # Errors
///
/// A script that cannot be read, resources that nothing offers, or the service's.
pub fn qsub(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let script = session.path(arguments.needed("script_name")?);
    let order = order(session, arguments, &read_text(&script)?)?;
    if arguments.has("show_opt") {
        return print_thing(session, &json!(order));
    }
    let mut job = described(session, &order)?;
    let base = format!("{}{}", session.config.oss_path()?, uuid::Uuid::new_v4());
    let url = format!("{base}/{}", package::PACKAGE);
    for task in job.dag.tasks.values_mut() {
        let logs = format!("{base}/logs/");
        task.parameters.stdout_redirect_path.clone_from(&logs);
        task.parameters.stderr_redirect_path.clone_from(&logs);
        task.parameters.command.package_path.clone_from(&url);
        task.parameters.command.command_line = format!("python3 qsub.py {}", STANDARD.encode(json!(order).to_string()));
        task.log_mapping.insert(order.stdout_path.clone(), logs.clone());
        task.log_mapping.insert(order.stderr_path.clone(), logs);
    }
    let mut body = json!(job);
    add_mounts(session, &mut body)?;
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    let runner = session.state.join("qsub.py");
    std::fs::write(&runner, RUNNER).map_err(Failure::file("write", &runner))?;
    package::pack_quietly(session, &[(runner, "qsub.py".to_owned()), (script, order.script_name.clone())], &url)?;
    let reply = session.service()?.post(&["jobs"], Some(&body))?;
    if arguments.has("json") {
        return print_thing(session, &reply);
    }
    session.terminal.good(&number_of(&reply.text("Id")))
}

/// Options of the command line, then those of the script.
fn order(session: &Session, arguments: &Arguments, script: &str) -> Result<Order, Failure> {
    let own = Directives::of(script)?;
    let text = |option: &str, letter: char| arguments.filled(option).map(str::to_owned).or_else(|| own.values.get(&letter).cloned());
    let mut wanted = own.resources.clone();
    if let Some(list) = arguments.filled("resource_list") {
        wanted.merge(resources(list)?);
    }
    let folder = text("work_path", 'd').map_or_else(|| session.folder.clone(), |path| session.path(&path));
    let job_name = text("job_name", 'N').unwrap_or_else(|| "job".to_owned());
    let result = |option: &str, letter: char, kind: &str| {
        let path = text(option, letter).map_or_else(|| folder.join(format!("{job_name}.{kind}")), |path| session.path(&path));
        path.display().to_string()
    };
    let variable = |name: &str| session.variables.get(name).cloned().unwrap_or_default();
    let passed = ["HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL", "TZ"];
    let mut env: BTreeMap<String, String> = passed.iter().map(|name| (format!("PBS_O_{name}"), variable(name))).collect();
    if arguments.has("env") || own.values.contains_key(&'V') {
        env.extend(session.variables.clone());
    }
    let path = session.path(arguments.needed("script_name")?);
    let script_name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let join = text("join", 'j').unwrap_or_else(|| "n".to_owned());
    if !["oe", "eo", "n"].contains(&join.as_str()) {
        return Err(Failure::Argument(format!("-j `{join}` is none of oe, eo, n")));
    }
    Ok(Order {
        shell: own.shell,
        script_name,
        work_path: folder.display().to_string(),
        stdout_path: result("stdout_path", 'o', "stdout"),
        stderr_path: result("stderr_path", 'e', "stderr"),
        join,
        resource_list: wanted,
        env,
        job_name,
    })
}

/// What a script says about itself in lines `#PBS -x value`.
#[derive(Debug, Default)]
struct Directives {
    shell: String,
    values: BTreeMap<char, String>,
    resources: Resources,
}

impl Directives {
    fn of(script: &str) -> Result<Directives, Failure> {
        let first = script.lines().next().and_then(|line| line.strip_prefix("#!")).map(str::trim).filter(|s| !s.is_empty());
        let mut found = Directives { shell: first.unwrap_or(SHELL).to_owned(), ..Directives::default() };
        for line in script.lines() {
            let Some(rest) = line.trim().strip_prefix('#').map(str::trim_start).and_then(|l| l.strip_prefix("PBS")) else { continue };
            let Some(option) = rest.trim().strip_prefix('-') else { continue };
            let mut letters = option.chars();
            let (Some(letter), value) = (letters.next(), letters.as_str().trim()) else { continue };
            if letter == 'l' {
                found.resources.merge(resources(value)?);
            } else {
                found.values.insert(letter, value.to_owned());
            }
        }
        Ok(found)
    }
}

fn described(session: &mut Session, order: &Order) -> Result<Job, Failure> {
    let wanted = &order.resource_list;
    let (cpu, memory) = (wanted.cpu.unwrap_or(0.0), wanted.mem.unwrap_or(0.0));
    let kind = if cpu == 0.0 && memory == 0.0 {
        session.config.default_type()?
    } else {
        let offered = offered(session)?.on_demand;
        let fits = offered.into_iter().find(|t| t.cpu >= cpu && t.memory >= memory);
        fits.ok_or_else(|| Failure::told(format!("Can not found suitable instance type for {cpu} cores and {memory} GB")))?.name
    };
    let mut task = Task::new(session.config.default_image()?, kind);
    task.instance_count = wanted.nodes.unwrap_or(1).max(1);
    if let Some(seconds) = wanted.timeout {
        task.limit(i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    task.connect(None, None, &session.config, "task")?;
    task.complete();
    let user = session.config.get("qsubuser").unwrap_or_else(|| "root".to_owned());
    let mut job = Job::default();
    job.name = format!("qsub-{user}-{}", order.job_name);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let person = session.variable("LOGNAME").or_else(|| session.variable("USER")).unwrap_or_default();
    job.describe(json!({"type": "qsub", "host": host, "user": person}).to_string());
    job.dag.tasks.insert("task".to_owned(), task);
    Ok(job)
}

/// What `~/.qsub-task-description.json` mounts.
fn add_mounts(session: &Session, body: &mut Value) -> Result<(), Failure> {
    let path = session.home.join(".qsub-task-description.json");
    if !path.exists() {
        return Ok(());
    }
    let own: Value =
        serde_json::from_str(&read_text(&path)?).map_err(|e| Failure::told(format!("`{}` is not JSON: {e}", path.display())))?;
    if !own.at("Mounts").is_blank() {
        body["DAG"]["Tasks"]["task"]["Mounts"] = own.at("Mounts").clone();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_tell_what_they_need() {
        let script =
            "#!/bin/sh\n#PBS -N night\n# PBS -l select=2:ncpus=2\n#PBS -l walltime=0:10:00\n#PBS -V\n#PBS -j oe\n# no directive\necho\n";
        let found = Directives::of(script).unwrap();
        assert_eq!((found.shell.as_str(), found.values[&'N'].as_str(), found.values[&'j'].as_str()), ("/bin/sh", "night", "oe"));
        assert!(found.values.contains_key(&'V'));
        assert_eq!(found.resources, Resources { cpu: Some(4.0), mem: None, timeout: Some(600), nodes: None });
        assert_eq!(Directives::of("echo").unwrap().shell, SHELL);
    }
}
