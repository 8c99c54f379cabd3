//! Members and elements.

use std::sync::Arc;

use super::{guess, typer::Typer};
use crate::{
    ast::{Expr, ExprKind, Name},
    coerce::can_coerce,
    diagnostic::Diagnostic,
    load::with_guess,
    types::{StructType, Type},
    version::{Dialect, Version},
};

impl Typer<'_> {
    pub(super) fn member(&mut self, base: &Expr, name: &Name) -> Type {
        if let Some(ty) = self.choice_of_enum(base, name) {
            return ty;
        }
        if self.is_unread_enum(base) {
            return Type::Any;
        }
        let ty = self.expr(base);
        self.note_optional(&ty, base.span);
        match ty.required() {
            Type::Any | Type::Object | Type::None => Type::Any,
            Type::Call(outputs) => self.call_output(base, outputs, name),
            Type::Struct(s) => match s.member(&name.text) {
                Some(ty) => ty.clone(),
                None if self.module.may_hold(&name.text) => Type::Any,
                None => {
                    let error = self.error(name.span, format!("struct `{}` has no member `{}`", s.name, name.text));
                    let task = s.name == "task" && &*name.text == "return_code";
                    self.fault(if task {
                        error.hint("it is known only in the `output` section")
                    } else {
                        with_guess(error, guess(&name.text, s.members.iter().map(|(n, _)| n.as_str())))
                    })
                }
            },
            Type::Pair(left, _) if &*name.text == "left" => left.as_ref().clone(),
            Type::Pair(_, right) if &*name.text == "right" => right.as_ref().clone(),
            Type::Pair(..) => {
                let error = self.error(name.span, format!("a pair has no member `{}`", name.text));
                self.fault(error.hint("its members are `left` and `right`"))
            }
            // Cromwell lets maps be used like objects.
            Type::Map(key, value) if **key == Type::String || **key == Type::Any => {
                if self.dialect == Dialect::Specification {
                    let warning = Diagnostic::warning(&self.module.document.source, name.span, "a map has no members");
                    self.findings.push(warning.hint(format!("write `[\"{}\"]`", name.text)));
                }
                value.as_ref().clone()
            }
            Type::Array { .. } => {
                let error =
                    self.error(name.span, format!("an array has no member `{}`", name.text)).label(format!("of a value of type `{ty}`"));
                self.fault(error.hint("take one element first, as in `x[0]`, or scatter over the array"))
            }
            _ => {
                let error = self.error(name.span, format!("a value of type `{ty}` has no member `{}`", name.text));
                self.fault(error)
            }
        }
    }

    /// `Enum.choice`, unless a value has the name of the enum.
    fn choice_of_enum(&mut self, base: &Expr, name: &Name) -> Option<Type> {
        let ExprKind::Ident(base_name) = &base.kind else { return None };
        let ty = Arc::clone(self.module.enums.get(&**base_name)?);
        if self.names.get(base_name).is_some() {
            return None;
        }
        let known = ty.choices.iter().any(|(choice, _)| **choice == *name.text);
        if !known && !self.module.may_hold(&name.text) {
            let error = self.error(name.span, format!("enum `{base_name}` has no choice `{}`", name.text));
            let error = with_guess(error, guess(&name.text, ty.choices.iter().map(|(n, _)| n.as_str())));
            self.findings.push(error);
        }
        Some(Type::Enum(ty))
    }

    /// Whether the name may be that of an enum in an import that cannot be read.
    fn is_unread_enum(&self, base: &Expr) -> bool {
        let ExprKind::Ident(name) = &base.kind else { return false };
        self.version >= Version::V1_3 && self.module.document.losses.lacks_imports() && &**name != "task" && self.names.get(name).is_none()
    }

    fn call_output(&mut self, base: &Expr, outputs: &StructType, name: &Name) -> Type {
        if let Some(ty) = outputs.member(&name.text) {
            return ty.clone();
        }
        if self.module.may_hold(&name.text) {
            return Type::Any;
        }
        let call = self.module.document.source.slice(base.span);
        let error = self.error(name.span, format!("call `{call}` has no output `{}`", name.text));
        let error = match outputs.members.as_slice() {
            [] => error.hint("what it calls declares no outputs"),
            members => with_guess(error, guess(&name.text, members.iter().map(|(n, _)| n.as_str()))),
        };
        self.fault(error)
    }

    pub(super) fn index(&mut self, base: &Expr, index: &Expr) -> Type {
        let ty = self.value(base);
        let key = self.value(index);
        self.note_optional(&ty, base.span);
        match ty.required() {
            Type::Any | Type::None => Type::Any,
            Type::Array { item, .. } => {
                self.note_optional(&key, index.span);
                if !matches!(key.required(), Type::Int | Type::Any | Type::None) {
                    let error = self.error(index.span, format!("an array is indexed by `Int`, not by `{key}`"));
                    self.findings.push(error);
                }
                item.as_ref().clone()
            }
            Type::Map(wanted, value) => {
                if !can_coerce(&key, wanted, self.dialect).is_possible() {
                    let error = self.error(index.span, format!("keys of this map are of type `{wanted}`, not `{key}`"));
                    self.findings.push(error);
                }
                value.as_ref().clone()
            }
            Type::Object | Type::Struct(_) if matches!(key.required(), Type::String | Type::Any) => Type::Any,
            _ => {
                let error = self.error(base.span, format!("a value of type `{ty}` cannot be indexed"));
                self.fault(error)
            }
        }
    }
}
