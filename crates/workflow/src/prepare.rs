//! Gets calls ready on threads of their own: runtime attributes, identity, and the look-up of an earlier result.
//!
//! Look-ups are done for many calls in one query ([`reuse`]): while a batch is worked on the next one gathers. Calls whose image
//! has to be asked for wait aside ([`images`]), so that no thread waits for a registry, and those for which something is brought are
//! prepared on threads that may wait ([`aside`]).

mod aside;
mod images;
mod left;
mod reuse;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
};

use batchyard_core::Pool;
use batchyard_model::{CallId, Lineage, RunId};
use batchyard_runner::Trace;
use batchyard_store::{CallRecord, Store, Write};
use batchyard_wdl::{
    ast::{MetaValue, Task},
    json,
    limits::STACK_BYTES,
    module::Module,
    types::Type,
    value::Value,
    version::Version,
};
use indexmap::IndexMap;

use crate::{
    digests::{Answer, name::ImageName},
    documents::{EndDoc, Failure, StartDoc},
    engine::Message,
    fetch::{Patience, Remote},
    host::Originals,
    identity::{Hashing, Identities, Identity, command_template, declaration_text, task_parts, template_hash, text_hash},
    provider::{Provider, Site, bcs},
    runtime::Runtime,
    settings::{Place, Settings},
    task::{TaskFrame, place as place_of},
    unwritten::Unwritten,
};
pub use aside::Endings;
pub use images::RunImages;
pub use left::Left;

/// Most calls prepared together.
const BATCH: usize = 64;

/// What the preparations of one engine have in common.
pub struct PrepareContext {
    /// How its runs are carried out.
    pub settings: Arc<Settings>,
    /// Who brings what is elsewhere, as the settings say.
    pub remote: Arc<Remote>,
    /// What it knows of files.
    pub identities: Identities,
    /// Where it listens.
    pub reply: Sender<Message>,
    /// Its results that the store has not written yet.
    pub unwritten: Unwritten,
    /// What the tags of images mean to its runs.
    pub images: RunImages,
    /// Which of its runs are ending.
    pub endings: Endings,
    /// The parts that every call of a task shares, by the task's address, which lives as long as its `Arc`.
    pub task_parts: Mutex<HashMap<usize, TaskParts>>,
}

/// A call to get ready.
pub struct Preparation {
    /// Whose it is.
    pub context: Arc<PrepareContext>,
    /// The engine's number of the call.
    pub number: u64,
    /// Its id.
    pub id: CallId,
    /// The run that it belongs to in the end.
    pub root: RunId,
    /// Where its run stands below that one; `None` if it is that one.
    pub lineage: Option<Arc<Lineage>>,
    /// Document of the task.
    pub module: Arc<Module>,
    /// The task.
    pub task: Arc<Task>,
    /// Its inputs with original paths.
    pub inputs: Arc<IndexMap<Arc<str>, Value>>,
    /// Overridden runtime attributes.
    pub overrides: IndexMap<String, Value>,
    /// Directory of the attempt.
    pub call_dir: PathBuf,
    /// Whether its identity is computed and looked up (first attempts only).
    pub look_up: bool,
    /// What an earlier engine has left of it.
    pub left: Option<Left>,
    /// Whether it may run already, or have ended.
    pub may_have_started: bool,
    /// What its image is, once that was asked for.
    pub told: Option<Told>,
    /// Whether whoever prepares it may wait for what is brought.
    pub may_wait: bool,
}

/// An image and what was found out about it.
pub type Told = (ImageName, Answer);

/// Why a call is not ready.
enum Halt {
    /// It never will be.
    Failed(Failure),
    /// The digest of its image must be asked for.
    Image(ImageName),
    /// Something has to be brought, which may take its time.
    Wait,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Failed(failure)
    }
}

/// A call that is ready to run, or done by an earlier result.
#[derive(Debug)]
pub struct Prepared {
    /// Its values, for the attempt.
    pub frame: TaskFrame,
    /// What it asks for.
    pub runtime: Runtime,
    /// All runtime attributes.
    pub attributes: IndexMap<String, Value>,
    /// Where it runs.
    pub place: Place,
    /// What it is, when caching is on for it.
    pub identity: Option<Identity>,
    /// In which state its files were before that was worked out, or were found by a further attempt.
    pub originals: Option<Originals>,
    /// An earlier result that can be taken.
    pub hit: Option<Hit>,
}

