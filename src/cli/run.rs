//! `batchyard run`: a workflow from its document to its outputs.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use batchyard_model::{RunId, RunState};
use batchyard_store::Store;
use batchyard_wdl::{
    inputs::Bound,
    json,
    module::{Callee, Module},
};
use batchyard_workflow::{
    documents::{Failure, RunSpec},
    engine::{Engine, Finished, Message, Origin, Request},
    machine::Machine,
    owner::owner,
    settings::Settings,
    stored,
};
use clap::Args;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value as Json, json};

use super::{
    EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE,
    documents::{ImportArgs, load_checked},
    failure, inputs, open_store, print_json, say, tell_notes,
    view::{Verbosity, View},
};
use crate::config::Config;

/// How long the lock of a run directory is waited for, and between two tries.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Arguments of `run`.
#[derive(Args, Default)]
pub struct RunArgs {
    /// The WDL document
    pub wdl: String,
    /// Inputs as KEY=VALUE; an array input may be given several times
    #[arg(value_name = "KEY=VALUE")]
    pub arguments: Vec<String>,
    /// Inputs as JSON or YAML
    #[arg(short, long, value_name = "FILE")]
    pub inputs: Option<PathBuf>,
    /// Workflow options as JSON
    #[arg(short, long, value_name = "FILE")]
    pub options: Option<PathBuf>,
    /// Run this task instead of the workflow
    #[arg(long, value_name = "NAME", conflicts_with = "workflow")]
    pub task: Option<String>,
    /// Run the workflow of this name (the document's only one)
    #[arg(long, value_name = "NAME")]
    pub workflow: Option<String>,
    /// Directory of the run; must be new or empty
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Also write the outputs to this file
    #[arg(long, value_name = "FILE")]
    pub outputs: Option<PathBuf>,
    /// Run everything, whatever was run before
    #[arg(long)]
    pub no_cache: bool,
    /// At most so many tasks at once
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Print nothing but results and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell more
    #[arg(short, long)]
    pub verbose: bool,
    /// Where imports are looked for
    #[command(flatten)]
    pub imports: ImportArgs,
}

impl RunArgs {
    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// What became of a run.
pub struct RunReport {
    /// Its id.
    pub id: RunId,
    /// Its directory.
    pub dir: PathBuf,
    /// How it ended.
    pub finished: Finished,
}

/// Runs and prints the outputs.
pub fn run(args: &RunArgs, config: Config) -> Result<u8> {
    let Some(report) = execute(args, config)? else { return Ok(EXIT_USAGE) };
    conclude(&report, args.outputs.as_deref())
}

/// Runs. `None` after problems of the document or the inputs were printed.
pub fn execute(args: &RunArgs, mut config: Config) -> Result<Option<RunReport>> {
    let quiet = args.verbosity() == Verbosity::Quiet;
    if !quiet {
        tell_notes(&config);
    }
    let Some(loaded) = load_checked(&args.wdl, &args.imports, &config, quiet)? else { return Ok(None) };
    config.accepted().check_document(loaded.module.document.version).map_err(|failure| anyhow!("{}: {}", args.wdl, told(&failure)))?;
    let callee = choose(&loaded.module, args)?;
    let options = args.options.as_deref().map(|path| inputs::read_object(path, "workflow options")).transpose()?.unwrap_or_default();
    apply(&mut config.settings, &options, args.no_cache, args.jobs)?;
    config.settings.remote = config.settings.remote.for_run();
    let mut given = args.inputs.as_deref().map(|path| inputs::read_object(path, "inputs")).transpose()?.unwrap_or_default();
    inputs::add_arguments(&mut given, &args.arguments, &callee)?;
    let dialect = config.settings.dialect_of(loaded.module.document.version);
    let folders = inputs::folders(args.inputs.as_deref())?;
    let id = RunId::random();
    let described = config.home.join("described").join(id.to_string());
    if !inputs::realize(&mut given, &callee, &folders, &config.settings.remote, &described) {
        return Ok(None);
    }
    let strict = config.settings.strict_inputs.get(&loaded.module.document.version).copied();
    let Some(bound) = inputs::bind(&callee, &given, dialect, strict, &folders, &config.settings.remote) else { return Ok(None) };
    if !quiet {
        inputs::tell_notes(&bound);
    }
    if let Some(path) = &args.outputs {
        // Found out now, not after hours of work.
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write the outputs to `{}`", path.display()))?;
    }
    let store = open_store(&config)?;
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => config.settings.run_dir(&config.runs_dir, callee.name(), id),
    };
    let (dir, lock) = claim(&dir, &store, false)?;
    let mut spec = RunSpec { options, no_cache: args.no_cache, ..RunSpec::default() };
    let documents = stored::describe(&mut spec, &loaded, &callee, &bound, dialect);
    store.write(documents).wait()?;
    let request = Request {
        id,
        name: callee.name().to_owned(),
        module: Arc::clone(&loaded.module),
        callee,
        bound,
        spec,
        dir: dir.clone(),
        owner: owner(),
        held_by: None,
        origin: Origin::New,
        on_end: None,
    };
    drop(loaded);
    let ends_runs = config.ends_runs();
    let finished = carry_out(store, config.settings, request, args.verbosity(), ends_runs)?;
    drop(lock);
    Ok(Some(RunReport { id, dir, finished }))
}

