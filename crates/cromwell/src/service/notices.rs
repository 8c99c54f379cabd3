//! Tells those who want to know that workflows have ended, again and again when nobody answers.
//!
//! What is to be told is recorded together with the end of the run ([`Promise`]), and removed when it is taken or given up: a
//! server that dies in between leaves it to the one that takes over what it held. So nothing is lost, and what was told just
//! before a death is told once more.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use batchyard_model::{RunId, RunState, notice_id};
use batchyard_store::{NoticeKind, NoticeRecord, NoticeSummary, NoticeWrite, RunMove, Store, StoreError, Write};
use batchyard_workflow::{
    clock::Clock,
    documents::{CallbackDoc, Failure, RunResultDoc, to_text},
    owner::owner,
    secrets::CLEARED,
};
use serde_json::{Map, Value as Json, json};

use super::{
    carry::CALLBACK_OPTION,
    report,
    seal::{Seal, is_sealed},
};
use crate::{config::Callback, documents::notify};

/// Most threads that tell.
const THREADS: usize = 5;
/// Sleep of a thread that has nothing to do; it is woken when there is something.
const IDLE: Duration = Duration::from_secs(3600);
/// Notices of this server that wait at most; the ends of further workflows are not told.
const MAX_WAITING: usize = 10_000;
/// Notices that are read at a time.
const PAGE: u32 = 1000;

/// Somebody wants to know of the end of a run.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    run: RunId,
    receiver: Receiver,
    /// The id of the notice, once the run has ended.
    made: Arc<OnceLock<String>>,
}

/// Who is told.
#[derive(Clone)]
struct Receiver {
    url: String,
    /// What is written down in the place of a secret URL.
    sealed: Option<String>,
}

impl Receiver {
    /// Its URL as it may be told.
    fn shown(&self) -> &str {
        if self.sealed.is_some() { CLEARED } else { &self.url }
    }

