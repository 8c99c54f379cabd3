//! How far a transfer is, as the original shows it.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

/// Cells of a full bar.
const BAR: u64 = 50;
/// Shortest time between two pictures.
const PACE: Duration = Duration::from_millis(100);

/// A bar on a terminal; silent elsewhere.
pub struct Progress<'w> {
    out: Option<&'w mut dyn Write>,
    done: u64,
    total: u64,
    shown: Option<Instant>,
}

impl<'w> Progress<'w> {
    /// A bar for `total` bytes of which `done` are there already.
    pub fn new(out: Option<&'w mut dyn Write>, done: u64, total: u64) -> Progress<'w> {
        Progress { out, done, total, shown: None }
    }

    /// Counts bytes.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.shown.is_none_or(|shown| shown.elapsed() >= PACE) {
            self.shown = Some(Instant::now());
            self.show(&format!("{}\r", picture(self.done, self.total)));
        }
    }

    /// Takes bytes back that have to be sent again.
    pub fn take_back(&mut self, bytes: u64) {
        self.done = self.done.saturating_sub(bytes);
    }

    /// Shows the full bar.
    pub fn finish(&mut self) {
        self.show(&format!("{}\n", picture(1, 1)));
    }

    fn show(&mut self, text: &str) {
        if let Some(out) = &mut self.out {
            // A bar that cannot be drawn is no reason to stop a transfer.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

fn picture(done: u64, total: u64) -> String {
    let part = |of: u64| u64::try_from(u128::from(done.min(total)) * u128::from(of) / u128::from(total.max(1))).unwrap_or(of);
    format!("{} {}%", "#".repeat(usize::try_from(part(BAR)).unwrap_or(0)), part(100))
}

/// A reader that reports what passes, and how much of it there is to be.
pub struct Watched<'p, 'w, R> {
    inner: R,
    progress: &'p mut Progress<'w>,
    passed: u64,
}

impl<'p, 'w, R: Read> Watched<'p, 'w, R> {
    /// Reports to `progress` what is read from `inner`.
    pub fn new(inner: R, progress: &'p mut Progress<'w>) -> Self {
        Watched { inner, progress, passed: 0 }
    }

    /// How much has passed.
    pub fn passed(&self) -> u64 {
        self.passed
    }
}

impl<R: Read> Read for Watched<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed += count as u64;
        self.progress.add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_to_fifty() {
        assert_eq!(picture(0, 0), " 0%");
        assert_eq!(picture(1, 4), format!("{} 25%", "#".repeat(12)));
        assert_eq!(picture(4, 4), format!("{} 100%", "#".repeat(50)));
        let mut out = Vec::new();
        let mut progress = Progress::new(Some(&mut out), 0, 10);
        io::copy(&mut Watched::new(&b"0123456789"[..], &mut progress), &mut io::sink()).unwrap();
        progress.finish();
        assert!(String::from_utf8(out).unwrap().ends_with(&format!("{} 100%\n", "#".repeat(50))));
    }
}
