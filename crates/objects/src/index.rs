//! The index: an ordered table from bucket and key to what is known of the object. The only truth about what exists.

mod backend;
mod tables;
mod writer;

use std::{path::Path, sync::Arc};

use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use tables::{PartRow, Tables, UploadRow, release};
pub(crate) use writer::Writer;

use crate::{Bucket, Content, ObjectError, Record, Sync, content::Segment, files::Id};

/// Version of what the tables hold.
const VERSION: u64 = 1;
/// Pages that the index keeps in memory.
const CACHE_BYTES: usize = 12 << 20;

/// What the index looked like at one moment.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
}

pub(crate) type ObjectTable = ReadOnlyTable<(&'static str, &'static [u8]), &'static [u8]>;
pub(crate) type UploadTable = ReadOnlyTable<(&'static str, &'static [u8], u128), &'static [u8]>;

/// Opens the index and counts the start; the answer is its number.
pub(crate) fn open(path: &Path, sync: Sync) -> Result<(Arc<Database>, u64), ObjectError> {
    let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(ObjectError::io(format!("cannot open `{}`", path.display())))?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let database = match sync {
        Sync::Always => builder.create_with_backend(redb::backends::FileBackend::new(file)?)?,
        Sync::Off => builder.create_with_backend(backend::Unsynced::new(file)?)?,
    };
    let transaction = database.begin_write()?;
    let generation = {
        let mut numbers = transaction.open_table(tables::NUMBERS)?;
        let version = numbers.get("version")?.map_or(VERSION, |v| v.value());
        if version > VERSION {
            return Err(ObjectError::NewerIndex { found: version, known: VERSION });
        }
        numbers.insert("version", VERSION)?;
        let generation = numbers.get("generation")?.map_or(0, |v| v.value()) + 1;
        numbers.insert("generation", generation)?;
        drop(Tables::open(&transaction)?);
        generation
    };
    transaction.commit()?;
    Ok((Arc::new(database), generation))
}

impl Snapshot {
    pub(crate) fn take(database: &Database) -> Result<Self, ObjectError> {
        Ok(Self { transaction: database.begin_read()? })
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, ObjectError> {
        let row = self.transaction.open_table(tables::BUCKETS)?.get(name)?;
        let row = row.ok_or_else(|| ObjectError::NoSuchBucket(name.to_owned()))?;
        decode(row.value())
    }

    pub(crate) fn buckets(&self) -> Result<Vec<(String, Bucket)>, ObjectError> {
        let mut all = Vec::new();
        for row in self.transaction.open_table(tables::BUCKETS)?.iter()? {
            let (name, bucket) = row?;
            all.push((name.value().to_owned(), decode(bucket.value())?));
        }
        Ok(all)
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Option<Record>, ObjectError> {
        let row = self.objects()?.get((bucket, key.as_bytes()))?;
        row.map(|row| decode(row.value())).transpose()
    }

    pub(crate) fn objects(&self) -> Result<ObjectTable, ObjectError> {
        Ok(self.transaction.open_table(tables::OBJECTS)?)
    }

    pub(crate) fn uploads(&self) -> Result<UploadTable, ObjectError> {
        Ok(self.transaction.open_table(tables::UPLOADS)?)
    }

    pub(crate) fn upload(&self, bucket: &str, key: &str, id: Id) -> Result<UploadRow, ObjectError> {
        let row = self.uploads()?.get((bucket, key.as_bytes(), id.0))?;
        decode(row.ok_or_else(|| ObjectError::NoSuchUpload(id.to_string()))?.value())
    }

    /// Parts with numbers after `after`, at most `limit` of them.
    pub(crate) fn parts(&self, id: Id, after: u32, limit: usize) -> Result<Vec<(u32, PartRow)>, ObjectError> {
        let table = self.transaction.open_table(tables::PARTS)?;
        let mut all = Vec::new();
        for row in table.range((id.0, after.saturating_add(1))..=(id.0, u32::MAX))?.take(limit) {
            let (key, value) = row?;
            all.push((key.value().1, decode(value.value())?));
        }
        Ok(all)
    }

    pub(crate) fn is_file_named(&self, id: Id) -> Result<bool, ObjectError> {
        Ok(self.transaction.open_table(tables::FILES)?.get(id.0)?.is_some())
    }

    /// The runs of bytes that a content consists of, with their sizes.
    pub(crate) fn segments(&self, content: Content, size: u64) -> Result<Vec<(Segment, u64)>, ObjectError> {
        Ok(match content {
            Content::Empty => Vec::new(),
            Content::File(id) => vec![(Segment::File(id), size)],
            Content::Inline(id) => {
                let row = self.transaction.open_table(tables::CONTENTS)?.get(id.0)?;
                let row = row.ok_or_else(|| ObjectError::Index(format!("the bytes `{id}` are missing")))?;
                vec![(Segment::Bytes(row.value().into()), size)]
            }
            Content::Parts(id, last) => {
                let mut all = Vec::new();
                for (_, part) in self.parts(id, 0, last as usize)? {
                    all.extend(self.segments(part.content, part.size)?);
                }
                all
            }
        })
    }
}

pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, ObjectError> {
    Ok(serde_json::to_vec(value)?)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ObjectError> {
    Ok(serde_json::from_slice(bytes)?)
}
