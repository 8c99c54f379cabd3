//! Times as clients want them.

use jiff::{Timestamp, tz::TimeZone};

/// UTC with a fraction, `2026-11-27T10:00:00.123000Z`; empty for no time.
pub fn iso(at_ms: Option<i64>) -> String {
    let stamp = at_ms.and_then(|at| Timestamp::from_millisecond(at).ok());
    stamp.map_or_else(String::new, |stamp| stamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_fraction() {
        assert_eq!(iso(Some(1_795_773_600_120)), "2026-11-27T10:00:00.120000Z");
        assert_eq!(iso(None), "");
    }
}
