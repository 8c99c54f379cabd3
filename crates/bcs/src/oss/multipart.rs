//! Objects in parts.

use std::io::Read;

use super::{
    location::Location,
    store::{Ask, Store},
    xml,
};
use crate::{failure::Failure, sign};

/// Objects up to this size are copied by one request; the original's store takes no more.
pub const COPIED_WHOLE: u64 = 1 << 30;
/// Part of a larger one.
const COPIED_PART: u64 = 512 << 20;
/// Most parts of one object.
const MAX_PARTS: u64 = 9_000;

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// Identifies its content.
    pub etag: String,
}

impl Store {
    /// Begins an object in parts; the answer identifies it.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; so for all requests here.
    pub fn begin_parts(&self, place: &Location) -> Result<String, Failure> {
        let query = vec![("uploads", String::new())];
        let answer = self.document(place, Ask { action: "begin", method: "POST", query, ..Ask::default() })?;
        match answer.child("UploadId") {
            "" => Err(Failure::Unreadable { url: place.to_string(), reason: "it has no UploadId".to_owned() }),
            id => Ok(id.to_owned()),
        }
    }

    /// Writes a part.
    ///
    /// # Errors
    ///
    /// See [`Store::begin_parts`].
    pub fn put_part(
        &self,
        place: &Location,
        upload: &str,
        number: u32,
        body: &mut dyn Read,
        size: u64,
        content_md5: String,
    ) -> Result<Part, Failure> {
        let query = vec![("partNumber", number.to_string()), ("uploadId", upload.to_owned())];
        let ask = Ask { action: "write a part of", method: "PUT", query, content_md5, body: Some((body, size)), ..Ask::default() };
        let answer = self.send(place, ask)?;
        let etag = answer.headers().get("etag").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Part { number, etag })
    }

    /// Copies a large object part by part, within the store.
    ///
    /// # Errors
    ///
    /// See [`Store::begin_parts`].
    pub fn copy_parts(&self, from: &Location, to: &Location, size: u64) -> Result<(), Failure> {
        let part = COPIED_PART.max(size.div_ceil(MAX_PARTS));
        let upload = self.begin_parts(to)?;
        let mut parts = Vec::new();
        for number in 1..=u32::try_from(size.div_ceil(part)).unwrap_or(u32::MAX) {
            let start = u64::from(number - 1) * part;
            let end = (start + part).min(size) - 1;
            let headers = vec![
                ("x-oss-copy-source".to_owned(), from.as_source()),
                ("x-oss-copy-source-range".to_owned(), format!("bytes={start}-{end}")),
            ];
            let query = vec![("partNumber", number.to_string()), ("uploadId", upload.clone())];
            let answer = self.send(to, Ask { action: "copy a part to", method: "PUT", query, headers, ..Ask::default() })?;
            let etag = answer.headers().get("etag").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            parts.push(Part { number, etag });
        }
        self.finish_parts(to, &upload, &parts)
    }

    /// Makes the object of its parts.
    ///
    /// # Errors
    ///
    /// See [`Store::begin_parts`].
    pub fn finish_parts(&self, place: &Location, upload: &str, parts: &[Part]) -> Result<(), Failure> {
        let part = |p: &Part| format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", p.number, xml::escaped(&p.etag));
        let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.iter().map(part).collect::<String>());
        let content_md5 = sign::md5_base64(body.as_bytes());
        let size = body.len() as u64;
        let mut body = body.as_bytes();
        let query = vec![("uploadId", upload.to_owned())];
        let ask = Ask { action: "finish", method: "POST", query, content_md5, body: Some((&mut body, size)), ..Ask::default() };
        self.send(place, ask).map(drop)
    }
}
