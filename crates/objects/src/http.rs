//! The store over HTTP, in the words of OSS and of S3.
//!
//! A request becomes a [`head::Head`] (which bucket, which key, which dialect), `auth` finds out who sent it, `routes` which
//! operation it is and what that needs; then the operation's own file does it with plain functions of the store. Bodies
//! are streams in both directions: `intake` receives, `download` sends.

mod access;
mod auth;
mod checksum;
mod chunked;
mod condition;
mod download;
mod hand;
mod head;
mod headers;
mod intake;
mod problem;
mod reply;
mod routes;
mod wire;

mod acl;
mod append;
mod bucket;
mod copy;
mod cors;
mod delete;
mod get;
mod list;
mod multipart;
mod put;
mod symlink;
mod tagging;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    response::Response,
};

use self::{
    auth::Caller,
    head::{Dialect, Head},
    problem::Problem,
    reply::Reply,
};
use crate::{Objects, Staged, keys::Keyring};

/// Told what went wrong inside, for the log of the server.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// How the endpoint presents itself.
#[derive(Clone)]
pub struct Options {
    /// Names of this server under which buckets may be addressed as `bucket.name`, besides the well-known ones
    /// (`oss-REGION.aliyuncs.com`, `s3.REGION.amazonaws.com`, `localhost`).
    pub hosts: Vec<String>,
    /// Region that clients are told, as in `cn-hangzhou`.
    pub region: String,
    /// Told what went wrong inside.
    pub complain: Complain,
}

impl Default for Options {
    fn default() -> Self {
        Self { hosts: Vec::new(), region: "local".to_owned(), complain: Arc::new(|_| ()) }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("hosts", &self.hosts).field("region", &self.region).finish_non_exhaustive()
    }
}

struct Service {
    objects: Objects,
    keyring: Arc<dyn Keyring>,
    options: Options,
}

/// A request whose sender is known.
struct Call {
    service: Arc<Service>,
    head: Head,
    caller: Caller,
}

impl Call {
    fn objects(&self) -> &Objects {
        &self.service.objects
    }

    fn bucket(&self) -> &str {
        self.head.bucket.as_deref().unwrap_or_default()
    }

    fn key(&self) -> &str {
        &self.head.key
    }

    fn is_s3(&self) -> bool {
        self.head.dialect == Dialect::S3
    }
}

/// What came in the body.
enum Input {
    Nothing,
    Document(Vec<u8>),
    Staged(Box<Staged>),
}

impl Input {
    fn document(&self) -> &[u8] {
        match self {
            Self::Document(bytes) => bytes,
            Self::Nothing | Self::Staged(_) => &[],
        }
    }

    fn staged(self) -> Result<Staged, Problem> {
        match self {
            Self::Staged(staged) => Ok(*staged),
            Self::Nothing | Self::Document(_) => Err(Problem::internal("an operation got no body")),
        }
    }
}

/// What answers requests. It has no routes of its own to clash with: everything is a bucket or a key.
pub fn router(objects: Objects, keyring: Arc<dyn Keyring>, options: Options) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(Service { objects, keyring, options }))
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, mut body) = request.into_parts();
    let waits = parts.headers.contains_key(axum::http::header::EXPECT);
    let request_id = reply::request_id();
    let dialect = head::dialect(&parts);
    let is_head = parts.method == axum::http::Method::HEAD;
    let host = head::host(&parts);
    let origin = cors::Origin::of(&parts, &service);
    let outcome = respond(Arc::clone(&service), parts, &mut body).await;
    let mut response = match outcome {
        Ok(reply) => reply.into_response(),
        Err(problem) => {
            if let Some(inside) = &problem.inside {
                (service.options.complain)(&format!("request {request_id}: {inside}"));
            }
            problem.into_response(dialect, is_head, &request_id, &host)
        }
    };
    reply::add_common(response.headers_mut(), dialect, &request_id);
    // A client that still sends would not hear the answer; one that waits to be told to send must not be told.
    if !(body.is_end_stream() || (!waits && intake::drain(&mut body).await)) {
        response.headers_mut().insert(axum::http::header::CONNECTION, axum::http::HeaderValue::from_static("close"));
    }
    if let Some(origin) = origin {
        origin.allow(response.headers_mut(), &service).await;
    }
    response
}

async fn respond(service: Arc<Service>, parts: axum::http::request::Parts, body: &mut Body) -> Result<Reply, Problem> {
    let head = Head::parse(&parts, &service.options)?;
    let operation = routes::find(&head)?;
    let caller = auth::identify(&head, service.keyring.as_ref(), now())?;
    let call = Arc::new(Call { service, head, caller });
    let checked = Arc::clone(&call);
    let check = move || access::check(&checked, operation.need).and_then(|()| (operation.check)(&checked));
    let input = match operation.body {
        routes::BodyKind::None => return blocking(move || check().and_then(|()| (operation.run)(&call, Input::Nothing))).await,
        routes::BodyKind::Bytes if intake::is_small(&call) => {
            // All in one go: for a small object every hand-over to another thread counts.
            let small = intake::small(&call, body).await?;
            let run = move || (operation.run)(&call, Input::Staged(Box::new(small.stage(&call)?)));
            return blocking(move || check().and_then(|()| run())).await;
        }
        routes::BodyKind::Document => {
            blocking(check).await?;
            Input::Document(intake::document(&call, body).await?)
        }
        routes::BodyKind::Bytes => {
            blocking(check).await?;
            Input::Staged(Box::new(intake::receive(&call, body).await?))
        }
    };
    blocking(move || (operation.run)(&call, input)).await
}

/// Runs something that waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Problem::internal(error.to_string())))
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
