//! Lengths of time and sizes in bytes as Lightbend writes them.

use std::time::Duration;

/// A length of time that may have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So long.
    Finite(Duration),
    /// `Inf`.
    Infinite,
}

/// Reads `5 minutes`, `20s`, `1.5 h`, `500` (milliseconds) or `Inf` (in some places written `infinite`).
pub(crate) fn length(text: &str) -> Option<Length> {
    if matches!(text.trim(), "Inf" | "+Inf" | "PlusInf" | "Duration.Inf" | "infinite") {
        return Some(Length::Infinite);
    }
    let (number, unit) = split(text)?;
    let nanoseconds: u64 = match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "second" | "seconds" => 1_000_000_000,
        "m" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    };
    let whole = match number.parse::<u64>() {
        Ok(number) => number.checked_mul(nanoseconds)?,
        Err(_) => times(number, nanoseconds as f64)?,
    };
    Some(Length::Finite(Duration::from_nanos(whole)))
}

/// Reads `512 MiB`, `10k`, `1.5 GB` or `1000` (bytes).
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = factor(unit)?;
    match number.parse::<u64>() {
        Ok(number) => number.checked_mul(factor),
        Err(_) => times(number, factor as f64),
    }
}

/// Powers of 1000 for `kB` and `kilobyte`, of 1024 for `K`, `Ki`, `KiB` and `kibibyte`, and so on.
fn factor(unit: &str) -> Option<u64> {
    const NAMES: [(&str, &str, &str); 6] = [
        ("kB", "kilobyte", "kibibyte"),
        ("MB", "megabyte", "mebibyte"),
        ("GB", "gigabyte", "gibibyte"),
        ("TB", "terabyte", "tebibyte"),
        ("PB", "petabyte", "pebibyte"),
        ("EB", "exabyte", "exbibyte"),
    ];
    if matches!(unit, "" | "B" | "b" | "byte" | "bytes") {
        return Some(1);
    }
    let singular = unit.strip_suffix('s').filter(|word| word.len() > 2).unwrap_or(unit);
    for (index, (short, decimal, binary)) in NAMES.into_iter().enumerate() {
        let power = u32::try_from(index).ok()? + 1;
        if unit == short || singular == decimal {
            return Some(1000_u64.pow(power));
        }
        let letter = short.get(..1)?.to_uppercase();
        let letters = unit == letter || unit == format!("{letter}i") || unit == format!("{letter}iB");
        // Of the small letters only those exist that mean nothing else.
        if letters || unit == letter.to_lowercase() || singular == binary {
            return Some(1024_u64.pow(power));
        }
    }
    None
}

/// Number and unit; blanks between and around them do not count.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit = text.get(number.len()..)?;
    let number = number.trim();
    (!number.is_empty()).then_some((number, unit))
}

fn times(number: &str, factor: f64) -> Option<u64> {
    let product = number.parse::<f64>().ok()? * factor;
    (0.0..1.8e19).contains(&product).then_some(product as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, milliseconds) in [("5 minutes", 300_000), ("20s", 20_000), (" 1.5 h ", 5_400_000), ("500", 500), ("2 days", 172_800_000)]
        {
            assert_eq!(length(text), Some(Length::Finite(Duration::from_millis(milliseconds))), "{text}");
        }
        assert_eq!(length("Inf"), Some(Length::Infinite));
        for text in ["", "s", "5 weeks", "-1 s", "1 2 s", "999999999999999 days"] {
            assert_eq!(length(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("10", 10),
            ("1k", 1024),
            ("1 kB", 1000),
            ("2 KiB", 2048),
            ("1.5 GB", 1_500_000_000),
            ("1M", 1 << 20),
            ("3 megabytes", 3_000_000),
            ("1 byte", 1),
            ("1 mebibytes", 1 << 20),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "x", "1 X", "-5", "99999999999999999999"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
