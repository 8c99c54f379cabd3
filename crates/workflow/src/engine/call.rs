//! The life of a task call from its preparation to its start. How it begins is in [`begin`](super::begin), what keeps it from being
//! prepared in [`ahead`](super::ahead), how it ends in [`ended`](super::ended).

use std::{collections::HashSet, fs, path::PathBuf, sync::Arc};

use batchyard_core::{
    Go, Pool,
    yard::{Event as YardEvent, Need},
};
use batchyard_crash as crash;
use batchyard_model::{CallId, CallState, RunId, state::call::CallEvent};
use batchyard_runner::{Control, EndedBy};
use batchyard_store::{CallRecord, Write};
use batchyard_wdl::{
    ast::{Decl, Task},
    json,
    module::Module,
    value::Value,
    version::Dialect,
};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{Engine, Stop, ahead::Wait, ended::json_outputs};
use crate::{
    attempt::{Attempt, End, Failed, SCRATCH},
    blobs, constants,
    documents::{EndDoc, Failure, StartDoc, to_text},
    frame::FrameId,
    host::Originals,
    prepare::{Hit, Left, Prepared, Told, guarded},
    progress::Event,
    provider::Mode,
    settings::Settings,
};

/// A task call that has not ended yet.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) frame: FrameId,
    pub(super) slot: usize,
    pub(super) module: Arc<Module>,
    pub(super) task: Arc<Task>,
    pub(super) inputs: Arc<IndexMap<Arc<str>, Value>>,
    pub(super) overrides: IndexMap<String, Value>,
    pub(super) call_dir: PathBuf,
    /// When its inputs were known, and when it was prepared, in epoch milliseconds.
    pub(super) queued_ms: i64,
    pub(super) prepared_ms: i64,
    pub(super) prepared: Option<Box<Prepared>>,
    /// What it is, kept over attempts.
    pub(super) cache_key: Option<String>,
    /// The state of its files for which it is that.
    pub(super) originals: Option<Originals>,
    pub(super) control: Option<Arc<Control>>,
    /// What its start will record.
    pub(super) staged: Option<(StartDoc, Vec<Write>)>,
    pub(super) state: CallState,
    pub(super) failed_attempts: u32,
    pub(super) max_retries: u32,
    pub(super) memory_failures: i32,
    pub(super) vanished: u32,
    pub(super) may_have_started: bool,
    /// What an earlier engine has left of it, which also binds further attempts.
    pub(super) left: Option<Left>,
    /// What was found out about its image, for its next preparation.
    pub(super) told: Option<Told>,
    /// Whether it counts among those that are prepared ahead.
    pub(super) ahead: bool,
    /// What it waits for aside before it is prepared.
    pub(super) waits: Option<Wait>,
    pub(super) root: usize,
}

