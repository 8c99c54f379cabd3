//! The end of a run: outputs, state, record.

use std::{
    cell::RefCell,
    collections::HashSet,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_crash as crash;
use batchyard_model::{CallState, RunId, RunState};
use batchyard_store::{CallEnd, RunMove, StoreError, Write};
use batchyard_wdl::{
    ast::{Decl, LegacyOutput},
    coerce,
    eval::{Evaluator, Scope},
    json,
    value::{Value, text_bytes},
    version::Version,
};
use indexmap::IndexMap;

use super::{Engine, Finished, RunContext, Stop, Waiter};
use crate::{
    attempt::{MAX_OUTPUT_BYTES, SCRATCH},
    documents::{EndDoc, Failure, RunResultDoc, to_text},
    frame::{FrameScope, RunIndex, outputs_object},
    outputs,
    plan::{Plan, SlotKind, StepKind},
    progress::Event,
    task::place,
};

/// States of a run that may still end.
const UNFINISHED: [RunState; 3] = [RunState::Submitted, RunState::Running, RunState::Aborting];

impl Engine<'_> {
    /// All steps of a run are finished.
    pub(super) fn run_completed(&mut self, run: RunIndex) {
        let outputs = match self.run_outputs(run).and_then(within_limit) {
            Ok(outputs) => outputs,
            Err(failure) => {
                self.fail(run, failure);
                return;
            }
        };
        let Some(context) = self.runs.get_mut(run) else { return };
        context.completed = true;
        let (frame, parent, root) = (context.frame, context.parent.clone(), context.root);
        let Some(Waiter { frame: parent_frame, step, .. }) = parent else {
            // One that has failed before its first call ends with others that have failed, also if it had none to make.
            if self.roots.get(root).is_some_and(|root| root.failures.is_empty()) {
                self.finish_root(root, RunState::Succeeded, outputs);
            }
            return;
        };
        let id = context.id;
        let documents: serde_json::Map<_, _> = outputs.iter().map(|(k, v)| (k.clone(), json::to_json(v))).collect();
        self.frames.drop_root(frame);
        self.end_child(id, parent_frame, step, RunState::Succeeded, documents);
        let section = self.frames.section(parent_frame);
        if let Some(StepKind::Call(call)) = section.steps.get(step).map(|s| &s.kind) {
            let value = outputs_object(outputs.into_iter().map(|(name, value)| (Arc::from(name), value)));
            let ended = self.frames.complete(parent_frame, call.slot, value);
            self.frame_ended(ended);
        }
    }

    /// Records the end of a sub-workflow run and of the call that started it.
    fn end_child(&mut self, id: RunId, frame: usize, step: usize, state: RunState, outputs: serde_json::Map<String, serde_json::Value>) {
        let section = self.frames.section(frame);
        let Some(StepKind::Call(call)) = section.steps.get(step).map(|s| &s.kind) else { return };
        let Some(call_id) = self.call_id(frame, &call.name, 1) else { return };
        let at_ms = self.clock.now_ms();
        let result = RunResultDoc {
            outputs: outputs.iter().map(|(k, v)| (format!("{}.{k}", call.name), v.clone())).collect(),
            ..RunResultDoc::default()
        };
        let call_state = if state == RunState::Succeeded { CallState::Done } else { CallState::Failed };
        let writes = vec![
            Write::MoveRun(RunMove { result: Some(to_text(&result)), ..RunMove::new(id, UNFINISHED.into(), state, at_ms) }),
            Write::EndCall(CallEnd {
                id: call_id,
                state: call_state,
                at_ms,
                exit_code: None,
                reusable: false,
                end_doc: to_text(&EndDoc { outputs, ..EndDoc::default() }),
            }),
        ];
        self.record(writes, Some(Event::RunEnded { run: id, state, child: true }));
    }

    /// Roots that can do nothing more are over: something of theirs failed or they were aborted.
    pub(super) fn end_idle_roots(&mut self) {
        for root in 0..self.roots.len() {
            let Some(state) = self.roots.get(root) else { continue };
            if state.finished.is_some() || state.active > 0 {
                continue;
            }
            let end = if state.stop == Stop::Abort { RunState::Aborted } else { RunState::Failed };
            if end == RunState::Failed && state.failures.is_empty() {
                // Nothing failed and nothing can go on: only a cycle that the checker missed does that.
                let failure = Failure::new("no call can start any more although none has failed")
                    .hint("the workflow waits for itself; please report it");
                if let Some(state) = self.roots.get_mut(root) {
                    state.failures.push(failure);
                }
            }
            self.finish_root(root, end, IndexMap::new());
        }
    }

    fn finish_root(&mut self, root: usize, mut state: RunState, outputs: IndexMap<String, Value>) {
        crash::place("outputs known");
        let Some(run) = self.roots.get(root).map(|r| r.run) else { return };
        let Some(context) = self.runs.get(run) else { return };
        let (id, name, dir) = (context.id, context.name.clone(), context.dir.clone());
        // Kept when tasks have left something there.
        let _ = std::fs::remove_dir(dir.join(SCRATCH));
        let mut outputs: IndexMap<String, Value> = outputs.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect();
        if state == RunState::Succeeded {
            match self.publish(&dir, &name, id, &outputs) {
                Ok(Some(copies)) => outputs = copies,
                Ok(None) => {}
                Err(failure) => {
                    state = RunState::Failed;
                    outputs.clear();
                    if let Some(root) = self.roots.get_mut(root) {
                        root.failures.push(failure);
                    }
                }
            }
        }
        if let Some(target) = &self.settings.call_logs_dir
            && let Err(failure) = outputs::copy_call_logs(&dir, &name, id, (target, &self.settings.remote))
        {
            state = if state == RunState::Succeeded { RunState::Failed } else { state };
            if let Some(root) = self.roots.get_mut(root) {
                root.failures.push(failure);
            }
        }
        let covered = |failures: &Vec<Failure>| failures.iter().map(|f| self.settings.secrets.covered_failure(f.clone())).collect();
        let failures: Vec<Failure> = self.roots.get(root).map(|r| covered(&r.failures)).unwrap_or_default();
        let documents = outputs.iter().map(|(k, v)| (k.clone(), json::to_json(v))).collect();
        let result = RunResultDoc { outputs: documents, failures: failures.clone(), ..RunResultDoc::default() };
        let at_ms = self.clock.now_ms();
        if state != RunState::Succeeded {
            // Sub-workflows that were going on end with it.
            self.runs.iter().filter(|r| r.root == root && !r.completed).for_each(|child| self.end_open_child(child, state, at_ms));
        }
        let end = RunMove { owner: Some(None), result: Some(to_text(&result)), ..RunMove::new(id, UNFINISHED.into(), state, at_ms) };
        let finished = Finished { state, outputs, failures };
        let mut writes = vec![Write::MoveRun(end)];
        if let Some(root) = self.roots.get_mut(root) {
            writes.extend(root.on_end.take().map(|on_end| on_end(&finished)).unwrap_or_default());
            root.finished = Some(finished);
        }
        self.record(writes, Some(Event::RunEnded { run: id, state, child: false }));
    }

    /// Puts the outputs of a run where people look for them. Returns them with the paths of their copies when those are
    /// to be recorded.
    fn publish(
        &mut self,
        dir: &Path,
        name: &str,
        id: RunId,
        results: &IndexMap<String, Value>,
    ) -> Result<Option<IndexMap<String, Value>>, Failure> {
        outputs::link_folder(dir, results)?;
        let mut shown = None;
        if let Some(target) = &self.settings.final_outputs_dir {
            let copies = outputs::copy_final(dir, name, id, (target, &self.settings.remote), self.settings.relative_output_paths, results)?;
            shown = self.settings.outputs_are_copies.then(|| outputs::with_copies(results, &copies));
        }
        if self.settings.delete_intermediates {
            self.delete_intermediates(dir, id, results)?;
        }
        Ok(shown)
    }

    /// Deletes the output files of calls that are no outputs of the run. Files of other runs, of which a result was taken as
    /// it lay, stay.
    fn delete_intermediates(&mut self, dir: &Path, id: RunId, results: &IndexMap<String, Value>) -> Result<(), Failure> {
        let mut kept: HashSet<PathBuf> = HashSet::new();
        for value in results.values() {
            batchyard_wdl::inputs::files(value, &mut |path, _| kept.extend([PathBuf::from(&**path)]));
        }
        let stored = |e: StoreError| Failure::new(format!("cannot find the intermediate files: {e}"));
        self.store.flush().map_err(stored)?;
        for member in crate::owner::family(&self.store, id).map_err(stored)? {
            self.store
                .scan_calls(member, |call| {
                    let end: EndDoc = call.end_doc.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                    // What lies in a folder that is an output belongs to it.
                    let stays = |path: &Path| !path.starts_with(dir) || path.ancestors().any(|part| kept.contains(part));
                    for path in end.files.keys().map(Path::new).filter(|path| !stays(path)) {
                        // One that is gone already is what was wanted.
                        let _ = std::fs::remove_file(path);
                    }
                    ControlFlow::Continue(())
                })
                .map_err(stored)?;
        }
        Ok(())
    }

    /// Records the end of a sub-workflow that was going on, and of the call that started it.
    fn end_open_child(&self, child: &RunContext, state: RunState, at_ms: i64) {
        let Some(Waiter { frame, step, .. }) = child.parent else { return };
        let result = RunResultDoc { failures: child.failures.clone(), ..RunResultDoc::default() };
        let mut writes =
            vec![Write::MoveRun(RunMove { result: Some(to_text(&result)), ..RunMove::new(child.id, UNFINISHED.into(), state, at_ms) })];
        let section = self.frames.section(frame);
        if let Some(StepKind::Call(call)) = section.steps.get(step).map(|s| &s.kind)
            && let Some(id) = self.call_id(frame, &call.name, 1)
        {
            let state = if state == RunState::Aborted { CallState::Aborted } else { CallState::Failed };
            let end = EndDoc { failure: child.failures.first().cloned(), ..EndDoc::default() };
            writes.push(Write::EndCall(CallEnd { id, state, at_ms, exit_code: None, reusable: false, end_doc: to_text(&end) }));
        }
        // One that has ended already is left as it is, and so is its call; the conflict is no news.
        self.store.write_then(writes, drop);
    }

    /// The outputs of a completed run, keys without the workflow's name.
    fn run_outputs(&self, run: RunIndex) -> Result<IndexMap<String, Value>, Failure> {
        let Some(context) = self.runs.get(run) else { return Ok(IndexMap::new()) };
        let plan = &context.plan;
        let scope = self.frames.scope(context.frame);
        let Some(workflow) = &plan.workflow else {
            // A single task: the outputs of its one call.
            return Ok(members(self.frames.value(context.frame, 0)));
        };
        let version = plan.module.document.version;
        let mut outputs = IndexMap::new();
        let omitted = match &workflow.outputs {
            None => true,
            Some(section) => version == Version::Draft2 && section.decls.is_empty() && section.legacy.is_empty(),
        };
        if omitted {
            if (version <= Version::V1_0 || self.settings.calls_are_outputs) && context.parent.is_none() {
                export_calls(plan, &scope, &mut outputs);
            }
            return Ok(outputs);
        }
        let Some(section) = &workflow.outputs else { return Ok(outputs) };
        if context.parent.is_none() {
            for line in &section.legacy {
                self.legacy_output(plan, &scope, line, &mut outputs)?;
            }
        }
        let dialect = self.settings.dialect_of(version);
        let finished =
            OutputScope { engine: self, run, scope, decls: &section.decls, open: RefCell::default(), failure: RefCell::default() };
        for decl in &section.decls {
            let value = finished.compute(decl)?;
            let ty = plan.module.resolve(&decl.ty).map_err(|name| Failure::new(format!("type `{}` is not defined", name.text)))?;
            self.ask_for_copy(run, &decl.name.text, &value, decl.span)?;
            let value = coerce::coerce(&value, &ty, dialect).map_err(|message| Failure {
                place: Some(place(&plan.module, decl.span)),
                ..Failure::new(format!("output `{}`: {message}", decl.name.text))
            })?;
            outputs.insert(decl.name.text.to_string(), value);
        }
        Ok(outputs)
    }

    fn legacy_output(
        &self,
        plan: &Plan,
        scope: &FrameScope<'_>,
        line: &LegacyOutput,
        outputs: &mut IndexMap<String, Value>,
    ) -> Result<(), Failure> {
        let names: Vec<&str> = line.path.iter().map(|n| &*n.text).collect();
        let unknown = || Failure {
            place: Some(place(&plan.module, line.span)),
            ..Failure::new(format!("output `{}` names nothing in this workflow", names.join(".")))
        };
        let (first, rest) = names.split_first().ok_or_else(unknown)?;
        let value = scope.get(first).ok_or_else(unknown)?;
        match (rest, line.wildcard) {
            ([], false) => drop(outputs.insert((*first).to_owned(), value)),
            ([], true) => outputs.extend(members(Some(&value)).into_iter().map(|(k, v)| (format!("{first}.{k}"), v))),
            ([output], false) => {
                let value = members(Some(&value)).swap_remove(*output).ok_or_else(unknown)?;
                outputs.insert(format!("{first}.{output}"), value);
            }
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

/// Outputs that a database can keep.
fn within_limit(outputs: IndexMap<String, Value>) -> Result<IndexMap<String, Value>, Failure> {
    if text_bytes(outputs.values(), MAX_OUTPUT_BYTES) <= MAX_OUTPUT_BYTES {
        return Ok(outputs);
    }
    let message = format!("the outputs of the workflow have more than the {MAX_OUTPUT_BYTES} bytes that are kept");
    Err(Failure::new(message).hint("give large texts on as a `File`"))
}

/// Members of the outputs of a call.
fn members(value: Option<&Value>) -> IndexMap<String, Value> {
    match value {
        Some(Value::Object(object)) => object.members.iter().map(|(k, v)| (k.to_string(), v.clone())).collect(),
        _ => IndexMap::new(),
    }
}

/// Without an output section draft-2 and 1.0 export every output of every call.
fn export_calls(plan: &Plan, scope: &FrameScope<'_>, outputs: &mut IndexMap<String, Value>) {
    for slot in plan.root.slots.iter().filter(|slot| matches!(slot.kind, SlotKind::Call(_))) {
        let value = scope.get(&slot.name);
        outputs.extend(members(value.as_ref()).into_iter().map(|(k, v)| (format!("{}.{k}", slot.name), v)));
    }
}

/// Names an output expression may use: those of the workflow first, then other outputs.
struct OutputScope<'a, 'p> {
    engine: &'a Engine<'p>,
    run: RunIndex,
    scope: FrameScope<'a>,
    decls: &'a [Decl],
    open: RefCell<Vec<Arc<str>>>,
    failure: RefCell<Option<Failure>>,
}

impl OutputScope<'_, '_> {
    fn compute(&self, decl: &Decl) -> Result<Value, Failure> {
        let Some(context) = self.engine.runs.get(self.run) else { return Err(Failure::new("the run is gone")) };
        let module = &context.plan.module;
        let Some(expr) = &decl.value else {
            return Err(Failure {
                place: Some(place(module, decl.span)),
                ..Failure::new(format!("output `{}` has no value", decl.name.text))
            });
        };
        self.open.borrow_mut().push(Arc::clone(&decl.name.text));
        let version = module.document.version;
        let dialect = self.engine.settings.dialect_of(version);
        let result = Evaluator { module, scope: self, host: &context.host, version, dialect }.eval(expr);
        self.open.borrow_mut().pop();
        result.map_err(|e| {
            self.failure.borrow_mut().take().unwrap_or_else(|| Failure {
                place: Some(place(module, e.span)),
                hint: e.hint,
                ..Failure::new(e.message)
            })
        })
    }
}

impl Scope for OutputScope<'_, '_> {
    fn get(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.scope.get(name) {
            return Some(value);
        }
        if self.open.borrow().iter().any(|open| &**open == name) {
            return None;
        }
        let decl = self.decls.iter().find(|d| &*d.name.text == name)?;
        match self.compute(decl) {
            Ok(value) => {
                let context = self.engine.runs.get(self.run)?;
                let ty = context.plan.module.resolve(&decl.ty).ok()?;
                let dialect = self.engine.settings.dialect_of(context.plan.module.document.version);
                self.engine.ask_for_copy(self.run, name, &value, decl.span).ok()?;
                coerce::coerce(&value, &ty, dialect).ok()
            }
            Err(failure) => {
                self.failure.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }
}
