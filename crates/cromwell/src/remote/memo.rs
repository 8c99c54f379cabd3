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
    asked: Instant,
    at: Instant,
    /// The file with its stamp.
    found: Result<(PathBuf, String), Unfound>,
}

impl Answer {
    fn of(found: &Result<PathBuf, Unfound>, asked: Instant) -> Option<Answer> {
        let found = match found {
            Ok(file) => Ok((file.clone(), stamp(file).ok()?)),
            Err(unfound) => Err(unfound.clone()),
        };
        Some(Answer { asked, at: Instant::now(), found })
    }

    /// What somebody is told who wants to know it since a moment.
    fn told(&self, since: Instant, age: Age) -> Option<Result<PathBuf, Unfound>> {
        let holds = match (age, &self.found) {
            (Age::Fresh, _) => self.asked >= since,
            // Whoever asks next may be luckier, but not those who have waited for this.
            (Age::Recent, Err(unfound)) if !unfound.is_absent => self.at >= since,
            (Age::Recent, _) => self.at.elapsed() < HOLDS,
        };
        match &self.found {
            _ if !holds => None,
            Ok((file, known)) => stamp(file).is_ok_and(|now| now == *known).then(|| Ok(file.clone())),
            Err(unfound) => Some(Err(unfound.clone())),
        }
    }
}

/// What answers serve somebody.
#[derive(Clone, Copy, Debug)]
pub(super) enum Age {
    /// Those of the last minute.
    Recent,
    /// Those to questions that were put after he began to wait.
    Fresh,
}

impl Memo {
    /// What is known of a URL, or what `find` says. Others that ask for the same wait for the answer instead of asking too.
    pub(super) fn find(&self, url: &str, age: Age, find: impl FnOnce() -> Result<PathBuf, Unfound>) -> Result<PathBuf, Unfound> {
        let since = Instant::now();
        let answer = self.answer(url);
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = answer.as_ref().and_then(|answer| answer.told(since, age)) {
            return told;
        }
        let asked = Instant::now();
        let found = find();
        *answer = Answer::of(&found, asked);
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
                scope.spawn(|| assert_eq!(memo.find("http://x/a.bai", Age::Recent, || ask(Ok(file.clone()))), Ok(file.clone())));
            }
        });
        let count = || asked.swap(0, Ordering::Relaxed);
        assert_eq!(count(), 1);
        fs::write(&file, "written to").unwrap();
        memo.find("http://x/a.bai", Age::Recent, || ask(Ok(file.clone()))).unwrap();
        assert_eq!(count(), 1, "a file that has changed here is asked for again");
        for (is_absent, times) in [(true, 1), (false, 2)] {
            let unfound = Unfound { why: "is not there".into(), is_absent };
            for _ in 0..2 {
                assert_eq!(memo.find(&format!("http://x/{is_absent}"), Age::Recent, || ask(Err(unfound.clone()))), Err(unfound.clone()));
            }
            assert_eq!(count(), times, "only what is sure is known: {is_absent}");
        }
    }

    #[test]
    fn who_waits_for_an_answer_is_told_it_whatever_it_is() {
        let (memo, asked) = (Memo::default(), AtomicU32::new(0));
        let unfound = Unfound { why: "does not answer".into(), is_absent: false };
        let slow = || {
            // Until all others wait: each of them holds the answer, as do the map and who asks.
            let deadline = Instant::now() + HOLDS;
            while Arc::strong_count(&memo.answer("http://x/a")) < 3 + 3 && Instant::now() < deadline {
                thread::yield_now();
            }
            asked.fetch_add(1, Ordering::Relaxed);
            Err(unfound.clone())
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(memo.find("http://x/a", Age::Recent, slow), Err(unfound.clone())));
            }
        });
        assert_eq!(asked.load(Ordering::Relaxed), 1, "one silence is enough for all");
    }

    #[test]
    fn a_fresh_answer_is_one_to_a_later_question() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "x").unwrap();
        let (memo, asked) = (Memo::default(), AtomicU32::new(0));
        let ask = || {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(file.clone())
        };
        let find = |age| memo.find("http://x/a", age, ask);
        for (age, times) in [(Age::Fresh, 1), (Age::Recent, 1), (Age::Fresh, 2)] {
            find(age).unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), times, "{age:?}");
        }
    }
}
