//! `batchyard format`: documents in their one layout.

use std::{fs, io::Read};

use anyhow::{Context, Result};
use batchyard_wdl::{
    format::{FormatError, format},
    source::Source,
};
use clap::Args;

use super::{
    EXIT_FAILED, EXIT_USAGE, complain,
    documents::{count, report},
    say,
};

/// Arguments of `format`.
#[derive(Args)]
pub struct FormatArgs {
    /// WDL documents, changed in place; `-` reads standard input and prints the result
    #[arg(required = true, value_name = "WDL")]
    wdls: Vec<String>,
    /// Change nothing; the exit status tells whether something would change
    #[arg(long)]
    check: bool,
}

/// Lays documents out; the exit status is 0 when all is well.
pub fn lay_out(args: &FormatArgs) -> Result<u8> {
    let (mut changed, mut failed) = (0, 0);
    for path in &args.wdls {
        let old = read(path)?;
        let source = Source::new(path.as_str(), old.as_str());
        let new = match format(&source) {
            Ok(new) => new,
            Err(FormatError::Syntax(findings)) => {
                report(findings.iter().filter(|finding| finding.is_error()));
                failed += 1;
                continue;
            }
            Err(error @ FormatError::Unsafe) => {
                complain(&format!("{path}: {error}"), Some("it was left as it is; please report it"));
                failed += 1;
                continue;
            }
        };
        if path == "-" && !args.check {
            super::print(new.trim_end_matches('\n'));
        } else if new != old {
            changed += 1;
            if args.check {
                say(&format!("{path}: would change"));
            } else {
                fs::write(path, new).with_context(|| format!("cannot write `{path}`"))?;
                say(&format!("{path}: changed"));
            }
        }
    }
    if failed > 0 {
        say(&format!("{} left as they are", count(failed, "document")));
        return Ok(EXIT_USAGE);
    }
    Ok(if args.check && changed > 0 { EXIT_FAILED } else { 0 })
}

fn read(path: &str) -> Result<String> {
    if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))
}
