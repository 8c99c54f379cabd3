//! `log`: what instances wrote.

use std::path::Path;

use serde_json::Value;

use super::{instance_detail::LogPaths, job, log_follow};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    reply::{Reply, pretty, spelled},
    session::Session,
};

/// Larger logs are not printed.
const MAX_PRINTED: u64 = 1 << 20;
/// Dashes around a log.
const RULE: usize = 60;

/// Prints or saves logs.
///
/// # Errors
///
/// The service's and the store's, but for logs that do not exist yet.
pub fn log(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let id = session.id("jobs", arguments.needed("jobId|No.")?)?;
    let task = arguments.word("taskName|No.").map(|word| session.id("tasks", word)).transpose()?;
    let number = arguments.word("instanceId").map(str::to_owned);
    let folder = arguments.filled("dir_path");
    let words: Vec<&str> = [Some(id.as_str()), task.as_deref(), number.as_deref()].into_iter().flatten().collect();
    let option = folder.map(|f| format!(" --dir_path {f}")).unwrap_or_default();
    session.terminal.note(&format!("exec: bcs log {}{option}", words.join(" ")))?;
    let wanted = Wanted { id, task, number, kinds: Kinds::of(arguments) };
    if arguments.has("follow") {
        return log_follow::follow(session, &wanted, job::interval(arguments)?);
    }
    let folder = folder.map(|f| session.path(f));
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder).map_err(Failure::file("make", folder))?;
    }
    for log in wanted.instances(session)? {
        for path in &log.paths {
            match &folder {
                Some(folder) => save(session, path, folder)?,
                None => print(session, &log, path)?,
            }
        }
        result(session, &wanted.id, &log, folder.as_deref())?;
    }
    if folder.is_some() { session.terminal.good("done") } else { Ok(()) }
}

/// Which logs are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    All,
    Stdout,
    Stderr,
    Mapped,
}

impl Kinds {
    fn of(arguments: &Arguments) -> Kinds {
        let options = [("stdout", Kinds::Stdout), ("stderr", Kinds::Stderr), ("log_mapping", Kinds::Mapped)];
        options.into_iter().find(|(name, _)| arguments.has(name)).map_or(Kinds::All, |(_, kinds)| kinds)
    }
}

/// The instances whose logs are wanted.
pub(super) struct Wanted {
    /// Their job.
    pub id: String,
    task: Option<String>,
    number: Option<String>,
    kinds: Kinds,
}

/// The logs of an instance.
pub(super) struct Logs {
    /// Its task.
    pub task: String,
    /// The instance.
    pub instance: Value,
    /// Where its logs are.
    pub paths: Vec<String>,
}

impl Wanted {
    /// Asks for the instances.
    pub(super) fn instances(&self, session: &mut Session) -> Result<Vec<Logs>, Failure> {
        let service = session.service()?;
        let id = self.id.as_str();
        let tasks = match &self.task {
            Some(task) => vec![task.clone()],
            None => super::column(&service.list(&["jobs", id, "tasks"], &[])?, "TaskName"),
        };
        let mapped = matches!(self.kinds, Kinds::All | Kinds::Mapped);
        let description = if mapped { service.get(&["jobs", id], &[("description", "")])? } else { Value::Null };
        let mut all = Vec::new();
        for task in tasks {
            let instances = match &self.number {
                Some(number) => vec![service.get(&["jobs", id, "tasks", &task, "instances", number], &[])?],
                None => service.list(&["jobs", id, "tasks", &task, "instances"], &[])?,
            };
            for instance in instances {
                let mut paths = self.paths(&task, &instance, &description);
                paths.retain(|path| !path.is_empty());
                all.push(Logs { task: task.clone(), instance, paths });
            }
        }
        Ok(all)
    }

    fn paths(&self, task: &str, instance: &Value, description: &Value) -> Vec<String> {
        let number = instance.text("InstanceId");
        let own = LogPaths::of(instance, &self.id, task, &number);
        let mapping = description.at("DAG").at("Tasks").at(task).at("LogMapping");
        let mapped = mapping.entries().map(|(local, folder)| {
            let name = local.rsplit('/').next().unwrap_or_default();
            format!("{}{name}.{}.{task}.{number}", spelled(folder), self.id)
        });
        match self.kinds {
            Kinds::Stdout => vec![own.stdout],
            Kinds::Stderr => vec![own.stderr],
            Kinds::Mapped => mapped.collect(),
            Kinds::All => [own.stdout, own.stderr].into_iter().chain(mapped).collect(),
        }
    }
}

/// What a path is called.
pub(super) fn kind(path: &str) -> &'static str {
    if path.contains("/stderr.job-") {
        "Stderr"
    } else if path.contains("/stdout.job-") {
        "Stdout"
    } else {
        "Log"
    }
}

/// The heading of a block.
pub(super) fn heading(session: &Session, kind: &str, log: &Logs) -> String {
    let paint = session.terminal.paint;
    let (task, number) = (paint.magenta(&log.task), paint.magenta(&log.instance.text("InstanceId")));
    format!("{} [{}:{task}, {}:{number}]", paint.bold(kind), paint.blue("TaskName"), paint.blue("InstanceId"))
}

fn print(session: &mut Session, log: &Logs, path: &str) -> Result<(), Failure> {
    let place = session.location(path)?;
    let store = session.store()?;
    let head = match store.head(&place) {
        Ok(head) => head,
        Err(failure) if failure.is_missing_object() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    if head.size > MAX_PRINTED {
        let size = head.size;
        return session.terminal.line(format!(
            "\n  Log file is too large to preview(size={size}), you can use 'bcs o cat -h' to preview or download it manually\n  {path}\n"
        ));
    }
    let bytes = store.read(&place, None)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return Ok(());
    }
    let paint = session.terminal.paint;
    let kind = kind(path);
    let heading = heading(session, kind, log);
    session.terminal.line(heading)?;
    session.terminal.note(path)?;
    session.terminal.note(&"-".repeat(RULE))?;
    session.terminal.line(match kind {
        "Stdout" => paint.green(text),
        "Stderr" => paint.yellow(text),
        _ => text.to_owned(),
    })?;
    session.terminal.note(&"-".repeat(RULE))
}

fn save(session: &mut Session, path: &str, folder: &Path) -> Result<(), Failure> {
    let place = session.location(path)?;
    let shown = session.terminal.paint.white(path);
    session.terminal.line(format!("Download {shown}"))?;
    let target = folder.join(place.name());
    match session.transfer(false, |transfers, out| transfers.download(&place, &target, out)) {
        Err(failure) if failure.is_missing_object() => Ok(()),
        done => done,
    }
}

fn result(session: &mut Session, id: &str, log: &Logs, folder: Option<&Path>) -> Result<(), Failure> {
    let result = log.instance.at("Result");
    if let Some(folder) = folder {
        let name = format!("result.{id}.{}.{}", log.task, log.instance.text("InstanceId"));
        let shown = session.terminal.paint.white(&name);
        session.terminal.line(format!("Download {shown}"))?;
        let path = folder.join(name);
        return std::fs::write(&path, pretty(result, 4)).map_err(Failure::file("write", path));
    }
    if result.text("Detail").is_empty() {
        return Ok(());
    }
    let heading = heading(session, "Result", log);
    session.terminal.line(heading)?;
    session.terminal.note(&"-".repeat(RULE))?;
    let text = session.terminal.paint.red(&pretty(result, 4));
    session.terminal.line(text)?;
    session.terminal.note(&"-".repeat(RULE))
}
