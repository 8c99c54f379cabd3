//! Where included documents come from.

use std::path::{Path, PathBuf};

use crate::limits::MAX_DOCUMENT_BYTES;

/// What an include asks for; names have their ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include<'a> {
    /// `include "name"` in the document called `from`: beside it, else built in.
    Beside {
        /// As written.
        name: &'a str,
        /// [`Document::name`] of the including document.
        from: &'a str,
    },
    /// `include file("name")`: relative to the working directory.
    File(&'a str),
    /// `include classpath("name")`: built in.
    Classpath(&'a str),
}

/// A document that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// How messages call it, and where relative includes in it begin.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Finds documents.
pub trait Documents {
    /// The document, or nothing when it does not exist.
    ///
    /// # Errors
    /// A sentence that says why an existing document cannot be read.
    fn read(&self, include: Include<'_>) -> Result<Option<Document>, String>;
}

/// Files of this machine, and texts that are built in under the names of class path resources.
pub struct Disk<'a> {
    /// Name and text of each built-in document.
    pub built_in: &'a [(&'a str, &'a str)],
}

/// How names of built-in documents begin.
const BUILT_IN: &str = "classpath:";

impl Disk<'_> {
    fn built_in(&self, name: &str) -> Option<Document> {
        let name = name.trim_start_matches('/');
        let (_, text) = self.built_in.iter().find(|(known, _)| *known == name)?;
        Some(Document { name: format!("{BUILT_IN}{name}"), text: (*text).to_string() })
    }
}

impl Documents for Disk<'_> {
    fn read(&self, include: Include<'_>) -> Result<Option<Document>, String> {
        match include {
            Include::Classpath(name) => Ok(self.built_in(name)),
            Include::File(name) => read_file(Path::new(name)),
            Include::Beside { name, from } if from.starts_with(BUILT_IN) => Ok(self.built_in(name)),
            Include::Beside { name, from } => {
                let path = Path::new(from).parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
                Ok(read_file(&path)?.or_else(|| self.built_in(name)))
            }
        }
    }
}

fn read_file(path: &Path) -> Result<Option<Document>, String> {
    let trouble = |error: &dyn std::fmt::Display| format!("cannot read `{}`: {error}", path.display());
    let size = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(trouble(&"it is a folder")),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(&error)),
    };
    if size > MAX_DOCUMENT_BYTES as u64 {
        return Err(trouble(&format!("it is larger than {} MiB", MAX_DOCUMENT_BYTES >> 20)));
    }
    let bytes = std::fs::read(path).map_err(|error| trouble(&error))?;
    let text =
        String::from_utf8(bytes).map_err(|error| trouble(&format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to())))?;
    Ok(Some(Document { name: path.to_string_lossy().into_owned(), text }))
}
