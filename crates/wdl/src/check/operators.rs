//! Binary operators.

use super::typer::Typer;
use crate::{
    ast::{BinaryOp, Expr, ExprKind},
    coerce::unify,
    source::Span,
    types::Type,
    version::Dialect,
};

impl Typer<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Type {
        let l = self.left_operand(left);
        let r = self.value(right);
        match op {
            BinaryOp::Or | BinaryOp::And => self.logical(op, (left, &l), (right, &r)),
            BinaryOp::Eq | BinaryOp::Ne => self.equality(op, &l, &r, span),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => self.order(op, (left, &l), (right, &r), span),
            BinaryOp::Add => self.add((left, &l), (right, &r), span),
            _ => self.arithmetic(op, (left, &l), (right, &r), span),
        }
    }

    fn left_operand(&mut self, left: &Expr) -> Type {
        match &left.kind {
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b, left.span),
            _ => self.value(left),
        }
    }

    fn mismatch(&mut self, op: BinaryOp, l: &Type, r: &Type, span: Span) -> Type {
        let message = format!("`{}` is not defined for `{l}` and `{r}`", op.symbol());
        // An undefined operand makes the whole text undefined for Cromwell, whatever the types.
        let may_work = op == BinaryOp::Add && (l.is_optional() || r.is_optional());
        let error = if may_work { self.graded(span, message) } else { self.error(span, message) };
        let error = match (op, l.required(), r.required()) {
            (BinaryOp::Add, Type::Array { .. }, Type::Array { .. }) => error.hint("join arrays with `flatten([a, b])`"),
            (BinaryOp::Add, Type::Array { .. }, _) | (BinaryOp::Add, _, Type::Array { .. }) => {
                error.hint("join the elements first: `sep(\" \", x)`")
            }
            _ => error,
        };
        self.fault(error)
    }

    fn logical(&mut self, op: BinaryOp, left: (&Expr, &Type), right: (&Expr, &Type)) -> Type {
        for (expr, ty) in [left, right] {
            self.note_optional(ty, expr.span);
            let fits = match ty.required() {
                Type::Boolean | Type::Any | Type::None => true,
                Type::String => self.dialect == Dialect::Cromwell,
                _ => false,
            };
            if !fits {
                let error = self.error(expr.span, format!("`{}` needs a `Boolean`, not `{ty}`", op.symbol()));
                self.findings.push(error);
            }
        }
        Type::Boolean
    }

    fn equality(&mut self, op: BinaryOp, l: &Type, r: &Type, span: Span) -> Type {
        if !comparable(l, r) {
            // The operands may be undefined at run time, and then the comparison has a result after all.
            let finding = self.graded(span, format!("`{}` cannot compare `{l}` with `{r}`", op.symbol()));
            self.findings.push(finding);
        } else if matches!(l.required(), Type::Struct(_)) && unify(l, r, self.dialect).is_none() {
            let finding = self.graded(span, format!("`{}` compares `{l}` with `{r}`, which are never equal", op.symbol()));
            self.findings.push(finding);
        }
        Type::Boolean
    }

    fn order(&mut self, op: BinaryOp, left: (&Expr, &Type), right: (&Expr, &Type), span: Span) -> Type {
        self.note_optional(left.1, left.0.span);
        self.note_optional(right.1, right.0.span);
        match (left.1.required(), right.1.required()) {
            (Type::Any | Type::None, _) | (_, Type::Any | Type::None) => {}
            (l, r) if is_number(l) && is_number(r) => {}
            (l, r) if is_text(l) && is_text(r) => {}
            (Type::Boolean, Type::Boolean) => {}
            _ => {
                self.mismatch(op, left.1, right.1, span);
            }
        }
        Type::Boolean
    }

    fn arithmetic(&mut self, op: BinaryOp, left: (&Expr, &Type), right: (&Expr, &Type), span: Span) -> Type {
        self.note_optional(left.1, left.0.span);
        self.note_optional(right.1, right.0.span);
        match (left.1.required(), right.1.required()) {
            (Type::Any | Type::None, _) | (_, Type::Any | Type::None) => Type::Any,
            (Type::Int, Type::Int) => Type::Int,
            (l, r) if is_number(l) && is_number(r) => Type::Float,
            _ => self.mismatch(op, left.1, right.1, span),
        }
    }

    fn add(&mut self, left: (&Expr, &Type), right: (&Expr, &Type), span: Span) -> Type {
        let (l, r) = (left.1.required(), right.1.required());
        let texts = is_text(l) || is_text(r);
        // Cromwell makes the whole text undefined when a part is.
        let optional = texts && (left.1.is_optional() || right.1.is_optional()) && *l != Type::Any && *r != Type::Any;
        if !(texts && self.dialect == Dialect::Cromwell) {
            self.note_optional(left.1, left.0.span);
            self.note_optional(right.1, right.0.span);
        }
        let sum = match (l, r) {
            (Type::None, t) | (t, Type::None) if is_text(t) => Type::String,
            (Type::Any | Type::None, _) | (_, Type::Any | Type::None) => return Type::Any,
            (Type::Int, Type::Int) => Type::Int,
            _ if is_number(l) && is_number(r) => Type::Float,
            // What lies below a directory may be a file or a directory: a text becomes either.
            (Type::File, _) if is_text(r) => Type::File,
            _ if texts && (has_text(l) && has_text(r)) => {
                if matches!(l, Type::Boolean) || matches!(r, Type::Boolean) {
                    let finding = self.graded(span, format!("`+` is not defined for `{l}` and `{r}`"));
                    self.findings.push(finding.hint("write the Boolean in a placeholder: `\"~{x}\"`"));
                }
                Type::String
            }
            _ => return self.mismatch(BinaryOp::Add, left.1, right.1, span),
        };
        if optional && (self.dialect == Dialect::Cromwell || self.in_placeholder) { sum.optional() } else { sum }
    }
}

fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Int | Type::Float)
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::File | Type::Directory)
}

fn has_text(ty: &Type) -> bool {
    is_number(ty) || is_text(ty) || matches!(ty, Type::Boolean | Type::Enum(_))
}

/// Whether values of the types can be compared for equality at all.
fn comparable(l: &Type, r: &Type) -> bool {
    match (l.required(), r.required()) {
        (Type::Any | Type::None, _) | (_, Type::Any | Type::None) => true,
        (l, r) if is_number(l) && is_number(r) => true,
        (l, r) if is_text(l) && is_text(r) => true,
        (Type::Boolean, Type::Boolean) => true,
        (Type::Array { item: a, .. }, Type::Array { item: b, .. }) => comparable(a, b),
        (Type::Pair(a, b), Type::Pair(c, d)) | (Type::Map(a, b), Type::Map(c, d)) => comparable(a, c) && comparable(b, d),
        (Type::Object | Type::Struct(_) | Type::Call(_), Type::Object | Type::Struct(_) | Type::Call(_)) => true,
        (Type::Enum(a), Type::Enum(b)) => a.name == b.name,
        _ => false,
    }
}
