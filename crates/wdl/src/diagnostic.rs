//! What is wrong with a document, told with place, cause and mend.

use std::{fmt, sync::Arc};

use crate::source::{Source, Span};

/// How bad a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document can run, but its author should look.
    Warning,
    /// The document cannot run.
    Error,
}

/// One finding about a document.
///
/// Texts follow the house rules: lower case, no full stop, names in backticks, the mend in `hint`.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The document it is about.
    pub source: Arc<Source>,
    /// The place.
    pub span: Span,
    /// Short text shown under the marked place; may be empty.
    pub label: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// A second place that explains the first (an earlier declaration, for example), with its label.
    pub related: Option<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            source: Arc::clone(source),
            span,
            label: String::new(),
            hint: None,
            related: None,
        }
    }

    /// A warning at a place.
    pub fn warning(source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(source, span, message) }
    }

    /// Adds the text under the marked place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds the mend.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second place.
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// Whether this keeps the document from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `file:line:column: severity: message`, the form that editors and `grep` understand.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.position(self.span.start);
        let severity = if self.is_error() { "error" } else { "warning" };
        write!(f, "{}:{line}:{column}: {severity}: {}", self.source.name, self.message)
    }
}
