//! Images by their digests: one answer for a tag holds for all calls of a run, whoever works on it.
//!
//! An answer is with the store before a call makes use of it, so that an engine that takes the run up finds it there.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use batchyard_model::RunId;
use batchyard_store::Write;

use super::{
    Halt, Preparation, PrepareContext, Preparer, Shared,
    left::{Exact, unknown},
};
use crate::{
    digests::{Answer, DigestPolicy, Meaning, Ticket, name::ImageName},
    engine::Message,
    identity::text_hash,
    settings::Place,
};

/// Why nothing is asked for any more.
const ENDING: &str = "the run is ending";
const SWITCHED_OFF: &str = "look-ups of digests are switched off, and its tag may move";

/// What the tags of images mean to the runs of an engine, and the calls that wait to hear it.
#[derive(Default)]
pub struct RunImages(Mutex<Images>);

type Images = HashMap<(RunId, ImageName), OfRun>;

enum OfRun {
    /// What it means.
    Known(Meaning),
    /// Calls that wait to hear it, and what they wait for once it is asked for.
    Asked(Vec<Aside>, Option<Ticket>),
}

/// A call that waits to hear what its image is.
struct Aside {
    number: u64,
    look_up: bool,
}

impl RunImages {
    fn known(&self, root: RunId, image: &ImageName) -> Option<Answer> {
        match self.lock().get(&(root, image.clone())) {
            Some(OfRun::Known(meaning)) => Some(Ok(meaning.clone())),
            Some(OfRun::Asked(..)) | None => None,
        }
    }

    /// Keeps what was found, and returns the calls that have waited for the answer. A failure is not kept: a later call may be luckier.
    fn settle(&self, root: RunId, image: &ImageName, answer: &Answer) -> Vec<Aside> {
        let mut images = self.lock();
        let found = images.remove(&(root, image.clone()));
        if let Ok(meaning) = answer {
            images.insert((root, image.clone()), OfRun::Known(meaning.clone()));
        }
        match found {
            Some(OfRun::Asked(waiting, _)) => waiting,
            Some(OfRun::Known(_)) | None => Vec::new(),
        }
    }

