//! How long a request may take, and how much of all bodies is held at once.
//!
//! The time for an answer begins when the request is complete, so that a large upload over a slow line is no failure;
//! until then something must arrive now and then.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use http_body::Frame;
use tokio::{sync::Notify, time::Instant};

use super::{Limits, Problem, extract::too_large};

/// Far beyond any answer.
const WITHOUT_END: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// What is worked through at least in a second: large requests may take longer.
const BYTES_A_SECOND: usize = 1 << 20;

/// Bytes of bodies that are held for requests at work, of the whole server.
#[derive(Clone, Default)]
pub struct Held(Arc<AtomicUsize>);

/// How a request comes in.
struct Arrival {
    state: Mutex<State>,
    /// Told when the request is complete: from then on another time counts.
    completed: Notify,
    own: AtomicUsize,
    all: Held,
    most: usize,
}

#[derive(Clone, Copy)]
struct State {
    /// When something arrived last.
    last: Instant,
    complete: bool,
    /// Whether there was no room for more.
    refused: bool,
}

impl Arrival {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what has arrived; false when there is no room for it.
    fn note(&self, bytes: usize, complete: bool) -> bool {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        let all = self.all.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Instant::now();
        state.complete |= complete;
        state.refused |= all > self.most;
        if complete {
            self.completed.notify_one();
        }
        !state.refused
    }

    fn deadline(&self, limits: Limits) -> Instant {
        let State { last, complete, .. } = self.state();
        let size = Duration::from_secs((self.own.load(Ordering::Relaxed) / BYTES_A_SECOND) as u64);
        // Without a limit the answer may take as long as the connection lasts.
        let answer = limits.answer.map_or(WITHOUT_END, |answer| answer + size);
        last + if complete { answer } else { limits.idle }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.own.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A body that tells how it comes in.
struct Watched {
    body: Body,
    arrival: Arc<Arrival>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = &polled {
            let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref).map_or(0, Bytes::len);
            let complete = frame.is_none() || self.body.is_end_stream();
            if !self.arrival.note(bytes, complete) {
                return Poll::Ready(Some(Err(axum::Error::new("there is no room for this request now"))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Answers a request, or says that it takes too long.
pub async fn within(limits: Limits, held: Held, request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > limits.body_bytes as u64 {
        // Nobody waits until the whole of it has come.
        return too_large().answer();
    }
    let state = State { last: Instant::now(), complete: request.body().is_end_stream(), refused: false };
    let (own, most, completed) = (AtomicUsize::new(0), limits.held_bytes, Notify::new());
    let arrival = Arc::new(Arrival { state: Mutex::new(state), completed, own, all: held, most });
    let watched = Arc::clone(&arrival);
    let mut answer = pin!(next.run(request.map(|body| Body::new(Watched { body, arrival: watched }))));
    loop {
        let deadline = arrival.deadline(limits);
        let response = tokio::select! {
            response = &mut answer => response,
            () = arrival.completed.notified() => continue,
            () = tokio::time::sleep_until(deadline) => match arrival.deadline(limits) > deadline {
                true => continue,
                false => return late(arrival.state(), limits),
            },
        };
        if arrival.state().refused {
            return Problem::busy("The server holds as much of other requests as it may: try again later.").answer();
        }
        return response;
    }
}

fn late(state: State, limits: Limits) -> Response {
    if state.complete {
        return Problem::busy("The server was not able to produce a timely response to your request.").answer();
    }
    let text = format!("The request was not complete: nothing arrived for {} seconds.", limits.idle.as_secs());
    Problem::fail(text).code(StatusCode::REQUEST_TIMEOUT).answer()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use axum::{Router, middleware, routing::post};
    use tower::ServiceExt;

    use super::*;

    /// A body that comes in pieces with a pause before each.
    struct Slow {
        pieces: VecDeque<(Duration, usize)>,
        pause: Option<Pin<Box<tokio::time::Sleep>>>,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some((pause, size)) = self.pieces.front().copied() else { return Poll::Ready(None) };
            let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            std::task::ready!(sleep.as_mut().poll(context));
            self.pause = None;
            self.pieces.pop_front();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; size])))))
        }
    }

    fn app(work: Duration) -> Router {
        let limits = Limits {
            body_bytes: 100,
            held_bytes: 50,
            answer: Some(Duration::from_secs(20)),
            idle: Duration::from_secs(60),
            ..Limits::default()
        };
        let held = Held::default();
        let answer = move |body: Bytes| async move {
            tokio::time::sleep(work).await;
            body.len().to_string()
        };
        Router::new().route("/", post(answer)).layer(middleware::from_fn(move |request, next| within(limits, held.clone(), request, next)))
    }

    async fn ask(app: Router, pieces: &[(u64, usize)]) -> u16 {
        let pieces = pieces.iter().map(|(seconds, size)| (Duration::from_secs(*seconds), *size)).collect();
        let body = Body::new(Slow { pieces, pause: None });
        app.oneshot(Request::post("/").body(body).unwrap()).await.unwrap().status().as_u16()
    }

    fn test(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work);
    }

    #[test]
    fn slow_uploads_are_no_failure() {
        test(async {
            assert_eq!(ask(app(Duration::ZERO), &[(50, 1), (50, 1), (50, 1)]).await, 200);
            assert_eq!(ask(app(Duration::from_secs(19)), &[(50, 1)]).await, 200);
        });
    }

    #[test]
    fn nobody_waits_for_ever() {
        test(async {
            assert_eq!(ask(app(Duration::ZERO), &[(50, 1), (61, 1)]).await, 408);
            assert_eq!(ask(app(Duration::from_secs(21)), &[(1, 1)]).await, 503);
        });
    }

    #[test]
    fn bodies_are_held_within_a_limit() {
        test(async {
            let app = app(Duration::from_secs(10));
            let (first, second) = tokio::join!(ask(app.clone(), &[(0, 30)]), ask(app.clone(), &[(1, 30)]));
            assert_eq!((first, second), (200, 503));
            // What was held is free again.
            assert_eq!(ask(app.clone(), &[(0, 50)]).await, 200);
            let large = Request::post("/").body(Body::from(vec![b'x'; 101])).unwrap();
            assert_eq!(app.oneshot(large).await.unwrap().status().as_u16(), 413);
        });
    }
}
