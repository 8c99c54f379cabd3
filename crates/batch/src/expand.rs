//! From an app and its use by a job to the one task that is carried out.

mod local;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

pub use self::local::{Local, expand_locally};
use crate::wire::{
    AppCall, AppDescription, JobDescription, MountEntry, Parameter, Problems, TaskDescription, app::check_setting, cluster::Disk,
    job::Text, mounts::check_oss,
};

/// Name of the task.
pub const TASK: &str = "task";

/// The task of an app job, and what goes with it.
#[derive(Debug)]
pub struct Expanded {
    /// The task.
    pub task: TaskDescription,
    /// Values of all parameters.
    pub variables: BTreeMap<String, String>,
    /// Where outputs go.
    pub outputs: BTreeMap<String, String>,
}

/// Puts the values of a job into an app.
pub fn expand(app: &AppDescription, job: &JobDescription, call: &AppCall, problems: &mut Problems) -> Expanded {
    let mut variables = BTreeMap::new();
    let mut words = BTreeMap::new();
    let mut task = TaskDescription::default();
    inputs(app, call, &mut task, &mut variables, &mut words, problems);
    let outputs = outputs(app, call, &mut task, &mut variables, &mut words, problems);
    let settings = settings(app, call, problems);
    apply(&settings, app, &mut task, problems);
    let command = &mut task.parameters.command;
    command.command_line = filled(&app.command_line, &words);
    command.env_vars = app.env_vars.iter().map(|(name, value)| (name.clone(), Text(filled(&value.0, &words)))).collect();
    if let Some(docker) = &app.docker {
        command.docker = docker.clone();
    }
    task.parameters.stdout_redirect_path.clone_from(&call.logging.stdout_path);
    task.parameters.stderr_redirect_path.clone_from(&call.logging.stderr_path);
    for (at, path) in [("StdoutPath", &call.logging.stdout_path), ("StderrPath", &call.logging.stderr_path)] {
        if !path.is_empty()
            && let Err(text) = check_oss(path, true)
        {
            problems.add(format!("App.Logging.{at}"), text);
        }
    }
    if job.dag.is_some() {
        problems.add("DAG", "does not belong to a job of type `App`");
    }
    Expanded { task, variables, outputs }
}

fn inputs(
    app: &AppDescription,
    call: &AppCall,
    task: &mut TaskDescription,
    variables: &mut BTreeMap<String, String>,
    words: &mut BTreeMap<String, String>,
    problems: &mut Problems,
) {
    unknown(&app.input_parameters, &call.inputs, "App.Inputs", problems);
    for (name, parameter) in &app.input_parameters {
        let at = format!("App.Inputs.{name}");
        let Some(value) = value_of(&call.inputs, name, parameter) else {
            problems.coded("MissingParameter", at, format!("is missing: the app `{}` has no default for it", app.name));
            continue;
        };
        let Some(text) = text_of(parameter, value) else {
            problems.add(at, format!("must be a {}", parameter.kind));
            continue;
        };
        let mut word = text.clone();
        if !parameter.local_path.is_empty() && !text.is_empty() {
            if let Err(problem) = check_oss(&text, true) {
                problems.add(at, problem);
                continue;
            }
            word = place(&parameter.local_path, &text);
            task.mounts.entries.push(MountEntry { source: text.clone(), destination: word.clone(), write_support: false });
        }
        variables.insert(name.clone(), text);
        words.insert(name.clone(), word);
    }
}

/// Where the object of an input is found: a folder as local path gets the object's name.
fn place(local: &str, url: &str) -> String {
    match (local.ends_with('/'), url.ends_with('/')) {
        (true, false) => format!("{local}{}", url.rsplit('/').next().unwrap_or_default()),
        (false, true) => format!("{local}/"),
        _ => local.to_owned(),
    }
}

