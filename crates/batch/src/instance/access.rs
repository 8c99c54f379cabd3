//! What a job may read and write in the object store: what its account could.

use batchyard_objects::{Acl, ObjectError, Objects};

use super::{PlaceError, bucket_and_key};

/// Before the name of an account whose key opens all buckets; no name holds it.
pub const ADMIN: &str = "admin:";

/// The rights of a job.
#[derive(Clone)]
pub struct Access {
    /// The object store.
    pub objects: Objects,
    /// The account that the job belongs to.
    pub account: String,
    /// Whether it was made with an administrator's key, to whom all buckets are open.
    pub admin: bool,
}

impl Access {
    /// Whether what is at an address may be read.
    ///
    /// # Errors
    /// It may not, or there is no such bucket.
    pub fn read(&self, url: &str) -> Result<(), PlaceError> {
        let (bucket, key) = bucket_and_key(url);
        let found = self.bucket(bucket, url)?;
        if self.owns(&found.owner) {
            return Ok(());
        }
        // Of a prefix of somebody else's every object could have rights of its own.
        let is_object = !key.is_empty() && !key.ends_with('/');
        let acl =
            if is_object { self.objects.head(bucket, key).map(|record| record.attributes.acl).unwrap_or_default() } else { Acl::Private };
        let acl = if acl == Acl::Default { found.acl } else { acl };
        if matches!(acl, Acl::PublicRead | Acl::PublicReadWrite) { Ok(()) } else { Err(refused("read", url)) }
    }

    /// Whether something may be stored at an address.
    ///
    /// # Errors
    /// It may not, or there is no such bucket.
    pub fn write(&self, url: &str) -> Result<(), PlaceError> {
        let (bucket, _) = bucket_and_key(url);
        let found = self.bucket(bucket, url)?;
        if self.owns(&found.owner) || found.acl == Acl::PublicReadWrite { Ok(()) } else { Err(refused("write to", url)) }
    }

    fn owns(&self, owner: &str) -> bool {
        self.admin || owner == self.account
    }

    fn bucket(&self, bucket: &str, url: &str) -> Result<batchyard_objects::Bucket, PlaceError> {
        let failed = |source: ObjectError| PlaceError::Object { what: format!("use `{url}`"), source };
        self.objects.bucket(bucket).map_err(failed)
    }
}

fn refused(what: &str, url: &str) -> PlaceError {
    PlaceError::Impossible(format!("cannot {what} `{url}`: the bucket belongs to another account"))
}
