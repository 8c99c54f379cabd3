//! The HTTP interface: routes only; what they do is in the modules beneath, one for each kind of question.

mod body;
mod describe;
mod diff;
mod engine;
mod extract;
mod openapi;
mod patience;
mod problem;
mod query;
mod run;
mod serve;
mod submit;
mod timing;
mod tls;
mod wes;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

pub use self::{
    problem::Problem,
    serve::serve,
    tls::{Tls, TlsError, TlsNews},
};
use crate::service::Service;

/// Limits of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of a request's body.
    pub body_bytes: usize,
    /// Most bytes of the bodies of all requests that are at work; more are refused until there is room.
    pub held_bytes: usize,
    /// Time from the end of a request until its answer begins; then the client is told to try again. Without end when absent.
    pub answer: Option<Duration>,
    /// Longest pause within a request.
    pub idle: Duration,
    /// Longest time in which somebody who is answered takes nothing.
    pub stalled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes: 512 << 20,
            held_bytes: 1 << 30,
            answer: Some(Duration::from_secs(20)),
            idle: Duration::from_secs(60),
            stalled: Duration::from_secs(300),
        }
    }
}

/// All routes of the interface.
pub fn router(service: Arc<Service>, limits: Limits) -> Router {
    let held = patience::Held::default();
    let workflows = Router::new()
        .route("/", post(submit::one))
        .route("/batch", post(submit::batch))
        .route("/backends", get(engine::backends))
        .route("/query", get(query::by_parameters).post(query::by_body))
        .route("/callcaching/diff", get(diff::diff))
        .route("/{id}/status", get(run::status))
        .route("/{id}/outputs", get(run::outputs))
        .route("/{id}/logs", get(run::logs))
        .route("/{id}/metadata", get(run::metadata))
        .route("/{id}/metadata/failed-jobs", get(run::failed_jobs))
        .route("/{id}/metadata/failed-tasks", get(run::failed_jobs))
        .route("/{id}/labels", get(run::labels).patch(run::set_labels))
        .route("/{id}/abort", post(run::abort))
        .route("/{id}/releaseHold", post(run::release))
        .route("/{id}/timing", get(timing::page))
        .route("/{id}/why", get(run::why))
        .route("/{id}/forget-results", post(run::forget_results))
        .route("/{id}/cost", get(run::cost));
    let wes = Router::new()
        .route("/service-info", get(wes::service_info))
        .route("/runs", get(wes::list).post(wes::submit))
        .route("/runs/{id}", get(wes::run))
        .route("/runs/{id}/status", get(wes::status))
        .route("/runs/{id}/cancel", post(wes::cancel));
    Router::new()
        // With and without the slash, as clients write it.
        .route("/api/workflows/{version}/", post(submit::one))
        .nest("/api/workflows/{version}", workflows)
        .route("/api/womtool/{version}/describe", post(describe::describe))
        .nest("/api/ga4gh/wes/v1", wes.clone())
        .nest("/ga4gh/wes/v1", wes)
        .route("/engine/{version}/version", get(engine::version))
        .route("/engine/{version}/status", get(engine::status))
        .route("/engine/{version}/stats", get(engine::stats))
        .route("/healthz", get(engine::health))
        .merge(openapi::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(middleware::from_fn(move |request: Request, next: Next| patience::within(limits, held.clone(), request, next)))
        .layer(CompressionLayer::new())
        .with_state(service)
}

/// Work that waits for the disk or the store, on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::error("internal error while the request was worked on"))
}
