//! An instance, with the beginning of its logs.

use serde_json::Value;

use super::{print_thing, task_detail::instance_table};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    reply::{Reply, pretty, spelled},
    session::Session,
    terminal::Paint,
};

/// Last byte of a log that is shown.
const PREVIEW: u64 = 100;

/// Shows an instance.
///
/// # Errors
///
/// The service's and the store's, but for logs that do not exist yet.
pub fn show(session: &mut Session, arguments: &Arguments, job: &str, task: &str, number: &str) -> Result<(), Failure> {
    let id = session.id("jobs", job)?;
    let name = session.id("tasks", task)?;
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs j {id} {name} {number}"))?;
    }
    let instance = session.service()?.get(&["jobs", &id, "tasks", &name, "instances", number], &[])?;
    if arguments.wants_json() {
        return print_thing(session, &instance);
    }
    let paint = session.terminal.paint;
    session.terminal.title("Instance:")?;
    session.terminal.line(instance_table(std::slice::from_ref(&instance), paint))?;
    let paths = LogPaths::of(&instance, &id, &name, number);
    session.terminal.line(format!("{}: {}", paint.blue("StdoutRedirectPath"), paths.stdout))?;
    session.terminal.line(format!("{}: {}", paint.blue("StderrRedirectPath"), paths.stderr))?;
    for line in outcome(&instance, paint) {
        session.terminal.line(line)?;
    }
    for (kind, path) in [("stdout", &paths.stdout), ("stderr", &paths.stderr)] {
        preview(session, kind, path)?;
    }
    session.terminal.note("\n  If you want to download these logs, type \"bcs log -h\" for more\n")
}

/// Where the logs of an instance are.
pub struct LogPaths {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl LogPaths {
    /// From a reply; names of older services are put right.
    pub fn of(instance: &Value, job: &str, task: &str, number: &str) -> LogPaths {
        let path = |key: &str, kind: &str| {
            let path = instance.text(key);
            match path.rsplit_once('/') {
                Some((folder, name)) if name.ends_with(&format!(".{kind}")) => format!("{folder}/{kind}.{job}.{task}.{number}"),
                _ => path,
            }
        };
        LogPaths { stdout: path("StdoutRedirectPath", "stdout"), stderr: path("StderrRedirectPath", "stderr") }
    }
}

fn outcome(instance: &Value, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let field = |of: &Value, key: &str, red: bool| {
        let value = spelled(of.at(key));
        format!("  {}: {}", paint.blue(key), if red { paint.red(&value) } else { value })
    };
    let result = instance.at("Result");
    if !result.text("ErrorCode").is_empty() {
        lines.push(paint.title("Result:"));
        lines.push(field(result, "ExitCode", false));
        lines.extend(["ErrorCode", "ErrorMessage", "Detail"].map(|key| field(result, key, true)));
    }
    let error = instance.at("Error");
    if !error.text("Code").is_empty() {
        lines.push(paint.title("Error:"));
        lines.push(field(error, "Code", false));
        lines.push(field(error, "Message", true));
    }
    if !instance.at("Outputs").is_blank() {
        lines.push(pretty(instance.at("Outputs"), 4));
    }
    lines
}

fn preview(session: &mut Session, kind: &str, path: &str) -> Result<(), Failure> {
    if path.is_empty() {
        return Ok(());
    }
    let place = session.location(path)?;
    let bytes = match session.store()?.read(&place, Some((0, Some(PREVIEW)))) {
        Ok(bytes) => bytes,
        Err(failure) if failure.is_missing_object() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let paint = session.terminal.paint;
    session.terminal.title("Log Content:")?;
    session.terminal.line(paint.magenta(&format!("{0}{kind}{0}", "-".repeat(20))))?;
    let text = String::from_utf8_lossy(&bytes);
    session.terminal.line(if kind == "stdout" { paint.green(&text) } else { paint.red(&text) })?;
    session.terminal.line(if bytes.len() as u64 == PREVIEW + 1 { "......" } else { "" })?;
    session.terminal.line(paint.magenta(&"-".repeat(46)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_older_services_are_put_right() {
        let instance = json!({"StdoutRedirectPath": "oss://b/logs/0.stdout", "StderrRedirectPath": "oss://b/logs/stderr.job-1.t.0"});
        let paths = LogPaths::of(&instance, "job-1", "t", "0");
        assert_eq!((paths.stdout.as_str(), paths.stderr.as_str()), ("oss://b/logs/stdout.job-1.t.0", "oss://b/logs/stderr.job-1.t.0"));
    }

    #[test]
    fn what_went_wrong_is_shown() {
        let instance = json!({"Result": {"ExitCode": 1, "ErrorCode": "Bad", "ErrorMessage": "m", "Detail": "d"}, "Error": {"Code": ""},
            "Outputs": {"o": "oss://b/o"}});
        let lines = outcome(&instance, Paint::PLAIN);
        assert_eq!(lines[..5], ["Result:", "  ExitCode: 1", "  ErrorCode: Bad", "  ErrorMessage: m", "  Detail: d"]);
        assert!(outcome(&json!({"Result": {"ErrorCode": ""}}), Paint::PLAIN).is_empty());
    }
}
