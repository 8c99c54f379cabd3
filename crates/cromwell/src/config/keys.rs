//! What becomes of each key of a configuration: one table, and the answers that it gives.

mod table;

use std::fmt;

use batchyard_hocon::Path;
use batchyard_wdl::spelling;

pub use table::KEYS;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It means what it means to Cromwell.
    Honoured,
    /// It is used for the same purpose in another way.
    Mapped,
    /// It is accepted and has no effect.
    Ignored,
    /// Nothing reads it.
    Unknown,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Segments separated by dots; `*` stands for any one, `**` at the end for one or more.
    pub pattern: &'static str,
    /// Honoured, mapped or ignored.
    pub verdict: Verdict,
    /// Value where a file says nothing; empty when there is none.
    pub default: &'static str,
    /// What it does, or why it does nothing.
    pub why: &'static str,
}

/// The answer about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The row that answers; the key itself where none does.
    pub pattern: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Value where a file says nothing; empty when there is none.
    pub default: String,
    /// What it does, why it does nothing, or what was probably meant.
    pub why: String,
    /// The key that was probably meant by an unknown one.
    pub nearest: Option<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Honoured => "honoured",
            Verdict::Mapped => "mapped",
            Verdict::Ignored => "ignored",
            Verdict::Unknown => "unknown",
        })
    }
}

/// Key and verdict, what it does, and the default, each on a line.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  {}", self.pattern, self.verdict, self.why)?;
        if self.default.is_empty() { Ok(()) } else { write!(f, "\n  default: {}", self.default) }
    }
}

impl Key {
    fn segments(&self) -> Vec<&'static str> {
        self.pattern.split('.').collect()
    }

    /// Whether the key is meant; `literal` counts the segments that are the same.
    fn matches(&self, key: &[String]) -> bool {
        let segments = self.segments();
        let (fixed, open) = match segments.split_last() {
            Some((&"**", fixed)) => (fixed, true),
            _ => (segments.as_slice(), false),
        };
        let long_enough = if open { key.len() > fixed.len() } else { key.len() == fixed.len() };
        long_enough && fixed.iter().zip(key).all(|(segment, name)| *segment == "*" || segment == name)
    }

    /// Whether the pattern has something before these names and then only them.
    fn ends_with(&self, tail: &[String]) -> bool {
        let segments = self.segments();
        let begin = match segments.split_last() {
            Some((&"**", fixed)) => fixed.len().checked_sub(1),
            _ => segments.len().checked_sub(tail.len()),
        };
        let Some(begin) = begin.filter(|begin| *begin > 0) else { return false };
        let Some(end) = segments.get(begin..) else { return false };
        end.first().zip(tail.first()).is_some_and(|(segment, name)| segment == name)
            && end.iter().zip(tail).all(|(segment, name)| segment.starts_with('*') || segment == name)
    }

    fn literals(&self) -> usize {
        self.segments().iter().filter(|segment| !segment.starts_with('*')).count()
    }
}

/// The row for a key; the one that names most of it.
pub(super) fn row(key: &[String]) -> Option<&'static Key> {
    KEYS.iter().filter(|row| row.matches(key)).max_by_key(|row| row.literals())
}

/// Tells what becomes of a key such as `system.max-concurrent-workflows`.
pub fn explain(key: &str) -> Explanation {
    let elements = match Path::parse(key) {
        Ok(path) => path.0,
        Err(error) => {
            let why = format!("this is no key: {error}");
            return Explanation { pattern: key.into(), verdict: Verdict::Unknown, default: String::new(), why, nearest: None };
        }
    };
    explain_elements(&elements)
}

pub(super) fn explain_elements(key: &[String]) -> Explanation {
    if let Some(row) = row(key) {
        return Explanation {
            pattern: row.pattern.into(),
            verdict: row.verdict,
            default: row.default.into(),
            why: row.why.into(),
            nearest: None,
        };
    }
    let pattern = Path(key.to_vec()).to_string();
    let default = String::new();
    let inside: Vec<&Key> = KEYS.iter().filter(|row| is_above(key, row)).collect();
    if !inside.is_empty() {
        let verdict = [Verdict::Honoured, Verdict::Mapped].into_iter().find(|v| inside.iter().any(|row| row.verdict == *v));
        let names: Vec<String> = inside.iter().take(12).map(|row| format!("`{}`", row.pattern)).collect();
        let more = if inside.len() > names.len() { format!(" and {} more", inside.len() - names.len()) } else { String::new() };
        let why = format!("it holds {}{more}", names.join(", "));
        return Explanation { pattern, verdict: verdict.unwrap_or(Verdict::Ignored), default, why, nearest: None };
    }
    let nearest = misspelt(key).or_else(|| misplaced(key));
    let why = match &nearest {
        Some(near) => format!("nothing reads it; `{near}` may be meant"),
        None => "nothing reads it".into(),
    };
    Explanation { pattern, verdict: Verdict::Unknown, default, why, nearest }
}

