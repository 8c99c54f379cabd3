//! `batchyard exec-root FILE PROGRAM...`: what a task with a root of its own is started by. Not for people.

use std::process::ExitCode;

use anyhow::{Context, Result};
use batchyard_runner::root::{MAP_WORD, Root, enter, map_users};

/// The word that asks for it.
pub const WORD: &str = "exec-root";
/// Status of a command that could not be started.
const CANNOT_START: u8 = 126;

/// This program and the word.
pub fn own_words() -> Result<Vec<String>> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(vec![program.to_string_lossy().into_owned(), WORD.into()])
}

/// Becomes the command; returns only when that cannot be done.
pub fn exec_root(words: &[String]) -> ExitCode {
    if let [word, process] = words
        && word == MAP_WORD
    {
        return match map_users(process) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                super::say(&format!("batchyard: {error}"));
                ExitCode::from(CANNOT_START)
            }
        };
    }
    let prepare = || -> Result<(Root, &[String])> {
        let (file, command) = words.split_first().context("there is no file that describes the root")?;
        let text = std::fs::read(file).with_context(|| format!("cannot read `{file}`"))?;
        Ok((serde_json::from_slice(&text).with_context(|| format!("`{file}` describes no root"))?, command))
    };
    let problem = match prepare() {
        Ok((root, command)) => enter(&root, command, WORD).to_string(),
        Err(error) => format!("{error:#}"),
    };
    super::say(&format!("batchyard: {problem}"));
    ExitCode::from(CANNOT_START)
}
