//! The rows as their users see them, and what can be written.

use batchyard_model::{CallId, CallState, RunId, RunState};

use crate::{batch::BatchWrite, lease::ServerWrite, notice::NoticeWrite};

/// One execution of a workflow, with its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The run whose call started this one.
    pub parent: Option<RunId>,
    /// The run at the top of its family; `None` for that run itself.
    pub root: Option<RunId>,
    /// Name of the workflow or task, at most 191 characters.
    pub name: String,
    /// Where in its life it is.
    pub state: RunState,
    /// Folder that holds its calls.
    pub dir: String,
    /// When it was accepted, epoch milliseconds.
    pub created_ms: i64,
    /// When an engine first took it up, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Names the engine process that works on it, at most 191 characters.
    pub owner: Option<String>,
    /// What was submitted, a document of the caller's.
    pub spec: String,
    /// Outputs or failures, a document of the caller's.
    pub result: Option<String>,
}

/// A run without its documents, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The run whose call started this one.
    pub parent: Option<RunId>,
    /// The run at the top of its family; `None` for that run itself.
    pub root: Option<RunId>,
    /// Name of the workflow or task.
    pub name: String,
    /// Where in its life it is.
    pub state: RunState,
    /// Folder that holds its calls.
    pub dir: String,
    /// When it was accepted, epoch milliseconds.
    pub created_ms: i64,
    /// When an engine first took it up, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Names the engine process that works on it.
    pub owner: Option<String>,
}

/// One attempt of one call, with its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Which attempt of which call of which run.
    pub id: CallId,
    /// Name of the task or workflow that is called, at most 191 characters.
    pub task: String,
    /// Where in its life it is.
    pub state: CallState,
    /// When its process was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Exit code of its command.
    pub exit_code: Option<i32>,
    /// Whether an earlier success was taken for it.
    pub cached: bool,
    /// What a later call must have in common with this one to take its result, at most 64 characters.
    pub cache_key: Option<String>,
    /// Whether a later call may take its result.
    pub reusable: bool,
    /// What is known when it starts, a document of the caller's.
    pub start_doc: String,
    /// What is known when it ended, a document of the caller's.
    pub end_doc: Option<String>,
}

/// Content hash of a file, valid while size, time and inode stay what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Hash of the path, at most 64 characters; the key.
    pub path_hash: String,
    /// The path.
    pub path: String,
    /// Bytes.
    pub size: i64,
    /// Time of the last change, nanoseconds since the epoch.
    pub mtime_ns: i64,
    /// Inode number.
    pub inode: i64,
    /// Hash of the content, at most 64 characters.
    pub digest: String,
}

/// A change of a run's state that happens only if the run is still as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMove {
    /// Which run.
    pub id: RunId,
    /// The states it may be in now; empty allows every state.
    pub from: Vec<RunState>,
    /// Who must hold it now: `None` does not ask, `Some(None)` nobody.
    pub held_by: Option<Option<String>>,
    /// The new state. Running sets the start time if there is none; a terminal state sets the end time, every
    /// other state clears it.
    pub to: RunState,
    /// When, epoch milliseconds.
    pub at_ms: i64,
    /// The new owner: `None` keeps it, `Some(None)` clears it.
    pub owner: Option<Option<String>>,
    /// The new result; `None` keeps it.
    pub result: Option<String>,
    /// What is known of it now: a new `spec` document; `None` keeps it.
    pub spec: Option<String>,
    /// The name of its workflow; `None` keeps it.
    pub name: Option<String>,
    /// Its folder; `None` keeps it.
    pub dir: Option<String>,
}

impl RunMove {
    /// A change of nothing but the state.
    pub fn new(id: RunId, from: Vec<RunState>, to: RunState, at_ms: i64) -> Self {
        RunMove { id, from, held_by: None, to, at_ms, owner: None, result: None, spec: None, name: None, dir: None }
    }
}

/// An attempt without its documents, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// Which attempt of which call of which run.
    pub id: CallId,
    /// Name of the task or workflow that is called.
    pub task: String,
    /// Where in its life it is.
    pub state: CallState,
    /// When its process was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Exit code of its command.
    pub exit_code: Option<i32>,
    /// Whether an earlier success was taken for it.
    pub cached: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// Which attempt.
    pub id: CallId,
    /// The state it ended in.
    pub state: CallState,
    /// When, epoch milliseconds.
    pub at_ms: i64,
    /// Exit code of its command.
    pub exit_code: Option<i32>,
    /// Whether a later call may take its result.
    pub reusable: bool,
    /// What is known now, a document of the caller's.
    pub end_doc: String,
}

