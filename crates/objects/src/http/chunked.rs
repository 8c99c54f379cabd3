//! Bodies in chunks of their own, as S3 clients send them: `SIZE;chunk-signature=...`, bytes, and headers at the end.

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::sign::s3::ChunkSigner;

/// Bytes of a line between chunks.
const MAX_LINE: usize = 4096;
/// Lines after the last chunk.
const MAX_TRAILERS: usize = 16;

/// Takes chunks apart and checks their signatures.
pub(super) struct Chunks {
    signer: Option<ChunkSigner>,
    state: State,
    line: Vec<u8>,
    signature: String,
    hash: Sha256,
    pub(super) trailers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    /// The line end after the bytes of a chunk.
    DataEnd,
    Trailer,
    Ended,
}

impl Chunks {
    pub(super) fn new(signer: Option<ChunkSigner>) -> Self {
        Self { signer, state: State::Size, line: Vec::new(), signature: String::new(), hash: Sha256::new(), trailers: Vec::new() }
    }

    /// The bytes inside of what came.
    pub(super) fn take(&mut self, mut input: Bytes) -> Result<Vec<Bytes>, Problem> {
        let mut out = Vec::new();
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(count);
                    if self.signer.is_some() {
                        self.hash.update(&data);
                    }
                    out.push(data);
                    let left = left - count as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    if left == 0 {
                        self.check_chunk()?;
                    }
                }
                State::Ended => return Err(malformed("there is something after its end")),
                State::Size | State::DataEnd | State::Trailer => self.take_line(&mut input)?,
            }
        }
        Ok(out)
    }

    /// # Errors
    /// The body ended in the middle.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        match self.state {
            State::Ended => Ok(()),
            // Some clients leave out the last line end.
            State::Trailer if self.line.is_empty() => Ok(()),
            _ => Err(Problem::new(400, "IncompleteBody", "the body ended before its last chunk")),
        }
    }

    fn take_line(&mut self, input: &mut Bytes) -> Result<(), Problem> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = input.split_to(end.map_or(input.len(), |end| end + 1));
        self.line.extend_from_slice(&taken);
        if self.line.len() > MAX_LINE {
            return Err(malformed("a line between chunks is too long"));
        }
        if end.is_none() {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        match self.state {
            State::DataEnd if line.is_empty() => self.state = State::Size,
            State::DataEnd => return Err(malformed("a chunk is longer than it says")),
            State::Size => self.begin_chunk(&line)?,
            _ if line.is_empty() => self.state = State::Ended,
            _ => self.take_trailer(&line)?,
        }
        Ok(())
    }

    fn begin_chunk(&mut self, line: &str) -> Result<(), Problem> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = u64::from_str_radix(size.trim(), 16).map_err(|_| malformed("a chunk has no size"))?;
        self.signature = extension.trim().strip_prefix("chunk-signature=").unwrap_or_default().to_owned();
        self.hash = Sha256::new();
        if size == 0 {
            self.state = State::Trailer;
            return self.check_chunk();
        }
        self.state = State::Data(size);
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), Problem> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let right = signer.chunk(&hex::encode(std::mem::take(&mut self.hash).finalize()));
        if signer.accept(&self.signature, right) { Ok(()) } else { Err(forged()) }
    }

    fn take_trailer(&mut self, line: &str) -> Result<(), Problem> {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a line after the last chunk is no header"))?;
        let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
        if name == "x-amz-trailer-signature" {
            let Some(signer) = &mut self.signer else { return Ok(()) };
            let headers: String = self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            let right = signer.trailer(&headers);
            return if signer.accept(&value, right) { Ok(()) } else { Err(forged()) };
        }
        if self.trailers.len() >= MAX_TRAILERS {
            return Err(malformed("there are too many lines after the last chunk"));
        }
        self.trailers.push((name, value));
        Ok(())
    }
}

fn malformed(why: &str) -> Problem {
    Problem::new(400, "InvalidRequest", format!("the body cannot be taken apart into chunks: {why}"))
}

fn forged() -> Problem {
    Problem::new(403, "SignatureDoesNotMatch", "a chunk of the body is not what was signed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Taken = (Vec<u8>, Vec<(String, String)>);

    fn all(input: &[u8], piece: usize) -> Result<Taken, Problem> {
        let mut chunks = Chunks::new(None);
        let mut out = Vec::new();
        for piece in input.chunks(piece) {
            chunks.take(Bytes::copy_from_slice(piece))?.iter().for_each(|data| out.extend_from_slice(data));
        }
        chunks.finish()?;
        Ok((out, chunks.trailers))
    }

    #[test]
    fn chunks_and_trailers() {
        let body = b"5;chunk-signature=x\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32: AAAA\r\n\r\n";
        for piece in 1..body.len() {
            let (out, trailers) = all(body, piece).unwrap();
            assert_eq!((out.as_slice(), trailers), (&b"hello world"[..], vec![("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())]));
        }
        for bad in [&b"x\r\n"[..], b"5\r\nhelloo\r\n0\r\n\r\n", b"5\r\nhe", b"0\r\n\r\nmore", b"5\r\nhello\r\n"] {
            assert!(all(bad, 3).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(input in prop::collection::vec(prop::sample::select(b"0159a;\r\n:x".to_vec()), 0..80), piece in 1..9_usize) {
            drop(all(&input, piece));
        }
    }
}
