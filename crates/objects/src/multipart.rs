//! Uploads in parts: begun, filled in any order by anybody, then completed at once or aborted.

use std::{ops::Bound, sync::Arc};

use md5::{Digest, Md5};

use crate::{
    Attributes, Condition, Content, Kind, Listing, MAX_PARTS, MIN_PART_BYTES, ObjectError, Objects, Record, Staged,
    draft::combine,
    files::Id,
    index::{PartRow, Tables, decode, encode, release},
    listing::{Step, successor},
    name,
    store::{check_attributes, check_condition, now_ms},
};

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Key it is for.
    pub key: String,
    /// Its id.
    pub id: Id,
    /// Milliseconds since 1970.
    pub begun_ms: i64,
}

/// A page of uploads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadPage {
    /// By key, then by age.
    pub uploads: Vec<Upload>,
    /// What several of their keys begin with.
    pub prefixes: Vec<String>,
    /// Key and id that the next page comes after.
    pub next: Option<(String, Option<Id>)>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// MD5, lower case.
    pub etag: String,
    /// CRC-64/XZ.
    pub crc64: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

/// A page of parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartPage {
    /// By number.
    pub parts: Vec<Part>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Objects {
    /// Begins an upload.
    ///
    /// # Errors
    /// No such bucket, or a key that is none.
    pub fn begin_upload(&self, bucket: &str, key: &str, attributes: Attributes) -> Result<Id, ObjectError> {
        name::check_key(key)?;
        check_attributes(&attributes)?;
        let id = self.new_id();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let row = encode(&crate::index::UploadRow { begun_ms: now_ms(), attributes })?;
            tables.uploads.insert((bucket.as_str(), key.as_bytes(), id.0), row.as_slice())?;
            Ok(id)
        })
    }

    /// Whether an upload is there; asked before its bytes are received.
    ///
    /// # Errors
    /// It is not.
    pub fn check_upload(&self, bucket: &str, key: &str, id: Id) -> Result<(), ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        snapshot.upload(bucket, key, id).map(drop)
    }

    /// Stores a part, in the place of an earlier one with the same number.
    ///
    /// # Errors
    /// No such upload, or a number outside of 1 to [`MAX_PARTS`].
    pub fn put_part(&self, bucket: &str, key: &str, id: Id, number: u32, staged: Staged) -> Result<Part, ObjectError> {
        check_number(number)?;
        let (bucket, key, files) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.inner.files));
        self.with_staged(staged, move |tables, staged| {
            tables.upload(&bucket, &key, id)?;
            let content = tables.adopt(&files, staged)?;
            let row = PartRow { content, size: staged.size, etag: staged.etag(), crc64: staged.crc64, modified_ms: now_ms() };
            tables.set_part(id, number, &row)?;
            Ok(part(number, row))
        })
    }

    /// Parts with numbers after `after`.
    ///
    /// # Errors
    /// No such upload.
    pub fn parts(&self, bucket: &str, key: &str, id: Id, after: u32, limit: usize) -> Result<PartPage, ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.upload(bucket, key, id)?;
        let limit = limit.min(crate::MAX_PAGE);
        let mut rows = snapshot.parts(id, after, limit + 1)?;
        let truncated = rows.len() > limit;
        rows.truncate(limit);
        Ok(PartPage { parts: rows.into_iter().map(|(number, row)| part(number, row)).collect(), truncated })
    }

    /// Makes the object out of the parts that are named by number and ETag, in one step.
    ///
    /// # Errors
    /// No such upload, a part that is not there, too small or out of order, or a condition that does not hold.
    pub fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: Id,
        named: Vec<(u32, String)>,
        condition: Condition,
    ) -> Result<Record, ObjectError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let upload = tables.upload(&bucket, &key, id)?;
            check_condition(tables, &bucket, &key, &condition)?;
            let mut record = assemble(tables, id, &named)?;
            record.attributes = upload.attributes;
            for (number, _) in tables.parts(id)? {
                if named.binary_search_by_key(&number, |(n, _)| *n).is_err() {
                    tables.remove_part(id, number)?;
                }
            }
            tables.uploads.remove((bucket.as_str(), key.as_bytes(), id.0))?;
            tables.set_object(&bucket, &key, &record)?;
            Ok(record)
        })
    }

    /// All parts of an upload by number and ETag, for those who complete it with whatever there is.
    ///
    /// # Errors
    /// No such upload.
    pub fn all_parts(&self, bucket: &str, key: &str, id: Id) -> Result<Vec<(u32, String)>, ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.upload(bucket, key, id)?;
        Ok(snapshot.parts(id, 0, MAX_PARTS as usize)?.into_iter().map(|(number, row)| (number, row.etag)).collect())
    }

    /// Gives up an upload and its parts.
    ///
    /// # Errors
    /// No such upload.
    pub fn abort_upload(&self, bucket: &str, key: &str, id: Id) -> Result<(), ObjectError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            tables.upload(&bucket, &key, id)?;
            tables.uploads.remove((bucket.as_str(), key.as_bytes(), id.0))?;
            release(tables, Content::Parts(id, MAX_PARTS))
        })
    }

    /// Lists unfinished uploads; `after` is a key, `after_id` one of its uploads.
    ///
    /// # Errors
    /// No such bucket.
    pub fn uploads(&self, bucket: &str, listing: &Listing, after_id: Option<Id>) -> Result<UploadPage, ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        let table = snapshot.uploads()?;
        let mut page = UploadPage::default();
        let mut start = upload_start(listing, after_id);
        'seek: loop {
            let bound = start.as_ref().map(|(key, id)| (bucket, key.as_slice(), *id));
            for row in table.range::<(&str, &[u8], u128)>((bound, Bound::Unbounded))? {
                let (place, value) = row?;
                let (in_bucket, key, id) = place.value();
                let key = String::from_utf8_lossy(key).into_owned();
                if in_bucket != bucket || !key.starts_with(&listing.prefix) {
                    page.next = None;
                    return Ok(page);
                }
                let step = listing.step(&key);
                if let Step::Shown(common) = step {
                    start = Bound::Included((successor(&common), 0));
                    continue 'seek;
                }
                if page.uploads.len() + page.prefixes.len() >= listing.limit() {
                    return Ok(page);
                }
                if let Step::Rolled(common) = step {
                    start = Bound::Included((successor(&common), 0));
                    page.next = Some((common.clone(), None));
                    page.prefixes.push(common);
                    continue 'seek;
                }
                let begun_ms = decode::<crate::index::UploadRow>(value.value())?.begun_ms;
                page.next = Some((key.clone(), Some(Id(id))));
                page.uploads.push(Upload { key, id: Id(id), begun_ms });
            }
            page.next = None;
            return Ok(page);
        }
    }
}

