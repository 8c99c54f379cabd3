//! Workflows: bodies, scatters, conditionals, outputs.

use std::{slice::Iter, sync::Arc};

use super::{
    Checker,
    frames::{Clash, Frame, Origin},
    outputs::legacy_outputs,
    typer::{Names, Place},
};
use crate::{
    ast::{Name, Node, Scatter, Workflow},
    diagnostic::Diagnostic,
    rule::Rule,
    types::Type,
    version::{Dialect, Version},
};

/// Types grow when scatters feed each other pairs of pairs; past this size a type is not followed any more.
const MAX_TYPE_SIZE: usize = 10_000;

/// The frames from the current body outwards.
pub(super) struct Chain<'c> {
    frame: &'c Frame,
    /// The variable of the scatter whose body it is.
    variable: Option<(&'c str, Type)>,
    outer: Option<&'c Chain<'c>>,
}

impl Chain<'_> {
    fn has_variable(&self, name: &str) -> bool {
        self.variable.as_ref().is_some_and(|(variable, _)| *variable == name) || self.outer.is_some_and(|outer| outer.has_variable(name))
    }

    /// Whether a name is declared in this body or one around it; what comes out of other blocks is not counted.
    fn declares(&self, name: &str) -> bool {
        self.frame.entry(name).is_some_and(|entry| !entry.promoted) || self.outer.is_some_and(|outer| outer.declares(name))
    }

    /// Whether a name is that of a call.
    pub(super) fn is_call(&self, name: &str) -> bool {
        match self.frame.entry(name) {
            Some(entry) => entry.origin == Origin::Call,
            None => self.outer.is_some_and(|outer| outer.is_call(name)),
        }
    }
}

impl Names for Chain<'_> {
    fn get(&self, name: &str) -> Option<Type> {
        if let Some((variable, ty)) = &self.variable
            && *variable == name
        {
            return Some(ty.clone());
        }
        self.frame.get(name).cloned().or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }

    fn known(&self) -> Vec<&str> {
        let mut list: Vec<&str> = self.variable.iter().map(|(name, _)| *name).collect();
        list.extend(self.frame.known());
        list.extend(self.outer.map(Names::known).unwrap_or_default());
        list
    }
}

