//! Bytes on their way into the store.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use batchyard_crash as crash;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};

use crate::{
    INLINE_BYTES, MAX_PUT_BYTES, ObjectError, Sync,
    files::{DataFile, Files},
};

/// How much is read or written at once.
const BLOCK: usize = 256 * 1024;
/// After so many bytes the room on the disk is looked at again.
const CHECK: u64 = 4 << 20;
/// After so many bytes the disk may begin.
const FLUSH: u64 = 32 << 20;

/// Bytes that are being received: where they go, and their sums. The two halves can be used on two threads.
#[derive(Debug)]
pub struct Draft {
    /// Where they go.
    pub sink: Sink,
    /// Their sums.
    pub sums: Sums,
}

/// Where received bytes go: few of them stay in memory, many go to a file.
#[derive(Debug)]
pub struct Sink {
    files: Arc<Files>,
    inline: Vec<u8>,
    file: Option<DataFile>,
    size: u64,
    limit: u64,
    /// Bytes since the room on the disk was looked at.
    unchecked: u64,
    flush: Flush,
}

/// Brings a file to the disk while more of it comes, so that the wait at the end is short.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    unflushed: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Flush {
    pub(crate) fn written(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.unflushed += bytes;
        if self.unflushed < FLUSH || self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.wait()?;
        self.unflushed = 0;
        let file = file.try_clone()?;
        self.running = Some(thread::Builder::new().name("objects-flush".to_owned()).spawn(move || file.sync_data())?);
        Ok(())
    }

    /// The disk tells of an error only once, so it must be heard here.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), |running| running.join().unwrap_or_else(|_| Err(io::Error::other("flushing a file failed"))))
    }
}

/// MD5 and CRC-64 of bytes.
#[derive(Debug, Clone)]
pub struct Sums {
    md5: Md5,
    crc64: crc_fast::Digest,
}

/// Received bytes that nothing names yet. Dropped, they go away.
#[derive(Debug)]
pub struct Staged {
    pub(crate) bytes: Bytes,
    /// How many.
    pub size: u64,
    /// Their MD5.
    pub md5: [u8; 16],
    /// Their CRC-64/XZ.
    pub crc64: u64,
}

#[derive(Debug)]
pub(crate) enum Bytes {
    Inline(Vec<u8>),
    File(DataFile),
}

impl Draft {
    pub(crate) fn new(files: Arc<Files>) -> Result<Self, ObjectError> {
        files.check_room()?;
        Ok(Self {
            sink: Sink { files, inline: Vec::new(), file: None, size: 0, limit: MAX_PUT_BYTES, unchecked: 0, flush: Flush::default() },
            sums: Sums::default(),
        })
    }

    /// Another limit than that of one request; for files of this machine.
    #[must_use]
    pub fn limited(mut self, bytes: u64) -> Self {
        self.sink.limit = bytes;
        self
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// The limit is passed, or the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.sums.update(bytes);
        self.sink.write(bytes)
    }

    /// Takes all that a reader has.
    ///
    /// # Errors
    /// As for [`Draft::write`], and those of the reader.
    pub fn read_from(&mut self, reader: &mut dyn Read) -> Result<(), ObjectError> {
        let mut block = vec![0; BLOCK];
        loop {
            match reader.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => self.write(block.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ObjectError::io("cannot read what is to be stored")(error)),
            }
        }
    }

    /// Brings the bytes to the disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(self) -> Result<Staged, ObjectError> {
        self.sink.finish(self.sums)
    }
}

