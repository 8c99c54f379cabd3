//! `batchyard resume` and `batchyard abort`: runs whose engine is gone, or should be.

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use batchyard_model::{CallState, RunState};
use batchyard_runner::{container::Engine, dispatch::end_left_behind, local::remove_container, tree};
use batchyard_store::{RunMove, RunSummary, Store, Write};
use batchyard_wdl::{
    load::{MemoryLoader, load},
    module::Callee,
};
use batchyard_workflow::{
    documents::{RunResultDoc, RunSpec, Target},
    engine::Request,
};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    EXIT_USAGE, open_store,
    run::{RunReport, apply, carry_out, claim, conclude, host_name, owner, print_outputs, rebind, start_time},
    say,
    show::{all_calls, find_run},
    view::Verbosity,
};
use crate::config::Config;

/// Time an aborted engine gets to end its tasks before `abort` stops waiting for it.
const ABORT_WAIT: Duration = Duration::from_secs(60);

/// Time between the polite signal and the hard one for tasks of a dead engine.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

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

/// The process that works on a run, if it is alive on this machine.
pub fn engine_of(run: &RunSummary) -> Option<Pid> {
    let mut parts = run.owner.as_deref()?.splitn(3, ':');
    let pid: u32 = parts.next()?.parse().ok()?;
    let started: u64 = parts.next()?.parse().ok()?;
    let host = parts.next()?;
    (host == host_name() && start_time(pid) == Some(started)).then(|| Pid::from_raw(i32::try_from(pid).ok()?)).flatten()
}

/// Goes on with a run.
pub fn resume(args: &ResumeArgs, mut config: Config) -> Result<u8> {
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
    if let Some(pid) = engine_of(&summary) {
        bail!("run {} is being worked on by process {}", summary.id.short(), pid.as_raw_nonzero());
    }
    let record = store.load_run(summary.id)?.ok_or_else(|| anyhow!("run {} is gone", summary.id))?;
    let spec: RunSpec = serde_json::from_str(&record.spec).with_context(|| format!("the record of run {} cannot be read", summary.id))?;
    let (dir, lock) = claim(summary.dir.as_ref(), &store, true)?;
    apply(&mut config.settings, &spec.options, spec.no_cache, args.jobs)?;
    let loaded = load(&spec.main, &stored_documents(&store, &spec)?)?;
    let module = Arc::clone(&loaded.module);
    let callee = match (&spec.target, &module.document.workflow) {
        (Target::Task(name), _) => {
            let task = module.task(name).ok_or_else(|| anyhow!("the stored document has no task `{name}`"))?;
            Callee::Task(Arc::clone(&module), Arc::clone(task))
        }
        (Target::Workflow, Some(workflow)) => Callee::Workflow(Arc::clone(&module), Arc::clone(workflow)),
        (Target::Workflow, None) => bail!("the stored document has no workflow"),
    };
    let Some(bound) = rebind(&callee, &spec, &config.settings, &module) else { return Ok(EXIT_USAGE) };
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let request =
        Request { id: summary.id, name: summary.name, module, callee, bound, spec, dir: dir.clone(), owner: owner(), resumed: true };
    let finished = carry_out(store, config.settings, request, verbosity)?;
    drop(lock);
    conclude(&RunReport { id: summary.id, dir, finished }, args.outputs.as_deref())
}

fn stored_documents(store: &Store, spec: &RunSpec) -> Result<MemoryLoader> {
    let mut texts = Vec::new();
    for document in &spec.documents {
        let text = store.load_blob(&document.hash)?.ok_or_else(|| anyhow!("the stored text of `{}` is gone", document.name))?;
        texts.push((document.id.clone(), (document.name.clone(), text)));
    }
    Ok(MemoryLoader::new(texts, spec.imports.iter().cloned()))
}

/// Ends a run.
pub fn abort(args: &AbortArgs, config: &Config) -> Result<u8> {
    let store = open_store(config)?;
    let run = find_run(&store, &args.run)?;
    if run.state.is_terminal() {
        say(&format!("run {} has ended already ({})", run.id.short(), run.state));
        return Ok(0);
    }
    let Some(pid) = engine_of(&run) else {
        let ended = end_orphans(&store, &run, config.settings.engine.get())?;
        say(&format!("run {} was ended; {} of its tasks were still running", run.id.short(), ended));
        return Ok(0);
    };
    kill_process(pid, Signal::TERM)
        .map_err(io::Error::from)
        .with_context(|| format!("cannot tell process {} to end", pid.as_raw_nonzero()))?;
    let deadline = std::time::Instant::now() + ABORT_WAIT;
    while engine_of(&run).is_some() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let state = store.load_run(run.id)?.map(|r| r.state);
    say(&format!("run {}: {}", run.id.short(), state.map_or("gone", RunState::name)));
    Ok(0)
}

/// Ends what a dead engine left running and records the run as aborted. Returns the number of tasks ended.
fn end_orphans(store: &Store, summary: &RunSummary, engine: Option<&Engine>) -> Result<usize> {
    let run = summary.id;
    // The engine may have died before it could record what it had started: the processes themselves are asked.
    let living = tree::markers_below(&format!("{run}/"));
    let recorded = all_calls(store, run)?.into_iter().filter(|(_, call)| call.state == CallState::Running);
    let recorded = recorded.map(|(_, call)| format!("{run}/{}/{}", call.id.run, call.id));
    let markers: BTreeSet<String> = living.iter().cloned().chain(recorded).collect();
    let jobs = match end_left_behind(Path::new(&summary.dir)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        result => result.with_context(|| format!("cannot end the jobs of `{}`", summary.dir))?,
    };
    for marker in &markers {
        if let Some(engine) = engine {
            remove_container(engine, marker);
        }
        tree::signal(None, marker, Signal::TERM);
    }
    let deadline = Instant::now() + ORPHAN_GRACE;
    while Instant::now() < deadline && !tree::markers_below(&format!("{run}/")).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..50 {
        // A process may fork while it is looked for; SIGKILL cannot be refused.
        let left: usize = markers.iter().map(|marker| tree::signal(None, marker, Signal::KILL)).sum();
        if left == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let at_ms = batchyard_workflow::clock::Clock::start().now_ms();
    let from = vec![RunState::Submitted, RunState::Running, RunState::Aborting];
    let end = RunMove { id: run, from, held_by: None, to: RunState::Aborted, at_ms, owner: Some(None), result: None };
    store.write(vec![Write::MoveRun(end)]).wait()?;
    Ok(living.len() + jobs)
}
