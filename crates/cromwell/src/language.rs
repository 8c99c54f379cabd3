//! Which languages and versions workflows may be written in.

use std::collections::HashSet;

use batchyard_wdl::version::Version;
use batchyard_workflow::documents::Failure;

use crate::config::Languages;

/// What is accepted, and what holds where nothing is said.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Versions that are switched off.
    disabled: HashSet<Version>,
    /// The version of documents that do not state one.
    unstated: Version,
    /// Language of submissions that name none.
    pub language: Option<String>,
    /// Version of submissions that name none.
    pub version: Option<String>,
}

impl Default for Accepted {
    fn default() -> Self {
        Accepted { disabled: HashSet::new(), unstated: Version::Draft2, language: None, version: None }
    }
}

/// The version that the configuration calls so.
pub fn version_named(name: &str) -> Option<Version> {
    // Names of drafts in earlier releases of the original.
    if name == "biscayne" { Some(Version::V1_1) } else { Version::parse(name) }
}

impl Accepted {
    /// What a configuration says.
    pub fn new(languages: &Languages, language: Option<String>, version: Option<String>) -> Self {
        let disabled = languages.wdl_versions.iter().filter(|(_, version)| !version.enabled);
        Accepted {
            disabled: disabled.filter_map(|(name, _)| version_named(name)).collect(),
            unstated: version_named(&languages.default_wdl_version).unwrap_or(Version::Draft2),
            language,
            version,
        }
    }

    /// Whether a submission with this language and version is understood.
    ///
    /// # Errors
    /// It is not.
    pub fn check_submission(&self, language: Option<&str>, version: Option<&str>) -> Result<(), Failure> {
        // As in the original, a version without a language means nothing.
        let Some(language) = language.filter(|text| !text.is_empty()).or(self.language.as_deref()) else { return Ok(()) };
        if !language.eq_ignore_ascii_case("wdl") {
            return Err(Failure::new(format!("Unknown workflow type: {language}")).hint("this server runs WDL"));
        }
        match version.filter(|text| !text.is_empty()).or(self.version.as_deref()) {
            None | Some("cascades" | "biscayne") => Ok(()),
            Some(version) if Version::parse(version).is_some() => Ok(()),
            Some(version) => Err(Failure::new(format!("Unknown version '{version}' for workflow language 'WDL'"))
                .hint("known versions: draft-2, 1.0, 1.1, 1.2, 1.3")),
        }
    }

    /// Whether a document of this version may run. Documents that state none are of draft-2.
    ///
    /// # Errors
    /// It may not.
    pub fn check_document(&self, version: Version) -> Result<(), Failure> {
        if version == Version::Draft2 && self.unstated != Version::Draft2 {
            let message = format!("the document states no version and would be taken for WDL {}", self.unstated);
            let hint = format!("begin it with `version {}`, or set `languages.WDL.versions.default = \"draft-2\"`", self.unstated);
            return Err(Failure::new(message).hint(hint));
        }
        if self.disabled.contains(&version) {
            let message = format!("WDL {version} is switched off by the configuration");
            return Err(Failure::new(message).hint(format!("`languages.WDL.versions.\"{version}\".config.enabled` switches it on")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CromwellConfig;

    #[test]
    fn versions_can_be_switched_off() {
        let settings = [("languages.WDL.versions.default".to_owned(), "1.1".to_owned())];
        let (config, _) = CromwellConfig::load(None, &settings).unwrap();
        let mut languages = config.languages;
        languages.wdl_versions.get_mut("1.0").unwrap().enabled = false;
        let accepted = Accepted::new(&languages, None, None);
        assert!(accepted.check_document(Version::V1_0).unwrap_err().message.contains("WDL 1.0 is switched off"));
        assert!(accepted.check_document(Version::Draft2).unwrap_err().message.contains("states no version"));
        assert!(accepted.check_document(Version::V1_1).is_ok() && accepted.check_document(Version::V1_3).is_ok());
        assert!(Accepted::default().check_document(Version::Draft2).is_ok());
    }

    #[test]
    fn submissions_without_a_language_have_the_configured_one() {
        let accepted = Accepted { language: Some("CWL".into()), version: Some("v9".into()), ..Accepted::default() };
        assert!(accepted.check_submission(None, None).unwrap_err().message.contains("CWL"));
        assert!(accepted.check_submission(Some("wdl"), None).unwrap_err().message.contains("v9"));
        assert!(accepted.check_submission(Some("WDL"), Some("1.0")).is_ok());
        assert!(Accepted::default().check_submission(Some(""), Some("")).is_ok());
    }
}
