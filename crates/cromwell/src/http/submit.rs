//! Submitting workflows.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json as Body,
    extract::{FromRequest, Multipart, Request, State, multipart::MultipartError},
    http::{HeaderValue, StatusCode, header::WARNING},
    response::{IntoResponse, Response},
};
use serde_json::{Value as Json, json};

use super::{Problem, blocking, extract::too_large};
use crate::{
    VERSION,
    service::{Service, ServiceError},
    submission::{Parts, Submission},
};

/// Most parts of a request.
pub const MAX_PARTS: usize = 1000;

/// `POST /api/workflows/{version}`
pub async fn one(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    submit(service, request, false).await
}

/// `POST /api/workflows/{version}/batch`
pub async fn batch(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    submit(service, request, true).await
}

async fn submit(service: Arc<Service>, request: Request, several: bool) -> Result<Response, Problem> {
    let parts = read_parts(request).await?;
    let (accepted, warnings) = blocking(move || {
        let submission = Submission::read(&parts, service.options().yaml)
            .map_err(|problems| Problem::fail(format!("Error(s): {}", problems.join("\n"))))?;
        let warnings = submission.warnings.clone();
        // The texts are in the submission now; the request's own copy need not live as long.
        drop(parts);
        let accepted = service.submit(submission, several).map_err(|error| match error {
            ServiceError::Refused(problems) => Problem::fail(problems.join("\n")),
            error => error.into(),
        })?;
        Ok::<_, Problem>((accepted, warnings))
    })
    .await??;
    let answers: Vec<Json> = accepted.iter().map(|(id, state)| json!({ "id": id.to_string(), "status": state.name() })).collect();
    let answer = if several { Json::Array(answers) } else { answers.into_iter().next().unwrap_or_default() };
    let mut response = (StatusCode::CREATED, Body(answer)).into_response();
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 cromwell/{VERSION} \"{warning}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
    Ok(response)
}

/// Why a multipart body cannot be read.
pub fn wrong(error: MultipartError) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        code => Problem::fail(format!("the multipart body is broken: {}", error.body_text())).code(code),
    }
}

/// The parts of a multipart request by name; of parts sent twice the last counts.
pub async fn read_parts(request: Request) -> Result<Parts, Problem> {
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|error| {
        Problem::fail(format!("the request has no multipart body: {}; send it as multipart/form-data", error.body_text()))
            .code(error.status())
    })?;
    let mut parts: Parts = HashMap::new();
    for count in 0.. {
        let Some(field) = multipart.next_field().await.map_err(wrong)? else { return Ok(parts) };
        if count >= MAX_PARTS {
            return Err(Problem::fail(format!("the request has more than {MAX_PARTS} parts")));
        }
        let name = field.name().unwrap_or_default().to_owned();
        parts.insert(name, field.bytes().await.map_err(wrong)?);
    }
    Ok(parts)
}
