//! The command line.

mod app;
mod audit;
pub mod bcs;
mod cache;
mod check;
mod cromwell;
mod demo;
mod documents;
pub mod exec_root;
mod explain;
mod failure;
mod format;
mod generate;
mod import;
mod inputs;
mod inspect;
mod key;
pub mod provider_job;
mod resume;
mod run;
pub mod server;
mod show;
mod timeline;
mod upgrade;
mod view;
pub mod warnings;
mod why;
mod widdler;
mod womtool;
mod words;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use batchyard_cromwell::config::Problems;
use batchyard_store::{Options, Store};
use batchyard_workflow::engine::EngineError;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, Given, original::remove_private_state};

/// A run, call or check that failed.
pub const EXIT_FAILED: u8 = 1;
/// A command line, document or inputs that are wrong; nothing was run.
pub const EXIT_USAGE: u8 = 2;
/// Our own fault.
pub const EXIT_INTERNAL: u8 = 70;
/// Ended by request.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Batch computing on your own machines: WDL workflows from one binary.
#[derive(Parser)]
#[command(name = "batchyard", version, max_term_width = 120, arg_required_else_help = true)]
struct Cli {
    /// Configuration file instead of `~/.config/batchyard/config.toml`; a `.conf` file is one of Cromwell's
    #[arg(long, global = true, value_name = "FILE", env = crate::config::CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a workflow or task
    Run(run::RunArgs),
    /// Look for everything that is wrong in WDL documents
    Check(check::CheckArgs),
    /// Lay documents out in one style
    Format(format::FormatArgs),
    /// Rewrite old documents for a newer version of WDL
    Upgrade(upgrade::UpgradeArgs),
    /// Print a template of the inputs, with types and defaults
    Inputs(inspect::InputsArgs),
    /// Write inputs for the samples of a sheet
    #[command(subcommand)]
    Gen(generate::GenCommand),
    /// Draw the calls of a workflow
    Graph(inspect::GraphArgs),
    /// List runs
    Ls(show::LsArgs),
    /// Show a run with its calls
    Show(show::ShowArgs),
    /// Print what the commands of a run wrote
    Logs(show::LogsArgs),
    /// End a run
    Abort(resume::AbortArgs),
    /// Go on with a run that was interrupted, aborted or failed
    Resume(resume::ResumeArgs),
    /// The command line of Cromwell: run, server, submit
    Cromwell(cromwell::CromwellArgs),
    /// The command line of womtool: validate, inputs, outputs, graph, parse, highlight
    Womtool(womtool::WomtoolArgs),
    /// Send a workflow to a server, as widdler does
    Widdler(widdler::WiddlerArgs),
    /// The command line of BatchCompute: jobs, clusters, apps, images, the object store
    Bcs(bcs::BcsArgs),
    /// Write a project to begin with: `bcs gen`
    Bcsgen(bcs::BcsArgs),
    /// Serve workflows, jobs and objects over HTTP: the interfaces of Cromwell, WES, BatchCompute and OSS
    Server(server::ServerArgs),
    /// Take over the workflows that a Cromwell has carried out, from its database
    Import(import::ImportArgs),
    /// Make, list and disable access keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Show who has changed what of jobs, clusters, images, apps and keys
    Audit(audit::AuditArgs),
    /// Try the images of apps
    #[command(subcommand)]
    App(app::AppCommand),
    /// Explain why a call was run and no earlier result taken
    Why(why::WhyArgs),
    /// Forget earlier results
    #[command(subcommand)]
    Cache(cache::CacheCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run the example workflow on real reads and show its results
    Demo(demo::DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print each value in force and where it came from
    Show(JsonFlag),
    /// Tell what becomes of a key of Cromwell's configuration
    Explain(explain::ExplainArgs),
}

/// `--json` where a table is printed.
#[derive(Args, Clone, Copy)]
pub struct JsonFlag {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Parses the command line and carries it out.
pub fn main() -> ExitCode {
    let (words, original) = words::words();
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            let code = match (error.use_stderr(), original) {
                (true, true) => EXIT_FAILED,
                (true, false) => EXIT_USAGE,
                (false, _) => 0,
            };
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = carry_out(cli);
    remove_private_state();
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.downcast_ref::<Problems>().is_some() => {
            // They tell their places, and each its mend.
            say(&error.to_string());
            ExitCode::from(if original { EXIT_FAILED } else { EXIT_USAGE })
        }
        Err(error) => {
            // Some errors name their cause themselves.
            let mut text = String::new();
            for cause in error.chain().map(ToString::to_string).filter(|c| !c.is_empty()) {
                if !text.ends_with(&cause) {
                    text += if text.is_empty() { "" } else { ": " };
                    text += &cause;
                }
            }
            complain(&text, store_hint(&error));
            let begun = error.chain().any(|e| matches!(e.downcast_ref(), Some(EngineError::Broken(_))));
            ExitCode::from(if begun || original { EXIT_FAILED } else { EXIT_USAGE })
        }
    }
}

fn store_hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|e| e.downcast_ref::<batchyard_store::StoreError>()).and_then(|e| e.hint())
}