impl Engine<'_> {
    pub(super) fn prepared(&mut self, number: u64, result: Result<Prepared, Failure>) {
        crash::place("prepared");
        self.waits_no_more(number);
        let now = self.clock.now_ms();
        let root_id = self.calls.get(&number).and_then(|call| self.root_id(call.root));
        let (Some(call), Some(root_id)) = (self.calls.get_mut(&number), root_id) else { return };
        call.prepared_ms = now;
        let mut prepared = match result {
            Ok(prepared) => prepared,
            Err(failure) => {
                let failure = Failure { call: Some(call.id.to_string()), ..failure };
                self.end_call(number, CallEvent::Fail, Err(failure), None);
                return;
            }
        };
        // What runs already is what it was when it was started.
        prepared.identity = prepared.identity.filter(|identity| call.left.as_ref().is_none_or(|left| left.is(identity)));
        if let Some(identity) = &prepared.identity {
            call.cache_key = Some(identity.key.clone());
            call.originals.clone_from(&prepared.originals);
        } else if call.originals != prepared.originals {
            // A further attempt, on other files than the first one.
            call.cache_key = None;
        }
        // An attempt that may be running already is not replaced by an earlier result.
        if let Some(hit) = prepared.hit.take().filter(|_| !call.may_have_started) {
            self.take_hit(number, prepared, hit);
            return;
        }
        let notes: Vec<String> = prepared.place.note.iter().cloned().collect();
        let asked =
            Need { millicores: (prepared.runtime.cores * 1000.0).ceil() as u64, memory_mib: prepared.runtime.memory_mib.unwrap_or(0) };
        let need = Need { memory_mib: self.settings.grown_memory(asked.memory_mib, call.memory_failures), ..asked };
        let stopped = self.roots.get(call.root).is_none_or(|root| root.stop != Stop::No) && !call.may_have_started;
        let task = call.task.name.text.clone();
        let berth = self.settings.berth(&prepared.place, root_id, need);
        // Large, and most calls of a wide scatter have none yet.
        call.prepared = Some(Box::new(prepared));
        for note in notes {
            self.note(note);
        }
        let granted = self.gate.clamp(need);
        if granted != need && berth.is_none_or(|berth| berth.need.is_some()) {
            self.note(format!(
                "task `{task}` asks for {:.1} cores and {} MiB; this machine gives it {:.1} cores and {} MiB",
                need.millicores as f64 / 1000.0,
                need.memory_mib,
                granted.millicores as f64 / 1000.0,
                granted.memory_mib
            ));
        }
        if stopped {
            self.end_call(number, CallEvent::Abort, Err(Failure::new("not started because the run is ending")), None);
        } else {
            self.yard_step(berth.map_or(YardEvent::Submit(number, need), |berth| YardEvent::Board(number, berth)));
        }
    }

    fn take_hit(&mut self, number: u64, prepared: Prepared, hit: Hit) {
        let Some(call) = self.calls.remove(&number) else { return };
        self.leave_ahead(call.ahead);
        let now = self.clock.now_ms();
        let (mut start, blobs) = start_doc(&call, &prepared, &self.settings);
        start.notes.push(format!("result of {} was taken", hit.from));
        let end = EndDoc {
            outputs: json_outputs(&hit.outputs),
            files: hit.files.clone(),
            maker: hit.maker.clone(),
            reused: Some(hit.from),
            reused_dir: Some(hit.dir),
            ..EndDoc::default()
        };
        let record = CallRecord {
            id: call.id.clone(),
            task: call.task.name.text.to_string(),
            state: CallState::Done,
            started_ms: Some(now),
            ended_ms: Some(now),
            exit_code: hit.exit_code,
            cached: true,
            cache_key: call.cache_key.clone(),
            reusable: self.settings.write_cache,
            start_doc: to_text(&start),
            end_doc: Some(to_text(&end)),
        };
        let mut writes = blobs;
        writes.push(Write::StartCall(record));
        let event = Event::Ended { call: call.id.clone(), state: CallState::Done, cached: true, known: false, failure: None };
        self.record(writes, Some(event));
        self.know_files(&hit.files, &hit.maker, &call.call_dir.to_string_lossy());
        self.complete_call(&call, hit.outputs);
    }

    /// The yard will soon have room for a call: a worker puts everything in place for it and waits.
    pub(super) fn stage(&mut self, number: u64) {
        let Some(scratch) = self.calls.get(&number).map(|call| call.root).map(|root| self.scratch(root)) else { return };
        let Some(root_id) = self.calls.get(&number).and_then(|call| self.root_id(call.root)) else { return };
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Some(prepared) = call.prepared.take().map(|prepared| *prepared) else { return };
        call.max_retries = prepared.runtime.max_retries;
        // The root's id comes first, so that all processes of a run can be found by it, whatever was recorded of them.
        let control = Control::new(format!("{root_id}/{}/{}", call.id.run, call.id));
        call.control = Some(Arc::clone(&control));
        let memory_mib = self.settings.grown_memory(prepared.runtime.memory_mib.unwrap_or(0), call.memory_failures);
        let start = start_doc(call, &prepared, &self.settings);
        let gate = Arc::clone(&self.gate);
        let elsewhere = prepared.place.mode() == Mode::Dispatched;
        call.staged = Some(start);
        self.gate.expect(number);
        let attempt = Attempt {
            frame: prepared.frame,
            runtime: prepared.runtime,
            place: prepared.place,
            memory_mib,
            // Without a multiplier nothing follows from them.
            memory_errors: self.settings.memory_retry_multiplier.map_or_else(Arc::default, |_| Arc::clone(&self.settings.memory_errors)),
            scratch,
            tag: call.id.to_string(),
            number: call.id.attempt,
            may_have_started: call.may_have_started,
            originals: prepared.originals,
            has_changed: false,
        };
        let (outbox, settings) = (self.outbox.clone(), Arc::clone(&self.settings));
        let pace = settings.limits.pace.clone().filter(|_| !attempt.may_have_started);
        let tell = move |message| {
            // The engine ends only when no call is left; one that is gone has given up its place in the yard.
            let _ = outbox.send(message);
        };
        if elsewhere {
            let tell = tell.clone();
            control.on_job_id(move |id| tell(super::Message::Submitted(number, id.to_owned())));
        }
        let done = move |end: End| {
            // A failure is the engine's to weigh before anything else starts; a success makes room at once.
            if end.result.is_ok() {
                let (started, left) = gate.released(number, Go::here);
                tell(super::Message::Succeeded(number, Box::new(end), started, left));
            } else {
                tell(super::Message::Ended(number, Box::new(end)));
            }
        };
        let seat = Arc::clone(&self.gate);
        let work = move |pool: &Pool| {
            let end = match guarded(|| Ok(attempt.stage(&settings, &control))) {
                Ok(Ok(staged)) => {
                    let run = move || {
                        if let Some(pace) = pace {
                            pace.wait(&control);
                        }
                        staged.run(&control, done);
                    };
                    return seat.ready(number, Go::new(pool, run));
                }
                Ok(Err(end)) => *end,
                Err(failure) => End::failed(Failed::for_good(failure)),
            };
            done(end);
        };
        // Jobs that run elsewhere need no thread of their own while they run, so a few get them on their way.
        let workers = if elsewhere {
            self.settings.providers.desk().map_or(&self.machine.workers, |desk| desk.stagers())
        } else {
            &self.machine.workers
        };
        let pool = workers.clone();
        if let Err(error) = workers.run(move || work(&pool)) {
            let failure = Failure::new(format!("no thread for this call: {error}")).hint("fewer at once with `--jobs N`");
            let _ = self.outbox.send(super::Message::Ended(number, Box::new(End::failed(Failed::for_good(failure)))));
        }
    }

    /// A provider has given a job id to a call.
    pub(super) fn submitted(&mut self, number: u64, job_id: String) {
        if let Some(call) = self.calls.get_mut(&number) {
            self.progress.tell(Event::Submitted { call: call.id.clone(), job_id });
        }
    }

    /// The yard has room for a call.
    pub(super) fn launch(&mut self, number: u64) {
        self.stage(number);
        self.gate.open(number);
        self.started(number);
    }

    /// A call's worker was let go.
    pub(super) fn started(&mut self, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Some((start, mut writes)) = call.staged.take() else { return };
        let Ok(state) = batchyard_model::state::call::next(call.state, CallEvent::Start) else { return };
        call.state = state;
        let was_ahead = std::mem::take(&mut call.ahead);
        writes.push(Write::StartCall(CallRecord {
            id: call.id.clone(),
            task: call.task.name.text.to_string(),
            state,
            started_ms: Some(self.clock.now_ms()),
            ended_ms: None,
            exit_code: None,
            cached: false,
            cache_key: call.cache_key.clone(),
            reusable: false,
            start_doc: to_text(&start),
            end_doc: None,
        }));
        crash::place("started");
        let event = Event::Started { call: call.id.clone() };
        self.record(writes, Some(event));
        self.leave_ahead(was_ahead);
    }

    /// Remembers who made these files, for the identity of the calls that read them.
    pub(super) fn know_files(&self, files: &IndexMap<String, (u64, i64)>, maker: &str, call_dir: &str) {
        for (path, stamp) in files {
            let below = path.strip_prefix(call_dir).unwrap_or(path).trim_start_matches('/');
            let below = below.strip_prefix("cacheCopy/").unwrap_or(below);
            self.shared.identities.made_by(path.as_str().into(), *stamp, format!("file {below} made by {maker}").into());
        }
    }

    pub(super) fn add_active(&mut self, root: usize, change: isize) {
        if let Some(root) = self.roots.get_mut(root) {
            root.active = root.active.saturating_add_signed(change);
        }
    }

    pub(super) fn root_id(&self, root: usize) -> Option<RunId> {
        Some(self.runs.get(self.roots.get(root)?.run)?.id)
    }

    /// The temporary folder of a run, made when its first task starts.
    fn scratch(&mut self, root: usize) -> PathBuf {
        let Some(root) = self.roots.get_mut(root) else { return std::env::temp_dir() };
        if let Some(scratch) = &root.scratch {
            return scratch.clone();
        }
        let made = self.runs.get(root.run).map(|run| run.dir.join(SCRATCH)).filter(|dir| fs::create_dir_all(dir).is_ok());
        // Without a folder of the run the system's serves.
        root.scratch.insert(made.unwrap_or_else(std::env::temp_dir)).clone()
    }

    /// Takes calls that wait out of the yard, for roots that `which` names.
    pub(super) fn withdraw_waiting(&mut self, which: impl Fn(usize) -> bool) {
        let waiting: HashSet<u64> =
            self.calls.iter().filter(|(_, c)| c.state == CallState::Queued && which(c.root)).map(|(number, _)| *number).collect();
        let unprepared: HashSet<u64> =
            self.unprepared.iter().map(|(number, _)| *number).filter(|number| waiting.contains(number)).collect();
        self.unprepared.retain(|(number, _)| !unprepared.contains(number));
        unprepared.into_iter().for_each(|number| self.withdrawn(number));
        for root in (0..self.roots.len()).filter(|root| which(*root)) {
            if let Some(root) = self.root_id(root) {
                self.machine.preparer.ask_no_more(&self.shared, root);
            }
        }
        for number in waiting {
            self.withdraw_in_vain(number);
            // One that is still being prepared is stopped when it comes back.
            self.yard_step(YardEvent::Withdraw(number));
        }
    }

    /// The yard let go of a call before it started.
    pub(super) fn withdrawn(&mut self, number: u64) {
        self.end_call(number, CallEvent::Abort, Err(Failure::new("not started because the run is ending")), None);
    }

    /// Ends running calls: politely, or at once.
    pub(super) fn end_running(&mut self, hard: bool) {
        let grace = self.settings.grace;
        for control in self.calls.values().filter_map(|c| c.control.as_ref()) {
            if hard {
                control.kill(EndedBy::Abort);
            } else {
                control.end(EndedBy::Abort, grace);
            }
        }
    }
}

