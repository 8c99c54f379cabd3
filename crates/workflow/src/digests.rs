//! What tags of images mean: a tag may move, a digest never does.
//!
//! [`DigestPolicy`] says what is done about tags. [`Digests`] knows what was found out lately and asks for the rest, once for all
//! who want to know. What a run was told once holds for all its calls, also of a later engine: `prepare` sees to that.

pub mod name;

use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use batchyard_core::Pool;
use batchyard_runner::container::{Engine, EngineKind};
use indexmap::IndexMap;

use crate::settings::EngineChoice;
use name::{ImageName, is_digest};

/// Images asked for at once.
const AT_ONCE: usize = 4;
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
pub type Answer = Result<Arc<str>, Arc<str>>;

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
    /// The digest of an image now.
    ///
    /// # Errors
    /// Why it is not known.
    fn digest(&self, image: &ImageName) -> Result<String, String>;
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
}

type Then = Box<dyn FnOnce(Answer) + Send>;

#[derive(Default)]
struct State {
    /// By the full name, oldest first, each until when it holds.
    known: IndexMap<String, (Answer, Instant)>,
    /// Who waits for an answer.
    asked: HashMap<String, Vec<Then>>,
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests").field("source", &self.source).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Digests {
    /// Nothing is known yet.
    pub fn new(source: Source, bounds: Bounds) -> Self {
        Digests { source, bounds, state: Mutex::default(), pool: Pool::new("digests", AT_ONCE, STACK_BYTES) }
    }

    /// Has `then` called with the digest of an image: at once where it is known, else on another thread.
    pub fn ask(self: &Arc<Self>, image: &ImageName, engine: &EngineChoice, then: impl FnOnce(Answer) + Send + 'static) {
        let key = image.full();
        let mut state = self.lock();
        if let Some((answer, _)) = state.known.get(&key).filter(|(_, until)| Instant::now() < *until) {
            let answer = answer.clone();
            drop(state);
            return then(answer);
        }
        let waiting = state.asked.entry(key).or_default();
        waiting.push(Box::new(then));
        if waiting.len() > 1 {
            return;
        }
        drop(state);
        let (digests, asked, engine) = (Arc::clone(self), image.clone(), engine.clone());
        let look = move || {
            let began = Instant::now();
            let found = catch_unwind(AssertUnwindSafe(|| digests.look_up(&asked, &engine)));
            let found = found.unwrap_or_else(|_| Err("internal error while it was looked up".into()));
            digests.answered(&asked, found, began.elapsed());
        };
        if let Err(error) = self.pool.run(look) {
            self.answered(image, Err(format!("no thread to ask for it: {error}")), Duration::ZERO);
        }
    }

    fn look_up(&self, image: &ImageName, engine: &EngineChoice) -> Result<String, String> {
        let digest = match &self.source {
            Source::Registries(registries) => registries.digest(image)?,
            Source::Engine => by_engine(image, engine)?,
        };
        if is_digest(&digest) { Ok(digest) } else { Err(format!("what was answered is no digest: {digest:.100?}")) }
    }

