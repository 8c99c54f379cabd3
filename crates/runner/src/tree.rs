//! Finds every process of an attempt, also those that left its process group, and ends them.
//!
//! Each attempt runs with [`MARKER`] in its environment, which children inherit whatever else they change about
//! themselves. The search reads `/proc`, so it is only done when an attempt must be ended or looked for.

use std::{collections::BTreeSet, fs};

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

/// Environment variable that names the attempt a process belongs to.
pub const MARKER: &str = "BATCHYARD_ATTEMPT";

/// Processes that carry the marker of an attempt. Unreadable processes (of other users) are skipped.
pub fn find(marker: &str) -> Vec<Pid> {
    let wanted = format!("{MARKER}={marker}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == wanted.as_bytes())))
        .filter_map(Pid::from_raw)
        .collect()
}

/// The process of an attempt that leads its process group: what the engine has started.
pub fn leader(marker: &str) -> Option<Pid> {
    find(marker).into_iter().find(|pid| getpgid(Some(*pid)) == Ok(*pid))
}

/// Markers that begin with `prefix` of processes that live, each once.
pub fn markers_below(prefix: &str) -> BTreeSet<String> {
    let wanted = format!("{MARKER}={prefix}");
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeSet::new() };
    let environments = entries.filter_map(|e| fs::read(e.ok()?.path().join("environ")).ok());
    let marker = |environment: Vec<u8>| {
        let variable = environment.split(|b| *b == 0).find(|v| v.starts_with(wanted.as_bytes()))?;
        Some(String::from_utf8_lossy(variable.get(MARKER.len() + 1..)?).into_owned())
    };
    environments.filter_map(marker).collect()
}

/// Sends a signal to the process group of `leader` (when given) and to every process that carries the marker.
/// Returns how many processes of the tree were found besides the group.
pub fn signal(leader: Option<Pid>, marker: &str, signal: Signal) -> usize {
    if let Some(leader) = leader {
        // An error means that the group is gone already.
        let _ = kill_process_group(leader, signal);
    }
    let strays = find(marker);
    for pid in &strays {
        let _ = kill_process(*pid, signal);
    }
    strays.len()
}
