//! Copies: files get a second name, so that no byte is moved where the file system has links.

use std::sync::Arc;

use super::{Condition, Found, Objects, check_attributes, check_condition, now_ms};
use crate::{
    Attributes, Content, Kind, ObjectError, Reader, Record, Staged,
    content::Segment,
    draft::{Bytes, Draft},
    files::Id,
    index::PartRow,
    name,
};

impl Objects {
    /// Copies what was found to a key, with other attributes if they are given.
    ///
    /// # Errors
    /// As for [`Objects::put`].
    pub fn copy(
        &self,
        from: &Found,
        bucket: &str,
        key: &str,
        attributes: Option<Attributes>,
        condition: Condition,
    ) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        let attributes = attributes.unwrap_or_else(|| Attributes { acl: crate::Acl::Default, ..from.record.attributes.clone() });
        check_attributes(&attributes)?;
        let kind = if from.record.kind == Kind::Multipart { Kind::Multipart } else { Kind::Normal };
        let mut record = Record { kind, modified_ms: now_ms(), attributes, target: None, ..from.record.clone() };
        let (pieces, staged) = self.duplicate(from)?;
        let (bucket, key, files) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.inner.files));
        let id = self.new_id();
        self.with_all_staged(staged, move |tables, staged| {
            tables.bucket(&bucket)?;
            check_condition(tables, &bucket, &key, &condition)?;
            record.content = match staged {
                [] => Content::Empty,
                [staged] if !pieces => tables.adopt(&files, staged)?,
                many => {
                    let mut last = 0;
                    for staged in many {
                        last += 1;
                        let content = tables.adopt(&files, staged)?;
                        tables.set_part(id, last, &PartRow { content, size: staged.size, ..PartRow::default() })?;
                    }
                    Content::Parts(id, last)
                }
            };
            tables.set_object(&bucket, &key, &record)?;
            Ok(record)
        })
    }

    /// The bytes once more, under new ids; and whether they are in pieces.
    fn duplicate(&self, from: &Found) -> Result<(bool, Vec<Staged>), ObjectError> {
        let mut all = Vec::new();
        for (segment, size) in &from.segments {
            all.push(match segment {
                Segment::Bytes(bytes) => plain(Bytes::Inline(bytes.to_vec()), *size),
                Segment::File(id) => self.duplicate_file(from, *id, *size)?,
            });
        }
        Ok((matches!(from.record.content, Content::Parts(..)), all))
    }

    fn duplicate_file(&self, from: &Found, id: Id, size: u64) -> Result<Staged, ObjectError> {
        let files = &self.inner.files;
        if let Ok(data) = files.link(id) {
            files.seal(&data)?;
            return Ok(plain(Bytes::File(data), size));
        }
        // No links here, or too many of this one.
        let mut draft = Draft::new(Arc::clone(files))?.limited(u64::MAX);
        let one = vec![(Segment::File(id), size)];
        draft.read_from(&mut Reader::new(Arc::clone(files), Arc::clone(&from.pin), one, 0, size))?;
        draft.finish()
    }
}

/// Bytes whose sums are known already.
fn plain(bytes: Bytes, size: u64) -> Staged {
    Staged { bytes, size, md5: [0; 16], crc64: 0 }
}
