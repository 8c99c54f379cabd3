//! Places at which tests let the process die as by `kill -9`. In release builds there are none.
//!
//! [`place`] stands between two steps that a death can come between; the test that names it sees what the next process finds.
//! Nothing may depend on it.

/// Dies here if the variable `BATCHYARD_CRASH_AT` is `place` or `place:N`, at the N-th passage (from 1).
#[cfg(debug_assertions)]
pub fn place(place: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };
    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("BATCHYARD_CRASH_AT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().unwrap_or(1)))
    });
    let Some((name, count)) = wanted else { return };
    if name == place && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        // Nothing runs after this, not even the code that ends a program in good order.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::thread::park();
    }
}

/// Never dies.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn place(_: &str) {}
