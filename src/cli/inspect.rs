//! `batchyard inputs` and `batchyard graph`: what a document wants and what it looks like.

use std::sync::Arc;

use anyhow::{Result, bail};
use batchyard_wdl::{
    graph as drawing, inputs as wdl_inputs,
    module::{Callee, Module},
};
use clap::{Args, ValueEnum};

use super::{
    EXIT_USAGE,
    documents::{ImportArgs, load_checked},
    print, print_json,
};
use crate::config::Config;

/// Arguments of `inputs`.
#[derive(Args)]
pub struct InputsArgs {
    /// The WDL document
    wdl: String,
    /// The inputs of this task instead of the workflow's
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Only what must be given
    #[arg(long)]
    required: bool,
    #[command(flatten)]
    imports: ImportArgs,
}

/// Arguments of `graph`.
#[derive(Args)]
pub struct GraphArgs {
    /// The WDL document
    wdl: String,
    /// Language of the drawing
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
    #[command(flatten)]
    imports: ImportArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

/// Prints the template of the inputs.
pub fn inputs(args: &InputsArgs, config: &Config) -> Result<u8> {
    let Some(loaded) = load_checked(&args.wdl, &args.imports, config, true)? else { return Ok(EXIT_USAGE) };
    let callee = callee_of(&loaded.module, args.task.as_deref(), &args.wdl)?;
    let mut specs = wdl_inputs::list_inputs(&callee, true);
    specs.retain(|spec| spec.required || !args.required);
    print_json(&wdl_inputs::template(&specs));
    Ok(0)
}

/// What of a document can be given inputs: the named task, the workflow, or the only task.
pub fn callee_of(module: &Arc<Module>, task: Option<&str>, wdl: &str) -> Result<Callee> {
    Ok(match (task, &module.document.workflow, module.document.tasks.as_slice()) {
        (Some(name), _, _) => match module.task(name) {
            Some(task) => Callee::Task(Arc::clone(module), Arc::clone(task)),
            None => bail!("`{wdl}` has no task `{name}`"),
        },
        (None, Some(workflow), _) => Callee::Workflow(Arc::clone(module), Arc::clone(workflow)),
        (None, None, [task]) => Callee::Task(Arc::clone(module), Arc::clone(task)),
        (None, None, _) => bail!("`{wdl}` has no workflow; name a task with `--task`"),
    })
}

/// Prints the drawing of the workflow.
pub fn graph(args: &GraphArgs, config: &Config) -> Result<u8> {
    let Some(loaded) = load_checked(&args.wdl, &args.imports, config, true)? else { return Ok(EXIT_USAGE) };
    let Some(workflow) = &loaded.module.document.workflow else { bail!("`{}` has no workflow to draw", args.wdl) };
    let text = match args.format {
        Format::Dot => drawing::dot(&loaded.module, workflow),
        Format::Mermaid => drawing::mermaid(&loaded.module, workflow),
    };
    print(text.trim_end());
    Ok(0)
}