/// Applies options and flags to the settings.
pub fn apply(settings: &mut Settings, options: &Map<String, Json>, no_cache: bool, jobs: Option<usize>) -> Result<()> {
    let notes = settings.apply_options(options).map_err(|f| anyhow!("{}", f.message))?;
    for note in notes {
        say(&format!("note: {note}"));
    }
    if no_cache {
        settings.read_cache = false;
    }
    if let Some(jobs) = jobs {
        if jobs == 0 {
            bail!("`--jobs 0` would run nothing: give a number from 1");
        }
        settings.jobs = jobs;
    }
    Ok(())
}

/// Works on a run until it has ended; Ctrl-C ends it gently, a second one at once. Unless the run shall end with this
/// process: then its tasks go on.
pub fn carry_out(store: Arc<Store>, settings: Settings, request: Request, verbosity: Verbosity, abort: bool) -> Result<Finished> {
    let mut view = View::new(verbosity);
    let machine = Machine::new(Arc::clone(&store), settings.capacity, settings.jobs);
    let mut engine = Engine::new(machine, settings, &mut view);
    let leave = (!abort).then_some((store, request.id));
    let signals = listen(engine.mailbox(), leave)?;
    let root = engine.submit(request)?;
    let worked = engine.work();
    let finished = engine.take(root);
    drop(engine);
    signals.close();
    view.close();
    worked.context("the run stopped; what was running goes on, and `batchyard resume` takes it up again")?;
    finished.ok_or_else(|| anyhow!("the run ended without a result"))
}

/// A closed terminal (SIGHUP) is not listened to: `nohup` shall work, and without it the tasks go on for `resume`.
fn listen(mailbox: Sender<Message>, leave: Option<(Arc<Store>, RunId)>) -> Result<signal_hook::iterator::Handle> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot listen to signals")?;
    let handle = signals.handle();
    std::thread::Builder::new().name("signals".into()).stack_size(1 << 18).spawn(move || {
        for _ in signals.forever() {
            if let Some((store, id)) = leave {
                // What was decided so far is on disk before the process ends; more is not needed to go on.
                let _ = store.flush();
                say(&format!("run {id} is left; its tasks go on, and `batchyard resume {}` takes it up again", id.short()));
                std::process::exit(EXIT_INTERRUPTED.into());
            }
            // An engine that is gone has nothing left to end.
            if mailbox.send(Message::Interrupt).is_err() {
                break;
            }
        }
    })?;
    Ok(handle)
}

/// A failure and its mend on one line.
fn told(failure: &Failure) -> String {
    failure.hint.as_ref().map_or_else(|| failure.message.clone(), |hint| format!("{} ({hint})", failure.message))
}

/// The workflow or task that the arguments name.
fn choose(module: &Arc<Module>, args: &RunArgs) -> Result<Callee> {
    let tasks = || module.document.tasks.iter().map(|t| format!("`{}`", t.name.text)).collect::<Vec<_>>().join(", ");
    if let Some(name) = &args.task {
        let task = module.task(name).ok_or_else(|| anyhow!("`{}` has no task `{name}`; its tasks: {}", args.wdl, tasks()))?;
        return Ok(Callee::Task(Arc::clone(module), Arc::clone(task)));
    }
    if let Some(workflow) = &module.document.workflow {
        if let Some(name) = args.workflow.as_deref().filter(|name| **name != *workflow.name.text) {
            bail!("`{}` has no workflow `{name}`; its workflow is `{}`", args.wdl, workflow.name.text);
        }
        return Ok(Callee::Workflow(Arc::clone(module), Arc::clone(workflow)));
    }
    match module.document.tasks.as_slice() {
        [task] if args.workflow.is_none() => Ok(Callee::Task(Arc::clone(module), Arc::clone(task))),
        [] => bail!("`{}` has neither workflow nor task to run", args.wdl),
        _ => bail!("`{}` has no workflow; name a task with `--task`: {}", args.wdl, tasks()),
    }
}

