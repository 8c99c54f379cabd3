//! What a run has just been told of what may be behind URLs: many of its calls look for the same thing at the same time.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use batchyard_workflow::fetch::Unfound;

use super::stamp;

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(60);
/// Most answers that are kept.
const MAX_ANSWERS: usize = 10_000;

/// Answers of the last minute.
#[derive(Debug, Default)]
pub(super) struct Memo {
    answers: Mutex<HashMap<String, Arc<Mutex<Option<Answer>>>>>,
}

#[derive(Debug)]
struct Answer {
    at: Instant,
    /// The file with its stamp.
    found: Result<(PathBuf, String), Unfound>,
}

impl Answer {
    fn of(found: &Result<PathBuf, Unfound>) -> Option<Answer> {
        let found = match found {
            Ok(file) => Ok((file.clone(), stamp(file).ok()?)),
            Err(unfound) if unfound.is_absent => Err(unfound.clone()),
            // Whoever asks next may be luckier.
            Err(_) => return None,
        };
        Some(Answer { at: Instant::now(), found })
    }

    fn told(&self) -> Option<Result<PathBuf, Unfound>> {
        if self.at.elapsed() >= HOLDS {
            return None;
        }
        match &self.found {
            Ok((file, known)) => stamp(file).is_ok_and(|now| now == *known).then(|| Ok(file.clone())),
            Err(unfound) => Some(Err(unfound.clone())),
        }
    }
}

impl Memo {
    /// What is known of a URL, or what `find` says. Others that ask for the same wait for the answer instead of asking too.
    pub(super) fn find(&self, url: &str, find: impl FnOnce() -> Result<PathBuf, Unfound>) -> Result<PathBuf, Unfound> {
        let answer = self.answer(url);
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = answer.as_ref().and_then(Answer::told) {
            return told;
        }
        let found = find();
        *answer = Answer::of(&found);
        found
    }

    fn answer(&self, url: &str) -> Arc<Mutex<Option<Answer>>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(url) {
            // Those that are being asked for stay with who asks.
            answers.clear();
        }
        Arc::clone(answers.entry(url.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn what_many_look_for_is_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.bai");
        fs::write(&file, "index").unwrap();
        let (memo, asked) = (Memo::default(), AtomicU32::new(0));
        let ask = |answer: Result<PathBuf, Unfound>| {
            asked.fetch_add(1, Ordering::Relaxed);
            answer
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(memo.find("http://x/a.bai", || ask(Ok(file.clone()))), Ok(file.clone())));
            }
        });
        let count = || asked.swap(0, Ordering::Relaxed);
        assert_eq!(count(), 1);
        fs::write(&file, "written to").unwrap();
        memo.find("http://x/a.bai", || ask(Ok(file.clone()))).unwrap();
        assert_eq!(count(), 1, "a file that has changed here is asked for again");
        for (is_absent, times) in [(true, 1), (false, 2)] {
            let unfound = Unfound { why: "is not there".into(), is_absent };
            for _ in 0..2 {
                assert_eq!(memo.find(&format!("http://x/{is_absent}"), || ask(Err(unfound.clone()))), Err(unfound.clone()));
            }
            assert_eq!(count(), times, "only what is sure is known: {is_absent}");
        }
    }
}
