//! Files of inputs and declarations where the command will find them, and what lies beside them.

use std::{path::Path, sync::Arc};

use batchyard_wdl::{ast::Decl, eval::Host, inputs, source::Span, types::Type, value::Value, version::Version};

use super::{TaskFrame, localize};
use crate::{
    documents::Failure,
    host::{Ground, Look, local_path, mend_of, settled},
};

impl TaskFrame {
    /// The value of an input or declaration with its files where the command will find them.
    pub(super) fn placed(&self, decl: &Decl, span: Span, value: Value, ty: &Type) -> Result<Value, Failure> {
        // The cache is shared: a command gets a name of its own for what was brought, input or not.
        let has_whole_keys = self.module.document.version >= Version::V1_3;
        let place = |copy: &str| self.host.localize(copy);
        let bring = || self.host.remote.bring_value(value, has_whole_keys, &place, &self.host.patience);
        let value = bring().map_err(|message| self.failure_at(span, format!("`{}`: {message}", decl.name.text)))?;
        let absent = |value: &Value, required: bool| {
            self.absent_beside(value, ty, required).map_err(|absence| self.not_brought(decl, span, &absence))
        };
        self.host.bring_neighbours(&value);
        absent(&value, false)?;
        let created = |path: &str| self.host.created(&self.module, path);
        let place = |path: &Path| self.host.localize(&path.to_string_lossy());
        // A relative path that leads nowhere beside the document is what the command may make; the working directory of this program says
        // nothing of it.
        let look = |path: &str| match Path::new(local_path(path)).is_absolute() {
            true => self.host.exists(path).into(),
            false => Look::Nothing,
        };
        let ground = Ground { module: &self.module, dialect: self.dialect, place: &place, look: &look, created: &created };
        let settled = settled(&value, ty, &ground).map_err(|e| {
            let unknown = || self.failure_at(span, format!("`{}`: {e}", decl.name.text)).hint(mend_of(&e));
            absent(&value, true).map_or_else(|failure| failure, |()| unknown())
        })?;
        if !self.task.inputs.iter().any(|input| input.name.text == decl.name.text) {
            inputs::files(&settled, &mut |path, _| self.host.bring_beside(path));
            return Ok(settled);
        }
        let value = localize(&self.host, &settled);
        // In draft-2 every declaration is an input: it may be what the command makes.
        absent(&value, self.module.document.version != Version::Draft2)?;
        Ok(value)
    }

    /// Looks for a file of a value that is not there beside what was brought. `required` is that of an input, which the command
    /// reads; what else is declared it may make itself, unless it is not known whether it is there.
    fn absent_beside(&self, value: &Value, ty: &Type, required: bool) -> Result<(), String> {
        if self.host.is_without_neighbours() {
            return Ok(());
        }
        let checked = inputs::map_files_typed(value, ty, &mut |path, _| match self.host.absence(path) {
            Some(absence) if !absence.is_sure => Err(absence.message),
            Some(_) if required && !self.host.has_begun => Ok(None),
            _ => Ok(Some(Arc::clone(path))),
        });
        checked.map(drop).map_err(|error| match error {
            inputs::MapFilesError::Missing { path, .. } => self.host.absence(&path).map_or(path.to_string(), |absence| absence.message),
            inputs::MapFilesError::Failed(message) => message,
        })
    }

    fn not_brought(&self, decl: &Decl, span: Span, message: &str) -> Failure {
        let failure = self.failure_at(span, format!("`{}`: {message}", decl.name.text));
        failure.hint("it is looked for there because it lies beside a file that was brought from there")
    }
}
