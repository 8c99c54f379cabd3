//! `asub`: a job of an app. The app's parameters are options of the command.

use serde_json::{Map, Value, json};

use super::{created, print_thing};
use crate::{
    config::is_false,
    failure::Failure,
    grammar::{
        Command, Flag, Takes, Words,
        parse::{Arguments, Wish, parse},
    },
    notation::pairs::settings,
    reply::Reply,
    session::Session,
};

/// Values that end like this ask for a path to be made up.
const MADE_UP: &str = "//:oss";

/// An option that is a parameter of the app.
pub struct Described {
    long: String,
    name: String,
    about: String,
    takes_value: bool,
    hidden: bool,
}

impl Described {
    /// The option, for parser and help.
    pub fn flag(&self) -> Flag<'_> {
        let takes = if self.takes_value { Takes::Value(&self.name) } else { Takes::Nothing };
        Flag { short: "", long: &self.long, takes, about: Words { en: &self.about, zh: &self.about }, hidden: self.hidden }
    }
}

/// The options that the app of this command line adds; none for other commands, or when no app is named.
///
/// # Errors
///
/// `NotFound App named ...`, or the service's.
pub fn described(session: &mut Session, command: &Command, words: &[String]) -> Result<Vec<Described>, Failure> {
    let Some(name) = words.first().filter(|word| command.name == "asub" && !word.starts_with('-')) else { return Ok(Vec::new()) };
    session.take_common(&common(command, words));
    let (app, _) = find(session, name)?;
    let mut options = Vec::new();
    for (key, title, prefixes) in [
        ("InputParameters", "Input", ["i", "input_from_file_", "input_"].as_slice()),
        ("OutputParameters", "Output", ["o", "output_"].as_slice()),
    ] {
        for (name, parameter) in app.at(key).entries() {
            let about = about(title, parameter);
            if parameter.text("Type") == "Boolean" {
                options.push(Described { long: format!("--{name}"), name: name.clone(), about, takes_value: false, hidden: false });
                continue;
            }
            for prefix in prefixes {
                let hidden = prefix.len() == 1;
                options.push(Described {
                    long: format!("--{prefix}{name}"),
                    name: name.clone(),
                    about: about.clone(),
                    takes_value: true,
                    hidden,
                });
            }
        }
    }
    Ok(options)
}

/// The options that are needed to find the app at all.
fn common(command: &Command, words: &[String]) -> Arguments {
    let mut kept = Vec::new();
    for (n, word) in words.iter().enumerate() {
        if ["--endpoint", "--oss-endpoint"].contains(&word.as_str()) {
            kept.extend(words.get(n..n + 2).unwrap_or_default().iter().cloned());
        } else if word == "--insecure" || word.starts_with("--endpoint=") || word.starts_with("--oss-endpoint=") {
            kept.push(word.clone());
        }
    }
    match parse(&Command { needs: &[], ..*command }, &[], &kept) {
        Ok(Wish::Run(arguments)) => arguments,
        _ => Arguments::default(),
    }
}

fn about(title: &str, parameter: &Value) -> String {
    let mut parts = vec![format!("{title} Parameters")];
    for (label, key) in [("Type: ", "Type"), ("Default: ", "Default"), ("", "Description")] {
        let text = parameter.text(key);
        if !text.is_empty() {
            parts.push(format!("{label}{text}"));
        }
    }
    parts.join(", ")
}

/// The app and the name under which a job uses it: private ones first, unless the name begins with a colon.
fn find(session: &mut Session, name: &str) -> Result<(Value, String), Failure> {
    let bare = name.strip_prefix(':').unwrap_or(name);
    let scopes = if name.starts_with(':') { ["Public", "Private"] } else { ["Private", "Public"] };
    let service = session.service()?;
    let mut missing = None;
    for scope in scopes {
        match service.get(&["apps", bare], &[("Scope", scope)]) {
            Ok(app) => return Ok((app, if scope == "Public" { format!(":{bare}") } else { bare.to_owned() })),
            Err(failure) => missing = Some(failure),
        }
    }
    Err(match missing {
        Some(failure) if !failure.is_not_found() => failure,
        _ => Failure::told(format!("NotFound App named {name}")),
    })
}

