//! `batchyard upgrade`: old documents for newer versions of the language.

use std::{fs, io};

use anyhow::{Context, Result, bail};
use batchyard_cromwell::documents::WebLoader;
use batchyard_wdl::{
    diagnostic::Diagnostic,
    load::{Loaded, LoadedText, Loader, load},
    upgrade::{UpgradeError, upgrade},
    version::Version,
};
use clap::Args;

use super::{
    EXIT_USAGE, complain,
    documents::{ImportArgs, count, findings, report},
    say,
};
use crate::config::Config;

/// Arguments of `upgrade`.
#[derive(Args)]
pub struct UpgradeArgs {
    /// WDL documents, changed in place
    #[arg(required = true, value_name = "WDL")]
    wdls: Vec<String>,
    /// Version they shall have
    #[arg(long, default_value = "1.1", value_name = "VERSION")]
    to: String,
    /// Print the new texts and change nothing
    #[arg(long)]
    stdout: bool,
    #[command(flatten)]
    imports: ImportArgs,
}

/// Rewrites documents; the exit status is 0 when all could be.
pub fn rewrite(args: &UpgradeArgs, config: &Config) -> Result<u8> {
    let to = match Version::parse(&args.to) {
        Some(version) if version >= Version::V1_1 => version,
        _ => bail!("`--to {}`: documents can be rewritten for 1.1, 1.2 and 1.3", args.to),
    };
    let loader = args.imports.loader(config)?;
    let mut failed = 0;
    for path in &args.wdls {
        let loaded = load(path, &loader)?;
        let wrong: Vec<Diagnostic> = findings(&loaded, Vec::new()).into_iter().filter(Diagnostic::is_error).collect();
        if !wrong.is_empty() {
            report(wrong.iter());
            complain(&format!("{path}: {}", count(wrong.len(), "error")), Some("mend the document before it is rewritten"));
            failed += 1;
            continue;
        }
        if !one(path, &loaded, &loader, to, args.stdout)? {
            failed += 1;
        }
    }
    Ok(if failed > 0 { EXIT_USAGE } else { 0 })
}

/// Rewrites one document; false when it was left as it is.
fn one(path: &str, loaded: &Loaded, loader: &WebLoader, to: Version, print: bool) -> Result<bool> {
    let upgraded = match upgrade(&loaded.module, to) {
        Ok(upgraded) => upgraded,
        Err(UpgradeError::NotOlder(version)) => {
            say(&format!("{path}: is of version {version} already"));
            return Ok(true);
        }
        Err(error @ UpgradeError::Left { .. }) => {
            if let UpgradeError::Left { findings, .. } = &error {
                report(findings.iter().filter(|finding| finding.is_error()));
            }
            complain(&format!("{path}: {error}"), Some("it was left as it is; the places above are those of the new text"));
            return Ok(false);
        }
    };
    let again = load(path, &Instead { loader, text: &upgraded.text })?;
    let wrong: Vec<Diagnostic> = findings(&again, Vec::new()).into_iter().filter(Diagnostic::is_error).collect();
    if !wrong.is_empty() {
        report(wrong.iter());
        let message = format!("{path}: version {to} refuses what this document does");
        complain(&message, Some("it was left as it is; the places above are those of the new text: mend them in the old one"));
        return Ok(false);
    }
    report(upgraded.notes.iter());
    if print {
        super::print(upgraded.text.trim_end_matches('\n'));
    } else {
        fs::write(path, &upgraded.text).with_context(|| format!("cannot write `{path}`"))?;
        let remarks =
            if upgraded.notes.is_empty() { String::new() } else { format!(" ({})", count(upgraded.notes.len(), "place") + " to look at") };
        say(&format!("{path}: is of version {to} now{remarks}"));
    }
    Ok(true)
}

/// The files, with another text for the main document.
struct Instead<'a> {
    loader: &'a WebLoader,
    text: &'a str,
}

impl Loader for Instead<'_> {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let loaded = self.loader.load(uri, importer)?;
        Ok(if importer.is_none() { LoadedText { text: self.text.as_bytes().to_vec(), ..loaded } } else { loaded })
    }
}
