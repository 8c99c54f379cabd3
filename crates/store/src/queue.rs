//! What waits for the writer: bounded, in order, never dropped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::error::StoreError;
use crate::record::Write;

/// Writes that may wait before callers are made to wait.
const MOST_WRITES: usize = 4096;
/// Bytes that may wait before callers are made to wait.
const MOST_BYTES: usize = 8 << 20;
/// How long writes gather when nobody waits for their answer: a transaction costs more than the rows in it.
const GATHERING: Duration = Duration::from_millis(25);

/// The answer to one [`crate::Store::write`], given after its commit.
#[must_use = "nothing is known to be stored before the ticket is answered"]
pub struct Ticket(Arc<Answer>);

#[derive(Default)]
struct Answer {
    verdict: Mutex<Option<Result<(), StoreError>>>,
    given: Condvar,
}

impl Ticket {
    /// A ticket, and what answers it.
    pub(crate) fn new() -> (Ticket, Done) {
        let answer = Arc::new(Answer::default());
        (Ticket(Arc::clone(&answer)), Done::Ticket(Replier(answer)))
    }

    /// Waits for the commit.
    ///
    /// # Errors
    /// What kept the writes from being stored; then none of them was.
    pub fn wait(self) -> Result<(), StoreError> {
        let mut verdict = lock(&self.0.verdict);
        loop {
            match verdict.take() {
                Some(known) => return known,
                None => verdict = self.0.given.wait(verdict).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The writer's end of a ticket.
pub(crate) struct Replier(Arc<Answer>);

impl Replier {
    fn give(&self, verdict: Result<(), StoreError>) {
        let mut slot = lock(&self.0.verdict);
        if slot.is_none() {
            *slot = Some(verdict);
            self.0.given.notify_one();
        }
    }
}

impl Drop for Replier {
    /// Nobody waits for ever, whatever became of the writer.
    fn drop(&mut self) {
        self.give(Err(StoreError::Closed));
    }
}

type Call = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A function to call with the answer, once.
pub(crate) struct Callback(Option<Call>);

impl Callback {
    fn give(&mut self, verdict: Result<(), StoreError>) {
        if let Some(call) = self.0.take() {
            // A caller's panic must not take the writer, and everybody else's records, with it; the panic's
            // message was printed by the hook.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(verdict)));
        }
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.give(Err(StoreError::Closed));
    }
}

/// Who wants to know how it went.
pub(crate) enum Done {
    Ticket(Replier),
    Callback(Callback),
}

impl Done {
    pub(crate) fn callback(call: impl FnOnce(Result<(), StoreError>) + Send + 'static) -> Done {
        Done::Callback(Callback(Some(Box::new(call))))
    }

    pub(crate) fn give(self, verdict: Result<(), StoreError>) {
        match self {
            Done::Ticket(replier) => replier.give(verdict),
            Done::Callback(mut callback) => callback.give(verdict),
        }
    }
}

/// Writes that happen together, and who wants to know.
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write>,
    pub(crate) done: Done,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<Batch>,
    writes: usize,
    bytes: usize,
    /// How many callers wait for room.
    held: usize,
    /// Whether somebody waits for the answer to one of them.
    urgent: bool,
    closed: bool,
}

/// The queue itself.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    room: Condvar,
    filled: Notify,
    hurried: Notify,
}

impl Queue {
    /// Adds a batch; waits while the queue is full. A closed queue answers at once.
    pub(crate) fn push(&self, batch: Batch) {
        let bytes: usize = batch.writes.iter().map(Write::weight).sum();
        let mut waiting = lock(&self.waiting);
        while !waiting.closed && (waiting.writes >= MOST_WRITES || waiting.bytes >= MOST_BYTES) {
            waiting.held += 1;
            waiting = self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.held -= 1;
        }
        if waiting.closed {
            drop(waiting);
            batch.done.give(Err(StoreError::Closed));
            return;
        }
        waiting.writes += batch.writes.len();
        waiting.bytes += bytes;
        let urgent = matches!(batch.done, Done::Ticket(_));
        waiting.urgent |= urgent;
        waiting.batches.push(batch);
        let first = waiting.batches.len() == 1;
        let full = waiting.writes >= MOST_WRITES / 2 || waiting.bytes >= MOST_BYTES / 2;
        drop(waiting);
        if first {
            self.filled.notify_one();
        }
        if urgent || full {
            self.hurried.notify_one();
        }
    }

    /// Everything that waits, once there is something; `None` when closed and empty.
    pub(crate) async fn take(&self) -> Option<Vec<Batch>> {
        loop {
            match self.take_now() {
                Taken::Batches(batches) => return Some(batches),
                Taken::Closed => return None,
                Taken::Empty => self.filled.notified().await,
            }
            let hurry = {
                let waiting = lock(&self.waiting);
                waiting.urgent || waiting.closed
            };
            if !hurry {
                // Running out of time is what usually ends this.
                let _ = tokio::time::timeout(GATHERING, self.hurried.notified()).await;
            }
        }
    }

    fn take_now(&self) -> Taken {
        let mut waiting = lock(&self.waiting);
        if waiting.batches.is_empty() {
            return if waiting.closed { Taken::Closed } else { Taken::Empty };
        }
        waiting.urgent = false;
        waiting.writes = 0;
        waiting.bytes = 0;
        let batches = std::mem::take(&mut waiting.batches);
        let held = waiting.held > 0;
        drop(waiting);
        // To tell nobody costs a system call, too.
        if held {
            self.room.notify_all();
        }
        Taken::Batches(batches)
    }

    /// Takes nothing more; what waits is still handed out.
    pub(crate) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.room.notify_all();
        self.filled.notify_one();
        self.hurried.notify_one();
    }
}

enum Taken {
    Batches(Vec<Batch>),
    Empty,
    Closed,
}

/// A panic elsewhere leaves these values whole: they are only ever replaced as a unit.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: usize) -> Vec<Write> {
        vec![Write::PutBlob { hash: "h".into(), content: "x".repeat(bytes) }]
    }

    #[test]
    fn a_full_queue_makes_callers_wait_and_loses_nothing() {
        let queue = Arc::new(Queue::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pusher = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                for _ in 0..10 {
                    let (ticket, done) = Ticket::new();
                    queue.push(Batch { writes: blob(MOST_BYTES / 2), done });
                    drop(ticket);
                }
                queue.close();
            }
        });
        let mut seen = 0;
        while let Some(batches) = runtime.block_on(queue.take()) {
            assert!(batches.len() <= 3);
            seen += batches.len();
        }
        pusher.join().unwrap();
        assert_eq!(seen, 10);
    }

    #[test]
    fn a_closed_queue_and_a_lost_writer_answer() {
        let queue = Queue::default();
        let (kept, done) = Ticket::new();
        queue.push(Batch { writes: vec![], done });
        queue.close();
        let (late, done) = Ticket::new();
        queue.push(Batch { writes: vec![], done });
        assert!(matches!(late.wait(), Err(StoreError::Closed)));
        drop(queue);
        assert!(matches!(kept.wait(), Err(StoreError::Closed)));
    }
}
