//! `batchyard demo`: the example workflow on real reads.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use batchyard_model::RunState;
use batchyard_runner::{Control, Exit, Job, LocalRunner, script};
use clap::Args;
use serde_json::Value as Json;

use super::{
    documents::ImportArgs,
    failure, print,
    run::{RunArgs, RunReport, conclude, execute},
    say,
    show::{all_calls, find_run},
};
use crate::config::Config;

/// Arguments of `demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// Where data and results go
    #[arg(short, long, value_name = "DIR", default_value = "demo-run")]
    dir: PathBuf,
    /// The folder with the example
    #[arg(long, value_name = "DIR", default_value = "examples/variants")]
    example: PathBuf,
}

/// Runs the demo.
pub fn demo(args: &DemoArgs, config: &Config) -> Result<u8> {
    let wdl = args.example.join("variants.wdl");
    if !wdl.is_file() {
        bail!("the example is not in `{}`: start the demo in the project's folder or name it with `--example`", args.example.display());
    }
    fs::create_dir_all(&args.dir).with_context(|| format!("cannot make `{}`", args.dir.display()))?;
    let dir = fs::canonicalize(&args.dir)?;
    let data = dir.join("data");
    say("preparing the reads ...");
    prepare(&args.example, &data)?;
    say("first run: everything is computed");
    let Some(first) = once(&wdl, &data, &fresh(&dir, "first")?, true, config)? else { return Ok(super::EXIT_USAGE) };
    if first.finished.state != RunState::Succeeded {
        return conclude(&first, None);
    }
    say("second run: everything is taken from the first");
    let Some(second) = once(&wdl, &data, &fresh(&dir, "second")?, false, config)? else { return Ok(super::EXIT_USAGE) };
    if second.finished.state != RunState::Succeeded {
        return conclude(&second, None);
    }
    show_results(&first);
    let store = super::open_store(config)?;
    let calls = all_calls(&store, second.id)?;
    let cached = calls.iter().filter(|(_, c)| c.cached).count();
    let picture = dir.join("timeline.svg");
    super::timeline::write(&picture, &find_run(&store, &first.id.to_string())?, &all_calls(&store, first.id)?)?;
    let graph = dir.join("calls.svg");
    super::timeline::write_graph(&graph, &wdl.to_string_lossy(), config)?;
    print("");
    print(&format!("second run      {cached} of {} calls taken from the first", calls.len()));
    print(&format!("results         {}", first.dir.join("outputs").display()));
    print(&format!("calls (picture) {}", graph.display()));
    print(&format!("timeline        {}", picture.display()));
    print(&format!("state           {}", config.database));
    print(&format!("look closer     batchyard show {}", first.id.short()));
    if cached != calls.len() {
        bail!("the second run computed {} of {} calls again", calls.len() - cached, calls.len());
    }
    Ok(0)
}

/// A run directory that does not exist yet.
fn fresh(dir: &Path, name: &str) -> Result<PathBuf> {
    let mut path = dir.join(name);
    let mut n = 2;
    while path.exists() {
        path = dir.join(format!("{name}-{n}"));
        n += 1;
    }
    Ok(path)
}

fn prepare(example: &Path, data: &Path) -> Result<()> {
    if data.join("inputs.json").is_file() {
        return Ok(());
    }
    let execution_dir = data.join("prepare");
    fs::create_dir_all(&execution_dir).with_context(|| format!("cannot make `{}`", execution_dir.display()))?;
    let program = fs::canonicalize(example.join("prepare.sh")).context("the example has no `prepare.sh`")?;
    let job = Job {
        call_dir: data.into(),
        execution_dir: execution_dir.clone(),
        command: format!("bash {} {}", script::quote(&program.to_string_lossy()), script::quote(&data.to_string_lossy())),
        env: Vec::new(),
        clean_env: false,
        path_prefix: Vec::new(),
        volumes: Vec::new(),
        root: None,
        shell: batchyard_runner::Shell::Bash,
        container: None,
        launch: batchyard_runner::Launch::Own,
        cores: 1.0,
        memory_mib: 0,
        time_limit: None,
        grace: Duration::from_secs(5),
        user: None,
        may_have_started: false,
    };
    let outcome = LocalRunner.run(&job, &Control::new(format!("demo-{}", std::process::id())))?;
    if outcome.exit != Exit::Code(0) {
        failure::tail(&execution_dir.join("stderr")).iter().for_each(|line| say(&format!("    {line}")));
        bail!("the reads could not be prepared; `scripts/setup.sh demo` installs what is needed");
    }
    Ok(())
}

fn once(wdl: &Path, data: &Path, dir: &Path, no_cache: bool, config: &Config) -> Result<Option<RunReport>> {
    let args = RunArgs {
        wdl: wdl.to_string_lossy().into_owned(),
        arguments: Vec::new(),
        inputs: Some(data.join("inputs.json")),
        options: None,
        task: None,
        workflow: None,
        dir: Some(dir.into()),
        outputs: None,
        no_cache,
        jobs: None,
        quiet: false,
        verbose: false,
        imports: ImportArgs::default(),
    };
    execute(&args, config.clone())
}

/// Prints the results as a table: numbers as they are, files by name.
fn show_results(report: &RunReport) {
    print("");
    let width = report.finished.outputs.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in &report.finished.outputs {
        let shown = match batchyard_wdl::json::to_json(value) {
            Json::String(text) => Path::new(&text).file_name().map_or(text.clone(), |n| n.to_string_lossy().into_owned()),
            other => other.to_string(),
        };
        let short = name.split_once('.').map_or(name.as_str(), |(_, short)| short);
        print(&format!("{short:<width$} {shown}"));
    }
}
