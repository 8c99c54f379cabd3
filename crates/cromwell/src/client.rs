//! The other side of the interface: submitting to a server, as the original's `submit` and widdler do.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value as Json;

/// Time an answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is submitted: files of this machine.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The document: a file, or an http(s) URL.
    pub source: String,
    /// `workflowRoot`
    pub root: Option<String>,
    /// Inputs, JSON or YAML.
    pub inputs: Option<PathBuf>,
    /// Options as JSON text.
    pub options: Option<String>,
    /// `workflowType`
    pub language: Option<String>,
    /// `workflowTypeVersion`
    pub version: Option<String>,
    /// Labels, a JSON file.
    pub labels: Option<PathBuf>,
    /// The zip of dependencies.
    pub imports: Option<PathBuf>,
}

/// Why a submission failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Nobody answers, or not in the way of a server.
    #[error("cannot reach the server at `{host}`: {cause}")]
    Unreachable {
        /// Which server.
        host: String,
        /// What the network said.
        cause: String,
    },
    /// The server does not take it.
    #[error("the server refused the workflow: {0}")]
    Refused(String),
}

/// Submits to the server at `host` (a URL). Returns the id of the workflow.
///
/// # Errors
/// A file cannot be read, the server cannot be reached, or it refuses.
pub fn submit(host: &str, request: &Request) -> Result<String, ClientError> {
    let mut parts: Vec<(&str, Vec<u8>)> = Vec::new();
    if request.source.starts_with("http://") || request.source.starts_with("https://") {
        parts.push(("workflowUrl", request.source.clone().into_bytes()));
    } else {
        parts.push(("workflowSource", read(Path::new(&request.source))?));
    }
    for (name, text) in [("workflowRoot", &request.root), ("workflowType", &request.language), ("workflowTypeVersion", &request.version)] {
        parts.extend(text.clone().map(|text| (name, text.into_bytes())));
    }
    for (name, path) in [("workflowInputs", &request.inputs), ("labels", &request.labels), ("workflowDependencies", &request.imports)] {
        if let Some(path) = path {
            parts.push((name, read(path)?));
        }
    }
    parts.extend(request.options.clone().map(|text| ("workflowOptions", text.into_bytes())));
    let answer = post(host, "/api/workflows/v1", &parts)?;
    answer
        .get("id")
        .and_then(Json::as_str)
        .map(str::to_owned)
        .ok_or_else(|| ClientError::Refused(answer.get("message").and_then(Json::as_str).map_or_else(|| answer.to_string(), str::to_owned)))
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|cause| ClientError::File { path: path.to_owned(), cause })
}

/// Sends a form and reads the JSON of the answer, whatever its code.
fn post(host: &str, path: &str, parts: &[(&str, Vec<u8>)]) -> Result<Json, ClientError> {
    let unreachable = |cause: String| ClientError::Unreachable { host: host.to_owned(), cause };
    let boundary = boundary(parts);
    let mut body = Vec::new();
    for (name, content) in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes());
        body.extend(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").into_bytes());
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.tls_config(batchyard_trust::tls()).build());
    let url = format!("{}{path}", host.trim_end_matches('/'));
    let kind = format!("multipart/form-data; boundary={boundary}");
    let mut response = agent.post(&url).header("Content-Type", &kind).send(&body).map_err(|error| unreachable(error.to_string()))?;
    let mut text = String::new();
    response.body_mut().as_reader().read_to_string(&mut text).map_err(|error| unreachable(error.to_string()))?;
    serde_json::from_str(&text).map_err(|_| unreachable(format!("it answers {} with no JSON", response.status())))
}

/// A line that none of the parts contains.
fn boundary(parts: &[(&str, Vec<u8>)]) -> String {
    let occurs = |text: &str| parts.iter().any(|(_, content)| content.windows(text.len()).any(|window| window == text.as_bytes()));
    let mut boundary = "batchyard-form".to_owned();
    while occurs(&boundary) {
        boundary = format!("batchyard-form-{}", batchyard_model::RunId::random());
    }
    boundary
}
