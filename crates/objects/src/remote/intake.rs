//! Bytes that come from a store, on their way into a file: written, brought to the disk and summed up at the same time.

use std::{
    fs::File,
    io::{self, Write},
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

use crate::draft::Flush;

/// Blocks that wait for their sum; they stay in memory for so long.
const WAITING: usize = 16;

/// A file that is being received.
pub(super) struct Intake {
    file: File,
    flush: Flush,
    length: u64,
    sum: Option<Sum>,
}

/// An MD5 that is made on a thread of its own: it takes longer than everything else.
struct Sum {
    blocks: SyncSender<Bytes>,
    thread: JoinHandle<String>,
}

/// What came.
pub(super) struct Received {
    /// How many bytes.
    pub length: u64,
    /// Their MD5 in base64, where it was wanted.
    pub md5: Option<String>,
}

impl Intake {
    pub fn new(file: File, wants_md5: bool) -> io::Result<Intake> {
        let sum = if wants_md5 { Some(Sum::begin()?) } else { None };
        Ok(Intake { file, flush: Flush::default(), length: 0, sum })
    }

    pub fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.file.write_all(&bytes)?;
        self.flush.written(&self.file, bytes.len() as u64)?;
        match &self.sum {
            Some(sum) => sum.blocks.send(bytes).map_err(|_| io::Error::other("the thread that sums up is gone")),
            None => Ok(()),
        }
    }

    /// Everything is on the disk when this returns.
    pub fn finish(mut self) -> io::Result<Received> {
        let md5 = self.sum.map(|Sum { blocks, thread }| {
            drop(blocks);
            thread.join().map_err(|_| io::Error::other("the thread that sums up is gone"))
        });
        self.flush.wait()?;
        self.file.sync_data()?;
        Ok(Received { length: self.length, md5: md5.transpose()? })
    }
}

impl Sum {
    fn begin() -> io::Result<Sum> {
        let (blocks, received) = sync_channel::<Bytes>(WAITING);
        let work = move || {
            let mut sum = Md5::new();
            received.iter().for_each(|block| sum.update(&block));
            STANDARD.encode(sum.finalize())
        };
        Ok(Sum { blocks, thread: thread::Builder::new().name("stores-sum".to_owned()).spawn(work)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_there_and_summed_up() {
        let mut file = tempfile::tempfile().unwrap();
        let mut intake = Intake::new(file.try_clone().unwrap(), true).unwrap();
        for block in ["a", "", "bc"] {
            intake.take(Bytes::from_static(block.as_bytes())).unwrap();
        }
        let received = intake.finish().unwrap();
        assert_eq!((received.length, received.md5.as_deref()), (3, Some("kAFQmDzST7DWlj99KOF/cg==")));
        io::Seek::rewind(&mut file).unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "abc");
    }
}
