//! Changing apps.

use serde_json::{Map, Value, json};

use super::{agreed, created, print_thing};
use crate::{
    config::is_false,
    failure::Failure,
    grammar::parse::Arguments,
    notation::{docker, pairs::pairs, parameters},
    reply::Reply,
    session::{Session, read_text},
};

/// Options that are settings of the app: option, key, whether it is a number.
const SETTINGS: [(&str, &str, bool); 7] = [
    ("resource_type", "ResourceType", false),
    ("type", "InstanceType", false),
    ("nodes", "InstanceCount", true),
    ("min_disk_size", "MinDiskSize", true),
    ("disk_type", "DiskType", false),
    ("max_retry_count", "MaxRetryCount", true),
    ("timeout", "Timeout", true),
];

/// What a description consists of; replies hold more.
const DESCRIPTION: [&str; 10] =
    ["Name", "Description", "CommandLine", "VM", "Docker", "EnvVars", "Daemonize", "InputParameters", "OutputParameters", "Config"];

/// `create_app`.
///
/// # Errors
///
/// Options that cannot be read, or the service's; so for all functions here.
pub fn create(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let text = |key: &str| arguments.filled(key);
    let mut body = match text("file") {
        Some(path) => object(session, path)?,
        None => Map::new(),
    };
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    set("Name", arguments.word("app_name").map(|v| json!(v)));
    set("CommandLine", arguments.word("cmd").map(|v| json!(v)));
    set("Description", text("description").map(|v| json!(v)));
    set("Daemonize", arguments.has("daemonize").then(|| json!(true)));
    set("Docker", text("docker").map(container).transpose()?);
    set("VM", text("image").map(|image| json!({"ECSImageId": image})));
    set("EnvVars", text("env").map(|v| json!(pairs(v))));
    set("InputParameters", text("inputs").map(|v| json!(parameters::inputs(v))));
    set("OutputParameters", text("outputs").map(|v| json!(parameters::outputs(v))));
    // Only one of the two counts, the one that was given here.
    match (text("docker"), text("image")) {
        (Some(_), None) => drop(body.shift_remove("VM")),
        (None, Some(_)) => drop(body.shift_remove("Docker")),
        _ => {}
    }
    for (key, name) in [("Name", "app_name"), ("CommandLine", "cmd")] {
        if body.get(key).is_none_or(Reply::is_blank) {
            return Err(Failure::Argument(format!("{name} is required")));
        }
    }
    let settings = body.entry("Config").or_insert_with(|| json!({}));
    for (option, key, numeric) in SETTINGS {
        if let (Some(value), Some(map)) = (text(option), settings.as_object_mut()) {
            let setting = parameters::setting(value, numeric).map_err(|e| Failure::told(format!("--{option}: {e}")))?;
            map.insert(key.to_owned(), json!(setting));
        }
    }
    let body = Value::Object(body);
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    let reply = session.service()?.post(&["apps"], Some(&body))?;
    let reply = if arguments.has("json") { reply } else { json!({"Name": body.text("Name")}) };
    created(session, arguments, "App created", &reply)
}

/// `update_app`.
///
/// # Errors
///
/// See [`create`].
pub fn update(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let name = session.id("apps", arguments.needed("app_name")?)?;
    let text = |key: &str| arguments.filled(key);
    let service = session.service()?;
    let revisions = service.get(&["apps", &name], &[("Revisions", "True")])?;
    let revisions = revisions.as_array().map_or_else(|| revisions.list("Items").to_vec(), Clone::clone);
    let newest = revisions.iter().map(|r| r.number("Revision")).max().map(|r| r.to_string()).unwrap_or_default();
    let mut body = service.get(&["apps", &name], &[("Detail", "True"), ("Qualifier", &newest)])?;
    let Some(map) = body.as_object_mut() else { return Err(Failure::told(format!("app `{name}` has no description"))) };
    map.retain(|key, _| DESCRIPTION.contains(&key.as_str()));
    if let Some(daemonize) = arguments.value("daemonize") {
        map.insert("Daemonize".to_owned(), json!(!is_false(daemonize)));
    }
    if let Some(command) = arguments.word("cmd") {
        map.insert("CommandLine".to_owned(), json!(command));
    }
    if let Some(description) = text("description") {
        map.insert("Description".to_owned(), json!(description));
    }
    if let Some(image) = text("docker") {
        map.insert("Docker".to_owned(), container(image)?);
        map.shift_remove("VM");
    } else if let Some(image) = text("image") {
        map.insert("VM".to_owned(), json!({"ECSImageId": image}));
        map.shift_remove("Docker");
    }
    if let Some(env) = text("env") {
        map.insert("EnvVars".to_owned(), json!(pairs(env)));
    }
    if arguments.has("show_json") {
        return print_thing(session, &body);
    }
    if agreed(session, arguments, &format!("Update app {name}"))? {
        service.put(&["apps", &name], &body)?;
        session.terminal.good("done")?;
    }
    Ok(())
}

/// `delete_app`.
///
/// # Errors
///
/// See [`create`].
pub fn delete(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let names = session.ids_to_change("apps", arguments.needed("app_name")?)?;
    let revision = arguments.word("revision").filter(|_| names.len() == 1).unwrap_or_default();
    let red = session.terminal.paint.red(&names.join("\n"));
    let question = if revision.is_empty() {
        format!("Delete all these apps:\n{red} \nAre you sure")
    } else {
        format!("Delete this app revision:\n{red}(revision={revision}) \nAre you sure")
    };
    if !agreed(session, arguments, &question)? {
        return Ok(());
    }
    for name in names {
        session.terminal.note(&format!("exec: bcs delete_app {name} {revision}"))?;
        session.service()?.delete(&["apps", &name], &[("Qualifier", revision)])?;
        session.terminal.good("done")?;
    }
    Ok(())
}

fn container(text: &str) -> Result<Value, Failure> {
    let image = docker::image(text)?;
    Ok(match image.registry {
        Some(path) => json!({"Image": image.name, "RegistryOSSPath": path}),
        None => json!({"Image": image.name}),
    })
}

fn object(session: &Session, path: &str) -> Result<Map<String, Value>, Failure> {
    let path = session.path(path);
    serde_json::from_str(&read_text(&path)?).map_err(|e| Failure::told(format!("`{}` is not a JSON object: {e}", path.display())))
}
