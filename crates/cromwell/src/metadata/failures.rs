//! Failures in the shape of metadata: a message and what caused it.

use batchyard_store::RunRecord;
use batchyard_workflow::documents::Failure;
use serde_json::{Value as Json, json};

use super::run::result;

/// One failure without further causes. The place comes first, the mend last.
pub fn cause(failure: &Failure) -> Json {
    let place = failure.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    json!({ "message": format!("{place}{}{hint}", failure.message), "causedBy": [] })
}

/// The `failures` of a run; `None` when there are none.
pub fn of_run(record: &RunRecord) -> Option<Json> {
    let result = result(record);
    if result.failures.is_empty() {
        return None;
    }
    let causes: Vec<Json> = result.failures.iter().map(cause).collect();
    let message = if result.unusable { "Workflow input processing failed" } else { "Workflow failed" };
    Some(json!([{ "message": message, "causedBy": causes }]))
}
