//! Accepting a submission: checked, recorded, acknowledged.

use std::{collections::HashMap, sync::Arc};

use batchyard_model::{RunId, RunState};
use batchyard_store::{RunRecord, StoreError, Write};
use batchyard_workflow::{
    documents::{RunSpec, Submission as Kept, to_text},
    identity::text_hash,
    owner::owner,
};
use serde_json::Value as Json;

use super::{Accepted, MAX_KEPT_BYTES, Service, ServiceError};
use crate::submission::Submission;

/// Label that every run has, as clients expect it.
pub const ID_LABEL: &str = "cromwell-workflow-id";

impl Service {
    /// Accepts a submission: one run for each of its inputs. When this returns, the store has them. `several` says
    /// whether the client asked for more than one.
    ///
    /// # Errors
    /// What is wrong with it, or that the store cannot keep it; nothing is accepted then.
    pub fn submit(self: &Arc<Self>, mut submission: Submission, several: bool) -> Result<Vec<(RunId, RunState)>, ServiceError> {
        if self.lock().closing {
            return Err(ServiceError::Closing);
        }
        let inputs = match (submission.inputs.len(), several) {
            (0, true) => return Err(ServiceError::Refused(vec!["No inputs were provided".into()])),
            (0, false) => vec![serde_json::Map::new()],
            (count, false) if count > 1 => {
                let text = format!(
                    "This endpoint does not support batch submission: {count} inputs were given. Use '/api/workflows/{{version}}/batch' instead."
                );
                return Err(ServiceError::Refused(vec![text]));
            }
            _ => std::mem::take(&mut submission.inputs),
        };
        let ids = match &submission.requested {
            None => inputs.iter().map(|_| RunId::random()).collect(),
            Some(ids) if ids.len() == inputs.len() => ids.clone(),
            Some(ids) => {
                let text = format!(
                    "Error(s): Number of requested IDs ({}) differs from the number of inputs ({}): give one for each",
                    ids.len(),
                    inputs.len()
                );
                return Err(ServiceError::Refused(vec![text]));
            }
        };
        let state = if submission.on_hold { RunState::OnHold } else { RunState::Submitted };
        let now = self.clock.now_ms();
        let mut texts: HashMap<String, String> = HashMap::new();
        let mut keep = |text: String| {
            let hash = text_hash(&text);
            texts.insert(hash.clone(), text);
            hash
        };
        let source = submission.source.take().map(&mut keep);
        let imports = submission.imports.as_ref().map(|texts| keep(to_text(texts)));
        let labels: serde_json::Map<String, Json> =
            submission.labels.iter().map(|(name, value)| (name.clone(), Json::String(value.clone()))).collect();
        let kept = Kept {
            source,
            url: submission.url.clone(),
            root: submission.root.clone(),
            inputs: String::new(),
            options: serde_json::to_string_pretty(&self.options.shown_options(&submission.options)).unwrap_or_default(),
            labels: to_text(&labels),
            language: submission.language.clone(),
            version: submission.version.clone(),
            on_behalf: submission.on_behalf.clone(),
            imports,
        };
        let options = self.options.kept_options(&submission.options)?;
        // Each text takes the place of the values that it was made from.
        let specs: Vec<RunSpec> = inputs
            .into_iter()
            .map(|inputs| {
                let kept = Kept { inputs: keep(to_text(&inputs)), ..kept.clone() };
                RunSpec { options: options.clone(), submission: Some(kept), ..RunSpec::default() }
            })
            .collect();
        let bytes: usize = texts.values().map(String::len).sum();
        // What is too large to be kept until the run begins is not copied either.
        let kept = if bytes <= MAX_KEPT_BYTES { texts.clone() } else { HashMap::new() };
        let mut writes: Vec<Write> = texts.into_iter().map(|(hash, content)| Write::PutBlob { hash, content }).collect();
        let mut records = Vec::new();
        for (id, spec) in ids.iter().zip(&specs) {
            let record = RunRecord {
                id: *id,
                parent: None,
                root: None,
                name: String::new(),
                state,
                dir: String::new(),
                created_ms: now,
                started_ms: None,
                ended_ms: None,
                owner: (state == RunState::Submitted).then(owner),
                spec: to_text(spec),
                result: None,
            };
            writes.push(Write::InsertRun(record.clone()));
            records.push(record);
            let mut labels = submission.labels.clone();
            labels.retain(|(name, _)| name != ID_LABEL);
            labels.push((ID_LABEL.into(), format!("cromwell-{id}")));
            writes.push(Write::PutLabels { run: *id, labels });
        }
        match self.store().write(writes).wait() {
            Ok(()) => {}
            Err(StoreError::Exists { run }) => return Err(ServiceError::InUse(run.to_string())),
            Err(error) => return Err(error.into()),
        }
        if state == RunState::Submitted {
            let mut now = self.lock();
            now.waiting.extend(&ids);
            let (texts, bytes) = (Arc::new(kept), bytes + 1024 * ids.len());
            for record in records {
                now.keep(Accepted { record, texts: Arc::clone(&texts), bytes: bytes / ids.len() });
            }
            drop(now);
            self.pump();
        }
        Ok(ids.into_iter().map(|id| (id, state)).collect())
    }
}
