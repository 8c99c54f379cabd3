//! Connections: accepted, given a time to ask, ended in order.

use std::{io, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::{Limits, tls::Tls};

/// Pause when the machine has no connection to give, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown` is done; requests that have begun are answered. In the time `limits.idle` the head of a request must
/// have come, also on a connection that is kept open between requests; with `tls` a client must agree on it in that time, too.
/// Who takes nothing of an answer for `limits.stalled` is given up.
///
/// # Errors
/// What the network said.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    // A client that has said all it wants may close its half before it is answered.
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle).half_close(true);
    let open = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if !is_about_one_connection(&error) {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        prepare(&stream, limits.stalled);
        let service = TowerToHyperService::new(router.clone());
        // How a connection ends is its client's business.
        match tls.clone() {
            None => {
                let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move { drop(connection.await) });
            }
            Some(tls) => {
                let (http, watcher) = (http.clone(), open.watcher());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(limits.idle, tls.shake_hands(stream)).await {
                        drop(watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await);
                    }
                });
            }
        }
    }
    drop(listener);
    open.shutdown().await;
    Ok(())
}

/// The kernel ends a connection whose other side takes nothing for so long. It knows better than we what was taken: a slow
/// reader may not make room for another block for minutes. And it sends the last piece of an answer at once, not when the
/// other side has confirmed the piece before, which may take it 40 ms.
fn prepare(stream: &TcpStream, stalled: Duration) {
    // What has no such options is served all the same.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(stalled));
    let _ = stream.set_nodelay(true);
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        pin::Pin,
        sync::mpsc::{Receiver, Sender, channel},
        task::{Context, Poll},
        time::Instant,
    };

    use axum::body::{Body, Bytes};
    use hyper::body::Frame;

    use super::*;

    /// Far more than buffers hold.
    const BLOCKS: usize = 1024;
    const BLOCK: usize = 64 * 1024;

    /// An answer that tells when it is given up, and how much of it was left.
    struct Answer(usize, Sender<usize>);

    impl hyper::body::Body for Answer {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let block = self.0.checked_sub(1).map(|left| {
                self.0 = left;
                Ok(Frame::data(Bytes::from_static(&[b'x'; BLOCK])))
            });
            Poll::Ready(block)
        }
    }

    impl Drop for Answer {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    /// A server of such answers, and a client that has asked it.
    fn asked(stalled: Duration) -> (tokio::runtime::Runtime, std::net::TcpStream, Receiver<usize>) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (told, given_up) = channel();
        let router = Router::new().fallback(move || std::future::ready(Body::new(Answer(BLOCKS, told.clone()))));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        runtime.spawn(serve(listener, None, router, Limits { stalled, ..Limits::default() }, std::future::pending()));
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        (runtime, client, given_up)
    }

    #[test]
    fn no_piece_of_an_answer_waits_for_the_one_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).await.unwrap()
        });
        assert!(!stream.nodelay().unwrap());
        prepare(&stream, Duration::from_secs(1));
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn who_takes_nothing_is_given_up() {
        let (_runtime, _client, given_up) = asked(Duration::from_secs(1));
        let left = given_up.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(left > 0, "it was not sent to the end");
    }

    #[test]
    fn who_takes_a_little_at_a_time_gets_all() {
        let (_runtime, mut client, given_up) = asked(Duration::from_secs(1));
        let (begin, mut block, mut read) = (Instant::now(), vec![0; BLOCK], 0);
        loop {
            match client.read(&mut block).unwrap() {
                0 => break,
                count => read += count,
            }
            // For some times as long as the server has patience, then to the end.
            if begin.elapsed() < Duration::from_secs(4) {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
        assert!(read > BLOCKS * BLOCK, "{read}");
        assert_eq!(given_up.recv_timeout(Duration::from_secs(60)).unwrap(), 0);
    }
}
