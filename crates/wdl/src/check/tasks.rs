//! Tasks.

use std::{collections::HashMap, sync::Arc};

use super::{
    Checker,
    typer::{Names, Place},
};
use crate::{
    ast::{Decl, Task},
    rule::Rule,
    types::Type,
    version::Version,
};

/// Names with their types, before others that they hide.
pub(super) struct Layer<'a> {
    pub(super) names: &'a HashMap<Arc<str>, Type>,
    /// A name that is looked for further out: `output { Int x = x }`.
    pub(super) hidden: Option<&'a str>,
    pub(super) outer: Option<&'a dyn Names>,
}

impl Names for Layer<'_> {
    fn get(&self, name: &str) -> Option<Type> {
        let own = if self.hidden == Some(name) { None } else { self.names.get(name).cloned() };
        own.or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }

    fn known(&self) -> Vec<&str> {
        let mut list: Vec<&str> = self.names.keys().map(|name| &**name).collect();
        list.sort_unstable();
        list.extend(self.outer.map(Names::known).unwrap_or_default());
        list
    }
}

impl Checker<'_> {
    pub(super) fn task(&mut self, task: &Task) {
        let own = self.task_names(task);
        let names = Layer { names: &own, hidden: None, outer: None };
        for decl in &task.inputs {
            self.decl(decl, &names, Place::Task);
        }
        for decl in &task.decls {
            self.decl(decl, &names, Place::Task);
            self.unbound(decl);
        }
        let decls: Vec<&Decl> = task.inputs.iter().chain(&task.decls).collect();
        self.check_cycles(&decls, &|_| false);
        self.typer(&names, Place::Command).parts(&task.command.parts);
        self.requirements(task, &names);
        self.outputs(&task.outputs, &names, Place::TaskOutput);
    }

    /// Types of the inputs and declarations; names that stand twice are reported.
    fn task_names(&mut self, task: &Task) -> HashMap<Arc<str>, Type> {
        let mut own = HashMap::new();
        let mut places = HashMap::new();
        for decl in task.inputs.iter().chain(&task.decls) {
            let name = &decl.name;
            if let Some(first) = places.get(&name.text) {
                let finding = self.graded(Version::V1_1, name.span, format!("`{}` is declared twice", name.text)).rule(Rule::RepeatedName);
                self.findings.push(finding.hint("rename one of them").related(*first, "the first one"));
                continue;
            }
            places.insert(Arc::clone(&name.text), name.span);
            own.insert(Arc::clone(&name.text), self.module.resolve(&decl.ty).unwrap_or(Type::Any));
        }
        for output in &task.outputs {
            if let Some(first) = places.get(&output.name.text) {
                // Published tasks do this (an example of the 1.2 text as well), and callers then see the output.
                let warning = self.warning(output.name.span, format!("output `{}` has the name of a declaration", output.name.text));
                let warning = warning.rule(Rule::ShadowedName);
                self.findings.push(warning.hint("rename one of them").related(*first, "the declaration"));
            }
        }
        own
    }

    /// Checks the type and value of a declaration.
    pub(super) fn decl(&mut self, decl: &Decl, names: &dyn Names, place: Place) {
        let ty = self.declared(decl);
        if let Some(value) = &decl.value {
            let mut typer = self.typer(names, place);
            let from = typer.value(value);
            typer.assign(value, &from, &ty, &format!("`{}`", decl.name.text));
        }
    }

    /// From 1.0 on only inputs can get their value from outside.
    pub(super) fn unbound(&mut self, decl: &Decl) {
        if decl.value.is_none() && !decl.ty.optional && self.version >= Version::V1_0 {
            let error = self.error(decl.span, format!("`{}` has no value", decl.name.text));
            self.findings.push(error.hint("give it a value, or move it into the `input` section"));
        }
    }

    /// Checks output declarations, which may use each other.
    pub(super) fn outputs(&mut self, decls: &[Decl], outer: &dyn Names, place: Place) {
        let mut own: HashMap<Arc<str>, Type> = HashMap::new();
        let mut places = HashMap::new();
        for decl in decls {
            if let Some(first) = places.insert(&decl.name.text, decl.name.span) {
                let finding =
                    self.graded(Version::V1_1, decl.name.span, format!("second output `{}`", decl.name.text)).rule(Rule::RepeatedName);
                self.findings.push(finding.hint("rename one of them").related(first, "the first one"));
            }
            own.insert(Arc::clone(&decl.name.text), self.module.resolve(&decl.ty).unwrap_or(Type::Any));
        }
        for decl in decls {
            let shadows = outer.get(&decl.name.text).is_some();
            let hidden = shadows.then_some(&*decl.name.text);
            self.decl(decl, &Layer { names: &own, hidden, outer: Some(outer) }, place);
        }
        self.check_cycles(&decls.iter().collect::<Vec<_>>(), &|name| outer.get(name).is_some());
    }
}
