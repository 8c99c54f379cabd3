//! What tags of images mean: a tag may move, a digest never does.
//!
//! [`DigestPolicy`] says what is done about tags. [`Digests`] knows what was found out lately and asks for the rest, once for all
//! who want to know. What a run was told once holds for all its calls, also of a later engine: `prepare` sees to that.

mod local;
pub mod name;

use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use batchyard_core::Pool;
use batchyard_runner::{Control, EndedBy, container::EngineKind};
use indexmap::IndexMap;

use crate::settings::EngineChoice;
use name::{ImageName, is_digest};

/// Images asked for at once, and pulls at once.
const AT_ONCE: usize = 4;
/// Time between the polite signal and the hard one for a pull that nobody waits for any more.
const PULL_GRACE: Duration = Duration::from_secs(5);
/// Stack of a thread that asks.
const STACK_BYTES: usize = 1 << 20;
/// How long nobody asks again after a failure: long enough for all shards of a scatter, short enough for a registry that was
/// restarted.
const FAILURE_KEPT: Duration = Duration::from_secs(30);
/// So many times as long as it took to fail, if that is longer: who cannot reach a registry shall not spend his time with trying.
const FAILURE_FACTOR: u32 = 10;
/// But no longer than this.
const FAILURE_KEPT_AT_MOST: Duration = Duration::from_secs(600);

/// What a tag means, or why nobody knows.
pub type Answer = Result<Meaning, Arc<str>>;

/// What a tag means. As a text: the digest, and after a space the size where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The digest of the image.
    pub digest: Arc<str>,
    /// Bytes of its layers as they are transferred (`compressedDockerSize` of Cromwell), where a registry tells them.
    pub bytes: Option<u64>,
}

impl From<String> for Meaning {
    /// One of unknown size.
    fn from(digest: String) -> Self {
        Meaning { digest: digest.into(), bytes: None }
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            Some(bytes) => write!(f, "{} {bytes}", self.digest),
            None => f.write_str(&self.digest),
        }
    }
}

/// A text that tells no meaning.
#[derive(Debug, thiserror::Error)]
#[error("what was answered is no digest: {0:.100?}")]
pub struct NoMeaning(String);

impl FromStr for Meaning {
    type Err = NoMeaning;

    fn from_str(text: &str) -> Result<Self, NoMeaning> {
        let wrong = || NoMeaning(text.to_owned());
        let (digest, bytes) = text.split_once(' ').map_or((text, None), |(digest, bytes)| (digest, Some(bytes)));
        let bytes = bytes.map(str::parse).transpose().map_err(|_| wrong())?;
        if is_digest(digest) { Ok(Meaning { digest: digest.into(), bytes }) } else { Err(wrong()) }
    }
}

/// What is done about images whose tags may move.
#[derive(Clone, Debug, Default)]
pub enum DigestPolicy {
    /// Nothing: an image is its name with its tag.
    #[default]
    TagIsIdentity,
    /// Nothing, so what is made with them is neither reused nor kept for reuse.
    Off,
    /// Their digests are found out.
    LookUp(Arc<Digests>),
}

/// Asks registries.
pub trait Registries: fmt::Debug {
    /// What a tag means now.
    ///
    /// # Errors
    /// Why that is not known.
    fn meaning(&self, image: &ImageName) -> Result<Meaning, String>;
}

/// Who knows digests.
#[derive(Clone, Debug)]
pub enum Source {
    /// The registries.
    Registries(Arc<dyn Registries + Send + Sync>),
    /// The container engine of this machine, which gets images that it has not.
    Engine,
}

/// What is remembered of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long an answer holds for further runs.
    pub keep: Duration,
    /// Most answers.
    pub most: usize,
}

impl Default for Bounds {
    /// As Cromwell has them.
    fn default() -> Self {
        Bounds { keep: Duration::from_secs(20 * 60), most: 200 }
    }
}

/// Digests of images, for all engines of a process.
pub struct Digests {
    source: Source,
    bounds: Bounds,
    state: Mutex<State>,
    pool: Pool,
    /// Gets images, which may take long.
    pulls: Pool,
}

type Then = Box<dyn FnOnce(Answer) + Send>;

#[derive(Default)]
struct State {
    /// By name, oldest first, each until when it holds.
    known: IndexMap<String, (Answer, Instant)>,
    /// What is asked for, by name.
    asked: HashMap<String, Asked>,
    /// The last ticket that was given.
    tickets: u64,
}

/// An image that is asked for.
struct Asked {
    /// The ticket of whom it is asked for.
    number: u64,
    /// Who waits for the answer, by their tickets.
    waiting: Vec<(u64, Then)>,
    /// Ends the pull that gets it.
    pull: Option<Arc<Control>>,
}

/// What to find out.
#[derive(Clone)]
struct Look {
    image: ImageName,
    engine: EngineChoice,
    key: String,
    number: u64,
    began: Instant,
}

