//! Questions about the server itself.

use std::sync::Arc;

use axum::{Json as Body, extract::State, http::StatusCode};
use serde_json::{Value as Json, json};

use super::{Problem, blocking};
use crate::{VERSION, service::Service};

/// `GET /engine/{version}/version`
pub async fn version() -> Body<Json> {
    Body(json!({ "cromwell": VERSION }))
}

/// `GET /engine/{version}/status`
pub async fn status(State(service): State<Arc<Service>>) -> Result<(StatusCode, Body<Json>), Problem> {
    let database = blocking(move || service.store().count_runs_by_state()).await?;
    Ok(match database {
        Ok(_) => (StatusCode::OK, Body(json!({ "Engine Database": { "ok": true } }))),
        Err(error) => {
            let state = json!({ "Engine Database": { "ok": false, "messages": [error.to_string()] } });
            (StatusCode::INTERNAL_SERVER_ERROR, Body(state))
        }
    })
}

/// `GET /engine/{version}/stats`
pub async fn stats() -> Problem {
    Problem::fail("The /stats endpoint is currently disabled.").code(StatusCode::FORBIDDEN)
}

/// `GET /api/workflows/{version}/backends`
pub async fn backends(State(service): State<Arc<Service>>) -> Body<Json> {
    let (names, default) = service.options().backends();
    Body(json!({ "supportedBackends": names, "defaultBackend": default }))
}

/// `GET /healthz`: whether the server lives, and how busy it is.
pub async fn health(State(service): State<Arc<Service>>) -> Body<Json> {
    let (waiting, running, queued, started) = service.load();
    Body(json!({ "ok": true, "workflows": { "waiting": waiting, "running": running }, "tasks": { "waiting": queued, "running": started } }))
}