impl Prepared {
    /// Whether it was begun under an earlier engine, and goes on or has ended.
    fn goes_on(&self) -> bool {
        matches!(self.place.trace(self.frame.host.execution_dir()), Trace::Running | Trace::Ended)
    }
}

/// An earlier result, checked and put in place.
#[derive(Debug)]
pub struct Hit {
    /// The call that made it, for people.
    pub from: String,
    /// Its outputs, with paths in this run.
    pub outputs: IndexMap<Arc<str>, Value>,
    /// The execution that made them.
    pub maker: String,
    /// Its exit status.
    pub exit_code: Option<i32>,
    /// Directory of that call.
    pub dir: String,
    /// Stamps of the output files.
    pub files: IndexMap<String, (u64, i64)>,
}

/// Prepares calls.
pub struct Preparer {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<Store>,
    pool: Pool,
    /// Batches worked on at once.
    workers: usize,
    queue: Mutex<Queue>,
    /// Those that wait for what is brought, on threads of their own.
    aside: aside::Aside,
    /// The top-level runs of earlier runs whose results were found.
    roots: Mutex<HashMap<RunId, RunId>>,
}

/// A task, kept so that its address stays its own, and its parts.
pub type TaskParts = (Arc<Task>, Arc<IndexMap<String, String>>);

#[derive(Default)]
struct Queue {
    waiting: std::collections::VecDeque<Preparation>,
    working: usize,
}

impl Preparer {
    /// Prepares with this many threads.
    pub fn new(workers: usize, store: Arc<Store>) -> Self {
        let pool = Pool::new("prepare", workers, STACK_BYTES);
        Preparer {
            shared: Arc::new(Shared { store, pool, workers, queue: Mutex::default(), aside: aside::Aside::new(), roots: Mutex::default() }),
        }
    }

    /// Gets a call ready; its engine is told how that went.
    pub fn prepare(&self, preparation: Preparation) {
        self.shared.add(preparation);
    }
}