fn upload_start(listing: &Listing, after_id: Option<Id>) -> Bound<(Vec<u8>, u128)> {
    match listing.start() {
        Bound::Excluded(key) => Bound::Excluded((key, after_id.map_or(u128::MAX, |id| id.0))),
        Bound::Included(key) => Bound::Included((key, 0)),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Number in range?
pub(crate) fn check_number(number: u32) -> Result<(), ObjectError> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    let reason = format!("part numbers are 1 to {MAX_PARTS}");
    Err(ObjectError::InvalidArgument { name: "partNumber", value: number.to_string(), reason })
}

fn part(number: u32, row: PartRow) -> Part {
    Part { number, size: row.size, etag: row.etag, crc64: row.crc64, modified_ms: row.modified_ms }
}

/// The record of the object that these parts make.
fn assemble(tables: &Tables<'_>, id: Id, named: &[(u32, String)]) -> Result<Record, ObjectError> {
    let mut record = Record { kind: Kind::Multipart, modified_ms: now_ms(), ..Record::default() };
    let mut sums = Md5::new();
    if !named.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(ObjectError::PartOrder);
    }
    for (place, (number, etag)) in named.iter().enumerate() {
        let row = tables.part(id, *number)?.filter(|row| row.etag.eq_ignore_ascii_case(etag));
        let row = row.ok_or(ObjectError::InvalidPart(*number))?;
        if row.size < MIN_PART_BYTES && place + 1 < named.len() {
            return Err(ObjectError::PartTooSmall { number: *number, size: row.size, limit: MIN_PART_BYTES });
        }
        sums.update(hex::decode(&row.etag).unwrap_or_default());
        record.crc64 = combine(record.crc64, row.crc64, row.size);
        record.size += row.size;
    }
    if named.is_empty() {
        return Err(ObjectError::InvalidArgument {
            name: "Part",
            value: String::new(),
            reason: "an upload needs at least one part".to_owned(),
        });
    }
    record.etag = format!("{}-{}", hex::encode(sums.finalize()), named.len());
    record.content = Content::Parts(id, MAX_PARTS);
    Ok(record)
}
