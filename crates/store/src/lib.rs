//! What is remembered: runs, calls, file digests and shared documents, jobs with their tasks and instances, resources, messages to deliver, in SQLite, MySQL/MariaDB or PostgreSQL.
//!
//! [`Store`] is the whole surface: [`Store::open`], [`Store::write`] (a [`Ticket`] is answered once the commit is
//! on disk), and plain reading functions. It is synchronous: one thread writes, and who asks reads on his own. Start
//! reading at `writer.rs`, where everything that waits is committed as one group.
//!
//! This is the only crate that names rusqlite and sqlx. It never decides anything: a change of state is written under the
//! condition its caller names, and a condition that no longer holds is an error, not something to hide.

mod apply;
mod batch;
mod connect;
mod dialect;
mod error;
mod foreign;
mod lease;
mod long;
mod migrate;
mod notice;
mod queue;
mod read;
mod record;
mod row;
mod sql;
mod sqlite;
mod store;
mod writer;

pub use batch::{
    AuditFilter, AuditRecord, BatchWrite, InstanceRecord, JobFilter, JobMove, JobRecord, JobSummary, ResourceKind, ResourceRecord,
    TaskRecord,
};
pub use connect::{Durability, Location, Options};
pub use error::StoreError;
pub use foreign::{Foreign, ForeignCall, ForeignEvent, ForeignWorkflow};
pub use lease::{ServerRecord, ServerWrite};
pub use long::{Long, Part};
pub use notice::{NoticeKind, NoticeRecord, NoticeSummary, NoticeWrite};
pub use queue::Ticket;
pub use record::{CallEnd, CallRecord, CallSummary, FileDigest, Parentage, RunFilter, RunMove, RunRecord, RunSummary, Write};
pub use store::Store;
