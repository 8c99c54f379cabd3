//! What nothing uses.

use std::collections::HashSet;

use super::{Linter, nodes, uses};
use crate::{
    ast::{Call, Decl, ExprKind, Import, Node, Task, Workflow},
    check::call_outputs,
    inputs::workflow_input_decls,
    load::namespace_of,
    module::Module,
    rule::Rule,
    source::Span,
    types::Type,
};

impl Linter<'_> {
    pub(super) fn unused(&mut self) {
        self.imports();
        for task in &self.module.document.tasks {
            self.unused_in_task(task);
        }
        if let Some(workflow) = &self.module.document.workflow {
            self.unused_in_workflow(workflow);
            self.unused_tasks(workflow);
        }
    }

    fn unused_in_task(&mut self, task: &Task) {
        let (module, names) = (self.module, uses::of_task(task));
        for decl in task.inputs.iter().filter(|decl| !decl.env && !is_used(module, &names, &decl.name.text)) {
            // A file may only have to lie beside another one, as an index does.
            if !self.holds_files(decl) && !is_signal(decl) {
                self.unused_input(decl, "task", &task.name.text);
            }
        }
        for decl in task.decls.iter().filter(|decl| !decl.env && !is_used(module, &names, &decl.name.text)) {
            self.unused_declaration(decl);
        }
    }

    fn unused_in_workflow(&mut self, workflow: &Workflow) {
        let (module, names) = (self.module, uses::of_workflow(workflow));
        let inputs = workflow_input_decls(workflow, self.module.document.version);
        for decl in inputs.iter().filter(|decl| !is_used(module, &names, &decl.name.text)) {
            if !is_signal(decl) {
                self.unused_input(decl, "workflow", &workflow.name.text);
            }
        }
        let places: HashSet<Span> = inputs.iter().map(|input| input.span).collect();
        let is_input = |decl: &Decl| places.contains(&decl.span);
        nodes(&workflow.body, &mut |node| match node {
            Node::Decl(decl) if !is_input(decl) && !is_version(decl) && !is_used(module, &names, &decl.name.text) => {
                self.unused_declaration(decl)
            }
            Node::Call(call) if !is_used(module, &names, &call.name().text) => self.unused_call(workflow, call),
            _ => {}
        });
    }

    fn holds_files(&self, decl: &Decl) -> bool {
        self.module.resolve(&decl.ty).map_or(true, |ty| has_files(&ty))
    }

    fn unused_input(&mut self, decl: &Decl, kind: &str, name: &str) {
        let message = format!("input `{}` of {kind} `{name}` is never used", decl.name.text);
        self.warn(Rule::UnusedInput, decl.name.span, message, "use it, or remove it");
    }

    fn unused_declaration(&mut self, decl: &Decl) {
        self.warn(Rule::UnusedDeclaration, decl.name.span, format!("`{}` is never used", decl.name.text), "use it, or remove it");
    }

    /// Where no outputs are named, or where a call has none, it is there for what it does.
    fn unused_call(&mut self, workflow: &Workflow, call: &Call) {
        let Some(callee) = self.module.callee(&call.target) else { return };
        let named = workflow.outputs.as_ref().is_some_and(|section| !section.decls.is_empty() || !section.legacy.is_empty());
        if !named || call_outputs(self.module, &callee).members.is_empty() {
            return;
        }
        let message = format!("nothing uses the outputs of call `{}`", call.name().text);
        self.warn(Rule::UnusedCall, call.name().span, message, "use one of them or make it an output of the workflow, or remove the call");
    }

    fn unused_tasks(&mut self, workflow: &Workflow) {
        let module = self.module;
        let mut called: HashSet<&str> = HashSet::new();
        nodes(&workflow.body, &mut |node| {
            if let Node::Call(call) = node
                && let [name] = call.target.as_slice()
            {
                called.insert(&name.text);
            }
        });
        // A document whose workflow calls none of its tasks is a collection.
        if !self.module.document.tasks.iter().any(|task| called.contains(&*task.name.text)) {
            return;
        }
        for task in &module.document.tasks {
            if !is_used(module, &called, &task.name.text) {
                let message = format!("task `{}` is not called by the workflow of its document", task.name.text);
                self.warn(
                    Rule::UnusedTask,
                    task.name.span,
                    message,
                    "call it, or remove it; tasks for other documents are best kept apart",
                );
            }
        }
    }

    fn imports(&mut self) {
        let module = self.module;
        let document = &module.document;
        if document.imports.is_empty() || (document.tasks.is_empty() && document.workflow.is_none()) {
            // Documents of types pass on what they import.
            return;
        }
        let mut called: HashSet<&str> = HashSet::new();
        if let Some(workflow) = &document.workflow {
            nodes(&workflow.body, &mut |node| {
                if let Node::Call(call) = node
                    && let [first, _, ..] = call.target.as_slice()
                {
                    called.insert(&first.text);
                }
            });
        }
        let types = uses::types(document);
        for import in &document.imports {
            let namespace = namespace_of(import);
            let Some(imported) = module.namespace(&namespace) else { continue };
            if is_used(module, &called, &namespace) || gives_a_type(module, import, imported, &types) {
                continue;
            }
            let message = format!("import `{namespace}` is never used");
            self.warn(Rule::UnusedImport, import.uri_span, message, "remove it");
        }
    }
}

/// An input that only makes a call wait, as `after` does from 1.1 on.
fn is_signal(decl: &Decl) -> bool {
    let name = decl.name.text.to_ascii_lowercase();
    name.ends_with("done") || name.ends_with("ready") || name.contains("wait") || name.contains("depend")
}

/// `String pipeline_version = "1.0"` is there for whoever reads the document.
fn is_version(decl: &Decl) -> bool {
    decl.name.text.to_ascii_lowercase().ends_with("version")
        && decl.value.as_ref().is_some_and(|value| matches!(value.kind, ExprKind::String(_)))
}

/// Whether a name is used, or may be where a syntax error hides it.
fn is_used(module: &Module, names: &HashSet<&str>, name: &str) -> bool {
    names.contains(name) || module.document.losses.may_hold(name)
}

fn gives_a_type(module: &Module, import: &Import, imported: &Module, types: &HashSet<&str>) -> bool {
    let here = |name: &str| {
        let alias = import.aliases.iter().find(|(from, _)| *from.text == *name);
        alias.map_or_else(|| name.to_owned(), |(_, to)| to.text.to_string())
    };
    imported.structs.keys().chain(imported.enums.keys()).any(|name| is_used(module, types, &here(name)))
}

fn has_files(ty: &Type) -> bool {
    match ty {
        Type::File | Type::Directory | Type::Any => true,
        Type::Optional(item) | Type::Array { item, .. } => has_files(item),
        Type::Map(a, b) | Type::Pair(a, b) => has_files(a) || has_files(b),
        Type::Struct(s) => s.members.iter().any(|(_, ty)| has_files(ty)),
        _ => false,
    }
}