impl Shared {
    fn add(self: &Arc<Self>, preparation: Preparation) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push_back(preparation);
        if queue.working >= self.workers {
            return;
        }
        queue.working += 1;
        drop(queue);
        let shared = Arc::clone(self);
        if self.pool.run(move || shared.work()).is_err() {
            // No thread at all can be made: the work is done here, late but not lost.
            self.work();
        }
    }

    fn work(self: &Arc<Self>) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let count = queue.waiting.len().min(BATCH);
            if count == 0 {
                queue.working -= 1;
                return;
            }
            let batch: Vec<_> = queue.waiting.drain(..count).collect();
            drop(queue);
            self.batch(batch);
        }
    }

    fn batch(self: &Arc<Self>, batch: Vec<Preparation>) {
        let mut ready = Vec::with_capacity(batch.len());
        for preparation in batch {
            if let Some(one) = self.tried(preparation) {
                ready.push(one);
            }
        }
        self.answer(ready);
    }

    /// What becomes of a call, unless it has to wait for something: it goes elsewhere then.
    fn tried(self: &Arc<Self>, preparation: Preparation) -> Option<(Preparation, Result<Prepared, Failure>)> {
        let result = match guarded(|| Ok(self.one(&preparation))) {
            Ok(Err(Halt::Image(image))) => {
                self.ask_for(image, preparation);
                return None;
            }
            Ok(Err(Halt::Wait)) => {
                self.put_aside(preparation);
                return None;
            }
            Ok(Err(Halt::Failed(failure))) | Err(failure) => Err(failure),
            Ok(Ok(prepared)) => Ok(prepared),
        };
        if result.as_ref().is_ok_and(|prepared| prepared.identity.is_some()) {
            return Some((preparation, result));
        }
        // There is nothing to look up: it does not wait for the others.
        tell(&preparation, result);
        None
    }

    fn answer(&self, mut ready: Vec<(Preparation, Result<Prepared, Failure>)>) {
        self.look_up(&mut ready);
        for (preparation, result) in ready {
            tell(&preparation, result);
        }
    }

    fn one(&self, preparation: &Preparation) -> Result<Prepared, Halt> {
        if preparation.may_have_started {
            // It needs nothing that is elsewhere: nobody who cannot be asked now may end what goes on.
            match self.prepared(preparation, &Patience::default(), true) {
                Ok(prepared) if prepared.goes_on() => return Ok(prepared),
                Err(Halt::Image(image)) => return Err(Halt::Image(image)),
                _ => {}
            }
        }
        let patience = match preparation.may_wait {
            true => preparation.ending().map_or_else(Patience::default, Patience::until),
            false => Patience::none(),
        };
        let result = self.prepared(preparation, &patience, false);
        if patience.was_missed() {
            return Err(Halt::Wait);
        }
        let mut prepared = result?;
        prepared.frame.host.patience = Patience::default();
        Ok(prepared)
    }

    fn prepared(&self, preparation: &Preparation, patience: &Patience, has_begun: bool) -> Result<Prepared, Halt> {
        let Preparation { context, module, task, call_dir, .. } = preparation;
        let settings = &context.settings;
        let remote = if has_begun { Arc::new(context.remote.of_earlier()) } else { Arc::clone(&context.remote) };
        let inputs = remote.bring(&preparation.inputs, patience).map_err(|e| Failure { call: Some(preparation.id.to_string()), ..e })?;
        let version = module.document.version;
        let dialect = settings.dialect_of(version);
        let mut frame = TaskFrame::new(module, task, dialect, call_dir, &inputs);
        frame.host.limit(&settings.limits);
        frame.host.has_neighbours = settings.remote.on_behalf.is_none();
        frame.host.remote = remote;
        frame.host.has_begun = has_begun;
        frame.host.patience.clone_from(patience);
        let asked = |frame: &TaskFrame, attempt: u32| {
            frame.bind_task_variable(&preparation.id.to_string(), attempt, None, None);
            let mut attributes = frame.attributes(&settings.default_attributes, &preparation.overrides)?;
            let provider = settings.provider_of(&attributes)?;
            if let Some(provider) = provider {
                add_defaults(provider, &mut attributes);
            }
            let runtime = Runtime::read(&attributes, dialect).map_err(|e| Failure {
                place: Some(place_of(module, task.name.span)),
                ..Failure::new(format!("runtime validation failed: {e}"))
            })?;
            Ok::<_, Failure>((attributes, runtime, provider.cloned()))
        };
        // From 1.3 on an attempt may ask for more than the one before: what that was follows from its number.
        if version >= Version::V1_3 {
            for earlier in 1..preparation.id.attempt {
                let (_, runtime, _) = asked(&frame, earlier)?;
                frame.set_previous(Some(runtime));
            }
        }
        let (attributes, runtime, provider) = asked(&frame, preparation.id.attempt)?;
        let place = match &provider {
            Some(provider) => self.at_provider(preparation, provider, &attributes, &runtime)?,
            None => {
                let mut place = settings.place(&runtime)?;
                preparation.pin(&mut place)?;
                place
            }
        };
        let is_known = place.image.as_ref().is_none_or(|image| image.unknown.is_none());
        let cacheable = preparation.look_up && is_known && !is_volatile(task) && (settings.read_cache || settings.write_cache);
        frame.bind_task_variable(&preparation.id.to_string(), preparation.id.attempt, Some(&runtime), None);
        let must_be_had = preparation.may_wait || has_begun;
        if frame.host.remote.fetch.is_some() && (must_be_had || !cacheable) {
            // What has to be brought is brought before the call gets cores. What cannot be had now is not asked for again then; who may
            // not wait learns only that he would have to.
            frame.reach_ahead().or_else(|failure| if must_be_had { Err(failure) } else { Ok(()) })?;
        }
        let originals = (cacheable || !preparation.look_up).then(|| {
            // What is wrong with one of them is found out when the call begins.
            let _ = frame.name_ahead();
            frame.host.originals()
        });
        let identity = if cacheable { self.identity(preparation, &frame, &inputs, (&attributes, &runtime), &place)? } else { None };
        Ok(Prepared { frame, runtime, attributes, place, identity, originals, hit: None })
    }

    fn at_provider(
        &self,
        preparation: &Preparation,
        provider: &Arc<Provider>,
        attributes: &IndexMap<String, Value>,
        runtime: &Runtime,
    ) -> Result<Place, Halt> {
        let settings = &preparation.context.settings;
        if provider.definition().bcs {
            bcs::check_task(attributes)?;
        }
        let (mut place, mut image) = settings.place_at(provider, runtime)?;
        // What BatchCompute finds in an object store it finds by its tag, which is all that it is known by.
        if !provider.definition().bcs {
            preparation.pin(&mut place)?;
            if let (Some(image), Some(used)) = (&mut image, &place.image) {
                image.replace_range(.., used.exact());
            }
        }
        let short: String = preparation.id.run.to_string().chars().take(8).collect();
        let name = format!("cromwell_{short}_{}", preparation.id.call);
        let dialect = settings.dialect_of(preparation.module.document.version);
        let changed;
        let attributes = if provider.definition().bcs {
            if let Some(image) = image.as_ref().filter(|image| !bcs::is_quotable(image)) {
                return Err(Failure::new(format!("`{image}` is no name of an image")).into());
            }
            let stands_in = place.image.as_ref().is_some_and(|image| image.mode == "host");
            changed = bcs::for_commands(attributes, stands_in, settings.has_engine());
            &changed
        } else {
            attributes
        };
        place.site = Some(Site::new(provider, attributes, runtime, image, name, dialect)?);
        Ok(place)
    }

    /// What a call is; `None` where that is not known now, because of a file that a task names itself: when the call begins it is found
    /// out what is wrong with that.
    fn identity(
        &self,
        preparation: &Preparation,
        frame: &TaskFrame,
        inputs: &IndexMap<Arc<str>, Value>,
        (attributes, runtime): (&IndexMap<String, Value>, &Runtime),
        place: &Place,
    ) -> Result<Option<Identity>, Failure> {
        let mut parts = (*self.parts_of(preparation)).clone();
        if let Some(image) = &place.image {
            let text = if image.in_container() { image.exact().to_owned() } else { format!("{} on the host", image.used) };
            parts.insert("image".into(), text);
        }
        if let Some(environment) = &place.environment {
            parts.insert("programs".into(), text_hash(environment));
        }
        if let Some(site) = &place.site {
            parts.extend(site.identity_parts());
        }
        if let Some(reader) = &preparation.context.settings.remote.reader {
            // Its files are its own to change: nobody else's results.
            parts.insert("user".into(), reader.user().uid.to_string());
        }
        let hashing = place.site.as_ref().and_then(|site| site.provider().hashing());
        parts.insert("return codes".into(), format!("{:?}", runtime.return_codes));
        parts.insert("fail on stderr".into(), runtime.fail_on_stderr.to_string());
        for (name, value) in inputs {
            let text = preparation.context.identities.value_text(value, hashing).map_err(|e| Failure {
                call: Some(preparation.id.to_string()),
                ..Failure::new(format!("cannot read input `{name}`: {e}"))
            })?;
            parts.insert(format!("input {name}"), text);
        }
        let Some(named) = self.named(preparation, frame, inputs, hashing) else { return Ok(None) };
        parts.extend(named);
        preparation.context.settings.secrets.cover_parts(&mut parts, attributes);
        Ok(Some(Identity::of(parts)))
    }

    /// The parts of an identity that are what the task names and reads itself.
    fn named(
        &self,
        preparation: &Preparation,
        frame: &TaskFrame,
        inputs: &IndexMap<Arc<str>, Value>,
        hashing: Option<&Hashing>,
    ) -> Option<Vec<(String, String)>> {
        let identities = &preparation.context.identities;
        let text = |value: &Value| identities.text_as_far_as_there(value, hashing).ok();
        let task = &preparation.task;
        let mut parts = Vec::new();
        for decl in task.inputs.iter().filter(|decl| decl.value.is_some() && !inputs.contains_key(&decl.name.text)) {
            let written = || declaration_text(&preparation.module, decl);
            let text = match frame.unplaced(decl).ok()? {
                None => written(),
                Some(value) => match text(&value)? {
                    (text, false) => text,
                    (text, true) => format!("{text} of {}", written()),
                },
            };
            parts.push((format!("input {}", decl.name.text), text));
        }
        for decl in task.decls.iter().filter(|decl| frame.may_name_files(decl)) {
            if let Some(value) = frame.unplaced(decl).ok()? {
                parts.push((format!("files of {}", decl.name.text), text(&value)?.0));
            }
        }
        frame.read_ahead().ok()?;
        parts.extend(frame.host.learnt().into_iter().enumerate().map(|(i, learnt)| (format!("read {}", i + 1), learnt)));
        frame.host.is_sure().then_some(parts)
    }

    fn parts_of(&self, preparation: &Preparation) -> Arc<IndexMap<String, String>> {
        let Preparation { context, module, task, .. } = preparation;
        let mut known = context.task_parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, parts)) = known.get(&(Arc::as_ptr(task) as usize)) {
            return Arc::clone(parts);
        }
        let parts = Arc::new(task_parts(module, task, context.settings.dialect_of(module.document.version)));
        // The command's text is kept once, so that a later miss can show what changed in it.
        let text = command_template(module, task);
        self.store.write_then(vec![Write::PutBlob { hash: template_hash(&text), content: text }], drop);
        known.insert(Arc::as_ptr(task) as usize, (Arc::clone(task), Arc::clone(&parts)));
        parts
    }
}