/// Makes the run's directory and takes its lock, which is free again as soon as this process is gone.
pub fn claim(dir: &Path, store: &Store, resume: bool) -> Result<(PathBuf, File)> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make the run directory `{}`", dir.display()))?;
    let dir = fs::canonicalize(dir).with_context(|| format!("cannot use the run directory `{}`", dir.display()))?;
    let lock = File::open(&dir).with_context(|| format!("cannot open the run directory `{}`", dir.display()))?;
    // A killed engine may have been about to start a task: that process lets go of the lock when it becomes the task.
    let deadline = Instant::now() + LOCK_WAIT;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() < deadline {
            std::thread::sleep(LOCK_PAUSE);
            continue;
        }
        bail!("another run is going on in `{}`: give another directory with `-d`", dir.display());
    }
    if !resume {
        let mut entries = fs::read_dir(&dir).with_context(|| format!("cannot read the run directory `{}`", dir.display()))?;
        if entries.next().is_some() {
            let text = dir.to_string_lossy();
            let earlier =
                store.list_runs(&batchyard_store::RunFilter { limit: 1000, ..Default::default() })?.into_iter().find(|r| r.dir == text);
            match earlier {
                Some(run) => bail!(
                    "the run directory `{text}` holds run {} ({}): give another one with `-d`, or go on with it by `batchyard resume {}`",
                    run.id,
                    run.state,
                    run.id.short()
                ),
                None => bail!("the run directory `{text}` is not empty: give a new or empty one with `-d`"),
            }
        }
        let probe = dir.join(".batchyard-probe");
        fs::write(&probe, b"")
            .and_then(|()| fs::remove_file(&probe))
            .with_context(|| format!("cannot write to the run directory `{text}`", text = dir.display()))?;
    }
    Ok((dir, lock))
}

/// Prints the outputs, or what went wrong. Returns the exit status.
pub fn conclude(report: &RunReport, outputs_file: Option<&Path>) -> Result<u8> {
    let outputs: Map<String, Json> = report.finished.outputs.iter().map(|(k, v)| (k.clone(), json::to_json(v))).collect();
    match report.finished.state {
        RunState::Succeeded => {
            print_outputs(report.id, &report.dir, outputs, outputs_file)?;
            Ok(0)
        }
        RunState::Aborted => {
            say(&format!("run {} was ended; go on with `batchyard resume {}`", report.id, report.id.short()));
            Ok(EXIT_INTERRUPTED)
        }
        _ => {
            failure::tell(&report.finished.failures);
            say(&format!("run {} failed in {}", report.id, report.dir.display()));
            say(&format!("  go on after mending what is outside the document: batchyard resume {}", report.id.short()));
            Ok(EXIT_FAILED)
        }
    }
}

/// Prints the outputs of a run, and writes them to a file where asked.
pub fn print_outputs(id: RunId, dir: &Path, outputs: Map<String, Json>, file: Option<&Path>) -> Result<()> {
    let document = json!({ "outputs": outputs, "id": id.to_string(), "dir": dir.to_string_lossy() });
    if let Some(path) = file {
        let text = serde_json::to_string_pretty(&document)?;
        write_beside(path, text.as_bytes()).with_context(|| format!("cannot write the outputs to `{}`", path.display()))?;
    }
    print_json(&document);
    Ok(())
}

fn write_beside(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, content)?;
    fs::rename(&part, path)
}

/// Bound values of a stored run.
pub fn rebind(callee: &Callee, given: &Map<String, Json>, config: &Config, module: &Module) -> Option<Bound> {
    let (version, settings) = (module.document.version, &config.settings);
    let strict = settings.strict_inputs.get(&version).copied();
    inputs::bind(callee, given, settings.dialect_of(version), strict, &[PathBuf::from("/")], &settings.remote)
}