/// Submits a job of an app.
///
/// # Errors
///
/// Files that do not exist, or the service's and the store's.
pub fn asub(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (app, app_name) = find(session, arguments.needed("app_name")?)?;
    let base = format!("{}{}", session.config.oss_path()?, uuid::Uuid::new_v4());
    let dry = arguments.has("show_json");
    let mut inputs = Map::new();
    let mut outputs = Map::new();
    for (name, parameter) in app.at("InputParameters").entries() {
        let options = [("input_from_file_", true), ("input_", false), ("i", false)];
        let given = options.into_iter().find_map(|(prefix, file)| Some((arguments.value(&format!("{prefix}{name}"))?, file)));
        if let Some((value, file)) = given {
            let value = stored(session, value, &format!("{base}/input/"), file, dry)?;
            inputs.insert(name.clone(), typed(parameter, value));
        } else if arguments.has(name) {
            inputs.insert(name.clone(), json!(true));
        }
    }
    for (name, _) in app.at("OutputParameters").entries() {
        let given = ["output_", "o"].iter().find_map(|prefix| arguments.value(&format!("{prefix}{name}")));
        if let Some(value) = given {
            outputs.insert(name.clone(), json!(stored(session, value, &format!("{base}/output/"), false, dry)?));
        }
    }
    let logs = format!("{base}/logs/");
    let body = json!({
        "Name": arguments.word("job_name").unwrap_or("app-job"),
        "Description": arguments.value("description").unwrap_or_default(),
        "Type": "App",
        "App": {
            "AppName": app_name,
            "Inputs": inputs,
            "Outputs": outputs,
            "Logging": {"StdoutPath": logs, "StderrPath": logs},
            "Config": configured(arguments)?,
        },
    });
    if dry {
        return print_thing(session, &body);
    }
    let reply = session.service()?.post(&["jobs"], Some(&body))?;
    created(session, arguments, "Job created", &reply)
}

/// The settings of the job.
fn configured(arguments: &Arguments) -> Result<Map<String, Value>, Failure> {
    let whole =
        |option: &str, text: &str| text.parse::<i64>().map_err(|_| Failure::Argument(format!("--{option} `{text}` is not a whole number")));
    let mut config = Map::new();
    for (key, value) in settings(arguments.value("config").unwrap_or_default()) {
        let value = match key.as_str() {
            "ClassicNetwork" | "ReserveOnFail" => json!(!is_false(&value)),
            "InstanceCount" | "MinDiskSize" | "MinDataDiskSize" | "MaxRetryCount" | "Timeout" => json!(whole("config", &value)?),
            _ => json!(value),
        };
        config.insert(key, value);
    }
    for (option, key) in [("resource_type", "ResourceType"), ("type", "InstanceType")] {
        if let Some(value) = arguments.filled(option) {
            config.insert(key.to_owned(), json!(value));
        }
    }
    for (option, key) in [("nodes", "InstanceCount"), ("min_disk_size", "MinDiskSize")] {
        if let Some(value) = arguments.filled(option) {
            config.insert(key.to_owned(), json!(whole(option, value)?));
        }
    }
    if let Some(value) = arguments.filled("disk_type") {
        config.insert("DiskType".to_owned(), json!(value));
    }
    for (option, key) in [("max_retry_count", "MaxRetryCount"), ("timeout", "Timeout")] {
        if let Some(value) = arguments.filled(option) {
            config.insert(key.to_owned(), json!(whole(option, value)?));
        }
    }
    Ok(config)
}

/// A value as the service wants it: files are uploaded to `folder` first.
fn stored(session: &mut Session, value: &str, folder: &str, file: bool, dry: bool) -> Result<String, Failure> {
    let made_up = value.strip_suffix(MADE_UP);
    if made_up.is_none() && !file {
        return Ok(value.to_owned());
    }
    let local = made_up.unwrap_or(value);
    let path = session.path(local);
    if file && !path.is_file() {
        return Err(Failure::told(format!("Not found locale file: {local}")));
    }
    let base = local.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let url = format!("{folder}{base}{}", if local.ends_with('/') { "/" } else { "" });
    if !dry && path.is_file() {
        session.terminal.line(format!("Upload: {local} ==> {url}"))?;
        let place = session.location(&url)?;
        session.transfer(true, |transfers, out| transfers.upload(&path, &place, false, out))?;
    }
    Ok(url)
}

/// Numbers where the app wants numbers.
fn typed(parameter: &Value, value: String) -> Value {
    let number = (parameter.text("Type") == "Number").then(|| value.parse::<f64>().ok()).flatten();
    number.map_or_else(|| json!(value), crate::cache::whole)
}