    /// As it is kept.
    fn kept(&self) -> &str {
        self.sealed.as_ref().unwrap_or(&self.url)
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

/// Notices that wait for their time.
pub(super) struct Notices {
    store: Arc<Store>,
    /// How often and when; nothing when nobody is told.
    manner: Option<Callback>,
    /// For secret URLs.
    seal: Arc<Seal>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BinaryHeap<Reverse<Entry>>,
    /// Those that wait, and those that threads are telling just now.
    known: HashSet<String>,
    telling: usize,
    threads: usize,
    number: u64,
    is_full: bool,
}

/// Ordered by time, then by arrival.
struct Entry {
    at: Instant,
    number: u64,
    failed: u32,
    /// Of the row with the text.
    id: String,
    run: RunId,
    receiver: Receiver,
}

impl Promise {
    /// What is to be recorded together with the end of the run.
    pub(super) fn keep(&self, state: RunState, outputs: Map<String, Json>, failures: &[Failure]) -> Write {
        let failures: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
        let body = json!({ "workflowId": self.run.to_string(), "state": state.name(), "outputs": outputs, "failures": failures });
        let summary = NoticeSummary {
            id: self.made.get_or_init(notice_id).clone(),
            kind: NoticeKind::Workflow,
            owner: owner(),
            subject: self.run.to_string(),
            receiver: self.receiver.kept().to_owned(),
            tries: 0,
            created_ms: Clock::start().now_ms(),
        };
        Write::Notice(NoticeWrite::Insert(NoticeRecord { summary, body: body.to_string() }))
    }
}

impl Notices {
    /// None so far; the store has their texts.
    pub(super) fn new(store: Arc<Store>, manner: Option<Callback>, seal: Arc<Seal>) -> Self {
        Notices { store, manner, seal, state: Mutex::default(), changed: Condvar::new() }
    }

    /// That the end of a run will be told, if somebody wants to know: `url`, or else whom the configuration names. A secret URL is
    /// sealed where it is written down.
    pub(super) fn promise(&self, run: RunId, url: Option<&str>, is_secret: bool) -> Option<Promise> {
        let url = url.or(self.manner.as_ref()?.endpoint.as_deref())?.to_owned();
        let sealed = match is_secret.then(|| self.seal.seal(CALLBACK_OPTION, &Json::from(url.as_str()))).transpose() {
            Ok(sealed) => sealed.map(|sealed| sealed.to_string()),
            Err(error) => {
                report(&format!("run {run}: nobody is told of its end: {error}"));
                return None;
            }
        };
        let receiver = Receiver { url, sealed };
        let mut state = self.lock();
        let is_full = state.known.len() >= MAX_WAITING;
        let was_full = std::mem::replace(&mut state.is_full, is_full);
        if !is_full {
            return Some(Promise { run, receiver, made: Arc::default() });
        }
        drop(state);
        if !was_full {
            report(&format!("{MAX_WAITING} notices that workflows have ended wait already: from run {run} on nobody is told"));
        }
        None
    }

    /// The end of a run is recorded: what was promised is told as soon as a thread is free.
    pub(super) fn tell(self: &Arc<Self>, promise: &Promise) {
        if let Some(id) = promise.made.get() {
            self.add(Instant::now(), 0, id.clone(), promise.run, promise.receiver.clone());
        }
    }

    /// Tells what this server has been left by others, in the order in which it happened.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub(super) fn take_up(self: &Arc<Self>) -> Result<(), StoreError> {
        let (mut after, now, mut given_up) = (String::new(), Instant::now(), 0u32);
        loop {
            let page = self.store.list_notices(NoticeKind::Workflow, &owner(), &after, PAGE)?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for notice in page {
                match (notice.subject.parse(), self.receiver(&notice.receiver)) {
                    (Ok(run), Some(receiver)) if self.manner.is_some() => self.add(now, notice.tries, notice.id, run, receiver),
                    _ => {
                        given_up += 1;
                        self.store.write_then(vec![Write::Notice(NoticeWrite::Remove(notice.id))], drop);
                    }
                }
            }
        }
        if given_up > 0 {
            report(&format!(
                "{given_up} notices that workflows have ended are given up: `workflow-state-callback` is switched off, or the key of a secret address is gone"
            ));
        }
        Ok(())
    }

    /// Who was written down; nobody when a secret cannot be opened any more.
    fn receiver(&self, kept: &str) -> Option<Receiver> {
        let sealed = serde_json::from_str(kept).ok().filter(is_sealed);
        let Some(sealed) = sealed else { return Some(Receiver { url: kept.to_owned(), sealed: None }) };
        let options = Map::from_iter([(CALLBACK_OPTION.to_owned(), sealed)]);
        let url = self.seal.open_all(&options).ok()?.get(CALLBACK_OPTION)?.as_str()?.to_owned();
        Some(Receiver { url, sealed: Some(kept.to_owned()) })
    }

    /// How many wait or are being told.
    pub(super) fn undelivered(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.telling
    }

    fn add(self: &Arc<Self>, at: Instant, failed: u32, id: String, run: RunId, receiver: Receiver) {
        let mut state = self.lock();
        if !state.known.insert(id.clone()) {
            return;
        }
        state.push(Entry { at, number: 0, failed, id, run, receiver });
        if state.threads < THREADS && state.threads < state.waiting.len() + state.telling {
            let this = Arc::clone(self);
            match std::thread::Builder::new().name("notices".into()).stack_size(1 << 20).spawn(move || this.work()) {
                Ok(_) => state.threads += 1,
                // Another notice will try again; until then this one waits for the threads there are.
                Err(error) => report(&format!("no thread to tell of the end of workflows: {error}")),
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn work(&self) {
        let manner = self.manner.clone().unwrap_or_default();
        loop {
            let mut entry = self.next();
            let again = self.tell_once(&mut entry, &manner);
            let mut state = self.lock();
            state.telling -= 1;
            match again.and_then(|wait| Instant::now().checked_add(wait)) {
                Some(at) => {
                    state.push(Entry { at, ..entry });
                    self.changed.notify_one();
                }
                None => drop(state.known.remove(&entry.id)),
            }
        }
    }

    /// One try; how long to wait for the next one, if there is to be any.
    fn tell_once(&self, entry: &mut Entry, manner: &Callback) -> Option<Duration> {
        let text = match self.store.load_notices(&[&entry.id]) {
            Ok(found) => found.into_iter().next()?.body,
            Err(error) => {
                report(&format!("run {}: the notice of its end cannot be read: {error}", entry.run));
                return Some(manner.max_wait);
            }
        };
        let told = notify(&entry.receiver.url, text).map_err(|problem| problem.replace(&entry.receiver.url, entry.receiver.shown()));
        entry.failed = entry.failed.saturating_add(1);
        let problem = told.as_ref().err();
        if let Some(problem) = problem {
            if entry.failed <= manner.max_retries {
                let tried = NoticeWrite::Tried { id: entry.id.clone(), tries: entry.failed };
                // One that is not recorded is tried once more by the next server.
                self.store.write_then(vec![Write::Notice(tried)], drop);
                return Some(manner.wait_after(entry.failed));
            }
            report(&format!("run {}: {problem}; it is not tried again", entry.run));
        }
        // Before it counts as told: a server that ends waits for what is written, not for this thread.
        self.settle(entry, problem.is_none());
        None
    }

    /// Keeps what became of a notice with the result of its run, and removes it.
    fn settle(&self, entry: &Entry, successful: bool) {
        let id = entry.run;
        let remove = || Write::Notice(NoticeWrite::Remove(entry.id.clone()));
        let outcome = self.outcome(entry, successful);
        let told = outcome.is_ok();
        let writes = outcome.as_ref().ok().cloned().flatten().into_iter().chain([remove()]).collect();
        let done = match self.store.write(writes).wait() {
            // The run was removed, or taken up again meanwhile: its next end is told anew.
            Err(StoreError::Conflict { .. } | StoreError::UnknownRun { .. }) => self.store.write(vec![remove()]).wait(),
            done => done,
        };
        if let Some(problem) = outcome.err().or(done.err().map(|error| error.to_string())) {
            let kept = if told { "" } else { " with its result" };
            report(&format!("run {id}: what became of the notice of its end is not kept{kept}: {problem}"));
        }
    }

    /// The change of a run that shows what became of its notice, if it is still as it was.
    fn outcome(&self, entry: &Entry, successful: bool) -> Result<Option<Write>, String> {
        let at_ms = Clock::start().now_ms();
        let record = self.store.load_run(entry.run).map_err(|error| error.to_string())?;
        let Some(record) = record.filter(|record| record.state.is_terminal()) else { return Ok(None) };
        let read = record.result.as_deref().map_or_else(|| Ok(RunResultDoc::default()), serde_json::from_str);
        let mut result: RunResultDoc = read.map_err(|error| format!("its result cannot be read: {error}"))?;
        result.callback = Some(CallbackDoc { successful, url: entry.receiver.shown().to_owned(), at_ms });
        let same = RunMove::new(entry.run, vec![record.state], record.state, record.ended_ms.unwrap_or(at_ms));
        Ok(Some(Write::MoveRun(RunMove { result: Some(to_text(&result)), ..same })))
    }

    /// Waits for the next one that is due.
    fn next(&self) -> Entry {
        let mut state = self.lock();
        loop {
            let left = match state.waiting.peek() {
                Some(Reverse(first)) => first.at.saturating_duration_since(Instant::now()),
                None => IDLE,
            };
            if left.is_zero()
                && let Some(Reverse(entry)) = state.waiting.pop()
            {
                state.telling += 1;
                return entry;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every part is whole after each statement, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, entry: Entry) {
        self.number += 1;
        self.waiting.push(Reverse(Entry { number: self.number, ..entry }));
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
