//! Language versions and what depends on them.

use std::fmt;

/// A published version of WDL, in order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// No `version` statement.
    Draft2,
    /// `version 1.0` (also `draft-3`).
    V1_0,
    /// `version 1.1` (also `development-1.1`).
    V1_1,
    /// `version 1.2`.
    V1_2,
    /// `version 1.3` (also `development`).
    V1_3,
}

impl Version {
    /// The version a `version` statement names.
    pub fn parse(text: &str) -> Option<Version> {
        Some(match text {
            "draft-2" => Version::Draft2,
            "draft-3" | "1.0" => Version::V1_0,
            "1.1" | "development-1.1" => Version::V1_1,
            "1.2" => Version::V1_2,
            "1.3" | "development" => Version::V1_3,
            _ => return None,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Draft2 => "draft-2",
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
            Version::V1_3 => "1.3",
        })
    }
}

/// Whose rules a document runs by where the published texts and Cromwell differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As Cromwell runs it: lenient coercions, units of 1024, Java number text. Default for draft-2 and 1.0.
    Cromwell,
    /// By the text of the specification, plus its "limited exceptions". Default for 1.1 and newer.
    Specification,
}

impl Dialect {
    /// The dialect a version runs by unless configuration says otherwise.
    pub fn of(version: Version) -> Dialect {
        if version <= Version::V1_0 { Dialect::Cromwell } else { Dialect::Specification }
    }
}
