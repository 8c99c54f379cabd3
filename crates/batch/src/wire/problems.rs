//! Everything that is wrong with a body, each with its place.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The error code it is answered with.
    pub code: &'static str,
    /// Where, for example `DAG.Tasks.count.Timeout`.
    pub path: String,
    /// What, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.text)
    }
}

/// All that was found so far.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

/// Problems that are told at most; the first ones show what kind of mistake it is.
const MAX_TOLD: usize = 20;

impl Problems {
    /// A field has a bad value.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.coded("InvalidParameter", path, text);
    }

    /// The same with an error code of its own.
    pub fn coded(&mut self, code: &'static str, path: impl Into<String>, text: impl Into<String>) {
        if self.0.len() < MAX_TOLD {
            self.0.push(Problem { code, path: path.into(), text: text.into() });
        }
    }

    /// Checks a condition.
    pub fn unless(&mut self, good: bool, path: impl Into<String>, text: impl Into<String>) {
        if !good {
            self.add(path, text);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All texts in one.
    pub fn message(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// The code of the first.
    pub fn code(&self) -> &'static str {
        self.0.first().map_or("InvalidParameter", |problem| problem.code)
    }
}

/// A name as the service wants it: letters, digits, `-`, `_`; at most `longest` bytes.
pub fn is_name(text: &str, longest: usize, may_begin_with_digit: bool) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let begins = text.bytes().next().is_some_and(|b| may_begin_with_digit || !b.is_ascii_digit());
    begins && text.len() <= longest && text.bytes().all(good)
}
