//! The GA4GH workflow execution service (WES) over the same workflows.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json as Body,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Multipart, OriginalUri, RawQuery, Request, State},
    http::{StatusCode, request},
    response::{IntoResponse, Response},
};
use batchyard_model::{RunId, RunState};
use batchyard_store::{RunFilter, Store};
use batchyard_workflow::{
    blobs,
    documents::{RunSpec, StartDoc},
};
use serde_json::{Map, Value as Json, json};

use super::{
    Problem, blocking,
    extract::{Content, Segments},
    run::id_of,
    submit::{MAX_PARTS, read_parts, wrong},
};
use crate::{
    VERSION,
    metadata::{Context, MetadataError, call_status, full_name},
    service::{Service, ServiceError},
    submission::{Parts, Submission},
};

/// Runs of one page unless the client wants fewer or more.
const PAGE: u32 = 256;
/// Most runs of one page.
const MOST: u32 = 10_000;
/// Name under which a tag of a run is kept as a label.
const TAG_LIMIT: usize = crate::submission::MAX_LABEL;

/// An answer that is no success, in this interface's shape.
struct WesProblem {
    code: StatusCode,
    message: String,
    /// The original answers questions about runs with 200 and tells the code in the body.
    quiet: bool,
}

impl WesProblem {
    fn quiet(self) -> Self {
        WesProblem { quiet: true, ..self }
    }
}

impl From<Problem> for WesProblem {
    fn from(problem: Problem) -> Self {
        WesProblem { code: problem.status_code(), message: problem.message().to_owned(), quiet: false }
    }
}

impl From<MetadataError> for WesProblem {
    fn from(error: MetadataError) -> Self {
        Problem::from(error).into()
    }
}

impl IntoResponse for WesProblem {
    fn into_response(self) -> Response {
        let code = if self.quiet { StatusCode::OK } else { self.code };
        (code, Body(json!({ "msg": self.message, "status_code": self.code.as_u16() }))).into_response()
    }
}

/// The id in a path, as text.
pub struct RunSegment(String);

impl<S: Send + Sync> FromRequestParts<S> for RunSegment {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Response> {
        let segments = Segments::<String>::from_request_parts(parts, state).await;
        segments.map(|Segments(id)| RunSegment(id)).map_err(|problem| WesProblem::from(problem).into_response())
    }
}

type Answer = Result<Body<Json>, WesProblem>;

fn state_name(state: RunState) -> &'static str {
    match state {
        RunState::OnHold => "PAUSED",
        RunState::Submitted => "QUEUED",
        RunState::Running => "RUNNING",
        RunState::Aborting => "CANCELING",
        RunState::Aborted => "CANCELED",
        RunState::Succeeded => "COMPLETE",
        RunState::Failed => "EXECUTOR_ERROR",
    }
}

/// `GET service-info`
pub async fn service_info(State(service): State<Arc<Service>>) -> Result<Body<Json>, Response> {
    let told = service.options().wes.clone();
    let counts = blocking(move || service.store().count_runs_by_state()).await;
    let counts = counts.and_then(|counts| counts.map_err(|error| MetadataError::from(error).into()));
    let counts = counts.map_err(|problem| WesProblem::from(problem).into_response())?;
    let counts: Map<String, Json> = counts.into_iter().map(|(state, count)| (state_name(state).to_owned(), json!(count))).collect();
    Ok(Body(json!({
        // The original's name and the standard's.
        "workflow_type_version": { "WDL": ["draft-2", "1.0", "1.1", "1.2", "1.3"] },
        "workflow_type_versions": { "WDL": { "workflow_type_version": ["draft-2", "1.0", "1.1", "1.2", "1.3"] } },
        "supported_wes_versions": ["1.0", "1.0.0", "1.1.0"],
        "supported_filesystem_protocols": ["file", "http", "https"],
        "workflow_engine_versions": { "Cromwell": VERSION, "batchyard": env!("CARGO_PKG_VERSION") },
        "default_workflow_engine_parameters": [],
        "system_state_counts": counts,
        "auth_instructions_url": told.auth_instructions_url,
        "contact_info_url": told.contact_info_url,
        "tags": {},
        "id": "batchyard",
        "name": "batchyard",
        "type": { "group": "org.ga4gh", "artifact": "wes", "version": "1.1.0" },
        "version": env!("CARGO_PKG_VERSION"),
    })))
}

/// `GET runs`
pub async fn list(State(service): State<Arc<Service>>, RawQuery(text): RawQuery) -> Result<Body<Json>, Response> {
    let text = text.unwrap_or_default();
    let value = |name: &str| form_urlencoded::parse(text.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let size = value("page_size").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, MOST);
    let offset: u64 = value("page_token").and_then(|text| text.parse().ok()).unwrap_or(0);
    let look = move || service.store().list_runs(&RunFilter { limit: size, offset, ..RunFilter::default() });
    let runs = blocking(look).await.and_then(|runs| runs.map_err(|error| MetadataError::from(error).into()));
    let runs = runs.map_err(|problem| WesProblem::from(problem).into_response())?;
    let next = if runs.len() == size as usize { (offset + u64::from(size)).to_string() } else { String::new() };
    let runs: Vec<Json> = runs.iter().map(|run| json!({ "run_id": run.id.to_string(), "state": state_name(run.state) })).collect();
    Ok(Body(json!({ "runs": runs, "next_page_token": next })))
}

