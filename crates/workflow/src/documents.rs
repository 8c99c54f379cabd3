//! What is remembered of runs and calls, as JSON documents in the store.

use batchyard_runner::Usage;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Everything needed to run a workflow again from nothing but the store: `runs.spec`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunSpec {
    /// Identity of the main document.
    pub main: String,
    /// Identity, shown name and content hash (a blob) of each document.
    pub documents: Vec<DocumentRef>,
    /// Language version of the main document, such as `1.0`.
    #[serde(default)]
    pub version: String,
    /// Which document an import leads to: importer, text of the import, imported.
    pub imports: Vec<(String, String, String)>,
    /// `workflow` or `task`, and its name.
    pub target: Target,
    /// The inputs as given, after file paths were made absolute; a large one is `{"$blob": hash}`.
    pub inputs: Map<String, Json>,
    /// Inputs that were not given, as far as their values are known before the run; shown only.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub defaults: Map<String, Json>,
    /// The workflow options as given.
    pub options: Map<String, Json>,
    /// Settings that came with the command and hold for a resumed run too.
    #[serde(default)]
    pub no_cache: bool,
    /// What was sent to a server, when it came that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<Submission>,
}

/// A submission as its sender spelled it. Texts are blobs, named by their hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The main document, unless it is named by `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where the main document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// For whom files are brought here, see [`crate::fetch::Fetch::fetch`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<String>,
    /// `workflowRoot`, kept and shown, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Inputs, a JSON object as text.
    pub inputs: String,
    /// Workflow options, a JSON object as text.
    pub options: String,
    /// Labels, a JSON object as text.
    pub labels: String,
    /// `workflowType` as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `workflowTypeVersion` as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The dependencies: a JSON object of texts by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<String>,
}

/// One document of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentRef {
    /// Absolute path or URL.
    pub id: String,
    /// As shown in messages.
    pub name: String,
    /// Hash of the text, the key of its blob.
    pub hash: String,
}

/// What a run runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The workflow of the main document.
    #[default]
    Workflow,
    /// A task of the main document.
    Task(String),
}

/// How a run ended: `runs.result`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunResultDoc {
    /// Outputs by fully qualified name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Json>,
    /// What went wrong, first failure first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Whether it failed before anything could start: the document or its inputs are wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unusable: bool,
    /// What became of the notice that it has ended, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackDoc>,
    /// Of a run that another program has carried out: what that told of it beyond what stands elsewhere, as metadata. Large values are
    /// `{"$blob": hash}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Map<String, Json>>,
}

/// What became of a notice that a run has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackDoc {
    /// Whether it was taken.
    pub successful: bool,
    /// To whom it went.
    pub url: String,
    /// When it was taken or given up, epoch milliseconds.
    pub at_ms: i64,
}

/// What is known of an attempt when it starts: `calls.start_doc`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StartDoc {
    /// Inputs with original file paths, and defaults that are known. A large one is `{"$blob": hash}`.
    pub inputs: Map<String, Json>,
    /// Runtime attributes as evaluated.
    pub runtime: Map<String, Json>,
    /// Directory of the attempt.
    pub dir: String,
    /// When its inputs were known, epoch milliseconds.
    #[serde(default)]
    pub queued_ms: i64,
    /// When it was known what it asks for and that no earlier result serves, epoch milliseconds.
    #[serde(default)]
    pub prepared_ms: i64,
    /// What the cache key was made of.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub parts: IndexMap<String, String>,
    /// Image asked for and what was used for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageUse>,
    /// The provider that runs it, if it is one of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Run id of the sub-workflow this call started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Which image was asked for and what stood in for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUse {
    /// As the task names it.
    pub requested: String,
    /// What was used.
    pub used: String,
    /// `container` or `host`.
    pub mode: String,
    /// `used` by its digest, where that was looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of its layers as they are transferred, where a registry told them with the digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why nobody knows which image that is, which keeps the result out of the call cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl ImageUse {
    /// One of this mode.
    pub fn new(requested: impl Into<String>, used: impl Into<String>, mode: &str) -> Self {
        ImageUse { requested: requested.into(), used: used.into(), mode: mode.to_owned(), digest: None, bytes: None, unknown: None }
    }

    /// Whether it is the image of a container.
    pub fn in_container(&self) -> bool {
        self.mode == "container"
    }

    /// What is used, as exactly as it is known.
    pub fn exact(&self) -> &str {
        self.digest.as_deref().unwrap_or(&self.used)
    }
}

/// How an attempt ended: `calls.end_doc`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EndDoc {
    /// Outputs by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub outputs: Map<String, Json>,
    /// Size and modification time (nanoseconds) of each output file, to notice changes before a reuse.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, (u64, i64)>,
    /// The execution that made the outputs: this one, or the one whose result was reused.
    #[serde(default)]
    pub maker: String,
    /// Process id, or the id that a scheduler gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// What it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageDoc>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The call whose result was reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<String>,
    /// Directory of that call: what its command wrote is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused_dir: Option<String>,
    /// Of an attempt of another program: what that told of it beyond what stands elsewhere, as in [`RunResultDoc::told`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Map<String, Json>>,
}

/// CPU and memory of an attempt.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct UsageDoc {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// User CPU in milliseconds.
    pub user_ms: u64,
    /// System CPU in milliseconds.
    pub system_ms: u64,
    /// Peak resident memory of the largest process in KiB.
    pub peak_kib: u64,
    /// Whether the peak is only an upper bound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub peak_is_bound: bool,
}

impl From<Usage> for UsageDoc {
    fn from(usage: Usage) -> Self {
        UsageDoc {
            wall_ms: usage.wall_ms,
            user_ms: usage.user_ms,
            system_ms: usage.system_ms,
            peak_kib: usage.peak_kib,
            peak_is_bound: usage.peak_is_bound,
        }
    }
}

/// Why something failed, as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed; lower case, no full stop.
    pub message: String,
    /// `file:line:column` where a document is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The call that failed, for example `align[3]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Directory of the attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Exit status of its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl Failure {
    /// A failure with nothing but its message.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), ..Failure::default() }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// JSON text of a document; our own types always serialize.
pub fn to_text(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_else(|_| "{}".into())
}
