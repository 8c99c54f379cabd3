//! Staying with a job until it ends.

use std::{collections::BTreeMap, thread, time::Duration};

use super::{
    column, counts,
    job_detail::{Job, lines},
};
use crate::{failure::Failure, render::table::seen, reply::Reply, session::Session};

/// Looks that may fail in a row before we give up.
const PATIENCE: u32 = 30;

/// Whether a state is the last one.
pub fn is_over(state: &str) -> bool {
    !matches!(state, "Waiting" | "Running")
}

/// Shows a job again and again: drawn anew on a terminal, elsewhere a line for each change. The exit status tells how it ended.
///
/// # Errors
///
/// [`Failure::Ended`] for a job that does not finish; the service's when it stays away.
pub fn follow(session: &mut Session, word: &str, interval: Duration) -> Result<(), Failure> {
    let id = session.id("jobs", word)?;
    session.terminal.note(&format!("exec: bcs j {id} --follow"))?;
    let mut shown = Shown::default();
    let mut missed = 0;
    loop {
        let job = match Job::load(session, &id) {
            Ok(job) => {
                missed = 0;
                job
            }
            Err(failure) if missed < PATIENCE && is_passing(&failure) => {
                missed += 1;
                thread::sleep(interval);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if shown.said.is_empty() && shown.height == 0 {
            session.cache.remember("tasks", &column(&job.tasks, "TaskName"))?;
        }
        if session.terminal.live {
            shown.redraw(session, &job)?
        } else {
            shown.tell(session, &job)?
        }
        session.terminal.flush()?;
        let state = job.job.text("State");
        if is_over(&state) {
            return ended(&id, &state);
        }
        thread::sleep(interval);
    }
}

/// The exit status of a job.
///
/// # Errors
///
/// [`Failure::Ended`] unless it finished.
pub fn ended(id: &str, state: &str) -> Result<(), Failure> {
    if state == "Finished" { Ok(()) } else { Err(Failure::Ended(format!("job `{id}` is {state}"))) }
}

/// Whether it may be better at the next look.
pub fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Unreachable { .. } | Failure::Service { status: 429 | 500.., .. } | Failure::Store { status: 500.., .. })
}

/// What was shown last.
#[derive(Default)]
struct Shown {
    height: usize,
    said: BTreeMap<String, String>,
}

impl Shown {
    /// Draws over what was drawn before; what does not fit on the screen is told instead.
    fn redraw(&mut self, session: &mut Session, job: &Job) -> Result<(), Failure> {
        let text = lines(job, session.terminal.paint).join("\n");
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).map_or((0, 0), |s| (usize::from(s.ws_row), usize::from(s.ws_col)));
        let Some(height) = height(&text, size) else { return self.tell(session, job) };
        if self.height > 0 {
            session.terminal.bytes(format!("\u{1b}[{}A\u{1b}[J", self.height).as_bytes())?;
        }
        self.height = height;
        session.terminal.line(text)
    }

    /// Tells what has changed.
    fn tell(&mut self, session: &mut Session, job: &Job) -> Result<(), Failure> {
        let mut told = vec![(String::new(), format!("Job: {} ({})", job.job.text("State"), counts(job.job.at("TaskMetrics"))))];
        for task in &job.tasks {
            let (name, counted) = (task.text("TaskName"), counts(task.at("InstanceMetrics")));
            told.push((name.clone(), format!("Task {name}: {} ({counted})", task.text("State"))));
        }
        for (name, line) in told {
            if self.said.get(&name) != Some(&line) {
                session.terminal.line(&line)?;
                self.said.insert(name, line);
            }
        }
        Ok(())
    }
}

/// Rows that a text takes on a screen of this size, if it fits.
fn height(text: &str, (rows, columns): (usize, usize)) -> Option<usize> {
    let needed: usize = text.lines().map(|line| seen(line).max(1).div_ceil(columns.max(1))).sum();
    (columns > 0 && needed < rows).then_some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_is_drawn_over() {
        assert_eq!(height("a\n\nbcd", (10, 2)), Some(4));
        assert_eq!(height("a\n\nbcd", (4, 2)), None);
        assert_eq!(height("a", (0, 0)), None);
    }
}