/// What somebody waits for.
#[derive(Debug)]
pub struct Ticket {
    key: String,
    number: u64,
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests").field("source", &self.source).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Digests {
    /// Nothing is known yet.
    pub fn new(source: Source, bounds: Bounds) -> Self {
        let pool = |name| Pool::new(name, AT_ONCE, STACK_BYTES);
        Digests { source, bounds, state: Mutex::default(), pool: pool("digests"), pulls: pool("pulls") }
    }

    /// Has `then` called with what the tag of an image means: at once where it is known, else on another thread. What is waited for can be
    /// given up.
    pub fn ask(self: &Arc<Self>, image: &ImageName, engine: &EngineChoice, then: impl FnOnce(Answer) + Send + 'static) -> Option<Ticket> {
        let key = self.name_of(image, engine);
        let mut state = self.lock();
        if let Some((answer, _)) = state.known.get(&key).filter(|(_, until)| Instant::now() < *until) {
            let answer = answer.clone();
            drop(state);
            then(answer);
            return None;
        }
        state.tickets += 1;
        let number = state.tickets;
        let ticket = Ticket { key: key.clone(), number };
        if let Some(asked) = state.asked.get_mut(&key) {
            asked.waiting.push((number, Box::new(then)));
            return Some(ticket);
        }
        state.asked.insert(key.clone(), Asked { number, waiting: vec![(number, Box::new(then))], pull: None });
        drop(state);
        let look = Look { image: image.clone(), engine: engine.clone(), key, number, began: Instant::now() };
        let (digests, kept) = (Arc::clone(self), look.clone());
        self.carry_out(&self.pool, kept, move || match digests.look_up(&look)? {
            Some(meaning) => Ok(Some(meaning)),
            None => {
                digests.pull(look);
                Ok(None)
            }
        });
        Some(ticket)
    }

    /// Somebody does not wait any more. A pull for which nobody waits is ended.
    pub fn give_up(&self, ticket: &Ticket) {
        let mut state = self.lock();
        let Some(asked) = state.asked.get_mut(&ticket.key) else { return };
        let place = asked.waiting.iter().position(|(number, _)| *number == ticket.number);
        let gone = place.map(|place| asked.waiting.swap_remove(place));
        let pull = asked.pull.clone().filter(|_| asked.waiting.is_empty());
        if pull.is_some() {
            state.asked.remove(&ticket.key);
        }
        drop(state);
        drop(gone);
        if let Some(pull) = pull {
            pull.end(EndedBy::Abort, PULL_GRACE);
        }
    }

    /// What an image is known by: its full name, or as it was written where the engine of this machine completes names as it likes.
    pub fn name_of(&self, image: &ImageName, engine: &EngineChoice) -> String {
        match self.source {
            Source::Engine if engine.get().is_some_and(|engine| engine.kind == EngineKind::Podman) => image.plain(),
            Source::Engine | Source::Registries(_) => image.full(),
        }
    }

    /// Has a pool find out something, and tells what it was, if it was found out with that.
    fn carry_out(self: &Arc<Self>, pool: &Pool, look: Look, work: impl FnOnce() -> Result<Option<Meaning>, String> + Send + 'static) {
        let (digests, kept) = (Arc::clone(self), look.clone());
        let run = pool.run(move || {
            let found = catch_unwind(AssertUnwindSafe(work));
            let found = found.unwrap_or_else(|_| Err("internal error while it was looked up".into()));
            if let Some(found) = found.transpose() {
                digests.answered(&look, found);
            }
        });
        if let Err(error) = run {
            self.answered(&kept, Err(format!("no thread to ask for it: {error}")));
        }
    }

    /// What a tag means, if it can be told without a pull.
    fn look_up(&self, look: &Look) -> Result<Option<Meaning>, String> {
        match &self.source {
            Source::Registries(registries) => registries.meaning(&look.image).map(Some),
            Source::Engine => Ok(local::has(&look.image, &look.engine)?.map(Meaning::from)),
        }
    }

    /// Has the engine get an image, if still somebody waits for it.
    fn pull(self: &Arc<Self>, look: Look) {
        let control = Control::new(format!("pull {} of {}", look.number, look.key));
        let mut state = self.lock();
        let Some(asked) = state.asked.get_mut(&look.key).filter(|asked| asked.number == look.number) else { return };
        if asked.waiting.is_empty() {
            state.asked.remove(&look.key);
            return;
        }
        asked.pull = Some(Arc::clone(&control));
        drop(state);
        self.carry_out(&self.pulls, look.clone(), move || match control.ended_by() {
            None => local::get(&look.image, &look.engine, &control).map(|digest| Some(digest.into())),
            Some(_) => Ok(None),
        });
    }