    fn answered(&self, image: &ImageName, found: Result<String, String>, took: Duration) {
        let keep = if found.is_ok() { self.bounds.keep } else { failure_kept(took) };
        let answer: Answer = found.map(Arc::from).map_err(Arc::from);
        let (key, now) = (image.full(), Instant::now());
        let mut state = self.lock();
        // The order is that of age.
        state.known.shift_remove(&key);
        while state.known.len() >= self.bounds.most.max(1) {
            state.known.shift_remove_index(0);
        }
        if let Some(until) = now.checked_add(keep) {
            state.known.insert(key.clone(), (answer.clone(), until));
        }
        let waiting = state.asked.remove(&key).unwrap_or_default();
        drop(state);
        waiting.into_iter().for_each(|then| then(answer.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a failure that took so long holds.
fn failure_kept(took: Duration) -> Duration {
    FAILURE_KEPT.max(took.saturating_mul(FAILURE_FACTOR)).min(FAILURE_KEPT_AT_MOST)
}

/// The digest of an image as the engine of this machine knows it.
fn by_engine(image: &ImageName, engine: &EngineChoice) -> Result<String, String> {
    let engine = engine.get().ok_or("there is no container engine that would know its digest")?;
    if engine.kind == EngineKind::Apptainer {
        return Err("Apptainer keeps no digests: have them looked up in registries (`remote`)".into());
    }
    let folder = tempfile::tempdir().map_err(|error| format!("no folder to ask the container engine in: {error}"))?;
    let listed = |engine: &Engine| -> Result<Option<String>, String> {
        let images = engine.list_images(folder.path()).map_err(|error| error.to_string())?;
        let is_meant = |name: &str| ImageName::parse(name).ok().flatten().is_some_and(|name| name.full() == image.full());
        Ok(images.into_iter().find(|listed| is_meant(&listed.name)).map(|listed| listed.digest))
    };
    let found = match listed(engine)? {
        Some(digest) => Some(digest),
        None => {
            engine.pull(&image.plain(), folder.path()).map_err(|error| error.to_string())?;
            listed(engine)?
        }
    };
    match found {
        Some(digest) if is_digest(&digest) => Ok(digest),
        Some(_) => Err("the container engine has it from no registry, so that it has no digest".into()),
        None => Err("the container engine does not list it, though it has got it".into()),
    }
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
        fn digest(&self, _: &ImageName) -> Result<String, String> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.go.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap()
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
            digests.ask(&image(name), &EngineChoice::None, move |answer| sender.send(answer).unwrap());
        }
        receiver
    }

    #[test]
    fn many_who_ask_at_once_cost_one_look_up() {
        let (digests, slow, answer) = slow(Bounds::default());
        let answers = ask(&digests, "lab/tool:1", 50);
        let others = ask(&digests, "docker.io/lab/tool:1", 1);
        answer.send(Ok(digest(1))).unwrap();
        let told: Vec<Answer> = answers.iter().chain(others.iter()).collect();
        assert_eq!((told.len(), slow.asked.load(Ordering::SeqCst)), (51, 1));
        assert!(told.iter().all(|answer| answer.as_deref() == Ok(&*digest(1))));
        assert_eq!(ask(&digests, "lab/tool:1", 1).recv().unwrap().as_deref(), Ok(&*digest(1)));
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn answers_are_kept_for_a_time_and_a_number() {
        let (digests, slow, answer) = slow(Bounds { keep: Duration::ZERO, most: 200 });
        for n in 1..=2 {
            answer.send(Ok(digest(n))).unwrap();
            assert_eq!(ask(&digests, "a", 1).recv().unwrap().as_deref(), Ok(&*digest(n)));
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

    #[test]
    fn the_engine_is_asked_and_gets_what_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let (has, none) = (digest(7), "<none>");
        let script = format!(
            "d={}; case $1 in images) [ \"$2 $3\" = '--digests --format' ] || exit 3; printf 'tool\\t1\\t{has}\\nown\\tlatest\\t{none}\\n'; \
             [ ! -e $d/got ] || printf 'docker.io/lab/new\\t2\\t{has}\\n';; pull) [ $2 = lab/new:2 ] && touch $d/got;; esac",
            folder.path().display()
        );
        let command: Vec<String> = ["bash", "-c", &script, "docker"].map(String::from).into();
        let engine = |kind| EngineChoice::Given(Engine { kind, command: command.clone(), arguments: Vec::new() });
        let docker = engine(EngineKind::Docker);
        assert_eq!(by_engine(&image("docker.io/library/tool:1"), &docker).unwrap(), has);
        assert!(by_engine(&image("own"), &docker).unwrap_err().contains("from no registry"));
        assert_eq!(by_engine(&image("docker://lab/new:2"), &docker).unwrap(), has);
        assert!(by_engine(&image("lab/new:3"), &docker).unwrap_err().contains("ended with 1"));
        assert!(by_engine(&image("tool:1"), &engine(EngineKind::Apptainer)).unwrap_err().contains("Apptainer"));
        assert!(by_engine(&image("tool:1"), &EngineChoice::None).unwrap_err().contains("no container engine"));
    }
}