impl Checker<'_> {
    pub(super) fn workflow(&mut self, workflow: &Workflow) {
        let frame = Frame::of_workflow(self.module, workflow);
        if frame.overfull {
            let message = format!("blocks of workflow `{}` hold too many names for their nesting", workflow.name.text);
            let error = self.error(workflow.name.span, message);
            self.findings.push(error.hint("move inner blocks into workflows of their own and call those"));
            return;
        }
        self.clashes(&frame);
        let chain = Chain { frame: &frame, variable: None, outer: None };
        for decl in &workflow.inputs {
            self.decl(decl, &chain, Place::Workflow);
        }
        self.body(&workflow.body, &chain);
        self.workflow_outputs(workflow, &frame, &chain);
        self.check_workflow_cycles(workflow);
    }

    fn body(&mut self, body: &[Node], chain: &Chain<'_>) {
        let mut inner = chain.frame.inner.iter();
        for node in body {
            match node {
                Node::Decl(decl) => {
                    self.decl(decl, chain, Place::Workflow);
                    self.unbound(decl);
                }
                Node::Call(call) => self.call(call, chain),
                Node::Scatter(scatter) => self.scatter(scatter, chain, &mut inner),
                Node::If(conditional) => {
                    for clause in &conditional.clauses {
                        if let Some(condition) = &clause.condition {
                            self.typer(chain, Place::Workflow).condition(condition);
                        }
                        if let Some(frame) = inner.next() {
                            self.body(&clause.body, &Chain { frame, variable: None, outer: Some(chain) });
                        }
                    }
                }
            }
        }
    }

    fn scatter(&mut self, scatter: &Scatter, chain: &Chain<'_>, inner: &mut Iter<'_, Frame>) {
        let ty = self.element(scatter, chain);
        let name = &scatter.variable;
        if chain.has_variable(&name.text) {
            let error = self.error(name.span, format!("`{}` is already the variable of an enclosing scatter", name.text));
            self.findings.push(error.hint("choose another name"));
        } else if chain.declares(&name.text) {
            let finding = self.graded(Version::V1_1, name.span, format!("`{}` hides a name of the workflow", name.text));
            let finding = finding.rule(Rule::ShadowedName);
            self.findings.push(finding.hint("choose another name"));
        }
        if let Some(frame) = inner.next() {
            self.body(&scatter.body, &Chain { frame, variable: Some((&name.text, ty)), outer: Some(chain) });
        }
    }

    /// The type of a scatter's variable.
    fn element(&mut self, scatter: &Scatter, chain: &Chain<'_>) -> Type {
        let span = scatter.collection.span;
        let mut typer = self.typer(chain, Place::Workflow);
        let ty = typer.value(&scatter.collection);
        typer.note_optional(&ty, span);
        let element = match ty.required() {
            Type::Array { item, .. } => item.as_ref().clone(),
            Type::Any | Type::None => Type::Any,
            Type::Map(key, value) => {
                let finding = typer.graded(span, "a map is not an array");
                if typer.dialect == Dialect::Specification {
                    typer.findings.push(finding.hint("scatter over `as_pairs(map)`"));
                }
                Type::pair(key.as_ref().clone(), value.as_ref().clone())
            }
            _ => {
                let error = typer.error(span, format!("a scatter needs an array, not `{ty}`"));
                typer.fault(error)
            }
        };
        if type_size(&element, MAX_TYPE_SIZE).is_some() { element } else { Type::Any }
    }

    fn clashes(&mut self, frame: &Frame) {
        for Clash { name, first, second } in &frame.clashes {
            // A clash in a block shows once more in every block around it: only the innermost is told.
            let finding = match (first.origin, second.origin) {
                (Origin::Call, Origin::Call) => self
                    .error(second.span, format!("second call named `{name}`"))
                    .hint("rename one with `as`")
                    .related(first.span, "the first one"),
                (Origin::Call, _) | (_, Origin::Call) => self
                    .graded(Version::V1_0, second.span, format!("call and declaration are both named `{name}`"))
                    .hint("rename the call with `as`")
                    .related(first.span, "the other one"),
                _ => self
                    .graded(Version::V1_1, second.span, format!("`{name}` is declared twice"))
                    .hint("rename one of them: names inside of blocks are known outside as well")
                    .related(first.span, "the first one"),
            };
            self.findings.push(finding.rule(Rule::RepeatedName));
        }
        for Clash { name, first, second } in &frame.discords {
            let message =
                format!("the clauses declare `{name}` with types that have nothing in common: `{}` and `{}`", first.ty, second.ty);
            let error = self.error(second.span, message).hint("rename one of them, or give both one type");
            self.findings.push(error.related(first.span, "the other one"));
        }
        for inner in &frame.inner {
            self.clashes(inner);
        }
    }

    fn workflow_outputs(&mut self, workflow: &Workflow, frame: &Frame, chain: &Chain<'_>) {
        let Some(section) = &workflow.outputs else { return };
        for line in &section.legacy {
            let lost = |name: &Name| self.module.document.losses.may_hold(&name.text);
            if legacy_outputs(frame, line).is_none() && !line.path.iter().any(lost) {
                let path = line.path.iter().map(|name| &*name.text).collect::<Vec<_>>().join(".");
                let error = self.error(line.span, format!("`{path}` is no output of a call and no declaration"));
                let known = frame.known();
                let first = line.path.first().map_or("", |name| &*name.text);
                let known_first = frame.entry(first).is_some();
                let guessed = if known_first { None } else { super::guess(first, known) };
                self.findings.push(crate::load::with_guess(error, guessed));
            }
        }
        for decl in &section.decls {
            if let Some(entry) = frame.entry(&decl.name.text) {
                let what = if entry.origin == Origin::Call { "call" } else { "declaration" };
                let message = format!("output `{}` has the name of a {what}", decl.name.text);
                let finding = self.graded(Version::V1_1, decl.name.span, message).rule(Rule::ShadowedName);
                self.findings.push(finding.hint("rename the output").related(entry.span, format!("the {what}")));
            }
        }
        self.outputs(&section.decls, chain, Place::Workflow);
    }

    /// A warning of this document.
    pub(super) fn warning(&self, span: crate::source::Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(&self.module.document.source, span, message)
    }
}

/// Number of nodes of a type written out, `None` when more than `budget`.
fn type_size(ty: &Type, budget: usize) -> Option<usize> {
    let parts: [Option<&Arc<Type>>; 2] = match ty {
        Type::Array { item, .. } | Type::Optional(item) => [Some(item), None],
        Type::Map(a, b) | Type::Pair(a, b) => [Some(a), Some(b)],
        _ => [None, None],
    };
    let mut size = 1;
    for part in parts.into_iter().flatten() {
        size += type_size(part, budget.checked_sub(size)?)?;
    }
    (size <= budget).then_some(size)
}
