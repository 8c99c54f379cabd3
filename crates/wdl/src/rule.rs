//! The kinds of warnings, each with a stable name by which it can be switched.

use std::fmt;

/// A kind of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A value is converted in a way that may fail or surprise.
    Coercion,
    /// A construct is discouraged by the version of the document.
    Deprecated,
    /// `${x}` in a heredoc command means the shell's `x`, though the task has an `x`.
    DollarInHeredoc,
    /// A file is passed on as text, so that nobody puts it where the task runs.
    FileAsText,
    /// A task names no container image.
    NoContainer,
    /// A call leaves inputs open.
    OpenInput,
    /// A value that may be undefined is used as if it were defined.
    OptionalValue,
    /// It works here; other engines or newer versions refuse it.
    Portability,
    /// An array that may be empty is used as one that is not.
    PossiblyEmpty,
    /// Two things have one name, or one thing is given twice.
    RepeatedName,
    /// A runtime attribute or hint has a value of a wrong type.
    RuntimeValue,
    /// A name hides another one.
    ShadowedName,
    /// A container image is named without a fixed version.
    UnpinnedContainer,
    /// A file stands in a command without quotes.
    UnquotedPlaceholder,
    /// A string has an escape sequence that does not exist.
    UnknownEscape,
    /// Nothing uses the outputs of a call.
    UnusedCall,
    /// Nothing uses a declaration.
    UnusedDeclaration,
    /// Nothing uses an import.
    UnusedImport,
    /// Nothing uses an input.
    UnusedInput,
    /// The workflow of the document calls all but this task.
    UnusedTask,
}

/// What is known about a rule.
struct Entry {
    rule: Rule,
    name: &'static str,
    /// Whether it is on unless somebody switches it.
    on: bool,
    /// Whether it concerns style and care alone, which only `check` tells.
    style: bool,
    about: &'static str,
}

const fn entry(rule: Rule, name: &'static str, on: bool, style: bool, about: &'static str) -> Entry {
    Entry { rule, name, on, style, about }
}

/// All rules, by name.
static RULES: [Entry; 20] = [
    entry(Rule::Coercion, "coercion", true, false, "a value is converted in a way that may fail or surprise"),
    entry(Rule::Deprecated, "deprecated", true, true, "the document's version discourages this construct"),
    entry(Rule::DollarInHeredoc, "dollar-in-heredoc", true, true, "`${x}` in `<<< >>>` is the shell's, though the task has an `x`"),
    entry(Rule::FileAsText, "file-as-text", false, true, "a file given as `String`: nobody puts it where the task runs"),
    entry(Rule::NoContainer, "no-container", true, true, "a task names no container image"),
    entry(Rule::OpenInput, "open-input", true, false, "a call leaves required inputs open"),
    entry(Rule::OptionalValue, "optional-value", true, false, "a value that may be undefined is used as if it were defined"),
    entry(Rule::Portability, "portability", true, false, "works here; other engines or newer versions refuse it"),
    entry(Rule::PossiblyEmpty, "possibly-empty", true, false, "an array that may be empty is used as a non-empty one"),
    entry(Rule::RepeatedName, "repeated-name", true, false, "two things of one name, or one thing given twice"),
    entry(
        Rule::RuntimeValue,
        "runtime-value",
        true,
        false,
        "a runtime attribute or hint of a wrong type, or a constant that makes no sense",
    ),
    entry(Rule::ShadowedName, "shadowed-name", true, false, "a name hides another one"),
    entry(Rule::UnknownEscape, "unknown-escape", true, false, "an escape sequence that does not exist"),
    entry(Rule::UnpinnedContainer, "unpinned-container", true, true, "an image without a tag, or with the tag `latest`"),
    entry(Rule::UnquotedPlaceholder, "unquoted-placeholder", false, true, "a file in a command without quotes around it"),
    entry(Rule::UnusedCall, "unused-call", false, true, "nothing uses the outputs of a call"),
    entry(Rule::UnusedDeclaration, "unused-declaration", true, true, "nothing uses a declaration"),
    entry(Rule::UnusedImport, "unused-import", true, true, "nothing uses an import"),
    entry(Rule::UnusedInput, "unused-input", true, true, "nothing uses an input"),
    entry(Rule::UnusedTask, "unused-task", true, true, "the document's workflow calls other tasks of it, but not this one"),
];

impl Rule {
    /// All rules, in alphabetical order of their names.
    pub fn all() -> impl Iterator<Item = Rule> {
        RULES.iter().map(|entry| entry.rule)
    }

    /// The rule of this name.
    pub fn parse(name: &str) -> Option<Rule> {
        RULES.iter().find(|entry| entry.name == name).map(|entry| entry.rule)
    }

    fn entry(self) -> &'static Entry {
        // A test walks all rules.
        RULES.iter().find(|entry| entry.rule == self).expect("every rule is in the table")
    }

    /// Its stable name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What it warns of, in a few words.
    pub fn about(self) -> &'static str {
        self.entry().about
    }

    /// Whether it is on unless somebody switches it.
    pub fn is_on(self) -> bool {
        self.entry().on
    }

    /// Whether it concerns style and care alone: a run does not tell it.
    pub fn is_style(self) -> bool {
        self.entry().style
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_lead_back_to_their_rules() {
        let names: Vec<&str> = Rule::all().map(Rule::name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(Rule::all().all(|rule| Rule::parse(rule.name()) == Some(rule)));
        assert_eq!(Rule::all().map(|rule| format!("{rule:?}")).collect::<std::collections::HashSet<_>>().len(), RULES.len());
    }
}
