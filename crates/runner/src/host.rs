//! What this machine has.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Cores and memory that tasks may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Cores, in thousandths.
    pub millicores: u64,
    /// Memory, in MiB.
    pub memory_mib: u64,
}

/// Cores this process may run on and memory of the machine, bounded by a cgroup limit if there is one.
pub fn capacity() -> Capacity {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Capacity { millicores: cores * 1000, memory_mib: memory_mib() }
}

fn memory_mib() -> u64 {
    let total_kib = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| text.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()));
    let total = total_kib.map_or(1024, |kib| kib / 1024);
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .map(|bytes| bytes >> 20)
        .min();
    limit.map_or(total, |limit| total.min(limit)).max(1)
}

/// Whether this much memory, in KiB, is within what this process itself has used at most.
pub fn is_within_own_peak(kib: u64) -> bool {
    // The peak only grows, so a known one answers most questions without a look.
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    if kib <= KNOWN.load(Ordering::Relaxed) {
        return true;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    KNOWN.fetch_max(peak.unwrap_or(0), Ordering::Relaxed);
    kib <= KNOWN.load(Ordering::Relaxed)
}

/// An executable of this name on `PATH`.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| name.into());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}
