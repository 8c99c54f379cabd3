//! The yard as the engine and its workers share it: a worker whose attempt has succeeded lets the next one start itself,
//! without a detour through the engine's thread.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
};

use batchyard_core::yard::{Action, Event, Need, Yard};

/// The yard, and the way to each worker that has everything in place and waits.
#[derive(Debug)]
pub struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    yard: Yard,
    staged: HashMap<u64, SyncSender<()>>,
}

impl Gate {
    /// A gate before this yard.
    pub fn new(yard: Yard) -> Self {
        Gate(Mutex::new(State { yard, staged: HashMap::new() }))
    }

    /// What a request is cut down to so that it fits the machine at all.
    pub fn clamp(&self, need: Need) -> Need {
        self.lock().yard.clamp(need)
    }

    /// Takes in an event; what is to be done is for the engine.
    pub fn step(&self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut state = self.lock();
        state.yard.step(event, &mut actions);
        for action in &actions {
            if let Action::Withdrawn(task) = action {
                // Its worker sees that nobody will let it go.
                state.staged.remove(task);
            }
        }
        actions
    }

    /// A worker has everything in place for a task and waits at the other end.
    pub fn staged(&self, task: u64, go: SyncSender<()>) {
        self.lock().staged.insert(task, go);
    }

    /// Lets a waiting worker go; false when none waits for this task.
    pub fn open(&self, task: u64) -> bool {
        let go = self.lock().staged.remove(&task);
        // A worker that is gone has failed while it got ready, and says so itself.
        if let Some(go) = &go {
            let _ = go.send(());
        }
        go.is_some()
    }

    /// A task has succeeded: lets those go that can start now, and returns them as started together with what
    /// is left to the engine.
    pub fn released(&self, task: u64) -> (Vec<u64>, Vec<Action>) {
        let (mut started, mut left) = (Vec::new(), Vec::new());
        for action in self.step(Event::Ended(task)) {
            match action {
                Action::Start(next) if self.open(next) => started.push(next),
                action => left.push(action),
            }
        }
        (started, left)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Both parts are whole after every statement, so a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