fn outputs(
    app: &AppDescription,
    call: &AppCall,
    task: &mut TaskDescription,
    variables: &mut BTreeMap<String, String>,
    words: &mut BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    unknown(&app.output_parameters, &call.outputs, "App.Outputs", problems);
    let mut found = BTreeMap::new();
    for (name, parameter) in &app.output_parameters {
        let at = format!("App.Outputs.{name}");
        words.insert(name.clone(), parameter.local_path.clone());
        let is_given = call.outputs.get(name).is_some_and(|value| !value.is_null());
        // A default that is no address means that the output is not stored.
        let some_address = |value: &&Value| is_given || value.as_str().is_some_and(|text| !text.is_empty());
        let Some(value) = value_of(&call.outputs, name, parameter).filter(some_address) else { continue };
        let Some(url) = value.as_str() else {
            problems.add(at, "must be an address like `oss://bucket/key`");
            continue;
        };
        if let Err(text) = check_oss(url, true) {
            problems.add(at, text);
            continue;
        }
        if parameter.local_path.is_empty() {
            problems.add(at, format!("cannot be stored: the app `{}` has no `LocalPath` for it", app.name));
            continue;
        }
        let folder = url.ends_with('/');
        let local = if folder && !parameter.local_path.ends_with('/') {
            format!("{}/", parameter.local_path)
        } else {
            parameter.local_path.clone()
        };
        let url = if !folder && local.ends_with('/') { format!("{url}/") } else { url.to_owned() };
        task.output_mapping.insert(local, url.clone());
        variables.insert(name.clone(), url.clone());
        found.insert(name.clone(), url);
    }
    found
}

/// What a job gives for a parameter, or its default.
fn value_of<'v>(given: &'v IndexMap<String, Value>, name: &str, parameter: &'v Parameter) -> Option<&'v Value> {
    let is_given = |value: &&Value| match value {
        Value::Null => false,
        // The command line of clients knows only texts, and an empty one is no number.
        Value::String(text) => parameter.kind != "Number" || !text.trim().is_empty(),
        _ => true,
    };
    given.get(name).filter(is_given).or(Some(&parameter.default)).filter(|value| !value.is_null())
}

fn unknown(known: &IndexMap<String, Parameter>, given: &IndexMap<String, Value>, at: &str, problems: &mut Problems) {
    for name in given.keys().filter(|name| !known.contains_key(*name)) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        problems.add(format!("{at}.{name}"), format!("is no parameter of the app; it has `{}`", names.join("`, `")));
    }
}

