//! What is wrong with a document, told with place, source line and mend.

use std::fmt;

use crate::{secret::without_secrets, source::Origin};

/// Something that keeps a configuration from being used.
///
/// Texts follow the house rules: lower case, no full stop, names in backticks, the mend in `hint`.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong, in one sentence; never holds a password.
    pub message: String,
    /// The place; none where the trouble is with the whole load (a file that cannot be read).
    pub origin: Option<Origin>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(origin: &Origin, message: impl Into<String>) -> Self {
        Problem { message: message.into(), origin: Some(origin.clone()), hint: None }
    }

    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), origin: None, hint: None }
    }

    /// Adds the mend.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `file:line:column: message`, the source line with the place marked, and the hint.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.origin.as_ref(), "error", &self.message, self.hint.as_deref())
    }
}

/// Something that works, but that the author of a document should know.
#[derive(Clone, Debug)]
pub struct Remark {
    /// What was done, in one sentence; never holds a password.
    pub message: String,
    /// The place.
    pub origin: Option<Origin>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Remark {
    /// A remark about a place.
    pub fn at(origin: &Origin, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Remark { message: message.into(), origin: Some(origin.clone()), hint: Some(hint.into()) }
    }
}

/// As for a [`Problem`], marked as a note.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.origin.as_ref(), "note", &self.message, self.hint.as_deref())
    }
}

fn show(f: &mut fmt::Formatter<'_>, origin: Option<&Origin>, severity: &str, message: &str, hint: Option<&str>) -> fmt::Result {
    match origin {
        None => write!(f, "{severity}: {message}")?,
        Some(origin) if origin.source.text.is_empty() => write!(f, "{}: {severity}: {message}", origin.source.name)?,
        Some(origin) => {
            let (line, column) = origin.source.position(origin.start);
            write!(f, "{}:{line}:{column}: {severity}: {message}", origin.source.name)?;
            show_line(f, origin, line, column)?;
        }
    }
    match hint {
        Some(hint) => write!(f, "\n  hint: {hint}"),
        None => Ok(()),
    }
}

fn show_line(f: &mut fmt::Formatter<'_>, origin: &Origin, line: usize, column: usize) -> fmt::Result {
    let text = origin.source.line(line);
    let shown = without_secrets(text);
    write!(f, "\n{line:>5} | {shown}")?;
    // The marks fit only a line that is shown as it is.
    if shown == text {
        let blank: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let marked = origin.source.text.get(origin.start..origin.end).unwrap_or("");
        let width = marked.lines().next().unwrap_or("").chars().count().max(1);
        write!(f, "\n      | {blank}{}", "^".repeat(width))?;
    }
    Ok(())
}

/// All problems of one load, in the order of their discovery.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}
