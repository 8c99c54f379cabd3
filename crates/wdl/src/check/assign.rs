//! Values where a type is wanted: declarations, outputs, call inputs, members.

use std::collections::HashSet;

use super::{guess, typer::Typer};
use crate::{
    ast::{Expr, ExprKind, StringPart},
    coerce::{Coercion, Doubt, can_coerce},
    diagnostic::Diagnostic,
    load::with_guess,
    rule::Rule,
    types::{StructType, Type},
    version::Dialect,
};

impl Typer<'_> {
    /// Checks that a value of type `from` can become `to`. `what` names the receiver.
    pub(super) fn assign(&mut self, expr: &Expr, from: &Type, to: &Type, what: &str) {
        if let Type::Struct(wanted) = to.required()
            && let Some(names) = literal_names(expr)
        {
            self.assign_literal(expr, &names, wanted, what);
        }
        if let (Type::Enum(wanted), Some(text)) = (to.required(), plain_text(expr))
            && !wanted.choices.iter().any(|(name, _)| name == text)
        {
            let error = self.error(expr.span, format!("enum `{}` has no choice `{text}`", wanted.name));
            return self.findings.push(with_guess(error, guess(text, wanted.choices.iter().map(|(name, _)| name.as_str()))));
        }
        match can_coerce(from, to, self.dialect) {
            Coercion::Yes => self.note_lenient(expr, from, to, what),
            Coercion::Discouraged(doubt) => self.discouraged(expr, from, to, doubt, what),
            Coercion::No => {
                let message = format!("{what} is of type `{to}` and cannot be given `{from}`");
                // An undefined value fits every optional type.
                let may_work = from.is_optional() && to.is_optional();
                let finding = if may_work { self.graded(expr.span, message) } else { self.error(expr.span, message) };
                self.findings.push(finding.label(format!("this is `{from}`")));
            }
        }
    }

    fn discouraged(&mut self, expr: &Expr, from: &Type, to: &Type, doubt: Doubt, what: &str) {
        let empty = matches!(&expr.kind, ExprKind::Array(items) if items.is_empty());
        if empty && matches!(to.required(), Type::Array { nonempty: true, .. }) {
            let error = self.error(expr.span, format!("{what} is of type `{to}` and cannot be empty"));
            self.findings.push(error);
        } else {
            self.doubt(expr, from, to, doubt, what);
        }
    }

    /// What Cromwell converts without a word, and what still is worth one.
    fn note_lenient(&mut self, expr: &Expr, from: &Type, to: &Type, what: &str) {
        if self.dialect == Dialect::Cromwell
            && let Coercion::Discouraged(doubt) = can_coerce(from, to, Dialect::Specification)
            && doubt != Doubt::Text
        {
            self.doubt(expr, from, to, doubt, what);
        }
    }

    fn doubt(&mut self, expr: &Expr, from: &Type, to: &Type, doubt: Doubt, what: &str) {
        let message = format!("{what} is of type `{to}` and is given `{from}`: {}", doubt.text());
        // From 1.1 on it is not even part of the language.
        let rule = if self.dialect == Dialect::Specification && doubt == Doubt::FileText { Rule::Coercion } else { doubt.rule() };
        let warning = Diagnostic::warning(&self.module.document.source, expr.span, message).rule(rule);
        self.findings.push(warning.label(format!("this is `{from}`")));
    }

    /// Object and map literals show their members, so missing ones are found before the run.
    fn assign_literal(&mut self, expr: &Expr, names: &[&str], wanted: &StructType, what: &str) {
        let given: HashSet<&str> = names.iter().copied().collect();
        let known: HashSet<&str> = wanted.members.iter().map(|(name, _)| name.as_str()).collect();
        let missing = wanted.members.iter().filter(|(n, t)| !t.is_optional() && !given.contains(n.as_str()));
        let missing: Vec<&str> = missing.map(|(n, _)| n.as_str()).filter(|name| !self.module.may_hold(name)).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            let error =
                self.error(expr.span, format!("{what} lacks the member{plural} `{}` of struct `{}`", missing.join("`, `"), wanted.name));
            self.findings.push(error);
        }
        for name in names.iter().filter(|n| !known.contains(**n) && !self.module.may_hold(n)) {
            let finding = self.graded(expr.span, format!("struct `{}` has no member `{name}`", wanted.name));
            self.findings.push(finding);
        }
    }
}

/// The member names of an object literal, or of a map literal whose keys are plain strings.
fn literal_names(expr: &Expr) -> Option<Vec<&str>> {
    match &expr.kind {
        ExprKind::Object(members) => Some(members.iter().map(|(name, _)| &*name.text).collect()),
        ExprKind::Map(entries) => entries.iter().map(|(key, _)| plain_text(key)).collect(),
        _ => None,
    }
}

/// The text of a string literal without placeholders.
pub(super) fn plain_text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::String(parts) => match parts.as_slice() {
            [] => Some(""),
            [StringPart::Text(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
