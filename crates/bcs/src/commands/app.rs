//! Apps: list, one, a revision of one.

use serde_json::Value;

use super::{column, print_list, print_thing, rows};
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    render::{
        table::{Table, cell},
        times,
    },
    reply::{Reply, spelled},
    session::Session,
    terminal::Paint,
};

/// Letters of a description in the list.
const SHORT: usize = 20;

/// `app`.
///
/// # Errors
///
/// The service's.
pub fn show(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    match (arguments.word("appName|No."), arguments.word("revision")) {
        (Some(app), Some(revision)) => revision_detail(session, arguments, app, revision),
        (Some(app), None) => detail(session, arguments, app),
        _ => list(session, arguments),
    }
}

fn list(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let service = session.service()?;
    let mut apps = Vec::new();
    for scope in ["Public", "Private"] {
        let mut some = service.list(&["apps"], &[("Scope", scope)])?;
        some.sort_by_key(|app| std::cmp::Reverse(times::parse(app.at("CreationTime"))));
        for app in &mut some {
            let name = app.text("Name");
            if let Some(map) = app.as_object_mut() {
                map.insert("Scope".to_owned(), scope.into());
                if scope == "Public" && !name.starts_with(':') {
                    map.insert("Name".to_owned(), format!(":{name}").into());
                }
            }
        }
        apps.extend(some);
    }
    if arguments.wants_json() {
        return print_list(session, apps);
    }
    session.cache.remember("apps", &column(&apps, "Name"))?;
    let paint = session.terminal.paint;
    let now = jiff::Timestamp::now();
    let mut table = Table::numbered(&["Name", "Description", "Scope", "CreationTime", "FromNow"]);
    for app in &apps {
        let created = app.at("CreationTime");
        let name = cell(app.at("Name"));
        table.row([name, shortened(&app.text("Description")), app.text("Scope"), times::local(created), times::ago(created, now)]);
    }
    session.terminal.title("Apps:")?;
    session.terminal.line(table.draw(paint))?;
    let count = apps.len();
    session.terminal.line(format!("{} {}", paint.green(&format!("Total: {count}")), paint.white(&rows(count))))?;
    session.terminal.note("\n  type \"bcs a <Name|No.>\" to show app detail\n")
}

fn shortened(text: &str) -> String {
    if text.chars().count() > SHORT { text.chars().take(SHORT).chain("...".chars()).collect() } else { text.to_owned() }
}

fn detail(session: &mut Session, arguments: &Arguments, word: &str) -> Result<(), Failure> {
    let full = session.id("apps", word)?;
    let (name, scope) = full.strip_prefix(':').map_or((full.as_str(), "Private"), |name| (name, "Public"));
    if !arguments.has("json") {
        session.terminal.note(&format!("exec: bcs a {name}{}", if scope == "Public" { "(public)" } else { "" }))?;
    }
    let service = session.service()?;
    let app = service.get(&["apps", name], &[("Scope", scope)])?;
    if arguments.wants_json() || arguments.has("description") {
        return print_thing(session, &app);
    }
    let paint = session.terminal.paint;
    let field = |name: &str, value: &str| format!("{}: {value}", paint.blue(name));
    let mut table = Table::boxed();
    let created = times::ago(app.at("CreationTime"), jiff::Timestamp::now());
    table.row([field("Name", &app.text("Name")), field("Scope", scope), field("Created", &created)]);
    session.terminal.title("App:")?;
    session.terminal.line(table.draw(paint))?;
    for title in ["InputParameters", "OutputParameters"] {
        let columns = ["Name", "Required", "Default", "Type", "LocalPath", "Description"];
        parameters(session, title, &columns, app.at(title))?;
    }
    parameters(session, "Config", &["Name", "Required", "Default", "Overwritable", "Description"], app.at("Config"))?;
    if scope == "Private" {
        let revisions = service.get(&["apps", name], &[("Revisions", "True")])?;
        let revisions = revisions.as_array().map_or_else(|| revisions.list("Items").to_vec(), Clone::clone);
        let mut table = Table::listed(&["Revision", "UpdateTime"]);
        revisions.iter().for_each(|r| table.row([cell(r.at("Revision")), times::local(r.at("UpdateTime"))]));
        session.terminal.title("Revisions:")?;
        session.terminal.line(table.draw(paint))?;
        session.terminal.note("\n  type \"bcs a <Name|No.> <Revision>\" to show revision detail\n")?;
    }
    Ok(())
}

/// A parameter is required when it has no default.
fn parameters(session: &mut Session, title: &str, columns: &[&str], map: &Value) -> Result<(), Failure> {
    let mut table = Table::listed(columns);
    for (name, parameter) in map.entries() {
        let default = parameter.at("Default");
        let shown = |column: &str| match column {
            "Name" => name.clone(),
            "Required" => default.is_null().to_string(),
            "Default" if default.is_null() => String::new(),
            "Default" if default.as_str() == Some("") => "\"\"".to_owned(),
            _ => cell(parameter.at(column)),
        };
        table.push(columns.iter().map(|column| shown(column)).collect());
    }
    session.terminal.title(&format!("{title}:"))?;
    session.terminal.line(table.draw(session.terminal.paint))
}

fn revision_detail(session: &mut Session, arguments: &Arguments, word: &str, revision: &str) -> Result<(), Failure> {
    let name = session.id("apps", word)?;
    if !arguments.has("json") {
        let option = if arguments.has("description") { "-d" } else { "" };
        session.terminal.note(&format!("exec: bcs a {name} {revision} {option}"))?;
    }
    let bare = name.strip_prefix(':').unwrap_or(&name);
    let app = session.service()?.get(&["apps", bare], &[("Detail", "True"), ("Qualifier", revision)])?;
    if arguments.wants_json() || arguments.has("description") {
        return print_thing(session, &app);
    }
    for line in revision_lines(&app, session.terminal.paint) {
        session.terminal.line(line)?;
    }
    for title in ["InputParameters", "OutputParameters"] {
        parameters(session, title, &["Name", "Default", "Type", "LocalPath", "Description"], app.at(title))?;
    }
    parameters(session, "Config", &["Name", "Default", "Overwritable", "Description"], app.at("Config"))
}

fn revision_lines(app: &Value, paint: Paint) -> Vec<String> {
    let field = |indent: &str, of: &Value, key: &str| format!("{indent}{}: {}", paint.blue(key), spelled(of.at(key)));
    let mut lines: Vec<_> = ["Name", "Description", "CommandLine", "Daemonize"].iter().map(|key| field("", app, key)).collect();
    for (part, keys) in [("VM", ["ECSImageId"].as_slice()), ("Docker", ["Image", "RegistryOSSPath"].as_slice())] {
        if !app.at(part).is_blank() {
            lines.push(paint.blue(part));
            lines.extend(keys.iter().map(|key| field("  ", app.at(part), key)));
        }
    }
    if !app.at("EnvVars").is_blank() {
        lines.push(paint.blue("EnvVars"));
        lines.extend(app.at("EnvVars").entries().map(|(key, value)| format!("  {key}: {}", spelled(value))));
    }
    lines
}
