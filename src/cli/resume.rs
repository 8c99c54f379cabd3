//! `batchyard resume` and `batchyard abort`: runs whose engine is gone, or should be.

use std::{io, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use batchyard_model::RunState;
use batchyard_store::{RunMove, RunSummary, ServerRecord, ServerWrite, Store, StoreError, Write};
use batchyard_workflow::{
    documents::{RunResultDoc, RunSpec},
    engine::{Origin, Request},
    owner::{Holder, end_orphans, holder, owner},
    stored,
};
use clap::Args;
use rustix::process::{Signal, kill_process};

use super::{
    EXIT_USAGE, open_store,
    run::{RunReport, apply, carry_out, claim, conclude, print_outputs, rebind},
    say,
    show::find_run,
    tell_notes,
    view::Verbosity,
};
use crate::config::Config;

/// Time an aborted engine gets to end its tasks before `abort` stops waiting for it.
const ABORT_WAIT: Duration = Duration::from_secs(60);

/// Arguments of `resume`.
#[derive(Args)]
pub struct ResumeArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    run: String,
    /// Also write the outputs to this file
    #[arg(long, value_name = "FILE")]
    outputs: Option<std::path::PathBuf>,
    /// At most so many tasks at once
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Print nothing but results and errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Tell more
    #[arg(short, long)]
    verbose: bool,
}

/// Arguments of `abort`.
#[derive(Args)]
pub struct AbortArgs {
    /// Id of the run, its beginning or its last digits, or `last`
    run: String,
}

/// Goes on with a run.
pub fn resume(args: &ResumeArgs, mut config: Config) -> Result<u8> {
    if !args.quiet {
        tell_notes(&config);
    }
    let store = open_store(&config)?;
    let summary = find_run(&store, &args.run)?;
    if summary.parent.is_some() {
        bail!("run {} is a sub-workflow's: resume the run that started it", summary.id);
    }
    if summary.state == RunState::Succeeded {
        say(&format!("run {} has succeeded already", summary.id));
        let record = store.load_run(summary.id)?.ok_or_else(|| anyhow!("run {} is gone", summary.id))?;
        let result: RunResultDoc = record.result.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
        print_outputs(summary.id, summary.dir.as_ref(), result.outputs, args.outputs.as_deref())?;
        return Ok(0);
    }
    match holder(summary.owner.as_deref()) {
        Holder::Process(pid) => bail!("run {} is being worked on by process {}", summary.id.short(), pid.as_raw_nonzero()),
        Holder::OtherMachine if !summary.state.is_terminal() => {
            if let Some(server) = living_server(&store, &config, summary.owner.as_deref())? {
                bail!(
                    "run {} is being worked on by the server `{}` of another machine ({}): when that is gone, another server goes on with it, or \
                     this command does",
                    summary.id.short(),
                    server.name,
                    server.id
                );
            }
            let owner = summary.owner.as_deref().unwrap_or_default();
            say(&format!("note: run {} was last worked on by another machine ({owner})", summary.id.short()));
        }
        _ => {}
    }
    let record = store.load_run(summary.id)?.ok_or_else(|| anyhow!("run {} is gone", summary.id))?;
    let spec: RunSpec = serde_json::from_str(&record.spec).with_context(|| format!("the record of run {} cannot be read", summary.id))?;
    let result = record.result.as_deref().and_then(|text| serde_json::from_str::<RunResultDoc>(text).ok());
    if result.is_some_and(|result| result.told.is_some()) {
        bail!("run {} was carried out by Cromwell: it cannot be gone on with here; submit its workflow anew", summary.id);
    }
    let (dir, lock) = claim(summary.dir.as_ref(), &store, true)?;
    let of_server = super::server::options(&config);
    let options = of_server.seal.open_all(&spec.options)?;
    config.settings.secrets = of_server.secrets(&spec.options, &options)?;
    apply(&mut config.settings, &options, spec.no_cache, args.jobs)?;
    config.settings.remote = config.settings.remote.for_run();
    let loaded = stored::load_documents(&store, &spec)?;
    let module = Arc::clone(&loaded.module);
    let callee = stored::find_target(&loaded, &spec.target)?;
    let Some(bound) = rebind(&callee, &stored::load_inputs(&store, &spec)?, &config, &module) else { return Ok(EXIT_USAGE) };
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let request = Request {
        id: summary.id,
        name: summary.name,
        module,
        callee,
        bound,
        spec,
        dir: dir.clone(),
        owner: owner(),
        held_by: Some(summary.owner),
        origin: Origin::Resumed,
        on_end: None,
    };
    let ends_runs = config.ends_runs();
    let finished = carry_out(store, config.settings, request, verbosity, ends_runs)?;
    drop(lock);
    conclude(&RunReport { id: summary.id, dir, finished }, args.outputs.as_deref())
}

