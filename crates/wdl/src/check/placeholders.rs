//! Strings and commands.

use super::typer::Typer;
use crate::{
    ast::{Placeholder, StringPart},
    types::Type,
    version::Dialect,
};

impl Typer<'_> {
    /// Checks the placeholders of a string or command.
    pub(super) fn parts(&mut self, parts: &[StringPart]) {
        for part in parts {
            if let StringPart::Placeholder(placeholder) = part {
                let outer = std::mem::replace(&mut self.in_placeholder, true);
                self.placeholder(placeholder);
                self.in_placeholder = outer;
            }
        }
    }

    fn placeholder(&mut self, placeholder: &Placeholder) {
        let ty = self.value(&placeholder.expr);
        let span = placeholder.expr.span;
        let item = match (&placeholder.sep, ty.required()) {
            (Some(_), Type::Array { item, .. }) => item.required(),
            (Some(_), Type::Any | Type::None) => return,
            (Some(_), other) => {
                // Cromwell prints a single value as if it were an array of one.
                if self.dialect == Dialect::Specification {
                    let error = self.error(span, format!("`sep` needs an array, not `{ty}`")).hint("remove `sep`");
                    self.findings.push(error);
                }
                other
            }
            (None, Type::Array { .. }) => {
                let finding = self.graded(span, format!("a value of type `{ty}` has no text"));
                self.findings.push(finding.hint("join the elements: `~{sep(\" \", x)}`, or `~{sep=\" \" x}` before 1.1"));
                return;
            }
            (None, other) => other,
        };
        let choice = placeholder.if_true.is_some() || placeholder.if_false.is_some();
        match item {
            Type::Boolean | Type::Any | Type::None => {}
            _ if choice => {
                let finding = self.graded(span, format!("`true` and `false` need a `Boolean`, not `{ty}`"));
                self.findings.push(finding);
            }
            Type::Array { .. } | Type::Map(..) | Type::Pair(..) | Type::Object | Type::Struct(_) | Type::Call(_) => {
                let finding = self.graded(span, format!("a value of type `{item}` has no text"));
                let hint = match item {
                    Type::Pair(..) => "print `.left` and `.right`",
                    Type::Call(_) => "name one of the outputs of the call",
                    _ => "write it to a file with `write_json`, or print single members",
                };
                self.findings.push(finding.hint(hint));
            }
            _ => {}
        }
    }
}
