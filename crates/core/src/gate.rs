//! The yard as the engines of a process and their workers share it: a worker whose attempt has succeeded lets the next
//! one start itself, without a detour through an engine's thread.
//!
//! Each engine holds a [`Seat`]. Tasks are numbered in the order of their arrival over all engines, and what is to be
//! done about a task is told to the engine that brought it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Pool,
    pool::Work,
    yard::{Action, Event, Need, Yard},
};

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

/// What there is to do for a task that has everything in place, as soon as it is let go.
pub struct Go {
    pool: Pool,
    work: Work,
}

impl Go {
    /// To be done by the pool that got the task ready.
    pub fn new(pool: &Pool, work: impl FnOnce() + Send + 'static) -> Self {
        Go { pool: pool.clone(), work: Box::new(work) }
    }

    /// Goes on the thread of the pool that says so, as soon as that is done with what it does now: nobody has to be woken. Said by
    /// others, the same as [`Go::aside`].
    pub fn here(self) {
        // A pool that has got something ready has a thread.
        let _ = self.pool.run_next(self.work);
    }

    /// Goes on another thread of the pool.
    pub fn aside(self) {
        // As above.
        let _ = self.pool.queue(self.work);
    }
}

/// How far a task is.
enum Staged {
    /// A worker gets it ready.
    Expected,
    /// It was let go before it was ready.
    Open,
    /// It has everything in place.
    Ready(Go),
}

/// The yard, who brought which task, and what there is to do for those that have everything in place.
#[derive(Debug)]
pub struct Gate(Mutex<State>);

struct State {
    yard: Yard,
    staged: HashMap<u64, Staged>,
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
    /// Takes in an event. Returns what is for this engine to do, and what is not to be done any more, which is dropped without the
    /// lock (it may hold the last hand on a seat); the others are told.
    fn step(&mut self, engine: u64, event: Event) -> (Vec<Action>, Vec<Staged>) {
        let (mut actions, mut gone) = (Vec::new(), Vec::new());
        match event {
            Event::Submit(task, _) | Event::Board(task, _) => drop(self.owners.insert(task, engine)),
            Event::Ended(task) => {
                self.owners.remove(&task);
                gone.extend(self.staged.remove(&task));
            }
            Event::Withdraw(_) => {}
        }
        self.yard.step(event, &mut actions);
        actions.retain(|action| {
            let (Action::Stage(task) | Action::Start(task) | Action::Withdrawn(task)) = action;
            let owner = self.owners.get(task).copied();
            if let Action::Withdrawn(task) = action {
                gone.extend(self.staged.remove(task));
                self.owners.remove(task);
            }
            if owner == Some(engine) {
                return true;
            }
            self.tell(owner, Word::Act(vec![*action]));
            false
        });
        (actions, gone)
    }

    /// A task is let go: what there is to do comes to `ready`, now or as soon as it is known. `false` when nobody gets it ready.
    fn open(&mut self, task: u64, ready: &mut Vec<Go>) -> bool {
        match self.staged.remove(&task) {
            None => return false,
            Some(Staged::Ready(go)) => ready.push(go),
            Some(Staged::Expected | Staged::Open) => drop(self.staged.insert(task, Staged::Open)),
        }
        true
    }

    fn tell(&self, engine: Option<u64>, word: Word) {
        // An engine that is gone has taken its tasks with it.
        if let Some(mailbox) = engine.and_then(|engine| self.engines.get(&engine)) {
            mailbox(word);
        }
    }
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
        let (actions, gone) = self.gate.lock().step(self.engine, event);
        drop(gone);
        actions
    }

    /// A worker begins to get a task ready.
    pub fn expect(&self, task: u64) {
        self.gate.lock().staged.insert(task, Staged::Expected);
    }

    /// A worker has everything in place for a task; it goes when it is let go, which may be at once, and never if it was withdrawn.
    pub fn ready(&self, task: u64, go: Go) {
        let mut state = self.gate.lock();
        let unwanted = match state.staged.remove(&task) {
            Some(Staged::Expected | Staged::Ready(_)) => {
                state.staged.insert(task, Staged::Ready(go));
                return;
            }
            Some(Staged::Open) => {
                drop(state);
                return go.here();
            }
            None => go,
        };
        drop(state);
        drop(unwanted);
    }

    /// Lets a task go.
    pub fn open(&self, task: u64) {
        let mut ready = Vec::new();
        self.gate.lock().open(task, &mut ready);
        ready.into_iter().for_each(Go::here);
    }

    /// A task has succeeded: lets those go that can start now, in this way. Returns those of this engine as started, together with
    /// what is left for it to do.
    pub fn released(&self, task: u64, how: fn(Go)) -> (Vec<u64>, Vec<Action>) {
        let (mut started, mut left, mut ready) = (Vec::new(), Vec::new(), Vec::new());
        let mut state = self.gate.lock();
        state.owners.remove(&task);
        let mut actions = Vec::new();
        state.yard.step(Event::Ended(task), &mut actions);
        for action in actions {
            let (Action::Stage(next) | Action::Start(next) | Action::Withdrawn(next)) = action;
            let owner = state.owners.get(&next).copied();
            let ours = owner == Some(self.engine);
            if matches!(action, Action::Start(_)) && state.open(next, &mut ready) {
                if ours {
                    started.push(next);
                } else {
                    state.tell(owner, Word::Released(vec![next]));
                }
            } else if ours {
                left.push(action);
            } else {
                state.tell(owner, Word::Act(vec![action]));
            }
        }
        // Whoever is woken may take the core at once, and everybody else would wait for a lock that sleeps.
        drop(state);
        ready.into_iter().for_each(how);
        (started, left)
    }

    /// The place is given up, though workers may still hold it: none of its tasks starts any more, and they keep nothing from others.
    pub fn leave(&self) {
        let mut state = self.gate.lock();
        state.engines.remove(&self.engine);
        let left: Vec<u64> = state.owners.iter().filter(|(_, engine)| **engine == self.engine).map(|(task, _)| *task).collect();
        let mut gone = Vec::new();
        for task in left {
            for event in [Event::Withdraw(task), Event::Ended(task)] {
                gone.extend(state.step(self.engine, event).1);
            }
        }
        drop(state);
        drop(gone);
    }
}

