//! The floor: what tasks cost when nothing but their processes, folders and files is made.
//!
//! `floor scatter N K [DIR]` runs N tasks, K at a time; `floor chain N [DIR]` one after the other; `floor files N K
//! [DIR]` gives each a linked input of 1 MB that it copies. Prints wall time and CPU time (of itself and its
//! children) in milliseconds. Everything is made in a new folder in DIR and removed after the clock has stopped.
#![expect(clippy::disallowed_methods, reason = "starting processes is what is measured")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is the result")]

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Kernel clock ticks in a second, as `/proc` counts them on every Linux architecture we run on.
const TICKS: u64 = 100;
const INPUT_BYTES: usize = 1_000_000;

const HELLO: &str = "#!/bin/bash\necho hi\necho $? > rc\n";
const COPY: &str = "#!/bin/bash\ncp ../inputs/in.bin out.bin\necho $? > rc\n";

struct Plan {
    tasks: usize,
    at_once: usize,
    copies: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((plan, rest)) = plan_of(&words) else {
        eprintln!("usage: floor scatter N K [DIR] | chain N [DIR] | files N K [DIR]");
        return ExitCode::from(2);
    };
    let parent = rest.map_or_else(std::env::temp_dir, Into::into);
    let dir = parent.join(format!("floor-{}", std::process::id()));
    let outcome = measure(&plan, &dir);
    let _ = fs::remove_dir_all(&dir);
    match outcome {
        Ok((wall, cpu)) => {
            println!("{wall:.1} {cpu}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan_of(words: &[String]) -> Option<(Plan, Option<&String>)> {
    let number = |n: usize| words.get(n)?.parse().ok().filter(|n| *n > 0);
    match words.first()?.as_str() {
        "scatter" => Some((Plan { tasks: number(1)?, at_once: number(2)?, copies: false }, words.get(3))),
        "chain" => Some((Plan { tasks: number(1)?, at_once: 1, copies: false }, words.get(2))),
        "files" => Some((Plan { tasks: number(1)?, at_once: number(2)?, copies: true }, words.get(3))),
        _ => None,
    }
}

/// Wall and CPU time in milliseconds.
fn measure(plan: &Plan, dir: &Path) -> io::Result<(f64, u64)> {
    fs::create_dir_all(dir)?;
    let input = dir.join("in.bin");
    if plan.copies {
        fs::write(&input, vec![b'x'; INPUT_BYTES])?;
    }
    let (begun, used) = (Instant::now(), cpu_ms()?);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.at_once)
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    loop {
                        let task = next.fetch_add(1, Ordering::Relaxed);
                        if task >= plan.tasks {
                            return Ok(());
                        }
                        run_task(&dir.join(format!("call-t-{task}")), plan.copies.then_some(&input))?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked"))))
    })?;
    Ok((begun.elapsed().as_secs_f64() * 1e3, cpu_ms()? - used))
}

fn run_task(call: &Path, input: Option<&std::path::PathBuf>) -> io::Result<()> {
    let execution = call.join("execution");
    fs::create_dir(call)?;
    fs::create_dir(&execution)?;
    if let Some(input) = input {
        fs::create_dir(call.join("inputs"))?;
        fs::hard_link(input, call.join("inputs/in.bin"))?;
    }
    fs::write(execution.join("script"), if input.is_some() { COPY } else { HELLO })?;
    // An absolute path, no code between fork and exec: the standard library then uses posix_spawn.
    let status = Command::new("/bin/bash")
        .arg("script")
        .current_dir(&execution)
        .stdin(Stdio::null())
        .stdout(File::create(execution.join("stdout"))?)
        .stderr(File::create(execution.join("stderr"))?)
        .process_group(0)
        .status()?;
    let code = fs::read_to_string(execution.join("rc"))?;
    if status.success() && code.trim() == "0" { Ok(()) } else { Err(io::Error::other(format!("a task ended with {status}, rc {code}"))) }
}

/// User and system time of this process and of its children that ended.
fn cpu_ms() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The program's name, in parentheses, may hold anything; the numbers follow it.
    let numbers = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = numbers.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<u64>().ok()).sum();
    Ok(ticks * 1000 / TICKS)
}
