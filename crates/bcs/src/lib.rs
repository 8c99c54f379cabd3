//! The command line of BatchCompute: `bcs`, `batchcompute` and `bcsgen`.
//!
//! Commands, options, tables, files and exit behaviour are those of the original client, release 1.7.7, less its mistakes.
//! `grammar` says what can be asked, `catalogue` is the table of it, `commands` do it; `api` and `oss` speak to the service and
//! the object store; `render` and `notation` are pure. Start reading at [`run`].
//!
//! Never here: asynchronous code, anything that the server side needs, printing other than through [`terminal`].

pub mod api;
pub mod cache;
pub mod catalogue;
pub mod commands;
pub mod config;
pub mod description;
pub mod failure;
pub mod grammar;
pub mod ini;
pub mod job_file;
pub mod notation;
pub mod oss;
pub mod render;
pub mod reply;
pub mod session;
pub mod sign;
pub mod templates;
pub mod terminal;

use catalogue::TOP;
use failure::Failure;
use grammar::{
    help,
    parse::{self, Wish},
};
use session::{Session, Surroundings};
use terminal::Terminal;

/// The names under which the program is called.
pub const NAMES: [&str; 3] = ["bcs", "batchcompute", "bcsgen"];
/// A command that failed.
const EXIT_FAILED: u8 = 1;

/// Carries out a command line of this process; `name` is one of [`NAMES`], `words` what follows it. The answer is the exit status.
pub fn main(name: &str, words: Vec<String>) -> u8 {
    match Surroundings::of_process() {
        Ok(surroundings) => run(name, words, surroundings),
        Err(failure) => {
            let mut terminal = Terminal::standard(&|_| None);
            // Nothing can be done about a closed terminal.
            let _ = complain(&mut terminal, &failure).and_then(|()| terminal.flush());
            EXIT_FAILED
        }
    }
}

/// Carries out a command line in given surroundings.
pub fn run(name: &str, mut words: Vec<String>, surroundings: Surroundings) -> u8 {
    if name == "bcsgen" {
        words.insert(0, "gen".to_owned());
    }
    // The original always answers 0.
    let failed = if surroundings.variables.get("BCS_COMPAT_EXIT").is_some_and(|v| v == "1") { 0 } else { EXIT_FAILED };
    let mut session = match Session::open(surroundings) {
        Ok(session) => session,
        Err((failure, mut terminal)) => {
            let _ = complain(&mut terminal, &failure).and_then(|()| terminal.flush());
            return failed;
        }
    };
    let done = carry_out(&mut session, &words).and_then(|()| session.terminal.flush());
    match done {
        Ok(()) => 0,
        // Who closed the pipe has read enough.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(Failure::Ended(_)) => {
            let _ = session.terminal.flush();
            failed
        }
        Err(failure) => {
            let _ = complain(&mut session.terminal, &failure).and_then(|()| session.terminal.flush());
            failed
        }
    }
}

fn carry_out(session: &mut Session, words: &[String]) -> Result<(), Failure> {
    let look = session.look();
    match words.first().map(String::as_str) {
        None | Some("-h" | "--help" | "help") => return session.terminal.bytes(help::program(&TOP, look).as_bytes()),
        Some("-V" | "--version") => return session.terminal.bytes(help::version(look.paint).as_bytes()),
        Some(_) => {}
    }
    let (command, used) = parse::choose(&TOP, words);
    if used == 0 {
        session.terminal.bytes(help::program(&TOP, look).as_bytes())?;
        return Err(Failure::told(format!("unknown command `{}`", words.first().map_or("", String::as_str))));
    }
    let (path, rest) = words.split_at(used);
    let parents = path.split_last().map(|(_, before)| before.join(" ")).unwrap_or_default();
    let described = commands::asub::described(session, command, rest)?;
    let more: Vec<_> = described.iter().map(commands::asub::Described::flag).collect();
    match parse::parse(command, &more, rest)? {
        Wish::Help => session.terminal.bytes(help::command(command, &parents, &more, look).as_bytes()),
        Wish::Run(_) if !command.commands.is_empty() => {
            session.terminal.bytes(help::command(command, &parents, &more, look).as_bytes())?;
            match rest.first() {
                Some(word) => Err(Failure::told(format!("unknown command `{} {word}`", path.join(" ")))),
                None => Ok(()),
            }
        }
        Wish::Run(arguments) => {
            session.take_common(&arguments);
            (command.run)(session, &arguments)
        }
    }
}

fn complain(terminal: &mut Terminal, failure: &Failure) -> Result<(), Failure> {
    let text = terminal.paint.red(&format!("\n  ERROR: {failure}\n"));
    terminal.line(text)?;
    if matches!(failure, Failure::Argument(_)) {
        let hint = terminal.paint.red("  add \"-h\" for more information\n");
        terminal.line(hint)?;
    }
    Ok(())
}
