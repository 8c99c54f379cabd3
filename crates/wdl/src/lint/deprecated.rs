//! What the version of the document discourages.

use super::{Linter, nodes, task_exprs, workflow_exprs};
use crate::{
    ast::{Decl, Expr, ExprKind, Node, Placeholder, StringPart, Task, TypeExpr, TypeKind, visit_exprs},
    rule::Rule,
    source::Span,
    version::Version,
};

impl Linter<'_> {
    pub(super) fn deprecated(&mut self) {
        let document = &self.module.document;
        if document.version < Version::V1_1 {
            return;
        }
        for task in &document.tasks {
            let decls = task.inputs.iter().chain(&task.decls).chain(&task.outputs);
            decls.for_each(|decl| self.old_type(decl));
            self.old_parts(&task.command.parts);
            task_exprs(task, &mut |expr| self.old_exprs(expr));
            if document.version >= Version::V1_2 {
                self.old_attributes(task);
            }
        }
        let Some(workflow) = &document.workflow else { return };
        workflow.inputs.iter().for_each(|decl| self.old_type(decl));
        nodes(&workflow.body, &mut |node| {
            if let Node::Decl(decl) = node {
                self.old_type(decl);
            }
        });
        workflow.outputs.iter().flat_map(|section| &section.decls).for_each(|decl| self.old_type(decl));
        workflow_exprs(workflow, &mut |expr| self.old_exprs(expr));
        if document.version >= Version::V1_2
            && let Some((key, _)) = workflow.meta.iter().find(|(key, _)| &*key.text == "allowNestedInputs")
        {
            self.old(key.span, "`allowNestedInputs` in `meta`", Version::V1_2, "write `hints { allow_nested_inputs: true }`");
        }
    }

    fn old(&mut self, span: Span, what: &str, since: Version, hint: impl Into<String>) {
        self.warn(Rule::Deprecated, span, format!("{what} is deprecated since WDL {since}"), hint);
    }

    fn old_type(&mut self, decl: &Decl) {
        if let Some(span) = find_object(&decl.ty) {
            self.old(span, "type `Object`", Version::V1_1, "define a `struct`");
        }
    }

    fn old_exprs(&mut self, expr: &Expr) {
        visit_exprs(expr, &mut |expr| match &expr.kind {
            ExprKind::Object(_) => self.old(expr.span, "an `object` literal", Version::V1_1, "define a `struct` and write `Name { ... }`"),
            ExprKind::String(parts) => self.old_parts(parts),
            _ => {}
        });
    }

    fn old_parts(&mut self, parts: &[StringPart]) {
        for part in parts {
            if let StringPart::Placeholder(placeholder) = part {
                self.old_options(placeholder);
            }
        }
    }

    fn old_options(&mut self, placeholder: &Placeholder) {
        let Placeholder { span, sep, if_true, default, .. } = placeholder;
        if sep.is_some() {
            self.old(*span, "a placeholder with `sep`", Version::V1_1, "write `~{sep(\", \", x)}`");
        }
        if if_true.is_some() {
            self.old(*span, "a placeholder with `true` and `false`", Version::V1_1, "write `~{if x then \"a\" else \"b\"}`");
        }
        if default.is_some() {
            self.old(*span, "a placeholder with `default`", Version::V1_1, "write `~{select_first([x, \"default\"])}`");
        }
    }

    fn old_attributes(&mut self, task: &Task) {
        if let Some((key, _)) = task.runtime.first() {
            self.old(key.span, "section `runtime`", Version::V1_2, "split it into `requirements` and `hints`");
        }
        for (key, _) in &task.requirements {
            let now = match &*key.text {
                "docker" => "container",
                "maxRetries" => "max_retries",
                "returnCodes" => "return_codes",
                _ => continue,
            };
            self.old(key.span, &format!("`{}`", key.text), Version::V1_2, format!("write `{now}`"));
        }
    }
}

/// The first `Object` in a type.
fn find_object(ty: &TypeExpr) -> Option<Span> {
    match &ty.kind {
        TypeKind::Object => Some(ty.span),
        TypeKind::Array { item, .. } => find_object(item),
        TypeKind::Map(left, right) | TypeKind::Pair(left, right) => find_object(left).or_else(|| find_object(right)),
        _ => None,
    }
}
