//! Jobs with their tasks and instances, and the resources of the BatchCompute service.

pub(crate) mod apply;
pub(crate) mod read;

use std::str::FromStr;

use batchyard_model::{Counts, JobId, JobState, id::InvalidId};

use crate::notice::NoticeRecord;

/// A job with its documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// What lists show of it.
    pub summary: JobSummary,
    /// What was submitted, with all defaults; a document of the caller's.
    pub spec: String,
    /// What is carried out; a document of the caller's.
    pub plan: String,
}

/// A job without its documents, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// Account that it belongs to, at most 64 characters.
    pub owner: String,
    /// Its name, at most 191 characters.
    pub name: String,
    /// Where in its life it is.
    pub state: JobState,
    /// 0 to 1000; the higher goes first.
    pub priority: u32,
    /// Project that it was filed under.
    pub project: Option<String>,
    /// Why it failed; empty otherwise.
    pub message: String,
    /// When it was accepted, epoch milliseconds.
    pub created_ms: i64,
    /// When its first instance was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
}

/// A task of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Its job.
    pub job: JobId,
    /// Its name, unique in the job, at most 64 characters.
    pub name: String,
    /// Its place in the order in which the tasks can run.
    pub position: u32,
    /// Cluster that it asked for; empty where it has one made.
    pub cluster: String,
    /// Where in its life it is: the sum of its instances.
    pub state: JobState,
    /// When its first instance was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When its last instance ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Its instances by state.
    pub counts: Counts,
}

/// An instance that was started at least once; those without a record wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Its job.
    pub job: JobId,
    /// Its task.
    pub task: String,
    /// From 0.
    pub number: u32,
    /// Where in its life it is.
    pub state: JobState,
    /// When its latest attempt was started, epoch milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, epoch milliseconds.
    pub ended_ms: Option<i64>,
    /// Attempts after failures of its own.
    pub retries: u32,
    /// All attempts so far, also those lost without its fault; names the folder of the latest.
    pub attempts: u32,
    /// Node that the latest attempt ran on.
    pub node: String,
    /// How it ended, a document of the caller's; empty before.
    pub result: String,
}

/// A change of a job's state, made only when it is in one of the states expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobMove {
    /// Which job.
    pub id: JobId,
    /// States in which it may be.
    pub from: Vec<JobState>,
    /// The state wanted.
    pub to: JobState,
    /// When, epoch milliseconds.
    pub at_ms: i64,
    /// Why it failed, or empty; replaces what was there.
    pub message: String,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A cluster.
    Cluster,
    /// An image.
    Image,
    /// A revision of an app.
    App,
    /// An access key.
    Key,
    /// An account.
    Account,
    /// A token that makes a request harmless to repeat.
    Token,
}

impl ResourceKind {
    const ALL: [ResourceKind; 6] =
        [ResourceKind::Cluster, ResourceKind::Image, ResourceKind::App, ResourceKind::Key, ResourceKind::Account, ResourceKind::Token];

    /// The name stored in the database.
    pub fn name(self) -> &'static str {
        match self {
            ResourceKind::Cluster => "cluster",
            ResourceKind::Image => "image",
            ResourceKind::App => "app",
            ResourceKind::Key => "key",
            ResourceKind::Account => "account",
            ResourceKind::Token => "token",
        }
    }
}

impl FromStr for ResourceKind {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| InvalidId { what: "kind of resource", text: text.into() })
    }
}

/// Something that few exist of and that is read as a whole: a cluster, an image, a revision of an app, a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRecord {
    /// What it is.
    pub kind: ResourceKind,
    /// Its id, unique for its kind, at most 191 characters.
    pub id: String,
    /// Account that it belongs to; empty for what belongs to everybody.
    pub owner: String,
    /// Its name, at most 191 characters.
    pub name: String,
    /// Where in its life it is.
    pub state: String,
    /// How often it was changed.
    pub version: i64,
    /// When it was made, epoch milliseconds.
    pub created_ms: i64,
    /// All the rest, a document of the caller's.
    pub doc: String,
}

/// One change that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id; later ones are greater.
    pub id: String,
    /// When, epoch milliseconds.
    pub at_ms: i64,
    /// Who.
    pub account: String,
    /// What was done, for example `CreateJob`.
    pub action: String,
    /// To what.
    pub resource: String,
    /// More about it; never a secret.
    pub detail: String,
}

/// Which changes to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only those of this account; the empty text is the machine's own command line.
    pub account: Option<String>,
    /// Only those of this kind, for example `CreateJob`.
    pub action: Option<String>,
    /// Only those from this moment on, epoch milliseconds.
    pub since_ms: Option<i64>,
    /// At most this many, the newest.
    pub limit: u32,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Only those of this account.
    pub owner: Option<String>,
    /// States to list; empty lists every state.
    pub states: Vec<JobState>,
    /// Only those with a task on this cluster.
    pub cluster: Option<String>,
    /// Only those of this project.
    pub project: Option<String>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// Go on after this job.
    pub after: Option<JobId>,
    /// At most this many.
    pub limit: u32,
}

/// A change of what this module is about.
#[derive(Clone, Debug)]
pub enum BatchWrite {
    /// A new job with its tasks.
    InsertJob(Box<JobRecord>, Vec<TaskRecord>),
    /// A change of its state.
    MoveJob(JobMove),
    /// Another priority, for a job in one of these states.
    SetPriority {
        /// Which job.
        id: JobId,
        /// 0 to 1000.
        priority: u32,
        /// States in which it may be.
        from: Vec<JobState>,
    },
    /// Replaces a task of a job.
    PutTask(TaskRecord),
    /// Adds an instance or replaces it.
    PutInstance(InstanceRecord),
    /// The job, its tasks and its instances, if it is in one of these states.
    DeleteJob {
        /// Which job.
        id: JobId,
        /// States in which it may be.
        from: Vec<JobState>,
    },
    /// A new resource; its id must be free.
    InsertResource(ResourceRecord),
    /// Replaces name, state and document of a resource that has still the version before this one.
    UpdateResource(ResourceRecord),
    /// Removes a resource; does nothing when there is no such one.
    DeleteResource(ResourceKind, String),
    /// Notes a change.
    InsertAudit(AuditRecord),
    /// Forgets changes that were made before this moment, epoch milliseconds.
    ForgetAudit(i64),
    /// Removes all resources of a kind that were made before this moment, epoch milliseconds.
    ExpireResources(ResourceKind, i64),
    /// Somebody is to be told of the changes that are made together with this.
    InsertNotice(NoticeRecord),
}

impl BatchWrite {
    /// About how many bytes of text it holds.
    pub(crate) fn weight(&self) -> usize {
        match self {
            BatchWrite::InsertJob(job, tasks) => job.spec.len() + job.plan.len() + tasks.len() * 100,
            BatchWrite::MoveJob(change) => change.message.len(),
            BatchWrite::PutInstance(instance) => instance.result.len(),
            BatchWrite::InsertResource(resource) | BatchWrite::UpdateResource(resource) => resource.doc.len(),
            BatchWrite::InsertAudit(audit) => audit.detail.len(),
            BatchWrite::InsertNotice(notice) => notice.weight(),
            BatchWrite::SetPriority { .. }
            | BatchWrite::PutTask(_)
            | BatchWrite::DeleteJob { .. }
            | BatchWrite::DeleteResource(..)
            | BatchWrite::ForgetAudit(_)
            | BatchWrite::ExpireResources(..) => 0,
        }
    }
}
