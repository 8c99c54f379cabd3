//! Sizes of machines, by the names that the original's users know.

/// A kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// Its name.
    pub name: String,
    /// Cores.
    pub cores: u64,
    /// Memory in GiB.
    pub memory_gib: u64,
}

/// Families whose sizes double from `large` with two cores, and GiB for a core.
const FAMILIES: [(&str, u64); 20] = [
    ("ecs.sn1ne", 2),
    ("ecs.sn2ne", 4),
    ("ecs.se1ne", 8),
    ("ecs.c4", 2),
    ("ecs.c5", 2),
    ("ecs.c6", 2),
    ("ecs.c7", 2),
    ("ecs.cm4", 4),
    ("ecs.ce4", 8),
    ("ecs.g5", 4),
    ("ecs.g6", 4),
    ("ecs.g7", 4),
    ("ecs.r5", 8),
    ("ecs.r6", 8),
    ("ecs.r7", 8),
    ("ecs.hfc5", 2),
    ("ecs.hfg5", 4),
    ("ecs.i1", 4),
    ("ecs.i2", 8),
    ("ecs.n4", 2),
];
/// Sizes of these and their cores.
const SIZES: [(&str, u64); 12] = [
    ("small", 1),
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("3xlarge", 12),
    ("4xlarge", 16),
    ("6xlarge", 24),
    ("8xlarge", 32),
    ("13xlarge", 52),
    ("14xlarge", 56),
    ("16xlarge", 64),
    ("26xlarge", 104),
];
/// Older families, whose `medium` has two cores, and GiB for a core.
const OLD_FAMILIES: [(&str, u64); 10] = [
    ("ecs.sn1", 2),
    ("ecs.sn2", 4),
    ("ecs.se1", 8),
    ("ecs.n1", 2),
    ("ecs.n2", 4),
    ("ecs.e3", 8),
    ("bcs.a2", 2),
    ("bcs.b2", 2),
    ("bcs.b4", 4),
    ("bcs.a4", 4),
];
/// Sizes of these and their cores.
const OLD_SIZES: [(&str, u64); 8] =
    [("small", 1), ("medium", 2), ("large", 4), ("xlarge", 8), ("2xlarge", 12), ("3xlarge", 16), ("5xlarge", 24), ("7xlarge", 32)];
/// What lists offer: enough to choose from, small to large.
const OFFERED: [&str; 24] = [
    "ecs.sn1.medium",
    "ecs.sn1.large",
    "ecs.sn1.xlarge",
    "ecs.sn1.3xlarge",
    "ecs.sn1ne.large",
    "ecs.sn1ne.xlarge",
    "ecs.sn1ne.2xlarge",
    "ecs.sn1ne.4xlarge",
    "ecs.sn1ne.8xlarge",
    "ecs.sn2.medium",
    "ecs.sn2.large",
    "ecs.sn2.xlarge",
    "ecs.sn2.3xlarge",
    "ecs.sn2ne.large",
    "ecs.sn2ne.xlarge",
    "ecs.sn2ne.2xlarge",
    "ecs.sn2ne.4xlarge",
    "ecs.sn2ne.8xlarge",
    "ecs.se1ne.large",
    "ecs.se1ne.xlarge",
    "ecs.se1ne.2xlarge",
    "bcs.a2.large",
    "bcs.a2.xlarge",
    "bcs.a2.3xlarge",
];

/// The size where nobody names one.
pub const DEFAULT: &str = "ecs.sn1.medium";

/// The type of this name.
pub fn find(name: &str) -> Option<InstanceType> {
    let (family, size) = name.rsplit_once('.')?;
    let look = |families: &[(&str, u64)], sizes: &[(&str, u64)]| {
        let (_, gib) = families.iter().find(|(known, _)| *known == family)?;
        let (_, cores) = sizes.iter().find(|(known, _)| *known == size)?;
        Some(InstanceType { name: name.into(), cores: *cores, memory_gib: cores * gib })
    };
    look(&FAMILIES, &SIZES).or_else(|| look(&OLD_FAMILIES, &OLD_SIZES))
}

/// The types that lists offer.
pub fn offered() -> Vec<InstanceType> {
    OFFERED.iter().filter_map(|name| find(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_sizes() {
        let size = |name| find(name).map(|found| (found.cores, found.memory_gib));
        assert_eq!(size("ecs.sn1.medium"), Some((2, 4)));
        assert_eq!(size("ecs.sn2ne.2xlarge"), Some((8, 32)));
        assert_eq!(size("bcs.a2.large"), Some((4, 8)));
        assert_eq!(size("ecs.sn1.huge"), None);
        assert_eq!(size("large"), None);
        assert_eq!(offered().len(), OFFERED.len());
    }
}
