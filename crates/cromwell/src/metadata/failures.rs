//! Failures in the shape of metadata: a message and what caused it, in the words that clients of the original look for.
//!
//! The engine's own texts are made for people at a terminal. Here the distinctive part of each becomes the original's,
//! what it says beyond that stays.

use std::path::Path;

use batchyard_model::RunId;
use batchyard_store::{RunRecord, Store, StoreError};
use batchyard_workflow::{
    attempt::MEMORY_WORDS,
    blobs,
    complaint::telling,
    documents::{Failure, RunResultDoc},
};
use serde_json::{Value as Json, json};

use super::run::result;

/// How a clash of output files is told.
const COLLISION: &str = "Cannot copy output files to given final_workflow_outputs_dir";
/// How much of the end of standard error a failure shows, in bytes and lines.
const STDERR_BYTES: usize = 2 << 10;
const STDERR_LINES: usize = 40;

/// The `failures` entry of an attempt or a run of this workflow; `stderr` asks for the end of the command's standard error.
pub fn cause(workflow: &str, failure: &Failure, stderr: bool) -> Json {
    let place = failure.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let message = failure.message.as_str();
    if let Some((task, problem)) = of_task(failure) {
        return nested(vec![invalid_attribute(task, problem), format!("{place}{problem}{hint}")]);
    }
    let tag = failure.call.as_deref().map(|call| (call, original_tag(workflow_of(failure).unwrap_or(workflow), call)));
    let chain = match (&tag, failure.exit_code) {
        (Some((call, tag)), _) if message.starts_with("job ") || message.starts_with("stderr for job ") => {
            let tail = if stderr { failure.dir.as_deref().and_then(end_of_stderr).unwrap_or_default() } else { String::new() };
            vec![format!("{}{hint}{tail}", of_job(message, call, tag))]
        }
        // Once there is an exit status, only the outputs are left to fail.
        (Some((_, tag)), Some(_)) => {
            let call = tag.split(':').next().unwrap_or(tag);
            vec!["Failed to evaluate job outputs".into(), format!("{}{hint}", of_output(message, call, &place))]
        }
        _ => reworded(message, &place, &hint, failure.hint.as_deref()),
    };
    nested(chain)
}

/// Messages, each the cause of the one before.
fn nested(chain: Vec<String>) -> Json {
    chain
        .into_iter()
        .rev()
        .fold(None, |inner: Option<Json>, message| Some(json!({ "message": message, "causedBy": inner.into_iter().collect::<Vec<_>>() })))
        .unwrap_or_default()
}

/// The `failures` of a run; `None` when there are none.
///
/// # Errors
/// What kept the store from answering.
pub fn of_run(store: &Store, record: &RunRecord) -> Result<Option<Json>, StoreError> {
    let result = result(record);
    match &result.told {
        Some(told) => told.get("failures").map_or(Ok(None), |failures| blobs::whole(store, failures)),
        None => Ok(of_result(&record.name, &result)),
    }
}

