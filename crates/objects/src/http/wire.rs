//! Documents exactly as the protocols spell them.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// Name space of S3's documents; OSS has none.
pub(super) const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Reads a document from a request.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    let malformed = |why: String| Problem::new(400, "MalformedXML", format!("the XML in the body cannot be used: {why}"));
    let text = std::str::from_utf8(body).map_err(|e| malformed(e.to_string()))?;
    quick_xml::de::from_str(text).map_err(|e| malformed(e.to_string()))
}

/// The attribute that S3's documents have and OSS's have not.
pub(super) fn namespace(is_s3: bool) -> Option<&'static str> {
    is_s3.then_some(S3_NAMESPACE)
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Owner {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) display_name: String,
}

impl Owner {
    pub(super) fn new(account: &str) -> Self {
        Self { id: account.to_owned(), display_name: account.to_owned() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "ListAllMyBucketsResult")]
pub(super) struct Buckets {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    pub(super) owner: Owner,
    pub(super) prefix: String,
    pub(super) marker: String,
    pub(super) max_keys: usize,
    pub(super) is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_marker: Option<String>,
    pub(super) buckets: BucketList,
}

#[derive(Serialize)]
pub(super) struct BucketList {
    #[serde(rename = "Bucket")]
    pub(super) all: Vec<BucketEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BucketEntry {
    pub(super) name: String,
    pub(super) creation_date: String,
    pub(super) location: String,
    pub(super) region: String,
    pub(super) extranet_endpoint: String,
    pub(super) intranet_endpoint: String,
    pub(super) storage_class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "BucketInfo")]
pub(super) struct BucketInfo {
    pub(super) bucket: BucketDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BucketDetails {
    #[serde(flatten)]
    pub(super) entry: BucketEntry,
    pub(super) owner: Owner,
    pub(super) access_control_list: Grants,
    pub(super) data_redundancy_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Grants {
    pub(super) grant: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "BucketStat")]
pub(super) struct BucketStat {
    pub(super) storage: u64,
    pub(super) object_count: u64,
    pub(super) multipart_upload_count: usize,
    pub(super) standard_storage: u64,
    pub(super) standard_object_count: u64,
}

#[derive(Serialize)]
#[serde(rename = "LocationConstraint")]
pub(super) struct Location {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(rename = "$text")]
    pub(super) name: String,
}

#[derive(Serialize)]
#[serde(rename = "VersioningConfiguration")]
pub(super) struct Versioning {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "AccessControlPolicy")]
pub(super) struct OssPolicy {
    pub(super) owner: Owner,
    pub(super) access_control_list: Grants,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "ListBucketResult")]
pub(super) struct Listed {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    pub(super) name: String,
    pub(super) prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) continuation_token: Option<String>,
    pub(super) max_keys: usize,
    pub(super) delimiter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_continuation_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_count: Option<usize>,
    pub(super) contents: Vec<Contents>,
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Contents {
    pub(super) key: String,
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) size: u64,
    pub(super) storage_class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Owner>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "CopyObjectResult")]
pub(super) struct Copied {
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "CopyPartResult")]
pub(super) struct CopiedPart {
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "InitiateMultipartUploadResult")]
pub(super) struct Begun {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) upload_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "CompleteMultipartUploadResult")]
pub(super) struct Completed {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) location: String,
    pub(super) bucket: String,
    pub(super) key: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Deserialize)]
pub(super) struct Complete {
    #[serde(rename = "Part", default)]
    pub(super) parts: Vec<NamedPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedPart {
    pub(super) part_number: u32,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "ListPartsResult")]
pub(super) struct Parts {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) storage_class: &'static str,
    pub(super) part_number_marker: u32,
    pub(super) next_part_number_marker: u32,
    pub(super) max_parts: usize,
    pub(super) is_truncated: bool,
    #[serde(rename = "Part")]
    pub(super) parts: Vec<PartEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PartEntry {
    pub(super) part_number: u32,
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hash_crc64ecma: Option<String>,
    pub(super) size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "ListMultipartUploadsResult")]
pub(super) struct Uploads {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) bucket: String,
    pub(super) key_marker: String,
    pub(super) upload_id_marker: String,
    pub(super) next_key_marker: String,
    pub(super) next_upload_id_marker: String,
    pub(super) delimiter: String,
    pub(super) prefix: String,
    pub(super) max_uploads: usize,
    pub(super) is_truncated: bool,
    #[serde(rename = "Upload")]
    pub(super) uploads: Vec<UploadEntry>,
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UploadEntry {
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) storage_class: &'static str,
    pub(super) initiated: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    #[serde(default)]
    pub(super) quiet: Option<String>,
    #[serde(rename = "Object", default)]
    pub(super) objects: Vec<DeleteEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    pub(super) key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "DeleteResult")]
pub(super) struct Deleted {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    pub(super) xmlns: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) deleted: Vec<DeletedEntry>,
    #[serde(rename = "Error")]
    pub(super) errors: Vec<DeleteError>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeletedEntry {
    pub(super) key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteError {
    pub(super) key: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "CORSConfiguration")]
pub(super) struct Cors {
    #[serde(rename = "CORSRule", default)]
    pub(super) rules: Vec<CorsRule>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CorsRule {
    #[serde(rename = "AllowedOrigin", default)]
    pub(super) origins: Vec<String>,
    #[serde(rename = "AllowedMethod", default)]
    pub(super) methods: Vec<String>,
    #[serde(rename = "AllowedHeader", default)]
    pub(super) headers: Vec<String>,
    #[serde(rename = "ExposeHeader", default)]
    pub(super) exposed: Vec<String>,
    #[serde(rename = "MaxAgeSeconds", default, skip_serializing_if = "Option::is_none")]
    pub(super) max_age_seconds: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", rename = "Tagging")]
pub(super) struct Tagging {
    pub(super) tag_set: TagSet,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct TagSet {
    #[serde(rename = "Tag", default)]
    pub(super) tags: Vec<Tag>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}
