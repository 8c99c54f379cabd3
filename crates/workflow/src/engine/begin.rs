//! How a call begins: its inputs, and what an earlier engine has left of it. A task goes on in [`call`](super::call), a
//! sub-workflow opens a run of its own.

use std::sync::Arc;

use batchyard_model::{CallState, Lineage, RunId, RunState};
use batchyard_store::{CallRecord, RunMove, RunRecord, Write};
use batchyard_wdl::{
    ast::{Decl, Task, Workflow},
    inputs::{self, Bound},
    module::{Callee, Module},
    types::Type,
    value::Value,
};
use indexmap::IndexMap;

use super::{
    Engine, Stop, Waiter,
    call::{Call, json_inputs},
    earlier::failure_of,
};
use crate::{
    constants,
    documents::{EndDoc, Failure, RunSpec, StartDoc, to_text},
    frame::{FrameId, outputs_object},
    layout,
    plan::{CallStep, Plan},
    prepare::{Left, Outputs},
    progress::Event,
    stamps::stamp_of,
};

impl Engine<'_> {
    /// A call's needs are met.
    pub(super) fn begin_call(&mut self, frame: FrameId, step: usize, call: &CallStep) {
        let run = self.frames.run(frame);
        let Some((stop, keeps_failures)) = self.root_mut(run).map(|root| (root.stop, root.keeps_failures)) else { return };
        let failed = self.known(frame, call).filter(|record| keeps_failures && record.state == CallState::Failed);
        if let Some(failure) = failed.and_then(failure_of) {
            self.note_in_sub_workflows(run, &failure);
            return;
        }
        if stop == Stop::Abort || (stop == Stop::NoNewCalls && !self.has_begun(frame, call)) {
            return;
        }
        if matches!(call.callee, Callee::Task(..)) && !self.count_call(run) {
            return;
        }
        let begun = match &call.callee {
            Callee::Task(module, task) => self.begin_task(frame, call, module, task),
            Callee::Workflow(module, workflow) => self.begin_workflow(frame, step, call, module, workflow),
        };
        if let Err(failure) = begun {
            self.call_cannot_begin(frame, call, failure);
        }
    }

    /// The latest attempt of a call as an earlier engine left it.
    fn known(&self, frame: FrameId, call: &CallStep) -> Option<&CallRecord> {
        let recorded = &self.runs.get(self.frames.run(frame))?.recorded;
        // Most runs have none, and then nobody need know the place of the call.
        if recorded.is_empty() { None } else { recorded.get(&(Arc::clone(&call.name), self.frames.shard(frame))) }
    }

    /// Whether a call was going on under an earlier engine, or had succeeded: then it is no new one.
    fn has_begun(&self, frame: FrameId, call: &CallStep) -> bool {
        if let Some(record) = self.known(frame, call) {
            return !record.state.is_terminal() || record.state == CallState::Done;
        }
        // The process is started before its start is recorded.
        let resumed = self.runs.get(self.frames.run(frame)).and_then(|run| self.roots.get(run.root)).is_some_and(|root| root.resumed);
        let dir = |id| layout::call_dir(self.run_dir(self.frames.run(frame)), &id);
        resumed && self.call_id(frame, &call.name, 1).is_some_and(|id| dir(id).join("execution/script").exists())
    }

    /// Records a call whose inputs cannot be evaluated: it has failed without ever waiting for room.
    fn call_cannot_begin(&mut self, frame: FrameId, call: &CallStep, failure: Failure) {
        let run = self.frames.run(frame);
        let earlier = self.known(frame, call);
        let (attempt, task) = match &call.callee {
            Callee::Task(_, task) => (earlier.map_or(1, |r| r.id.attempt + u32::from(r.started_ms.is_some())), &task.name),
            Callee::Workflow(_, workflow) => (1, &workflow.name),
        };
        let Some(id) = self.call_id(frame, &call.name, attempt) else { return };
        let failure = Failure {
            message: format!("call input and runtime attributes evaluation failed for {}: {}", call.name, failure.message),
            call: Some(failure.call.unwrap_or_else(|| id.to_string())),
            ..failure
        };
        let start = StartDoc { dir: layout::call_dir(self.run_dir(run), &id).to_string_lossy().into_owned(), ..StartDoc::default() };
        let record = CallRecord {
            id: id.clone(),
            task: task.text.to_string(),
            state: CallState::Failed,
            started_ms: None,
            ended_ms: Some(self.clock.now_ms()),
            exit_code: None,
            cached: false,
            cache_key: None,
            reusable: false,
            start_doc: to_text(&start),
            end_doc: Some(to_text(&EndDoc { failure: Some(failure.clone()), ..EndDoc::default() })),
        };
        let told = Event::Ended { call: id, state: CallState::Failed, cached: false, known: false, failure: Some(failure.clone()) };
        self.record(vec![Write::StartCall(record)], Some(told));
        self.fail(run, failure);
    }

    fn begin_task(&mut self, frame: FrameId, call: &CallStep, module: &Arc<Module>, task: &Arc<Task>) -> Result<(), Failure> {
        let run = self.frames.run(frame);
        let decls: Vec<&Decl> = task.inputs.iter().collect();
        let (inputs, _) = self.call_inputs(frame, call, module, &decls)?;
        let Some(context) = self.runs.get(run) else { return Ok(()) };
        let overrides = context.overrides.get(&*call.name).cloned().unwrap_or_default();
        let root = context.root;
        let shard = self.frames.shard(frame);
        let recorded = context.recorded.get(&(Arc::clone(&call.name), shard)).cloned();
        let (mut attempt, mut left) = (1, None);
        if let Some(record) = recorded {
            if record.state == CallState::Done && self.take_recorded(frame, call, module, task, &record) {
                return Ok(());
            }
            // A running attempt is looked for under its own number; a finished one is followed by the next.
            left = (!record.state.is_terminal()).then(|| Left::of(&record));
            attempt = record.id.attempt + u32::from(record.state.is_terminal());
        }
        let Some(id) = self.call_id(frame, &call.name, attempt) else { return Ok(()) };
        let call_dir = layout::call_dir(self.run_dir(run), &id);
        // The process is started before its start is recorded, so a dead engine may have left one without a record.
        if left.is_none() && self.roots.get(root).is_some_and(|r| r.resumed) && call_dir.join("execution/script").exists() {
            left = Some(Left::Unrecorded);
        }
        let entry = Call {
            id: id.clone(),
            frame,
            slot: call.slot,
            module: Arc::clone(module),
            task: Arc::clone(task),
            inputs: Arc::new(inputs),
            overrides,
            call_dir,
            queued_ms: self.clock.now_ms(),
            prepared_ms: 0,
            prepared: None,
            cache_key: None,
            originals: None,
            control: None,
            staged: None,
            state: CallState::Queued,
            failed_attempts: 0,
            max_retries: 0,
            memory_failures: 0,
            vanished: 0,
            may_have_started: left.is_some(),
            left,
            told: None,
            ahead: false,
            waits: None,
            root,
        };
        let number = self.gate.number();
        self.calls.insert(number, entry);
        self.add_active(root, 1);
        self.progress.tell(Event::Queued { call: id });
        self.prepare_call(number, true);
        Ok(())
    }

    /// A call that an earlier engine saw succeed. False when its files are gone or changed.
    fn take_recorded(&mut self, frame: FrameId, call: &CallStep, module: &Arc<Module>, task: &Arc<Task>, record: &CallRecord) -> bool {
        let dialect = self.settings.dialect_of(module.document.version);
        let Some(outputs) = Outputs::read(module, task, record, dialect) else { return false };
        if let Some((path, _)) = outputs.end.files.iter().find(|(path, stamp)| stamp_of(path) != Some(**stamp)) {
            self.note(format!("`{}` is run again: its output `{path}` was changed or removed since", record.id));
            return false;
        }
        self.know_files(&outputs.end.files, &outputs.end.maker, &outputs.dir);
        let event = Event::Ended { call: record.id.clone(), state: CallState::Done, cached: record.cached, known: true, failure: None };
        self.progress.tell(event);
        let ended = self.frames.complete(frame, call.slot, outputs_object(outputs.values));
        self.frame_ended(ended);
        true
    }

    fn begin_workflow(
        &mut self,
        frame: FrameId,
        step: usize,
        call: &CallStep,
        module: &Arc<Module>,
        workflow: &Arc<Workflow>,
    ) -> Result<(), Failure> {
        let run = self.frames.run(frame);
        let decls = inputs::workflow_input_decls(workflow, module.document.version);
        let (given, nested) = self.call_inputs(frame, call, module, &decls)?;
        let plan = Plan::new(module, workflow).map_err(|e| Failure::new(e.to_string()))?;
        let Some(id) = self.call_id(frame, &call.name, 1) else { return Ok(()) };
        let Some(context) = self.runs.get(run) else { return Ok(()) };
        let (root, parent_id) = (context.root, context.id);
        let above = context.parent.as_ref().map(|parent| Arc::clone(&parent.lineage));
        let lineage = Arc::new(Lineage { above, call: Arc::clone(&call.name), shard: id.shard.clone() });
        let known = context.recorded.get(&(Arc::clone(&call.name), id.shard.clone())).cloned();
        let overrides = context.overrides.get(&*call.name).cloned().unwrap_or_default();
        let child = RunId::of_child(parent_id, &call.name, &id.shard);
        let name = workflow.name.text.to_string();
        let dir = layout::child_dir(self.run_dir(run), &call.name, &id.shard, &name, child);
        let mut values: IndexMap<String, Value> = given.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        values.extend(nested);
        let now = self.clock.now_ms();
        let mut recorded = Default::default();
        if let Some(known) = known {
            let records = self.store.list_calls(child).map_err(|e| Failure::new(e.to_string()))?;
            recorded = self.taken_up(records);
            let mut writes = vec![Write::MoveRun(RunMove::new(child, RunState::ALL.to_vec(), RunState::Running, now))];
            if known.state.is_terminal() && known.state != CallState::Done {
                // It goes on, whatever became of it before.
                writes.push(Write::StartCall(CallRecord { state: CallState::Running, ended_ms: None, end_doc: None, ..known }));
            }
            self.record(writes, None);
        } else {
            let (inputs, mut writes) = json_inputs(&given);
            let start = StartDoc { inputs, child: Some(child.to_string()), dir: dir.to_string_lossy().into_owned(), ..StartDoc::default() };
            let record = RunRecord {
                id: child,
                parent: Some(parent_id),
                root: self.root_id(root),
                name: name.clone(),
                state: RunState::Running,
                dir: dir.to_string_lossy().into_owned(),
                created_ms: now,
                started_ms: Some(now),
                ended_ms: None,
                owner: None,
                spec: to_text(&RunSpec {
                    inputs: start.inputs.clone(),
                    defaults: constants::known(module, &decls, self.settings.dialect_of(module.document.version)),
                    ..RunSpec::default()
                }),
                result: None,
            };
            let call_record = CallRecord {
                id,
                task: name.clone(),
                state: CallState::Running,
                started_ms: Some(now),
                ended_ms: None,
                exit_code: None,
                cached: false,
                cache_key: None,
                reusable: false,
                start_doc: to_text(&start),
                end_doc: None,
            };
            writes.extend([Write::InsertRun(record), Write::StartCall(call_record)]);
            self.record(writes, None);
        }
        let bound = Bound { values, overrides, notes: Vec::new() };
        self.open_run(child, name, root, Arc::new(plan), dir, bound, recorded, Some(Waiter { frame, step, lineage }));
        Ok(())
    }

    /// The inputs of a call: what it sets itself, then what the inputs file sets for it. The second part is what the
    /// inputs file sets further in.
    #[expect(clippy::type_complexity, reason = "two maps, each used once")]
    fn call_inputs(
        &self,
        frame: FrameId,
        call: &CallStep,
        module: &Module,
        decls: &[&Decl],
    ) -> Result<(IndexMap<Arc<str>, Value>, IndexMap<String, Value>), Failure> {
        let run = self.frames.run(frame);
        let mut values = IndexMap::new();
        for (name, expr) in &call.inputs {
            let value = self.evaluate(frame, expr)?;
            let Some(decl) = decls.iter().find(|d| d.name.text == *name) else { continue };
            let ty = resolve(module, decl)?;
            if value.is_none() && !ty.is_optional() && decl.value.is_some() {
                // An undefined value leaves the default in force.
                continue;
            }
            let name_shown = format!("input {name} of call {}", call.name);
            values.insert(Arc::clone(&decl.name.text), self.settled(run, &name_shown, &value, &ty, expr.span)?);
        }
        let mut nested = IndexMap::new();
        let from_file = self.runs.get(run).and_then(|r| r.nested.get(&*call.name));
        for (key, value) in from_file.into_iter().flatten() {
            match decls.iter().find(|d| &*d.name.text == key.as_str()) {
                Some(decl) => {
                    let ty = resolve(module, decl)?;
                    if !values.contains_key(&decl.name.text) && (!value.is_none() || ty.is_optional()) {
                        values.insert(Arc::clone(&decl.name.text), self.coerced(run, key, value, &ty, call.span)?);
                    }
                }
                None => drop(nested.insert(key.clone(), value.clone())),
            }
        }
        Ok((values, nested))
    }
}

fn resolve(module: &Module, decl: &Decl) -> Result<Type, Failure> {
    module.resolve(&decl.ty).map_err(|name| Failure::new(format!("type `{}` is not defined", name.text)))
}
