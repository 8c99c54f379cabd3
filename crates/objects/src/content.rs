//! Where the bytes of an object are, and how they are read.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    ObjectError,
    files::{Epoch, Files, Id},
};

/// Where the bytes of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// There are none.
    #[default]
    Empty,
    /// In the index.
    Inline(Id),
    /// In a file.
    File(Id),
    /// In the parts that the index has under this id, up to this number.
    Parts(Id, u32),
}

/// A run of bytes.
#[derive(Debug, Clone)]
pub(crate) enum Segment {
    Bytes(Arc<[u8]>),
    File(Id),
}

/// Reads the bytes of an object, or some of them. The object may be overwritten or deleted meanwhile.
#[derive(Debug)]
pub struct Reader {
    files: Arc<Files>,
    /// What is still to be read: bytes of a segment from an offset.
    segments: std::vec::IntoIter<(Segment, u64, u64)>,
    current: Option<Source>,
    left: u64,
    _pin: Arc<Epoch>,
}

#[derive(Debug)]
enum Source {
    Bytes(io::Cursor<Arc<[u8]>>, u64),
    File(File, u64),
}

impl Reader {
    /// Reads `length` bytes from `offset` of segments that are given with their sizes.
    pub(crate) fn new(files: Arc<Files>, pin: Arc<Epoch>, all: Vec<(Segment, u64)>, offset: u64, length: u64) -> Self {
        let (mut start, end) = (0_u64, offset.saturating_add(length));
        let mut segments = Vec::new();
        for (segment, size) in all {
            let (from, to) = (offset.max(start), end.min(start + size));
            if from < to {
                segments.push((segment, from - start, to - from));
            }
            start += size;
        }
        let left = segments.iter().map(|(_, _, length)| length).sum();
        Self { files, segments: segments.into_iter(), current: None, left, _pin: pin }
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// All bytes that are still to come, if they are no more than `limit`.
    ///
    /// # Errors
    /// There are more, or the disk refuses.
    pub fn into_bytes(mut self, limit: u64) -> Result<Vec<u8>, ObjectError> {
        if self.left > limit {
            return Err(ObjectError::TooLarge { size: self.left, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.left).unwrap_or_default());
        self.read_to_end(&mut bytes).map_err(ObjectError::io("cannot read an object"))?;
        Ok(bytes)
    }

    fn next_source(&mut self) -> io::Result<bool> {
        let Some((segment, offset, length)) = self.segments.next() else { return Ok(false) };
        self.current = Some(match segment {
            Segment::Bytes(bytes) => {
                let mut cursor = io::Cursor::new(bytes);
                cursor.set_position(offset);
                Source::Bytes(cursor, length)
            }
            Segment::File(id) => {
                let mut file = File::open(self.files.path(id))?;
                file.seek(SeekFrom::Start(offset))?;
                Source::File(file, length)
            }
        });
        Ok(true)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if buffer.is_empty() || (self.current.is_none() && !self.next_source()?) {
                return Ok(0);
            }
            let (count, left) = match &mut self.current {
                Some(Source::Bytes(cursor, left)) => (read_some(cursor, buffer, *left)?, left),
                Some(Source::File(file, left)) => (read_some(file, buffer, *left)?, left),
                None => continue,
            };
            if count == 0 && *left > 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a data file is shorter than the index says"));
            }
            *left -= count as u64;
            self.left -= count as u64;
            if *left == 0 {
                self.current = None;
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

fn read_some(from: &mut dyn Read, buffer: &mut [u8], left: u64) -> io::Result<usize> {
    let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    from.read(buffer.get_mut(..count).unwrap_or_default())
}
