//! Bytes between a store and files here.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use futures_util::TryStreamExt;
use opendal::options::{ReaderOptions, WriteOptions};
use rustix::fs::{FlockOperation, flock};

use super::{Address, RemoteError, Stat, cache::Wanted, intake::Intake, store::Store};
use crate::MAX_PARTS;

/// Bytes that are asked for at a time.
const CHUNK: usize = 4 << 20;
/// Pieces of one object on their way here at once.
const AHEAD: usize = 4;
/// Bytes of a part of a large upload, unless there would be too many.
const PART: u64 = 8 << 20;
/// Parts of one upload on their way at once.
const PARTS_AT_ONCE: usize = 4;
/// Tries when an object is changed while it is read.
const TRIES: u32 = 3;

/// Brings an object to a file, which is there as a whole or not at all. `part` is where its bytes are gathered: in a folder on the
/// same file system.
pub(super) fn fetch(
    store: &Store,
    address: &Address,
    (part, target): (&Path, &Path),
    wanted: Option<&Wanted>,
) -> Result<Stat, RemoteError> {
    let runtime = store.runtime()?;
    for _ in 1..TRIES {
        match runtime.block_on(receive(store, address, part, wanted)) {
            Err(RemoteError::Changed { .. } | RemoteError::BadDigest { .. }) => {}
            received => return settle(received, part, target),
        }
    }
    settle(runtime.block_on(receive(store, address, part, wanted)), part, target)
}

fn settle(received: Result<Stat, RemoteError>, part: &Path, target: &Path) -> Result<Stat, RemoteError> {
    let placed = received.and_then(|stat| {
        fs::rename(part, target).map_err(RemoteError::file("make", target))?;
        Ok(stat)
    });
    if placed.is_err() {
        // It may never have been made; what cannot be removed is swept later.
        let _ = fs::remove_file(part);
    }
    placed
}

async fn receive(store: &Store, address: &Address, part: &Path, wanted: Option<&Wanted>) -> Result<Stat, RemoteError> {
    let file = File::create(part).map_err(RemoteError::file("make", part))?;
    // Whoever sweeps leaves alone what is locked.
    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
    let (stat, found) = store.stat(address).await?;
    let written = |error: io::Error| RemoteError::file("write", part)(error);
    let mut intake = Intake::new(file, found.content_md5().is_some()).map_err(written)?;
    if stat.size > 0 {
        let failed = |error: opendal::Error| store.failed("read", address, &error);
        let operator = store.operator(address)?;
        let options = ReaderOptions {
            if_match: found.etag().filter(|_| operator.info().capability().read_with_if_match).map(str::to_owned),
            content_length_hint: Some(stat.size),
            concurrent: AHEAD,
            chunk: Some(CHUNK),
            prefetch: AHEAD,
            ..ReaderOptions::default()
        };
        let reader = operator.reader_options(store.path(address)?, options).await.map_err(failed)?;
        let mut pieces = reader.into_stream(0..stat.size).await.map_err(failed)?;
        // This thread is the caller's own: it may wait for the disk while further pieces come in.
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            if wanted.is_some_and(|wanted| !wanted()) {
                return Err(RemoteError::Unwanted { url: address.to_string() });
            }
            for bytes in piece {
                intake.take(bytes).map_err(written)?;
            }
        }
    }
    let received = intake.finish().map_err(written)?;
    let is_same = !store.is_folder() || store.stat(address).await?.0 == stat;
    if received.length != stat.size || !is_same {
        return Err(RemoteError::Changed { url: address.to_string() });
    }
    match received.md5.as_deref() {
        Some(md5) if found.content_md5() != Some(md5) => Err(RemoteError::BadDigest { url: address.to_string() }),
        _ => Ok(stat),
    }
}

/// Stores a file.
pub(super) fn send(store: &Store, path: &Path, address: &Address, content_type: Option<&str>) -> Result<Stat, RemoteError> {
    let file = File::open(path).map_err(RemoteError::file("open", path))?;
    let size = file.metadata().map_err(RemoteError::file("look at", path))?.len();
    store.runtime()?.block_on(upload(store, path, file, size, address, content_type))
}

async fn upload(
    store: &Store,
    path: &Path,
    mut file: File,
    size: u64,
    address: &Address,
    content_type: Option<&str>,
) -> Result<Stat, RemoteError> {
    let part = usize::try_from(part_size(size)).unwrap_or(usize::MAX);
    let failed = |error: opendal::Error| store.failed("write", address, &error);
    let operator = store.operator(address)?;
    let content_type = content_type.filter(|_| operator.info().capability().write_with_content_type);
    let options = WriteOptions {
        chunk: (size > PART).then_some(part),
        concurrent: PARTS_AT_ONCE,
        content_type: content_type.map(str::to_owned),
        ..WriteOptions::default()
    };
    let mut writer = operator.writer_options(store.path(address)?, options).await.map_err(failed)?;
    let mut sent = 0;
    let mut copy = async || -> Result<(), RemoteError> {
        loop {
            let mut piece = Vec::with_capacity(part.min(usize::try_from(size).unwrap_or(part)));
            let wanted = (part as u64).min(size - sent);
            (&mut file).take(wanted).read_to_end(&mut piece).map_err(RemoteError::file("read", path))?;
            if piece.is_empty() {
                return Ok(());
            }
            sent += piece.len() as u64;
            writer.write(piece).await.map_err(failed)?;
        }
    };
    let copied = copy().await;
    let closed = match copied {
        Ok(()) if sent == size => writer.close().await.map_err(failed),
        Ok(()) => Err(RemoteError::Changed { url: path.display().to_string() }),
        Err(error) => Err(error),
    };
    if let Err(error) = closed {
        // What is left of it is the store's to remove.
        let _ = writer.abort().await;
        return Err(error);
    }
    let (stat, _) = store.stat(address).await?;
    if stat.size == size { Ok(stat) } else { Err(RemoteError::Changed { url: address.to_string() }) }
}

/// Bytes of a part, so that their number is allowed.
fn part_size(size: u64) -> u64 {
    PART.max(size.div_ceil(u64::from(MAX_PARTS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_too_many() {
        assert_eq!(part_size(1), PART);
        for size in [PART * u64::from(MAX_PARTS), 48 << 40, 1 + PART * u64::from(MAX_PARTS)] {
            assert!(size.div_ceil(part_size(size)) <= u64::from(MAX_PARTS), "{size}");
        }
    }
}
