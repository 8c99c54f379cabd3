//! `batchyard cache forget`: results that no later call shall take.

use std::collections::HashSet;

use anyhow::{Result, bail};
use batchyard_workflow::{
    clock::Clock,
    forget::{forget_calls, forget_older_than},
};
use clap::{Args, Subcommand};

use super::{
    open_store, say,
    show::{all_calls, find_run, is_named, names_of},
};
use crate::config::Config;

#[derive(Subcommand)]
pub enum CacheCommand {
    /// Let no later call take certain results; files stay where they are
    Forget(ForgetArgs),
}

/// Arguments of `cache forget`.
#[derive(Args)]
#[command(arg_required_else_help = true)]
pub struct ForgetArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    #[arg(required_unless_present = "older_than", conflicts_with = "older_than")]
    run: Option<String>,
    /// Only this call, for example `align` or `align[3]`
    #[arg(conflicts_with = "older_than")]
    call: Option<String>,
    /// All results that are older
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u32>,
}

/// Forgets.
pub fn cache(command: &CacheCommand, config: &Config) -> Result<u8> {
    let CacheCommand::Forget(args) = command;
    let store = open_store(config)?;
    if let Some(days) = args.older_than {
        forget_older_than(&store, days, Clock::start().now_ms())?;
        say(&format!("results older than {days} days are not taken any more"));
        return Ok(0);
    }
    let run = find_run(&store, args.run.as_deref().unwrap_or_default())?;
    let (calls, results) = match &args.call {
        None => forget_calls(&store, run.id, |_| true)?,
        Some(name) => {
            let known = all_calls(&store, run.id)?;
            let wanted: HashSet<_> = known.iter().filter(|(path, call)| is_named(name, path, &call.id)).map(|(_, call)| &call.id).collect();
            if wanted.is_empty() {
                bail!("run {} has no call `{name}`; it has {}", run.id.short(), names_of(&known));
            }
            forget_calls(&store, run.id, |call| wanted.contains(&call.id))?
        }
    };
    say(&format!("{calls} calls of run {}: {results} results are not taken any more", run.id.short()));
    Ok(0)
}
