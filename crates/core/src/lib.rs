//! Decides what runs when: [`yard::Yard`] is a pure step function over owned state (events in, actions out),
//! [`gate::Gate`] the yard as engines and their workers share it, [`pool::Pool`] the threads that carry out what was
//! decided, and [`Machine`] all of these for one process. Nothing here reads the clock or touches a disk.

pub mod gate;
pub mod machine;
pub mod pool;
pub mod yard;

pub use gate::{Gate, Go, Seat, Word};
pub use machine::Machine;
pub use pool::Pool;
pub use yard::{Action, Berth, Event, Need, Yard};
