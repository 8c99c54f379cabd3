//! What was brought from stores of others and nobody uses is removed now and then. While objects are brought that happens by itself.

use std::{
    io, thread,
    time::{Duration, SystemTime},
};

use batchyard_objects::remote::Cache;

use crate::cli::say;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

/// Looks now and then, on a thread that lasts as long as the process.
///
/// # Errors
/// When there is no thread to be had.
pub fn watch(cache: Cache) -> io::Result<()> {
    let work = move || {
        loop {
            match cache.forget_unused(SystemTime::now()) {
                Ok(removed) if removed.files == 0 => {}
                Ok(removed) => {
                    say(&format!("{} files of other stores that nobody used were removed ({} bytes)", removed.files, removed.bytes))
                }
                Err(error) => say(&format!("what was brought from other stores could not be looked at; it is tried again: {error}")),
            }
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("downloads".into()).stack_size(1 << 18).spawn(work).map(drop)
}
