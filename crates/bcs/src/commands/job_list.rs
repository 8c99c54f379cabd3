//! The list of jobs.

use serde_json::Value;

use super::{column, counts, print_list, rows};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        job_state,
        table::{Table, cell},
        times,
    },
    reply::Reply,
    session::Session,
};

/// Jobs that are listed unless said.
const TOP: usize = 10;

/// Lists jobs: those that are under way first, the newest first.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let top = match arguments.value("top") {
        Some(text) => text.parse().map_err(|_| Failure::Argument(format!("-t `{text}` is not a number")))?,
        None => TOP,
    };
    let all = session.service()?.list(&["jobs"], &[])?;
    let total = all.len();
    let (mut jobs, filters) = filtered(all, arguments);
    sort(&mut jobs);
    let cut = !arguments.has("all") && top > 0 && jobs.len() > top;
    if arguments.wants_json() {
        if arguments.value("top").is_some() {
            jobs.truncate(top);
        }
        return print_list(session, jobs);
    }
    if cut {
        jobs.truncate(top);
    }
    session.terminal.note(&format!("exec: bcs j -t {top}{filters}"))?;
    session.cache.remember("jobs", &column(&jobs, "Id"))?;
    let paint = session.terminal.paint;
    session.terminal.title("Jobs:")?;
    let now = jiff::Timestamp::now();
    let mut table = Table::numbered(&["Id", "Name", "State", "Counts", "Created", "StartTime", "EndTime", "Elapsed"]);
    for job in &jobs {
        let [created, start, end] = ["CreationTime", "StartTime", "EndTime"].map(|key| job.at(key));
        table.row([
            cell(job.at("Id")),
            cell(job.at("Name")),
            job_state(paint, &job.text("State")),
            counts(job.at("TaskMetrics")),
            times::ago(created, now),
            times::local(start),
            times::local(end),
            times::elapsed(start, end),
        ]);
    }
    session.terminal.line(table.draw(paint))?;
    session.terminal.line(format!("{}  {}", paint.green(&format!("Total: {total}")), paint.white(&rows(jobs.len()))))?;
    if cut {
        session.terminal.note("\n  append -t <num> to show more, or -a to show all\n")?;
    }
    session.terminal.note("  type \"bcs j <jobId|No.>\" to show job detail\n")
}

/// The jobs that are asked for, and how it was asked.
fn filtered(mut jobs: Vec<Value>, arguments: &Arguments) -> (Vec<Value>, String) {
    let mut asked = String::new();
    if let Some(states) = arguments.filled("state") {
        let wanted: Vec<String> = states.split(',').map(|s| s.trim().to_lowercase()).collect();
        jobs.retain(|job| wanted.contains(&job.text("State").to_lowercase()));
        asked.push_str(&format!(" -s {states}"));
    }
    for (option, key, letter) in [("id", "Id", "i"), ("name", "Name", "n")] {
        if let Some(part) = arguments.filled(option) {
            let wanted = part.to_lowercase();
            jobs.retain(|job| job.text(key).to_lowercase().contains(&wanted));
            asked.push_str(&format!(" -{letter} {part}"));
        }
    }
    (jobs, asked)
}

fn sort(jobs: &mut [Value]) {
    let key = |job: &Value| {
        let under_way = matches!(job.text("State").as_str(), "Running" | "Waiting");
        // A job that has not started is newer than all that have.
        let start = under_way.then(|| times::parse(job.at("StartTime")).unwrap_or(jiff::Timestamp::MAX));
        (under_way, start, times::parse(job.at("CreationTime")))
    };
    jobs.sort_by_cached_key(|job| std::cmp::Reverse(key(job)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_under_way_comes_first() {
        let time = |hour: u32| format!("2026-01-01T{hour:02}:00:00.000000Z");
        let job = |id: &str, state: &str, created: u32, start: &str| json!({"Id": id, "State": state, "CreationTime": time(created), "StartTime": start});
        let mut jobs = vec![
            job("old", "Finished", 1, &time(2)),
            job("new", "Failed", 9, ""),
            job("running", "Running", 2, &time(3)),
            job("later", "Running", 2, &time(4)),
            job("waiting", "Waiting", 1, ""),
        ];
        sort(&mut jobs);
        assert_eq!(jobs.iter().map(|j| j.text("Id")).collect::<Vec<_>>(), ["waiting", "later", "running", "new", "old"]);
    }
}
