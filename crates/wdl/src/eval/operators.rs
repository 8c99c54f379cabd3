//! Operators.

use std::{cmp::Ordering, sync::Arc};

use super::{EvalError, Evaluator};
use crate::{
    ast::{BinaryOp, Expr, UnaryOp},
    source::Span,
    value::Value,
    version::Dialect,
};

/// Why two operands give no value, before it has a place.
enum Refusal {
    /// An operand is undefined.
    Undefined,
    /// The operator is not defined for the types.
    Types,
    /// The result does not fit an `Int`.
    Overflow,
    /// Anything else.
    Other(String, Option<&'static str>),
}

impl Evaluator<'_> {
    pub(super) fn unary(&self, op: UnaryOp, operand: &Expr) -> Result<Value, EvalError> {
        let value = self.eval(operand)?;
        match (op, value) {
            (_, Value::None) => Err(EvalError::undefined(operand.span, "the operand")),
            (UnaryOp::Not, Value::Boolean(b)) => Ok(Value::Boolean(!b)),
            (UnaryOp::Plus, number @ (Value::Int(_) | Value::Float(_))) => Ok(number),
            (UnaryOp::Minus, Value::Float(f)) => Ok(Value::Float(-f)),
            (UnaryOp::Minus, Value::Int(i)) => {
                i.checked_neg().map(Value::Int).ok_or_else(|| EvalError::new(operand.span, "the result does not fit a 64-bit `Int`"))
            }
            (op, other) => {
                let wanted = if op == UnaryOp::Not { "a `Boolean`" } else { "a number" };
                Err(EvalError::new(operand.span, format!("`{}` needs {wanted}, not `{}`", unary_text(op), other.type_of())))
            }
        }
    }

    pub(super) fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Result<Value, EvalError> {
        match op {
            BinaryOp::And => Ok(Value::Boolean(self.logical(op, left)? && self.logical(op, right)?)),
            BinaryOp::Or => Ok(Value::Boolean(self.logical(op, left)? || self.logical(op, right)?)),
            _ => {
                let l = self.eval(left)?;
                let r = self.eval(right)?;
                self.apply(op, &l, &r).map_err(|refusal| place(refusal, op, (left, &l), (right, &r), span))
            }
        }
    }

    fn logical(&self, op: BinaryOp, operand: &Expr) -> Result<bool, EvalError> {
        match self.eval(operand)? {
            Value::Boolean(b) => Ok(b),
            Value::None => Err(EvalError::undefined(operand.span, "the operand")),
            Value::String(s) if self.dialect == Dialect::Cromwell && crate::coerce::boolean_text(&s).is_some() => {
                Ok(crate::coerce::boolean_text(&s) == Some(true))
            }
            other => Err(EvalError::new(operand.span, format!("`{}` needs a `Boolean`, not `{}`", op.symbol(), other.type_of()))),
        }
    }

    fn apply(&self, op: BinaryOp, l: &Value, r: &Value) -> Result<Value, Refusal> {
        match op {
            BinaryOp::Eq | BinaryOp::Ne => {
                let same = self.equal(l, r).map_err(|(a, b)| Refusal::Other(format!("`{a}` and `{b}` cannot be compared"), None))?;
                Ok(Value::Boolean(same == (op == BinaryOp::Eq)))
            }
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => order(op, l, r),
            BinaryOp::Add => self.add(l, r),
            _ => arithmetic(op, l, r),
        }
    }

    fn add(&self, l: &Value, r: &Value) -> Result<Value, Refusal> {
        use Value::{Boolean, Directory, Enum, File, Float, Int, None, String};
        match (l, r) {
            (None, String(_) | File(_) | Directory(_)) | (String(_) | File(_) | Directory(_), None)
                if self.dialect == Dialect::Cromwell =>
            {
                Ok(None)
            }
            (None, None) if self.dialect == Dialect::Cromwell => Ok(None),
            (None, _) | (_, None) => Err(Refusal::Undefined),
            (Int(_) | Float(_), Int(_) | Float(_)) => arithmetic(BinaryOp::Add, l, r),
            // What lies below a directory may be a file or a directory: the declaration it is for decides.
            (Directory(_), String(_) | File(_) | Directory(_)) => self.joined(l, r).map(String),
            (File(path), String(_) | File(_) | Directory(_)) => {
                let joined = self.joined(l, r)?;
                // A path named differently inside the task is only good as text there.
                Ok(if *self.host.path_text(path) == **path { File(joined) } else { String(joined) })
            }
            (String(_), String(_) | File(_) | Directory(_) | Int(_) | Float(_) | Boolean(_) | Enum(..))
            | (Int(_) | Float(_) | Boolean(_) | Enum(..), String(_)) => self.joined(l, r).map(String),
            (Int(_) | Float(_), File(_) | Directory(_)) | (File(_) | Directory(_), Int(_) | Float(_)) => self.joined(l, r).map(String),
            _ => Err(Refusal::Types),
        }
    }

