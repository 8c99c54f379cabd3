//! Outputs: lines of draft-2 without types, and sections that are not there.

use std::{collections::HashSet, sync::Arc};

use super::Upgrade;
use crate::{
    ast::Workflow,
    check::{workflow_outputs, workflow_scope_types},
    types::Type,
};

impl Upgrade<'_> {
    pub(super) fn outputs(&mut self, workflow: &Arc<Workflow>) {
        match &workflow.outputs {
            None => self.missing_section(workflow),
            Some(section) => {
                for line in &section.legacy {
                    let path: Vec<&str> = line.path.iter().map(|name| &*name.text).collect();
                    let written = path.join(".");
                    let prefix = format!("{written}.");
                    let meant = |name: &str| if line.wildcard { name.starts_with(&prefix) } else { name == written };
                    let outputs: Vec<(String, Type)> =
                        workflow_outputs(self.module, workflow).into_iter().filter(|(name, _)| meant(name)).collect();
                    let text = self.declarations(workflow, &outputs);
                    self.replace(line.span, text);
                    let message = format!("output `{written}` has another name now: from 1.0 on outputs have plain names");
                    self.note(line.span, message, "who reads the outputs must look for the new name");
                }
            }
        }
    }

    /// Up to 1.0 a workflow without outputs gives all outputs of its calls, later none.
    fn missing_section(&mut self, workflow: &Arc<Workflow>) {
        let outputs = workflow_outputs(self.module, workflow);
        if outputs.is_empty() {
            return;
        }
        let text = self.declarations(workflow, &outputs);
        self.insert(workflow.span.end.saturating_sub(1), format!("\noutput {{\n{text}}}\n"));
        let message =
            format!("workflow `{}` names no outputs; all outputs of its calls are named now, with `_` for the dot", workflow.name.text);
        self.note(workflow.name.span, message, "who reads the outputs must look for the new names");
    }

    /// Typed declarations for outputs given as `call.output` or `name`.
    fn declarations(&mut self, workflow: &Arc<Workflow>, outputs: &[(String, Type)]) -> String {
        let mut taken: HashSet<String> = workflow_scope_types(self.module, workflow).into_keys().collect();
        let typed = workflow.outputs.iter().flat_map(|section| &section.decls);
        taken.extend(typed.map(|decl| decl.name.text.to_string()));
        let mut text = String::new();
        for (source, ty) in outputs {
            let mut name = source.replace('.', "_");
            while !taken.insert(name.clone()) {
                name += "_output";
            }
            if matches!(ty, Type::Any) {
                let message = format!("the type of output `{source}` is not known");
                self.note(workflow.name.span, message, "give it a type");
            }
            text += &format!("{} {name} = {source}\n", type_text(ty));
        }
        text
    }
}

/// The type as it is written; a call's outputs as seen from outside may never be empty by their type.
fn type_text(ty: &Type) -> String {
    match ty {
        Type::Any => "String".to_owned(),
        ty => ty.to_string(),
    }
}
