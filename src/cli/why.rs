//! `batchyard why`: what kept a call from taking an earlier result.

use anyhow::{Result, bail};
use batchyard_store::{CallRecord, Store};
use batchyard_workflow::documents::{EndDoc, StartDoc};
use clap::Args;
use serde_json::{Value as Json, json};

use super::{
    JsonFlag, open_store, print, print_json,
    show::{all_calls, find_run, is_named},
};
use crate::config::Config;

/// Earlier calls of the task that are compared.
const COMPARED: u32 = 100;
/// Differing lines of a command shown.
const SHOWN_LINES: usize = 6;

/// Arguments of `why`.
#[derive(Args)]
pub struct WhyArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    run: String,
    /// The call, for example `align` or `align[3]`
    call: String,
    #[command(flatten)]
    output: JsonFlag,
}

/// A part of the identity that differs: name, value here, value there.
type Difference = (String, Option<String>, Option<String>);

/// Explains.
pub fn why(args: &WhyArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    let calls = all_calls(&store, run.id)?;
    let chosen: Vec<_> = calls.iter().filter(|(path, call)| is_named(&args.call, path, &call.id)).collect();
    if chosen.is_empty() {
        let known: Vec<String> = calls.iter().take(10).map(|(path, call)| format!("{path}{}", call.id)).collect();
        bail!("run {} has no call `{}`; it has {}", run.id.short(), args.call, known.join(", "));
    }
    let mut documents = Vec::new();
    for (path, call) in chosen {
        let name = format!("{path}{}", call.id);
        let answer = explain(&store, call)?;
        if args.output.json {
            documents.push(answer.to_json(&name));
        } else {
            answer.tell(&name, &store)?;
        }
    }
    if args.output.json {
        print_json(&Json::Array(documents));
    }
    Ok(0)
}

enum Answer {
    /// A result was taken from there.
    Hit(String),
    /// It has no identity: why.
    NotCached(&'static str),
    /// There was nothing to compare with.
    First,
    /// An earlier one is the same, but could not be taken: why.
    Unusable(String, &'static str),
    /// The nearest earlier one differs.
    Differs(String, Vec<Difference>),
}

fn explain(store: &Store, call: &CallRecord) -> Result<Answer> {
    let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
    let end: EndDoc = call.end_doc.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    if let Some(from) = end.reused {
        return Ok(Answer::Hit(from));
    }
    if start.child.is_some() {
        return Ok(Answer::NotCached("it is a sub-workflow, whose own calls are looked up one by one"));
    }
    if start.parts.is_empty() {
        return Ok(Answer::NotCached(if call.id.attempt > 1 { "only first attempts are looked up" } else { "caching is off for it" }));
    }
    let before = call.started_ms;
    let mut nearest: Option<(usize, String, Vec<Difference>)> = None;
    for earlier in store.recent_calls_of_task(&call.task, before, COMPARED)? {
        if earlier.id == call.id || earlier.end_doc.is_none() || earlier.cached {
            continue;
        }
        let other: StartDoc = serde_json::from_str(&earlier.start_doc).unwrap_or_default();
        if other.parts.is_empty() {
            continue;
        }
        let differing = differences(&start, &other);
        let name = format!("{} of run {}", earlier.id, earlier.id.run);
        if differing.is_empty() {
            let reason = match (earlier.state, earlier.reusable) {
                (batchyard_model::CallState::Done, true) => "this run was told not to look (`--no-cache` or `read_from_cache`)",
                (batchyard_model::CallState::Done, false) => "its output files were changed or removed since",
                _ => "it did not succeed",
            };
            return Ok(Answer::Unusable(name, reason));
        }
        if nearest.as_ref().is_none_or(|(count, ..)| differing.len() < *count) {
            nearest = Some((differing.len(), name, differing));
        }
    }
    Ok(nearest.map_or(Answer::First, |(_, name, differing)| Answer::Differs(name, differing)))
}

fn differences(here: &StartDoc, there: &StartDoc) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, value) in &here.parts {
        let other = there.parts.get(name);
        if other != Some(value) {
            found.push((name.clone(), Some(value.clone()), other.cloned()));
        }
    }
    found.extend(there.parts.iter().filter(|(name, _)| !here.parts.contains_key(*name)).map(|(n, v)| (n.clone(), None, Some(v.clone()))));
    found
}

impl Answer {
    fn tell(&self, name: &str, store: &Store) -> Result<()> {
        match self {
            Answer::Hit(from) => print(&format!("{name}: the result of {from} was taken")),
            Answer::NotCached(reason) => print(&format!("{name}: no earlier result was looked for: {reason}")),
            Answer::First => print(&format!("{name}: its task had not been run before")),
            Answer::Unusable(other, reason) => print(&format!("{name}: the same as {other}, whose result was not taken: {reason}")),
            Answer::Differs(other, differing) => {
                print(&format!("{name}: differs from the nearest earlier call, {other}, in"));
                for (part, here, there) in differing {
                    print(&format!("  {part}"));
                    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".into());
                    if part != "command template" || !tell_lines(store, here.as_deref(), there.as_deref())? {
                        print(&format!("    earlier: {}", shown(there)));
                        print(&format!("    now:     {}", shown(here)));
                    }
                }
            }
        }
        Ok(())
    }

    fn to_json(&self, name: &str) -> Json {
        match self {
            Answer::Hit(from) => json!({ "call": name, "hit": true, "from": from }),
            Answer::NotCached(reason) => json!({ "call": name, "hit": false, "reason": reason }),
            Answer::First => json!({ "call": name, "hit": false, "reason": "its task had not been run before" }),
            Answer::Unusable(other, reason) => json!({ "call": name, "hit": false, "nearest": other, "reason": reason }),
            Answer::Differs(other, differing) => {
                let parts: Vec<Json> =
                    differing.iter().map(|(n, here, there)| json!({ "part": n, "earlier": there, "now": here })).collect();
                json!({ "call": name, "hit": false, "nearest": other, "differences": parts })
            }
        }
    }
}

/// Shows the lines in which two commands differ. False when a text is no longer stored.
fn tell_lines(store: &Store, here: Option<&str>, there: Option<&str>) -> Result<bool> {
    let text = |hash: Option<&str>| -> Result<Option<String>> { Ok(hash.map(|h| store.load_blob(h)).transpose()?.flatten()) };
    let (Some(here), Some(there)) = (text(here)?, text(there)?) else { return Ok(false) };
    let only = |of: &str, other: &str| -> Vec<String> {
        let known: std::collections::HashSet<&str> = other.lines().collect();
        of.lines().filter(|line| !known.contains(line)).take(SHOWN_LINES).map(str::to_owned).collect()
    };
    only(&there, &here).iter().for_each(|line| print(&format!("    earlier: {line}")));
    only(&here, &there).iter().for_each(|line| print(&format!("    now:     {line}")));
    Ok(true)
}
