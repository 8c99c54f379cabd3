//! What a node runs once, before its first instance.

use std::{fs, time::Duration};

use batchyard_runner::{Control, Exit, Job, Launch, LocalRunner, Trace, script, trace};

use super::{Attempt, PlaceError, WORK, clear, world::World};

/// Longest run.
const LIMIT: Duration = Duration::from_secs(3600);

/// Runs the bootstrap command of the attempt's node unless the node has run it. One that failed is run again for the next
/// instance.
pub fn run(attempt: &Attempt) -> Result<(), PlaceError> {
    let seat = &attempt.seat;
    if seat.bootstrap.is_empty() {
        return Ok(());
    }
    let dir = attempt.surroundings.nodes.join(&seat.node);
    // Nobody else does this for the node: it has one instance at a time.
    if script::read_rc(&dir.join("rc")) == Some(0) {
        return Ok(());
    }
    // An earlier server may have been killed while it ran.
    let under_way = trace(&dir) == Trace::Running;
    if !under_way {
        clear(&dir)?;
    }
    let work = dir.join(WORK);
    let made = fs::create_dir_all(&work).and_then(|()| attempt.user.as_ref().map_or(Ok(()), |user| user.give_with(&work, 0o700)));
    made.map_err(|source| PlaceError::File { what: format!("make `{}`", work.display()), source })?;
    let job = Job {
        call_dir: dir.clone(),
        execution_dir: dir.clone(),
        command: format!("cd {WORK}\n{}", seat.bootstrap),
        env: attempt.environment(&World::Machine),
        clean_env: true,
        path_prefix: Vec::new(),
        volumes: Vec::new(),
        root: None,
        shell: batchyard_runner::Shell::Bash,
        container: None,
        launch: Launch::Own,
        cores: 0.0,
        memory_mib: 0,
        time_limit: Some(LIMIT),
        grace: attempt.surroundings.grace,
        user: attempt.user.clone(),
        may_have_started: under_way,
    };
    let outcome = LocalRunner.run(&job, &Control::new(format!("bootstrap/{}", seat.node)));
    let failed =
        |what: String| PlaceError::Impossible(format!("the bootstrap command of node `{}` {what}; see `{}`", seat.node, dir.display()));
    match outcome.map_err(|error| failed(error.to_string()))?.exit {
        Exit::Code(0) => Ok(()),
        exit => Err(failed(format!("ended with {}", exit.number()))),
    }
}
