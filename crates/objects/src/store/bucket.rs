//! Buckets.

use redb::{ReadableTable, ReadableTableMetadata};

use super::{Objects, now_ms};
use crate::{Acl, Bucket, CorsRule, MAX_BUCKETS, ObjectError, index::encode, name};

impl Objects {
    /// Makes a bucket, or gives the owner's existing one another ACL. Whether it was made.
    ///
    /// # Errors
    /// The name is no name, or somebody else has it.
    pub fn create_bucket(&self, bucket: &str, owner: &str, acl: Option<Acl>) -> Result<bool, ObjectError> {
        name::check_bucket(bucket)?;
        let (bucket, owner) = (bucket.to_owned(), owner.to_owned());
        self.write(move |tables| {
            let (row, is_new) = match tables.bucket(&bucket) {
                Ok(old) if old.owner != owner => return Err(ObjectError::BucketTaken(bucket)),
                Ok(old) => (Bucket { acl: acl.unwrap_or(old.acl), ..old }, false),
                Err(ObjectError::NoSuchBucket(_)) => {
                    (Bucket { owner, created_ms: now_ms(), acl: acl.unwrap_or(Acl::Private), cors: Vec::new() }, true)
                }
                Err(error) => return Err(error),
            };
            if is_new && tables.buckets.len()? >= MAX_BUCKETS as u64 {
                return Err(ObjectError::TooManyBuckets(MAX_BUCKETS));
            }
            tables.buckets.insert(bucket.as_str(), encode(&row)?.as_slice())?;
            Ok(is_new)
        })
    }

    /// All buckets by name.
    ///
    /// # Errors
    /// The index fails.
    pub fn buckets(&self) -> Result<Vec<(String, Bucket)>, ObjectError> {
        self.snapshot()?.buckets()
    }

    /// One bucket.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn bucket(&self, bucket: &str) -> Result<Bucket, ObjectError> {
        self.snapshot()?.bucket(bucket)
    }

    /// Changes who may use a bucket.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn set_bucket_acl(&self, bucket: &str, acl: Acl) -> Result<(), ObjectError> {
        self.change_bucket(bucket, move |row| row.acl = acl)
    }

    /// Changes what pages of other origins may do.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn set_cors(&self, bucket: &str, rules: Vec<CorsRule>) -> Result<(), ObjectError> {
        self.change_bucket(bucket, move |row| row.cors = rules)
    }

    fn change_bucket(&self, bucket: &str, change: impl FnOnce(&mut Bucket) + Send + 'static) -> Result<(), ObjectError> {
        let bucket = bucket.to_owned();
        self.write(move |tables| {
            let mut row = tables.bucket(&bucket)?;
            change(&mut row);
            tables.buckets.insert(bucket.as_str(), encode(&row)?.as_slice())?;
            Ok(())
        })
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    /// There is none, or it holds objects or unfinished uploads.
    pub fn delete_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        let bucket = bucket.to_owned();
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let name = bucket.as_str();
            let empty: &[u8] = &[];
            let object = tables.objects.range((name, empty)..)?.next().transpose()?;
            let upload = tables.uploads.range((name, empty, 0)..)?.next().transpose()?;
            if object.is_some_and(|(key, _)| key.value().0 == name) || upload.is_some_and(|(key, _)| key.value().0 == name) {
                return Err(ObjectError::BucketNotEmpty(bucket));
            }
            tables.buckets.remove(name)?;
            Ok(())
        })
    }
}
