//! What depends on what: the names an expression uses, and drawings of workflows.

use std::sync::Arc;

use crate::ast::{Expr, ExprKind, StringPart};

mod drawing;
mod render;
#[cfg(test)]
mod tests;

pub use render::{dot, mermaid};

/// Adds the names that an expression refers to, in order, repeated ones included; of `a.b` that is `a`.
///
/// The name of an enum, as in `Color.red`, is one of them.
pub fn free_names(expr: &Expr, out: &mut Vec<Arc<str>>) {
    visit_names(expr, &mut |name, _| out.push(Arc::clone(name)));
}

/// Like [`free_names`], for a string or command.
pub fn free_names_in_parts(parts: &[StringPart], out: &mut Vec<Arc<str>>) {
    for part in parts {
        if let StringPart::Placeholder(placeholder) = part {
            free_names(&placeholder.expr, out);
        }
    }
}

/// Calls `visit` with every name an expression refers to, and the expression that is the name.
pub(crate) fn visit_names<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Arc<str>, &'e Expr)) {
    match &expr.kind {
        ExprKind::Lost | ExprKind::None | ExprKind::Boolean(_) | ExprKind::Int(_) | ExprKind::Float(_) => {}
        ExprKind::Ident(name) => visit(name, expr),
        ExprKind::String(parts) => {
            for part in parts {
                if let StringPart::Placeholder(placeholder) = part {
                    visit_names(&placeholder.expr, visit);
                }
            }
        }
        ExprKind::Array(items) | ExprKind::Call(_, items) => items.iter().for_each(|item| visit_names(item, visit)),
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                visit_names(key, visit);
                visit_names(value, visit);
            }
        }
        ExprKind::Object(members) | ExprKind::Struct(_, members) => members.iter().for_each(|(_, value)| visit_names(value, visit)),
        ExprKind::Pair(left, right) | ExprKind::Index(left, right) | ExprKind::Binary(_, left, right) => {
            visit_names(left, visit);
            visit_names(right, visit);
        }
        ExprKind::Member(base, _) | ExprKind::Unary(_, base) => visit_names(base, visit),
        ExprKind::If(condition, yes, no) => {
            visit_names(condition, visit);
            visit_names(yes, visit);
            visit_names(no, visit);
        }
    }
}
