//! Enums (1.3): the type and the values of their choices.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;

use super::structs::dialect;
use crate::{
    ast::{Document, EnumDef, Expr, ExprKind, StringPart, UnaryOp},
    coerce::{coerce, unify},
    diagnostic::Diagnostic,
    findings::Findings,
    source::Span,
    types::{EnumType, Type},
    value::{ObjectValue, Value},
    version::Dialect,
};

/// The meaning of an enum definition.
pub(super) fn build(document: &Document, definition: &EnumDef, declared: Option<Type>, findings: &mut Findings) -> EnumType {
    let name = &definition.name.text;
    let mut report = |span: Span, message: String, hint: &str| {
        let error = Diagnostic::error(&document.source, span, message);
        findings.push(if hint.is_empty() { error } else { error.hint(hint) });
    };
    let mut choices: Vec<(String, Value, Span)> = Vec::with_capacity(definition.choices.len());
    let mut seen: HashSet<&str> = HashSet::new();
    for (choice, value) in &definition.choices {
        if !seen.insert(&choice.text) {
            report(choice.span, format!("second choice `{}`", choice.text), "rename one of them");
            continue;
        }
        let (value, span) = match value {
            None => (Value::string(Arc::clone(&choice.text)), choice.span),
            Some(expr) => match literal(expr) {
                Some(value) => (value, expr.span),
                None => {
                    report(expr.span, "value of a choice is not a literal".into(), "expressions and placeholders are not allowed here");
                    (Value::None, expr.span)
                }
            },
        };
        choices.push((choice.text.to_string(), value, span));
    }
    let dialect = dialect(document);
    let typed = declared.is_some();
    let value_type = declared.unwrap_or_else(|| {
        let types = choices.iter().map(|(_, value, _)| value.type_of());
        types.reduce(|a, b| common(&a, &b, dialect)).unwrap_or(Type::String)
    });
    if value_type == Type::Any && choices.iter().all(|(_, value, _)| !value.is_none()) {
        report(definition.name.span, format!("choices of enum `{name}` have no common type"), "give every choice a value of the same type");
    }
    let choices = choices
        .into_iter()
        .map(|(choice, value, span)| {
            let value = coerce(&value, &value_type, dialect).unwrap_or_else(|cause| {
                if !value.is_none() {
                    report(span, format!("choice `{choice}`: {cause}"), "");
                }
                Value::None
            });
            (choice, value)
        })
        .collect();
    EnumType { name: name.to_string(), value_type, typed, choices }
}

/// The type of two choices together. Only numbers mix; that a number can become a text does not count.
fn common(a: &Type, b: &Type, dialect: Dialect) -> Type {
    let numbers = matches!((a, b), (Type::Int, Type::Float) | (Type::Float, Type::Int));
    let simple = |ty: &Type| matches!(ty, Type::Boolean | Type::Int | Type::Float | Type::String);
    match (a, b) {
        _ if a == b || numbers => unify(a, b, dialect).unwrap_or(Type::Any),
        _ if simple(a) || simple(b) => Type::Any,
        (Type::Array { item: x, .. }, Type::Array { item: y, .. }) => wrap(common(x, y, dialect), Type::array),
        (Type::Map(k, v), Type::Map(l, w)) | (Type::Pair(k, v), Type::Pair(l, w)) => {
            let (first, second) = (common(k, l, dialect), common(v, w, dialect));
            let map = matches!(a, Type::Map(..));
            wrap(first, |first| wrap(second, |second| if map { Type::map(first, second) } else { Type::pair(first, second) }))
        }
        _ => unify(a, b, dialect).unwrap_or(Type::Any),
    }
}

/// `Any` inside makes the whole type `Any`.
fn wrap(ty: Type, outer: impl FnOnce(Type) -> Type) -> Type {
    if ty == Type::Any { ty } else { outer(ty) }
}

/// The value of a literal; `None` for every other expression.
fn literal(expr: &Expr) -> Option<Value> {
    Some(match &expr.kind {
        ExprKind::Boolean(b) => Value::Boolean(*b),
        ExprKind::Int(i) => Value::Int(*i),
        ExprKind::Float(f) => Value::Float(*f),
        ExprKind::String(parts) => Value::string(plain_text(parts)?),
        ExprKind::Array(items) => Value::array(items.iter().map(literal).collect::<Option<_>>()?),
        ExprKind::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| Some((literal(k)?, literal(v)?))).collect::<Option<_>>()?;
            Value::Map(Arc::new(pairs))
        }
        ExprKind::Pair(left, right) => Value::Pair(Arc::new((literal(left)?, literal(right)?))),
        ExprKind::Object(members) | ExprKind::Struct(_, members) => {
            let members: IndexMap<_, _> =
                members.iter().map(|(name, value)| Some((Arc::clone(&name.text), literal(value)?))).collect::<Option<_>>()?;
            Value::Object(Arc::new(ObjectValue { struct_name: None, members }))
        }
        ExprKind::Unary(UnaryOp::Minus, inner) => match literal(inner)? {
            Value::Int(i) => Value::Int(i.checked_neg()?),
            Value::Float(f) => Value::Float(-f),
            _ => return None,
        },
        ExprKind::Unary(UnaryOp::Plus, inner) => literal(inner).filter(|v| matches!(v, Value::Int(_) | Value::Float(_)))?,
        _ => return None,
    })
}

fn plain_text(parts: &[StringPart]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            StringPart::Text(piece) => text.push_str(piece),
            StringPart::Placeholder(_) => return None,
        }
    }
    Some(text)
}
