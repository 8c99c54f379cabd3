//! Documents kept in memory: tests, uploads, and runs that continue with the texts they began with.

use std::{collections::HashMap, io};

use super::{LoadedText, Loader};

/// Loads from recorded documents and a recorded table of imports.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader {
    /// Name and text by identity.
    sources: HashMap<String, (String, String)>,
    /// Identity by importer and uri as written.
    imports: HashMap<(String, String), String>,
}

impl MemoryLoader {
    /// A loader for stored documents: name and text by identity, and the `imports` of [`super::Loaded`] (importer, uri as
    /// written, identity of the document that was meant).
    pub fn new(
        texts: impl IntoIterator<Item = (String, (String, String))>,
        imports: impl IntoIterator<Item = (String, String, String)>,
    ) -> Self {
        let imports = imports.into_iter().map(|(importer, uri, id)| ((importer, uri), id)).collect();
        MemoryLoader { sources: texts.into_iter().collect(), imports }
    }

    /// Adds a document under its identity, which is also the name that messages show.
    pub fn with(mut self, id: impl Into<String>, text: impl Into<String>) -> Self {
        let id = id.into();
        self.sources.insert(id.clone(), (id, text.into()));
        self
    }
}

impl Loader for MemoryLoader {
    /// Recorded imports first; a uri without a record is taken for an identity.
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let linked = importer.and_then(|i| self.imports.get(&(i.to_owned(), uri.to_owned())));
        let id = linked.map_or(uri, String::as_str);
        let (name, text) = self.sources.get(id).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such document"))?;
        Ok(LoadedText { id: id.to_owned(), name: name.clone(), text: text.clone().into_bytes() })
    }
}
