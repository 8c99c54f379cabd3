//! The tables, open for changes inside a commit.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{decode, encode};
use crate::{
    Attributes, Bucket, Content, ObjectError, Record,
    draft::{Bytes, Staged},
    files::{Files, Id},
};

pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
pub(super) const BUCKETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("buckets");
pub(super) const OBJECTS: TableDefinition<'_, (&str, &[u8]), &[u8]> = TableDefinition::new("objects");
/// Bytes of small objects and parts.
pub(super) const CONTENTS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("contents");
/// Ids of all data files that something names.
pub(super) const FILES: TableDefinition<'_, u128, ()> = TableDefinition::new("files");
pub(super) const UPLOADS: TableDefinition<'_, (&str, &[u8], u128), &[u8]> = TableDefinition::new("uploads");
/// Parts by upload and number; those of a completed upload stay, because the object consists of them.
pub(super) const PARTS: TableDefinition<'_, (u128, u32), &[u8]> = TableDefinition::new("parts");

/// An upload in parts that is not complete.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UploadRow {
    pub(crate) begun_ms: i64,
    pub(crate) attributes: Attributes,
}

/// A part of an upload, or of an object that was put together from parts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PartRow {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) crc64: u64,
    pub(crate) modified_ms: i64,
}

/// The tables inside a commit. A change that refuses (returns an error) must not have changed anything before.
pub(crate) struct Tables<'t> {
    pub(crate) buckets: Table<'t, &'static str, &'static [u8]>,
    pub(crate) objects: Table<'t, (&'static str, &'static [u8]), &'static [u8]>,
    pub(crate) uploads: Table<'t, (&'static str, &'static [u8], u128), &'static [u8]>,
    contents: Table<'t, u128, &'static [u8]>,
    files: Table<'t, u128, ()>,
    parts: Table<'t, (u128, u32), &'static [u8]>,
    /// Files that nothing names after the commit.
    pub(super) garbage: Vec<Id>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, ObjectError> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            objects: transaction.open_table(OBJECTS)?,
            uploads: transaction.open_table(UPLOADS)?,
            contents: transaction.open_table(CONTENTS)?,
            files: transaction.open_table(FILES)?,
            parts: transaction.open_table(PARTS)?,
            garbage: Vec::new(),
        })
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, ObjectError> {
        let row = self.buckets.get(name)?;
        decode(row.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))?.value())
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Option<Record>, ObjectError> {
        let row = self.objects.get((bucket, key.as_bytes()))?;
        row.map(|row| decode(row.value())).transpose()
    }

    /// Puts a record in the place of what is there, whose bytes go away unless the new record has them too.
    pub(crate) fn set_object(&mut self, bucket: &str, key: &str, record: &Record) -> Result<(), ObjectError> {
        let row = encode(record)?;
        let old = self.objects.insert((bucket, key.as_bytes()), row.as_slice())?.map(|old| decode::<Record>(old.value())).transpose()?;
        match old {
            Some(old) if !continues(old.content, record.content) => release(self, old.content),
            _ => Ok(()),
        }
    }

    /// Puts a record in the place of one with the same bytes.
    pub(crate) fn replace_object(&mut self, bucket: &str, key: &str, record: &Record) -> Result<(), ObjectError> {
        self.objects.insert((bucket, key.as_bytes()), encode(record)?.as_slice())?;
        Ok(())
    }

    /// Whether there was one.
    pub(crate) fn remove_object(&mut self, bucket: &str, key: &str) -> Result<bool, ObjectError> {
        let old = self.objects.remove((bucket, key.as_bytes()))?.map(|old| decode::<Record>(old.value())).transpose()?;
        let Some(old) = old else { return Ok(false) };
        release(self, old.content)?;
        Ok(true)
    }

    pub(crate) fn upload(&self, bucket: &str, key: &str, id: Id) -> Result<UploadRow, ObjectError> {
        let row = self.uploads.get((bucket, key.as_bytes(), id.0))?;
        decode(row.ok_or_else(|| ObjectError::NoSuchUpload(id.to_string()))?.value())
    }

    pub(crate) fn part(&self, id: Id, number: u32) -> Result<Option<PartRow>, ObjectError> {
        self.parts.get((id.0, number))?.map(|row| decode(row.value())).transpose()
    }

    /// Numbers and bytes of all parts.
    pub(crate) fn parts(&self, id: Id) -> Result<Vec<(u32, Content)>, ObjectError> {
        let mut all = Vec::new();
        for row in self.parts.range((id.0, 0)..=(id.0, u32::MAX))? {
            let (key, value) = row?;
            all.push((key.value().1, decode::<PartRow>(value.value())?.content));
        }
        Ok(all)
    }

    pub(crate) fn set_part(&mut self, id: Id, number: u32, row: &PartRow) -> Result<(), ObjectError> {
        let row = encode(row)?;
        let old = self.parts.insert((id.0, number), row.as_slice())?.map(|old| decode::<PartRow>(old.value())).transpose()?;
        old.map_or(Ok(()), |old| release(self, old.content))
    }

    pub(crate) fn remove_part(&mut self, id: Id, number: u32) -> Result<(), ObjectError> {
        let old = self.parts.remove((id.0, number))?.map(|old| decode::<PartRow>(old.value())).transpose()?;
        old.map_or(Ok(()), |old| release(self, old.content))
    }

    /// Gives received bytes a place; the caller keeps the file once the commit is done.
    pub(crate) fn adopt(&mut self, files: &Files, staged: &Staged) -> Result<Content, ObjectError> {
        Ok(match &staged.bytes {
            Bytes::Inline(bytes) if bytes.is_empty() => Content::Empty,
            Bytes::Inline(bytes) => {
                let id = files.id();
                self.contents.insert(id.0, bytes.as_slice())?;
                Content::Inline(id)
            }
            Bytes::File(data) => {
                self.files.insert(data.id.0, ())?;
                Content::File(data.id)
            }
        })
    }
}

/// Whether the parts of the old content belong to the new one too.
fn continues(old: Content, new: Content) -> bool {
    match (old, new) {
        (Content::Parts(a, _), Content::Parts(b, _)) => a == b,
        _ => old == new,
    }
}

/// Lets bytes go.
pub(crate) fn release(tables: &mut Tables<'_>, content: Content) -> Result<(), ObjectError> {
    match content {
        Content::Empty => {}
        Content::Inline(id) => drop(tables.contents.remove(id.0)?),
        Content::File(id) => {
            tables.files.remove(id.0)?;
            tables.garbage.push(id);
        }
        Content::Parts(id, _) => {
            for (number, content) in tables.parts(id)? {
                tables.parts.remove((id.0, number))?;
                release(tables, content)?;
            }
        }
    }
    Ok(())
}
