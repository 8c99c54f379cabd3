//! `batchyard why`: what kept a call from taking an earlier result.

use anyhow::{Result, bail};
use batchyard_store::Store;
use batchyard_workflow::why::{Answer, explain};
use clap::Args;
use serde_json::Value as Json;

use super::{
    JsonFlag, open_store, print, print_json,
    show::{all_calls, find_run, is_named, names_of, shown_call},
};
use crate::config::Config;

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

/// Explains.
pub fn why(args: &WhyArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    let calls = all_calls(&store, run.id)?;
    let chosen: Vec<_> = calls.iter().filter(|(path, call)| is_named(&args.call, path, &call.id)).collect();
    if chosen.is_empty() {
        bail!("run {} has no call `{}`; it has {}", run.id.short(), args.call, names_of(&calls));
    }
    let mut documents = Vec::new();
    for (path, call) in chosen {
        let name = shown_call(path, &call.id);
        let answer = explain(&store, run.created_ms, call)?;
        if args.output.json {
            documents.push(answer.to_json(&name));
        } else {
            tell(&answer, &name, &store)?;
        }
    }
    if args.output.json {
        print_json(&Json::Array(documents));
    }
    Ok(0)
}

fn tell(answer: &Answer, name: &str, store: &Store) -> Result<()> {
    match answer {
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
