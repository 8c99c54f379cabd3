//! Carrying out one run, on a thread of its own: documents, inputs, engine, end.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_model::{RunId, RunState};
use batchyard_store::{RunRecord, StoreError, Write};
use batchyard_wdl::{
    inputs::{self, Bound, InputProblem},
    load::Loaded,
    module::Callee,
};
use batchyard_workflow::{
    documents::{Failure, RunResultDoc, RunSpec, Submission},
    engine::{Engine, EngineError, Message, OnEnd, Origin, Request},
    fetch::{Reader, Remote},
    given::{self, Places, described},
    outputs::Destination,
    owner::{end_orphans, fail_orphans, failed, owner},
    settings::Settings,
    stored,
};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value as Json};

use super::{Service, log::RunLog, notices::Promise, report};
use crate::{
    documents::{MAX_PROBLEMS, Sent, input_failure, load_checked, target_of},
    remote::{Downloads, Everywhere},
};

/// Workflow option that names the folder for a copy of the run's log.
pub const LOG_OPTION: &str = "final_workflow_log_dir";

/// Workflow option that names who is told of the run's end.
pub(super) const CALLBACK_OPTION: &str = "workflow_callback_uri";

/// Options of a run as they are kept, and as they were given with the defaults.
type KeptAndOpened<'o> = (&'o Map<String, Json>, &'o Map<String, Json>);

/// Texts of a submission by hash.
type Texts = HashMap<String, String>;

/// A run that may begin.
struct Ready {
    request: Request,
    settings: Settings,
    /// Remarks on options and inputs.
    notes: Vec<String>,
}

/// Why a run does not begin.
enum NotReady {
    /// It never will: its document or inputs are wrong.
    Unusable(Vec<Failure>),
    /// The store does not answer: later.
    Later(StoreError),
}

impl From<StoreError> for NotReady {
    fn from(error: StoreError) -> Self {
        NotReady::Later(error)
    }
}

impl From<Failure> for NotReady {
    fn from(failure: Failure) -> Self {
        NotReady::Unusable(vec![failure])
    }
}

