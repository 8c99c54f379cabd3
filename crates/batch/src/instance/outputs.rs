//! What an attempt leaves goes to object stores.

use std::{io, path::Path};

use batchyard_runner::User;

use super::{
    Attempt, PlaceError,
    left::{self, Left},
    view::View,
};
use crate::wire::TaskDescription;

/// Where a task leaves something: outputs and logs.
pub fn addresses(description: &TaskDescription) -> impl Iterator<Item = &str> {
    let parameters = &description.parameters;
    let streams = [&parameters.stdout_redirect_path, &parameters.stderr_redirect_path];
    let mapped = description.output_mapping.values().chain(description.log_mapping.values());
    mapped.chain(streams).map(String::as_str).filter(|url| !url.is_empty())
}

/// Stores all that `OutputMapping` names. After a failure what is there is stored, and what is missing is no error.
pub fn keep(attempt: &Attempt, view: &View, success: bool) -> Result<(), PlaceError> {
    if attempt.task.system.is_some() {
        // Such an app has stored its outputs itself.
        return Ok(());
    }
    for (local, url) in &attempt.task.description.output_mapping {
        let path = view.host_path(local)?;
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
                Some(user) => folder_of(attempt, user, &path, url)?,
                None => attempt.access.put_folder(&path, url)?,
            }
        } else if let Some(left) = Left::find(attempt.user.as_ref(), &path).map_err(|source| PlaceError::File { what: what(), source })? {
            view.check(&path)?;
            attempt.access.put_file(&left.path, url)?;
        } else if success {
            return Err(PlaceError::File { what: what(), source: io::Error::other("there is no such file after the command") });
        }
    }
    Ok(())
}

/// Stores a folder that another user has left: all regular files below it, and those behind links.
fn folder_of(attempt: &Attempt, user: &User, folder: &Path, url: &str) -> Result<(), PlaceError> {
    let unreadable = |path: &Path| {
        let what = format!("read `{}` as user `{}`", path.display(), user.name);
        move |source| PlaceError::File { what, source }
    };
    for inner in left::files(user, folder).map_err(unreadable(folder))?.unwrap_or_default() {
        let path = folder.join(&inner);
        let Some(left) = Left::find(Some(user), &path).map_err(unreadable(&path))? else { continue };
        let name = inner.to_str().ok_or_else(|| PlaceError::Impossible(format!("the name of `{}` is not UTF-8", path.display())))?;
        attempt.access.put_file(&left.path, &format!("{url}{name}"))?;
    }
    Ok(())
}
