//! Puts documents and settings on top of each other and resolves them.

use std::sync::Arc;

use crate::{
    documents::{Documents, Include},
    parse::{Place, Shared, parse},
    problem::{Problem, Problems, Remark},
    properties,
    raw::Fields,
    resolve,
    source::Source,
    value::Value,
};

/// One load: add documents from the weakest to the strongest, then resolve.
pub struct Loader<'d> {
    shared: Shared<'d>,
    fields: Fields,
}

impl<'d> Loader<'d> {
    /// A load that finds documents through `documents`.
    pub fn new(documents: &'d dyn Documents) -> Self {
        Loader { shared: Shared { documents, problems: Vec::new(), remarks: Vec::new(), count: 0 }, fields: Fields::default() }
    }

    /// Lays a document over what was added before; what is wrong with it is told by [`Loader::resolve`].
    pub fn add(&mut self, include: Include<'_>) {
        match self.shared.documents.read(include) {
            Ok(Some(document)) => self.add_text(&document.name, &document.text),
            Ok(None) => {
                let name = match include {
                    Include::Beside { name, .. } | Include::File(name) | Include::Classpath(name) => name,
                };
                self.shared.problem(Problem::new(format!("there is no document `{name}`")));
            }
            Err(reason) => {
                self.shared.problem(Problem::new(reason));
            }
        }
    }

    /// Lays a text over what was added before.
    pub fn add_text(&mut self, name: &str, text: &str) {
        let source: Arc<Source> = Source::new(name, text);
        let fields = parse(&source, Place::default(), &mut self.shared);
        self.fields.merge(fields);
    }

    /// Lays `-Dkey=value` settings over what was added before; the key is cut at every dot.
    pub fn add_settings(&mut self, settings: &[(String, String)]) {
        let placed: Vec<_> = settings.iter().map(|(k, v)| (k.clone(), v.clone(), properties::origin_of_setting(k))).collect();
        let fields = properties::fields(&placed, &mut self.shared.problems);
        self.fields.merge(fields);
    }

    /// The whole configuration, always an object. Substitutions that name nothing in it are looked up with `environment`.
    ///
    /// # Errors
    /// All that is wrong with the documents; if nothing is, all substitutions that cannot be resolved.
    pub fn resolve(mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<(Value, Vec<Remark>), Problems> {
        if !self.shared.problems.is_empty() {
            return Err(Problems(self.shared.problems));
        }
        self.fields.number(&mut 0);
        let value = resolve::resolve(&self.fields, environment).map_err(Problems)?;
        Ok((value, self.shared.remarks))
    }
}
