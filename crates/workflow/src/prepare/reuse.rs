//! Earlier results: which there are for a call, and whether one can be taken.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use batchyard_model::{CallId, CallState, RunId};
use batchyard_runner::stage::{self, Strategy};
use batchyard_store::{CallRecord, Parentage, RunFilter, Write};
use batchyard_wdl::inputs;
use indexmap::IndexMap;

use super::{Hit, Outputs, Preparation, Prepared, Shared, guarded, record_maker, run_of_maker};
use crate::{
    clock::Clock,
    documents::{EndDoc, Failure},
    stamps::{stamp, stamp_of},
};

/// How files of earlier results are put in place unless a provider says otherwise.
const LINK: &[Strategy] = &[Strategy::HardLink];
/// Most results that are tried for one call, whatever the settings allow.
const MOST_TRIES: u32 = 20;
/// Runs whose top-level run is remembered.
const MOST_ROOTS: usize = 10_000;

impl Shared {
    /// Gives each call an earlier result that it can take.
    pub(super) fn look_up(&self, ready: &mut [(Preparation, Result<Prepared, Failure>)]) {
        let keyed = ready.iter_mut().filter_map(|(preparation, result)| {
            let key = key_of(preparation, result)?;
            // Before the store is asked: what is written meanwhile is not in this list any more.
            let unwritten = preparation.context.unwritten.find(&key);
            Some((key, unwritten, preparation, result.as_mut().ok()?))
        });
        let keyed: Vec<_> = keyed.collect();
        let keys: Vec<String> = keyed.iter().map(|(key, ..)| key.clone()).collect();
        if keys.is_empty() {
            return;
        }
        // Without an answer the calls are simply run.
        let Ok(stored) = self.store.find_cached(&keys) else { return };
        for ((key, unwritten, preparation, prepared), stored) in keyed.into_iter().zip(stored) {
            if let Some(newest) = unwritten.or(stored) {
                let strategies = prepared.place.site.as_ref().map_or(LINK, |site| site.provider().duplication());
                prepared.hit = guarded(|| Ok(self.first_usable(preparation, &key, &newest, strategies))).ok().flatten();
            }
        }
    }

    /// The result of the same call in the run of the newest one, or else the newest that can be taken, if one of the first few can.
    fn first_usable(&self, preparation: &Preparation, key: &str, newest: &CallRecord, strategies: &[Strategy]) -> Option<Hit> {
        let own = self.of_same_call(preparation, key, newest);
        if let Some(hit) = own.iter().chain([newest]).find_map(|record| self.reuse(preparation, record, strategies)) {
            return Some(hit);
        }
        let tries = preparation.context.settings.limits.result_tries.min(MOST_TRIES);
        // The newest is among them, where it is stored already.
        let older = self.store.list_cached(key, tries).unwrap_or_default();
        let others = older.iter().filter(|record| record.id != newest.id).take(tries.saturating_sub(1) as usize);
        others.into_iter().find_map(|record| self.reuse(preparation, record, strategies))
    }

    /// The result that the same call has in the workflow that the newest result is from, or that made it. Of equal calls of one
    /// workflow and its sub-workflows each takes its own: what follows from it is known by the execution that made it.
    fn of_same_call(&self, preparation: &Preparation, key: &str, newest: &CallRecord) -> Option<CallRecord> {
        let CallId { run, call, shard, .. } = &preparation.id;
        let has_name = (&newest.id.call, &newest.id.shard) == (call, shard);
        if has_name && newest.id.run != *run && preparation.lineage.is_none() {
            return None;
        }
        // The run at the place of this one in the workflow that an earlier run belongs to.
        let like_this = |earlier: RunId| {
            let root = self.root_of(earlier)?;
            Some(preparation.lineage.as_ref().map_or(root, |lineage| lineage.below(root))).filter(|found| found != run)
        };
        let in_run = |earlier: RunId| {
            // Without an answer the newest does as well.
            let record = self.store.latest_attempt(earlier, call, shard).ok()??;
            let is_one = record.reusable && record.state == CallState::Done && record.cache_key.as_deref() == Some(key);
            is_one.then_some(record)
        };
        let of_newest = like_this(newest.id.run);
        if has_name && of_newest == Some(newest.id.run) {
            return None;
        }
        of_newest.and_then(in_run).or_else(|| {
            let end: EndDoc = serde_json::from_str(newest.end_doc.as_deref()?).ok()?;
            like_this(run_of_maker(&end.maker)?).filter(|of_maker| of_newest != Some(*of_maker)).and_then(in_run)
        })
    }

