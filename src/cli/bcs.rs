//! The command line of BatchCompute: links named `bcs`, `batchcompute` or `bcsgen`, and the commands of these names.

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::Args;

/// Words for `bcs`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct BcsArgs {
    /// A command with its words and options; none prints the help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    words: Vec<OsString>,
}

/// The exit status, if this process is called as `bcs`. Decided before anything else is set up: it starts in a few
/// milliseconds and needs nothing of the rest.
pub fn called() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let own = words.next().and_then(|word| Some(Path::new(&word).file_stem()?.to_str()?.to_owned())).unwrap_or_default();
    if batchyard_bcs::NAMES.contains(&own.as_str()) {
        return Some(run(&own, words));
    }
    let name = words.next().and_then(|word| word.into_string().ok()).filter(|n| batchyard_bcs::NAMES.contains(&n.as_str()))?;
    Some(run(&name, words))
}

/// `batchyard bcs` behind options of `batchyard`.
pub fn bcs(name: &str, args: BcsArgs) -> u8 {
    batchyard_bcs::main(name, text(args.words))
}

fn run(name: &str, words: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(batchyard_bcs::main(name, text(words)))
}

fn text(words: impl IntoIterator<Item = OsString>) -> Vec<String> {
    words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}
