//! Bodies that are sent: blocks of an object, the next one read while one is sent.

use std::{
    io::Read,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::Reader;

/// How much is read at once.
const BLOCK: u64 = 256 * 1024;

type Block = std::io::Result<(Bytes, Reader)>;

/// The bytes of an object on their way out.
#[derive(Debug)]
pub(super) struct Download {
    state: State,
    left: u64,
}

#[derive(Debug)]
enum State {
    Waiting(Reader),
    Reading(JoinHandle<Block>),
    Ended,
}

impl Download {
    pub(super) fn new(reader: Reader) -> Self {
        Self { left: reader.left(), state: State::Waiting(reader) }
    }
}

fn read(mut reader: Reader) -> Block {
    let size = reader.left().min(BLOCK);
    let mut block = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    reader.by_ref().take(size).read_to_end(&mut block)?;
    if (block.len() as u64) < size {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok((block.into(), reader))
}

fn go_on(reader: Reader) -> State {
    if reader.left() == 0 { State::Ended } else { State::Reading(tokio::task::spawn_blocking(move || read(reader))) }
}

impl Body for Download {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Waiting(reader) => self.state = go_on(reader),
                State::Reading(mut handle) => {
                    let Poll::Ready(outcome) = Pin::new(&mut handle).poll(context) else {
                        self.state = State::Reading(handle);
                        return Poll::Pending;
                    };
                    let (block, reader) = outcome.map_err(std::io::Error::other).and_then(|block| block)?;
                    self.state = go_on(reader);
                    self.left -= block.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(block))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
