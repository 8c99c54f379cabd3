//! Questions about one workflow, and what can be done with it.

use std::sync::Arc;

use axum::{
    Json as Body,
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use batchyard_model::RunId;
use batchyard_store::CallRecord;
use batchyard_workflow::{engine::Live, forget::forget_calls};
use serde_json::{Value as Json, json};

use super::{
    Problem, blocking,
    body::written,
    extract::{Content, Segments},
};
use crate::{
    metadata::{self, Context, MetadataError, Query, run_labels},
    service::Service,
    submission::read_labels,
};

/// Version and id in the path.
type Place = Segments<(String, String)>;

/// The id of a path.
pub fn id_of(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::invalid_id(text))
}

/// A view of a run, computed where waiting is allowed.
async fn view(
    service: Arc<Service>,
    id: &str,
    look: impl FnOnce(Context<'_>, RunId) -> Result<Json, MetadataError> + Send + 'static,
) -> Result<Body<Json>, Problem> {
    let id = id_of(id)?;
    let answer = blocking(move || look(Context { store: service.store(), options: service.options() }, id)).await?;
    Ok(Body(answer?))
}

/// `GET status`
pub async fn status(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, |context, id| Ok(json!({ "status": context.load(id)?.state.name(), "id": id.to_string() }))).await
}

/// `GET outputs`
pub async fn outputs(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, metadata::outputs).await
}

/// `GET logs`
pub async fn logs(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, metadata::logs).await
}

/// `GET metadata/failed-jobs`
pub async fn failed_jobs(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, metadata::failed_jobs).await
}

/// `GET labels`
pub async fn labels(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, |context, id| {
        let record = context.load(id)?;
        Ok(json!({ "id": id.to_string(), "labels": run_labels(context.store, &record)? }))
    })
    .await
}

/// `GET cost`
pub async fn cost(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    view(service, &id, |context, id| {
        let record = context.load(id)?;
        // Own machines have no price by the hour.
        Ok(json!({ "id": id.to_string(), "status": record.state.name(), "currency": "USD", "cost": 0, "errors": [] }))
    })
    .await
}

/// `GET why` (ours): what kept the calls of a run from taking earlier results. `call` names one of them, with or without
/// the workflow's name; `index` its place in a scatter.
pub async fn why(State(service): State<Arc<Service>>, Segments((_, id)): Place, RawQuery(text): RawQuery) -> Result<Body<Json>, Problem> {
    let (call, index) = named_call(&text.unwrap_or_default())?;
    view(service, &id, move |context, id| metadata::why(context, id, call.as_deref(), index)).await
}

/// `POST forget-results` (ours): no later call takes the results of this run, or of one of its calls, or results that are the
/// same. Parameters as for `why`.
pub async fn forget_results(
    State(service): State<Arc<Service>>,
    Segments((_, id)): Place,
    RawQuery(text): RawQuery,
) -> Result<Body<Json>, Problem> {
    let (call, index) = named_call(&text.unwrap_or_default())?;
    view(service, &id, move |context, id| {
        context.load(id)?;
        let named = metadata::named_calls(context, id, call.as_deref(), index)?;
        let chosen = |record: &CallRecord| named.contains(&record.id);
        let (calls, results) = forget_calls(context.store, id, chosen)?;
        Ok(json!({ "id": id.to_string(), "calls": calls, "forgotten": results }))
    })
    .await
}

/// The parameters `call`, with or without the workflow's name, and `index`.
fn named_call(text: &str) -> Result<(Option<String>, Option<i64>), Problem> {
    let value = |name: &str| form_urlencoded::parse(text.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let call = value("call");
    match value("index").map(|index| index.parse::<i64>()) {
        Some(Err(_)) => Err(Problem::fail("index must be a whole number")),
        index => Ok((call, index.and_then(Result::ok))),
    }
}

/// `PATCH labels`
pub async fn set_labels(
    State(service): State<Arc<Service>>,
    Segments((_, id)): Place,
    Content(body): Content,
) -> Result<Body<Json>, Problem> {
    // The original answers so; its clients know it.
    let id = id_of(&id).map_err(|problem| problem.as_error().code(StatusCode::INTERNAL_SERVER_ERROR))?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| Problem::fail("the labels are no UTF-8 text"))?;
    let labels = read_labels(&text).map_err(|problems| Problem::fail(problems.join("\n")))?;
    let answer = blocking(move || {
        service.set_labels(id, labels)?;
        let context = Context { store: service.store(), options: service.options() };
        let record = context.load(id)?;
        Ok::<_, Problem>(json!({ "id": id.to_string(), "labels": run_labels(context.store, &record).map_err(MetadataError::from)? }))
    });
    Ok(Body(answer.await??))
}

/// `POST abort`
pub async fn abort(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    let id = id_of(&id)?;
    let state = blocking(move || service.abort(id)).await?;
    let state = state.map_err(|error| match error {
        // For an abort the original calls an unknown id an error.
        error @ crate::service::ServiceError::Unknown(_) => {
            Problem::error(format!("Couldn't abort {id} because no workflow with that ID is in progress ({error})"))
                .code(StatusCode::NOT_FOUND)
        }
        error => error.into(),
    })?;
    Ok(Body(json!({ "id": id.to_string(), "status": state.name() })))
}

/// `POST releaseHold`
pub async fn release(State(service): State<Arc<Service>>, Segments((_, id)): Place) -> Result<Body<Json>, Problem> {
    let id = id_of(&id)?;
    let state = blocking(move || service.release(id)).await??;
    Ok(Body(json!({ "id": id.to_string(), "status": state.name() })))
}

/// `GET metadata`
pub async fn metadata(
    State(service): State<Arc<Service>>,
    Segments((_, id)): Place,
    RawQuery(parameters): RawQuery,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let mut query = metadata_query(parameters.as_deref().unwrap_or_default())?;
    let (known, calls) = (Arc::clone(&service), !query.filter.drops("calls"));
    let look = move || {
        let record = Context { store: known.store(), options: known.options() }.load(id)?;
        let goes_on = calls && !record.state.is_terminal();
        Ok::<_, MetadataError>(if goes_on { known.live(record.root.unwrap_or(id)) } else { Live::default() })
    };
    query.live = blocking(look).await??;
    Ok(written(move |out| metadata::write(Context { store: service.store(), options: service.options() }, id, &query, out)).await)
}

/// The parameters of `metadata`.
fn metadata_query(text: &str) -> Result<Query, Problem> {
    let mut query = Query::default();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match &*name {
            "includeKey" => query.filter.include.push(value.into_owned()),
            "excludeKey" => query.filter.exclude.push(value.into_owned()),
            "expandSubWorkflows" => {
                query.expand =
                    value.parse().map_err(|_| Problem::fail(format!("expandSubWorkflows must be true or false, not '{value}'")))?;
            }
            // What the original ignores is ignored here.
            _ => {}
        }
    }
    Ok(query)
}
