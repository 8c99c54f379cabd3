//! `batchyard gen inputs`: inputs of a workflow for all samples of a sheet.

mod fill;
mod sheet;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use batchyard_wdl::{inputs as wdl_inputs, module::Callee, types::StructType, version::Dialect};
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json};

use self::{
    fill::{Filled, Filling, pairs, short, struct_of},
    sheet::Sheet,
};
use super::{
    EXIT_USAGE, complain,
    documents::{ImportArgs, load_checked},
    inputs::{accepts, add_arguments, read_object},
    inspect::callee_of,
    print_json, say,
};
use crate::config::Config;

/// Problems of a sheet that are told; those of one kind would fill the screen.
const MAX_TOLD: usize = 30;

/// What can be written.
#[derive(Subcommand)]
pub enum GenCommand {
    /// Write the inputs of a workflow for the samples of a sheet
    Inputs(GenInputsArgs),
}

/// Arguments of `gen inputs`.
#[derive(Args)]
pub struct GenInputsArgs {
    /// The WDL document
    wdl: String,
    /// A table (CSV or TSV) with a row for each sample, or for each part of one
    #[arg(short, long, value_name = "FILE")]
    samplesheet: PathBuf,
    /// Inputs that are the same for all samples
    #[arg(short, long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// More of them
    #[arg(value_name = "KEY=VALUE")]
    arguments: Vec<String>,
    /// The input whose members the columns are, where several would do
    #[arg(long, value_name = "INPUT")]
    into: Option<String>,
    /// The column of a member or input that is called otherwise
    #[arg(long = "map", value_name = "NAME=COLUMN")]
    renamed: Vec<String>,
    /// An input that is a file with one line for each row of a sample
    #[arg(long = "list", value_name = "INPUT=COLUMN")]
    lists: Vec<String>,
    /// Where the inputs go: a file, or a folder where each sample has inputs of its own
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The inputs of this task instead of the workflow's
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    #[command(flatten)]
    imports: ImportArgs,
}

/// Writes what was asked for.
pub fn generate(command: &GenCommand, config: &Config) -> Result<u8> {
    let GenCommand::Inputs(args) = command;
    let sheet = Sheet::read(&args.samplesheet)?;
    let Some(loaded) = load_checked(&args.wdl, &args.imports, config, true)? else { return Ok(EXIT_USAGE) };
    let callee = callee_of(&loaded.module, args.task.as_deref(), &args.wdl)?;
    let dialect = config.settings.dialect_of(loaded.module.document.version);
    let mut common = match &args.inputs {
        Some(path) => read_object(path, "inputs")?,
        None => Map::new(),
    };
    add_arguments(&mut common, &args.arguments, &callee)?;

    let specs = wdl_inputs::list_inputs(&callee, true);
    let renamed = pairs(&args.renamed)?;
    let mut filling = Filling::new(&sheet, &specs, &renamed);
    let target = target(&filling, args, &specs)?;
    let runs = match target {
        Some((name, of)) => vec![Filled { inputs: Map::from_iter([(name.to_owned(), filling.as_structs(of))]), ..Filled::default() }],
        None => filling.per_sample(&pairs(&args.lists)?),
    };
    if !filling.problems.is_empty() {
        tell(&filling.problems, &args.samplesheet);
        return Ok(EXIT_USAGE);
    }
    let unused = filling.unused();
    if !unused.is_empty() {
        say(&format!("note: nothing of {} takes the columns {}", callee.name(), unused.join(", ")));
    }
    if target.is_some() { write_one(runs, common, args, &callee, dialect) } else { write_each(runs, &common, args, &callee, dialect) }
}

/// The input that takes the rows as its members; `None` where each sample has a run of its own.
fn target<'a>(
    filling: &Filling<'a>,
    args: &GenInputsArgs,
    specs: &'a [wdl_inputs::InputSpec],
) -> Result<Option<(&'a str, &'a StructType)>> {
    if let Some(name) = &args.into {
        let Some(spec) = specs.iter().find(|spec| spec.name == *name || short(&spec.name) == name) else {
            bail!("`--into {name}`: `{}` has no such input", args.wdl);
        };
        let Some(of) = struct_of(&spec.ty) else { bail!("`--into {name}`: `{}` is no list of structs but {}", spec.name, spec.ty) };
        return Ok(Some((&spec.name, of)));
    }
    if !args.lists.is_empty() {
        return Ok(None);
    }
    match filling.targets().as_slice() {
        [] => Ok(None),
        [(spec, of)] => Ok(Some((&spec.name, of))),
        several => {
            let names: Vec<&str> = several.iter().map(|(spec, _)| spec.name.as_str()).collect();
            bail!("the columns are members of several inputs ({}): name one with `--into`", names.join(", "))
        }
    }
}

fn write_one(runs: Vec<Filled>, common: Map<String, Json>, args: &GenInputsArgs, callee: &Callee, dialect: Dialect) -> Result<u8> {
    let mut inputs = common;
    inputs.extend(runs.into_iter().flat_map(|run| run.inputs));
    if !accepts(callee, &inputs, dialect) {
        hint();
        return Ok(EXIT_USAGE);
    }
    match &args.output {
        Some(path) => write(path, &Json::Object(inputs))?,
        None => print_json(&Json::Object(inputs)),
    }
    Ok(0)
}

fn write_each(runs: Vec<Filled>, common: &Map<String, Json>, args: &GenInputsArgs, callee: &Callee, dialect: Dialect) -> Result<u8> {
    let folder = args.output.as_deref().context("each sample gets a file of its own: name a folder for them with `--output`")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let folder = std::path::absolute(folder)?;
    let mut documents = Vec::new();
    for run in runs {
        let mut inputs = common.clone();
        inputs.extend(run.inputs);
        let mut lists = Vec::new();
        for (name, lines) in run.lists {
            let path = folder.join(format!("{}.{}.txt", run.sample, short(&name)));
            inputs.insert(name, path.to_string_lossy().into());
            lists.push((path, lines.join("\n") + "\n"));
        }
        if !accepts(callee, &inputs, dialect) {
            hint();
            return Ok(EXIT_USAGE);
        }
        documents.push((folder.join(format!("{}.inputs.json", run.sample)), inputs, lists));
    }
    for (path, inputs, lists) in documents {
        for (list, text) in lists {
            fs::write(&list, text).with_context(|| format!("cannot write `{}`", list.display()))?;
        }
        write(&path, &Json::Object(inputs))?;
    }
    Ok(0)
}

fn hint() {
    say("hint: what is the same for all samples goes into `--inputs FILE` or KEY=VALUE");
}

fn tell(problems: &[String], sheet: &Path) {
    for problem in problems.iter().take(MAX_TOLD) {
        complain(&format!("{}: {problem}", sheet.display()), None);
    }
    if problems.len() > MAX_TOLD {
        complain(&format!("{}: and {} more problems", sheet.display(), problems.len() - MAX_TOLD), None);
    }
}

fn write(path: &Path, inputs: &Json) -> Result<()> {
    let text = serde_json::to_string_pretty(inputs).map_err(io::Error::other)? + "\n";
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    say(&format!("written: {}", path.display()));
    Ok(())
}
