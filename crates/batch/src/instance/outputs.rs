//! What an attempt leaves goes to the object store.

use std::{io, path::Path};

use batchyard_objects::Put;
use batchyard_runner::User;

use super::{
    Attempt, PlaceError, bucket_and_key,
    left::{self, Left},
    view::View,
};

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
            match &attempt.user {
                Some(user) => folder_of(attempt, user, &path, bucket, key)?,
                None => {
                    objects.upload_folder(&path, bucket, key).map(drop).map_err(|source| PlaceError::Object { what: what(), source })?
                }
            }
        } else if let Some(left) = Left::find(attempt.user.as_ref(), &path).map_err(|source| PlaceError::File { what: what(), source })? {
            view.check(&path)?;
            objects.put_file(bucket, key, &left.path, Put::default()).map_err(|source| PlaceError::Object { what: what(), source })?;
        } else if success {
            return Err(PlaceError::File { what: what(), source: io::Error::other("there is no such file after the command") });
        }
    }
    Ok(())
}

/// Stores a folder that another user has left: all regular files below it, and those behind links.
fn folder_of(attempt: &Attempt, user: &User, folder: &Path, bucket: &str, prefix: &str) -> Result<(), PlaceError> {
    let unreadable = |path: &Path| {
        let what = format!("read `{}` as user `{}`", path.display(), user.name);
        move |source| PlaceError::File { what, source }
    };
    for inner in left::files(user, folder).map_err(unreadable(folder))?.unwrap_or_default() {
        let path = folder.join(&inner);
        let Some(left) = Left::find(Some(user), &path).map_err(unreadable(&path))? else { continue };
        let name = inner.to_str().ok_or_else(|| PlaceError::Impossible(format!("the name of `{}` is not UTF-8", path.display())))?;
        let stored = attempt.access.objects.put_file(bucket, &format!("{prefix}{name}"), &left.path, Put::default());
        stored.map_err(|source| PlaceError::Object { what: format!("store `{}`", path.display()), source })?;
    }
    Ok(())
}