impl Service {
    /// Works on a run until it has ended.
    pub(super) fn carry(self: Arc<Self>, id: RunId) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.carry_out(id)));
        let again = match outcome {
            Ok(Ok(())) => false,
            Ok(Err(problem)) => {
                report(&format!("run {id}: {problem}; it is tried again"));
                true
            }
            Err(_) => {
                // The panic's own message was printed by its hook. Trying again could panic again.
                let failure = Failure::new("internal error while the run was worked on").hint("please report it with the server's log");
                let record = self.store().load_run(id).ok().flatten();
                let promise = record.as_ref().and_then(|record| self.promise_of(id, &record.spec));
                self.end_unusable(id, record.map_or(RunState::Running, |record| record.state), vec![failure], promise, false);
                // It may have ended before; what cannot be read now is told by the next server.
                let _ = self.notices.take_up();
                false
            }
        };
        self.leave(id, again);
    }

    fn carry_out(self: &Arc<Self>, id: RunId) -> Result<(), EngineError> {
        let accepted = self.lock().take(id);
        let (record, texts) = match accepted {
            Some(accepted) => (accepted.record, accepted.texts),
            None => match self.store().load_run(id)? {
                Some(record) => (record, Arc::default()),
                None => return Ok(()),
            },
        };
        if record.state.is_terminal() {
            // It ended before its engine broke, and those who want to know may not have been told.
            self.notices.take_up()?;
            return Ok(());
        }
        if record.owner.as_deref() != Some(owner().as_str()) {
            // Another server has it by now.
            return Ok(());
        }
        match record.state {
            RunState::Submitted | RunState::Running => {}
            RunState::Aborting => {
                self.end_abandoned(&record)?;
                return Ok(());
            }
            _ => return Ok(()),
        }
        let mut ready = match self.ready(&record, &texts) {
            Ok(ready) => ready,
            Err(NotReady::Later(error)) => return Err(error.into()),
            Err(NotReady::Unusable(failures)) => {
                self.end_unusable(id, record.state, failures, self.promise_of(id, &record.spec), true);
                return Ok(());
            }
        };
        let dir = ready.request.dir.clone();
        let kept = ready.request.spec.options.clone();
        let options = self.options.settings.with_default_options(&self.options.opened_options(&kept));
        let mut log = RunLog::open(self.options.log_dir.as_deref().unwrap_or(&dir), id);
        ready.notes.iter().for_each(|note| log.line(&format!("WARN {note}")));
        let remote = ready.settings.remote.clone();
        let promise = self.promise(id, (&kept, &options));
        ready.request.on_end = promise.clone().map(on_end);
        let mut engine = Engine::new(Arc::clone(&self.machine), ready.settings, &mut log);
        let root = match engine.submit(ready.request) {
            Ok(root) => root,
            // Its end was asked for before it could go on.
            Err(EngineError::Store(StoreError::Conflict { state: RunState::Aborting, owner: holder, .. }))
                if holder.as_deref() == Some(&*owner()) =>
            {
                self.end_abandoned(&record)?;
                return Ok(());
            }
            // It was aborted before it could begin, or another server has it.
            Err(EngineError::Store(StoreError::Conflict { .. })) => return Ok(()),
            Err(EngineError::Plan(problem)) => {
                self.end_unusable(id, record.state, vec![Failure::new(problem.to_string())], promise, true);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let Some(running) = self.lock().running.get_mut(&id) {
            if running.abort {
                // An inbox of our own: it takes every message.
                let _ = engine.mailbox().send(Message::Interrupt);
            }
            running.mailbox = Some(engine.mailbox());
        }
        let worked = catch_unwind(AssertUnwindSafe(|| engine.work())).unwrap_or_else(|panic| {
            engine.break_off();
            resume_unwind(panic)
        });
        let finished = engine.take(root);
        drop(engine);
        log.flush();
        if worked.is_ok() && finished.is_some() {
            self.put_log(id, &options, log.path(), &remote);
            promise.iter().for_each(|promise| self.notices.tell(promise));
        }
        worked
    }

    /// The log of a run that has ended goes where it was asked for. That does not change how it ended.
    fn put_log(&self, id: RunId, options: &Map<String, Json>, log: &Path, remote: &Remote) {
        let option = |name: &str| options.get(name).and_then(Json::as_str);
        if let Some(target) = option(LOG_OPTION) {
            let name = format!("workflow.{id}.log");
            let destination = Destination::new(target, remote);
            if let Err(error) = destination.and_then(|destination| destination.copy(log, Path::new(&name))) {
                report(&format!("run {id}: its log cannot be copied to `{target}`: {error}"));
            }
        }
        if self.options.log_dir.is_some()
            && self.options.log_temporary
            && let Err(error) = fs::remove_file(log)
            && error.kind() != io::ErrorKind::NotFound
        {
            report(&format!("run {id}: its log `{}` cannot be removed: {error}", log.display()));
        }
    }

    /// That who wants to know is told of the end of a run, by its options.
    fn promise(&self, id: RunId, (kept, options): KeptAndOpened<'_>) -> Option<Promise> {
        let own = options.get(CALLBACK_OPTION).and_then(Json::as_str);
        let is_secret = own.is_some() && self.options.hides(CALLBACK_OPTION, kept.get(CALLBACK_OPTION).unwrap_or(&Json::Null));
        self.notices.promise(id, own, is_secret)
    }

    /// The same by what is kept of the run.
    pub(super) fn promise_of(&self, id: RunId, spec: &str) -> Option<Promise> {
        let spec: RunSpec = serde_json::from_str(spec).unwrap_or_default();
        let options = self.options.settings.with_default_options(&self.options.opened_options(&spec.options));
        self.promise(id, (&spec.options, &options))
    }

    /// Ends what a dead engine has left of a run that somebody wanted to end.
    pub(super) fn end_abandoned(&self, record: &RunRecord) -> Result<(), StoreError> {
        let promise = self.promise_of(record.id, &record.spec);
        let also = promise.iter().map(|promise| promise.keep(RunState::Aborted, Map::new(), &[])).collect();
        end_orphans(self.store(), record.id, self.options.settings.engine.get(), also)?;
        promise.iter().for_each(|promise| self.notices.tell(promise));
        Ok(())
    }

    /// Everything that a run needs, from what was submitted or from what an earlier server has kept.
    fn ready(&self, record: &RunRecord, texts: &Texts) -> Result<Ready, NotReady> {
        let mut spec: RunSpec = serde_json::from_str(&record.spec)
            .map_err(|error| Failure::new(format!("the record of run {} cannot be read: {error}", record.id)))?;
        let mut settings = self.options.settings.clone();
        let opened = self.options.seal.open_all(&spec.options).map_err(Failure::from)?;
        settings.secrets = self.options.secrets(&spec.options, &opened).map_err(Failure::from)?;
        let mut notes = settings.apply_options(&opened).map_err(|failure| settings.secrets.covered_failure(failure))?;
        let downloads = Everywhere::new(Downloads::new(self.options.downloads.clone()), self.options.objects.clone());
        let on_behalf = spec.submission.as_ref().and_then(|submission| submission.on_behalf.clone());
        let reader = self.reader(on_behalf.as_deref())?;
        if reader.is_some() {
            settings.providers = settings.providers.jobs_alone();
        }
        settings.remote = Remote { fetch: Some(Arc::new(downloads)), on_behalf, reader }.for_run();
        let begun = !spec.documents.is_empty();
        let (loaded, callee, bound) =
            if begun { self.kept(&spec, &settings)? } else { self.fresh(record.id, &mut spec, &settings, texts)? };
        notes.extend(bound.notes.iter().cloned());
        let name = callee.name().to_owned();
        let dir = match record.dir.as_str() {
            "" => settings.run_dir(&self.options.root, &name, record.id),
            known => PathBuf::from(known),
        };
        let dir = claim(&dir)?;
        let origin = if record.state == RunState::Running { Origin::TakenUp } else { Origin::Accepted };
        let request = Request {
            id: record.id,
            name,
            module: Arc::clone(&loaded.module),
            callee,
            bound,
            spec,
            dir,
            owner: owner(),
            held_by: Some(record.owner.clone()),
            origin,
            on_end: None,
        };
        Ok(Ready { request, settings, notes })
    }

    /// The user whose rights a run has, if those are not the server's own.
    fn reader(&self, on_behalf: Option<&str>) -> Result<Option<Reader>, Failure> {
        let (Some(account), Some(users)) = (on_behalf, &self.options.users) else { return Ok(None) };
        let user = (users.0)(account).map_err(|why| Failure::new(format!("the run has no user to run as: {why}")))?;
        Ok(user.map(Reader::new))
    }

    /// A run that an earlier server has begun.
    fn kept(&self, spec: &RunSpec, settings: &Settings) -> Result<(Arc<Loaded>, Callee, Bound), NotReady> {
        let loaded = stored::load_documents(self.store(), spec).map_err(|error| Failure::new(error.to_string()))?;
        let callee = stored::find_target(&loaded, &spec.target).map_err(|error| Failure::new(error.to_string()))?;
        let inputs = stored::load_inputs(self.store(), spec).map_err(|error| Failure::new(error.to_string()))?;
        // They were looked at when the run began. Among them is what was brought for it, where its user cannot enter.
        let folders = [PathBuf::from("/")];
        let bound = self.bind(&callee, inputs, settings, &loaded, Places { reader: None, ..places(settings, &folders)? })?;
        if let Some(reader) = &settings.remote.reader {
            let brought = std::path::absolute(&self.options.downloads).map_err(|error| Failure::new(error.to_string()))?;
            let mut grant = |path: &Arc<str>, _: bool| {
                if Path::new(&**path).starts_with(&brought) {
                    reader.grant(Path::new(&**path));
                }
            };
            bound.values.values().for_each(|value| inputs::files(value, &mut grant));
        }
        Ok((Arc::new(loaded), callee, bound))
    }

    /// A run that nobody has worked on: its documents are loaded and checked, and kept.
    fn fresh(&self, id: RunId, spec: &mut RunSpec, settings: &Settings, texts: &Texts) -> Result<(Arc<Loaded>, Callee, Bound), NotReady> {
        let submission = spec.submission.clone().ok_or_else(|| Failure::new("the run has no submission"))?;
        let loaded = self.documents(&submission, texts)?;
        let callee = target_of(&loaded)?;
        let text = self.text(&submission.inputs, texts)?;
        let mut given: Map<String, Json> =
            serde_json::from_str(&text).map_err(|error| Failure::new(format!("the inputs cannot be read: {error}")))?;
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        drop(text);
        let folders = [here];
        let pieces = settings.run_dir(&self.options.root, callee.name(), id).join("described");
        let places = places(settings, &folders)?;
        let problems = described::realize(&mut given, &callee, places, &pieces);
        if !problems.is_empty() {
            return Err(unusable(problems));
        }
        let bound = self.bind(&callee, given, settings, &loaded, places)?;
        let dialect = settings.dialect_of(loaded.module.document.version);
        let writes = stored::describe(spec, &loaded, &callee, &bound, dialect);
        // What records that the run has begun is queued behind them.
        self.store().write_then(writes, drop);
        Ok((loaded, callee, bound))
    }

    fn documents(&self, submission: &Submission, texts: &Texts) -> Result<Arc<Loaded>, NotReady> {
        self.options.accepted.check_submission(submission.language.as_deref(), submission.version.as_deref())?;
        let source = submission.source.as_deref().map(|hash| self.text(hash, texts)).transpose()?;
        let imports = submission.imports.as_deref().map(|hash| self.text(hash, texts)).transpose()?;
        let (main, imports) = (source.as_deref(), imports.as_deref());
        let known = main.and_then(|main| self.recent.find(main, imports));
        let loaded = match known {
            Some(loaded) => loaded,
            None => {
                let dependencies: BTreeMap<String, String> = imports
                    .map_or_else(|| Ok(BTreeMap::new()), serde_json::from_str)
                    .map_err(|error| Failure::new(format!("the kept dependencies cannot be read: {error}")))?;
                let sent = Sent { main, url: submission.url.as_deref(), dependencies: &dependencies };
                let mut sources = self.options.sources.clone();
                sources.stores.on_behalf.clone_from(&submission.on_behalf);
                let loaded = Arc::new(load_checked(&sent, &sources).map_err(NotReady::Unusable)?);
                main.into_iter().for_each(|main| self.recent.keep(main, imports, &loaded));
                loaded
            }
        };
        self.options.accepted.check_document(loaded.module.document.version)?;
        Ok(loaded)
    }

    fn bind(
        &self,
        callee: &Callee,
        given: Map<String, Json>,
        settings: &Settings,
        loaded: &Loaded,
        places: Places<'_>,
    ) -> Result<Bound, NotReady> {
        let dialect = settings.dialect_of(loaded.module.document.version);
        let mut problems = Vec::new();
        let strict = settings.strict_inputs.get(&loaded.module.document.version).copied();
        let read = inputs::bind_as(callee, &given, dialect, strict);
        // Large inputs are not held twice from here on.
        drop(given);
        let bound = match read {
            Ok(mut bound) => {
                problems.extend(given::find_files(callee, &mut bound, dialect, places));
                Some(bound)
            }
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        match bound {
            Some(bound) if problems.is_empty() => Ok(bound),
            _ => Err(unusable(problems)),
        }
    }

    /// A text of a submission, from what was kept of it or from the store.
    fn text(&self, hash: &str, texts: &Texts) -> Result<String, NotReady> {
        if let Some(text) = texts.get(hash) {
            return Ok(text.clone());
        }
        let text = self.store().load_blob(hash)?;
        Ok(text.ok_or_else(|| Failure::new("a text of the submission is gone from the state"))?)
    }

    /// Records that a run cannot be carried out, and has told whom that was promised. What an earlier server has started for it is
    /// ended first: nobody would wait for it.
    fn end_unusable(&self, id: RunId, state: RunState, failures: Vec<Failure>, promise: Option<Promise>, unusable: bool) {
        let told = promise.as_ref().map(|promise| promise.keep(RunState::Failed, Map::new(), &failures));
        let also: Vec<Write> = told.into_iter().collect();
        let result = RunResultDoc { failures, unusable, ..RunResultDoc::default() };
        let ended = if state == RunState::Submitted {
            let end = Write::MoveRun(failed(id, &result, self.clock.now_ms()));
            self.store().write([end].into_iter().chain(also).collect()).wait()
        } else {
            fail_orphans(self.store(), id, self.options.settings.engine.get(), &result, also).map(drop)
        };
        match ended {
            Ok(()) => promise.iter().for_each(|promise| self.notices.tell(promise)),
            // A run that has ended otherwise keeps its end.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => report(&format!("run {id} has failed, and that cannot be recorded: {error}")),
        }
    }
}

/// What tells of an end in the words of a notice.
fn on_end(promise: Promise) -> OnEnd {
    Box::new(move |finished| {
        let outputs = finished.outputs.iter().map(|(name, value)| (name.clone(), batchyard_wdl::json::to_json(value))).collect();
        vec![promise.keep(finished.state, outputs, &finished.failures)]
    })
}

/// Where the files of a run's inputs are looked for.
fn places<'p>(settings: &'p Settings, folders: &'p [PathBuf]) -> Result<Places<'p>, NotReady> {
    let Some(fetch) = settings.remote.fetch.as_deref() else { return Err(Failure::new("nobody brings files here").into()) };
    let Remote { on_behalf, reader, .. } = &settings.remote;
    Ok(Places { folders, fetch, on_behalf: on_behalf.as_deref(), reader: reader.as_ref() })
}

fn unusable(problems: Vec<InputProblem>) -> NotReady {
    NotReady::Unusable(problems.into_iter().take(MAX_PROBLEMS).map(input_failure).collect())
}

/// Makes a run's directory. That nobody else is at work in it was found out by a lock, which is not kept: an open file for
/// each run would make the start of every task dearer. Who is at work stands in the state.
fn claim(dir: &Path) -> Result<PathBuf, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::new(format!("cannot use the run directory `{}`: {error}", dir.display())).hint("check free space and permissions there")
    };
    fs::create_dir_all(dir).map_err(wrong)?;
    let dir = fs::canonicalize(dir).map_err(wrong)?;
    let lock = File::open(&dir).map_err(wrong)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Failure::new(format!("another engine is at work in `{}`", dir.display())));
    }
    Ok(dir)
}
