//! Bodies that are received: written and summed up on two threads while the next blocks come in.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

use super::{
    Call,
    auth::Payload,
    blocking,
    checksum::{Expected, Sieve},
    chunked::Chunks,
    hand::{Hand, Taker},
    problem::Problem,
};
use crate::{Draft, INLINE_BYTES, MAX_DOCUMENT_BYTES, MAX_PUT_BYTES, ObjectError, Sink, Staged};

/// How much is gathered before it is written.
const BLOCK: usize = 512 * 1024;
/// How long a client may send nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a body that are taken although nobody wants them.
const MAX_DRAINED: usize = 64 << 20;
/// How long they are taken.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Receives the bytes of an object or part; when they are back they are on disk.
pub(super) async fn receive(call: &Arc<Call>, body: &mut Body) -> Result<Staged, Problem> {
    let payload = &call.caller.payload;
    let length = announced(call, payload)?;
    let mut expected = Expected::of(&call.head, payload)?;
    let mut chunks = if let Payload::Chunked(signer) = payload { Some(Chunks::new(signer.clone())) } else { None };
    let mut blocks = Blocks::new(call.objects().draft()?, expected.sieve());
    let mut received = 0;
    while let Some(data) = next(body).await? {
        let all = match &mut chunks {
            Some(chunks) => chunks.take(data)?,
            None => vec![data],
        };
        for data in all {
            received += data.len() as u64;
            blocks.take(data).await?;
        }
        if received > MAX_PUT_BYTES {
            return Err(ObjectError::TooLarge { size: received, limit: MAX_PUT_BYTES }.into());
        }
    }
    if let Some(chunks) = &chunks {
        chunks.finish()?;
        chunks.trailers.iter().for_each(|(name, value)| expected.trailer(name, value));
    }
    if length.is_some_and(|length| length != received) {
        return Err(Problem::new(400, "IncompleteBody", format!("{received} bytes came, the request says {}", length.unwrap_or_default())));
    }
    let (sink, sieve) = blocks.finish().await?;
    blocking(move || {
        let sums = sieve.sums.clone();
        expected.compare(sieve)?;
        Ok(sink.finish(sums)?)
    })
    .await
}

/// Whether the body is known to be so small that it fits into the index.
pub(super) fn is_small(call: &Call) -> bool {
    let is_whole = !matches!(call.caller.payload, Payload::Chunked(_));
    is_whole && call.head.length().is_some_and(|length| length <= INLINE_BYTES as u64)
}

/// A small body.
pub(super) struct Small {
    bytes: Vec<u8>,
    expected: Expected,
}

/// Receives a small body; only so much of it as was announced can come.
pub(super) async fn small(call: &Call, body: &mut Body) -> Result<Small, Problem> {
    let expected = Expected::of(&call.head, &call.caller.payload)?;
    let mut bytes = Vec::new();
    while let Some(data) = next(body).await? {
        bytes.extend_from_slice(&data);
    }
    Ok(Small { bytes, expected })
}

impl Small {
    /// Checks its sums.
    pub(super) fn stage(&self, call: &Call) -> Result<Staged, Problem> {
        let mut sieve = self.expected.sieve();
        sieve.update(&self.bytes);
        let sums = sieve.sums.clone();
        self.expected.compare(sieve)?;
        let mut draft = call.objects().draft()?;
        draft.sink.write(&self.bytes)?;
        Ok(draft.sink.finish(sums)?)
    }
}

/// How many bytes the client says will come, if it does.
fn announced(call: &Call, payload: &Payload) -> Result<Option<u64>, Problem> {
    let length = match payload {
        Payload::Chunked(_) => call.head.header("x-amz-decoded-content-length").and_then(|text| text.parse().ok()),
        Payload::Plain | Payload::Hashed(_) => call.head.length(),
    };
    match length {
        Some(size) if size > MAX_PUT_BYTES => Err(ObjectError::TooLarge { size, limit: MAX_PUT_BYTES }.into()),
        other => Ok(other),
    }
}

/// Receives a document, which is small.
pub(super) async fn document(call: &Arc<Call>, body: &mut Body) -> Result<Vec<u8>, Problem> {
    let payload = &call.caller.payload;
    let expected = Expected::of(&call.head, payload)?;
    let mut chunks = if let Payload::Chunked(signer) = payload { Some(Chunks::new(signer.clone())) } else { None };
    let mut bytes = Vec::new();
    while let Some(data) = next(body).await? {
        match &mut chunks {
            Some(chunks) => chunks.take(data)?.iter().for_each(|data| bytes.extend_from_slice(data)),
            None => bytes.extend_from_slice(&data),
        }
        if bytes.len() > MAX_DOCUMENT_BYTES {
            let limit = MAX_DOCUMENT_BYTES.to_string();
            return Err(Problem::new(400, "EntityTooLarge", "the document in the body is too large").with("MaxSizeAllowed", limit));
        }
    }
    let mut sieve = expected.sieve();
    sieve.update(&bytes);
    expected.compare(sieve)?;
    Ok(bytes)
}

/// Takes the rest of a body that nobody wants, so that its sender hears the answer. Whether it ended in time and size.
pub(super) async fn drain(body: &mut Body) -> bool {
    if http_body::Body::size_hint(body).lower() > MAX_DRAINED as u64 {
        return false;
    }
    let all = async {
        let mut received = 0;
        while let Ok(Some(data)) = next(body).await {
            received += data.len();
            if received > MAX_DRAINED {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(DRAIN_TIME, all).await.unwrap_or(false)
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
        let frame = frame.map_err(|_| Problem::new(400, "RequestTimeout", "nothing came from the client for a minute"))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Problem::new(400, "IncompleteBody", format!("the body broke off: {error}"))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Gathers blocks and hands each to a thread that writes and one that sums up.
struct Blocks {
    gathered: Vec<u8>,
    sink: Hand<Sink>,
    sieve: Hand<Sieve>,
}

impl Taker for Sink {
    fn take(&mut self, block: &[u8]) -> Result<(), ObjectError> {
        self.write(block)
    }
}

impl Taker for Sieve {
    fn take(&mut self, block: &[u8]) -> Result<(), ObjectError> {
        self.update(block);
        Ok(())
    }
}

impl Blocks {
    fn new(draft: Draft, sieve: Sieve) -> Self {
        Self { gathered: Vec::new(), sink: Hand::new(draft.sink), sieve: Hand::new(sieve) }
    }

    async fn take(&mut self, data: Bytes) -> Result<(), Problem> {
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() < BLOCK {
            return Ok(());
        }
        let block = Bytes::from(std::mem::replace(&mut self.gathered, Vec::with_capacity(BLOCK + BLOCK / 4)));
        self.sink.give(block.clone()).await?;
        self.sieve.give(block).await
    }

    async fn finish(self) -> Result<(Sink, Sieve), Problem> {
        let (mut sink, mut sieve) = (self.sink.finish().await?, self.sieve.finish().await?);
        let rest = self.gathered;
        blocking(move || {
            sieve.update(&rest);
            sink.write(&rest)?;
            Ok((sink, sieve))
        })
        .await
    }
}
