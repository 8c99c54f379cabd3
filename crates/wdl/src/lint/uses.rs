//! The names that a task or workflow uses.

use std::{collections::HashSet, sync::Arc};

use super::{nodes, task_exprs, workflow_exprs};
use crate::{
    ast::{Decl, Expr, ExprKind, Node, Task, TypeExpr, TypeKind, Workflow, visit_exprs},
    graph::visit_names,
};

/// Names used as values.
pub(super) fn of_task(task: &Task) -> HashSet<&str> {
    let mut names = HashSet::new();
    task_exprs(task, &mut |expr| add(expr, &mut names));
    names
}

/// Names used as values; calls count when their outputs are used or something comes after them.
pub(super) fn of_workflow(workflow: &Workflow) -> HashSet<&str> {
    let mut names = HashSet::new();
    workflow_exprs(workflow, &mut |expr| add(expr, &mut names));
    nodes(&workflow.body, &mut |node| {
        if let Node::Call(call) = node {
            let passed = call.inputs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
            names.extend(passed.chain(&call.after).map(|name| &*name.text));
        }
    });
    let legacy = workflow.outputs.iter().flat_map(|section| &section.legacy);
    names.extend(legacy.filter_map(|line| line.path.first()).map(|name| &*name.text));
    names
}

fn add<'e>(expr: &'e Expr, names: &mut HashSet<&'e str>) {
    visit_names(expr, &mut |name: &'e Arc<str>, _| {
        names.insert(name);
    });
}

/// Names of types that declarations and expressions of a document mention, and names before a dot.
pub(super) fn types(document: &crate::ast::Document) -> HashSet<&str> {
    let mut names = HashSet::new();
    for definition in &document.structs {
        definition.members.iter().for_each(|member| add_type(&member.ty, &mut names));
    }
    document.enums.iter().filter_map(|definition| definition.value_type.as_ref()).for_each(|ty| add_type(ty, &mut names));
    for task in &document.tasks {
        add_decls(task.inputs.iter().chain(&task.decls).chain(&task.outputs), &mut names);
        task_exprs(task, &mut |expr| add_literals(expr, &mut names));
    }
    if let Some(workflow) = &document.workflow {
        add_decls(workflow.inputs.iter(), &mut names);
        nodes(&workflow.body, &mut |node| {
            if let Node::Decl(decl) = node {
                add_type(&decl.ty, &mut names);
            }
        });
        add_decls(workflow.outputs.iter().flat_map(|section| &section.decls), &mut names);
        workflow_exprs(workflow, &mut |expr| add_literals(expr, &mut names));
    }
    names
}

fn add_decls<'d>(decls: impl Iterator<Item = &'d Decl>, names: &mut HashSet<&'d str>) {
    decls.for_each(|decl| add_type(&decl.ty, names));
}

fn add_type<'t>(ty: &'t TypeExpr, names: &mut HashSet<&'t str>) {
    match &ty.kind {
        TypeKind::Array { item, .. } => add_type(item, names),
        TypeKind::Map(left, right) | TypeKind::Pair(left, right) => {
            add_type(left, names);
            add_type(right, names);
        }
        TypeKind::Named(name) => drop(names.insert(&name.text)),
        _ => {}
    }
}

/// Struct literals, and names that may be those of enums.
fn add_literals<'e>(expr: &'e Expr, names: &mut HashSet<&'e str>) {
    visit_exprs(expr, &mut |expr| match &expr.kind {
        ExprKind::Struct(name, _) => drop(names.insert(&name.text)),
        ExprKind::Ident(name) => drop(names.insert(name)),
        _ => {}
    });
}
