//! What an attempt leaves goes to the object store.

use std::io;

use batchyard_objects::Put;

use super::{Attempt, PlaceError, bucket_and_key, view::View};

/// Stores all that `OutputMapping` names. After a failure what is there is stored, and what is missing is no error.
pub fn keep(attempt: &Attempt, view: &View, success: bool) -> Result<(), PlaceError> {
    if attempt.task.system.is_some() {
        // Such an app has stored its outputs itself.
        return Ok(());
    }
    let objects = &attempt.surroundings.objects;
    for (local, url) in &attempt.task.description.output_mapping {
        let path = view.host_path(local)?;
        let (bucket, key) = bucket_and_key(url);
        attempt.access.write(url)?;
        let what = || format!("store `{local}` as `{url}`");
        if local.ends_with('/') {
            if !path.is_dir() {
                if success {
                    return Err(PlaceError::File { what: what(), source: io::Error::other("there is no such folder after the command") });
                }
                continue;
            }
            view.check(&path)?;
            objects.upload_folder(&path, bucket, key).map_err(|source| PlaceError::Object { what: what(), source })?;
        } else if path.is_file() {
            view.check(&path)?;
            objects.put_file(bucket, key, &path, Put::default()).map_err(|source| PlaceError::Object { what: what(), source })?;
        } else if success {
            return Err(PlaceError::File { what: what(), source: io::Error::other("there is no such file after the command") });
        }
    }
    Ok(())
}
