//! Warnings about style and care: what runs, and yet its author should look at.
//!
//! Only the document itself is looked at, not what it imports. What cannot run is told by [`crate::check`].

mod commands;
mod containers;
mod deprecated;
#[cfg(test)]
mod tests;
mod unused;
mod uses;

use std::sync::Arc;

use crate::{
    ast::{Expr, Node, StringPart, Task, Workflow},
    diagnostic::Diagnostic,
    findings::Findings,
    module::Module,
    rule::Rule,
    source::Span,
};

/// Looks at one document; rules that are off by default are among the findings too.
pub fn lint(module: &Arc<Module>) -> Vec<Diagnostic> {
    let mut linter = Linter { module, findings: Findings::default() };
    linter.unused();
    for task in &module.document.tasks {
        linter.container(task);
        linter.command(task);
    }
    linter.deprecated();
    let losses = &module.document.losses;
    linter.findings.finish().into_iter().filter(|finding| !losses.doubts(finding.span)).collect()
}

struct Linter<'m> {
    module: &'m Arc<Module>,
    findings: Findings,
}

impl Linter<'_> {
    fn warn(&mut self, rule: Rule, span: Span, message: String, hint: impl Into<String>) {
        let warning = Diagnostic::warning(&self.module.document.source, span, message).rule(rule);
        self.findings.push(warning.hint(hint));
    }
}

/// Calls `visit` with every expression of a task that is not part of another one; the command's placeholders among them.
pub(crate) fn task_exprs<'t>(task: &'t Task, visit: &mut dyn FnMut(&'t Expr)) {
    let decls = task.inputs.iter().chain(&task.decls).chain(&task.outputs);
    decls.filter_map(|decl| decl.value.as_ref()).for_each(&mut *visit);
    part_exprs(&task.command.parts, visit);
    let sections = [&task.runtime, &task.requirements, &task.hints];
    sections.into_iter().flatten().for_each(|(_, value)| visit(value));
}

/// Calls `visit` with the expression of every placeholder.
fn part_exprs<'p>(parts: &'p [StringPart], visit: &mut dyn FnMut(&'p Expr)) {
    for part in parts {
        if let StringPart::Placeholder(placeholder) = part {
            visit(&placeholder.expr);
        }
    }
}

/// Calls `visit` with every expression of a workflow that is not part of another one.
pub(crate) fn workflow_exprs<'w>(workflow: &'w Workflow, visit: &mut dyn FnMut(&'w Expr)) {
    workflow.inputs.iter().filter_map(|decl| decl.value.as_ref()).for_each(&mut *visit);
    nodes(&workflow.body, &mut |node| match node {
        Node::Decl(decl) => decl.value.iter().for_each(&mut *visit),
        Node::Call(call) => call.inputs.iter().filter_map(|(_, value)| value.as_ref()).for_each(&mut *visit),
        Node::Scatter(scatter) => visit(&scatter.collection),
        Node::If(conditional) => conditional.clauses.iter().filter_map(|clause| clause.condition.as_ref()).for_each(&mut *visit),
    });
    let outputs = workflow.outputs.iter().flat_map(|section| &section.decls);
    outputs.filter_map(|decl| decl.value.as_ref()).for_each(visit);
}

/// Calls `visit` with every element of a body and of the blocks in it.
pub(crate) fn nodes<'w>(body: &'w [Node], visit: &mut dyn FnMut(&'w Node)) {
    for node in body {
        visit(node);
        match node {
            Node::Decl(_) | Node::Call(_) => {}
            Node::Scatter(scatter) => nodes(&scatter.body, visit),
            Node::If(conditional) => conditional.clauses.iter().for_each(|clause| nodes(&clause.body, visit)),
        }
    }
}
