//! Who works on a run: engines by their process, and what a dead one has left behind.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use batchyard_model::{CallId, CallState, RunId, RunState};
use batchyard_runner::{
    container::Engine,
    dispatch::end_left_behind,
    local::{abandon, remove_container},
    tree,
};
use batchyard_store::{CallEnd, RunMove, Store, StoreError, Write};
use rustix::process::{Pid, Signal};

use crate::{
    clock::Clock,
    documents::{EndDoc, Failure, RunResultDoc, to_text},
};

/// How often processes are killed at most, and the pause in between.
const KILLS: u32 = 50;
const KILL_PAUSE: Duration = Duration::from_millis(10);
/// States of a run that has not ended.
const UNFINISHED: [RunState; 3] = [RunState::Submitted, RunState::Running, RunState::Aborting];
/// Time between the polite signal and the hard one for tasks of a dead engine.
const ORPHAN_GRACE: Duration = Duration::from_millis(500);

/// Text that names this process in the store: pid, its start time, host.
pub fn owner() -> String {
    static OWNER: OnceLock<String> = OnceLock::new();
    let name = || {
        let pid = std::process::id();
        format!("{pid}:{}:{}", start_time(pid).unwrap_or(0), host_name())
    };
    OWNER.get_or_init(name).clone()
}

/// Start time of a living process in clock ticks since boot; with the pid it names a process for good.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has ended; only its parent has not looked yet.
    let living = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| living)?.parse().ok()
}

/// Name of this machine.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Who holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody, or a process that is gone.
    Nobody,
    /// This living process of this machine.
    Process(Pid),
    /// A process of another machine; whether it lives cannot be seen from here.
    OtherMachine,
}

/// Who holds a run that names this owner.
pub fn holder(owner: Option<&str>) -> Holder {
    let parsed = owner.and_then(|text| {
        let mut parts = text.splitn(3, ':');
        Some((parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u64>().ok()?, parts.next()?))
    });
    match parsed {
        Some((_, _, host)) if host != host_name() => Holder::OtherMachine,
        Some((pid, started, _)) if start_time(pid) == Some(started) => {
            i32::try_from(pid).ok().and_then(Pid::from_raw).map_or(Holder::Nobody, Holder::Process)
        }
        _ => Holder::Nobody,
    }
}

/// A run and the runs of its sub-workflows, outermost first.
///
/// # Errors
/// What kept the database from answering.
pub fn family(store: &Store, run: RunId) -> Result<Vec<RunId>, StoreError> {
    let mut found = vec![run];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = store.list_child_runs(parent)?;
        // A run cannot be its own ancestor, but a loop here would never end.
        let new: Vec<RunId> = children.iter().map(|child| child.id).filter(|id| !found.contains(id)).collect();
        found.extend(new);
        next += 1;
    }
    Ok(found)
}

/// Ends what a dead engine left running and records the run as aborted, together with `also`. Returns the number of tasks ended.
///
/// # Errors
/// What kept the store from answering or recording.
pub fn end_orphans(store: &Store, run: RunId, engine: Option<&Engine>, also: Vec<Write>) -> Result<usize, StoreError> {
    let end = |at_ms| RunMove { owner: Some(None), ..RunMove::new(run, UNFINISHED.to_vec(), RunState::Aborted, at_ms) };
    end_left(store, run, engine, end, also)
}

/// Ends what is left running of a run that cannot be carried out any more, and records the run as failed with this result, if
/// this process still holds it, together with further writes. Returns the number of tasks ended.
///
/// # Errors
/// What kept the store from answering or recording; a conflict where the run has ended otherwise or has another holder.
pub fn fail_orphans(
    store: &Store,
    run: RunId,
    engine: Option<&Engine>,
    result: &RunResultDoc,
    also: Vec<Write>,
) -> Result<usize, StoreError> {
    end_left(store, run, engine, |at_ms| failed(run, result, at_ms), also)
}

/// The end of a run of this process that cannot be carried out.
pub fn failed(run: RunId, result: &RunResultDoc, at_ms: i64) -> RunMove {
    RunMove {
        held_by: Some(Some(owner())),
        owner: Some(None),
        result: Some(to_text(result)),
        ..RunMove::new(run, UNFINISHED.to_vec(), RunState::Failed, at_ms)
    }
}

