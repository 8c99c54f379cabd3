//! What all stores share: the threads that carry requests, and the connections.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opendal::HttpTransporter;
use opendal_http_transport_reqwest::ReqwestTransport;
use tokio::runtime::Runtime;

use super::RemoteError;

/// Threads that carry requests; the bytes are handled by whoever asks.
const THREADS: usize = 2;
/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(30);

/// Threads and connections, made when the first request needs them: most processes never ask a store.
#[derive(Debug, Default)]
pub struct Client {
    made: OnceLock<Result<Made, String>>,
}

#[derive(Debug)]
struct Made {
    /// `None` once it is being given up.
    runtime: Option<Runtime>,
    transport: HttpTransporter,
}

impl Client {
    /// The threads, to wait there for an answer.
    pub fn runtime(&self) -> Result<&Runtime, RemoteError> {
        self.made()?.runtime.as_ref().ok_or_else(|| RemoteError::Client("the process is about to end".into()))
    }

    /// The connections.
    pub fn transport(&self) -> Result<HttpTransporter, RemoteError> {
        Ok(self.made()?.transport.clone())
    }

    fn made(&self) -> Result<&Made, RemoteError> {
        self.made.get_or_init(make).as_ref().map_err(|why| RemoteError::Client(why.clone()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The last one who knows the stores may be asynchronous himself, where nobody may wait for threads.
        if let Some(Ok(made)) = self.made.get_mut()
            && let Some(runtime) = made.runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

fn make() -> Result<Made, String> {
    // Whoever was first in this process has chosen; all of ours choose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || reqwest::Client::builder().connect_timeout(CONNECT).pool_idle_timeout(IDLE).user_agent("batchyard");
    let client = match builder().build() {
        Ok(client) => client,
        // A machine without certificates of authorities can still use what is not encrypted.
        Err(_) => builder().tls_certs_only([]).build().map_err(|error| error.to_string())?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).thread_name("stores").enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads can be made: {error}"))?;
    Ok(Made { runtime: Some(runtime), transport: HttpTransporter::new(ReqwestTransport::new(client)) })
}

/// Shared by all stores.
pub type Shared = Arc<Client>;
