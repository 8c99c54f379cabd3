//! `batchyard cromwell run|server|submit`: the original's command line, so that scripts change one word.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use batchyard_cromwell::{
    archive,
    client::{self, Request},
    config::LogLevel,
    metadata::{self, Query},
    submission::read_labels,
};
use batchyard_model::{RunId, RunState};
use batchyard_store::{Store, Write};
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

use super::{
    EXIT_FAILED, failure, open_store, print_json,
    run::{self, RunArgs, RunReport},
    say, server,
};
use crate::config::{
    Config,
    original::{EXECUTIONS, property},
};

/// Arguments of `cromwell`.
#[derive(Args)]
#[command(version = batchyard_cromwell::VERSION, display_name = "cromwell")]
pub struct CromwellArgs {
    /// A value of the configuration, as the original's Java takes it: -Dconfig.file=x.conf, -Dwebservice.port=8001
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    define: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a workflow and print its outputs
    Run(RunCommand),
    /// Serve the interface on port 8000
    Server,
    /// Send a workflow to a server
    Submit(SubmitCommand),
}

/// What `run` and `submit` have in common.
#[derive(Args)]
struct Workflow {
    /// The document: a path or a URL
    source: String,
    /// Kept and shown, without effect
    #[arg(long, value_name = "DIR")]
    workflow_root: Option<String>,
    /// Inputs as JSON or YAML
    #[arg(short, long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Workflow options as JSON
    #[arg(short, long, value_name = "FILE")]
    options: Option<PathBuf>,
    /// Language: WDL
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    language: Option<String>,
    /// Version of the language
    #[arg(short = 'v', long, value_name = "VERSION")]
    type_version: Option<String>,
    /// Labels as JSON
    #[arg(short, long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// A zip with what the document imports
    #[arg(short = 'p', long, value_name = "ZIP")]
    imports: Option<PathBuf>,
}

#[derive(Args)]
struct RunCommand {
    #[command(flatten)]
    workflow: Workflow,
    /// Write the metadata here at the end
    #[arg(short, long, value_name = "FILE")]
    metadata_output: Option<PathBuf>,
}

