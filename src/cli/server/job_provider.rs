//! The provider of BatchCompute: each call of a workflow becomes a job of the service of the same server.
//!
//! It is a provider like any other: commands that submit, look and kill, carried out by this program (`provider_job.rs`),
//! which finds the service by a file that only the server's user can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, anyhow};
use batchyard_batch::Accounts;
use batchyard_objects::keys::{Keyring, Role};
use batchyard_runner::script::quote;
use batchyard_workflow::provider::{ProviderDefinition, Providers};
use serde::{Deserialize, Serialize};

use crate::cli::provider_job::WORD;

/// Name of the provider where no configuration has one.
pub const BCS: &str = "BCS";
/// File in the state folder that says where the service is.
pub const DOOR: &str = "service.json";
/// What tasks may say to it; the forms are checked elsewhere.
const ATTRIBUTES: &str = "String? cluster\nString? imageId\nInt? timeout\nString? tag\nString? autoReleaseJob\nString? reserveOnFail\n\
    String? docker\nString? dockerTag\nString? mounts\nString? systemDisk\nString? dataDisk";
/// Those of them that are passed on as they are.
const TEXTS: [&str; 10] =
    ["cluster", "imageId", "tag", "autoReleaseJob", "reserveOnFail", "docker", "dockerTag", "mounts", "systemDisk", "dataDisk"];

/// Account that the jobs of workflows belong to.
const ACCOUNT: &str = "admin";

/// Where the service is, and a key for it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Door {
    /// For example `http://127.0.0.1:8001`.
    pub api: String,
    /// Id of the key.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl Door {
    /// Writes it down for the commands.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let part = path.with_extension("part");
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
        file.write_all(serde_json::to_string(self).map_err(io::Error::other)?.as_bytes())?;
        fs::rename(part, path)
    }

    /// The key of an earlier door, if it can still be used, or a new one. Its id.
    pub fn open(path: &Path, api: String, accounts: &Accounts) -> Result<String> {
        let known = Door::read(path).ok().filter(|door| accounts.secret(&door.id).is_some_and(|key| key.secret == door.secret));
        let (id, secret) = match known {
            Some(door) => (door.id, door.secret),
            None => accounts.create_key(ACCOUNT, Role::User).context("cannot make a key for the server itself")?,
        };
        let door = Door { api, id, secret };
        door.write(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(door.id)
    }

    /// Reads it.
    pub fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
    }
}

/// The providers of a configuration, with those of BatchCompute led to the service; one named [`BCS`] is added where there
/// is none.
pub fn with_jobs(providers: &Providers, door: &Path) -> Result<Providers> {
    let mut definitions: Vec<ProviderDefinition> =
        providers.names().into_iter().filter_map(|name| providers.get(name)).map(|provider| provider.definition().clone()).collect();
    if !definitions.iter().any(|definition| definition.bcs || definition.name == BCS) {
        definitions.push(ProviderDefinition { name: BCS.into(), bcs: true, ..ProviderDefinition::default() });
    }
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let own = format!("{} {WORD}", quote(&program.to_string_lossy()));
    let door = quote(&door.to_string_lossy());
    for definition in definitions.iter_mut().filter(|definition| definition.bcs) {
        let options: String = TEXTS.map(|name| format!(" ${{\"--{name} '\" + {name} + \"'\"}}")).concat();
        definition.run_in_background = false;
        definition.submit = Some(format!(
            "{own} submit {door} --on-behalf '${{on_behalf}}' --cwd '${{cwd}}' --script '${{script}}'{options} ${{\"--timeout \" + timeout}}"
        ));
        definition.kill = Some(format!("{own} kill {door} ${{job_id}}"));
        definition.check_alive = Some(format!("{own} alive {door} ${{job_id}}"));
        definition.job_id_regex = Some("(job-[0-9A-F]{32})".into());
        definition.runtime_attributes = ATTRIBUTES.into();
        // A job that was stopped, or whose node is gone, leaves no status.
        definition.exit_code_timeout.get_or_insert(std::time::Duration::from_secs(10));
    }
    let made = Providers::new(definitions)
        .map_err(|problems| anyhow!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok(made.closed_as(providers))
}
