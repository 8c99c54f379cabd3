//! One thread makes all changes: those that wait while a commit runs are the next commit.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::Database;

use super::Tables;
use crate::{
    ObjectError,
    files::{Epoch, Files},
};

/// Changes that may wait; who brings more waits himself.
const QUEUE: usize = 1024;
/// Changes of one commit.
const GROUP: usize = 512;
/// Files whose removal may wait.
const REMOVALS: usize = 1024;
/// After so long without a change the index is left so that even a crash needs no look through all of it.
const REST: Duration = Duration::from_millis(500);

/// Tells the one who waits what became of his change, after the commit.
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;
/// A change and whether it failed in a way that spoils the commit.
type Change = Box<dyn FnOnce(&mut Tables<'_>) -> (Answer, bool) + Send>;

/// Takes changes to the thread. Dropped, it waits for what is under way.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: Option<SyncSender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(database: Arc<Database>, files: Arc<Files>) -> Result<Self, ObjectError> {
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let (removals, removed) = mpsc::sync_channel::<Arc<Epoch>>(REMOVALS);
        let failed = || ObjectError::io("cannot start a thread of the object store");
        // Unlinking a large file takes a while, and nobody should wait for it.
        thread::Builder::new().name("objects-unlink".to_owned()).spawn(move || removed.iter().for_each(drop)).map_err(failed())?;
        let thread = thread::Builder::new().name("objects-writer".to_owned());
        let thread = thread.spawn(move || work(&database, &files, &receiver, &removals)).map_err(failed())?;
        Ok(Self { sender: Some(sender), thread: Some(thread) })
    }

    /// Makes a change and waits until it is on disk. A change that refuses has changed nothing.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (tell, told) = mpsc::sync_channel(1);
        let change: Change = Box::new(move |tables| {
            let outcome = change(tables);
            let spoilt = matches!(outcome, Err(ObjectError::Index(_)));
            let answer: Answer = Box::new(move |committed| {
                let outcome = committed.map_err(|e| ObjectError::Index(e.to_owned())).and(outcome);
                drop(tell.send(outcome));
            });
            (answer, spoilt)
        });
        let ended = || ObjectError::Index("its writer has ended".to_owned());
        self.sender.as_ref().ok_or_else(ended)?.send(change).map_err(|_| ended())?;
        told.recv().map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work(database: &Database, files: &Files, receiver: &Receiver<Change>, removals: &SyncSender<Arc<Epoch>>) {
    let mut restless = false;
    loop {
        let first = match receiver.recv_timeout(REST) {
            Ok(change) => change,
            Err(RecvTimeoutError::Timeout) if restless => {
                restless = rest(database).is_err();
                continue;
            }
            Err(RecvTimeoutError::Timeout) => match receiver.recv() {
                Ok(change) => change,
                Err(_) => return,
            },
            Err(RecvTimeoutError::Disconnected) => return,
        };
        restless = true;
        let group = std::iter::once(first).chain(std::iter::from_fn(|| receiver.try_recv().ok())).take(GROUP);
        let mut answers = Vec::new();
        let outcome = commit(database, group, &mut answers);
        if let Ok(garbage) = &outcome
            && !garbage.is_empty()
        {
            drop(removals.send(files.discard(garbage)));
        }
        let failed = outcome.err().map(|error| error.to_string());
        for answer in answers {
            answer(failed.as_deref().map_or(Ok(()), Err));
        }
    }
}

fn commit(database: &Database, group: impl Iterator<Item = Change>, answers: &mut Vec<Answer>) -> Result<Vec<crate::Id>, ObjectError> {
    let transaction = database.begin_write()?;
    let mut spoilt = false;
    let garbage = {
        let mut tables = Tables::open(&transaction)?;
        for change in group {
            let (answer, broken) = change(&mut tables);
            answers.push(answer);
            spoilt |= broken;
        }
        std::mem::take(&mut tables.garbage)
    };
    if spoilt {
        transaction.abort()?;
        return Err(ObjectError::Index("a change of the same commit failed".to_owned()));
    }
    transaction.commit()?;
    Ok(garbage)
}

/// A commit after which the index opens at once, whatever happens to the process.
fn rest(database: &Database) -> Result<(), ObjectError> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    transaction.commit()?;
    Ok(())
}