/// Inputs as rows keep them, and the writes that keep large ones.
pub(super) fn json_inputs(values: &IndexMap<Arc<str>, Value>) -> (Map<String, Json>, Vec<Write>) {
    let mut writes = Vec::new();
    let inputs = values.iter().map(|(name, value)| (name.to_string(), blobs::kept(json::to_json(value), &mut writes))).collect();
    (inputs, writes)
}

fn start_doc(call: &Call, prepared: &Prepared, settings: &Settings) -> (StartDoc, Vec<Write>) {
    let dialect = settings.dialect_of(call.module.document.version);
    let (mut inputs, blobs) = json_inputs(&call.inputs);
    let silent: Vec<&Decl> = call.task.inputs.iter().filter(|decl| !call.inputs.contains_key(&decl.name.text)).collect();
    inputs.extend(constants::known(&call.module, &silent, dialect));
    let secrets = &settings.secrets;
    let mut runtime = secrets.shown(&prepared.attributes);
    let hides_memory = prepared.attributes.get("memory").is_some_and(|memory| secrets.hide("memory", memory));
    if let (true, Some(bytes)) = (call.memory_failures > 0 && !hides_memory, prepared.runtime.memory_bytes) {
        // What the attempt gets, in the words of its document.
        let unit = if dialect == Dialect::Cromwell { "GB" } else { "GiB" };
        let grown = bytes as f64 / f64::from(1 << 30) * settings.memory_growth(call.memory_failures);
        runtime.insert("memory".into(), format!("{grown} {unit}").into());
    }
    let start = StartDoc {
        inputs,
        runtime,
        dir: call.call_dir.to_string_lossy().into_owned(),
        queued_ms: call.queued_ms,
        prepared_ms: call.prepared_ms,
        parts: prepared.identity.as_ref().map(|i| i.parts.clone()).unwrap_or_default(),
        image: secrets.shown_image(prepared.place.image.as_ref(), &prepared.attributes),
        provider: prepared.place.site.as_ref().map(|site| site.provider().name().to_owned()),
        child: None,
        notes: Vec::new(),
    };
    (start, blobs)
}
