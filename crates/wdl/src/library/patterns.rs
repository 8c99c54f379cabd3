//! Regular expressions of both worlds: Java's for documents that run as Cromwell runs them, extended POSIX for newer.

mod java;
mod replacement;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use self::replacement::Piece;
use super::MAX_TEXT_BYTES;
use crate::version::Dialect;

/// Compiled patterns that a thread keeps.
const CACHED: usize = 64;
/// Largest compiled form of one pattern, in bytes.
const SIZE_LIMIT: usize = 16 << 20;
/// Steps a pattern with look-around or back references may take on one text.
const BACKTRACK_LIMIT: usize = 5_000_000;

/// A compiled pattern.
pub(super) struct Pattern {
    engine: Engine,
    dialect: Dialect,
}

enum Engine {
    /// Time linear in the text.
    Linear(regex::Regex),
    /// Look-around and back references, by backtracking.
    Backtracking(fancy_regex::Regex),
}

/// What is wrong with a pattern, known before the run.
pub(crate) fn problem(text: &str, dialect: Dialect) -> Option<String> {
    Pattern::cached(text, dialect).err()
}

type Groups = Vec<Option<(usize, usize)>>;

thread_local! {
    static CACHE: RefCell<HashMap<(bool, String), Rc<Pattern>>> = RefCell::new(HashMap::new());
}

impl Pattern {
    /// The compiled form of a pattern, from this thread's cache when it has been used before.
    pub(super) fn cached(text: &str, dialect: Dialect) -> Result<Rc<Self>, String> {
        let key = (dialect == Dialect::Cromwell, text.to_owned());
        if let Some(known) = CACHE.with_borrow(|cache| cache.get(&key).cloned()) {
            return Ok(known);
        }
        let pattern = Rc::new(Self::compile(text, dialect)?);
        CACHE.with_borrow_mut(|cache| {
            // Patterns come from the few places of one document; starting over is simpler than ageing.
            if cache.len() >= CACHED {
                cache.clear();
            }
            cache.insert(key, Rc::clone(&pattern));
        });
        Ok(pattern)
    }

    fn compile(text: &str, dialect: Dialect) -> Result<Self, String> {
        let translated = match dialect {
            Dialect::Cromwell => java::translate(text),
            Dialect::Specification => text.to_owned(),
        };
        let engine = match regex::RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build() {
            Ok(regex) => Engine::Linear(regex),
            // What the first engine does not know may be look-around or a back reference.
            Err(first) => fancy_regex::RegexBuilder::new(&translated)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(SIZE_LIMIT)
                .build()
                .map(Engine::Backtracking)
                .map_err(|_| plain_message(&first))?,
        };
        Ok(Pattern { engine, dialect })
    }

    /// The groups of the first match at or after `start`.
    fn groups(&self, text: &str, start: usize) -> Result<Option<Groups>, String> {
        match &self.engine {
            Engine::Linear(regex) => {
                let captures = regex.captures_at(text, start);
                Ok(captures.map(|c| c.iter().map(|g| g.map(|g| (g.start(), g.end()))).collect()))
            }
            Engine::Backtracking(regex) => {
                let captures = regex.captures_from_pos(text, start).map_err(|e| e.to_string())?;
                Ok(captures.map(|c| c.iter().map(|g| g.map(|g| (g.start(), g.end()))).collect()))
            }
        }
    }

    fn group_number(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|n| n == Some(name)),
        }
    }

    fn group_count(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }

    /// The text of the first match.
    pub(super) fn find<'t>(&self, text: &'t str) -> Result<Option<&'t str>, String> {
        let whole = self.groups(text, 0)?.and_then(|groups| groups.first().copied().flatten());
        Ok(whole.and_then(|(start, end)| text.get(start..end)))
    }

    /// Calls `visit` with every non-overlapping match.
    fn each_match(&self, text: &str, mut visit: impl FnMut((usize, usize), &Groups) -> Result<(), String>) -> Result<(), String> {
        let mut position = 0;
        let mut last_end = None;
        while position <= text.len() {
            let Some(groups) = self.groups(text, position)? else { return Ok(()) };
            let Some((start, end)) = groups.first().copied().flatten() else { return Ok(()) };
            // Java also finds the empty match that touches the match before it; the others do not.
            if start < end || self.dialect == Dialect::Cromwell || last_end != Some(end) {
                visit((start, end), &groups)?;
            }
            last_end = Some(end);
            position = if start < end { end } else { end + text.get(end..).and_then(|t| t.chars().next()).map_or(1, char::len_utf8) };
        }
        Ok(())
    }

    /// The text with every match replaced; `None` when there is no match.
    pub(super) fn replace_all(&self, text: &str, replacement: &str) -> Result<Option<String>, String> {
        let pieces = match self.dialect {
            Dialect::Cromwell => replacement::parse_java(replacement, self.group_count(), |n| self.group_number(n))?,
            Dialect::Specification => replacement::parse_posix(replacement, self.group_count()),
        };
        let mut out = String::new();
        let mut copied = 0;
        self.each_match(text, |(start, end), groups| {
            out.push_str(text.get(copied..start).unwrap_or(""));
            for piece in &pieces {
                match piece {
                    Piece::Text(t) => out.push_str(t),
                    Piece::Group(n) => {
                        let group = groups.get(*n).copied().flatten();
                        out.push_str(group.and_then(|(s, e)| text.get(s..e)).unwrap_or(""));
                    }
                }
            }
            copied = end;
            if out.len() > MAX_TEXT_BYTES { Err("the text grows too long".to_owned()) } else { Ok(()) }
        })?;
        // Nothing was written before a first match at the start with an empty replacement; `copied` tells then.
        if out.is_empty() && copied == 0 {
            return Ok(None);
        }
        out.push_str(text.get(copied..).unwrap_or(""));
        Ok(Some(out))
    }

    /// The pieces between the matches, empty ones included.
    ///
    /// `room` is asked for the place of more pieces as they come to be.
    pub(super) fn split<'t>(&self, text: &'t str, room: impl Fn(usize) -> Result<(), String>) -> Result<Vec<&'t str>, String> {
        let mut pieces = Vec::new();
        let mut from = 0;
        self.each_match(text, |(start, end), _| {
            if pieces.len() == pieces.capacity() {
                room(2 * pieces.len().max(1))?;
            }
            pieces.push(text.get(from..start).unwrap_or(""));
            from = end;
            Ok(())
        })?;
        pieces.push(text.get(from..).unwrap_or(""));
        Ok(pieces)
    }
}

/// The last line of a message, which names the problem; the lines before draw the pattern.
fn plain_message(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}