/// Ends a run.
pub fn abort(args: &AbortArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    if run.state.is_terminal() {
        say(&format!("run {} has ended already ({})", run.id.short(), run.state));
        return Ok(0);
    }
    if run.state == RunState::OnHold {
        let end = RunMove::new(run.id, vec![RunState::OnHold], RunState::Aborted, now_ms());
        store.write(vec![Write::MoveRun(end)]).wait()?;
        say(&format!("run {}: {}", run.id.short(), RunState::Aborted));
        return Ok(0);
    }
    let held = holder(run.owner.as_deref());
    if held != Holder::Nobody
        && let Some(server) = living_server(&store, config, run.owner.as_deref())?
    {
        return abort_at(&server, &store, &run);
    }
    let Holder::Process(pid) = held else {
        let ended = end_orphans(&store, run.id, config.settings.engine.get(), Vec::new())?;
        say(&format!("run {} was ended; {} of its tasks were still running", run.id.short(), ended));
        return Ok(0);
    };
    kill_process(pid, Signal::TERM)
        .map_err(io::Error::from)
        .with_context(|| format!("cannot tell process {} to end", pid.as_raw_nonzero()))?;
    wait_while(|| Ok(matches!(holder(run.owner.as_deref()), Holder::Process(_))))?;
    let state = store.load_run(run.id)?.map(|r| r.state);
    say(&format!("run {}: {}", run.id.short(), state.map_or("gone", RunState::name)));
    Ok(0)
}

/// Has a run ended by the server that holds it: it looks for such wishes in the database, and its other runs go on.
fn abort_at(server: &ServerRecord, store: &Store, run: &RunSummary) -> Result<u8> {
    let moved = |from: Vec<RunState>, to| {
        let wish = RunMove { held_by: Some(run.owner.clone()), ..RunMove::new(run.id, from, to, now_ms()) };
        match store.write(vec![Write::MoveRun(wish)]).wait() {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    };
    // What has not begun needs nobody to end it.
    if !moved(vec![RunState::Submitted], RunState::Aborted)? {
        moved(vec![RunState::Running, RunState::Aborting], RunState::Aborting)?;
    }
    if holder(run.owner.as_deref()) == Holder::OtherMachine {
        say(&format!("run {} will be ended by the server `{}` of another machine", run.id.short(), server.name));
        return Ok(0);
    }
    let mut state = None;
    wait_while(|| {
        state = store.load_run(run.id)?.map(|run| run.state);
        Ok(state.is_some_and(|state| !state.is_terminal()))
    })?;
    say(&format!("run {}: {}", run.id.short(), state.map_or("gone", RunState::name)));
    Ok(0)
}

/// Waits as long as this holds, [`ABORT_WAIT`] at most.
fn wait_while(mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = std::time::Instant::now() + ABORT_WAIT;
    while holds()? && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The server that works on a run. One that was not heard of for as long as `ttl` is fenced and does no more.
fn living_server(store: &Store, config: &Config, owner: Option<&str>) -> Result<Option<ServerRecord>> {
    let mut servers = store.list_servers()?.into_iter();
    let Some(server) = servers.find(|server| Some(server.id.as_str()) == owner && !server.is_fenced) else { return Ok(None) };
    if matches!(holder(owner), Holder::Process(_)) {
        return Ok(Some(server));
    }
    let ttl = super::server::options(config).heartbeats.ttl;
    if now_ms() - server.seen_ms <= i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX) {
        return Ok(Some(server));
    }
    // Their clock may be another: a server that is fenced too early ends what it does, so there are never two.
    let fence = ServerWrite::Fence { id: server.id.clone(), beat: server.beat };
    match store.write(vec![Write::Server(fence)]).wait() {
        Ok(()) => Ok(None),
        Err(StoreError::Stale { .. } | StoreError::Absent { .. }) => Ok(Some(server)),
        Err(error) => Err(error.into()),
    }
}

/// Now, in epoch milliseconds.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
