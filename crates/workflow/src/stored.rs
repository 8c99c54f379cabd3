//! From documents to what the store keeps of them, and back to what an engine needs.

use std::sync::Arc;

use batchyard_store::{Store, StoreError, Write};
use batchyard_wdl::{
    inputs::Bound,
    load::{LoadFailure, Loaded, MemoryLoader, load},
    module::Callee,
    version::Dialect,
};

use serde_json::{Map, Value as Json};

use crate::{
    blobs, constants,
    documents::{DocumentRef, RunSpec, Target},
    given,
    identity::text_hash,
};

/// Why a stored run cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The store did not answer.
    #[error("cannot read the stored documents: {0}")]
    Store(#[from] StoreError),
    /// A text is missing.
    #[error("the stored text of `{0}` is gone")]
    Gone(String),
    /// The main document is missing.
    #[error("{0}")]
    Load(#[from] LoadFailure),
    /// What was run is not in the document.
    #[error("the stored document has no {0}")]
    NoTarget(String),
}

/// Writes into `spec` what is run: the documents, the workflow or task, its inputs and their defaults. Returns the writes that
/// keep the texts of documents and of large inputs.
pub fn describe(spec: &mut RunSpec, loaded: &Loaded, callee: &Callee, bound: &Bound, dialect: Dialect) -> Vec<Write> {
    let (documents, mut writes) = keep_documents(loaded);
    spec.main = loaded.sources.first().map(|(id, _)| id.clone()).unwrap_or_default();
    spec.documents = documents;
    spec.version = loaded.module.document.version.to_string();
    spec.imports.clone_from(&loaded.imports);
    spec.target = match callee {
        Callee::Task(..) => Target::Task(callee.name().to_owned()),
        Callee::Workflow(..) => Target::Workflow,
    };
    let inputs = given::to_json(callee, bound).into_iter();
    spec.inputs = inputs.map(|(name, value)| (name, blobs::kept(value, &mut writes))).collect();
    spec.defaults = constants::of_callee(callee, dialect);
    writes
}

/// References to all documents, and the writes that keep their texts.
fn keep_documents(loaded: &Loaded) -> (Vec<DocumentRef>, Vec<Write>) {
    let kept = loaded.sources.iter().map(|(id, source)| {
        let hash = text_hash(&source.text);
        let document = DocumentRef { id: id.clone(), name: source.name.clone(), hash: hash.clone() };
        (document, Write::PutBlob { hash, content: source.text.clone() })
    });
    kept.unzip()
}

/// Loads the documents of a run as they were when it began.
///
/// # Errors
/// A text is gone, or the store does not answer.
pub fn load_documents(store: &Store, spec: &RunSpec) -> Result<Loaded, StoredError> {
    let mut texts = Vec::new();
    for document in &spec.documents {
        let text = store.load_blob(&document.hash)?.ok_or_else(|| StoredError::Gone(document.name.clone()))?;
        texts.push((document.id.clone(), (document.name.clone(), text)));
    }
    Ok(load(&spec.main, &MemoryLoader::new(texts, spec.imports.iter().cloned()))?)
}

/// The inputs of a run as they were when it began.
///
/// # Errors
/// A text is gone, or the store does not answer.
pub fn load_inputs(store: &Store, spec: &RunSpec) -> Result<Map<String, Json>, StoredError> {
    let whole = |(name, value): (&String, &Json)| {
        let found = blobs::whole(store, value)?;
        Ok((name.clone(), found.ok_or_else(|| StoredError::Gone(format!("input {name}")))?))
    };
    spec.inputs.iter().map(whole).collect()
}

/// What a run runs.
///
/// # Errors
/// The document has no such task or workflow.
pub fn find_target(loaded: &Loaded, target: &Target) -> Result<Callee, StoredError> {
    let module = Arc::clone(&loaded.module);
    match (target, &loaded.module.document.workflow) {
        (Target::Task(name), _) => {
            let task = module.task(name).map(Arc::clone).ok_or_else(|| StoredError::NoTarget(format!("task `{name}`")))?;
            Ok(Callee::Task(module, task))
        }
        (Target::Workflow, Some(workflow)) => Ok(Callee::Workflow(module, Arc::clone(workflow))),
        (Target::Workflow, None) => Err(StoredError::NoTarget("workflow".into())),
    }
}
