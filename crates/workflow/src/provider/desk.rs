//! The threads that work for all providers together: a few, however many jobs there are.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use batchyard_core::Pool;
use batchyard_runner::{Control, Dispatcher, Order, dispatch::Done};
use batchyard_wdl::limits::STACK_BYTES;

/// Threads that put inputs in place for jobs that run elsewhere.
const STAGERS: usize = 8;
/// Threads that run the commands of the configuration and read the outputs of jobs that have ended.
const HANDS: usize = 8;

/// Who works for providers.
pub struct Desk {
    stagers: Pool,
    hands: Pool,
    /// Made when the first job is dispatched.
    dispatcher: Mutex<Option<Arc<Dispatcher>>>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Desk {
            stagers: Pool::new("stager", STAGERS, STACK_BYTES),
            hands: Pool::new("hand", HANDS, STACK_BYTES),
            dispatcher: Mutex::default(),
        }
    }

    /// The threads on which attempts that run elsewhere are got ready.
    pub fn stagers(&self) -> &Pool {
        &self.stagers
    }

    /// Has an attempt run by a scheduler. Returns at once.
    pub(crate) fn dispatch(&self, order: Order, control: &Arc<Control>, done: Done) {
        let mut dispatcher = self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner);
        let hands = self.hands.clone();
        let dispatcher = Arc::clone(dispatcher.get_or_insert_with(|| Arc::new(Dispatcher::new(move |work| hands.run(work)))));
        dispatcher.dispatch(order, control, done);
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}