fn text_of(parameter: &Parameter, value: &Value) -> Option<String> {
    match (parameter.kind.as_str(), value) {
        ("Number", Value::Number(number)) => Some(number.to_string()),
        // The command line of clients knows only texts.
        ("Number", Value::String(text)) => text.trim().parse::<f64>().ok().map(|_| text.trim().to_owned()),
        ("String", Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// The settings in force: the job's where it may, otherwise the app's.
fn settings(app: &AppDescription, call: &AppCall, problems: &mut Problems) -> BTreeMap<String, Value> {
    let mut settings: BTreeMap<String, Value> =
        app.config.iter().filter(|(_, item)| !item.default.is_null()).map(|(key, item)| (key.clone(), item.default.clone())).collect();
    for (key, value) in call.config.iter().filter(|(_, value)| !value.is_null()) {
        let at = format!("App.Config.{key}");
        check_setting(key, value, &at, problems);
        match app.config.get(key) {
            Some(item) if !item.overwritable && item.default != *value => {
                problems.coded("InvalidConfig", at, format!("cannot be changed: the app `{}` fixes it", app.name));
            }
            _ => drop(settings.insert(key.clone(), value.clone())),
        }
    }
    settings
}

fn apply(settings: &BTreeMap<String, Value>, app: &AppDescription, task: &mut TaskDescription, problems: &mut Problems) {
    let text = |key: &str| settings.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut number = |key: &str, default: i64, range: std::ops::RangeInclusive<i64>| {
        let value = settings.get(key).and_then(|value| value.as_i64().or_else(|| value.as_f64().map(|v| v as i64))).unwrap_or(default);
        let what = format!("must be {} to {}, not {value}", range.start(), range.end());
        problems.unless(range.contains(&value), format!("App.Config.{key}"), what);
        value
    };
    task.instance_count = number("InstanceCount", 1, 1..=crate::wire::job::MAX_INSTANCES);
    task.max_retry_count = number("MaxRetryCount", 0, 0..=100);
    task.timeout = number("Timeout", task.timeout, 1..=10 * 365 * 24 * 3600);
    let (system, data) = (number("MinDiskSize", 0, 0..=500), number("MinDataDiskSize", 0, 0..=2000));
    task.cluster_id = text("ClusterId");
    let cluster = &mut task.auto_cluster;
    cluster.instance_type = text("InstanceType");
    cluster.resource_type = Some(text("ResourceType")).filter(|text| !text.is_empty());
    cluster.reserve_on_fail = settings.get("ReserveOnFail").and_then(Value::as_bool).unwrap_or(false);
    cluster.ecs_image_id = app.vm.as_ref().map(|vm| vm.ecs_image_id.clone()).unwrap_or_default();
    if system > 0 {
        cluster.configs.disks.system_disk = Some(Disk { kind: text("DiskType"), size: system, mount_point: String::new() });
    }
    if data > 0 {
        cluster.configs.disks.data_disk = Some(Disk { kind: text("DataDiskType"), size: data, mount_point: text("DataDiskMountPoint") });
    }
}

/// Replaces `${Name}` by the parameter's word; other uses of `$` are the shell's.
fn filled(text: &str, words: &BTreeMap<String, String>) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        done.push_str(before);
        let name = after.get(2..).and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        match name.and_then(|name| Some((name.len() + 3, words.get(name)?))) {
            Some((length, word)) => {
                done.push_str(word);
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                done.push_str("${");
                rest = after.get(2..).unwrap_or_default();
            }
        }
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::parse::from_value;

    fn app() -> AppDescription {
        from_value(json!({
            "Name": "a", "CommandLine": "cp ${in} ${out}${HOME} -n ${n} ${text}", "VM": {"ECSImageId": "img-ubuntu"},
            "InputParameters": {
                "in": {"LocalPath": "/home/in/"}, "n": {"Type": "Number", "Default": 3}, "text": {"Default": ""}
            },
            "OutputParameters": {"out": {"LocalPath": "/home/out/x.txt"}},
            "Config": {"InstanceCount": {"Default": 2, "Overwritable": false}, "InstanceType": {"Default": "ecs.sn1.medium"}}
        }))
        .unwrap()
    }

    fn expanded(call: Value) -> (Expanded, Problems) {
        let mut problems = Problems::default();
        let call: AppCall = from_value(call).unwrap();
        let done = expand(&app(), &JobDescription::default(), &call, &mut problems);
        (done, problems)
    }

    #[test]
    fn values_take_their_places() {
        let (done, problems) = expanded(json!({
            "AppName": "a", "Inputs": {"in": "oss://b/d/f.bam", "n": "5"}, "Outputs": {"out": "oss://b/o/x.txt"},
            "Config": {"InstanceType": "ecs.sn2.large", "Timeout": 9}
        }));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(done.task.parameters.command.command_line, "cp /home/in/f.bam /home/out/x.txt${HOME} -n 5 ");
        assert_eq!(done.task.mounts.entries[0].destination, "/home/in/f.bam");
        assert_eq!(done.task.output_mapping["/home/out/x.txt"], "oss://b/o/x.txt");
        assert_eq!((done.task.instance_count, done.task.timeout), (2, 9));
        assert_eq!(done.task.auto_cluster.instance_type, "ecs.sn2.large");
        assert_eq!(done.variables["n"], "5");
    }

    #[test]
    fn all_problems_are_told() {
        let (_, problems) = expanded(json!({
            "AppName": "a", "Inputs": {"n": "many", "m": 1}, "Outputs": {"out": "/tmp/x"}, "Config": {"InstanceCount": 3, "Color": 1}
        }));
        let paths: Vec<&str> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            ["App.Inputs.m", "App.Inputs.in", "App.Inputs.n", "App.Outputs.out", "App.Config.InstanceCount", "App.Config.Color"]
        );
        assert_eq!(problems.code(), "InvalidParameter");
    }
}
