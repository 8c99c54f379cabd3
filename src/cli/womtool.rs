//! `batchyard womtool`: the words of the original's tool for documents, so that scripts change one word.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use batchyard_cromwell::documents::target_of;
use batchyard_wdl::{
    diagnostic::Diagnostic,
    graph as drawing,
    highlight::{Style, highlight},
    inputs::{list_inputs, template},
    load::{self, Loaded},
    module::Callee,
    tree::tree,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value as Json};

use super::{
    EXIT_FAILED,
    documents::{ImportArgs, count, load_checked, report},
    inputs, print, print_json, print_long, say,
};
use crate::config::Config;

/// Arguments of `womtool`.
#[derive(Args)]
pub struct WomtoolArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check a document, and inputs for it
    Validate {
        /// The document
        source: String,
        /// Inputs to check too
        #[arg(short, long, value_name = "FILE")]
        inputs: Option<PathBuf>,
        /// List what it imports
        #[arg(short, long)]
        list_dependencies: bool,
    },
    /// Print a skeleton of the inputs
    Inputs {
        /// The document
        source: String,
        /// Whether optional inputs are listed
        #[arg(short, long, value_name = "BOOLEAN", default_value_t = true, action = clap::ArgAction::Set)]
        optional_inputs: bool,
        /// Whether overrides of runtime attributes are listed
        #[arg(short, long, value_name = "BOOLEAN", default_value_t = false, action = clap::ArgAction::Set)]
        runtime_override_inputs: bool,
    },
    /// Print the outputs and their types
    Outputs {
        /// The document
        source: String,
    },
    /// Print a drawing in the language of Graphviz
    Graph {
        /// The document
        source: String,
    },
    /// The same
    Womgraph {
        /// The document
        source: String,
    },
    /// Print the syntax of a document as a tree
    Parse {
        /// The document
        source: String,
    },
    /// Print a document with its words marked
    #[command(disable_help_flag = true)]
    Highlight {
        /// The document
        source: String,
        /// How words are marked
        #[arg(short = 'h', long, value_name = "MODE", value_enum)]
        highlight_mode: Mode,
        /// Print help
        #[arg(long, action = clap::ArgAction::Help)]
        help: Option<bool>,
    },
}

/// How `highlight` marks words.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// As elements of a page
    Html,
    /// With colours of a terminal
    Console,
}

/// Does what is asked for. Everything that is wrong ends with status 1, as scripts expect.
pub fn womtool(args: &WomtoolArgs, config: &Config) -> Result<u8> {
    let load = |source: &str| load_checked(source, &ImportArgs::default(), config, true);
    match &args.action {
        Action::Validate { source, inputs: given, list_dependencies } => {
            let Some(loaded) = load(source)? else { return Ok(EXIT_FAILED) };
            if let Some(path) = given {
                let callee = target(&loaded)?;
                let given = inputs::read_object(path, "inputs")?;
                let dialect = config.settings.dialect_of(loaded.module.document.version);
                if !inputs::accepts(&callee, &given, dialect) {
                    return Ok(EXIT_FAILED);
                }
            }
            print("Success!");
            if *list_dependencies {
                print("List of Workflow dependencies is:");
                let dependencies: Vec<&str> = loaded.sources.iter().skip(1).map(|(id, _)| id.as_str()).collect();
                print(&if dependencies.is_empty() { "None".to_owned() } else { dependencies.join("\n") });
            }
        }
        Action::Inputs { source, optional_inputs, runtime_override_inputs } => {
            let Some(loaded) = load(source)? else { return Ok(EXIT_FAILED) };
            let callee = target(&loaded)?;
            let mut specs = list_inputs(&callee, true);
            specs.retain(|spec| spec.required || *optional_inputs);
            let mut skeleton = template(&specs);
            if let (true, Json::Object(keys)) = (*runtime_override_inputs, &mut skeleton) {
                keys.extend(overrides(&loaded, &callee));
                keys.sort_keys();
            }
            print_json(&skeleton);
        }
        Action::Outputs { source } => {
            let Some(loaded) = load(source)? else { return Ok(EXIT_FAILED) };
            print_json(&Json::Object(outputs(&target(&loaded)?)));
        }
        Action::Graph { source } | Action::Womgraph { source } => {
            let Some(loaded) = load(source)? else { return Ok(EXIT_FAILED) };
            let Some(workflow) = &loaded.module.document.workflow else { bail!("`{source}` has no workflow to draw") };
            print(drawing::dot(&loaded.module, workflow).trim_end());
        }
        Action::Parse { source } => return parse(source, config),
        Action::Highlight { source, highlight_mode, .. } => {
            let Some(loaded) = load(source)? else { return Ok(EXIT_FAILED) };
            let style = match highlight_mode {
                Mode::Html => Style::Html,
                Mode::Console => Style::Console,
            };
            match highlight(&loaded.module.document.source, style) {
                Ok(text) => print(&text),
                Err(findings) => return Ok(refuse(source, &findings)),
            }
        }
    }
    Ok(0)
}

/// The syntax of a document alone: what it imports need not be there.
fn parse(path: &str, config: &Config) -> Result<u8> {
    let (source, mut findings) = load::read(path, &ImportArgs::default().loader(config)?)?;
    match tree(&source) {
        Ok(tree) if findings.is_empty() => print_long(&tree),
        Ok(_) => return Ok(refuse(path, &findings)),
        Err(found) => {
            findings.extend(found);
            return Ok(refuse(path, &findings));
        }
    }
    Ok(0)
}

/// Tells errors of a document.
fn refuse(path: &str, findings: &[Diagnostic]) -> u8 {
    let errors = findings.iter().filter(|finding| finding.is_error());
    let count = count(errors.clone().count(), "error");
    report(errors);
    say(&format!("{path}: {count}"));
    EXIT_FAILED
}

fn target(loaded: &Loaded) -> Result<Callee> {
    target_of(loaded).map_err(|failure| anyhow!("{}", failure.message))
}

/// Keys that override runtime attributes of the workflow's own calls.
fn overrides(loaded: &Loaded, callee: &Callee) -> Map<String, Json> {
    let Callee::Workflow(_, workflow) = callee else { return Map::new() };
    let mut keys = Map::new();
    for call in batchyard_wdl::inputs::calls(&workflow.body) {
        let Some(Callee::Task(module, task)) = loaded.module.callee(&call.target) else { continue };
        for (name, value) in &task.runtime {
            let source = module.document.source.slice(value.span);
            let key = format!("{}.{}.runtime.{}", workflow.name.text, call.name().text, name.text);
            keys.insert(key, Json::String(format!("Any (optional, default = {source})")));
        }
    }
    keys
}

fn outputs(callee: &Callee) -> Map<String, Json> {
    let decls = match callee {
        Callee::Task(_, task) => task.outputs.as_slice(),
        Callee::Workflow(_, workflow) => workflow.outputs.as_ref().map_or(&[][..], |section| &section.decls),
    };
    let module = callee.module();
    let named = decls.iter().map(|decl| {
        let ty = module.resolve(&decl.ty).map_or_else(|_| module.document.source.slice(decl.span).to_owned(), |ty| ty.to_string());
        (format!("{}.{}", callee.name(), decl.name.text), Json::String(ty))
    });
    named.collect()
}
