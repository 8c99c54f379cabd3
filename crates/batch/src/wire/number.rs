//! Numbers as clients write them: as numbers, or, by some, as texts.

use serde::{Deserialize, Deserializer, de::Error};

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Integer(i64),
    Decimal(f64),
    Text(String),
}

/// An integer, also written as a text or with a fraction of zero.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    const LARGEST: f64 = 9e15;
    match Written::deserialize(deserializer).map_err(|_| D::Error::custom("must be an integer"))? {
        Written::Integer(number) => Ok(number),
        Written::Decimal(number) if number.fract() == 0.0 && number.abs() < LARGEST => Ok(number as i64),
        Written::Decimal(number) => Err(D::Error::custom(format!("must be an integer, not {number}"))),
        Written::Text(text) => text.trim().parse().map_err(|_| D::Error::custom(format!("must be an integer, not `{text}`"))),
    }
}

/// A number, also written as a text.
pub(super) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Written::deserialize(deserializer).map_err(|_| D::Error::custom("must be a number"))? {
        Written::Integer(number) => Ok(number as f64),
        Written::Decimal(number) => Ok(number),
        Written::Text(text) => text.trim().parse().map_err(|_| D::Error::custom(format!("must be a number, not `{text}`"))),
    }
}