impl Sink {
    /// Takes more bytes.
    ///
    /// # Errors
    /// The limit is passed, or the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(ObjectError::TooLarge { size: self.size, limit: self.limit });
        }
        if self.file.is_none() && self.inline.len() + bytes.len() <= INLINE_BYTES {
            self.inline.extend_from_slice(bytes);
            return Ok(());
        }
        self.unchecked += bytes.len() as u64;
        if self.unchecked >= CHECK {
            self.unchecked = 0;
            self.files.check_room()?;
        }
        let refused = "cannot write received bytes";
        let data = match &mut self.file {
            Some(data) => data,
            empty => {
                let mut data = self.files.create()?;
                data.file.write_all(&std::mem::take(&mut self.inline)).map_err(ObjectError::io(refused))?;
                empty.insert(data)
            }
        };
        data.file.write_all(bytes).map_err(ObjectError::io(refused))?;
        match self.files.sync {
            Sync::Always => self.flush.written(&data.file, bytes.len() as u64).map_err(ObjectError::io(refused)),
            Sync::Off => Ok(()),
        }
    }

    /// Brings the bytes to the disk; `sums` are those of the same bytes.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(mut self, sums: Sums) -> Result<Staged, ObjectError> {
        self.flush.wait().map_err(ObjectError::io("cannot bring received bytes to the disk"))?;
        let bytes = match self.file {
            Some(data) => {
                crash::place("bytes received");
                self.files.seal(&data)?;
                crash::place("bytes on disk");
                Bytes::File(data)
            }
            None => Bytes::Inline(self.inline),
        };
        let (md5, crc64) = sums.values();
        Ok(Staged { bytes, size: self.size, md5, crc64 })
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self { md5: Md5::new(), crc64: crc_fast::Digest::new(CrcAlgorithm::Crc64Xz) }
    }
}

impl Sums {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.crc64.update(bytes);
    }

    /// MD5 and CRC-64/XZ so far.
    pub fn values(&self) -> ([u8; 16], u64) {
        (self.md5.clone().finalize().into(), self.crc64.finalize())
    }
}

impl Staged {
    /// MD5 as lower-case hexadecimal digits.
    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

/// How a file of this machine gets into the store.
pub(crate) fn take_file(files: &Arc<Files>, path: &Path) -> Result<Staged, ObjectError> {
    let unreadable = || format!("cannot read `{}`", path.display());
    let mut from = File::open(path).map_err(ObjectError::io(unreadable()))?;
    let size = from.metadata().map_err(ObjectError::io(unreadable()))?.len();
    if size <= BLOCK as u64 {
        return take_small(files, from, size, unreadable);
    }
    files.check_room()?;
    let mut data = files.create()?;
    // A second name of the file would let whoever still has it open, or knows its first name, change what is stored.
    if rustix::fs::ioctl_ficlone(&data.file, &from).is_err() {
        // The standard library copies inside the kernel where it can.
        io::copy(&mut from, &mut &data.file).map_err(ObjectError::io(format!("cannot copy `{}`", path.display())))?;
    }
    let (sums, size) = sums_of(&mut data.file).map_err(ObjectError::io(unreadable()))?;
    files.seal(&data)?;
    let (md5, crc64) = sums.values();
    Ok(Staged { bytes: Bytes::File(data), size, md5, crc64 })
}

/// Reads a file of a block or less at once. If it has grown meanwhile, so much the better.
fn take_small(files: &Arc<Files>, mut from: File, size: u64, unreadable: impl Fn() -> String) -> Result<Staged, ObjectError> {
    let mut draft = Draft::new(Arc::clone(files))?.limited(u64::MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    (&mut from).take(size + 1).read_to_end(&mut bytes).map_err(ObjectError::io(unreadable()))?;
    draft.write(&bytes)?;
    if bytes.len() as u64 > size {
        draft.read_from(&mut from)?;
    }
    draft.finish()
}

fn sums_of(file: &mut File) -> io::Result<(Sums, u64)> {
    let mut file = io::BufReader::with_capacity(BLOCK, file);
    io::Seek::rewind(&mut file)?;
    let (mut sums, mut size) = (Sums::default(), 0);
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok((sums, size)),
            count => {
                sums.update(block.get(..count).unwrap_or_default());
                size += count as u64;
            }
        }
    }
}

/// CRC-64 of two runs of bytes from theirs.
pub(crate) fn combine(first: u64, second: u64, second_size: u64) -> u64 {
    crc_fast::checksum_combine(CrcAlgorithm::Crc64Xz, first, second, second_size)
}
