//! What a failed run ends with: the first failing call, its command, its exit status, the end of its standard error.

use std::path::Path;

use batchyard_workflow::{complaint::telling, documents::Failure, layout::read_command};

use super::say;

/// Lines of standard error shown.
const TAIL_LINES: usize = 15;
/// What is read of either end of a script that is very long.
const COMMAND_BYTES: usize = 16 << 10;
/// Lines of the command shown.
const COMMAND_LINES: usize = 12;

/// Tells the first failure in full and how many others there are.
pub fn tell(failures: &[Failure]) {
    let Some(first) = failures.first() else { return };
    say("");
    say(&format!("error: {}", first.message));
    if let Some(place) = &first.place {
        say(&format!("  at {place}"));
    }
    if let Some(call) = &first.call {
        say(&format!("  call: {call}"));
    }
    if let Some(code) = first.exit_code {
        say(&format!("  exit status: {code}"));
    }
    if let Some(dir) = &first.dir {
        tell_files(Path::new(dir));
    }
    if let Some(hint) = &first.hint {
        say(&format!("  hint: {hint}"));
    }
    if failures.len() > 1 {
        say(&format!("  and {} more; `batchyard show` lists them", super::documents::count(failures.len() - 1, "failure")));
    }
}

fn tell_files(call_dir: &Path) {
    let execution = call_dir.join("execution");
    if let Some(command) = read_command(call_dir, COMMAND_BYTES) {
        say("  command:");
        let lines: Vec<&str> = command.trim_matches('\n').lines().collect();
        for line in lines.iter().take(COMMAND_LINES) {
            say(&format!("    {line}"));
        }
        if lines.len() > COMMAND_LINES {
            say(&format!("    ... {} more", super::documents::count(lines.len() - COMMAND_LINES, "line")));
        }
    }
    let stderr = execution.join("stderr");
    let lines = tail(&stderr);
    if !lines.is_empty() {
        say("  last lines of its standard error:");
        lines.iter().for_each(|line| say(&format!("    {line}")));
    }
    for name in ["script", "stdout", "stderr"] {
        let path = execution.join(name);
        if path.exists() {
            say(&format!("  {name}: {}", path.display()));
        }
    }
}

/// The last lines of a log that tell something.
pub fn tail(path: &Path) -> Vec<String> {
    telling(path, TAIL_LINES)
}