/// One change. The changes handed over together happen together or not at all.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new run; [`crate::StoreError::Exists`] when its id is taken.
    InsertRun(RunRecord),
    /// [`crate::StoreError::Conflict`] when the run is not as expected.
    MoveRun(RunMove),
    /// A new attempt, or the same attempt anew (its former row is replaced). A cache hit is written by this alone,
    /// with state Done and an end document.
    StartCall(CallRecord),
    /// [`crate::StoreError::UnknownCall`] when there is no such attempt.
    EndCall(CallEnd),
    /// Replaces what was known about the path.
    PutDigest(FileDigest),
    /// Does nothing when the hash is there already.
    PutBlob {
        /// Hash of the content, at most 64 characters.
        hash: String,
        /// The content.
        content: String,
    },
    /// No later call takes the result of this one; does nothing when there is no such attempt.
    ForgetCache {
        /// Which attempt.
        id: CallId,
    },
    /// No later call takes results of this run's calls.
    ForgetCacheOfRun(RunId),
    /// No later call takes results of calls that ended before this moment, epoch milliseconds.
    ForgetCacheBefore(i64),
    /// Sets labels of a run; those of the same names are replaced, others kept.
    PutLabels {
        /// Which run.
        run: RunId,
        /// Names and values, each at most 255 characters; a name at most once.
        labels: Vec<(String, String)>,
    },
    /// The run, its calls and the runs beneath it; does nothing when there is no such run.
    DeleteRun(RunId),
    /// Jobs and resources.
    Batch(BatchWrite),
    /// Servers that share the database.
    Server(ServerWrite),
    /// Messages that wait for their receivers.
    Notice(NoticeWrite),
}

impl Write {
    /// About how many bytes it holds; the queue is bounded by their sum.
    pub(crate) fn weight(&self) -> usize {
        const ROW: usize = 200;
        ROW + match self {
            Write::InsertRun(run) => run.spec.len() + run.result.as_ref().map_or(0, String::len),
            Write::MoveRun(change) => [&change.result, &change.spec].into_iter().flatten().map(String::len).sum(),
            Write::StartCall(call) => call.start_doc.len() + call.end_doc.as_ref().map_or(0, String::len),
            Write::EndCall(end) => end.end_doc.len(),
            Write::PutDigest(file) => file.path.len(),
            Write::PutBlob { content, .. } => content.len(),
            Write::PutLabels { labels, .. } => labels.iter().map(|(name, value)| name.len() + value.len()).sum(),
            Write::Batch(write) => write.weight(),
            Write::Notice(write) => write.weight(),
            Write::ForgetCache { .. }
            | Write::ForgetCacheOfRun(_)
            | Write::ForgetCacheBefore(_)
            | Write::DeleteRun(_)
            | Write::Server(_) => 0,
        }
    }

    /// Whether it changes the database by one statement.
    pub(crate) fn is_one_statement(&self) -> bool {
        !matches!(
            self,
            Write::Batch(_)
                | Write::DeleteRun(_)
                | Write::PutLabels { .. }
                | Write::ForgetCacheOfRun(_)
                | Write::ForgetCacheBefore(_)
                | Write::Server(_)
        )
    }
}

/// Which runs belong into a list by what started them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parentage {
    /// Only runs that no other run started.
    #[default]
    TopLevelOnly,
    /// All.
    Any,
}

/// Which runs to list. Conditions of different kinds must all hold.
#[derive(Clone, Debug)]
pub struct RunFilter {
    /// States to list; empty lists every state.
    pub states: Vec<RunState>,
    /// By what started them.
    pub parent: Parentage,
    /// Ids to list; empty lists all.
    pub ids: Vec<RunId>,
    /// Names to list; empty lists all.
    pub names: Vec<String>,
    /// Labels, name and value, that must all be there.
    pub labels_all: Vec<(String, String)>,
    /// Labels of which one must be there; empty asks for none.
    pub labels_any: Vec<(String, String)>,
    /// Runs that have all of these are left out.
    pub without_all: Vec<(String, String)>,
    /// Runs that have any of these are left out.
    pub without_any: Vec<(String, String)>,
    /// Accepted at or after this moment, epoch milliseconds.
    pub created_from_ms: Option<i64>,
    /// Taken up at or after this moment.
    pub started_from_ms: Option<i64>,
    /// Ended at or before this moment.
    pub ended_until_ms: Option<i64>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// Leave out this many of the first.
    pub offset: u64,
    /// Go on after this run, which has this time of acceptance: pages that cost the same however far one has come.
    pub after: Option<(i64, RunId)>,
    /// At most this many.
    pub limit: u32,
}

impl Default for RunFilter {
    fn default() -> Self {
        RunFilter {
            states: Vec::new(),
            parent: Parentage::TopLevelOnly,
            ids: Vec::new(),
            names: Vec::new(),
            labels_all: Vec::new(),
            labels_any: Vec::new(),
            without_all: Vec::new(),
            without_any: Vec::new(),
            created_from_ms: None,
            started_from_ms: None,
            ended_until_ms: None,
            oldest_first: false,
            offset: 0,
            after: None,
            limit: 100,
        }
    }
}
