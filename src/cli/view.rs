//! What a run looks like while it goes on: one live view on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use batchyard_model::{CallId, CallState};
use batchyard_workflow::progress::{Event, Progress};
use indexmap::IndexMap;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::say;

/// Time between two drawings, in milliseconds.
const DRAW_MS: u64 = 200;
/// Longest-running calls shown.
const SHOWN_RUNNING: usize = 5;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors alone.
    Quiet,
    /// Starts and ends.
    Normal,
    /// Everything.
    Verbose,
}

#[derive(Default)]
struct Counts {
    waiting: u64,
    done: u64,
    cached: u64,
    failed: u64,
    aborted: u64,
}

/// The view of one run and its sub-workflows.
pub struct View {
    verbosity: Verbosity,
    bar: Option<ProgressBar>,
    started: Instant,
    drawn: Instant,
    counts: Counts,
    running: IndexMap<CallId, Instant>,
}

impl View {
    /// A live view when standard error is a terminal.
    pub fn new(verbosity: Verbosity) -> Self {
        let live = verbosity != Verbosity::Quiet && std::io::stderr().is_terminal();
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        View { verbosity, bar, started: Instant::now(), drawn: Instant::now(), counts: Counts::default(), running: IndexMap::new() }
    }

    /// Leaves the last state on the screen.
    pub fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.verbosity != Verbosity::Quiet {
            say(&format!("{} in {}", self.summary(), elapsed(self.started.elapsed())));
        }
    }

    fn summary(&self) -> String {
        let Counts { waiting, done, cached, failed, aborted } = &self.counts;
        let mut parts = vec![format!("{done} done")];
        let mut add = |n: u64, what: &str| {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        };
        add(*cached, "from cache");
        add(self.running.len() as u64, "running");
        add(*waiting, "waiting");
        add(*failed, "failed");
        add(*aborted, "aborted");
        parts.join(", ")
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(&format!("{:>8} {text}", elapsed(self.started.elapsed()))),
        }
    }

    fn draw(&mut self) {
        let Some(bar) = &self.bar else { return };
        let mut text = format!("{}  {}", self.summary(), elapsed(self.started.elapsed()));
        for (call, since) in self.running.iter().take(SHOWN_RUNNING) {
            text.push_str(&format!("\n    {call}  {}", elapsed(since.elapsed())));
        }
        bar.set_message(text);
        bar.tick();
        self.drawn = Instant::now();
    }
}

impl Progress for View {
    fn tell(&mut self, event: Event) {
        let normal = self.verbosity != Verbosity::Quiet;
        let verbose = self.verbosity == Verbosity::Verbose;
        match event {
            Event::RunStarted { run, name, dir, child } => {
                if normal && (!child || verbose) {
                    self.line(&format!("{name}: run {run} in {dir}"));
                }
            }
            Event::Queued { call } => {
                self.counts.waiting += 1;
                if verbose {
                    self.line(&format!("{call} waits"));
                }
            }
            Event::Started { call } => {
                self.counts.waiting = self.counts.waiting.saturating_sub(1);
                if normal && (self.bar.is_none() || verbose) {
                    self.line(&format!("{call} started"));
                }
                self.running.insert(call, Instant::now());
            }
            Event::Submitted { call, job_id } => {
                if verbose {
                    self.line(&format!("{call} is job {job_id}"));
                }
            }
            Event::Ended { call, state, cached, known, failure } => {
                let since = self.running.shift_remove(&call);
                if since.is_none() && !known {
                    self.counts.waiting = self.counts.waiting.saturating_sub(1);
                }
                match state {
                    CallState::Done if cached => self.counts.cached += 1,
                    CallState::Done => self.counts.done += 1,
                    CallState::Failed => self.counts.failed += 1,
                    CallState::Aborted => self.counts.aborted += 1,
                    _ => {}
                }
                let how = match (state, cached, known) {
                    (CallState::Done, _, true) => "was done before".into(),
                    (CallState::Done, true, _) => "done, from cache".into(),
                    (CallState::Done, false, _) => "done".into(),
                    (CallState::Retried, ..) => {
                        format!("failed and is tried again: {}", failure.as_ref().map_or("", |f| f.message.as_str()))
                    }
                    (CallState::Failed, ..) => format!("failed: {}", failure.as_ref().map_or("", |f| f.message.as_str())),
                    (state, ..) => state.name().to_lowercase(),
                };
                let worth = !matches!(state, CallState::Done | CallState::Aborted);
                if normal && (self.bar.is_none() || verbose || worth) {
                    let took = since.map(|s| format!(" ({})", elapsed(s.elapsed()))).unwrap_or_default();
                    self.line(&format!("{call} {how}{took}"));
                }
            }
            Event::Note(note) => {
                if normal {
                    self.line(&format!("note: {note}"));
                }
            }
            Event::RunEnded { run, state, child } => {
                if verbose && child {
                    self.line(&format!("run {run} {state}"));
                }
            }
        }
        if self.drawn.elapsed() >= Duration::from_millis(DRAW_MS) {
            self.draw();
        }
    }

    fn idle(&mut self) -> u64 {
        if self.bar.is_none() {
            return 3_600_000;
        }
        if self.drawn.elapsed() >= Duration::from_millis(DRAW_MS) {
            self.draw();
        }
        DRAW_MS
    }
}

/// `1.2s`, `3m05s`, `2h04m`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}
