//! Uploads in parts.

use super::{
    Call, Input, headers,
    list::{Encoding, encoding, listing, page_size, storage_class},
    problem::Problem,
    reply::{Reply, etag, iso_date},
    wire,
};
use crate::{Condition, Id, MAX_PAGE, MAX_PARTS, ObjectError, Record, multipart::check_number, name};

/// Begins an upload.
pub(super) fn begin(call: &Call, _: Input) -> Result<Reply, Problem> {
    let encoding = encoding(&call.head)?;
    let id = call.objects().begin_upload(call.bucket(), call.key(), headers::attributes(&call.head)?)?;
    Reply::xml(&wire::Begun {
        xmlns: wire::namespace(call.is_s3()),
        encoding_type: encoding.name(),
        bucket: call.bucket().to_owned(),
        key: encoding.write(call.key()),
        upload_id: id.to_string(),
    })
}

/// Upload and number of the part that a request is about.
pub(super) fn place(call: &Call) -> Result<(Id, u32), Problem> {
    let missing = || Problem::argument("partNumber", "", "a part has a number");
    let number = call.head.number("partNumber")?.ok_or_else(missing)?;
    check_number(number)?;
    Ok((upload(call)?, number))
}

fn upload(call: &Call) -> Result<Id, Problem> {
    let text = call.head.parameter("uploadId").unwrap_or_default();
    Ok(Id::parse(text).ok_or_else(|| ObjectError::NoSuchUpload(name::shortened(text)))?)
}

/// What can be refused before the bytes come.
pub(super) fn check_part(call: &Call) -> Result<(), Problem> {
    Ok(call.objects().check_upload(call.bucket(), call.key(), place(call)?.0)?)
}

/// Stores a part.
pub(super) fn put_part(call: &Call, input: Input) -> Result<Reply, Problem> {
    let (id, number) = place(call)?;
    let part = call.objects().put_part(call.bucket(), call.key(), id, number, input.staged()?)?;
    let reply = Reply::empty(200).header("etag", etag(call.head.dialect, &part.etag));
    Ok(if call.is_s3() { reply } else { reply.header("x-oss-hash-crc64ecma", part.crc64.to_string()) })
}

/// Makes the object out of its parts.
pub(super) fn complete(call: &Call, input: Input) -> Result<Reply, Problem> {
    let encoding = encoding(&call.head)?;
    let id = upload(call)?;
    let condition = headers::condition(&call.head)?;
    let record = if call.head.header("x-oss-complete-all").is_some_and(|value| value.eq_ignore_ascii_case("yes")) {
        let all = call.objects().all_parts(call.bucket(), call.key(), id)?;
        call.objects().complete_upload(call.bucket(), call.key(), id, all, condition)?
    } else {
        complete_named(call, input.document(), id, condition)?
    };
    let tag = etag(call.head.dialect, &record.etag);
    let reply = Reply::xml(&wire::Completed {
        xmlns: wire::namespace(call.is_s3()),
        encoding_type: encoding.name(),
        location: format!("http://{}{}", call.head.header("host").unwrap_or_default(), call.head.path),
        bucket: call.bucket().to_owned(),
        key: encoding.write(call.key()),
        etag: tag.clone(),
    })?;
    Ok(if call.is_s3() { reply } else { reply.header("etag", tag).header("x-oss-hash-crc64ecma", record.crc64.to_string()) })
}

fn complete_named(call: &Call, document: &[u8], id: Id, condition: Condition) -> Result<Record, Problem> {
    let wanted: wire::Complete = wire::parse(document)?;
    if wanted.parts.len() > MAX_PARTS as usize {
        return Err(Problem::new(400, "InvalidArgument", format!("an object has at most {MAX_PARTS} parts")));
    }
    let parts = wanted.parts.into_iter().map(|part| (part.part_number, part.etag.trim().trim_matches('"').to_owned())).collect();
    Ok(call.objects().complete_upload(call.bucket(), call.key(), id, parts, condition)?)
}

/// Gives up an upload.
pub(super) fn abort(call: &Call, _: Input) -> Result<Reply, Problem> {
    call.objects().abort_upload(call.bucket(), call.key(), upload(call)?)?;
    Ok(Reply::empty(204))
}

/// A page of the parts of an upload.
pub(super) fn list_parts(call: &Call, _: Input) -> Result<Reply, Problem> {
    let encoding = encoding(&call.head)?;
    let id = upload(call)?;
    let after = call.head.number("part-number-marker")?.unwrap_or(0);
    let limit = page_size(&call.head, "max-parts", MAX_PAGE)?;
    let page = call.objects().parts(call.bucket(), call.key(), id, after, limit)?;
    Reply::xml(&wire::Parts {
        xmlns: wire::namespace(call.is_s3()),
        encoding_type: encoding.name(),
        bucket: call.bucket().to_owned(),
        key: encoding.write(call.key()),
        upload_id: id.to_string(),
        storage_class: storage_class(call),
        part_number_marker: after,
        next_part_number_marker: page.parts.last().map_or(after, |part| part.number),
        max_parts: limit,
        is_truncated: page.truncated,
        parts: page
            .parts
            .iter()
            .map(|part| wire::PartEntry {
                part_number: part.number,
                last_modified: iso_date(part.modified_ms),
                etag: etag(call.head.dialect, &part.etag),
                hash_crc64ecma: (!call.is_s3()).then(|| part.crc64.to_string()),
                size: part.size,
            })
            .collect(),
    })
}

/// A page of the unfinished uploads of a bucket.
pub(super) fn list_uploads(call: &Call, _: Input) -> Result<Reply, Problem> {
    let head = &call.head;
    let encoding = encoding(head)?;
    let key_marker = head.parameter("key-marker").unwrap_or_default().to_owned();
    let id_marker = head.parameter("upload-id-marker").unwrap_or_default().to_owned();
    let listing = listing(head, key_marker.clone(), page_size(head, "max-uploads", MAX_PAGE)?)?;
    let page = call.objects().uploads(call.bucket(), &listing, Id::parse(&id_marker))?;
    let is_truncated = page.next.is_some();
    let (next_key, next_id) = page.next.unwrap_or_default();
    Reply::xml(&wire::Uploads {
        xmlns: wire::namespace(call.is_s3()),
        encoding_type: encoding.name(),
        bucket: call.bucket().to_owned(),
        key_marker: encoding.write(&key_marker),
        upload_id_marker: id_marker,
        next_key_marker: encoding.write(&next_key),
        next_upload_id_marker: next_id.map(|id| id.to_string()).unwrap_or_default(),
        delimiter: encoding.write(&listing.delimiter),
        prefix: encoding.write(&listing.prefix),
        max_uploads: listing.limit,
        is_truncated,
        uploads: page.uploads.iter().map(|upload| entry(call, encoding, upload)).collect(),
        common_prefixes: page.prefixes.iter().map(|prefix| wire::CommonPrefix { prefix: encoding.write(prefix) }).collect(),
    })
}

fn entry(call: &Call, encoding: Encoding, upload: &crate::Upload) -> wire::UploadEntry {
    wire::UploadEntry {
        key: encoding.write(&upload.key),
        upload_id: upload.id.to_string(),
        storage_class: storage_class(call),
        initiated: iso_date(upload.begun_ms),
    }
}
