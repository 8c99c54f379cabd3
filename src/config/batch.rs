//! What the section `[batch]` says: limits of instances.

use anyhow::{Context, Result};
use batchyard_batch::instance::room::Limits;
use batchyard_wdl::version::Dialect;
use batchyard_workflow::runtime::parse_bytes;

use super::{Loader, file::BatchFile};

/// Bytes that stay free unless something else is said.
const FLOOR: &str = "1 GiB";

impl Loader {
    pub(super) fn room(&mut self, file: &BatchFile) -> Result<Limits> {
        let tell = |size: &Option<String>| size.as_ref().map_or_else(|| "all that is free".to_owned(), |size| format!("{size:?}"));
        let disk = self.take("batch.disk", file.disk.clone().map(Some), None, tell);
        let floor = self.take("batch.disk_floor", file.disk_floor.clone(), FLOOR.to_owned(), |size| format!("{size:?}"));
        let usual = disk.map(|size| bytes("batch.disk", &size)).transpose()?;
        Ok(Limits { usual, floor: bytes("batch.disk_floor", &floor)? })
    }
}

pub(super) fn bytes(name: &str, size: &str) -> Result<u64> {
    let bytes = parse_bytes(size, Dialect::Specification).filter(|bytes| *bytes >= 0.0 && *bytes < 2_f64.powi(63));
    bytes.map(|bytes| bytes as u64).with_context(|| format!("`{name}` must be a size such as \"100 GiB\", not {size:?}"))
}
