//! Connections: accepted, given a time to ask, ended in order.

use std::{io, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;

use super::tls::Tls;

/// Pause when the machine has no connection to give, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown` is done; requests that have begun are answered. In the time `idle` the head of a request must
/// have come, also on a connection that is kept open between requests; with `tls` a client must agree on it in that time, too.
///
/// # Errors
/// What the network said.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    idle: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    // A client that has said all it wants may close its half before it is answered.
    http.timer(TokioTimer::new()).header_read_timeout(idle).half_close(true);
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
                    if let Ok(Ok(stream)) = tokio::time::timeout(idle, tls.shake_hands(stream)).await {
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

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
