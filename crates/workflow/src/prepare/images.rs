//! Images by their digests: one answer for a tag holds for all calls of a run, whoever works on it.
//!
//! An answer is with the store before a call makes use of it, so that an engine that takes the run up finds it there.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use batchyard_model::RunId;
use batchyard_store::Write;

use super::{Halt, Preparation, PrepareContext, Preparer, Shared};
use crate::{
    digests::{Answer, DigestPolicy, name::ImageName},
    identity::text_hash,
    settings::Place,
};

/// Why nothing is asked for any more.
const ENDING: &str = "the run is ending";
const SWITCHED_OFF: &str = "look-ups of digests are switched off, and its tag may move";

/// What the tags of images mean to the runs of an engine, and the calls that wait to hear it.
#[derive(Default)]
pub struct RunImages {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    images: HashMap<(RunId, ImageName), OfRun>,
    /// Runs for which nobody asks any more.
    ended: HashSet<RunId>,
}

enum OfRun {
    /// The digest.
    Known(Arc<str>),
    /// Calls that wait for it.
    Asked(Vec<Preparation>),
}

impl RunImages {
    fn known(&self, root: RunId, image: &ImageName) -> Option<Answer> {
        match self.lock().images.get(&(root, image.clone())) {
            Some(OfRun::Known(digest)) => Some(Ok(Arc::clone(digest))),
            Some(OfRun::Asked(_)) | None => None,
        }
    }

    /// Keeps a digest, and returns the calls that have waited for the answer. A failure is not kept: a later call may be luckier.
    fn settle(&self, root: RunId, image: &ImageName, answer: &Answer) -> Vec<Preparation> {
        let mut state = self.lock();
        let found = state.images.remove(&(root, image.clone()));
        if let Ok(digest) = answer {
            state.images.insert((root, image.clone()), OfRun::Known(Arc::clone(digest)));
        }
        match found {
            Some(OfRun::Asked(waiting)) => waiting,
            Some(OfRun::Known(_)) | None => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Preparation {
    /// Names the image of a call by its digest, where that is wanted and known, or notes why nobody knows it.
    ///
    /// # Errors
    /// It must be asked for first.
    pub(super) fn pin(&self, place: &mut Place) -> Result<(), Halt> {
        let policy = &self.context.settings.digests;
        if matches!(policy, DigestPolicy::TagIsIdentity) {
            return Ok(());
        }
        let Some(image) = place.image.as_mut().filter(|image| image.in_container()) else { return Ok(()) };
        let answer = match ImageName::parse(&image.used) {
            Ok(None) => return Ok(()),
            Err(wrong) => Err(wrong.to_string().into()),
            Ok(Some(name)) => match policy {
                DigestPolicy::LookUp(_) => self.answer(&name).ok_or_else(|| Halt::Image(name.clone()))?.map(|digest| name.at(&digest)),
                DigestPolicy::TagIsIdentity | DigestPolicy::Off => Err(SWITCHED_OFF.into()),
            },
        };
        match answer {
            Ok(exact) => {
                if let Some((_, used)) = &mut place.container {
                    used.clone_from(&exact);
                }
                image.digest = Some(exact);
            }
            Err(why) => {
                let settings = &self.context.settings;
                let is_ending = &*why == ENDING;
                let why = format!("the digest of image `{}` is not known: {why}", image.used);
                if (settings.read_cache || settings.write_cache) && !is_ending {
                    place.note = Some(format!("{why}; results of its tasks are neither taken from earlier calls nor kept for later ones"));
                }
                image.unknown = Some(why);
            }
        }
        Ok(())
    }

    fn answer(&self, image: &ImageName) -> Option<Answer> {
        let told = self.told.as_ref().filter(|(name, _)| name == image).map(|(_, answer)| answer.clone());
        told.or_else(|| self.context.images.known(self.root, image))
    }
}

impl Preparer {
    /// A run is ending: its calls wait for no registry any more.
    pub fn ask_no_more(&self, context: &Arc<PrepareContext>, root: RunId) {
        if !matches!(context.settings.digests, DigestPolicy::LookUp(_)) {
            return;
        }
        let mut state = context.images.lock();
        state.ended.insert(root);
        let of_run = state.images.iter_mut().filter(|((of, _), _)| *of == root);
        let waiting = of_run.filter_map(|((_, image), found)| match found {
            OfRun::Asked(waiting) => Some((image.clone(), mem::take(waiting))),
            OfRun::Known(_) => None,
        });
        let waiting: Vec<_> = waiting.collect();
        drop(state);
        for (image, calls) in waiting {
            self.shared.tell(&image, &Err(ENDING.into()), calls);
        }
    }
}

impl Shared {
    /// A call waits until it is known what its image is. The first one has it asked for.
    pub(super) fn ask_for(self: &Arc<Self>, image: ImageName, preparation: Preparation) {
        let (context, root) = (Arc::clone(&preparation.context), preparation.root);
        let mut state = context.images.lock();
        if state.ended.contains(&root) {
            drop(state);
            return self.tell(&image, &Err(ENDING.into()), vec![preparation]);
        }
        match state.images.entry((root, image.clone())) {
            Entry::Occupied(mut found) => match found.get_mut() {
                OfRun::Asked(waiting) => return waiting.push(preparation),
                // Somebody was told meanwhile.
                OfRun::Known(digest) => {
                    let answer = Ok(Arc::clone(digest));
                    drop(state);
                    return self.tell(&image, &answer, vec![preparation]);
                }
            },
            Entry::Vacant(place) => drop(place.insert(OfRun::Asked(vec![preparation]))),
        }
        drop(state);
        self.find_out(context, root, image);
    }

    fn find_out(self: &Arc<Self>, context: Arc<PrepareContext>, root: RunId, image: ImageName) {
        let DigestPolicy::LookUp(digests) = &context.settings.digests else { return };
        let digests = Arc::clone(digests);
        let engine = context.settings.engine.clone();
        let key = key_of(root, &image);
        // Without an answer from the store the image is asked for again.
        if let Ok(Some(digest)) = self.store.load_blob(&key) {
            return self.found(&context, root, &image, Ok(digest.into()));
        }
        let shared = Arc::clone(self);
        let asked = image.clone();
        digests.ask(&asked, &engine, move |answer| {
            let Ok(digest) = &answer else { return shared.found(&context, root, &image, answer) };
            let write = Write::PutBlob { hash: key, content: digest.to_string() };
            let store = Arc::clone(&shared.store);
            // A store that refuses it refuses what its calls have to record as well, which ends the run.
            store.write_then(vec![write], move |_| shared.found(&context, root, &image, answer));
        });
    }

    fn found(self: &Arc<Self>, context: &Arc<PrepareContext>, root: RunId, image: &ImageName, answer: Answer) {
        let waiting = context.images.settle(root, image, &answer);
        self.tell(image, &answer, waiting);
    }

    fn tell(self: &Arc<Self>, image: &ImageName, answer: &Answer, calls: Vec<Preparation>) {
        for call in calls {
            self.add(Preparation { told: Some((image.clone(), answer.clone())), may_wait: false, ..call });
        }
    }
}

/// Key of the blob that holds what a tag means to a run.
fn key_of(root: RunId, image: &ImageName) -> String {
    text_hash(&format!("image {} of run {root}", image.full()))
}
