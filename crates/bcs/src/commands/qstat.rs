//! `qstat`, `qdel`, `qhost`.

use serde_json::Value;

use super::{job_change::stop_and_delete, print_list};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        table::{Table, cell},
        times,
    },
    reply::Reply,
    session::Session,
};

/// Names of jobs of `qsub` begin like this.
const PREFIX: &str = "qsub-";
/// What follows a job's number.
const SUFFIX: &str = ".console";
/// Digits of a job id.
const DIGITS: usize = 32;

/// Lists jobs of `qsub`, or shows one.
///
/// # Errors
///
/// The service's; so for all functions here.
pub fn qstat(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let named = arguments.filled("for_job_id").or(arguments.filled("job_id")).or(arguments.word("jobId"));
    if let Some(word) = named {
        return detail(session, word);
    }
    let users: Option<Vec<String>> =
        arguments.filled("user_list").map(|users| users.split(',').map(|u| format!("{PREFIX}{}-", u.trim())).collect());
    let states = match (arguments.has("all"), arguments.has("waiting"), arguments.has("running")) {
        (true, ..) => Vec::new(),
        (_, true, false) => vec!["Waiting"],
        (_, false, true) => vec!["Running"],
        _ => vec!["Waiting", "Running"],
    };
    let mut jobs = session.service()?.list(&["jobs"], &[])?;
    jobs.retain(|job| {
        let name = job.text("Name");
        let owned = users.as_ref().map_or_else(|| name.starts_with(PREFIX), |users| users.iter().any(|u| name.starts_with(u)));
        owned && (states.is_empty() || states.contains(&job.text("State").as_str()))
    });
    if arguments.wants_json() {
        return print_list(session, jobs);
    }
    let mut table = Table::bare(&["job-Id", "name", "state", "owner", "submit at", "start at", "end at"]);
    for job in &jobs {
        let (owner, name) = owner_and_name(&job.text("Name"));
        let [created, start, end] = ["CreationTime", "StartTime", "EndTime"].map(|key| times::local(job.at(key)));
        table.row([number_of(&job.text("Id")), name, letter(&job.text("State")), owner, created, start, end]);
    }
    session.terminal.line(table.draw(session.terminal.paint))
}

fn detail(session: &mut Session, word: &str) -> Result<(), Failure> {
    let id = id_of(word)?;
    let job = session.service()?.get(&["jobs", &id], &[])?;
    session.terminal.line(format!("Job Id: {}", job.text("Id")))?;
    for (key, value) in job.entries().filter(|(key, _)| !matches!(key.as_str(), "Id" | "Message")) {
        if matches!(value, Value::String(_) | Value::Number(_)) {
            session.terminal.line(format!("{key}={}", cell(value)))?;
        }
    }
    Ok(())
}

/// Stops and deletes a job.
///
/// # Errors
///
/// See [`qstat`].
pub fn qdel(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.value("wait").is_some() {
        return Err(Failure::told("Unsupported option: -W"));
    }
    let id = id_of(arguments.needed("job_id")?)?;
    stop_and_delete(session, &id)?;
    session.terminal.good("done")
}

/// Lists the groups of nodes of all clusters.
///
/// # Errors
///
/// See [`qstat`].
pub fn qhost(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    let clusters = session.service()?.list(&["clusters"], &[])?;
    let mut table = Table::bare(&["cluster", "group", "type", "nodes"]);
    for cluster in &clusters {
        for (name, group) in cluster.at("Groups").entries() {
            let nodes = format!("{} / {}", group.text("ActualVMCount"), group.text("DesiredVMCount"));
            table.row([cluster.text("Id"), name.clone(), group.text("InstanceType"), nodes]);
        }
    }
    session.terminal.line(table.draw(session.terminal.paint))
}

/// The number of a job, as `qsub` prints it; ids of another form stay as they are.
pub fn number_of(id: &str) -> String {
    match id.strip_prefix("job-").and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
        Some(number) => format!("{number}{SUFFIX}"),
        None => id.to_owned(),
    }
}

/// The id of a job from its number.
fn id_of(word: &str) -> Result<String, Failure> {
    if word.starts_with("job-") {
        return Ok(word.to_owned());
    }
    let digits = word.rsplit_once('.').map_or(word, |(digits, _)| digits);
    let number: u128 = digits.parse().map_err(|_| Failure::told(format!("Invalid jobId: `{word}` is not <number>{SUFFIX}")))?;
    Ok(format!("job-{number:0DIGITS$X}"))
}

fn owner_and_name(name: &str) -> (String, String) {
    match name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) {
        Some((owner, name)) => (owner.to_owned(), name.to_owned()),
        None => ("root".to_owned(), name.to_owned()),
    }
}

fn letter(state: &str) -> String {
    let letter = match state {
        "Running" => "R",
        "Finished" => "C",
        "Waiting" => "W",
        "Failed" => "F",
        "Stopped" => "S",
        other => other,
    };
    letter.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_each_others_inverse() {
        for id in ["job-000000005C49BE3100006A5F00301D8E", "job-00000000000000000000000000000000", "job-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"] {
            assert_eq!(id_of(&number_of(id)).unwrap(), id);
        }
        assert_eq!(number_of("job-000000005C49BE3100006A5F00301D8E"), "28561770641917936053049630094.console");
        assert!(id_of("x.console").is_err());
        assert_eq!(owner_and_name("qsub-ada-night-run"), ("ada".to_owned(), "night-run".to_owned()));
    }
}
