//! What an attempt leaves goes to object stores.

use std::io;

use super::{Attempt, Fate, PlaceError, view::View};
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
            attempt.access.put_folder(&path, url)?;
        } else if path.is_file() {
            view.check(&path)?;
            attempt.access.put_file(&path, url, Fate::Stays)?;
        } else if success {
            return Err(PlaceError::File { what: what(), source: io::Error::other("there is no such file after the command") });
        }
    }
    Ok(())
}
