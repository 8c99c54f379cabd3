//! Printing what is added to logs until the job ends.

use std::{collections::BTreeMap, thread, time::Duration};

use super::{
    follow::{ended, is_over, is_passing},
    log::{Wanted, heading, kind},
};
use crate::{failure::Failure, reply::Reply, session::Session};

/// Most bytes of one log that are printed at once.
const PIECE: u64 = 1 << 20;
/// Looks that may fail in a row before we give up.
const PATIENCE: u32 = 30;

/// Prints logs as they grow. The exit status tells how the job ended.
///
/// # Errors
///
/// [`Failure::Ended`] for a job that does not finish; the service's and the store's when they stay away.
pub(super) fn follow(session: &mut Session, wanted: &Wanted, interval: Duration) -> Result<(), Failure> {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = String::new();
    let mut missed = 0;
    loop {
        // The state is asked for before the logs: after the end they are complete.
        let state = session.service()?.get(&["jobs", &wanted.id], &[]).map(|job| job.text("State"));
        let looked = state.and_then(|state| look(session, wanted, &mut seen, &mut last).map(|more| (state, more)));
        match looked {
            Ok((state, false)) if is_over(&state) => return ended(&wanted.id, &state),
            Ok((_, true)) => {
                missed = 0;
                continue;
            }
            Ok((_, false)) => missed = 0,
            Err(failure) if missed < PATIENCE && is_passing(&failure) => missed += 1,
            Err(failure) => return Err(failure),
        }
        thread::sleep(interval);
    }
}

/// Prints what is new; whether there is more of it already.
fn look(session: &mut Session, wanted: &Wanted, seen: &mut BTreeMap<String, u64>, last: &mut String) -> Result<bool, Failure> {
    let store = session.store()?;
    let mut more = false;
    for log in wanted.instances(session)? {
        for path in &log.paths {
            let place = session.location(path)?;
            let size = match store.head(&place) {
                Ok(head) => head.size,
                Err(failure) if failure.is_missing_object() => continue,
                Err(failure) => return Err(failure),
            };
            let from = seen.get(path).copied().unwrap_or(0);
            // A log that shrank belongs to a new attempt.
            let from = if size < from { 0 } else { from };
            if size == from {
                continue;
            }
            let bytes = store.read(&place, Some((from, Some((from + PIECE).min(size) - 1))))?;
            if last != path {
                let heading = heading(session, kind(path), &log);
                session.terminal.line(heading)?;
                path.clone_into(last);
            }
            session.terminal.bytes(&bytes)?;
            session.terminal.flush()?;
            let to = from + bytes.len() as u64;
            more |= to < size && !bytes.is_empty();
            seen.insert(path.clone(), to);
        }
    }
    Ok(more)
}