/// Tells an engine what became of a call. One that is gone (after a panic of ours) needs no answer.
fn tell(preparation: &Preparation, result: Result<Prepared, Failure>) {
    let _ = preparation.context.reply.send(Message::Prepared(preparation.number, Box::new(result)));
}

/// The outputs of a recorded call.
pub struct Outputs {
    /// By name.
    pub values: IndexMap<Arc<str>, Value>,
    /// Directory of the attempt.
    pub dir: String,
    /// The whole document.
    pub end: EndDoc,
}

impl Outputs {
    /// Reads the outputs of a recorded call of this task. `None` when the record does not fit the task.
    pub fn read(module: &Module, task: &Task, record: &CallRecord, dialect: batchyard_wdl::version::Dialect) -> Option<Outputs> {
        let start: StartDoc = serde_json::from_str(&record.start_doc).ok()?;
        let end: EndDoc = serde_json::from_str(record.end_doc.as_deref()?).ok()?;
        let mut values = IndexMap::new();
        for decl in &task.outputs {
            let ty: Type = module.resolve(&decl.ty).ok()?;
            let value = json::from_json(end.outputs.get(&*decl.name.text)?, &ty, dialect).ok()?;
            values.insert(Arc::clone(&decl.name.text), value);
        }
        Some(Outputs { values, dir: start.dir, end })
    }
}

/// The text by which an execution is known as the maker of its outputs.
pub fn record_maker(id: &CallId) -> String {
    format!("{}/{}/{}/{}", id.run, id.call, id.shard, id.attempt)
}

/// The run of a maker, see [`record_maker`].
fn run_of_maker(maker: &str) -> Option<RunId> {
    maker.split('/').next()?.parse().ok()
}

/// Attributes that a provider sets for tasks that are silent about them.
fn add_defaults(provider: &Provider, attributes: &mut IndexMap<String, Value>) {
    for (name, value) in &provider.definition().default_runtime_attributes {
        if attributes.get(name).is_none_or(Value::is_none) {
            attributes.insert(name.clone(), json::from_json_any(value));
        }
    }
}

/// `meta { volatile: true }` switches caching off.
fn is_volatile(task: &Task) -> bool {
    task.meta.iter().any(|(name, value)| &*name.text == "volatile" && *value == MetaValue::Boolean(true))
}

/// A panic of ours is a failure of the call, not of everybody.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure::new("internal error while this call was worked on").hint("please report it with the message above"))
    })
}
