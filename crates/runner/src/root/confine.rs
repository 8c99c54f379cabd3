//! Rights that a command gives up so that it stays in its root.

use rustix::{
    io,
    thread::{CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities},
};

/// With each of these a command could look behind what is mounted: it could take the mount away, go through the root of
/// another process, open a file by its number, or read the disk by other means.
const WAYS_OUT: [CapabilitySet; 5] = [
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::DAC_READ_SEARCH,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_MODULE,
];

/// Whatever this process starts has none of these rights, also when it is root or becomes it.
pub fn confine() -> io::Result<()> {
    let sets = capabilities(None)?;
    for way in WAYS_OUT {
        remove_capability_from_bounding_set(way)?;
    }
    let without = |set: CapabilitySet| WAYS_OUT.into_iter().fold(set, CapabilitySet::difference);
    set_capabilities(
        None,
        CapabilitySets { effective: without(sets.effective), permitted: without(sets.permitted), inheritable: without(sets.inheritable) },
    )
}
