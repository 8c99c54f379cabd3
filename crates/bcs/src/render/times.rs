//! Times, ages and durations in words.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

/// What a missing time reads as.
const MISSING: &str = "null";

/// A time of the service (`2019-01-24T07:12:33.456Z`, always UTC).
pub fn parse(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?.trim();
    let civil: DateTime = text.trim_end_matches('Z').parse().ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// The time on the wall here, or `null`.
pub fn local(value: &Value) -> String {
    match parse(value) {
        Some(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => MISSING.to_owned(),
    }
}

/// How long ago, in the largest unit only.
pub fn ago(value: &Value, now: Timestamp) -> String {
    match parse(value) {
        Some(time) => {
            let age = largest((now.as_second() - time.as_second()).max(0));
            format!("{} ago", if age.is_empty() { "0s" } else { &age })
        }
        None => String::new(),
    }
}

/// From start to end, all units; empty when one of them is not known.
pub fn elapsed(start: &Value, end: &Value) -> String {
    match (parse(start), parse(end)) {
        (Some(start), Some(end)) => units(end.as_second() - start.as_second()).concat(),
        _ => String::new(),
    }
}

/// A duration of a transfer in its largest unit.
pub fn largest(seconds: i64) -> String {
    units(seconds).into_iter().next().unwrap_or_default()
}

/// Days, hours, minutes and seconds; a unit is used only when it is exceeded, so that a minute reads `60s`.
fn units(seconds: i64) -> Vec<String> {
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in [(86_400, "D"), (3_600, "H"), (60, "m"), (0, "s")] {
        if rest > unit {
            let count = if unit == 0 { rest } else { rest / unit };
            rest -= if unit == 0 { rest } else { count * unit };
            parts.push(format!("{count}{name}"));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ages_use_the_largest_unit_that_is_exceeded() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let aged = |seconds: i64| {
            let then = Timestamp::from_second(1_700_000_000 - seconds).unwrap();
            ago(&json!(then.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()), now)
        };
        assert_eq!(
            [9, 60, 61, 3600, 3601, 86_400, 86_401, 28_000_000].map(aged),
            ["9s ago", "60s ago", "1m ago", "60m ago", "1H ago", "24H ago", "1D ago", "324D ago"]
        );
        assert_eq!(aged(-5), "0s ago");
        assert_eq!(ago(&json!(""), now), "");
    }

    #[test]
    fn durations_join_their_units() {
        let at = |text: &str| json!(format!("2019-01-24T{text}.5Z"));
        assert_eq!(elapsed(&at("07:00:00"), &at("08:02:03")), "1H2m3s");
        assert_eq!(elapsed(&at("07:00:00"), &at("07:00:00")), "");
        assert_eq!(elapsed(&at("07:00:00"), &json!(null)), "");
    }

    #[test]
    fn times_are_local_or_null() {
        assert_eq!(local(&json!("")), "null");
        assert_eq!(local(&json!("2019-01-24T07:12:33.456Z")).len(), 19);
        assert!(parse(&json!("yesterday")).is_none());
    }
}
