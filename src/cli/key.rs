//! `batchyard key`: access keys of the BatchCompute service and the object store.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use batchyard_batch::accounts::{Accounts, KeySummary, QUOTAS, parse_role};
use clap::{Args, Subcommand};

use super::{
    JsonFlag, open_store, say,
    show::{print_table, table},
};
use crate::config::Config;

/// What to do with keys.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key; its secret is printed once
    Create(CreateArgs),
    /// List keys
    List(JsonFlag),
    /// Make a key useless
    Disable {
        /// Id of the key
        id: String,
    },
    /// Give an account a limit of its own
    Quota {
        /// Name of the account
        account: String,
        /// Which limit
        name: String,
        /// Its value
        value: u64,
    },
}

/// Arguments of `key create`.
#[derive(Args)]
pub struct CreateArgs {
    /// Account that the key belongs to; it is made if need be
    #[arg(long, default_value = "admin", value_name = "NAME")]
    account: String,
    /// What the key allows: admin, user or viewer
    #[arg(long, default_value = "user", value_name = "ROLE")]
    role: String,
    #[command(flatten)]
    json: JsonFlag,
}

/// Carries it out.
pub fn key(command: &KeyCommand, config: &Config) -> Result<u8> {
    let accounts = Accounts::open(open_store(config)?).context("cannot read the access keys")?;
    match command {
        KeyCommand::Create(args) => create(args, &accounts),
        KeyCommand::List(json) => list(&Arc::new(accounts).keys()?, json.json),
        KeyCommand::Disable { id } => {
            accounts.disable(id)?;
            say(&format!("the key `{id}` is disabled"));
            Ok(0)
        }
        KeyCommand::Quota { account, name, value } => {
            if !QUOTAS.iter().any(|(known, _)| known == name) {
                let names: Vec<&str> = QUOTAS.iter().map(|(known, _)| *known).collect();
                bail!("there is no limit `{name}`; there are {}", names.join(", "));
            }
            accounts.set_quota(account, name, *value)?;
            Ok(0)
        }
    }
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn create(args: &CreateArgs, accounts: &Accounts) -> Result<u8> {
    let Some(role) = parse_role(&args.role) else { bail!("there is no role `{}`; there are admin, user and viewer", args.role) };
    let (id, secret) = accounts.create_key(&args.account, role)?;
    if args.json.json {
        println!("{}", serde_json::json!({ "AccessKeyId": id, "AccessKeySecret": secret, "Account": args.account, "Role": args.role }));
    } else {
        println!("AccessKeyId     {id}\nAccessKeySecret {secret}");
    }
    Ok(0)
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn list(keys: &[KeySummary], json: bool) -> Result<u8> {
    if json {
        println!("{}", serde_json::to_string_pretty(keys)?);
        return Ok(0);
    }
    let mut table = table(&["key", "account", "role", "state", "made"]);
    for key in keys {
        let made =
            jiff::Timestamp::from_millisecond(key.created_ms).map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default();
        let state = if key.enabled { "enabled" } else { "disabled" };
        table.add_row([key.id.clone(), key.name.clone(), key.role.to_owned(), state.to_owned(), made]);
    }
    print_table(&table);
    Ok(0)
}
