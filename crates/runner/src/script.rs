//! The script of an attempt: the task's command plus what leaves its exit status in `rc`.
//!
//! `rc` holds the number and a line end; a file without the line end is half written and counts as absent.

mod elsewhere;

use std::{io::Read, os::unix::fs::OpenOptionsExt, path::Path, sync::LazyLock};

use regex::Regex;
use rustix::fs::OFlags;

pub use elsewhere::{Elsewhere, STARTED};

/// First line of the command's script when a line after the command writes the status.
const PLAIN: &str = "# the status of the command below goes to rc\n";

/// Most bytes of `rc` that are read.
const MAX_RC_BYTES: u64 = 64;

/// Signals that end bash after it ran its EXIT trap with a meaningless status; each gets an `exit 128+n` of its own.
const ENDING_SIGNALS: [(&str, u8); 5] = [("HUP", 1), ("INT", 2), ("TERM", 15), ("USR1", 10), ("USR2", 12)];

/// Quotes a text for a POSIX shell.
pub fn quote(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:=,@%".contains(&b)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The script that runs `command` with bash and leaves its status in the file `rc` (an absolute path).
///
/// The command runs in the script's own shell: no process more than bash itself. One that always reaches its end is
/// followed by the line that writes the status; for the others a trap does that, which costs a tenth of the start of a
/// shell. A command that replaces the shell (`exec`) or sets traps of its own would lose that too, so it runs in a
/// sub-shell.
pub fn render(command: &str, rc: &Path) -> String {
    let rc = quote(&rc.to_string_lossy());
    let mut script = String::with_capacity(command.len() + 256);
    script.push_str("#!/bin/bash\n");
    if reaches_its_end(command) {
        script.push_str(PLAIN);
        script.push_str(command);
        // The empty line ends what a backslash may have left open.
        script.push_str(&format!("\n\necho \"$?\" >{rc}\n"));
        return script;
    }
    if needs_own_shell(command) {
        // Signals go to the whole group: the outer shell outlives them, so that a command with traps of its own may
        // tidy up and its status is still written. In the sub-shell they mean again what they did before.
        script.push_str("trap : HUP INT TERM USR1 USR2\n(\n");
        script.push_str(command);
        script.push_str("\n)\necho \"$?\" >");
        script.push_str(&rc);
        script.push('\n');
        return script;
    }
    for (name, number) in ENDING_SIGNALS {
        script.push_str(&format!("trap 'exit {}' {name}; ", 128 + u32::from(number)));
    }
    script.push_str(&format!("trap {} EXIT\n", quote(&format!("echo \"$?\" >{rc}"))));
    script.push_str(command);
    script.push('\n');
    script
}

/// The command inside a script that [`render`] or [`Elsewhere::render`] made; `None` for other texts.
pub fn command_in(script: &str) -> Option<&str> {
    elsewhere::command_in(script).or_else(|| command_here(script))
}

fn command_here(script: &str) -> Option<&str> {
    let script = script.strip_prefix("#!/bin/bash\n")?;
    if let Some(plain) = script.strip_prefix(PLAIN) {
        return plain.rsplit_once("\n\necho \"$?\" >").map(|(command, _)| command);
    }
    let (first, rest) = script.split_once('\n')?;
    if first.ends_with(" EXIT") {
        return rest.strip_suffix('\n');
    }
    rest.strip_prefix("(\n")?.rsplit_once("\n)\necho \"$?\" >").map(|(command, _)| command)
}

/// Whether a success of the command, at least, is always followed by what comes after it. A failure may break it off:
/// its status is that of the shell, which whoever waits for it writes into `rc`.
fn reaches_its_end(command: &str) -> bool {
    static BREAKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?-u:\b(?:exit|set|shopt|return|trap|exec|source|eval|alias|kill)\b)|<<|(?m-u:^\s*\.\s)|\$\{[^}]*\?").ok()
    });
    let open = command.trim_end().ends_with(['&', '|', '\\', '!']);
    // Without the pattern the safe form is taken.
    !open && BREAKS.as_ref().is_some_and(|breaks| !breaks.is_match(command))
}

/// Whether the command could end without running an EXIT trap set before it.
fn needs_own_shell(command: &str) -> bool {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u:\b(?:trap|exec|source|eval)\b)|(?m-u:^\s*\.\s)").ok());
    // Without the pattern the safe form is taken.
    WORDS.as_ref().is_none_or(|words| words.is_match(command))
}

