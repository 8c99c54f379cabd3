//! The yard as the engines of a process and their workers share it: a worker whose attempt has succeeded lets the next
//! one start itself, without a detour through an engine's thread.
//!
//! Each engine holds a [`Seat`]. Tasks are numbered in the order of their arrival over all engines, and what is to be
//! done about a task is told to the engine that brought it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
};

use crate::yard::{Action, Event, Need, Yard};

/// What an engine is told about its tasks when another one's task made the difference.
#[derive(Debug)]
pub enum Word {
    /// This is to be done.
    Act(Vec<Action>),
    /// These, which had everything in place, were let go.
    Released(Vec<u64>),
}

/// How an engine is told; must be quick.
pub type Mailbox = Box<dyn Fn(Word) + Send>;

/// The yard, who brought which task, and the way to each worker that has everything in place and waits.
#[derive(Debug)]
pub struct Gate(Mutex<State>);

struct State {
    yard: Yard,
    staged: HashMap<u64, SyncSender<()>>,
    /// Where each engine listens.
    engines: HashMap<u64, Mailbox>,
    /// The engine that brought a task.
    owners: HashMap<u64, u64>,
    next_engine: u64,
    next_task: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("yard", &self.yard).field("owners", &self.owners).finish_non_exhaustive()
    }
}

/// An engine's place at the gate; given up when it is dropped.
#[derive(Debug)]
pub struct Seat {
    gate: Arc<Gate>,
    engine: u64,
}

impl Gate {
    /// A gate before this yard.
    pub fn new(yard: Yard) -> Arc<Self> {
        let (staged, engines, owners) = (HashMap::new(), HashMap::new(), HashMap::new());
        Arc::new(Gate(Mutex::new(State { yard, staged, engines, owners, next_engine: 0, next_task: 0 })))
    }

    /// A place for an engine that is told things this way.
    pub fn join(self: &Arc<Self>, mailbox: Mailbox) -> Arc<Seat> {
        let mut state = self.lock();
        let engine = state.next_engine;
        state.next_engine += 1;
        state.engines.insert(engine, mailbox);
        Arc::new(Seat { gate: Arc::clone(self), engine })
    }

    /// How many tasks wait and run.
    pub fn load(&self) -> (usize, usize) {
        let state = self.lock();
        (state.yard.waiting(), state.yard.running())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // All parts are whole after every statement, so a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes in an event. Returns what is for this engine to do; the others are told.
    fn step(&mut self, engine: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Submit(task, _) | Event::Board(task, _) => drop(self.owners.insert(task, engine)),
            Event::Ended(task) => drop(self.owners.remove(&task)),
            Event::Withdraw(_) => {}
        }
        self.yard.step(event, &mut actions);
        actions.retain(|action| {
            let (Action::Stage(task) | Action::Start(task) | Action::Withdrawn(task)) = action;
            let owner = self.owners.get(task).copied();
            if let Action::Withdrawn(task) = action {
                // Its worker sees that nobody will let it go.
                self.staged.remove(task);
                self.owners.remove(task);
            }
            if owner == Some(engine) {
                return true;
            }
            self.tell(owner, Word::Act(vec![*action]));
            false
        });
        actions
    }

    fn tell(&self, engine: Option<u64>, word: Word) {
        // An engine that is gone has taken its tasks with it.
        if let Some(mailbox) = engine.and_then(|engine| self.engines.get(&engine)) {
            mailbox(word);
        }
    }
}

/// Lets a waiting worker go. Never under the lock of the gate: the worker may take the core at once from whoever wakes it,
/// and everybody else would wait for a lock that sleeps.
fn let_go(worker: &SyncSender<()>) {
    // A worker that is gone has failed while it got ready, and says so itself.
    let _ = worker.send(());
}

impl Seat {
    /// A number for a new task; later ones are greater, whoever asks.
    pub fn number(&self) -> u64 {
        let mut state = self.gate.lock();
        state.next_task += 1;
        state.next_task
    }

    /// What a request is cut down to so that it fits the machine at all.
    pub fn clamp(&self, need: Need) -> Need {
        self.gate.lock().yard.clamp(need)
    }

    /// Takes in an event; returns what this engine has to do.
    pub fn step(&self, event: Event) -> Vec<Action> {
        self.gate.lock().step(self.engine, event)
    }

    /// A worker has everything in place for a task and waits at the other end.
    pub fn staged(&self, task: u64, go: SyncSender<()>) {
        self.gate.lock().staged.insert(task, go);
    }

    /// Lets a waiting worker go.
    pub fn open(&self, task: u64) {
        let worker = self.gate.lock().staged.remove(&task);
        worker.iter().for_each(let_go);
    }

    /// A task has succeeded: lets those go that can start now. Returns those of this engine as started, together with
    /// what is left for it to do.
    pub fn released(&self, task: u64) -> (Vec<u64>, Vec<Action>) {
        let (mut started, mut left, mut workers) = (Vec::new(), Vec::new(), Vec::new());
        let mut state = self.gate.lock();
        state.owners.remove(&task);
        let mut actions = Vec::new();
        state.yard.step(Event::Ended(task), &mut actions);
        for action in actions {
            let (Action::Stage(next) | Action::Start(next) | Action::Withdrawn(next)) = action;
            let owner = state.owners.get(&next).copied();
            let ours = owner == Some(self.engine);
            let worker = if matches!(action, Action::Start(_)) { state.staged.remove(&next) } else { None };
            match worker {
                Some(worker) => {
                    workers.push(worker);
                    if ours {
                        started.push(next);
                    } else {
                        state.tell(owner, Word::Released(vec![next]));
                    }
                }
                None if ours => left.push(action),
                None => state.tell(owner, Word::Act(vec![action])),
            }
        }
        drop(state);
        workers.iter().for_each(let_go);
        (started, left)
    }

    /// The place is given up, though workers may still hold it: none of its tasks starts any more, and they keep nothing from others.
    pub fn leave(&self) {
        let mut state = self.gate.lock();
        state.engines.remove(&self.engine);
        let left: Vec<u64> = state.owners.iter().filter(|(_, engine)| **engine == self.engine).map(|(task, _)| *task).collect();
        for task in left {
            state.step(self.engine, Event::Withdraw(task));
            state.step(self.engine, Event::Ended(task));
            state.staged.remove(&task);
        }
    }
}

impl Drop for Seat {
    /// What an engine leaves behind must not keep the machine from others.
    fn drop(&mut self) {
        self.leave();
    }
}
