//! `batchyard widdler run`: the small client of the original guide, `run WORKFLOW INPUTS -o key:value -S host`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use batchyard_cromwell::client::{self, Request};
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

use super::print_json;

/// Arguments of `widdler`.
#[derive(Args)]
pub struct WiddlerArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send a workflow to a server
    Run {
        /// The document
        workflow: String,
        /// Its inputs as JSON or YAML
        inputs: PathBuf,
        /// A workflow option, key:value; may be given several times
        #[arg(short, long, value_name = "KEY:VALUE")]
        options: Vec<String>,
        /// Host of the server, or its URL
        #[arg(short = 'S', long, value_name = "HOST", default_value = "localhost")]
        server: String,
        /// Port of the server
        #[arg(short = 'P', long, value_name = "PORT", default_value_t = 8000)]
        port: u16,
        /// A zip with what the document imports
        #[arg(short, long, value_name = "ZIP")]
        dependencies: Option<PathBuf>,
    },
}

/// Sends the workflow and prints its id.
pub fn widdler(args: &WiddlerArgs) -> Result<u8> {
    let Command::Run { workflow, inputs, options, server, port, dependencies } = &args.command;
    let mut object = Map::new();
    for option in options {
        let Some((key, value)) = option.split_once(':') else { bail!("`-o {option}` has no `:`: give KEY:VALUE") };
        // Numbers and truth values are meant as such; anything else is text.
        let value = serde_json::from_str(value).ok().filter(|value: &Json| value.is_boolean() || value.is_number());
        object.insert(key.to_owned(), value.unwrap_or_else(|| json!(option.get(key.len() + 1..).unwrap_or_default())));
    }
    let host = if server.contains("://") { server.clone() } else { format!("http://{server}:{port}") };
    let request = Request {
        source: workflow.clone(),
        inputs: Some(inputs.clone()),
        options: Some(Json::Object(object).to_string()),
        imports: dependencies.clone(),
        ..Request::default()
    };
    let id = client::submit(&host, &request)?;
    print_json(&json!({ "id": id, "status": "Submitted" }));
    Ok(0)
}
