//! `floor`, `ceil`, `round`, `min`, `max`.

use super::{Fault, Outcome, args::Args};
use crate::{types::Type, value::Value};

fn rounded(args: &Args<'_>, how: fn(f64) -> f64) -> Outcome {
    // An integer needs no rounding, and a large one would lose digits on the way.
    if let Value::Int(i) = args.value(0) {
        return Ok(Value::Int(*i));
    }
    let Value::Float(number) = args.converted(0, &Type::Float)? else { return Err(args.wrong(0, "a number")) };
    match crate::coerce::whole(how(number)) {
        Some(i) => Ok(Value::Int(i)),
        None => Err(Fault::new(format!("`{}` of {number} does not fit a 64-bit `Int`", args.name)).argument(0)),
    }
}

pub(super) fn floor(args: &Args<'_>) -> Outcome {
    rounded(args, f64::floor)
}

pub(super) fn ceil(args: &Args<'_>) -> Outcome {
    rounded(args, f64::ceil)
}

/// Half goes up, also below zero: 2.5 gives 3 and -2.5 gives -2.
pub(super) fn round(args: &Args<'_>) -> Outcome {
    // Adding 0.5 first would round 0.49999999999999994 up.
    rounded(args, |x| if x - x.floor() >= 0.5 { x.floor() + 1.0 } else { x.floor() })
}

pub(super) fn min(args: &Args<'_>) -> Outcome {
    extreme(args, i64::min, f64::min)
}

pub(super) fn max(args: &Args<'_>) -> Outcome {
    extreme(args, i64::max, f64::max)
}

fn extreme(args: &Args<'_>, ints: fn(i64, i64) -> i64, floats: fn(f64, f64) -> f64) -> Outcome {
    match (args.value(0), args.value(1)) {
        (Value::Int(a), Value::Int(b)) => Ok(Value::Int(ints(*a, *b))),
        _ => {
            let (a, b) = (args.converted(0, &Type::Float)?, args.converted(1, &Type::Float)?);
            match (a, b) {
                (Value::Float(a), Value::Float(b)) => Ok(Value::Float(floats(a, b))),
                _ => Err(args.wrong(0, "a number")),
            }
        }
    }
}
