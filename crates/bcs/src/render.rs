//! Pictures of data in text: no I/O.

pub mod configs;
pub mod dag;
pub mod table;
pub mod times;

use crate::terminal::Paint;

/// A job's, task's or instance's state in its colour.
pub fn job_state(paint: Paint, state: &str) -> String {
    match state.to_ascii_lowercase().as_str() {
        "running" => paint.cyan(state),
        "finished" => paint.green(state),
        "failed" => paint.red(state),
        "stopped" => paint.yellow(state),
        _ => paint.white(state),
    }
}

/// A cluster's or node's state in its colour.
pub fn cluster_state(paint: Paint, state: &str) -> String {
    match state.to_ascii_lowercase().as_str() {
        "active" => paint.green(state),
        "deleting" | "error" => paint.red(state),
        _ => paint.white(state),
    }
}

/// A size in the largest unit that it exceeds.
pub fn size(bytes: u64) -> String {
    for (unit, name) in [(1u64 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")] {
        if bytes > unit {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_use_a_unit_only_when_it_is_exceeded() {
        assert_eq!(
            [0, 1024, 1025, 1 << 20, (1 << 20) + 1, 5 << 30, 7 << 40].map(size),
            ["0B", "1024B", "1kB", "1024kB", "1MB", "5GB", "7TB"]
        );
    }
}