/// Whether the key is an object that holds keys of this row.
fn is_above(key: &[String], row: &Key) -> bool {
    let segments = row.segments();
    segments.len() > key.len() && segments.iter().zip(key).all(|(segment, name)| *segment == "*" || segment == name)
}

/// A known key that ends as this one does, so that only its place is wrong. At least two names must stand in both, the
/// first of them literally.
fn misplaced(key: &[String]) -> Option<String> {
    (0..key.len().saturating_sub(1)).find_map(|skipped| {
        let tail = key.get(skipped..)?;
        let ends: Vec<&Key> = KEYS.iter().filter(|row| row.ends_with(tail)).collect();
        let beside = ends.iter().find(|row| key.first().is_some_and(|first| row.segments().first() == Some(&first.as_str())));
        beside.or(ends.first()).map(|row| row.pattern.to_string())
    })
}

/// A known key that is spelt nearly so.
fn misspelt(key: &[String]) -> Option<String> {
    let written = key.join(".");
    let same_length = KEYS.iter().filter(|row| row.segments().len() == key.len() && !row.pattern.ends_with("**"));
    let candidates: Vec<String> = same_length
        .map(|row| row.segments().iter().zip(key).map(|(s, name)| if *s == "*" { name.as_str() } else { *s }).collect::<Vec<_>>().join("."))
        .collect();
    let near = spelling::nearest(&written, candidates.iter().map(String::as_str))?;
    // In a long key most is right anyway: each segment must be close.
    let close = near.split('.').zip(key).all(|(segment, name)| segment == name || spelling::nearest(name, [segment]).is_some());
    close.then(|| near.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_explained() {
        assert_eq!(explain("system.max-concurrent-workflows").verdict, Verdict::Honoured);
        assert_eq!(explain("backend.providers.\"my.cluster\".config.submit").pattern, "backend.providers.*.config.submit");
        assert_eq!(explain("akka.actor.default-dispatcher.throughput").verdict, Verdict::Ignored);
        let group = explain("system.job-rate-control");
        assert_eq!(group.verdict, Verdict::Mapped);
        assert_eq!(explain("webservice.port").to_string(), "webservice.port: honoured\n  port to listen on\n  default: 8000");
        assert!(group.why.contains("`system.job-rate-control.per`"), "{}", group.why);
    }

    #[test]
    fn unknown_keys_get_the_nearest() {
        let near = |key: &str| explain(key).nearest.unwrap_or_default();
        assert_eq!(near("system.max-concurent-workflows"), "system.max-concurrent-workflows");
        assert_eq!(near("backend.providers.SGE.config.sumbit"), "backend.providers.SGE.config.submit");
        assert_eq!(near("backend.default-runtime-attributes.cluster"), "backend.providers.*.config.default-runtime-attributes.*");
        assert_eq!(near("backend.filesystems.oss.auth.endpoint"), "backend.providers.*.config.filesystems.oss.auth.endpoint");
        assert_eq!(near("db.url"), "database.db.url");
        assert_eq!(near("nothing.of.the.kind"), "");
        assert_eq!(explain("nothing.of.the.kind").verdict, Verdict::Unknown);
        assert!(explain("a..b").why.contains("no key"));
    }

    #[test]
    fn each_row_is_found_by_its_own_pattern() {
        for key in KEYS {
            let example: Vec<String> = key.pattern.split('.').map(|s| if s.starts_with('*') { "any".into() } else { s.into() }).collect();
            assert_eq!(row(&example).map(|row| row.pattern), Some(key.pattern));
            assert!(!key.why.is_empty() && !key.why.ends_with('.'), "{}", key.pattern);
        }
    }
}