fn of_result(workflow: &str, result: &RunResultDoc) -> Option<Json> {
    if result.failures.is_empty() {
        return None;
    }
    let mut causes: Vec<Json> = Vec::new();
    for failure in &result.failures {
        // Its log is shown with the first: of many failed shards one is enough to begin with.
        let cause = cause(workflow, failure, causes.is_empty());
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    if let [only] = causes.as_slice()
        && only["message"].as_str().is_some_and(|message| message.starts_with(COLLISION))
    {
        // The calls have succeeded: it is no failure among them.
        return Some(json!(causes));
    }
    let message = match result.failures.as_slice() {
        _ if result.unusable => "Workflow input processing failed",
        [only] if of_task(only).is_some() => "Runtime validation failed",
        _ => "Workflow failed",
    };
    Some(json!([{ "message": message, "causedBy": causes }]))
}

/// `workflow.call:index:attempt` of a call that is named `call[3]#2`.
fn original_tag(workflow: &str, call: &str) -> String {
    let (place, attempt) = call.split_once('#').unwrap_or((call, "1"));
    let (name, index) = match place.split_once('[') {
        Some((name, indices)) => (name, indices.trim_end_matches(']').replace("][", ".")),
        None => (place, "NA".to_owned()),
    };
    format!("{workflow}.{name}:{index}:{attempt}")
}

/// The (sub-)workflow of the call, as its directory tells: `.../<workflow>/<run id>/call-...`.
fn workflow_of(failure: &Failure) -> Option<&str> {
    let parts: Vec<&str> = failure.dir.as_deref()?.split('/').collect();
    let at = parts.iter().rposition(|part| part.parse::<RunId>().is_ok())?;
    parts.get(at.checked_sub(1)?).copied()
}

fn of_job(message: &str, call: &str, tag: &str) -> String {
    let named = message.replacen(&format!("job {call} "), &format!("job {tag} "), 1);
    match named.strip_prefix("job ") {
        Some(rest) if rest.contains(MEMORY_WORDS) => {
            let keys = rest.split_once(MEMORY_WORDS).map_or("", |(_, keys)| keys);
            format!(
                "stderr for job `{tag}` contained one of the `memory-retry-error-keys: [{keys} specified in the Cromwell config. \
                 Job might have run out of memory."
            )
        }
        Some(rest) if rest.ends_with(" valid return code") => {
            format!("Job {rest}. See 'continueOnReturnCode' runtime attribute for more details.")
        }
        Some(rest) => format!("Job {rest}"),
        None => named,
    }
}

fn of_output(message: &str, call: &str, place: &str) -> String {
    let missing = |text: &str| match text.strip_prefix("could not process output, file not found: ") {
        Some(path) => format!("Could not process output, file not found: {}", path.trim_matches('`')),
        None => text.to_owned(),
    };
    match message.strip_prefix("bad output `").and_then(|rest| rest.split_once("`: ")) {
        Some((name, problem)) => format!("Bad output '{call}.{name}': {}\nat {}", missing(problem), place.trim_end_matches(": ")),
        None => format!("{place}{message}"),
    }
}

/// Task and problem of a runtime attribute that is wrong before any call is prepared.
fn of_task(failure: &Failure) -> Option<(&str, &str)> {
    failure.message.strip_prefix("runtime validation failed: task `")?.split_once("`: ")
}

/// A wrong attribute as the original tells it, its value in the notation of that.
fn invalid_attribute(task: &str, problem: &str) -> String {
    let name = problem.split('`').nth(1).unwrap_or_default();
    let text = problem.rsplit_once(", not ").map_or("", |(_, value)| value);
    let value = match serde_json::from_str(text) {
        Ok(Json::String(text)) => format!("WomString({text})"),
        Ok(Json::Bool(value)) => format!("WomBoolean({value})"),
        Ok(Json::Number(value)) if value.is_i64() => format!("WomInteger({value})"),
        Ok(Json::Number(value)) => format!("WomFloat({value})"),
        _ => text.to_owned(),
    };
    format!("Task {task} has an invalid runtime attribute {name} = Valid({value})")
}

/// What is no matter of a command: message by message, outermost first.
fn reworded(message: &str, place: &str, hint: &str, expected: Option<&str>) -> Vec<String> {
    if let Some(problem) = message.strip_prefix("runtime validation failed: ") {
        return vec!["Runtime validation failed".into(), format!("{place}{problem}{hint}")];
    }
    const CALL_INPUT: &str = "call input and runtime attributes evaluation failed for ";
    if let Some((call, problem)) = message.strip_prefix(CALL_INPUT).and_then(|rest| rest.split_once(": ")) {
        return vec![format!("Call input and runtime attributes evaluation failed for {call}"), format!("{place}{problem}{hint}")];
    }
    if let Some((input, problem)) = message.strip_prefix("input `").and_then(|rest| rest.split_once("`: "))
        && problem.starts_with("an empty text cannot be used as `File`")
    {
        let name = input.rsplit('.').next().unwrap_or(input);
        return vec![format!("Invalid value for File input '{name}': empty value"), format!("{message}{hint}")];
    }
    if let Some(name) = message.strip_prefix("unexpected input `").and_then(|rest| rest.split('`').next()) {
        let inputs = expected.and_then(|hint| hint.strip_prefix("its inputs are ")).map(|inputs| inputs.replace('`', ""));
        let inputs = inputs.map(|inputs| format!(" (expected inputs: [{inputs}])")).unwrap_or_else(|| hint.to_owned());
        return vec![format!("WARNING: Unexpected input provided: {name}{inputs}")];
    }
    vec![format!("{place}{message}{hint}")]
}

/// Where standard error of an attempt is and how it ends; `None` when there is nothing in it.
fn end_of_stderr(dir: &str) -> Option<String> {
    let path = Path::new(dir).join("execution/stderr");
    let mut lines = telling(&path, STDERR_LINES);
    let size = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    while lines.len() > 1 && size(&lines) > STDERR_BYTES {
        lines.remove(0);
    }
    (!lines.is_empty()).then(|| format!("\nits stderr {} ends with:\n{}", path.display(), lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of(failure: Failure) -> Vec<String> {
        let mut messages = Vec::new();
        let mut at = &cause("wf", &failure, true);
        loop {
            messages.push(at["message"].as_str().unwrap().to_owned());
            match at["causedBy"].as_array().unwrap().first() {
                Some(inner) => at = inner,
                None => return messages,
            }
        }
    }

    #[test]
    fn commands() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("inner").join(RunId::random().to_string()).join("call-t/shard-3/attempt-2");
        fs::create_dir_all(run.join("execution")).unwrap();
        fs::write(run.join("execution/stderr"), format!("{}last words\n\tat a.b(C.java:1)\n", format!("{}\n", "x".repeat(900)).repeat(9)))
            .unwrap();
        let failure = Failure {
            call: Some("t[3]#2".into()),
            dir: Some(run.to_string_lossy().into_owned()),
            exit_code: Some(4),
            ..Failure::new("job t[3]#2 exited with return code 4 which has not been declared as a valid return code")
        };
        let told = of(failure.clone());
        assert!(
            told[0].starts_with(
                "Job inner.t:3:2 exited with return code 4 which has not been declared as a valid return code. \
                 See 'continueOnReturnCode' runtime attribute for more details."
            ),
            "{told:?}"
        );
        let said = told[0].split_once("/call-t/shard-3/attempt-2/execution/stderr ends with:\n").unwrap().1;
        assert!(said.ends_with("x\nlast words") && said.len() < STDERR_BYTES, "{told:?}");
        let missing = Failure {
            message: "bad output `f`: could not process output, file not found: `/a/b`".into(),
            place: Some("w.wdl:1:2".into()),
            ..failure
        };
        assert_eq!(
            of(missing),
            ["Failed to evaluate job outputs", "Bad output 'inner.t.f': Could not process output, file not found: /a/b\nat w.wdl:1:2"]
        );
    }

    #[test]
    fn before_commands() {
        let at = |message: &str| Failure { place: Some("w.wdl:1:2".into()), ..Failure::new(message) };
        assert_eq!(of(at("runtime validation failed: no")), ["Runtime validation failed", "w.wdl:1:2: no"]);
        assert_eq!(
            of(at("call input and runtime attributes evaluation failed for t: no")),
            ["Call input and runtime attributes evaluation failed for t", "w.wdl:1:2: no"]
        );
        let constant = "runtime validation failed: task `t`: runtime attribute `cpu` must be a positive number, not \"x\"";
        let told: [&str; 2] = [
            "Task t has an invalid runtime attribute cpu = Valid(WomString(x))",
            "w.wdl:1:2: runtime attribute `cpu` must be a positive number, not \"x\"",
        ];
        assert_eq!(of(at(constant)), told);
        let empty = "input `w.file`: an empty text cannot be used as `File`, it is not a path";
        assert_eq!(of(Failure::new(empty)), ["Invalid value for File input 'file': empty value", empty]);
        let unexpected = Failure::new("unexpected input `wf.z`: workflow `wf` has no such input").hint("its inputs are `wf.a`, `wf.b`");
        assert_eq!(of(unexpected), ["WARNING: Unexpected input provided: wf.z (expected inputs: [wf.a, wf.b])"]);
        assert_eq!(of(at("no").hint("yes")), ["w.wdl:1:2: no\nhint: yes"]);
    }

    #[test]
    fn tags() {
        assert_eq!(original_tag("w", "t"), "w.t:NA:1");
        assert_eq!(original_tag("w", "t[3][0]#12"), "w.t:3.0:12");
    }
}
