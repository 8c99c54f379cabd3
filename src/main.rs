//! The one binary: command line, configuration and wiring. Everything it can do is in the crates.

mod cli;
mod config;
mod files;
mod memory;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = cli::bcs::called() {
        return code;
    }
    // The way into a task's root: nothing else may have happened in the process before.
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(cli::exec_root::WORD) => return cli::exec_root::exec_root(&words.collect::<Vec<_>>()),
        Some(cli::provider_job::WORD) => return cli::provider_job::provider_job(&words.collect::<Vec<_>>()),
        _ => {}
    }
    // Documents nest as deep as the limits of the language allow, so the work is done on a thread with the stack for it;
    // only what is touched of it becomes resident.
    let work = std::thread::Builder::new().name("main".into()).stack_size(batchyard_wdl::limits::STACK_BYTES).spawn(cli::main);
    match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The panic's message has been printed by its hook.
        Ok(Err(_)) => ExitCode::from(cli::EXIT_INTERNAL),
        Err(error) => {
            cli::complain(&format!("cannot start: {error}"), None);
            ExitCode::from(cli::EXIT_INTERNAL)
        }
    }
}
