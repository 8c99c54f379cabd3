//! The small notations of options: mounts, images of containers, disks, clusters, pairs, dependencies, parameters. No I/O.

pub mod cluster;
pub mod deps;
pub mod disk;
pub mod docker;
pub mod mount;
pub mod pairs;
pub mod parameters;
pub mod resources;
