//! `batchyard config explain KEY`: what becomes of a key of the original's configuration.

use anyhow::Result;
use batchyard_cromwell::config::{Verdict, explain as look_up};
use clap::Args;
use serde_json::json;

use super::{EXIT_FAILED, JsonFlag, print, print_json};
use crate::config::Config;

/// Arguments of `config explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// The key, for example system.max-concurrent-workflows
    key: String,
    #[command(flatten)]
    output: JsonFlag,
}

/// Explains; a key that nothing reads ends with status 1.
pub fn explain(args: &ExplainArgs, config: &Config) -> Result<u8> {
    let key = &args.key;
    let explanation = look_up(key);
    let own = config.shown.iter().find(|(name, _, _)| name == key).map(|(_, value, origin)| (value.clone(), origin.to_string()));
    let unknown = explanation.verdict == Verdict::Unknown;
    let value = config.original.as_ref().and_then(|original| original.config.shown_at(key)).or_else(|| own.clone().filter(|_| unknown));
    let code = if unknown && own.is_none() { EXIT_FAILED } else { 0 };
    if args.output.json {
        print_json(&json!({
            "key": key,
            "pattern": explanation.pattern,
            "verdict": explanation.verdict.to_string(),
            "default": Some(&explanation.default).filter(|default| !default.is_empty()),
            "why": explanation.why,
            "nearest": explanation.nearest,
            "own": own.is_some(),
            "value": value.as_ref().map(|(value, _)| value),
            "from": value.as_ref().map(|(_, from)| from),
        }));
        return Ok(code);
    }
    match (unknown, own.is_some()) {
        (true, true) => print(&format!("{key}: a key of our own configuration")),
        _ => print(&explanation.to_string()),
    }
    if let Some((value, from)) = value {
        print(&format!("  value: {value} ({from})"));
    }
    Ok(code)
}
