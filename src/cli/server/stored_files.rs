//! Files of the embedded object store as inputs of workflows: `oss://bucket/key`.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use batchyard_batch::{
    instance::{Access, access::ADMIN},
    wire::mounts::bucket_and_key,
};
use batchyard_objects::{Objects, folder::place};
use batchyard_workflow::fetch::Fetch;

/// Copies objects to files below a folder, beside each other as their keys are, so that an index is found beside its file.
///
/// There is one copy for all tasks, which get second names of it. A task that runs as the server's own user could write to
/// it, never to what is stored; a copy that was changed is not used for later tasks.
#[derive(Debug)]
pub struct StoredFiles {
    pub objects: Objects,
    pub folder: PathBuf,
}

impl Fetch for StoredFiles {
    fn knows(&self, url: &str) -> bool {
        url.starts_with("oss://")
    }

    fn fetch(&self, url: &str, on_behalf: Option<&str>) -> Result<PathBuf, String> {
        let (bucket, key) = bucket_and_key(url).filter(|(_, key)| !key.is_empty() && !key.ends_with('/')).ok_or("names no object")?;
        if let Some(account) = on_behalf {
            let (account, admin) = account_of(account);
            let access = Access { objects: self.objects.clone(), account, admin };
            access.read(url).map_err(|e| format!("cannot be read: {e}"))?;
        }
        let record = self.objects.head(bucket, key).map_err(|e| format!("cannot be read: {e}"))?;
        let inner = place(key).ok_or("has a key that cannot be the name of a file")?;
        let file = self.folder.join(bucket).join(&inner);
        let mark = self.folder.join(".marks").join(bucket).join(&inner);
        let state = |stamp: &str| format!("{} {} {} {stamp}", record.etag, record.size, record.modified_ms);
        if stamp(&file).is_ok_and(|stamp| fs::read_to_string(&mark).is_ok_and(|kept| kept == state(&stamp))) {
            return Ok(file);
        }
        self.copy(bucket, key, &file).map_err(|e| format!("cannot be copied to `{}`: {e}", file.display()))?;
        stamp(&file).and_then(|stamp| write(&mark, &state(&stamp))).map_err(|e| format!("cannot be kept: {e}"))?;
        Ok(file)
    }
}

/// How the rights of a job are told to [`Fetch::fetch`].
pub fn on_behalf_of(access: &Access) -> String {
    format!("{}{}", if access.admin { ADMIN } else { "" }, access.account)
}

fn account_of(text: &str) -> (String, bool) {
    text.strip_prefix(ADMIN).map_or_else(|| (text.to_owned(), false), |account| (account.to_owned(), true))
}

impl StoredFiles {
    /// Others may be using the former copy, so it is replaced as a whole.
    fn copy(&self, bucket: &str, key: &str, file: &Path) -> Result<(), String> {
        let part = self.folder.join(format!(".part-{}", batchyard_model::RunId::random()));
        self.objects.copy_file(bucket, key, &part).map_err(|e| e.to_string())?;
        let into_place = || -> std::io::Result<()> {
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(&part, file)
        };
        into_place().map_err(|e| e.to_string())
    }
}

/// What changes with whatever is written to a file.
fn stamp(file: &Path) -> std::io::Result<String> {
    let about = fs::metadata(file)?;
    Ok(format!("{} {} {}.{}", about.ino(), about.size(), about.mtime(), about.mtime_nsec()))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}
