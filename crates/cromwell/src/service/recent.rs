//! Documents that were sent a moment ago: who submits a workflow often sends the same one for every sample.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use batchyard_wdl::load::Loaded;

/// Documents that are kept.
const MOST: usize = 8;
/// Bytes of all their texts: what is made of them takes a multiple of that.
const MOST_BYTES: usize = 1 << 20;

/// The documents that were loaded last, checked and without errors.
#[derive(Default)]
pub(super) struct Recent {
    /// The one that was used last comes first.
    entries: Mutex<VecDeque<Entry>>,
}

struct Entry {
    main: String,
    /// Texts of the dependencies, as they are kept.
    imports: Option<String>,
    loaded: Arc<Loaded>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.main.len() + self.imports.as_deref().map_or(0, str::len)
    }
}

impl Recent {
    /// What was made of these texts.
    pub(super) fn find(&self, main: &str, imports: Option<&str>) -> Option<Arc<Loaded>> {
        let mut entries = self.lock();
        let place = entries.iter().position(|entry| entry.main == main && entry.imports.as_deref() == imports)?;
        let entry = entries.remove(place)?;
        let loaded = Arc::clone(&entry.loaded);
        entries.push_front(entry);
        Some(loaded)
    }

    /// Keeps what was made of these texts, unless something of it came from elsewhere, where it may change.
    pub(super) fn keep(&self, main: &str, imports: Option<&str>, loaded: &Arc<Loaded>) {
        let entry = Entry { main: main.to_owned(), imports: imports.map(str::to_owned), loaded: Arc::clone(loaded) };
        if entry.bytes() > MOST_BYTES || loaded.sources.iter().any(|(id, _)| id.contains("://")) {
            return;
        }
        let mut entries = self.lock();
        // Two threads may have made it at once.
        entries.retain(|other| (&other.main, &other.imports) != (&entry.main, &entry.imports));
        entries.push_front(entry);
        let mut bytes = 0;
        let fitting = entries.iter().take(MOST).take_while(|entry| {
            bytes += entry.bytes();
            bytes <= MOST_BYTES
        });
        let fitting = fitting.count();
        entries.truncate(fitting);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        // Each change is one step: the list is whole whatever happened.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::documents::{Sent, Sources, load_checked};

    fn loaded(main: &str, dependencies: &BTreeMap<String, String>, sources: &Sources) -> Arc<Loaded> {
        Arc::new(load_checked(&Sent { main: Some(main), url: None, dependencies }, sources).unwrap())
    }

    #[test]
    fn the_last_ones_are_kept_by_all_their_texts() {
        let recent = Recent::default();
        let text = |n: usize| format!("version 1.0\nworkflow w{n} {{ }}");
        for n in 0..=MOST {
            let made = loaded(&text(n), &BTreeMap::new(), &Sources::default());
            recent.keep(&text(n), None, &made);
            assert!(Arc::ptr_eq(&recent.find(&text(n), None).unwrap(), &made));
            assert!(recent.find(&text(n), Some("{}")).is_none());
            assert!(recent.find(&text(0), None).is_some(), "it was used a moment ago");
        }
        assert!(recent.find(&text(1), None).is_none());
    }

    #[test]
    fn long_ones_push_others_out() {
        let recent = Recent::default();
        let text = |n: usize, bytes: usize| format!("version 1.0\n#{}\nworkflow w{n} {{ }}", "x".repeat(bytes));
        let keep = |text: &str| recent.keep(text, None, &loaded(text, &BTreeMap::new(), &Sources::default()));
        keep(&text(0, 10));
        keep(&text(1, MOST_BYTES));
        assert!(recent.find(&text(0, 10), None).is_some() && recent.find(&text(1, MOST_BYTES), None).is_none());
        keep(&text(2, MOST_BYTES - 100));
        keep(&text(2, MOST_BYTES - 100));
        assert!(recent.find(&text(0, 10), None).is_some(), "the same one is not counted twice");
        keep(&text(3, 1000));
        assert!(recent.find(&text(3, 1000), None).is_some() && recent.find(&text(2, MOST_BYTES - 100), None).is_none());
    }

    #[test]
    fn what_comes_from_elsewhere_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.wdl"), "version 1.0\ntask t { command <<< >>> }").unwrap();
        let sources = Sources { map: vec![("http://host/".into(), folder.path().to_owned())], ..Sources::default() };
        let main = "version 1.0\nimport \"http://host/t.wdl\"\nworkflow w { call t.t }";
        let recent = Recent::default();
        recent.keep(main, None, &loaded(main, &BTreeMap::new(), &sources));
        assert!(recent.find(main, None).is_none());
    }
}
