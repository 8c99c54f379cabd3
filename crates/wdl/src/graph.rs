//! What depends on what: the names an expression uses, and drawings of workflows.

use std::sync::Arc;

use crate::ast::{Expr, ExprKind, StringPart, visit_exprs};

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
    visit_exprs(expr, &mut |expr| {
        if let ExprKind::Ident(name) = &expr.kind {
            visit(name, expr);
        }
    });
}
