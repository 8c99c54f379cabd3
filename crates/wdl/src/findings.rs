//! Collects findings up to a limit, so that a broken document cannot flood memory or the reader.

use crate::{diagnostic::Diagnostic, limits::MAX_DIAGNOSTICS};

/// Longest text of a finding, in characters.
const MAX_TEXT: usize = 1_000;

/// The findings about one document.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// Adds a finding; past the limit it is only counted.
    pub(crate) fn push(&mut self, mut diagnostic: Diagnostic) {
        // Errors and warnings are limited apart, so that warnings never crowd out an error.
        let count = if diagnostic.is_error() { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= MAX_DIAGNOSTICS {
            shorten(&mut diagnostic.message);
            shorten(&mut diagnostic.label);
            diagnostic.hint.iter_mut().for_each(shorten);
            self.list.push(diagnostic);
        }
    }

    /// Adds several.
    pub(crate) fn extend(&mut self, list: impl IntoIterator<Item = Diagnostic>) {
        list.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Whether further errors are only counted: then there is no use in finding hints for them.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= MAX_DIAGNOSTICS
    }

    /// How many errors were found.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether an error was found.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The findings in the order of their places; when there are too many, the last one says how many more.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        let total = self.errors + self.warnings;
        let excess = self.list.len().saturating_sub(MAX_DIAGNOSTICS);
        let keep_warnings = self.warnings.min(MAX_DIAGNOSTICS).saturating_sub(excess);
        let mut warnings = 0;
        self.list.sort_by_key(|d| (d.span.start, d.span.end));
        self.list.retain(|d| {
            warnings += usize::from(!d.is_error());
            d.is_error() || warnings <= keep_warnings
        });
        let hidden = total - self.list.len();
        if hidden > 0
            && let Some(last) = self.list.last()
        {
            let more = Diagnostic::error(&last.source, last.span, format!("... and {hidden} more"));
            let more = if self.errors > MAX_DIAGNOSTICS { more } else { more.into_warning() };
            self.list.push(more);
        }
        self.list
    }
}

/// Names may be as long as the document; messages may not.
fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Source, Span};

    fn filled(errors: usize, warnings: usize) -> Vec<Diagnostic> {
        let source = Source::new("a.wdl", "x".repeat(1000));
        let mut findings = Findings::default();
        for i in 0..warnings {
            findings.push(Diagnostic::warning(&source, Span::new(i, i), "w"));
        }
        for i in 0..errors {
            findings.push(Diagnostic::error(&source, Span::new(i, i), "e"));
        }
        findings.finish()
    }

    #[test]
    fn few_findings_stay_as_they_are() {
        assert_eq!(filled(3, 2).len(), 5);
    }

    #[test]
    fn warnings_give_way_to_errors() {
        let list = filled(150, 300);
        assert_eq!(list.len(), MAX_DIAGNOSTICS + 1);
        assert_eq!(list.iter().filter(|d| d.is_error()).count(), 150);
        assert_eq!(list.last().map(|d| d.message.as_str()), Some("... and 250 more"));
    }

    #[test]
    fn excess_errors_are_counted() {
        let list = filled(500, 7);
        assert_eq!(list.len(), MAX_DIAGNOSTICS + 1);
        assert!(list.iter().all(Diagnostic::is_error));
        assert_eq!(list.last().map(|d| d.message.as_str()), Some("... and 307 more"));
    }
}