    /// The top-level run that a run belongs to, which never changes.
    fn root_of(&self, run: RunId) -> Option<RunId> {
        let roots = || self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = roots().get(&run) {
            return Some(*root);
        }
        let filter = RunFilter { ids: vec![run], parent: Parentage::Any, limit: 1, ..RunFilter::default() };
        let root = self.store.list_runs(&filter).ok()?.pop()?.root.unwrap_or(run);
        let mut roots = roots();
        if roots.len() >= MOST_ROOTS {
            roots.clear();
        }
        roots.insert(run, root);
        Some(root)
    }

    /// Takes the outputs of an earlier call, if all its files are still what it left.
    fn reuse(&self, preparation: &Preparation, record: &CallRecord, strategies: &[Strategy]) -> Option<Hit> {
        let outputs = Outputs::read(
            &preparation.module,
            &preparation.task,
            record,
            preparation.context.settings.dialect_of(preparation.module.document.version),
        )?;
        let prefixes = preparation.context.settings.cache_prefixes.as_ref();
        if prefixes.is_some_and(|prefixes| !prefixes.iter().any(|prefix| outputs.dir.starts_with(prefix.as_str()))) {
            return None;
        }
        let age = preparation.context.settings.limits.result_age.and_then(|age| i64::try_from(age.as_millis()).ok());
        if age.is_some_and(|age| record.ended_ms.unwrap_or(0) < Clock::start().now_ms().saturating_sub(age)) {
            return None;
        }
        // Directories without files have no stamps.
        let mut complete = true;
        outputs
            .values
            .values()
            .for_each(|value| inputs::files(value, &mut |path, directory| complete &= !directory || Path::new(&**path).is_dir()));
        if !complete || !outputs.end.files.iter().all(|(path, stamp)| stamp_of(path) == Some(*stamp)) {
            if preparation.context.settings.forget_bad_results {
                // The next call of this kind need not try again.
                self.store.write_then(vec![Write::ForgetCache { id: record.id.clone() }], drop);
            }
            return None;
        }
        let from = format!("{} of run {}", record.id, record.id.run);
        let target = preparation.call_dir.join("cacheCopy");
        let mut files = IndexMap::new();
        let mapped = outputs.values.into_iter().map(|(name, value)| {
            let value = inputs::map_files(&value, &mut |path: &Arc<str>, directory| {
                let path = link(Path::new(&outputs.dir), path, &target, strategies).unwrap_or_else(|| Arc::clone(path));
                stamp(&path, directory, &mut files);
                Ok::<_, std::convert::Infallible>(Some(path))
            });
            (
                name,
                match value {
                    Ok(value) => value,
                    Err(never) => match never {},
                },
            )
        });
        let outputs_now = mapped.collect();
        let maker = if outputs.end.maker.is_empty() { record_maker(&record.id) } else { outputs.end.maker };
        // Of a chain of reused results only the first has a command that wrote something.
        let dir = outputs.end.reused_dir.unwrap_or(outputs.dir);
        Some(Hit { from, dir, outputs: outputs_now, maker, exit_code: record.exit_code, files })
    }
}

/// The key to look up for a call, if it may take an earlier result.
fn key_of(preparation: &Preparation, result: &Result<Prepared, Failure>) -> Option<String> {
    let identity = result.as_ref().ok()?.identity.as_ref()?;
    preparation.context.settings.read_cache.then(|| identity.key.clone())
}

/// Links a file or tree of an earlier call into this one; `None` when it lies elsewhere or cannot be linked.
fn link(old_dir: &Path, path: &str, target: &Path, strategies: &[Strategy]) -> Option<Arc<str>> {
    let below = Path::new(path).strip_prefix(old_dir).ok()?;
    let to = target.join(below.strip_prefix("cacheCopy").unwrap_or(below));
    stage::place(Path::new(path), &to, strategies, false).ok()?;
    Some(to.to_string_lossy().into())
}