/// The status in an `rc` file, `None` when it is absent, half written or no number.
pub fn read_rc(path: &Path) -> Option<i32> {
    // Whoever wrote it may be anybody: a pipe in its place would keep us waiting, and nobody needs a long one.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let mut text = String::new();
    file.take(MAX_RC_BYTES).read_to_string(&mut text).ok()?;
    text.strip_suffix('\n')?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run(command: &str) -> (Option<i32>, Option<i32>) {
        run_by("/bin/bash", command)
    }

    fn run_by(shell: &str, command: &str) -> (Option<i32>, Option<i32>) {
        let dir = tempfile::tempdir().unwrap();
        let rc = dir.path().join("it's rc");
        let script = dir.path().join("script");
        std::fs::write(&script, render(command, &rc)).unwrap();
        // Tests that run in the background may have been told to ignore it, and so would the shell.
        let status = Command::new("env").args(["--default-signal=INT", shell]).arg(&script).output().unwrap().status;
        (read_rc(&rc), status.code())
    }

    #[test]
    fn status_reaches_rc() {
        assert_eq!(run("true").0, Some(0));
        assert_eq!(run("false").0, Some(1));
        assert_eq!(run("echo 1; \\").0, Some(0));
        assert_eq!(run("false &&").1, Some(2));
        assert_eq!(run("true ||").0, Some(2));
        assert_eq!(run("exit 7").0, Some(7));
        assert_eq!(run("set -e\nfalse\necho not reached").0, Some(1));
        assert_eq!(run("set -u\necho $NOT_SET_ANYWHERE").0, Some(1));
        assert_eq!(run("").0, Some(0));
        assert_eq!(run("cd /; false").0, Some(1));
    }

    #[test]
    fn traps_exec_and_broken_syntax() {
        assert_eq!(run("trap 'echo bye' EXIT; exit 3").0, Some(3));
        assert_eq!(run("exec bash -c 'exit 4'").0, Some(4));
        assert_eq!(run("exec bash -c 'kill -TERM $$; sleep 1'").0, Some(143));
        assert_eq!(run("trap 'sleep 0.1; exit 5' TERM; kill -TERM $$ $BASHPID; sleep 2").0, Some(5));
        // Whoever waits for the shell writes its status down.
        assert_eq!(run("if [ x"), (None, Some(2)));
        assert_eq!(run("set -e; if [ x").0, Some(2));
        assert_eq!(run("sleep 0; exit 0; false").0, Some(0));
        assert_eq!(run("cat <<EOF\nnever closed").0, Some(0));
    }

    /// Images may have no bash.
    #[test]
    fn every_shell_runs_scripts() {
        for (command, status) in [
            ("true", 0),
            ("false", 1),
            ("exit 7", 7),
            ("set -e\nfalse\necho not reached", 1),
            ("trap 'echo bye' EXIT; exit 3", 3),
            ("exec sh -c 'exit 4'", 4),
            ("kill -TERM $$; sleep 1", 143),
            ("set -u; echo x\n", 0),
        ] {
            for shell in ["/bin/sh", "/bin/bash"] {
                assert_eq!(run_by(shell, command).0, Some(status), "{shell}: {command}");
            }
        }
    }

    #[test]
    fn a_signal_is_never_a_success() {
        assert_eq!(run("kill -TERM $$; sleep 1").0, Some(143));
        assert_eq!(run("kill -INT $$; sleep 1").0, Some(130));
        assert_eq!(run("kill -KILL $$; sleep 1").0, None);
    }

    #[test]
    fn commands_are_found_again() {
        for command in [
            "echo 1",
            "exit 3",
            "",
            "\n\n",
            "a \\\n\n",
            "\n  a\n\nb\n",
            "trap 'x' EXIT\necho 2\n",
            "cat <<EOF\n)\necho \"$?\" >x\nEOF\nexec true",
        ] {
            assert_eq!(command_in(&render(command, Path::new("/x/rc"))), Some(command));
        }
        assert_eq!(command_in("#!/bin/sh\necho"), None);
    }

    #[test]
    fn half_written_rc_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let rc = dir.path().join("rc");
        assert_eq!(read_rc(&rc), None);
        std::fs::write(&rc, "1").unwrap();
        assert_eq!(read_rc(&rc), None);
        std::fs::write(&rc, "12\n").unwrap();
        assert_eq!(read_rc(&rc), Some(12));
    }

    #[test]
    fn something_else_in_its_place_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let rc = dir.path().join("rc");
        assert!(Command::new("mkfifo").arg(&rc).status().unwrap().success());
        assert_eq!(read_rc(&rc), None);
        std::fs::remove_file(&rc).unwrap();
        std::fs::write(&rc, "1".repeat(1000) + "\n").unwrap();
        assert_eq!(read_rc(&rc), None);
    }
}
