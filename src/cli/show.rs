//! `batchyard ls`, `show`, `logs`, `config show`: what the state and the configuration hold.

use std::{fs, io::Write, path::Path};

use anyhow::{Result, anyhow, bail};
use batchyard_cromwell::metadata::{is_called, shown_name};
use batchyard_model::{CallId, RunId};
use batchyard_store::{CallRecord, Parentage, RunFilter, RunSummary, Store};
use batchyard_workflow::{
    documents::{EndDoc, RunResultDoc, StartDoc},
    owner::{Holder, holder},
};
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::{Value as Json, json};

use super::{JsonFlag, failure, open_store, print, print_json, say, view::elapsed};
use crate::config::Config;

/// Arguments of `ls`.
#[derive(Args)]
pub struct LsArgs {
    /// Also runs of sub-workflows
    #[arg(short, long)]
    all: bool,
    /// At most so many, newest first
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    output: JsonFlag,
}

/// Arguments of `show`.
#[derive(Args)]
pub struct ShowArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    run: String,
    /// Write a picture of when each call ran (SVG) to this file
    #[arg(long, value_name = "FILE")]
    timeline: Option<std::path::PathBuf>,
    #[command(flatten)]
    output: JsonFlag,
}

/// Arguments of `logs`.
#[derive(Args)]
pub struct LogsArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    run: String,
    /// Only this call, for example `align` or `align[3]`
    call: Option<String>,
    /// Standard output instead of standard error
    #[arg(long)]
    stdout: bool,
}

/// Finds a run by what the user typed.
pub fn find_run(store: &Store, text: &str) -> Result<RunSummary> {
    if text == "last" {
        let newest = store.list_runs(&RunFilter { limit: 1, ..RunFilter::default() })?;
        return newest.into_iter().next().ok_or_else(|| anyhow!("there is no run yet"));
    }
    let mut found = store.find_runs(text)?;
    match found.len() {
        0 => bail!("no run `{text}`; `batchyard ls` lists them"),
        1 => Ok(found.remove(0)),
        _ => {
            let ids: Vec<String> = found.iter().take(5).map(|r| r.id.to_string()).collect();
            bail!("`{text}` fits several runs: {}", ids.join(", "))
        }
    }
}

/// Time of day in the local zone.
fn time(ms: Option<i64>) -> String {
    let zoned = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map(|t| t.to_zoned(jiff::tz::TimeZone::system()));
    zoned.map_or_else(String::new, |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn duration(from: Option<i64>, to: Option<i64>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => elapsed(std::time::Duration::from_millis(u64::try_from(to - from).unwrap_or(0))),
        _ => String::new(),
    }
}

/// A table with this header.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table
}

/// Prints it.
pub fn print_table(table: &Table) {
    for line in table.lines() {
        print(line.trim_end());
    }
}

/// Lists runs.
pub fn ls(args: &LsArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let parent = if args.all { Parentage::Any } else { Parentage::TopLevelOnly };
    let runs = store.list_runs(&RunFilter { parent, limit: args.limit, ..RunFilter::default() })?;
    if args.output.json {
        print_json(&Json::Array(runs.iter().map(run_json).collect()));
        return Ok(0);
    }
    if runs.is_empty() {
        say("no runs yet; `batchyard run` makes one");
        return Ok(0);
    }
    let mut rows = table(&["RUN", "NAME", "STATE", "STARTED", "TOOK", "DIRECTORY"]);
    for run in &runs {
        let state = if is_orphan(run) { format!("{} (interrupted)", run.state) } else { run.state.to_string() };
        rows.add_row(vec![
            run.id.short(),
            run.name.clone(),
            state,
            time(run.started_ms),
            duration(run.started_ms, run.ended_ms),
            run.dir.clone(),
        ]);
    }
    print_table(&rows);
    Ok(0)
}

/// Whether a run's engine is gone although it has not ended.
pub fn is_orphan(run: &RunSummary) -> bool {
    !run.state.is_terminal() && run.parent.is_none() && holder(run.owner.as_deref()) == Holder::Nobody
}

