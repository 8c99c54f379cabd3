//! Delivers messages: from the rows that hold them, each receiver's in order, until they are taken or given up.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use batchyard_crash as crash;
use batchyard_store::{NoticeKind, NoticeRecord, NoticeWrite, Store, StoreError, Write};

use super::lines::{Lines, MAX_OF_RECEIVER, MAX_WAITING, Outcome, Room, Round, Then};
use crate::engine::{now_ms, tell};

/// Tries of a message whose receiver does not answer; with the pauses in between about an hour.
const TRIES: u32 = 20;
/// Tries of a message that its receiver refuses.
const TRIES_WHEN_REFUSED: u32 = 3;
/// How long a message is kept whose receiver does not answer, in milliseconds.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// Failures one after the other after which it is said that messages wait.
const TOLD_AFTER: u32 = 3;
/// How long one receiver is told something before others have their turn.
const ROUND_TIME: Duration = Duration::from_secs(5);
/// Most threads that tell.
const THREADS: usize = 4;
/// Sleep of a thread that has nothing to do; it is woken when there is something.
const IDLE: Duration = Duration::from_secs(3600);
/// Messages of earlier servers that are read at a time.
const PAGE: u32 = 1000;

/// Posts a text to an address.
pub type Post = Arc<dyn Fn(&str, &str) -> Result<(), Undelivered> + Send + Sync>;

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undelivered {
    /// What was seen.
    pub reason: String,
    /// Whether the receiver has heard it and does not want it.
    pub is_refused: bool,
}

/// Messages on their way.
pub struct Delivery {
    store: Arc<Store>,
    post: Post,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Lines,
    threads: usize,
    busy: usize,
}

impl Delivery {
    /// Delivers, with what earlier servers have left first.
    ///
    /// # Errors
    /// What kept the store from answering.
    pub fn begin(store: Arc<Store>, post: Post) -> Result<Arc<Self>, StoreError> {
        let mut state = State::default();
        let (mut after, now) = (String::new(), Instant::now());
        loop {
            let page = store.list_notices(NoticeKind::Job, "", &after, PAGE)?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            page.into_iter().for_each(|notice| state.lines.add(&notice.receiver, notice.id, now));
        }
        let this = Arc::new(Delivery { store, post, state: Mutex::new(state), changed: Condvar::new() });
        this.wake(&mut this.lock());
        Ok(this)
    }

    /// Whether there is room for one message more to this receiver; otherwise that is said.
    pub fn has_room(&self, receiver: &str) -> bool {
        match self.lock().lines.ask(receiver) {
            Room::Free => true,
            Room::Full { is_new } => {
                if is_new {
                    let limits = format!("{MAX_OF_RECEIVER} for one receiver, {MAX_WAITING} for all");
                    tell(&format!("too many messages wait ({limits}): those to `{receiver}` are given up until there is room again"));
                }
                false
            }
        }
    }

    /// Messages to these receivers, with these ids, are recorded now.
    pub fn recorded(self: &Arc<Self>, messages: Vec<(String, String)>) {
        let now = Instant::now();
        let mut state = self.lock();
        messages.into_iter().for_each(|(receiver, id)| state.lines.add(&receiver, id, now));
        self.wake(&mut state);
    }

    /// Has somebody see to what waits.
    fn wake(self: &Arc<Self>, state: &mut State) {
        // One for each receiver, also for one that has its turn later: somebody must notice that.
        let wanted = (state.busy + state.lines.receivers()).min(THREADS);
        while state.threads < wanted {
            let this = Arc::clone(self);
            match thread::Builder::new().name("herald".into()).spawn(move || this.work()) {
                Ok(_) => state.threads += 1,
                Err(error) => {
                    // Another message will try again; until then this one waits for the threads there are.
                    tell(&format!("no thread for messages to others: {error}"));
                    break;
                }
            }
        }
        self.changed.notify_one();
    }

    fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if let Some(round) = state.lines.take(now) {
                state.busy += 1;
                self.wake(&mut state);
                drop(state);
                let (outcome, trouble) = self.tell_in_order(&round);
                state = self.lock();
                state.busy -= 1;
                let failed = state.lines.settle(&round.receiver, outcome, Instant::now());
                if let Some(trouble) = trouble.filter(|_| failed == TOLD_AFTER) {
                    tell(&format!("messages to `{}` wait: {trouble}", round.receiver));
                }
                continue;
            }
            let left = state.lines.next().map_or(IDLE, |at| at.saturating_duration_since(now));
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tells a receiver its messages until one is not taken; what went wrong with that.
    fn tell_in_order(&self, round: &Round) -> (Outcome, Option<String>) {
        let begun = Instant::now();
        let ids: Vec<&str> = round.ids.iter().map(String::as_str).collect();
        let notices: HashMap<String, NoticeRecord> = match self.store.load_notices(&ids) {
            Ok(notices) => notices.into_iter().map(|notice| (notice.summary.id.clone(), notice)).collect(),
            Err(error) => return (Outcome { done: 0, then: Then::Pause }, Some(error.to_string())),
        };
        // One that is not among the rows any more was removed by somebody else.
        let known: Vec<Option<&NoticeRecord>> = round.ids.iter().map(|id| notices.get(id)).collect();
        for (place, notice) in known.iter().enumerate() {
            let Some(notice) = notice else { continue };
            if begun.elapsed() > ROUND_TIME {
                return (Outcome { done: place, then: Then::GoOn }, None);
            }
            if let Err(problem) = self.deliver(&round.receiver, &notice.body) {
                let given_up = self.after_failure(notice, known.get(place + 1..).unwrap_or_default(), &problem);
                let then = if problem.is_refused && given_up > 0 { Then::GoOn } else { Then::Pause };
                return (Outcome { done: place + given_up, then }, Some(problem.reason));
            }
            crash::place("message delivered");
            self.write(NoticeWrite::Remove(notice.summary.id.clone()));
        }
        (Outcome { done: known.len(), then: Then::GoOn }, None)
    }

    /// Notes a try in vain, or gives the message up; one that has waited too long takes those with it that have, too, right behind
    /// it. How many were given up.
    fn after_failure(&self, notice: &NoticeRecord, behind: &[Option<&NoticeRecord>], problem: &Undelivered) -> usize {
        let summary = &notice.summary;
        let tries = summary.tries.saturating_add(1);
        let kept_since = now_ms() - KEPT_MS;
        let is_late = |notice: &NoticeRecord| notice.summary.created_ms < kept_since;
        let most = if problem.is_refused { TRIES_WHEN_REFUSED } else { TRIES };
        if tries < most && !is_late(notice) {
            self.write(NoticeWrite::Tried { id: summary.id.clone(), tries });
            return 0;
        }
        let late = behind.iter().take_while(|other| is_late(notice) && !problem.is_refused && other.is_none_or(is_late)).count();
        let gone = behind.iter().take(late).flatten().copied().chain([notice]);
        gone.for_each(|gone| self.write(NoticeWrite::Remove(gone.summary.id.clone())));
        let others = if late == 0 { String::new() } else { format!(", and {late} that waited behind it") };
        let (subject, receiver) = (&summary.subject, &summary.receiver);
        tell(&format!("a message about `{subject}` to `{receiver}` was given up after {tries} tries{others}: {problem}"));
        1 + late
    }

    fn deliver(&self, receiver: &str, text: &str) -> Result<(), Undelivered> {
        match receiver.strip_prefix("file://") {
            Some(path) => append(path, text).map_err(|e| Undelivered { reason: e.to_string(), is_refused: false }),
            None => (self.post)(receiver, text),
        }
    }

    /// Nobody waits for it: what is not recorded is told once more by the next server.
    fn write(&self, change: NoticeWrite) {
        self.store.write_then(vec![Write::Notice(change)], |recorded| {
            if let Err(error) = recorded {
                tell(&format!("what became of a message to others is not recorded: {error}"));
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // All parts are whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn append(path: &str, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{text}\n").as_bytes())
}
