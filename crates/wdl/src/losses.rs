//! What is missing from a tree because of syntax errors and imports that cannot be read.
//!
//! The checker looks at such trees too. It keeps quiet about a name that may stand in what was lost, and about all
//! that follows from it; everything else it reports as usual.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use crate::source::Span;

/// What a document has lost.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// Words of the texts that the parser passed over.
    words: HashSet<Arc<str>>,
    /// Whether nothing at all could be read.
    everything: bool,
    /// Namespaces of imports that cannot be read.
    imports: BTreeSet<String>,
    /// Whether an import statement itself is missing, with a namespace that nobody knows.
    unknown_import: bool,
    /// The lines of syntax errors: what else seems wrong there mostly follows from them.
    doubtful: Vec<Span>,
}

impl Losses {
    /// The losses of a text of which these places were passed over, because of errors in the doubtful lines.
    pub(crate) fn of(text: &str, mut places: Vec<Span>, doubtful: Vec<Span>) -> Losses {
        places.sort_by_key(|place| (place.start, place.end));
        let mut losses = Losses { doubtful, ..Losses::default() };
        let mut done = 0;
        for place in places {
            let start = place.start.max(done);
            if let Some(part) = text.get(start as usize..place.end as usize) {
                losses.add_words(part);
                done = place.end;
            }
        }
        losses
    }

    /// Everything: the version is unknown.
    pub(crate) fn everything() -> Losses {
        Losses { everything: true, ..Losses::default() }
    }

    pub(crate) fn add_import(&mut self, namespace: String) {
        self.imports.insert(namespace);
    }

    pub(crate) fn add_unknown_import(&mut self) {
        self.unknown_import = true;
    }

    fn add_words(&mut self, text: &str) {
        let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for word in text.split(|c| !part_of_word(c)).filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
            if !self.words.contains(word) {
                self.words.insert(Arc::from(word));
            }
        }
    }

    /// Whether the document may declare or use this name where nobody could read it.
    pub fn may_hold(&self, name: &str) -> bool {
        self.everything || self.words.contains(name)
    }

    /// Whether the document may know a struct or enum of this name.
    pub fn may_define(&self, ty: &str) -> bool {
        self.may_hold(ty) || self.lacks_imports()
    }

    /// Whether a namespace belongs to an import that cannot be read.
    pub fn is_import(&self, namespace: &str) -> bool {
        self.unknown_import || self.imports.contains(namespace)
    }

    /// Whether an import cannot be read.
    pub fn lacks_imports(&self) -> bool {
        self.unknown_import || !self.imports.is_empty()
    }

    /// Whether what seems wrong at a place mostly follows from a syntax error there.
    pub fn doubts(&self, place: Span) -> bool {
        self.doubtful.iter().any(|line| (line.start..=line.end).contains(&place.start))
    }

    /// Whether anything is missing.
    pub fn is_any(&self) -> bool {
        self.everything || !self.words.is_empty() || self.lacks_imports()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_overlapping_places_are_taken_once() {
        let losses = Losses::of("Int a_1 = b + 2c\nd", vec![Span::new(4, 11), Span::new(0, 8)], vec![Span::new(0, 5)]);
        let held: Vec<&str> = ["Int", "a_1", "b", "c", "d"].into_iter().filter(|w| losses.may_hold(w)).collect();
        assert_eq!(held, ["Int", "a_1", "b"]);
        assert!(!losses.may_define("Other") && losses.is_any());
        assert!(losses.doubts(Span::new(5, 9)) && !losses.doubts(Span::new(6, 9)));
    }
}
