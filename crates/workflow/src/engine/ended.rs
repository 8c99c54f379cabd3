//! How attempts of task calls end: with a result, with another attempt, or for good.

use std::sync::Arc;

use batchyard_core::yard::Event as YardEvent;
use batchyard_crash as crash;
use batchyard_model::{CallState, state::call::CallEvent};
use batchyard_store::{CallEnd, CallRecord, Write};
use batchyard_wdl::{json, value::Value};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{
    Engine, Stop,
    call::{Call, json_inputs},
};
use crate::{
    attempt::{End, Failed},
    documents::{EndDoc, Failure, StartDoc, to_text},
    frame::outputs_object,
    layout,
    prepare::record_maker,
    progress::Event,
};

/// Times an attempt is started again because its process vanished without a result.
const MAX_VANISHED: u32 = 3;

impl Engine<'_> {
    pub(super) fn ended(&mut self, number: u64, end: End) {
        self.settle(number, end);
        // Only now: a failure that stops the run has taken the waiting calls out of the yard.
        self.yard_step(YardEvent::Ended(number));
    }

    fn settle(&mut self, number: u64, end: End) {
        if end.exit_code.is_some() {
            // The worker that let it go may not have said so yet.
            self.started(number);
        }
        let Some(call) = self.calls.get_mut(&number) else { return };
        let End { result, exit_code, usage, files, job_id, has_changed } = end;
        if has_changed {
            // Its result is not one of the call that its key says it is.
            call.cache_key = None;
        }
        let mut document = EndDoc { job_id, usage: usage.map(Into::into), files, maker: record_maker(&call.id), ..EndDoc::default() };
        match result {
            Ok(outputs) => {
                document.outputs = json_outputs(&outputs);
                self.end_call(number, CallEvent::Succeed, Ok(outputs), Some((document, exit_code)));
            }
            Err(Failed { failure, vanished: true, .. }) if call.vanished < MAX_VANISHED => {
                call.vanished += 1;
                call.may_have_started = true;
                call.state = CallState::Queued;
                let note = format!("{}: it is started again", failure.message);
                self.note(note);
                self.prepare_call(number, false);
            }
            Err(Failed { failure, aborted: true, .. }) => {
                document.failure = Some(failure.clone());
                self.end_call(number, CallEvent::Abort, Err(failure), Some((document, exit_code)));
            }
            Err(failed) => {
                let failed = Failed { failure: self.settings.secrets.covered_failure(failed.failure), ..failed };
                document.failure = Some(failed.failure.clone());
                self.failed_attempt(number, failed, document, exit_code);
            }
        }
    }

    fn failed_attempt(&mut self, number: u64, failed: Failed, document: EndDoc, exit_code: Option<i32>) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.failed_attempts += 1;
        call.memory_failures += i32::from(failed.out_of_memory && self.settings.memory_retry_multiplier.is_some());
        let stopping = self.roots.get(call.root).is_none_or(|root| root.stop != Stop::No);
        if !failed.retry || call.failed_attempts > call.max_retries || stopping {
            self.end_call(number, CallEvent::Fail, Err(failed.failure), Some((document, exit_code)));
            return;
        }
        let old = call.id.clone();
        let event =
            Event::Ended { call: old.clone(), state: CallState::Retried, cached: false, known: false, failure: Some(failed.failure) };
        let write = Write::EndCall(CallEnd {
            id: old,
            state: CallState::Retried,
            at_ms: self.clock.now_ms(),
            exit_code,
            reusable: false,
            end_doc: to_text(&document),
        });
        call.id.attempt += 1;
        call.state = CallState::Queued;
        call.queued_ms = self.clock.now_ms();
        call.may_have_started = false;
        call.vanished = 0;
        call.control = None;
        let (id, run) = (call.id.clone(), self.frames.run(call.frame));
        self.record(vec![write], Some(event));
        let dir = layout::call_dir(self.run_dir(run), &id);
        if let Some(call) = self.calls.get_mut(&number) {
            call.call_dir = dir;
        }
        self.progress.tell(Event::Queued { call: id });
        self.prepare_call(number, false);
    }

    /// Ends a call for good and records it.
    pub(super) fn end_call(
        &mut self,
        number: u64,
        event: CallEvent,
        result: Result<IndexMap<Arc<str>, Value>, Failure>,
        end: Option<(EndDoc, Option<i32>)>,
    ) {
        self.waits_no_more(number);
        let Some(call) = self.calls.remove(&number) else { return };
        self.leave_ahead(call.ahead);
        let result = result.map_err(|failure| self.settings.secrets.covered_failure(failure));
        let run = self.frames.run(call.frame);
        // The event fits the state by construction; a call that does not would be ended as failed.
        let state = batchyard_model::state::call::next(call.state, event).unwrap_or(CallState::Failed);
        let (mut document, exit_code) = end.unwrap_or_default();
        let failure = result.as_ref().err().cloned();
        document.failure = failure.clone();
        let told = Event::Ended { call: call.id.clone(), state, cached: false, known: false, failure: failure.clone() };
        let at_ms = self.clock.now_ms();
        let reusable = state == CallState::Done && self.settings.write_cache && call.cache_key.is_some();
        let mut writes = Vec::new();
        let write = if call.state == CallState::Running {
            Write::EndCall(CallEnd { id: call.id.clone(), state, at_ms, exit_code, reusable, end_doc: to_text(&document) })
        } else {
            let (inputs, kept) = json_inputs(&call.inputs);
            writes = kept;
            // It never started: one record tells its whole life.
            Write::StartCall(CallRecord {
                id: call.id.clone(),
                task: call.task.name.text.to_string(),
                state,
                started_ms: None,
                ended_ms: Some(at_ms),
                exit_code: None,
                cached: false,
                cache_key: None,
                reusable: false,
                start_doc: to_text(&StartDoc {
                    inputs,
                    dir: call.call_dir.to_string_lossy().into_owned(),
                    queued_ms: call.queued_ms,
                    ..StartDoc::default()
                }),
                end_doc: Some(to_text(&document)),
            })
        };
        crash::place("end known");
        if let (true, Write::EndCall(end)) = (reusable, &write) {
            let start = StartDoc { dir: call.call_dir.to_string_lossy().into_owned(), ..StartDoc::default() };
            self.shared.unwritten.add(CallRecord {
                id: call.id.clone(),
                task: call.task.name.text.to_string(),
                state,
                started_ms: None,
                ended_ms: Some(at_ms),
                exit_code,
                cached: false,
                cache_key: call.cache_key.clone(),
                reusable,
                start_doc: to_text(&start),
                end_doc: Some(end.end_doc.clone()),
            });
        }
        writes.push(write);
        self.record(writes, Some(told));
        match (result, failure) {
            (Ok(outputs), _) => {
                self.know_files(&document.files, &document.maker, &call.call_dir.to_string_lossy());
                self.complete_call(&call, outputs);
            }
            (Err(_), failure) => {
                self.add_active(call.root, -1);
                if let (CallState::Failed, Some(failure)) = (state, failure) {
                    self.fail(run, failure);
                }
            }
        }
    }

    pub(super) fn complete_call(&mut self, call: &Call, outputs: IndexMap<Arc<str>, Value>) {
        self.add_active(call.root, -1);
        let ended = self.frames.complete(call.frame, call.slot, outputs_object(outputs));
        self.frame_ended(ended);
    }
}

pub(super) fn json_outputs(values: &IndexMap<Arc<str>, Value>) -> Map<String, Json> {
    values.iter().map(|(name, value)| (name.to_string(), json::to_json(value))).collect()
}