    fn answered(&self, look: &Look, found: Result<Meaning, String>) {
        let now = Instant::now();
        let keep = if found.is_ok() { self.bounds.keep } else { failure_kept(now.saturating_duration_since(look.began)) };
        let answer: Answer = found.map_err(Arc::from);
        let mut state = self.lock();
        // Given up: somebody else may have it asked for anew.
        if state.asked.get(&look.key).is_none_or(|asked| asked.number != look.number) {
            return;
        }
        // The order is that of age.
        state.known.shift_remove(&look.key);
        while state.known.len() >= self.bounds.most.max(1) {
            state.known.shift_remove_index(0);
        }
        if let Some(until) = now.checked_add(keep) {
            state.known.insert(look.key.clone(), (answer.clone(), until));
        }
        let asked = state.asked.remove(&look.key);
        drop(state);
        asked.into_iter().flat_map(|asked| asked.waiting).for_each(|(_, then)| then(answer.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a failure that took so long holds.
fn failure_kept(took: Duration) -> Duration {
    FAILURE_KEPT.max(took.saturating_mul(FAILURE_FACTOR)).min(FAILURE_KEPT_AT_MOST)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// Answers when it is told to, and counts.
    #[derive(Debug)]
    struct Slow {
        asked: AtomicUsize,
        go: Mutex<mpsc::Receiver<Result<String, String>>>,
    }

    impl Registries for Slow {
        fn meaning(&self, _: &ImageName) -> Result<Meaning, String> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let told = self.go.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
            told?.parse().map_err(|error: NoMeaning| error.to_string())
        }
    }

    fn slow(bounds: Bounds) -> (Arc<Digests>, Arc<Slow>, mpsc::Sender<Result<String, String>>) {
        let (answer, go) = mpsc::channel();
        let slow = Arc::new(Slow { asked: AtomicUsize::new(0), go: Mutex::new(go) });
        let registries: Arc<dyn Registries + Send + Sync> = Arc::<Slow>::clone(&slow);
        (Arc::new(Digests::new(Source::Registries(registries), bounds)), slow, answer)
    }

    fn image(text: &str) -> ImageName {
        ImageName::parse(text).unwrap().unwrap()
    }

    fn digest(n: u8) -> String {
        format!("sha256:{}", format!("{n:02x}").repeat(32))
    }

    /// Asks so many times at once, and returns where the answers come.
    fn ask(digests: &Arc<Digests>, name: &str, times: usize) -> mpsc::Receiver<Answer> {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..times {
            let sender = sender.clone();
            let _ = digests.ask(&image(name), &EngineChoice::None, move |answer| sender.send(answer).unwrap());
        }
        receiver
    }

    #[test]
    fn a_meaning_is_a_text_of_one_or_two_words() {
        for meaning in [digest(1).into(), Meaning { bytes: Some(29_535_000), ..digest(2).into() }] {
            assert_eq!(meaning.to_string().parse::<Meaning>().unwrap(), meaning);
        }
        for wrong in ["", "lab/tool@sha256:00", "sha256:zz", &format!("{} -1", digest(1)), &format!("{} ", digest(1)), "12"] {
            assert!(wrong.parse::<Meaning>().unwrap_err().to_string().contains("no digest"), "{wrong}");
        }
    }

    #[test]
    fn many_who_ask_at_once_cost_one_look_up() {
        let (digests, slow, answer) = slow(Bounds::default());
        let answers = ask(&digests, "lab/tool:1", 50);
        let others = ask(&digests, "docker.io/lab/tool:1", 1);
        answer.send(Ok(digest(1))).unwrap();
        let told: Vec<Answer> = answers.iter().chain(others.iter()).collect();
        assert_eq!((told.len(), slow.asked.load(Ordering::SeqCst)), (51, 1));
        assert!(told.iter().all(|answer| *answer == Ok(digest(1).into())));
        assert_eq!(ask(&digests, "lab/tool:1", 1).recv().unwrap(), Ok(digest(1).into()));
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn answers_are_kept_for_a_time_and_a_number() {
        let (digests, slow, answer) = slow(Bounds { keep: Duration::ZERO, most: 200 });
        for n in 1..=2 {
            answer.send(Ok(digest(n))).unwrap();
            assert_eq!(ask(&digests, "a", 1).recv().unwrap(), Ok(digest(n).into()));
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
        let (digests, slow, answer) = self::slow(Bounds { most: 2, ..Bounds::default() });
        for name in ["a", "b", "c", "b", "a"] {
            answer.send(Ok(digest(9))).unwrap();
            ask(&digests, name, 1).recv().unwrap().unwrap();
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 4, "only `b` was still known");
    }

    #[test]
    fn failures_and_nonsense_are_told_and_not_repeated_at_once() {
        let (digests, slow, answer) = slow(Bounds::default());
        answer.send(Err("is down".into())).unwrap();
        assert_eq!(ask(&digests, "a", 1).recv().unwrap(), Err("is down".into()));
        assert_eq!(ask(&digests, "a", 1).recv().unwrap(), Err("is down".into()));
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
        let kept = [0, 5, 600].map(|took| failure_kept(Duration::from_secs(took)).as_secs());
        assert_eq!(kept, [30, 50, 600]);
        answer.send(Ok("sha256:zz".into())).unwrap();
        assert!(ask(&digests, "b", 1).recv().unwrap().unwrap_err().contains("no digest"));
        drop(answer);
        assert!(ask(&digests, "c", 1).recv().unwrap().unwrap_err().contains("internal error"), "a panic is an answer, too");
    }
}