impl Drop for Seat {
    /// What an engine leaves behind must not keep the machine from others.
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, Receiver, Sender},
        thread::{self, ThreadId},
    };

    use super::*;

    const ALL: Need = Need { millicores: 1000, memory_mib: 1 };

    /// A seat at a gate with room for one task, and threads.
    fn seat() -> (Arc<Seat>, Pool) {
        (Gate::new(Yard::new(ALL, 1, 4)).join(Box::new(drop)), Pool::new("test", 3, 1 << 20))
    }

    /// Says which thread went.
    fn going(went: &Sender<ThreadId>) -> impl FnOnce() + Send + 'static {
        let went = went.clone();
        move || went.send(thread::current().id()).unwrap()
    }

    fn nobody(went: &Receiver<ThreadId>) -> bool {
        went.try_recv().is_err()
    }

    #[test]
    fn the_next_goes_on_the_thread_that_has_made_room() {
        let (seat, pool) = seat();
        let (went, who) = mpsc::channel();
        assert_eq!(seat.step(Event::Submit(1, ALL)), [Action::Start(1)]);
        assert_eq!(seat.step(Event::Submit(2, ALL)), [Action::Stage(2)]);
        seat.expect(2);
        seat.ready(2, Go::new(&pool, going(&went)));
        assert!(nobody(&who), "it waits");
        let worker = move || {
            assert_eq!(seat.released(1, Go::here), (vec![2], vec![]));
            going(&went)();
        };
        pool.run(worker).unwrap();
        let [worker, next] = [(); 2].map(|()| who.recv().unwrap());
        assert_eq!(worker, next);
    }

    #[test]
    fn the_next_goes_aside_while_there_is_more_to_do() {
        let (seat, pool) = seat();
        let (gone, wait) = mpsc::channel();
        let (done, end) = mpsc::channel();
        seat.step(Event::Submit(1, ALL));
        seat.step(Event::Submit(2, ALL));
        seat.expect(2);
        seat.ready(2, Go::new(&pool, move || gone.send(()).unwrap()));
        let worker = move || {
            seat.released(1, Go::aside);
            done.send(wait.recv()).unwrap();
        };
        pool.run(worker).unwrap();
        assert_eq!(end.recv().unwrap(), Ok(()));
    }

    #[test]
    fn what_is_let_go_before_it_is_ready_goes_then() {
        let (seat, pool) = seat();
        let (went, who) = mpsc::channel();
        assert_eq!(seat.step(Event::Submit(1, ALL)), [Action::Start(1)]);
        seat.expect(1);
        seat.open(1);
        assert!(nobody(&who));
        seat.ready(1, Go::new(&pool, going(&went)));
        who.recv().unwrap();
    }

    #[test]
    fn what_is_withdrawn_or_left_behind_never_goes() {
        let (seat, pool) = seat();
        let (went, who) = mpsc::channel();
        seat.step(Event::Submit(1, ALL));
        for task in [2, 3, 4] {
            seat.step(Event::Submit(task, ALL));
            seat.expect(task);
        }
        // Its work may hold the last hand on the seat of an engine that is gone.
        let held = Arc::clone(&seat);
        let work = going(&went);
        let hold = move || {
            drop(held);
            work();
        };
        seat.ready(2, Go::new(&pool, hold));
        assert_eq!(seat.step(Event::Withdraw(2)), [Action::Withdrawn(2)]);
        assert_eq!(Arc::strong_count(&seat), 1);
        seat.step(Event::Withdraw(3));
        seat.ready(3, Go::new(&pool, going(&went)));
        seat.leave();
        seat.ready(4, Go::new(&pool, going(&went)));
        assert_eq!(seat.released(1, Go::here), (vec![], vec![]));
        assert!(seat.gate.lock().staged.is_empty());
        drop(went);
        assert!(who.recv().is_err(), "nothing is left that could go");
    }
}
