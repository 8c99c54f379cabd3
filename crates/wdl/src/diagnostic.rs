//! What is wrong with a document, told with place, cause and mend.

use std::{fmt, sync::Arc};

use crate::{
    rule::Rule,
    source::{Source, Span},
};

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
    /// The kind of a warning; an error has none.
    pub rule: Option<Rule>,
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
            rule: None,
            message: message.into(),
            source: Arc::clone(source),
            span,
            label: String::new(),
            hint: None,
            related: None,
        }
    }

    /// A warning at a place; of the kind [`Rule::Portability`] unless [`Self::rule`] says otherwise.
    pub fn warning(source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self::error(source, span, message).into_warning()
    }

    /// The same finding as a warning.
    pub fn into_warning(self) -> Self {
        Diagnostic { severity: Severity::Warning, rule: Some(self.rule.unwrap_or(Rule::Portability)), ..self }
    }

    /// The same finding as an error; it keeps its kind.
    pub fn into_error(self) -> Self {
        Diagnostic { severity: Severity::Error, ..self }
    }

    /// Sets the kind, if this is a warning.
    pub fn rule(mut self, rule: Rule) -> Self {
        if self.severity == Severity::Warning {
            self.rule = Some(rule);
        }
        self
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

/// `file:line:column: severity[kind]: message`, the form that editors and `grep` understand.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.position(self.span.start);
        let severity = if self.is_error() { "error" } else { "warning" };
        let rule = self.rule.map(|rule| format!("[{rule}]")).unwrap_or_default();
        write!(f, "{}:{line}:{column}: {severity}{rule}: {}", self.source.name, self.message)
    }
}
