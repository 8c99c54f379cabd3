//! Messages that wait for their receivers: written with the change that they tell of, removed when they are delivered or given up.

use std::str::FromStr;

use batchyard_model::id::InvalidId;

use crate::{
    apply::{Fault, Group, statements_of},
    dialect::{marks, value_rows},
    error::StoreError,
    read::{KEYS, Read, Reader},
    sql::{Columns, Row, Values, execute},
    store::Store,
};

const SUMMARY_COLUMNS: &str = "id, kind, owner, subject, receiver, tries, created_ms";
const WIDTH: usize = 8;

/// Who delivers a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// The BatchCompute service.
    Job,
    /// The service for workflows.
    Workflow,
}

impl NoticeKind {
    const ALL: [NoticeKind; 2] = [NoticeKind::Job, NoticeKind::Workflow];

    /// The name stored in the database.
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::Job => "job",
            NoticeKind::Workflow => "workflow",
        }
    }
}

impl FromStr for NoticeKind {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| InvalidId { what: "kind of notice", text: text.into() })
    }
}

/// A message without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeSummary {
    /// Its id ([`batchyard_model::notice_id`]); later ones are greater.
    pub id: String,
    /// Who delivers it.
    pub kind: NoticeKind,
    /// The server that does; empty where there is only one. At most 191 characters.
    pub owner: String,
    /// What it tells of, for example the id of a run; at most 64 characters.
    pub subject: String,
    /// Where it goes.
    pub receiver: String,
    /// How often that was tried in vain.
    pub tries: u32,
    /// When it was made, epoch milliseconds.
    pub created_ms: i64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRecord {
    /// All but its text.
    pub summary: NoticeSummary,
    /// Its text.
    pub body: String,
}

impl NoticeRecord {
    /// About how many bytes of text it holds.
    pub(crate) fn weight(&self) -> usize {
        self.summary.receiver.len() + self.body.len()
    }

    fn bind(&self, values: &mut Values) {
        let summary = &self.summary;
        values.text(&summary.id).text(summary.kind.name()).text(&summary.owner).text(&summary.subject).text(&summary.receiver);
        values.integer(summary.tries).integer(summary.created_ms).text(&self.body);
    }
}

/// A change of what waits.
#[derive(Clone, Debug)]
pub enum NoticeWrite {
    /// A message is to be delivered.
    Insert(NoticeRecord),
    /// So many tries were in vain; does nothing when there is no such message.
    Tried {
        /// Which message.
        id: String,
        /// How many tries.
        tries: u32,
    },
    /// A message is delivered, or given up; does nothing when there is no such one.
    Remove(String),
    /// All messages of a kind that one server had are another's; those that a third one has taken before stay its own.
    TakeOver {
        /// Of this kind.
        kind: NoticeKind,
        /// Who had them.
        from: String,
        /// Who has them now.
        to: String,
    },
}

impl NoticeWrite {
    pub(crate) fn weight(&self) -> usize {
        match self {
            NoticeWrite::Insert(notice) => notice.weight(),
            NoticeWrite::Tried { .. } | NoticeWrite::Remove(_) | NoticeWrite::TakeOver { .. } => 0,
        }
    }
}

/// Messages that came and went within one transaction so far, to be written with many rows a statement.
#[derive(Default)]
pub(crate) struct PendingNotices<'w> {
    new: Vec<&'w NoticeRecord>,
    gone: Vec<&'w str>,
}

