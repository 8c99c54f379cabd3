//! `batchyard import`: the workflows that a Cromwell has carried out become runs of ours.

use anyhow::{Context, Result};
use batchyard_cromwell::{
    config::{DatabaseChoice, Problem, Problems},
    earlier::{Outcome, take_over},
};
use batchyard_store::{Foreign, Location, Store};
use clap::Args;
use serde_json::json;

use super::{EXIT_FAILED, JsonFlag, documents::count, open_store, print, print_json, say, tell_notes};
use crate::config::Config;

/// Workflows that have not ended which are named.
const NAMED: usize = 20;
/// Workflows after which it is told how far it has come.
const TELLING: u64 = 1000;
/// The newest workflows among which a server counts those that could be taken over.
const NEWEST: u32 = 10_000;
/// What mends that no tables of Cromwell are found.
const ELSEWHERE: &str = "name the database of Cromwell with `--from URL`, or give its configuration file with `--config`";

/// Arguments of `import`.
#[derive(Args)]
pub struct ImportArgs {
    /// Database for our runs instead of the configured one
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Database in which Cromwell's tables lie, when it is another one
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    #[command(flatten)]
    json: JsonFlag,
}

/// What became of the workflows.
#[derive(Default)]
struct Sums {
    taken: u64,
    calls: u64,
    known: u64,
    archived: u64,
    unended: u64,
    /// The first of them: id and state.
    named: Vec<(String, String)>,
    /// Id and reason.
    failed: Vec<(String, String)>,
}

impl Sums {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Taken { calls } => {
                self.taken += 1;
                self.calls += calls;
                if self.taken.is_multiple_of(TELLING) {
                    say(&format!("{} so far", count(self.taken as usize, "workflow")));
                }
            }
            Outcome::Known => self.known += 1,
            Outcome::Archived => self.archived += 1,
            Outcome::Unended { id, status } => {
                self.unended += 1;
                if self.named.len() < NAMED {
                    self.named.push((id, status));
                }
            }
            Outcome::Failed { id, reason } => {
                say(&format!("workflow {id} cannot be taken over: {reason}"));
                self.failed.push((id, reason));
            }
        }
    }

    fn print(&self) {
        print(&format!("{} taken over, with {}", workflows(self.taken), count(self.calls as usize, "call")));
        if self.known > 0 {
            print(&format!("{} known already", workflows(self.known)));
        }
        if self.archived > 0 {
            print(&format!("{} archived by Cromwell and deleted from its tables: their metadata are gone", workflows(self.archived)));
        }
        if self.unended > 0 {
            print(&format!("{} left alone, not ended:", workflows(self.unended)));
            for (id, status) in &self.named {
                print(&format!("  {id} {status}"));
            }
            if self.unended > self.named.len() as u64 {
                print(&format!("  and {} more", self.unended - self.named.len() as u64));
            }
            print("  let Cromwell finish or abort them, then give this command again; or submit them here anew");
        }
        if !self.failed.is_empty() {
            print(&format!("{} not taken over, for the reasons above", workflows(self.failed.len() as u64)));
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let of =
            |pairs: &[(String, String)], what: &str| pairs.iter().map(|(id, text)| json!({ "id": id, what: text })).collect::<Vec<_>>();
        json!({
            "taken": self.taken, "calls": self.calls, "known": self.known, "archived": self.archived, "unended": self.unended,
            "unendedFirst": of(&self.named, "status"), "failed": of(&self.failed, "reason"),
        })
    }
}

fn workflows(number: u64) -> String {
    count(number as usize, "workflow")
}

/// Takes them over.
pub fn import(args: &ImportArgs, mut config: Config) -> Result<u8> {
    tell_notes(&config);
    if let Some(url) = &args.database {
        config.database = Location::of(url);
    }
    let from = place_of_tables(args, &config)?;
    if matches!(from, Location::Sqlite(_)) {
        let message = format!("`{from}` is a file, and tables of Cromwell are read from MySQL, MariaDB and PostgreSQL alone");
        return Err(problem(message, &format!("{ELSEWHERE}; what it has kept in HSQLDB cannot be read")));
    }
    let mut foreign = Foreign::open(&from).with_context(|| format!("cannot look for workflows of Cromwell in `{from}`"))?;
    if !foreign.has_tables().with_context(|| format!("cannot look for workflows of Cromwell in `{from}`"))? {
        return Err(problem(format!("`{from}` has no tables of Cromwell (`METADATA_ENTRY` and others)"), ELSEWHERE));
    }
    let store = open_store(&config)?;
    let mut sums = Sums::default();
    let done = take_over(&store, &mut foreign, |outcome| sums.add(outcome));
    match args.json.json {
        true => print_json(&sums.to_json()),
        false => sums.print(),
    }
    done.context("not all workflows were looked at: give the command again to go on")?;
    Ok(if sums.failed.is_empty() { 0 } else { EXIT_FAILED })
}

/// Where Cromwell's tables lie: what its own configuration says counts more than where our runs go.
fn place_of_tables(args: &ImportArgs, config: &Config) -> Result<Location> {
    if let Some(url) = &args.from {
        return Ok(Location::of(url));
    }
    let Some(original) = config.original.as_ref().map(|original| &original.config) else { return Ok(config.database.clone()) };
    if let Some(metadata) = &original.metadata_database {
        metadata.notes.iter().for_each(|note| say(&note.to_string()));
        return Ok(metadata.location.clone().map_err(Problems::from)?);
    }
    match &original.database {
        DatabaseChoice::At(location) => Ok(location.clone()),
        DatabaseChoice::Unsaid => Ok(config.database.clone()),
        DatabaseChoice::Private => {
            Err(problem("Cromwell's configuration keeps its tables in memory (HSQLDB), which are gone with it".into(), ELSEWHERE))
        }
    }
}

fn problem(message: String, hint: &str) -> anyhow::Error {
    Problems::from(Problem::new(message).hint(hint)).into()
}

/// Tells the people of a server when its database has workflows that could be taken over. It takes as long as the database needs to find
/// that there are none.
pub fn suggest(store: &Store) {
    // A database that does not answer is told of by others.
    let Ok(Some(found @ 1..)) = store.count_foreign(NEWEST) else { return };
    say(&format!("note: the database has at least {} of Cromwell that have ended and are not shown here", workflows(found)));
    say("  hint: `batchyard import` with the same configuration takes them over");
}
