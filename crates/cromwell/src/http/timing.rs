//! The timing page: when each call of a workflow did what, drawn by the browser from the metadata.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use batchyard_workflow::engine::Live;

use super::{Problem, blocking, extract::Segments, run::id_of};
use crate::{
    metadata::{self, Context, Filter, Query},
    service::Service,
};

/// What is drawn.
const KEYS: [&str; 9] =
    ["workflowName", "status", "start", "end", "executionStatus", "executionEvents", "subWorkflowMetadata", "subWorkflowId", "id"];
/// The page; `/*METADATA*/` stands for the data.
const PAGE: &str = include_str!("timing.html");

/// `GET timing`
pub async fn page(State(service): State<Arc<Service>>, Segments((_, id)): Segments<(String, String)>) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let query =
        Query { filter: Filter { include: KEYS.map(str::to_owned).into(), exclude: Vec::new() }, expand: true, live: Live::default() };
    let data = blocking(move || {
        let mut data = Vec::new();
        metadata::write(Context { store: service.store(), options: service.options() }, id, &query, &mut data).map(|()| data)
    });
    let data = String::from_utf8_lossy(&data.await??).into_owned();
    // Inside a script the end of it must not be spelled out.
    let page = PAGE.replacen("/*METADATA*/", &data.replace("</", "<\\/"), 1);
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}
