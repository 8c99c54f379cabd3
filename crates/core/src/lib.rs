//! Decides what runs when: [`yard::Yard`] is a pure step function over owned state (events in, actions out), and
//! [`pool::Pool`] the threads that carry out what it decided. Nothing here reads the clock or touches a disk.

pub mod pool;
pub mod yard;

pub use pool::Pool;
pub use yard::{Action, Berth, Event, Need, Yard};
