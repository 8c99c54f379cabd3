//! Literals of compound values, whose elements get a common type.

use std::sync::Arc;

use super::{EvalError, Evaluator};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, Name, StringPart, UnaryOp},
    coerce::{coerce, unify},
    keys::KeyIndex,
    library,
    source::Span,
    spelling,
    types::Type,
    value::{ObjectValue, Value},
    version::{Dialect, Version},
};

impl Evaluator<'_> {
    pub(super) fn string_literal(&self, parts: &[StringPart]) -> Result<Value, EvalError> {
        match parts {
            [] => Ok(Value::string("")),
            [StringPart::Text(text)] => Ok(Value::string(text.as_str())),
            // Cromwell parses `sep` in literals of 1.0 documents, yet prints the array as a literal.
            _ => {
                let ignore_sep = self.version == Version::V1_0 && self.dialect == Dialect::Cromwell;
                self.render_parts(parts, ignore_sep).map(Value::string)
            }
        }
    }

    pub(super) fn array_literal(&self, items: &[Expr]) -> Result<Value, EvalError> {
        let values = items.iter().map(|i| self.eval(i)).collect::<Result<Vec<_>, _>>()?;
        Ok(Value::array(self.unified(values)))
    }

    /// Gives the values their common type, when they have one.
    fn unified(&self, values: Vec<Value>) -> Vec<Value> {
        let Some(first) = values.iter().find(|v| !v.is_none()) else { return values };
        let kind = std::mem::discriminant(first);
        let simple = !matches!(first, Value::Array(_) | Value::Map(_) | Value::Pair(_) | Value::Object(_));
        if simple && values.iter().all(|v| v.is_none() || std::mem::discriminant(v) == kind) {
            return values;
        }
        // Members of objects keep their own types.
        if values.iter().any(contains_object) {
            return values;
        }
        let mut types = values.iter().map(Value::type_of);
        let Some(first) = types.next() else { return values };
        let Some(common) = types.try_fold(first, |common, t| unify(&common, &t, self.dialect)) else { return values };
        let converted: Option<Vec<Value>> = values.iter().map(|v| self.convert_simple(v, &common)).collect();
        converted.unwrap_or(values)
    }

    /// Like [`coerce`], but paths become text as they are known where the text is used.
    fn convert_simple(&self, value: &Value, ty: &Type) -> Option<Value> {
        match (value, ty.required()) {
            (Value::File(_) | Value::Directory(_), Type::String) => self.text(value).map(Value::String),
            _ => coerce(value, ty, self.dialect).ok(),
        }
    }

    pub(super) fn map_literal(&self, entries: &[(Expr, Expr)]) -> Result<Value, EvalError> {
        let mut keys = Vec::with_capacity(entries.len());
        let mut values = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            keys.push(self.eval(key)?);
            values.push(self.eval(value)?);
        }
        let (keys, values) = (self.unified(keys), self.unified(values));
        let mut index = KeyIndex::default();
        let mut out: Vec<(Value, Value)> = Vec::with_capacity(keys.len());
        for (key, value) in keys.into_iter().zip(values) {
            // Of a repeated key the last value counts, at the place of the first.
            match index.insert(&key, out.len()).and_then(|earlier| out.get_mut(earlier)) {
                Some(entry) => entry.1 = value,
                None => out.push((key, value)),
            }
        }
        Ok(Value::Map(Arc::new(out)))
    }

    fn members(&self, members: &[(Name, Expr)]) -> Result<ObjectValue, EvalError> {
        let members = members.iter().map(|(name, value)| Ok((Arc::clone(&name.text), self.eval(value)?)));
        Ok(ObjectValue { struct_name: None, members: members.collect::<Result<_, EvalError>>()? })
    }

    pub(super) fn object_literal(&self, members: &[(Name, Expr)]) -> Result<Value, EvalError> {
        Ok(Value::Object(Arc::new(self.members(members)?)))
    }

    pub(super) fn struct_literal(&self, name: &Name, members: &[(Name, Expr)], span: Span) -> Result<Value, EvalError> {
        let object = Value::Object(Arc::new(self.members(members)?));
        if let Some(definition) = self.module.structs.get(&*name.text) {
            return coerce(&object, &Type::Struct(Arc::clone(definition)), self.dialect).map_err(|e| EvalError::new(span, e));
        }
        // The scoped values of 1.2 have free members.
        if matches!(&*name.text, "hints" | "input" | "output" | "object") {
            return Ok(object);
        }
        let error = EvalError::new(name.span, format!("unknown struct `{}`", name.text));
        match spelling::nearest(&name.text, self.module.structs.keys().map(String::as_str)) {
            Some(near) => Err(error.hint(format!("did you mean `{near}`?"))),
            None => Err(error),
        }
    }

    /// The type of an expression as far as it shows without evaluating it; only simple types.
    pub(super) fn guess(&self, expr: &Expr) -> Option<Type> {
        match &expr.kind {
            ExprKind::Boolean(_) => Some(Type::Boolean),
            ExprKind::Int(_) => Some(Type::Int),
            ExprKind::Float(_) => Some(Type::Float),
            ExprKind::String(_) => Some(Type::String),
            ExprKind::Unary(UnaryOp::Not, _) => Some(Type::Boolean),
            ExprKind::Unary(_, operand) => self.guess(operand),
            ExprKind::Binary(op, l, r) => guess_binary(*op, self.guess(l), self.guess(r)),
            ExprKind::If(_, yes, no) => self.guess(yes).zip(self.guess(no)).and_then(|(a, b)| unify(&a, &b, self.dialect)),
            ExprKind::Ident(name) => self.scope.get(name).and_then(|v| simple_type(&v)),
            ExprKind::Call(name, args) => {
                let types: Vec<Type> = args.iter().map(|a| self.guess(a).unwrap_or(Type::Any)).collect();
                let ty = library::return_type(&name.text, &types, self.version, self.dialect).ok()?;
                matches!(ty, Type::Boolean | Type::Int | Type::Float | Type::String).then_some(ty)
            }
            _ => None,
        }
    }
}

fn contains_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(contains_object),
        Value::Map(entries) => entries.iter().any(|(_, v)| contains_object(v)),
        Value::Pair(pair) => contains_object(&pair.0) || contains_object(&pair.1),
        _ => false,
    }
}

fn simple_type(value: &Value) -> Option<Type> {
    match value {
        Value::Boolean(_) => Some(Type::Boolean),
        Value::Int(_) => Some(Type::Int),
        Value::Float(_) => Some(Type::Float),
        Value::String(_) => Some(Type::String),
        _ => None,
    }
}

fn guess_binary(op: BinaryOp, l: Option<Type>, r: Option<Type>) -> Option<Type> {
    match op {
        BinaryOp::Or | BinaryOp::And | BinaryOp::Eq | BinaryOp::Ne => Some(Type::Boolean),
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => Some(Type::Boolean),
        BinaryOp::Add if l == Some(Type::String) || r == Some(Type::String) => Some(Type::String),
        _ => match (l, r) {
            (Some(Type::Int), Some(Type::Int)) => Some(Type::Int),
            (Some(Type::Float), _) | (_, Some(Type::Float)) => Some(Type::Float),
            _ => None,
        },
    }
}
