//! Rights that a command gives up so that it stays in its root.

use rustix::{
    io,
    thread::{CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities},
};

/// With each of these a command could look behind what is mounted: it could take the mount away, go through the root of
/// another process or read its memory, open a file by its number, read the disk by other means, or start another kernel.
const WAYS_OUT: [CapabilitySet; 10] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::DAC_READ_SEARCH,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_BOOT,
    CapabilitySet::MKNOD,
    CapabilitySet::PERFMON,
    CapabilitySet::BPF,
    CapabilitySet::CHECKPOINT_RESTORE,
];

/// Whatever this process starts has none of these rights, also when it is root or becomes it.
pub fn confine() -> io::Result<()> {
    let sets = capabilities(None)?;
    for way in WAYS_OUT {
        match remove_capability_from_bounding_set(way) {
            // An old kernel does not know it, and lets nobody do more by it.
            Err(io::Errno::INVAL) => {}
            removed => removed?,
        }
    }
    let without = |set: CapabilitySet| WAYS_OUT.into_iter().fold(set, CapabilitySet::difference);
    set_capabilities(
        None,
        CapabilitySets { effective: without(sets.effective), permitted: without(sets.permitted), inheritable: without(sets.inheritable) },
    )
}