// `-h` means the host here.
#[derive(Args)]
#[command(disable_help_flag = true)]
struct SubmitCommand {
    #[command(flatten)]
    workflow: Workflow,
    /// The server
    #[arg(long, short = 'h', value_name = "URL", default_value = "http://localhost:8000")]
    host: String,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Does what is asked for; what is wrong with the arguments ends with status 1, as scripts expect.
pub fn cromwell(args: &CromwellArgs, mut config: Config) -> Result<u8> {
    if config.is_default("runs_dir") {
        config.runs_dir = PathBuf::from(EXECUTIONS);
    }
    config.settings.calls_are_outputs = true;
    match &args.command {
        Command::Run(command) => run(command, config),
        Command::Server => server::server(&server::ServerArgs::workflows_alone(), config),
        Command::Submit(command) => submit(command),
    }
}

impl CromwellArgs {
    /// The `-D` settings.
    pub fn properties(&self) -> Vec<(String, String)> {
        self.define.iter().map(|text| property(text)).collect()
    }
}

impl Workflow {
    /// Files that cannot be read, all at once.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let source = Some(Path::new(&self.source)).filter(|_| !self.source.contains("://"));
        let given =
            [("workflow source", source), ("workflow inputs", self.inputs.as_deref()), ("workflow options", self.options.as_deref())];
        let more = [("workflow labels", self.labels.as_deref()), ("workflow imports", self.imports.as_deref())];
        for (what, path) in given.into_iter().chain(more) {
            let Some(path) = path else { continue };
            if let Err(error) = File::open(path)
                .and_then(|file| file.metadata())
                .and_then(|meta| if meta.is_dir() { Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")) } else { Ok(()) })
            {
                problems.push(format!("{what} cannot be read: {}: {error}", path.display()));
            }
        }
        if let Some(Err(error)) =
            self.options.as_deref().map(fs::read_to_string).and_then(Result::ok).map(|text| serde_json::from_str::<Json>(&text))
        {
            problems.push(format!("workflow options are no JSON: {error}"));
        }
        problems
    }
}

/// Tells what keeps a workflow from being submitted.
fn refuse(problems: &[String]) -> u8 {
    say("ERROR: Unable to submit workflow to Cromwell:");
    problems.iter().for_each(|problem| say(problem));
    EXIT_FAILED
}

fn run(command: &RunCommand, config: Config) -> Result<u8> {
    let workflow = &command.workflow;
    let mut problems = workflow.problems();
    if let Some(path) = &command.metadata_output
        && let Err(error) = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(path).map(drop))
    {
        problems.push(format!("metadata output cannot be written: {}: {error}", path.display()));
    }
    let labels = match workflow.labels.as_deref().and_then(|path| fs::read_to_string(path).ok()).map(|text| read_labels(&text)) {
        Some(Err(found)) => {
            problems.extend(found);
            Vec::new()
        }
        Some(Ok(labels)) => labels,
        None => Vec::new(),
    };
    if !problems.is_empty() {
        return Ok(refuse(&problems));
    }
    if let Err(failure) = config.accepted().check_submission(workflow.language.as_deref(), workflow.type_version.as_deref()) {
        return Ok(refuse(&[failure.message]));
    }
    let level = config.original.as_ref().map_or(LogLevel::Normal, |original| original.log_level());
    let (quiet, verbose) = (level == LogLevel::Quiet, level == LogLevel::Verbose);
    let mut args = RunArgs {
        quiet,
        verbose,
        wdl: workflow.source.clone(),
        inputs: workflow.inputs.clone(),
        options: workflow.options.clone(),
        ..RunArgs::default()
    };
    // Held until the end: the documents are read while the run begins.
    let unpacked = workflow.imports.as_deref().map(unpack).transpose()?;
    if let Some(folder) = &unpacked {
        args.imports.import_dirs.push(folder.path.clone());
    }
    let context = server::options(&config);
    let store = open_store(&config)?;
    let report = run::execute(&args, config)?;
    drop(unpacked);
    let Some(report) = report else { return Ok(EXIT_FAILED) };
    if !labels.is_empty() {
        store.write(vec![Write::PutLabels { run: report.id, labels }]).wait()?;
    }
    let code = conclude(&report);
    if let Some(path) = &command.metadata_output {
        write_metadata(&store, &context, report.id, path).with_context(|| format!("cannot write the metadata to `{}`", path.display()))?;
    }
    Ok(code)
}

/// Prints how a run ended. An aborted one is no failure to the original.
fn conclude(report: &RunReport) -> u8 {
    let outputs: Map<String, Json> =
        report.finished.outputs.iter().map(|(name, value)| (name.clone(), batchyard_wdl::json::to_json(value))).collect();
    match report.finished.state {
        RunState::Succeeded => {
            print_json(&json!({ "outputs": outputs, "id": report.id.to_string() }));
            0
        }
        RunState::Aborted => {
            say(&format!("Workflow {} transitioned to state Aborted", report.id));
            0
        }
        _ => {
            failure::tell(&report.finished.failures);
            say(&format!("Workflow {} transitioned to state Failed", report.id));
            EXIT_FAILED
        }
    }
}

fn write_metadata(store: &Store, options: &batchyard_cromwell::service::Options, id: RunId, path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let query = Query { expand: true, ..Query::default() };
    metadata::write(metadata::Context { store, options }, id, &query, &mut file)?;
    Ok(file.flush()?)
}

/// A folder that is gone when it is dropped.
struct Unpacked {
    path: PathBuf,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // A folder that cannot be removed lies in the system's temporary folder, where it is expected.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn unpack(zip: &Path) -> Result<Unpacked> {
    let texts = archive::unpack(&fs::read(zip)?).map_err(|problem| anyhow!("cannot use the imports `{}`: {problem}", zip.display()))?;
    let unpacked = Unpacked { path: std::env::temp_dir().join(format!("batchyard-imports-{}", RunId::random())) };
    for (name, text) in texts {
        let path = unpacked.path.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text)?;
    }
    Ok(unpacked)
}

fn submit(command: &SubmitCommand) -> Result<u8> {
    let workflow = &command.workflow;
    let problems = workflow.problems();
    if !problems.is_empty() {
        return Ok(refuse(&problems));
    }
    let request = Request {
        source: workflow.source.clone(),
        root: workflow.workflow_root.clone(),
        inputs: workflow.inputs.clone(),
        options: workflow.options.as_deref().map(fs::read_to_string).transpose()?,
        language: workflow.language.clone(),
        version: workflow.type_version.clone(),
        labels: workflow.labels.clone(),
        imports: workflow.imports.clone(),
    };
    match client::submit(&command.host, &request) {
        Ok(id) => say(&format!("Workflow {id} submitted to {}", command.host)),
        // The original ends with 0 even then; a script that looks at the status is better served by the truth.
        Err(error) => {
            say(&format!("ERROR: {error}"));
            return Ok(EXIT_FAILED);
        }
    }
    Ok(0)
}
