//! Answers that are written while they are sent, so that their size does not matter.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::header,
    response::{IntoResponse, Response},
};
use http_body::Frame;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, mpsc::error::TrySendError},
};

/// Bytes that are sent at once.
const CHUNK: usize = 32 << 10;
/// The first bytes go out early: who waits sees that an answer comes.
const FIRST_CHUNK: usize = 1 << 10;
/// Chunks that may wait for the reader.
const AHEAD: usize = 4;
/// Answers written at once: a reader that is slow keeps a thread, and others have work for threads too.
const WRITERS: usize = 32;
/// Time after which a reader that takes nothing is given up.
const STALLED: Duration = Duration::from_secs(30);

static ROOM: Semaphore = Semaphore::const_new(WRITERS);

/// A body that another thread writes.
struct Written(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Written {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Gathers what is written into chunks and hands them to the reader; waits while the reader is slow.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
    buffer: Vec<u8>,
    limit: usize,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= self.limit {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.limit = CHUNK;
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + CHUNK / 4)));
        self.send(Ok(chunk)).then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the reader has gone away"))
    }
}

impl Chunks {
    /// Hands a chunk to the reader; false when nobody takes it.
    fn send(&self, chunk: io::Result<Bytes>) -> bool {
        match self.sender.try_send(chunk) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(chunk)) => self.runtime.block_on(self.sender.send_timeout(chunk, STALLED)).is_ok(),
        }
    }
}

/// An answer of JSON that `work` writes on a thread of its own. When it fails in the middle, the connection breaks:
/// half an answer must not look whole.
pub async fn written<E: std::fmt::Display + Send>(work: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static) -> Response {
    let (sender, receiver) = mpsc::channel(AHEAD);
    // The semaphore is never closed.
    let room = ROOM.acquire().await;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _room = room;
        let mut chunks = Chunks { sender, runtime, buffer: Vec::with_capacity(CHUNK), limit: FIRST_CHUNK };
        let outcome = work(&mut chunks).map_err(|error| io::Error::other(error.to_string())).and_then(|()| chunks.flush());
        if let Err(error) = outcome {
            // A reader that has gone away does not hear it.
            let _ = chunks.send(Err(error));
        }
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::new(Written(receiver))).into_response()
}
