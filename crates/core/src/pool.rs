//! Threads that carry out blocking work. A pool has as many threads as it has work at once, up to its limit;
//! idle threads are used again.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

/// What a thread of a pool does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

thread_local! {
    /// What this thread does as soon as it is done with what it does now; only threads of pools have a place for that.
    static NEXT: RefCell<Option<Next>> = const { RefCell::new(None) };
}

struct Next {
    /// The pool, to compare with.
    pool: *const Shared,
    work: Option<Work>,
}

/// A pool of threads. Dropping it lets the queued work finish, without waiting for it.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    stack_bytes: usize,
    limit: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// A pool of at most `limit` threads with this stack (virtual memory; only what is used becomes resident).
    pub fn new(name: &str, limit: usize, stack_bytes: usize) -> Self {
        let shared = Shared { name: name.into(), stack_bytes, limit: limit.max(1), state: Mutex::default(), wake: Condvar::new() };
        Pool { shared: Arc::new(shared) }
    }

    /// Queues work; it starts at once when a thread is free or another one may be made.
    ///
    /// # Errors
    /// When there is no thread at all and none can be made; the work is then dropped.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.queue(Box::new(work))
    }

    /// Does work on this thread, as soon as it is done with what it does now, if it is one of the pool's: nobody has to be woken. On
    /// other threads, and for a second one, the same as [`Pool::run`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn run_next(&self, work: Work) -> io::Result<()> {
        let mut work = Some(work);
        NEXT.with_borrow_mut(|next| {
            if let Some(next) = next.as_mut().filter(|next| next.pool == Arc::as_ptr(&self.shared) && next.work.is_none()) {
                next.work = work.take();
            }
        });
        work.map_or(Ok(()), |work| self.queue(work))
    }

    /// See [`Pool::run`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn queue(&self, work: Work) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.queue.push_back(work);
        if state.idle >= state.queue.len() || state.threads >= self.shared.limit {
            // Whoever is woken may take the core at once, and needs the lock.
            drop(state);
            self.shared.wake.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let made = thread::Builder::new().name(self.shared.name.clone()).stack_size(self.shared.stack_bytes).spawn(move || shared.serve());
        let Err(error) = made else { return Ok(()) };
        let mut state = self.shared.lock();
        state.threads -= 1;
        // With another thread alive the work is only late.
        if state.threads > 0 {
            return Ok(());
        }
        state.queue.pop_back();
        Err(error)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Work runs outside the lock, so the state is whole whatever happened.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        NEXT.set(Some(Next { pool: std::ptr::from_ref(self), work: None }));
        let mut state = self.lock();
        loop {
            if let Some(first) = state.queue.pop_front() {
                drop(state);
                let mut work = Some(first);
                while let Some(now) = work {
                    // A panic has been printed by its hook; the thread goes on with other people's work.
                    let _ = catch_unwind(AssertUnwindSafe(now));
                    work = NEXT.with_borrow_mut(|next| next.as_mut()?.work.take());
                }
                state = self.lock();
            } else {
                state.idle += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn all_work_is_done_by_few_threads() {
        let pool = Pool::new("test", 3, 1 << 20);
        let (sender, receiver) = mpsc::channel();
        for n in 0..100 {
            let sender = sender.clone();
            pool.run(move || sender.send((n, thread::current().id())).unwrap()).unwrap();
        }
        drop(sender);
        let got: Vec<_> = receiver.iter().collect();
        assert_eq!(got.len(), 100);
        let threads: std::collections::HashSet<_> = got.iter().map(|(_, t)| *t).collect();
        assert!(threads.len() <= 3);
    }

    #[test]
    fn what_follows_is_done_by_the_same_thread() {
        let (pool, other) = (Pool::new("test", 3, 1 << 20), Pool::new("other", 1, 1 << 20));
        let (sender, receiver) = mpsc::channel();
        let tell = |sender: &mpsc::Sender<_>, name: &'static str| {
            let sender = sender.clone();
            Box::new(move || sender.send((name, thread::current().id())).unwrap())
        };
        let (own, mine) = (pool.clone(), sender.clone());
        let first = move || {
            own.run_next(tell(&mine, "next")).unwrap();
            own.run_next(tell(&mine, "second")).unwrap();
            other.run_next(tell(&mine, "of another pool")).unwrap();
            tell(&mine, "first")();
            panic!("the thread survives it");
        };
        pool.run(first).unwrap();
        pool.run_next(tell(&sender, "of no pool")).unwrap();
        let by: std::collections::HashMap<_, _> = (0..5).map(|_| receiver.recv().unwrap()).collect();
        assert_eq!(by["first"], by["next"]);
        assert_ne!(by["first"], by["of another pool"]);
        assert!(by.contains_key("second") && by["of no pool"] != thread::current().id());
    }
}
