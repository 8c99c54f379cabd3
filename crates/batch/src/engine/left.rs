//! Folders that an earlier server was about to remove when it died.

use std::{
    fs,
    path::{Path, PathBuf},
};

use batchyard_model::{JobId, JobState};

use super::{Engine, request::remove_later};
use crate::error::ApiError;

/// Ending of the folder of a job that is being deleted.
const DOOMED: &str = "deleted";

/// The name of a job's folder while the job is being deleted.
pub fn doomed(folder: &Path) -> PathBuf {
    folder.with_extension(DOOMED)
}

impl Engine {
    /// Removes the folders of jobs that have finished or were deleted, as their server would have done. Those of jobs that nothing
    /// is known of stay: they may belong to another state.
    pub(super) fn remove_left_behind(&self) -> Result<(), ApiError> {
        let Ok(entries) = fs::read_dir(&self.parts.folder) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(id) = path.file_stem().and_then(|stem| stem.to_str()?.parse::<JobId>().ok()) else { continue };
            let job = if self.jobs.contains_key(&id) { None } else { self.parts.store.load_job_summary(&id)? };
            let is_doomed = path.extension().is_some_and(|extension| extension == DOOMED);
            match job {
                Some(job) if job.state == JobState::Finished => remove_later(path),
                // Its deletion was not recorded.
                Some(_) if is_doomed => {
                    let _ = fs::rename(&path, path.with_extension(""));
                }
                None if is_doomed => remove_later(path),
                _ => {}
            }
        }
        Ok(())
    }
}
