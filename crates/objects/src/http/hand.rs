//! Work on a body while more of it comes in: blocks wait in a short line for a thread that takes one after the other.
//!
//! There is a thread only while something waits in the line, so that clients who send nothing for a while hold none.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use tokio::sync::Notify;

use super::problem::Problem;
use crate::ObjectError;

/// Blocks that wait at most; who brings another one waits.
const MAX_WAITING: usize = 4;

/// Something that takes blocks.
pub(super) trait Taker: Send + 'static {
    /// Takes the next block.
    ///
    /// # Errors
    /// It cannot; then it is of no use any more.
    fn take(&mut self, block: &[u8]) -> Result<(), ObjectError>;
}

/// A taker and what waits for it. Dropped, it forgets what waits.
pub(super) struct Hand<T: Taker> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    line: Mutex<Line<T>>,
    /// A block has left the line, or nobody works on it any more.
    changed: Notify,
}

struct Line<T> {
    waiting: VecDeque<Bytes>,
    /// Absent while a thread has it, and for ever after it has failed.
    taker: Option<T>,
    is_worked_on: bool,
    failed: Option<ObjectError>,
}

impl<T: Taker> Hand<T> {
    pub(super) fn new(taker: T) -> Self {
        let line = Line { waiting: VecDeque::with_capacity(MAX_WAITING), taker: Some(taker), is_worked_on: false, failed: None };
        Self { shared: Arc::new(Shared { line: Mutex::new(line), changed: Notify::new() }) }
    }

    /// Puts a block into the line, once there is room in it.
    ///
    /// # Errors
    /// An earlier block could not be taken.
    pub(super) async fn give(&mut self, block: Bytes) -> Result<(), Problem> {
        loop {
            {
                let mut line = self.shared.lock();
                line.check()?;
                if line.waiting.len() < MAX_WAITING {
                    line.waiting.push_back(block);
                    if !line.is_worked_on {
                        line.is_worked_on = true;
                        let shared = Arc::clone(&self.shared);
                        drop(tokio::task::spawn_blocking(move || shared.work()));
                    }
                    return Ok(());
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// The taker, once it has taken all.
    ///
    /// # Errors
    /// A block could not be taken.
    pub(super) async fn finish(self) -> Result<T, Problem> {
        loop {
            {
                let mut line = self.shared.lock();
                line.check()?;
                if !line.is_worked_on
                    && let Some(taker) = line.taker.take()
                {
                    return Ok(taker);
                }
            }
            self.shared.changed.notified().await;
        }
    }
}

impl<T: Taker> Drop for Hand<T> {
    fn drop(&mut self) {
        self.shared.lock().waiting.clear();
    }
}

impl<T> Line<T> {
    /// # Errors
    /// The taker has failed.
    fn check(&mut self) -> Result<(), Problem> {
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None if self.taker.is_none() && !self.is_worked_on => Err(Problem::internal("what took a body is gone")),
            None => Ok(()),
        }
    }
}

impl<T: Taker> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        // Nothing that may panic runs under the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what waits until nothing does.
    fn work(&self) {
        let guard = Guard { shared: self, is_armed: true };
        let taken = self.lock().taker.take();
        if let Some(taker) = taken {
            guard.work(taker);
        }
    }
}

/// Whoever works on a line. However that ends, nobody waits for it afterwards.
struct Guard<'a, T: Taker> {
    shared: &'a Shared<T>,
    is_armed: bool,
}

impl<T: Taker> Guard<'_, T> {
    fn work(mut self, mut taker: T) {
        loop {
            let mut line = self.shared.lock();
            let Some(block) = line.waiting.pop_front() else {
                // Under the same lock, so that whoever brings the next block finds the taker.
                line.taker = Some(taker);
                line.is_worked_on = false;
                self.is_armed = false;
                drop(line);
                self.shared.changed.notify_one();
                return;
            };
            drop(line);
            self.shared.changed.notify_one();
            if let Err(error) = taker.take(&block) {
                self.shared.lock().failed = Some(error);
                return;
            }
        }
    }
}

impl<T: Taker> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if self.is_armed {
            let mut line = self.shared.lock();
            line.is_worked_on = false;
            line.waiting.clear();
            drop(line);
            self.shared.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    struct Slow {
        go: mpsc::Receiver<Result<(), ObjectError>>,
        taken: Vec<u8>,
    }

    impl Taker for Slow {
        fn take(&mut self, block: &[u8]) -> Result<(), ObjectError> {
            self.go.recv().expect("a test that ends makes it panic")?;
            self.taken.extend_from_slice(block);
            Ok(())
        }
    }

    fn slow() -> (mpsc::Sender<Result<(), ObjectError>>, Hand<Slow>) {
        let (send, go) = mpsc::channel();
        (send, Hand::new(Slow { go, taken: Vec::new() }))
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn blocks_are_taken_in_order_and_few_of_them_wait() {
        run(async {
            let (go, mut hand) = slow();
            let all: Vec<u8> = (0..100).collect();
            // One is with the thread.
            for block in &all[..=MAX_WAITING] {
                hand.give(Bytes::copy_from_slice(&[*block])).await.unwrap();
                while *block == 0 && !hand.shared.lock().waiting.is_empty() {
                    tokio::task::yield_now().await;
                }
            }
            let more = tokio::time::timeout(Duration::from_millis(50), hand.give(Bytes::from_static(b"x"))).await;
            assert!(more.is_err(), "there is no room in the line");
            for _ in &all {
                go.send(Ok(())).unwrap();
            }
            for block in &all[MAX_WAITING + 1..] {
                hand.give(Bytes::copy_from_slice(&[*block])).await.unwrap();
            }
            assert_eq!(hand.finish().await.unwrap().taken, all);
        });
    }

    #[test]
    fn who_is_idle_is_taken_up_again() {
        run(async {
            let (go, mut hand) = slow();
            for block in 0..50_u8 {
                go.send(Ok(())).unwrap();
                hand.give(Bytes::copy_from_slice(&[block])).await.unwrap();
                while block % 2 == 0 && hand.shared.lock().is_worked_on {
                    tokio::task::yield_now().await;
                }
            }
            assert_eq!(hand.finish().await.unwrap().taken.len(), 50);
        });
    }

    #[test]
    fn what_fails_is_told_and_nobody_waits_for_it() {
        run(async {
            let (go, mut hand) = slow();
            go.send(Err(ObjectError::DiskFull { free: 1, reserve: 2 })).unwrap();
            let mut told = None;
            for _ in 0..100 {
                told = told.or(hand.give(Bytes::from_static(b"x")).await.err());
            }
            assert_eq!(told.unwrap().code, Problem::from(ObjectError::DiskFull { free: 1, reserve: 2 }).code);
            assert!(hand.finish().await.is_err());

            let (_, mut hand) = slow();
            let mut told = None;
            for _ in 0..100 {
                told = told.or(hand.give(Bytes::from_static(b"x")).await.err());
            }
            assert_eq!(told.unwrap().code, "InternalError", "it has panicked");
            assert!(hand.finish().await.is_err());
        });
    }
}