fn run_json(run: &RunSummary) -> Json {
    json!({
        "id": run.id.to_string(),
        "name": run.name,
        "state": run.state.name(),
        "interrupted": is_orphan(run),
        "dir": run.dir,
        "created_ms": run.created_ms,
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "parent": run.parent.map(|p| p.to_string()),
    })
}

/// Shows one run.
pub fn show(args: &ShowArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    let calls = all_calls(&store, run.id)?;
    if let Some(path) = &args.timeline {
        super::timeline::write(path, &run, &calls)?;
        say(&format!("timeline written to {}", path.display()));
    }
    let record = store.load_run(run.id)?.ok_or_else(|| anyhow!("run {} is gone", run.id))?;
    let result: RunResultDoc = record.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if args.output.json {
        let mut document = run_json(&run);
        document["outputs"] = Json::Object(result.outputs);
        document["failures"] = serde_json::to_value(&result.failures)?;
        document["calls"] = calls.iter().map(|(path, call)| call_json(path, call)).collect();
        print_json(&document);
        return Ok(0);
    }
    print(&format!("run       {}", run.id));
    print(&format!("name      {}", run.name));
    print(&format!("state     {}{}", run.state, if is_orphan(&run) { " (interrupted: go on with `batchyard resume`)" } else { "" }));
    print(&format!("started   {}", time(run.started_ms)));
    if run.ended_ms.is_some() {
        print(&format!("took      {}", duration(run.started_ms, run.ended_ms)));
    }
    print(&format!("directory {}", run.dir));
    if !calls.is_empty() {
        print("");
        let mut rows = table(&["CALL", "STATE", "EXIT", "STARTED", "TOOK", "CPU", "PEAK"]);
        for (path, call) in &calls {
            let end: EndDoc = call.end_doc.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
            let state = if call.cached { format!("{} (cached)", call.state) } else { call.state.to_string() };
            let cpu = end.usage.map_or_else(String::new, |u| elapsed(std::time::Duration::from_millis(u.user_ms + u.system_ms)));
            let peak = end
                .usage
                .map_or_else(String::new, |u| format!("{}{} MiB", if u.peak_is_bound { "<" } else { "" }, u.peak_kib.div_ceil(1024)));
            let exit = call.exit_code.map_or_else(String::new, |c| c.to_string());
            rows.add_row(vec![
                shown_call(path, &call.id),
                state,
                exit,
                time(call.started_ms),
                duration(call.started_ms, call.ended_ms),
                cpu,
                peak,
            ]);
        }
        print_table(&rows);
    }
    if !result.outputs.is_empty() {
        print("\noutputs");
        for (name, value) in &result.outputs {
            print(&format!("  {name} = {value}"));
        }
    }
    failure::tell(&result.failures);
    Ok(0)
}

fn call_json(path: &str, call: &CallRecord) -> Json {
    let start: Json = serde_json::from_str(&call.start_doc).unwrap_or(Json::Null);
    let end: Json = call.end_doc.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or(Json::Null);
    json!({
        "call": shown_call(path, &call.id),
        "task": call.task,
        "state": call.state.name(),
        "cached": call.cached,
        "exit_code": call.exit_code,
        "started_ms": call.started_ms,
        "ended_ms": call.ended_ms,
        "start": start,
        "end": end,
    })
}

/// The calls of a run and of its sub-workflows, with the path of names that leads to each; calls that started a
/// sub-workflow stand before that one's calls.
pub fn all_calls(store: &Store, run: RunId) -> Result<Vec<(String, CallRecord)>> {
    let mut calls = Vec::new();
    collect(store, run, "", &mut calls)?;
    Ok(calls)
}

fn collect(store: &Store, run: RunId, path: &str, calls: &mut Vec<(String, CallRecord)>) -> Result<()> {
    let mut own = store.list_calls(run)?;
    own.sort_by(|a, b| (a.started_ms.or(a.ended_ms), &a.id).cmp(&(b.started_ms.or(b.ended_ms), &b.id)));
    for call in own {
        let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
        let below = format!("{}/", shown_call(path, &call.id));
        calls.push((path.to_owned(), call));
        if let Some(child) = start.child.and_then(|id| id.parse().ok()) {
            collect(store, child, &below, calls)?;
        }
    }
    Ok(())
}

