//! Which declarations of a draft-2 workflow are inputs: those that no call has a hand in.

use std::{collections::HashSet, sync::Arc};

use crate::ast::{Decl, Expr, ExprKind, Node, StringPart, Workflow};

pub(super) fn input_decls(workflow: &Workflow) -> Vec<&Decl> {
    let mut late = HashSet::new();
    // Declarations stand in any order, so one pass may find a dependency too late for an earlier line.
    while mark(&workflow.body, false, &mut late) {}
    let top = workflow.body.iter().filter_map(|node| if let Node::Decl(decl) = node { Some(decl) } else { None });
    top.filter(|decl| !late.contains(&decl.name.text)).collect()
}

/// Adds the names that depend on calls; says whether there was a new one.
fn mark(body: &[Node], inside_late: bool, late: &mut HashSet<Arc<str>>) -> bool {
    let mut found = false;
    for node in body {
        found |= match node {
            Node::Call(call) => late.insert(Arc::clone(&call.name().text)),
            Node::Decl(decl) => {
                let depends = inside_late || decl.value.as_ref().is_some_and(|v| uses(v, late));
                depends && late.insert(Arc::clone(&decl.name.text))
            }
            Node::Scatter(scatter) => {
                // Whatever uses the variable stands in the body, which depends as a whole.
                let depends = inside_late || uses(&scatter.collection, late);
                mark(&scatter.body, depends, late)
            }
            Node::If(conditional) => {
                let mut any = false;
                for clause in &conditional.clauses {
                    let depends = inside_late || clause.condition.as_ref().is_some_and(|c| uses(c, late));
                    any |= mark(&clause.body, depends, late);
                }
                any
            }
        };
    }
    found
}

/// Whether an expression mentions one of the names.
fn uses(expr: &Expr, names: &HashSet<Arc<str>>) -> bool {
    let any = |items: &mut dyn Iterator<Item = &Expr>| {
        for item in items {
            if uses(item, names) {
                return true;
            }
        }
        false
    };
    match &expr.kind {
        ExprKind::Lost | ExprKind::None | ExprKind::Boolean(_) | ExprKind::Int(_) | ExprKind::Float(_) => false,
        ExprKind::Ident(name) => names.contains(name),
        ExprKind::String(parts) => parts.iter().any(|part| match part {
            StringPart::Text(_) => false,
            StringPart::Placeholder(placeholder) => uses(&placeholder.expr, names),
        }),
        ExprKind::Array(items) | ExprKind::Call(_, items) => any(&mut items.iter()),
        ExprKind::Map(entries) => any(&mut entries.iter().flat_map(|(k, v)| [k, v])),
        ExprKind::Object(members) | ExprKind::Struct(_, members) => any(&mut members.iter().map(|(_, v)| v)),
        ExprKind::Pair(l, r) | ExprKind::Index(l, r) | ExprKind::Binary(_, l, r) => uses(l, names) || uses(r, names),
        ExprKind::Member(base, _) => uses(base, names),
        ExprKind::Unary(_, operand) => uses(operand, names),
        ExprKind::If(c, yes, no) => uses(c, names) || uses(yes, names) || uses(no, names),
    }
}
