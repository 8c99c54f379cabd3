//! Tells those who want to know that workflows have ended, again and again when nobody answers.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use batchyard_model::RunId;
use batchyard_store::{RunMove, Store, Write};
use batchyard_workflow::{
    clock::Clock,
    documents::{CallbackDoc, RunResultDoc, to_text},
    secrets::CLEARED,
};

use super::report;
use crate::{config::Callback, documents::notify};

/// Most threads that tell.
const THREADS: usize = 5;
/// Sleep of a thread that has nothing to do; it is woken when there is something.
const IDLE: Duration = Duration::from_secs(3600);

/// What is to be told, to whom.
pub(super) struct Notice {
    /// The run that has ended.
    pub(super) run: RunId,
    pub(super) url: String,
    /// Whether the URL is not written down.
    pub(super) is_secret: bool,
    /// JSON.
    pub(super) body: serde_json::Value,
    /// How often and when.
    pub(super) manner: Callback,
}

impl Notice {
    /// Its URL as it may be told.
    fn shown(&self) -> &str {
        if self.is_secret { CLEARED } else { &self.url }
    }
}

/// Notices that wait for their time.
pub(super) struct Notices {
    store: Arc<Store>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BinaryHeap<Reverse<Entry>>,
    /// Notices that threads are telling just now.
    telling: usize,
    threads: usize,
    number: u64,
}

/// Ordered by time, then by arrival.
struct Entry {
    at: Instant,
    number: u64,
    failed: u32,
    notice: Notice,
}

impl Notices {
    /// None so far; what becomes of them is kept in this store.
    pub(super) fn new(store: Arc<Store>) -> Self {
        Notices { store, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Tells as soon as a thread is free.
    pub(super) fn tell(self: &Arc<Self>, notice: Notice) {
        let mut state = self.lock();
        state.add(Instant::now(), 0, notice);
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

    /// How many wait or are being told.
    pub(super) fn undelivered(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.telling
    }

    fn work(&self) {
        loop {
            let entry = self.next();
            let told = notify(&entry.notice.url, &entry.notice.body);
            let failed = entry.failed + 1;
            let over = told.is_ok() || failed > entry.notice.manner.max_retries;
            if over {
                // Before it counts as told: a server that ends waits for what is written, not for this thread.
                self.record(&entry.notice, told.is_ok());
            }
            let mut state = self.lock();
            state.telling -= 1;
            let Err(problem) = told.map_err(|problem| problem.replace(&entry.notice.url, entry.notice.shown())) else { continue };
            if over {
                drop(state);
                report(&format!("run {}: {problem}; it is not tried again", entry.notice.run));
            } else if let Some(at) = Instant::now().checked_add(entry.notice.manner.wait_after(failed)) {
                state.add(at, failed, entry.notice);
                self.changed.notify_one();
            }
        }
    }

    /// Keeps what became of a notice with the result of its run.
    fn record(&self, notice: &Notice, successful: bool) {
        let id = notice.run;
        let at_ms = Clock::start().now_ms();
        let change = || {
            let record = self.store.load_run(id).map_err(|error| error.to_string())?;
            // Removed, or taken up again meanwhile: its next end is told anew.
            let Some(record) = record.filter(|record| record.state.is_terminal()) else { return Ok(None) };
            let read = record.result.as_deref().map_or_else(|| Ok(RunResultDoc::default()), serde_json::from_str);
            let mut result: RunResultDoc = read.map_err(|error| format!("its result cannot be read: {error}"))?;
            result.callback = Some(CallbackDoc { successful, url: notice.shown().to_owned(), at_ms });
            let same = RunMove::new(id, vec![record.state], record.state, record.ended_ms.unwrap_or(at_ms));
            Ok::<_, String>(Some(RunMove { result: Some(to_text(&result)), ..same }))
        };
        let tell = move |problem: String| report(&format!("run {id}: what became of the notice of its end is not kept: {problem}"));
        match change() {
            Ok(Some(change)) => self.store.write_then(vec![Write::MoveRun(change)], move |kept| {
                if let Err(error) = kept {
                    tell(error.to_string());
                }
            }),
            Ok(None) => {}
            Err(problem) => tell(problem),
        }
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
    fn add(&mut self, at: Instant, failed: u32, notice: Notice) {
        self.number += 1;
        self.waiting.push(Reverse(Entry { at, number: self.number, failed, notice }));
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
