//! `batchyard audit`: who has changed what of jobs, clusters, images, apps and keys.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use batchyard_batch::Accounts;
use batchyard_store::{AuditFilter, AuditRecord};
use clap::Args;
use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;

use super::{
    JsonFlag, open_store, print_json,
    show::{print_table, table},
};
use crate::config::Config;

/// Who is meant where no account has made a change: the command line of this machine.
const MACHINE: &str = "-";

/// Arguments of `audit`.
#[derive(Args)]
pub struct AuditArgs {
    /// Only changes of this account; `-` for those made by commands on this machine
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only changes of this kind, for example CreateJob
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only changes since then: 2026-11-28, 2026-11-28T06:00:00Z, or how long ago, like 7d or 12h
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// At most so many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    json: JsonFlag,
}

/// Prints them, newest first.
pub fn audit(args: &AuditArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let names = Accounts::open(store.clone()).and_then(|accounts| accounts.names()).context("cannot read the accounts")?;
    let filter = AuditFilter {
        account: args.account.as_deref().map(|name| id_of(name, &names)).transpose()?,
        action: args.kind.clone(),
        since_ms: args.since.as_deref().map(|text| moment(text, Timestamp::now())).transpose()?.map(Timestamp::as_millisecond),
        limit: args.limit,
    };
    let found = store.list_audit(&filter).context("cannot read who has changed what")?;
    let names: HashMap<String, String> = names.into_iter().collect();
    let name = |change: &AuditRecord| {
        let fallback = if change.account.is_empty() { MACHINE.to_owned() } else { change.account.clone() };
        names.get(&change.account).cloned().unwrap_or(fallback)
    };
    if args.json.json {
        let shown = found.iter().map(|change| {
            json!({
                "at": at(change), "account": name(change), "accountId": change.account, "kind": change.action, "what": change.resource,
                "key": change.detail,
            })
        });
        print_json(&shown.collect());
        return Ok(0);
    }
    let mut table = table(&["at", "account", "kind", "what", "key"]);
    for change in &found {
        table.add_row([at(change), name(change), change.action.clone(), change.resource.clone(), change.detail.clone()]);
    }
    print_table(&table);
    Ok(0)
}

fn id_of(name: &str, names: &[(String, String)]) -> Result<String> {
    if name == MACHINE {
        return Ok(String::new());
    }
    match names.iter().find(|(_, known)| known == name) {
        Some((id, _)) => Ok(id.clone()),
        None => {
            let known: Vec<&str> = names.iter().map(|(_, known)| known.as_str()).collect();
            bail!("there is no account `{name}`; there are {}", if known.is_empty() { "none yet".into() } else { known.join(", ") })
        }
    }
}

/// The moment that a text names.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        return Ok(day.to_zoned(TimeZone::UTC)?.timestamp());
    }
    let hint = || format!("`--since {text}` is no time: give 2026-11-28, 2026-11-28T06:00:00Z, or how long ago, like 7d or 12h");
    let ago: Span = text.parse().with_context(hint)?;
    now.to_zoned(TimeZone::UTC).checked_sub(ago.abs()).map(|at| at.timestamp()).with_context(hint)
}

fn at(change: &AuditRecord) -> String {
    Timestamp::from_millisecond(change.at_ms).map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_many_ways() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let told = |text: &str| moment(text, now).map(|at| at.to_string()).map_err(|e| e.to_string());
        assert_eq!(told("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(told("2026-11-01T03:00:00+08:00").unwrap(), "2026-10-31T19:00:00Z");
        assert_eq!(told("7d").unwrap(), "2026-11-21T12:00:00Z");
        assert_eq!(told("90m").unwrap(), "2026-11-28T10:30:00Z");
        assert!(told("yesterday").unwrap_err().contains("7d or 12h"));
    }
}
