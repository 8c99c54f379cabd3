//! `submit`: a command, or the tasks of a file, as a job.

use indexmap::IndexMap;

use super::{Line, created, package::pack_and_upload, print_thing};
use crate::{
    description::{Job, Task},
    failure::Failure,
    grammar::parse::Arguments,
    job_file::{self, Network},
    render::dag,
    session::{Session, read_text},
};

/// Submits a job.
///
/// # Errors
///
/// Options and files that cannot be read, or the service's and the store's.
pub fn submit(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.word("cmd").is_none() && arguments.filled("file").is_none() {
        session.terminal.line("\n  type \"bcs sub -h\" for more\n")?;
        return Err(Failure::Ended("nothing to submit".to_owned()));
    }
    let dry = arguments.has("show_json") || arguments.has("show_dag");
    let mut job = described(session, arguments)?;
    if arguments.has("show_dag") {
        return session.terminal.line(dag::draw(&job.graph()?));
    }
    if !dry {
        check_clusters(session, &job)?;
    }
    add_paths(session, &mut job, dry)?;
    let body = serde_json::to_value(&job).map_err(|e| Failure::told(e.to_string()))?;
    if dry {
        return print_thing(session, &body);
    }
    let reply = session.service()?.post(&["jobs"], Some(&body))?;
    created(session, arguments, "Job created", &reply)
}

/// The job that the options and the file describe.
fn described(session: &Session, arguments: &Arguments) -> Result<Job, Failure> {
    let config = &session.config;
    let (mut job, networks) = match arguments.filled("file") {
        Some(file) => job_file::read(&read_text(&session.path(file))?, config)?,
        None => {
            let mut job = Job::default();
            job.dag.tasks.insert("task".to_owned(), Task::new(config.default_image()?, config.default_type()?));
            (job, IndexMap::from([("task".to_owned(), Network::default())]))
        }
    };
    let line = Given(arguments);
    job.apply(&line)?;
    for (name, task) in &mut job.dag.tasks {
        task.apply(&line, config)?;
        task.join(&line)?;
        let of_file = networks.get(name).cloned().unwrap_or_default();
        let cidr = arguments.value("vpc_cidr_block").or(of_file.cidr.as_deref());
        task.connect(cidr, arguments.filled("vpc_id").or(of_file.id.as_deref()), config, name)?;
        if let Some(seconds) = old_timeout(arguments) {
            task.limit(seconds);
        }
        task.complete();
        if task.parameters.command.command_line.is_empty() {
            return Err(Failure::told(format!("Missing required option: cmd (task `{name}`)")));
        }
    }
    Ok(job)
}

/// In the original's older syntax `-t` was the timeout.
fn old_timeout(arguments: &Arguments) -> Option<i64> {
    arguments.filled("type")?.parse().ok().filter(|s| *s > 0)
}

/// The options, less `-t` where it is a timeout.
struct Given<'a>(&'a Arguments);

impl crate::description::Source for Given<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        if key == "type" && old_timeout(self.0).is_some() {
            return Ok(None);
        }
        Line(self.0).text(key)
    }

    fn truth(&self, key: &str) -> Result<bool, Failure> {
        Line(self.0).truth(key)
    }
}

/// A cluster that does not exist is better known before the upload.
fn check_clusters(session: &mut Session, job: &Job) -> Result<(), Failure> {
    let mut ids: Vec<&str> = job.dag.tasks.values().map(|t| t.cluster_id.as_str()).filter(|id| !id.is_empty()).collect();
    ids.sort_unstable();
    ids.dedup();
    let service = session.service()?;
    for id in ids {
        service.get(&["clusters", id], &[]).map_err(|failure| {
            if failure.is_not_found() { Failure::told(format!("Invalid ClusterId `{id}`, type \"bcs c\" for more")) } else { failure }
        })?;
    }
    Ok(())
}

/// Where logs and packages go; the same package is uploaded once.
fn add_paths(session: &mut Session, job: &mut Job, dry: bool) -> Result<(), Failure> {
    let base = format!("{}{}", session.config.oss_path()?, uuid::Uuid::new_v4());
    let mut packed: IndexMap<String, String> = IndexMap::new();
    for (name, task) in &mut job.dag.tasks {
        task.parameters.stdout_redirect_path = format!("{base}/logs/");
        task.parameters.stderr_redirect_path = format!("{base}/logs/");
        let Some(what) = task.pack.take() else { continue };
        let url = match packed.get(&what) {
            Some(url) => url.clone(),
            None => {
                let file = if packed.is_empty() { "worker.tar.gz".to_owned() } else { format!("worker_{name}.tar.gz") };
                let url = format!("{base}/{file}");
                if !dry {
                    pack_and_upload(session, &what, &url)?;
                }
                packed.insert(what, url.clone());
                url
            }
        };
        task.parameters.command.package_path = url;
    }
    Ok(())
}
