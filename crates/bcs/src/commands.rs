//! What the commands do, a file for each group.

pub mod app;
pub mod app_change;
pub mod asub;
pub mod check;
pub mod cluster;
pub mod cluster_change;
pub mod completion;
pub mod follow;
pub mod generate;
pub mod image;
pub mod instance_detail;
pub mod job;
pub mod job_change;
pub mod job_detail;
pub mod job_list;
pub mod kinds;
pub mod log;
pub mod log_follow;
pub mod login;
pub mod oss;
pub mod oss_carry;
pub mod package;
pub mod project;
pub mod project_status;
pub mod qstat;
pub mod qsub;
pub mod settings;
pub mod source;
pub mod submit;
pub mod task_detail;

use serde_json::Value;

use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    reply::{Reply, pretty},
    session::Session,
};

/// Indent of lists in JSON.
const LIST_INDENT: usize = 2;
/// Indent of single things in JSON.
const THING_INDENT: usize = 4;

/// Prints a list as JSON, in the form of the service.
fn print_list(session: &mut Session, items: Vec<Value>) -> Result<(), Failure> {
    session.terminal.line(pretty(&serde_json::json!({"Items": items, "Marker": ""}), LIST_INDENT))
}

/// Prints a thing as JSON.
fn print_thing(session: &mut Session, thing: &Value) -> Result<(), Failure> {
    session.terminal.line(pretty(thing, THING_INDENT))
}

/// Says what was created: the original's line, or the reply.
fn created(session: &mut Session, arguments: &Arguments, label: &str, reply: &Value) -> Result<(), Failure> {
    if arguments.has("json") {
        return print_thing(session, reply);
    }
    let id = [reply.text("Id"), reply.text("Name")].into_iter().find(|id| !id.is_empty()).unwrap_or_default();
    session.terminal.good(&format!("{label}: {id}"))
}

/// Asks, unless `-y` was given.
fn agreed(session: &mut Session, arguments: &Arguments, question: &str) -> Result<bool, Failure> {
    if arguments.has("yes") { Ok(true) } else { session.terminal.confirm(question) }
}

/// Asks about several things of one kind, then does something to each of them.
fn each(
    session: &mut Session,
    arguments: &Arguments,
    (verb, kind, command): (&str, &str, &str),
    ids: &[String],
    mut work: impl FnMut(&mut Session, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let question = format!("{verb} all these {kind}:\n{} \nAre you sure", session.terminal.paint.red(&ids.join("\n")));
    if !agreed(session, arguments, &question)? {
        return Ok(());
    }
    for id in ids {
        session.terminal.note(&format!("exec: bcs {command} {id}"))?;
        work(session, id)?;
        session.terminal.good("done")?;
    }
    Ok(())
}

/// `rows`, or `row` for one.
fn rows(count: usize) -> String {
    format!("(cache {count} {})", if count > 1 { "rows" } else { "row" })
}

/// How many are done of how many there are, from the counters of a job or task.
fn counts(metrics: &Value) -> String {
    let sum = |keys: &[&str]| keys.iter().map(|key| metrics.number(key)).sum::<i64>();
    let done = sum(&["FinishedCount", "FailedCount"]);
    format!("{done} / {}", done + sum(&["RunningCount", "WaitingCount", "StoppedCount"]))
}

/// The texts under `key`, in order.
fn column(items: &[Value], key: &str) -> Vec<String> {
    items.iter().map(|item| item.text(key)).filter(|id| !id.is_empty()).collect()
}

/// Options of the command line as a source of a description.
pub struct Line<'a>(pub &'a Arguments);

impl crate::description::Source for Line<'_> {
    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        let value = self.0.filled(key).or_else(|| self.0.word(key).filter(|w| !w.is_empty()));
        Ok(value.map(str::to_owned))
    }

    fn truth(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.0.has(key))
    }
}
