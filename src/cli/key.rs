//! `batchyard key`: access keys of the BatchCompute service and the object store.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use batchyard_batch::accounts::{Accounts, KeySummary, QUOTAS, parse_role};
use batchyard_runner::User;
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
    /// Have instances of an account run as a user of this machine, or as the server's own again
    RunAs {
        /// Name of the account
        account: String,
        /// Name or number of the user; nothing for the server's own
        user: Option<String>,
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
    /// User of this machine, by name or number, that instances of the account run as; needs a server that runs as root
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

/// Carries it out.
pub fn key(command: &KeyCommand, config: &Config) -> Result<u8> {
    let accounts = Accounts::open(open_store(config)?).context("cannot read the access keys")?;
    match command {
        KeyCommand::Create(args) => create(args, &accounts, config),
        KeyCommand::List(json) => list(&Arc::new(accounts).keys()?, json.json),
        KeyCommand::Disable { id } => {
            accounts.disable(id)?;
            say(&format!("the key `{id}` is disabled"));
            Ok(0)
        }
        KeyCommand::RunAs { account, user } => {
            if let Some(user) = user {
                check_user(user, config)?;
            }
            accounts.set_run_as(account, user.as_deref())?;
            let who = user.as_ref().map_or_else(|| "the server's own user".to_owned(), |user| format!("`{user}`"));
            say(&format!("instances of the account `{account}` that begin from now on run as {who}"));
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
fn create(args: &CreateArgs, accounts: &Accounts, config: &Config) -> Result<u8> {
    let Some(role) = parse_role(&args.role) else { bail!("there is no role `{}`; there are admin, user and viewer", args.role) };
    if let Some(user) = &args.run_as {
        check_user(user, config)?;
        let (account, before) = (&args.account, accounts.run_as(&args.account)?);
        if let Some(before) = before.filter(|before| before != user) {
            bail!(
                "instances of the account `{account}` run as `{before}`: change that for all its keys with `batchyard key run-as {account} {user}`"
            );
        }
    }
    let (id, secret) = accounts.create_key(&args.account, role)?;
    if args.run_as.is_some() {
        accounts.set_run_as(&args.account, args.run_as.as_deref())?;
    }
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
    let mut table = table(&["key", "account", "role", "runs as", "state", "made"]);
    for key in keys {
        let made =
            jiff::Timestamp::from_millisecond(key.created_ms).map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default();
        let state = if key.enabled { "enabled" } else { "disabled" };
        table.add_row([
            key.id.clone(),
            key.name.clone(),
            key.role.to_owned(),
            key.run_as.clone().unwrap_or_default(),
            state.to_owned(),
            made,
        ]);
    }
    print_table(&table);
    Ok(0)
}

/// Whether instances can run as this user with this configuration.
fn check_user(user: &str, config: &Config) -> Result<()> {
    let user = User::find(user)?;
    let jobs = std::path::absolute(&config.home).context("cannot find the folder of the state")?;
    Ok(user.check_way(&jobs)?)
}