fn carry_out(cli: Cli) -> Result<u8> {
    let given = Given { file: cli.config.as_deref(), ..Given::default() };
    let config = || Config::load(given);
    match cli.command {
        Command::Run(args) => run::run(&args, config()?),
        Command::Check(args) => check::check(&args, &config()?),
        Command::Format(args) => format::lay_out(&args),
        Command::Upgrade(args) => upgrade::rewrite(&args, &config()?),
        Command::Inputs(args) => inspect::inputs(&args, &config()?),
        Command::Gen(command) => generate::generate(&command, &config()?),
        Command::Graph(args) => inspect::graph(&args, &config()?),
        Command::Ls(args) => show::ls(&args, &config()?),
        Command::Show(args) => show::show(&args, &config()?),
        Command::Logs(args) => show::logs(&args, &config()?),
        Command::Abort(args) => resume::abort(&args, &config()?),
        Command::Resume(args) => resume::resume(&args, config()?),
        Command::Cromwell(args) => {
            let properties = args.properties();
            cromwell::cromwell(&args, Config::load(Given { as_original: true, properties: &properties, ..given })?)
        }
        Command::Womtool(args) => womtool::womtool(&args, &config()?),
        Command::Widdler(args) => widdler::widdler(&args),
        Command::Bcs(args) => Ok(bcs::bcs("bcs", args)),
        Command::Bcsgen(args) => Ok(bcs::bcs("bcsgen", args)),
        Command::Server(args) => server::server(&args, config()?),
        Command::Import(args) => import::import(&args, config()?),
        Command::Key(command) => key::key(&command, &config()?),
        Command::Audit(args) => audit::audit(&args, &config()?),
        Command::App(command) => app::app(&command, &config()?),
        Command::Why(args) => why::why(&args, &config()?),
        Command::Cache(command) => cache::cache(&command, &config()?),
        Command::Config(ConfigCommand::Show(args)) => show::config(args, &config()?),
        Command::Config(ConfigCommand::Explain(args)) => explain::explain(&args, &config()?),
        Command::Demo(args) => demo::demo(&args, &config()?),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "batchyard", &mut std::io::stdout());
            Ok(0)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(0)
        }
    }
}

/// Opens the store that the configuration names.
pub fn open_store(config: &Config) -> Result<Arc<Store>> {
    Store::open(&config.database, Options::default())
        .map(Arc::new)
        .with_context(|| format!("cannot open the state in `{}`", config.database))
}

/// Prints what the author of a configuration should know.
pub fn tell_notes(config: &Config) {
    for note in config.original.iter().flat_map(|original| &original.notes) {
        say(&note.to_string());
    }
}

/// Prints an error with its mend.
pub fn complain(message: &str, hint: Option<&str>) {
    say(&format!("error: {message}"));
    if let Some(hint) = hint {
        say(&format!("  hint: {hint}"));
    }
}

/// Prints a line for people.
pub fn say(line: &str) {
    use std::io::Write;
    // A closed terminal or log must not end a run.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a result.
pub fn print(text: &str) {
    use std::io::Write;
    // A reader that has gone away (`| head`) is no error of ours.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a result that may be long, without making a text of it first.
pub fn print_long(result: &dyn std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let _ = writeln!(out, "{result}").and_then(|()| out.flush());
}

/// Prints JSON as a result.
pub fn print_json(json: &serde_json::Value) {
    print(&serde_json::to_string_pretty(json).unwrap_or_else(|_| json.to_string()));
}
