//! Objects that grow. Each appended piece is stored like a part, so that data files never change.

use std::sync::Arc;

use batchyard_crash as crash;

use super::{Objects, Put, check_attributes, no_such_key, now_ms};
use crate::{
    Content, Kind, MAX_PIECES, MAX_PUT_BYTES, ObjectError, Record, Staged,
    draft::{self, Draft},
    files::Id,
    index::PartRow,
    name,
};

impl Objects {
    /// Appends received bytes to an object of exactly `position` bytes; with position 0 it may be made.
    ///
    /// # Errors
    /// The object has another length or was not made by appending, or would become too large.
    pub fn append(&self, bucket: &str, key: &str, position: u64, staged: Staged, put: Put) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        check_attributes(&put.attributes)?;
        let (bucket_name, key_name, files) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.inner.files));
        let record = self.with_staged(staged, move |tables, staged| {
            let (bucket, key) = (bucket_name.as_str(), key_name.as_str());
            tables.bucket(bucket)?;
            let old = tables.object(bucket, key)?;
            check_position(key, old.as_ref(), position, staged.size)?;
            let mut record = old.unwrap_or_else(|| Record { kind: Kind::Appendable, attributes: put.attributes, ..Record::default() });
            let (id, last) = match record.content {
                Content::Parts(id, last) => (id, last),
                // A single file, made when there were many pieces: it becomes the first piece.
                content => {
                    let id = files.id();
                    let row = PartRow { content, size: record.size, ..PartRow::default() };
                    tables.set_part(id, 1, &row)?;
                    // Not released with the old record, because the row names it now.
                    record.content = Content::Parts(id, 1);
                    tables.replace_object(bucket, key, &record)?;
                    (id, 1)
                }
            };
            let content = tables.adopt(&files, staged)?;
            tables.set_part(id, last + 1, &PartRow { content, size: staged.size, ..PartRow::default() })?;
            record.etag = next_etag(&record, staged);
            record.crc64 = draft::combine(record.crc64, staged.crc64, staged.size);
            record.size += staged.size;
            record.modified_ms = now_ms();
            record.content = Content::Parts(id, last + 1);
            tables.set_object(bucket, key, &record)?;
            Ok(record)
        })?;
        if matches!(record.content, Content::Parts(_, last) if last >= MAX_PIECES) {
            crash::place("pieces to settle");
            self.settle(bucket, key)?;
        }
        Ok(record)
    }

    /// Puts an object of many parts together as one file; the object stays the same for everybody. Nothing happens to others.
    ///
    /// # Errors
    /// There is none, or the disk refuses.
    pub fn settle(&self, bucket: &str, key: &str) -> Result<Record, ObjectError> {
        let found = self.get(bucket, key)?;
        let Content::Parts(id, last) = found.record.content else { return Ok(found.record) };
        let mut draft = Draft::new(Arc::clone(&self.inner.files))?.limited(u64::MAX);
        draft.read_from(&mut found.read_all())?;
        let staged = draft.finish()?;
        let (bucket, key, files) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.inner.files));
        self.with_staged(staged, move |tables, staged| {
            let mut record = tables.object(&bucket, &key)?.ok_or_else(|| no_such_key(&bucket, &key))?;
            if record.content != Content::Parts(id, last) {
                return Err(no_such_key(&bucket, &key));
            }
            record.content = tables.adopt(&files, staged)?;
            tables.set_object(&bucket, &key, &record)?;
            Ok(record)
        })
        .or_else(|error| match error {
            // Somebody was faster; what is there now is as good.
            ObjectError::NoSuchKey { .. } => Ok(found.record),
            other => Err(other),
        })
    }

    /// Id of an upload, a new one for every call.
    pub(crate) fn new_id(&self) -> Id {
        self.inner.files.id()
    }
}

fn check_position(key: &str, old: Option<&Record>, position: u64, more: u64) -> Result<(), ObjectError> {
    if old.is_some_and(|record| record.kind != Kind::Appendable) {
        return Err(ObjectError::NotAppendable(name::shortened(key)));
    }
    let length = old.map_or(0, |record| record.size);
    if length != position {
        return Err(ObjectError::WrongPosition { position, length });
    }
    let size = length + more;
    if size > MAX_PUT_BYTES { Err(ObjectError::TooLarge { size, limit: MAX_PUT_BYTES }) } else { Ok(()) }
}

/// A text that changes with every append: MD5 of the former one and the piece's sum.
fn next_etag(record: &Record, staged: &Staged) -> String {
    use md5::{Digest, Md5};
    let mut sum = Md5::new();
    sum.update(record.etag.as_bytes());
    sum.update(staged.md5);
    hex::encode(sum.finalize())
}
