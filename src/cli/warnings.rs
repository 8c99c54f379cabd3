//! Which warnings are told, and which of them count as errors.

use anyhow::{Result, bail};
use batchyard_wdl::{diagnostic::Diagnostic, rule::Rule, spelling};
use clap::Args;

use super::print;

/// What becomes of a kind of warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// It is not told.
    Allow,
    /// It is told.
    Warn,
    /// It counts as an error.
    Deny,
}

/// Kinds of warnings by what becomes of them; `all` stands for every kind.
#[derive(Args, Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Do not tell warnings of this kind (or `all`)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Tell warnings of this kind (or `all`), also where they are off by default
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub warn: Vec<String>,
    /// Take warnings of this kind (or `all`) for errors
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub deny: Vec<String>,
}

/// The level of each kind.
#[derive(Clone, Debug)]
pub struct Levels(Vec<(Rule, Level)>);

impl Default for Levels {
    fn default() -> Self {
        Levels(Rule::all().map(|rule| (rule, if rule.is_on() { Level::Warn } else { Level::Allow })).collect())
    }
}

impl Levels {
    /// These levels with some switched. A named kind prevails over `all`, and what is stricter over what is not.
    ///
    /// # Errors
    /// A name that no kind has; `place` says where it was given.
    pub fn switched(&self, switches: &Switches, place: &str) -> Result<Levels> {
        let mut levels = self.clone();
        let lists = [(Level::Allow, &switches.allow), (Level::Warn, &switches.warn), (Level::Deny, &switches.deny)];
        for (level, names) in lists {
            if names.iter().any(|name| name == "all") {
                // Denying everything does not mean what is off for good reason.
                let switchable = |known: Level| level != Level::Deny || known != Level::Allow;
                levels.0.iter_mut().filter(|(_, known)| switchable(*known)).for_each(|(_, known)| *known = level);
            }
        }
        for (level, names) in lists {
            for name in names.iter().filter(|name| *name != "all") {
                let Some(rule) = Rule::parse(name) else {
                    let near = spelling::nearest(name, Rule::all().map(Rule::name));
                    let mend =
                        near.map_or_else(|| "see `batchyard check --list-warnings`".into(), |near| format!("did you mean `{near}`?"));
                    bail!("{place} names no kind of warning: `{name}`; {mend}");
                };
                levels.0.iter_mut().filter(|(known, _)| *known == rule).for_each(|(_, known)| *known = level);
            }
        }
        Ok(levels)
    }

    fn of(&self, rule: Rule) -> Level {
        self.0.iter().find(|(known, _)| *known == rule).map_or(Level::Warn, |(_, level)| *level)
    }

    /// Findings as `check` tells them.
    pub fn applied(&self, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let level = |finding: &Diagnostic| finding.rule.filter(|_| !finding.is_error()).map_or(Level::Warn, |rule| self.of(rule));
        let told = findings.into_iter().filter_map(|finding| match level(&finding) {
            Level::Allow => None,
            Level::Warn => Some(finding),
            Level::Deny => Some(finding.into_error()),
        });
        told.collect()
    }

    /// Whether a run tells a finding: errors, and warnings about what may go wrong in it.
    pub fn concerns_run(&self, finding: &Diagnostic) -> bool {
        finding.rule.filter(|_| !finding.is_error()).is_none_or(|rule| !rule.is_style() && self.of(rule) != Level::Allow)
    }

    /// Prints all kinds with their levels.
    pub fn list(&self) {
        for (rule, level) in &self.0 {
            let level = match level {
                Level::Allow => "allow",
                Level::Warn => "warn",
                Level::Deny => "deny",
            };
            print(&format!("{:<22} {level:<6} {}", rule.name(), rule.about()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switched(allow: &[&str], warn: &[&str], deny: &[&str]) -> Result<Levels> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Levels::default().switched(&Switches { allow: owned(allow), warn: owned(warn), deny: owned(deny) }, "`--allow`")
    }

    #[test]
    fn names_prevail_over_all_and_the_stricter_over_the_other() {
        let levels = switched(&["all", "coercion"], &[], &["coercion", "unused-input"]).unwrap();
        assert_eq!(
            (levels.of(Rule::Coercion), levels.of(Rule::UnusedInput), levels.of(Rule::UnusedTask)),
            (Level::Deny, Level::Deny, Level::Allow)
        );
        let levels = switched(&["portability"], &[], &["all"]).unwrap();
        assert_eq!((levels.of(Rule::Portability), levels.of(Rule::UnusedTask)), (Level::Allow, Level::Deny));
        assert_eq!(levels.of(Rule::UnquotedPlaceholder), Level::Allow, "what is off stays off");
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = switched(&["unused-inputs"], &[], &[]).unwrap_err().to_string();
        assert_eq!(error, "`--allow` names no kind of warning: `unused-inputs`; did you mean `unused-input`?");
    }
}