impl<'w> Group<'_, 'w> {
    pub(crate) async fn apply_notice(&mut self, write: &'w NoticeWrite) -> Result<(), Fault> {
        match write {
            NoticeWrite::Insert(notice) => self.insert_notice(notice),
            NoticeWrite::Remove(id) => self.notices.gone.push(id),
            NoticeWrite::Tried { id, tries } => {
                let sql = self.dialect.sql("UPDATE notices SET tries = ? WHERE id = ?");
                execute(&mut self.db, sql, Values::default().integer(*tries).text(id).take()).await?;
            }
            NoticeWrite::TakeOver { kind, from, to } => {
                self.finish_notices().await?;
                let sql = self.dialect.sql("UPDATE notices SET owner = ? WHERE kind = ? AND owner = ?");
                execute(&mut self.db, sql, Values::default().text(to).text(kind.name()).text(from).take()).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn insert_notice(&mut self, notice: &'w NoticeRecord) {
        self.notices.new.push(notice);
    }

    /// Writes the messages that were kept.
    pub(crate) async fn finish_notices(&mut self) -> Result<(), Fault> {
        let PendingNotices { new, gone } = std::mem::take(&mut self.notices);
        // Ids are made once, so the same one again is the same message again.
        let tail = self.dialect.or_keep("id");
        for rows in statements_of(&new, |notice| notice.weight()) {
            let sql = format!("INSERT INTO notices ({SUMMARY_COLUMNS}, body) VALUES {}{tail}", value_rows(rows.len(), WIDTH));
            let mut values = Values::default();
            rows.iter().for_each(|notice| notice.bind(&mut values));
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        for ids in statements_of(&gone, |_| 0) {
            let sql = format!("DELETE FROM notices WHERE id IN ({})", marks(ids.len()));
            let mut values = Values::default();
            ids.iter().for_each(|id| {
                values.text(*id);
            });
            execute(&mut self.db, self.dialect.composed(sql), values).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Messages of a kind that a server is to deliver, oldest first, from the one after `after` on (all: the empty text), at
    /// most `limit`.
    ///
    /// # Errors
    /// What kept the database from answering; so for all functions here.
    pub fn list_notices(&self, kind: NoticeKind, owner: &str, after: &str, limit: u32) -> Result<Vec<NoticeSummary>, StoreError> {
        self.read(async |reader| reader.notices(kind, owner, after, limit).await)
    }

    /// Those of these messages that are still there, oldest first.
    ///
    /// # Errors
    /// As above.
    pub fn load_notices(&self, ids: &[&str]) -> Result<Vec<NoticeRecord>, StoreError> {
        self.read(async |reader| reader.notices_with(ids).await)
    }

    /// The servers that have messages of a kind to deliver.
    ///
    /// # Errors
    /// As above.
    pub fn list_notice_owners(&self, kind: NoticeKind) -> Result<Vec<String>, StoreError> {
        self.read(async |reader| reader.notice_owners(kind).await)
    }
}

impl Reader<'_> {
    async fn notices(&mut self, kind: NoticeKind, owner: &str, after: &str, limit: u32) -> Read<Vec<NoticeSummary>> {
        let sql = format!("SELECT {SUMMARY_COLUMNS} FROM notices WHERE kind = ? AND owner = ? AND id > ? ORDER BY id LIMIT ?");
        let values = Values::default().text(kind.name()).text(owner).text(after).integer(limit).take();
        self.rows(sql, values).await?.iter().map(|row| read_summary(&mut Columns::of(row))).collect()
    }

    async fn notices_with(&mut self, ids: &[&str]) -> Read<Vec<NoticeRecord>> {
        let mut found: Vec<NoticeRecord> = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(KEYS) {
            let sql = format!("SELECT {SUMMARY_COLUMNS}, body FROM notices WHERE id IN ({})", marks(chunk.len()));
            let mut values = Values::default();
            chunk.iter().for_each(|id| {
                values.text(*id);
            });
            let rows = self.rows(sql, values).await?;
            found.extend(rows.iter().map(read_notice).collect::<Read<Vec<_>>>()?);
        }
        found.sort_unstable_by(|a, b| a.summary.id.cmp(&b.summary.id));
        Ok(found)
    }

    async fn notice_owners(&mut self, kind: NoticeKind) -> Read<Vec<String>> {
        let sql = "SELECT DISTINCT owner FROM notices WHERE kind = ?".to_owned();
        self.rows(sql, Values::default().text(kind.name()).take()).await?.iter().map(|row| Columns::of(row).text()).collect()
    }
}

fn read_notice(row: &Row) -> Read<NoticeRecord> {
    let mut columns = Columns::of(row);
    Ok(NoticeRecord { summary: read_summary(&mut columns)?, body: columns.text()? })
}

fn read_summary(columns: &mut Columns<'_>) -> Read<NoticeSummary> {
    Ok(NoticeSummary {
        id: columns.text()?,
        kind: columns.parsed()?,
        owner: columns.text()?,
        subject: columns.text()?,
        receiver: columns.text()?,
        tries: columns.narrow()?,
        created_ms: columns.integer()?,
    })
}