/// `POST runs`
pub async fn submit(State(service): State<Arc<Service>>, OriginalUri(uri): OriginalUri, request: Request) -> Result<Response, Response> {
    let accepted = accept(service, request).await.map_err(IntoResponse::into_response)?;
    // At the standard's own address its clients expect the standard's code, at the original's the original's.
    let code = if uri.path().starts_with("/api/") { StatusCode::CREATED } else { StatusCode::OK };
    Ok((code, Body(json!({ "run_id": accepted.to_string() }))).into_response())
}

async fn accept(service: Arc<Service>, request: Request) -> Result<RunId, WesProblem> {
    let attachments = read_attachments(request).await?;
    let accepted = blocking(move || {
        let submission = submission_of(&attachments)?;
        service.submit(submission, false).map_err(|error| match error {
            ServiceError::Refused(problems) => Problem::fail(problems.join("\n")),
            error => error.into(),
        })
    });
    let ids = accepted.await??;
    ids.first().map(|(id, _)| *id).ok_or_else(|| Problem::error("nothing was accepted").into())
}

/// Parts by name, and the attached files by theirs.
struct Attachments {
    parts: Parts,
    files: BTreeMap<String, String>,
}

async fn read_attachments(request: Request) -> Result<Attachments, Problem> {
    let form = request
        .headers()
        .get(axum::http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if form {
        let Content(body) = Content::from_request(request, &()).await?;
        let pairs = form_urlencoded::parse(&body).map(|(name, value)| (name.into_owned(), Bytes::copy_from_slice(value.as_bytes())));
        return Ok(Attachments { parts: pairs.collect(), files: BTreeMap::new() });
    }
    let is_multipart =
        request.headers().get(axum::http::header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    if !is_multipart {
        return read_parts(request).await.map(|parts| Attachments { parts, files: BTreeMap::new() });
    }
    let mut multipart =
        Multipart::from_request(request, &()).await.map_err(|error| Problem::fail(error.body_text()).code(error.status()))?;
    let mut found = Attachments { parts: Parts::new(), files: BTreeMap::new() };
    for count in 0.. {
        let Some(field) = multipart.next_field().await.map_err(wrong)? else { return Ok(found) };
        if count >= MAX_PARTS {
            return Err(Problem::fail(format!("the request has more than {MAX_PARTS} parts")));
        }
        let (name, file) = (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
        let content = field.bytes().await.map_err(wrong)?;
        if name == "workflow_attachment" {
            let text = String::from_utf8(content.to_vec()).map_err(|_| Problem::fail("a workflow_attachment is no UTF-8 text"))?;
            let file = file.unwrap_or_else(|| "workflow.wdl".into());
            let path = crate::archive::inner_path(&file)
                .ok_or_else(|| Problem::fail(format!("workflow_attachment `{file}` would lie outside of the run's folder")))?;
            // Without names of their own the first one is the workflow.
            found.files.entry(path).or_insert(text);
        } else {
            found.parts.insert(name, content);
        }
    }
    Ok(found)
}

fn submission_of(attached: &Attachments) -> Result<Submission, Problem> {
    let text = |name: &str| {
        attached.parts.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).filter(|text| !text.trim().is_empty())
    };
    let object = |name: &str| match text(name).map(|text| serde_json::from_str::<Json>(&text)) {
        None | Some(Ok(Json::Null)) => Ok(Map::new()),
        Some(Ok(Json::Object(object))) => Ok(object),
        Some(Ok(_)) => Err(Problem::fail(format!("{name} must be a JSON object"))),
        Some(Err(error)) => Err(Problem::fail(format!("{name} is no JSON: {error}"))),
    };
    let url = text("workflow_url");
    // An address that names an attachment means that; else the first attachment is the workflow.
    let named = url.as_ref().and_then(|url| attached.files.get(url.trim_start_matches("./")));
    let source = named.or_else(|| attached.files.values().next().filter(|_| !url.as_ref().is_some_and(|url| url.contains("://"))));
    if source.is_none() && !url.as_ref().is_some_and(|url| url.contains("://")) {
        return Err(Problem::fail("no workflow was sent: give workflow_url, or the document as workflow_attachment"));
    }
    let tags = object("tags")?;
    let labels = tags.iter().map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let labels: Vec<(String, String)> = labels.collect();
    if let Some((name, _)) = labels.iter().find(|(n, v)| n.is_empty() || n.chars().count() > TAG_LIMIT || v.chars().count() > TAG_LIMIT) {
        return Err(Problem::fail(format!("tag `{name}` is longer than {TAG_LIMIT} characters")));
    }
    Ok(Submission {
        url: if source.is_some() { None } else { url },
        source: source.cloned(),
        language: text("workflow_type"),
        version: text("workflow_type_version"),
        inputs: vec![object("workflow_params")?],
        options: object("workflow_engine_parameters")?,
        labels,
        imports: Some(attached.files.clone()).filter(|files| files.len() > 1),
        ..Submission::default()
    })
}

async fn view(
    service: Arc<Service>,
    id: &str,
    look: impl FnOnce(Context<'_>, RunId) -> Result<Json, MetadataError> + Send + 'static,
) -> Answer {
    let id = id_of(id).map_err(|problem| WesProblem::from(problem.code(StatusCode::NOT_FOUND)).quiet())?;
    let answer = blocking(move || look(Context { store: service.store(), options: service.options() }, id)).await?;
    answer.map(Body).map_err(|error| WesProblem::from(error).quiet())
}

/// `GET runs/{id}/status`
pub async fn status(State(service): State<Arc<Service>>, id: RunSegment) -> Result<Body<Json>, Response> {
    let look = |context: Context<'_>, id: RunId| Ok(json!({ "run_id": id.to_string(), "state": state_name(context.load(id)?.state) }));
    view(service, &id.0, look).await.map_err(IntoResponse::into_response)
}

/// `POST runs/{id}/cancel`
pub async fn cancel(State(service): State<Arc<Service>>, id: RunSegment) -> Result<Body<Json>, Response> {
    let cancelled = async {
        let id = id_of(&id.0).map_err(|problem| problem.code(StatusCode::NOT_FOUND))?;
        blocking(move || service.abort(id)).await??;
        Ok::<_, Problem>(id)
    };
    match cancelled.await {
        Ok(id) => Ok(Body(json!({ "run_id": id.to_string() }))),
        Err(problem) => Err(WesProblem::from(problem).into_response()),
    }
}

/// `GET runs/{id}`
pub async fn run(State(service): State<Arc<Service>>, id: RunSegment) -> Result<Body<Json>, Response> {
    view(service, &id.0, whole).await.map_err(IntoResponse::into_response)
}

fn whole(context: Context<'_>, id: RunId) -> Result<Json, MetadataError> {
    let record = context.load(id)?;
    let spec: RunSpec = serde_json::from_str(&record.spec).unwrap_or_default();
    let sent = spec.submission.clone().unwrap_or_default();
    let inputs = if sent.inputs.is_empty() { None } else { context.store.load_blob(&sent.inputs)? };
    let inputs = match inputs.and_then(|text| serde_json::from_str(&text).ok()) {
        Some(inputs) => inputs,
        None => Json::Object(blobs::whole_members(context.store, &spec.inputs)?),
    };
    let labels: Map<String, Json> = crate::metadata::run_labels(context.store, &record)?;
    let time = |at: Option<i64>| at.map_or(json!(""), crate::moment);
    let outputs = crate::metadata::outputs(context, id)?;
    let failures = crate::metadata::failures_of_run(context.store, &record)?;
    Ok(json!({
        "run_id": id.to_string(),
        "request": {
            "workflow_params": inputs,
            "workflow_type": sent.language.as_deref().unwrap_or("None supplied"),
            "workflow_type_version": sent.version.as_deref().unwrap_or("None supplied"),
            "tags": labels,
            "workflow_engine_parameters": context.options.shown_options(&spec.options),
            "workflow_url": sent.url.as_deref().unwrap_or_default(),
        },
        "state": state_name(record.state),
        "run_log": {
            "name": record.name,
            "cmd": [],
            "start_time": time(record.started_ms),
            "end_time": time(record.ended_ms),
            "stdout": "",
            "stderr": failures.map(|failures| failures.to_string()).unwrap_or_default(),
            "exit_code": Json::Null,
        },
        "task_logs": task_logs(context.store, &record.name, record.state, id)?,
        "outputs": outputs.get("outputs").cloned().unwrap_or_default(),
    }))
}

fn task_logs(store: &Store, workflow: &str, run: RunState, id: RunId) -> Result<Vec<Json>, MetadataError> {
    let mut logs = Vec::new();
    store.scan_calls(id, |call| {
        let start: StartDoc = serde_json::from_str(&call.start_doc).unwrap_or_default();
        let shard = if call.id.shard.0.is_empty() { String::new() } else { format!(".{}", call.id.shard) };
        let time = |at: Option<i64>| at.map_or(json!(""), crate::moment);
        let command = batchyard_workflow::layout::read_command(std::path::Path::new(&start.dir), 0);
        logs.push(json!({
            "name": format!("{}{shard}", full_name(workflow, &call.id.call)),
            "cmd": command.into_iter().collect::<Vec<_>>(),
            "start_time": time(call.started_ms),
            "end_time": time(call.ended_ms),
            "stdout": format!("{}/execution/stdout", start.dir),
            "stderr": format!("{}/execution/stderr", start.dir),
            "exit_code": call.exit_code,
            "system_logs": [call_status(run, call.state)],
        }));
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(logs)
}