/// Whether a call is the one that the user named: `align`, `align[3]`, `sub/align[3]`, with or without `#2`.
pub fn is_named(wanted: &str, path: &str, id: &CallId) -> bool {
    let wanted = wanted.strip_prefix(path).unwrap_or(wanted);
    let (name, place) = wanted.split_at(wanted.find(['[', '#']).unwrap_or(wanted.len()));
    let full = id.to_string();
    let own = full.strip_prefix(&*id.call).unwrap_or_default();
    let without_attempt = own.split('#').next().unwrap_or_default();
    is_called(&id.call, name) && (place.is_empty() || place == own || place == without_attempt)
}

/// A call for people: the path that leads to it, name, place and attempt.
pub fn shown_call(path: &str, id: &CallId) -> String {
    format!("{path}{}", shown_name(&id.to_string()))
}

/// The calls that a user could have meant, by name and number, for a message; the first ten are enough to see how they are named.
pub fn names_of(calls: &[(String, CallRecord)]) -> String {
    let mut sorted: Vec<_> = calls.iter().map(|(path, call)| (path, &call.id)).collect();
    sorted.sort_unstable();
    let more = if sorted.len() > 10 { ", ..." } else { "" };
    let names: Vec<String> = sorted.iter().take(10).map(|(path, id)| shown_call(path, id)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") + more }
}

/// Prints logs.
pub fn logs(args: &LogsArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    let calls = all_calls(&store, run.id)?;
    let chosen: Vec<_> = calls
        .iter()
        .filter(|(path, call)| args.call.as_ref().is_none_or(|wanted| is_named(wanted, path, &call.id)))
        .filter_map(|(path, call)| {
            let start: StartDoc = serde_json::from_str(&call.start_doc).ok()?;
            (start.child.is_none() && !start.dir.is_empty()).then(|| (shown_call(path, &call.id), start.dir))
        })
        .collect();
    if chosen.is_empty() {
        bail!("run {} has no such call; it has {}", run.id.short(), names_of(&calls));
    }
    let name = if args.stdout { "stdout" } else { "stderr" };
    let mut out = std::io::stdout().lock();
    for (call, dir) in &chosen {
        if chosen.len() > 1 {
            say(&format!("==> {call} <=="));
        }
        let file = Path::new(dir).join("execution").join(name);
        match fs::File::open(&file) {
            Ok(mut file) => drop(std::io::copy(&mut file, &mut out)),
            Err(error) => say(&format!("{call}: no {name}: {}: {error}", file.display())),
        }
    }
    // A reader that has gone away is no error of ours.
    let _ = out.flush();
    Ok(0)
}

/// Our own values, then those that a file of the original sets, each with its origin.
fn shown(config: &Config) -> impl Iterator<Item = (String, String, String)> {
    let own = config.shown.iter().map(|(name, value, origin)| (name.clone(), value.clone(), origin.to_string()));
    own.chain(config.original.iter().flat_map(|original| original.shown()))
}

/// Prints the configuration.
pub fn config(args: JsonFlag, config: &Config) -> Result<u8> {
    if args.json {
        let values = shown(config).map(|(name, value, origin)| (name, json!({ "value": value, "origin": origin })));
        let values: serde_json::Map<_, _> = values.collect();
        print_json(&Json::Object(values));
        return Ok(0);
    }
    let mut rows = table(&["NAME", "VALUE", "FROM"]);
    let engine = config.settings.engine.get().map_or("none".into(), |e| format!("{} ({})", e.kind.program(), e.command.join(" ")));
    rows.add_row(vec!["(container engine in use)".into(), engine, crate::config::Origin::Found.to_string()]);
    for (name, value, origin) in shown(config) {
        rows.add_row(vec![name, value, origin]);
    }
    print_table(&rows);
    Ok(0)
}
