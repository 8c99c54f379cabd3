//! `batchyard check`: everything that is wrong in documents.

use std::path::PathBuf;

use anyhow::Result;
use batchyard_wdl::{diagnostic::Diagnostic, lint::lint, load::load, module::Callee, module::Module, rule::Rule, source::Span};
use batchyard_workflow::{preflight::wrong_attribute, runtime::RuntimeError};
use clap::Args;
use serde_json::{Value as Json, json};
use std::sync::Arc;

use super::{
    EXIT_USAGE, complain,
    documents::{ImportArgs, count, findings, report},
    inputs, print_json, say,
    warnings::Switches,
};
use crate::config::Config;

/// Arguments of `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// WDL documents
    #[arg(required_unless_present = "list_warnings", value_name = "WDL")]
    wdls: Vec<String>,
    /// Also check these inputs against the (single) document
    #[arg(short, long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Print findings as JSON
    #[arg(long)]
    json: bool,
    /// Do not print warnings
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    switches: Switches,
    /// Print all kinds of warnings with what becomes of them
    #[arg(long)]
    list_warnings: bool,
    #[command(flatten)]
    imports: ImportArgs,
}

/// Checks documents; the exit status tells whether all are free of errors.
pub fn check(args: &CheckArgs, config: &Config) -> Result<u8> {
    let levels = config.warnings.switched(&args.switches, "the command line")?;
    if args.list_warnings {
        levels.list();
        return Ok(0);
    }
    let loader = args.imports.loader(config)?;
    let mut errors = 0;
    let mut documents = Vec::new();
    for wdl in &args.wdls {
        let loaded = match load(wdl, &loader) {
            Ok(loaded) => loaded,
            Err(failure) => {
                complain(&failure.to_string(), None);
                errors += 1;
                continue;
            }
        };
        let found = levels.applied(findings(&loaded, [lint(&loaded.module), wrong_attributes(&loaded.module, config)].concat()));
        let (bad, warnings) = (found.iter().filter(|d| d.is_error()).count(), found.iter().filter(|d| !d.is_error()).count());
        errors += bad;
        if args.json {
            documents.push(json!({ "document": wdl, "findings": found.iter().map(finding).collect::<Vec<_>>() }));
        } else {
            report(found.iter().filter(|d| d.is_error() || !args.quiet));
            let remarks = if warnings > 0 && !args.quiet { format!(" ({})", count(warnings, "warning")) } else { String::new() };
            let verdict = if bad == 0 { "no errors".into() } else { count(bad, "error") };
            say(&format!("{wdl}: {verdict}{remarks}"));
        }
        if let (0, Some(file)) = (bad, &args.inputs) {
            errors += check_inputs(&loaded.module, file, config)?;
        }
    }
    if args.json {
        print_json(&Json::Array(documents));
    }
    Ok(if errors == 0 { 0 } else { EXIT_USAGE })
}

/// Runtime attributes that would fail every call of their task.
fn wrong_attributes(module: &Module, config: &Config) -> Vec<Diagnostic> {
    let dialect = config.settings.dialect_of(module.document.version);
    let wrong = module.document.tasks.iter().filter_map(|task| wrong_attribute(module, task, dialect));
    let warning = |(span, error): (Span, RuntimeError)| {
        Diagnostic::warning(&module.document.source, span, error.to_string())
            .rule(Rule::RuntimeValue)
            .hint("a workflow that may call this task fails before anything runs")
    };
    wrong.map(warning).collect()
}

fn check_inputs(module: &Arc<Module>, file: &std::path::Path, config: &Config) -> Result<usize> {
    let Some(workflow) = &module.document.workflow else {
        complain("`--inputs` needs a document with a workflow", None);
        return Ok(1);
    };
    let callee = Callee::Workflow(Arc::clone(module), Arc::clone(workflow));
    let given = inputs::read_object(file, "inputs")?;
    // Files may live elsewhere (`gs://`, `oss://`): only names and types are checked here.
    match batchyard_wdl::inputs::bind(&callee, &given, config.settings.dialect_of(module.document.version)) {
        Ok(bound) => {
            inputs::tell_notes(&bound);
            say(&format!("{}: inputs fit", file.display()));
            Ok(0)
        }
        Err(problems) => {
            problems.iter().for_each(|p| complain(&p.message, p.hint.as_deref()));
            Ok(problems.len())
        }
    }
}

fn finding(diagnostic: &Diagnostic) -> Json {
    let (line, column) = diagnostic.source.position(diagnostic.span.start);
    json!({
        "severity": if diagnostic.is_error() { "error" } else { "warning" },
        "name": diagnostic.rule.map(Rule::name),
        "file": diagnostic.source.name,
        "line": line,
        "column": column,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "hint": diagnostic.hint,
        "source": diagnostic.source.line(line),
    })
}