    fn joined(&self, l: &Value, r: &Value) -> Result<Arc<str>, Refusal> {
        let (a, b) = self.text(l).zip(self.text(r)).ok_or(Refusal::Types)?;
        if a.len().saturating_add(b.len()) > crate::library::MAX_TEXT_BYTES {
            return Err(Refusal::Other("the text grows too long".to_owned(), Some("write it to a file instead")));
        }
        // The text, and its shared form.
        let bytes = 2 * (a.len() + b.len()) as u64;
        self.host.ask(bytes).map_err(|message| Refusal::Other(message, Some(super::TOO_MUCH)))?;
        let mut text = String::with_capacity(a.len() + b.len());
        text.push_str(&a);
        text.push_str(&b);
        Ok(Arc::from(text))
    }
}

fn place(refusal: Refusal, op: BinaryOp, left: (&Expr, &Value), right: (&Expr, &Value), span: Span) -> EvalError {
    match refusal {
        Refusal::Undefined if left.1.is_none() => EvalError::undefined(left.0.span, "the left operand"),
        Refusal::Undefined => EvalError::undefined(right.0.span, "the right operand"),
        Refusal::Overflow => EvalError::new(span, "the result does not fit a 64-bit `Int`").hint("calculate with `Float`"),
        Refusal::Types => {
            EvalError::new(span, format!("`{}` is not defined for `{}` and `{}`", op.symbol(), left.1.type_of(), right.1.type_of()))
        }
        Refusal::Other(message, hint) => EvalError { hint: hint.map(str::to_owned), ..EvalError::new(span, message) },
    }
}

fn order(op: BinaryOp, l: &Value, r: &Value) -> Result<Value, Refusal> {
    let ordering = match (l, r) {
        (Value::None, _) | (_, Value::None) => return Err(Refusal::Undefined),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::String(a) | Value::File(a) | Value::Directory(a), Value::String(b) | Value::File(b) | Value::Directory(b)) => {
            Some(a.cmp(b))
        }
        _ => return Err(Refusal::Types),
    };
    Ok(Value::Boolean(match op {
        BinaryOp::Lt => ordering == Some(Ordering::Less),
        BinaryOp::Le => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        BinaryOp::Gt => ordering == Some(Ordering::Greater),
        _ => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

fn arithmetic(op: BinaryOp, l: &Value, r: &Value) -> Result<Value, Refusal> {
    match (l, r) {
        (Value::None, _) | (_, Value::None) => Err(Refusal::Undefined),
        (Value::Int(a), Value::Int(b)) => integers(op, *a, *b).map(Value::Int),
        (Value::Float(a), Value::Float(b)) => floats(op, *a, *b),
        (Value::Int(a), Value::Float(b)) => floats(op, *a as f64, *b),
        (Value::Float(a), Value::Int(b)) => floats(op, *a, *b as f64),
        _ => Err(Refusal::Types),
    }
}

fn division_by_zero() -> Refusal {
    Refusal::Other("division by zero".to_owned(), None)
}

fn integers(op: BinaryOp, a: i64, b: i64) -> Result<i64, Refusal> {
    let result = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::Rem if b == 0 => return Err(division_by_zero()),
        BinaryOp::Div => a.checked_div(b),
        // The one case that overflows, the smallest number divided by -1, has no remainder.
        BinaryOp::Rem => Some(a.checked_rem(b).unwrap_or(0)),
        BinaryOp::Pow => return power(a, b),
        _ => return Err(Refusal::Types),
    };
    result.ok_or(Refusal::Overflow)
}

fn power(base: i64, exponent: i64) -> Result<i64, Refusal> {
    match (base, u32::try_from(exponent)) {
        _ if exponent < 0 => Err(Refusal::Other(
            "a negative exponent gives no `Int`".to_owned(),
            Some("write one of the operands as `Float`, for example `2.0 ** -1`"),
        )),
        (0 | 1, _) => Ok(if exponent == 0 { 1 } else { base }),
        (-1, _) => Ok(if exponent % 2 == 0 { 1 } else { -1 }),
        (_, Ok(exponent)) => base.checked_pow(exponent).ok_or(Refusal::Overflow),
        (_, Err(_)) => Err(Refusal::Overflow),
    }
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Result<Value, Refusal> {
    Ok(Value::Float(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div | BinaryOp::Rem if b == 0.0 => return Err(division_by_zero()),
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        BinaryOp::Pow => a.powf(b),
        _ => return Err(Refusal::Types),
    }))
}

fn unary_text(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Not => "!",
        UnaryOp::Minus => "-",
        UnaryOp::Plus => "+",
    }
}