    /// Keeps what a run waits for; it is given back where it does not wait any more.
    fn waits_for(&self, root: RunId, image: &ImageName, ticket: Ticket) -> Option<Ticket> {
        match self.lock().get_mut(&(root, image.clone())) {
            Some(OfRun::Asked(_, place)) => place.replace(ticket),
            Some(OfRun::Known(_)) | None => Some(ticket),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Images> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Has the image of a container taken by its digest.
    fn pin(&mut self, Exact { name, bytes }: Exact) {
        if let Some((_, used)) = &mut self.container {
            used.clone_from(&name);
        }
        if let Some(image) = &mut self.image {
            image.digest = Some(name);
            image.bytes = bytes;
        }
    }
}

impl Preparation {
    /// Names the image of a call by its digest, where that is wanted and known, or notes why nobody knows it.
    ///
    /// # Errors
    /// It must be asked for first.
    pub(super) fn pin(&self, place: &mut Place) -> Result<(), Halt> {
        let policy = &self.context.settings.digests;
        let tag_counts = matches!(policy, DigestPolicy::TagIsIdentity);
        if tag_counts && self.left.is_none() {
            return Ok(());
        }
        let Some(image) = place.image.as_mut().filter(|image| image.in_container()) else { return Ok(()) };
        let name = ImageName::parse(&image.used);
        if name == Ok(None) {
            return Ok(());
        }
        match self.left.as_ref().and_then(|left| left.found_out(image, tag_counts)) {
            Some(Ok(exact)) => {
                place.pin(exact);
                return Ok(());
            }
            Some(Err(why)) => {
                image.unknown = Some(why);
                return Ok(());
            }
            None if tag_counts => return Ok(()),
            None => {}
        }
        let answer = match name {
            Ok(None) => return Ok(()),
            Err(wrong) => Err(wrong.to_string().into()),
            Ok(Some(name)) => match policy {
                DigestPolicy::LookUp(_) => {
                    let meaning = self.answer(&name).ok_or_else(|| Halt::Image(name.clone()))?;
                    meaning.map(|Meaning { digest, bytes }| Exact { name: name.at(&digest), bytes })
                }
                DigestPolicy::TagIsIdentity | DigestPolicy::Off => Err(SWITCHED_OFF.into()),
            },
        };
        match answer {
            Ok(exact) => {
                place.pin(exact);
                if let (Some(left), Some(image)) = (&self.left, &mut place.image) {
                    left.doubt(image);
                }
            }
            Err(why) => {
                let settings = &self.context.settings;
                let is_ending = &*why == ENDING;
                let why = unknown(image, &why);
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
    /// A run is ending: its calls wait for no registry any more, and those that have not begun for nothing that is brought.
    pub fn ask_no_more(&self, context: &Arc<PrepareContext>, root: RunId) {
        context.endings.of(root).store(true, Ordering::Relaxed);
        let DigestPolicy::LookUp(digests) = &context.settings.digests else { return };
        // Whoever asks from now on is told; who has asked before is among these.
        let mut images = context.images.lock();
        let waits = |(of, _): &(RunId, ImageName), found: &OfRun| *of == root && matches!(found, OfRun::Asked(..));
        let waiting: Vec<_> = images.extract_if(|key, found| waits(key, found)).collect();
        drop(images);
        for ((_, image), found) in waiting {
            let OfRun::Asked(calls, ticket) = found else { continue };
            tell(context, &image, &Err(ENDING.into()), calls);
            if let Some(ticket) = ticket {
                digests.give_up(&ticket);
            }
        }
    }
}

impl Shared {
    /// A call waits until it is known what its image is. The first one has it asked for.
    pub(super) fn ask_for(self: &Arc<Self>, image: ImageName, preparation: Preparation) {
        let (context, root) = (Arc::clone(&preparation.context), preparation.root);
        let call = Aside { number: preparation.number, look_up: preparation.look_up };
        let told = |answer: Answer| Preparation { told: Some((image.clone(), answer)), may_wait: false, ..preparation };
        let mut images = context.images.lock();
        if context.endings.of(root).load(Ordering::Relaxed) {
            drop(images);
            return self.add(told(Err(ENDING.into())));
        }
        // Before anybody can tell the answer. An engine that is gone needs none.
        let step_aside = || drop(context.reply.send(Message::Aside(call.number)));
        match images.entry((root, image.clone())) {
            Entry::Occupied(mut found) => match found.get_mut() {
                OfRun::Asked(waiting, _) => {
                    step_aside();
                    return waiting.push(call);
                }
                // Somebody was told meanwhile.
                OfRun::Known(meaning) => {
                    let answer = Ok(meaning.clone());
                    drop(images);
                    return self.add(told(answer));
                }
            },
            Entry::Vacant(place) => {
                step_aside();
                place.insert(OfRun::Asked(vec![call], None));
            }
        }
        drop(images);
        self.find_out(&context, root, &image);
    }

    fn find_out(&self, context: &Arc<PrepareContext>, root: RunId, image: &ImageName) {
        let DigestPolicy::LookUp(digests) = &context.settings.digests else { return };
        let engine = &context.settings.engine;
        let key = key_of(root, &digests.name_of(image, engine));
        match self.store.load_blob(&key).map_err(|error| error.to_string()) {
            Ok(None) => {}
            // Whoever asked again might hear something else than the calls before.
            kept => return found(context, root, image, &kept_answer(kept)),
        }
        let store = Arc::clone(&self.store);
        let (of, asked) = (Arc::clone(context), image.clone());
        let ticket = digests.ask(image, engine, move |answer| {
            let Ok(meaning) = &answer else { return found(&of, root, &asked, &answer) };
            let write = Write::PutBlob { hash: key, content: meaning.to_string() };
            store.write_then(vec![write], move |kept| {
                // What is not kept does not hold for the calls to come.
                let answer = kept.map_err(|error| cannot_keep(&error.to_string())).and(answer);
                found(&of, root, &asked, &answer);
            });
        });
        if let Some(unwanted) = ticket.and_then(|ticket| context.images.waits_for(root, image, ticket)) {
            digests.give_up(&unwanted);
        }
    }
}

/// Who answers may be the store's own thread, which has better things to do than to prepare calls: the engine has them prepared.
fn found(context: &PrepareContext, root: RunId, image: &ImageName, answer: &Answer) {
    let waiting = context.images.settle(root, image, answer);
    tell(context, image, answer, waiting);
}

fn tell(context: &PrepareContext, image: &ImageName, answer: &Answer, calls: Vec<Aside>) {
    for Aside { number, look_up } in calls {
        // An engine that is gone needs no answer.
        let _ = context.reply.send(Message::Image(number, look_up, Box::new((image.clone(), answer.clone()))));
    }
}

/// Key of the blob that holds what a tag means to a run; no text is kept under such a key, whatever its hash.
fn key_of(root: RunId, image: &str) -> String {
    format!("image-{}", text_hash(&format!("image {image} of run {root}")))
}

/// What a run was told before, by the store.
fn kept_answer(kept: Result<Option<String>, String>) -> Answer {
    match kept {
        Ok(text) => text.unwrap_or_default().parse().map_err(|_| "what is kept of it is no digest".into()),
        Err(error) => Err(cannot_keep(&error)),
    }
}

fn cannot_keep(error: &str) -> Arc<str> {
    format!("the store cannot say what the run was told of it: {error}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_was_told_is_a_digest_under_a_key_of_its_own() {
        let image = "docker.io/lab/tool:1";
        let (run, other) = (RunId::random(), RunId::random());
        let key = key_of(run, image);
        // Texts are kept under 32 hexadecimal digits; keys have room for 64 letters.
        assert!(key.len() <= 64 && key.starts_with("image-") && key != key_of(other, image), "{key}");
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(kept_answer(Ok(Some(digest.clone()))), Ok(digest.clone().into()));
        assert_eq!(kept_answer(Ok(Some(format!("{digest} 7")))), Ok(Meaning { bytes: Some(7), ..digest.into() }));
        assert!(kept_answer(Ok(Some("lab/tool@sha256:00".into()))).unwrap_err().contains("no digest"));
        assert!(kept_answer(Err("is away".into())).unwrap_err().ends_with("was told of it: is away"));
    }
}
