//! Workflows that a Cromwell has carried out, taken over from its tables as runs of ours.
//!
//! [`take_over`] goes through all of them, the latest first. [`fold`] makes one object of the events of a workflow or an attempt, [`run`] and
//! [`call`] make records of it. What no record has a place for is kept in the words of the original (`told`), so that views
//! show it unchanged. Nothing is written into those tables, and no result is taken for a call of ours.

mod call;
mod fold;
mod run;

use std::collections::HashSet;

use batchyard_model::{RunId, RunState};
use batchyard_store::{Foreign, ForeignWorkflow, Long, Parentage, RunFilter, Store, StoreError, Write};

pub use self::fold::Broken;

/// Workflows that are looked at together.
const PAGE: u32 = 200;
/// Attempts that are written together.
const CALLS: usize = 100;
/// Longest name of a workflow or call in our tables, in characters.
const MAX_NAME: usize = 191;

/// What became of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a run now, with so many attempts of calls.
    Taken {
        /// Attempts.
        calls: u64,
    },
    /// It was one before.
    Known,
    /// Cromwell has archived its metadata and deleted them: there is nothing to make a run of.
    Archived,
    /// It has not ended and was left alone.
    Unended {
        /// Its id.
        id: String,
        /// Its state in the words of the original, if it has one.
        status: String,
    },
    /// It cannot become one.
    Failed {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
}

/// Why a workflow is not taken over.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Where workflows are taken from and where they go.
struct Way<'w> {
    store: &'w Store,
    foreign: &'w mut Foreign,
    long: Long,
}

/// Takes over every workflow that has ended and is no run yet, each as a whole or not at all, and tells what became of each.
///
/// # Errors
/// What kept a database from answering. Those told as taken stay; to call it again goes on.
pub fn take_over(store: &Store, foreign: &mut Foreign, mut tell: impl FnMut(Outcome)) -> Result<(), StoreError> {
    let mut way = Way { store, foreign, long: store.long() };
    let mut before = i64::MAX;
    loop {
        let page = way.foreign.list_workflows(before, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        before = last.entry;
        let known = known(store, &page)?;
        for workflow in page {
            tell(way.look_at(workflow, &known)?);
        }
    }
}

/// The ids of those workflows that are runs.
fn known(store: &Store, page: &[ForeignWorkflow]) -> Result<HashSet<RunId>, StoreError> {
    let ids: Vec<RunId> = page.iter().filter_map(|workflow| workflow.id.parse().ok()).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let found = store.list_runs(&RunFilter { ids, parent: Parentage::Any, limit: PAGE, ..RunFilter::default() })?;
    Ok(found.into_iter().map(|run| run.id).collect())
}

impl Way<'_> {
    fn look_at(&mut self, workflow: ForeignWorkflow, known: &HashSet<RunId>) -> Result<Outcome, StoreError> {
        let Ok(id) = workflow.id.parse::<RunId>() else {
            return Ok(Outcome::Failed { id: workflow.id, reason: "its id is no UUID".into() });
        };
        if known.contains(&id) {
            return Ok(Outcome::Known);
        }
        if workflow.is_deleted {
            return Ok(Outcome::Archived);
        }
        let state = workflow.status.as_deref().and_then(|status| status.parse().ok()).filter(|state: &RunState| state.is_terminal());
        let Some(state) = state else {
            return Ok(Outcome::Unended { id: workflow.id, status: workflow.status.unwrap_or_default() });
        };
        let mut calls = 0;
        let error = match self.take(&workflow, id, state, &mut calls) {
            Ok(()) => return Ok(Outcome::Taken { calls }),
            // Somebody else takes over, too.
            Err(Trouble::Store(StoreError::Exists { .. })) => return Ok(Outcome::Known),
            Err(trouble @ (Trouble::Broken(_) | Trouble::Store(StoreError::Refused { .. }))) => {
                return Ok(Outcome::Failed { id: workflow.id, reason: trouble.to_string() });
            }
            Err(Trouble::Store(error)) => error,
        };
        if !error.is_temporary() || self.foreign.has_tables().is_err() {
            return Err(error);
        }
        match self.store.load_run(id) {
            // Only the answer was lost.
            Ok(Some(_)) => Ok(Outcome::Taken { calls }),
            // It may be this one that the database cannot bear: a text that is longer than its packets ends the connection.
            Ok(None) => Ok(Outcome::Failed { id: workflow.id, reason: error.to_string() }),
            Err(_) => Err(error),
        }
    }

    /// Takes one over; counts its attempts.
    fn take(&mut self, workflow: &ForeignWorkflow, id: RunId, state: RunState, calls: &mut u64) -> Result<(), Trouble> {
        let events = self.foreign.list_events(&workflow.id)?;
        let labels = self.foreign.list_labels(&workflow.id)?;
        let run::Converted { record, mut texts, labels } = run::convert(workflow, id, state, events, labels)?;
        let name = record.name.clone();
        self.long.together(|part| {
            texts.push(Write::InsertRun(record));
            part.write(texts)?;
            let mut waiting = Vec::new();
            self.foreign.scan_calls(&workflow.id, |call| -> Result<(), Trouble> {
                waiting.append(&mut call::convert(id, &name, state, call)?);
                *calls += 1;
                if waiting.len() >= CALLS {
                    part.write(std::mem::take(&mut waiting))?;
                }
                Ok(())
            })?;
            waiting.push(Write::PutLabels { run: id, labels });
            Ok(part.write(waiting)?)
        })
    }
}