/// Ends tasks that nobody waits for, records their calls as aborted, and then how the run has ended.
fn end_left(
    store: &Store,
    run: RunId,
    engine: Option<&Engine>,
    end: impl FnOnce(i64) -> RunMove,
    also: Vec<Write>,
) -> Result<usize, StoreError> {
    // The engine may have died before it could record what it had started: the processes themselves are asked.
    let living = tree::markers_below(&format!("{run}/"));
    let family = family(store, run)?;
    let jobs = store.load_run(run)?.map_or(0, |record| end_jobs(Path::new(&record.dir)));
    let open = open_calls(store, &family)?;
    let mut markers: BTreeSet<String> = living.iter().cloned().collect();
    markers.extend(open.iter().map(|call| format!("{run}/{}/{call}", call.run)));
    end_marked(run, &markers, engine);
    let at_ms = Clock::start().now_ms();
    close(store, &family, open, at_ms);
    store.write([Write::MoveRun(end(at_ms))].into_iter().chain(also).collect()).wait()?;
    Ok(living.len() + jobs)
}

/// Records calls and sub-workflows of a run that has ended as aborted, as far as they have not ended.
///
/// # Errors
/// What kept the store from answering.
pub fn close_records(store: &Store, run: RunId) -> Result<(), StoreError> {
    let family = family(store, run)?;
    let open = open_calls(store, &family)?;
    close(store, &family, open, Clock::start().now_ms());
    Ok(())
}

fn close(store: &Store, family: &[RunId], open: Vec<CallId>, at_ms: i64) {
    // What has ended already stays as it is; the conflict is no news.
    open.into_iter().for_each(|call| store.write_then(vec![aborted(call, at_ms)], drop));
    for member in family.iter().skip(1) {
        store.write_then(vec![Write::MoveRun(RunMove::new(*member, UNFINISHED.to_vec(), RunState::Aborted, at_ms))], drop);
    }
}

/// Ends the tasks of these runs on this machine, and lets them leave nothing, not even a status: whoever has taken the runs over
/// starts them again. This process starts nothing more. Jobs of schedulers go on.
pub fn end_tasks(runs: &[RunId], engine: Option<&Engine>) {
    abandon();
    for _ in 0..KILLS {
        let markers: Vec<String> = runs.iter().flat_map(|run| tree::markers_below(&format!("{run}/"))).collect();
        // All stand still before any dies: a script whose command was killed would write down how that ended. Once more for
        // what was started meanwhile.
        for marker in markers.iter().chain(&markers) {
            tree::signal(None, marker, Signal::STOP);
        }
        for marker in &markers {
            if let Some(engine) = engine {
                remove_container(engine, marker);
            }
            tree::signal(None, marker, Signal::KILL);
        }
        if markers.is_empty() {
            return;
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

/// Ends processes and containers of these attempts, politely first.
fn end_marked(run: RunId, markers: &BTreeSet<String>, engine: Option<&Engine>) {
    for marker in markers {
        if let Some(engine) = engine {
            remove_container(engine, marker);
        }
        tree::signal(None, marker, Signal::TERM);
    }
    let deadline = Instant::now() + ORPHAN_GRACE;
    while Instant::now() < deadline && !tree::markers_below(&format!("{run}/")).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..KILLS {
        // A process may fork while it is looked for; SIGKILL cannot be refused.
        let left: usize = markers.iter().map(|marker| tree::signal(None, marker, Signal::KILL)).sum();
        if left == 0 {
            break;
        }
        std::thread::sleep(KILL_PAUSE);
    }
}

/// Calls of these runs that have not ended, as far as is recorded.
fn open_calls(store: &Store, runs: &[RunId]) -> Result<Vec<CallId>, StoreError> {
    let mut open = Vec::new();
    for run in runs {
        let calls = store.list_call_summaries(*run)?;
        open.extend(calls.into_iter().filter(|call| !call.state.is_terminal()).map(|call| call.id));
    }
    Ok(open)
}

/// The record of a call that was ended without its engine.
fn aborted(call: CallId, at_ms: i64) -> Write {
    let failure = Failure { call: Some(call.to_string()), ..Failure::new(format!("job {call} was aborted")) };
    let end_doc = to_text(&EndDoc { failure: Some(failure), ..EndDoc::default() });
    Write::EndCall(CallEnd { id: call, state: CallState::Aborted, at_ms, exit_code: None, reusable: false, end_doc })
}

/// Ends the jobs of schedulers below a run's directory by the commands beside their scripts.
fn end_jobs(dir: &Path) -> usize {
    // A run without a directory has no jobs; what cannot be ended is noticed by who looks at the scheduler.
    if dir.as_os_str().is_empty() { 0 } else { end_left_behind(dir).unwrap_or(0) }
}
