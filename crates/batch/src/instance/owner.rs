//! Who an attempt runs as, and what belongs to it then.
//!
//! The folder of an attempt stays the server's, so that nobody can put something else in the place of what the server reads
//! and writes there. The working directory, and what is made for the command, are the user's and closed to all others.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use batchyard_runner::{User, user::is_root};

use super::{Attempt, PlaceError, TEMPORARY, WORK, view};

/// Name of the file that says who, in the folder of the attempt.
const FILE: &str = "user.json";
/// Folders of a call.
const EXECUTION: &str = "execution";
const INPUTS: &str = "inputs";
/// Permissions of the folder of an attempt of the server's own user.
const CLOSED: u32 = 0o700;
/// Permissions of one that another user enters: nobody can list it, and what it holds is closed.
const ENTERED: u32 = 0o711;
/// Added to the permissions of what may be written to.
const OWNER_WRITES: u32 = 0o200;

/// Who the attempt runs as, decided once for it, and its folder made accordingly.
pub fn of(attempt: &Attempt, under_way: bool) -> Result<Option<User>, PlaceError> {
    let path = attempt.dir.join(FILE);
    if under_way {
        return Ok(fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()));
    }
    let user = (attempt.surroundings.users)(&attempt.access.account)?;
    if !is_root() {
        return Ok(user);
    }
    let failed = |source| PlaceError::File { what: format!("make `{}`", attempt.dir.display()), source };
    let make = |mode| fs::create_dir_all(&attempt.dir).and_then(|()| fs::set_permissions(&attempt.dir, fs::Permissions::from_mode(mode)));
    make(if user.is_some() { ENTERED } else { CLOSED }).map_err(failed)?;
    if let Some(user) = &user {
        user.check_way(&attempt.dir)?;
        let text = serde_json::to_vec(user).map_err(|error| PlaceError::Impossible(error.to_string()))?;
        write_private(&path, &text).map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })?;
    }
    Ok(user)
}

/// Gives the user what the command works on, and closes the rest.
pub fn hand_over(attempt: &Attempt) -> Result<(), PlaceError> {
    let Some(user) = &attempt.user else { return Ok(()) };
    let failed = |path: PathBuf| move |source| PlaceError::File { what: format!("give `{}` to `{}`", path.display(), user.name), source };
    let work = attempt.dir.join(WORK);
    give_tree(user, &work).and_then(|()| user.give_with(&work, CLOSED)).map_err(failed(work))?;
    let temporary = attempt.dir.join(TEMPORARY);
    if temporary.is_dir() {
        user.give_with(&temporary, CLOSED).map_err(failed(temporary))?;
    }
    for folder in view::FOLDERS.map(|name| attempt.dir.join(name)) {
        // Some are filled only when the root is made.
        let give = || fs::create_dir_all(&folder).and_then(|()| give_tree(user, &folder)).and_then(|()| user.admit(&folder, false));
        give().map_err(failed(folder.clone()))?;
    }
    match &attempt.call {
        Some(folder) => hand_over_call(user, folder).map_err(failed(folder.clone())),
        None => Ok(()),
    }
}

/// Lets the user into the folder of a call. The script and the commands that start and end the job stay the server's; beside
/// inputs there is room for what belongs to them.
fn hand_over_call(user: &User, call: &Path) -> io::Result<()> {
    let way = call.parent().unwrap_or(call);
    user.check_way(way).map_err(io::Error::other)?;
    user.admit(call, false)?;
    user.admit(&call.join(EXECUTION), true)?;
    let inputs = call.join(INPUTS);
    if inputs.is_dir() { give_folders(user, &inputs) } else { Ok(()) }
}

/// Gives all that is below a folder, but not second names of files that are somebody else's.
fn give_tree(user: &User, folder: &Path) -> io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, about) = (entry.path(), entry.metadata()?);
            if about.is_file() && about.nlink() > 1 {
                continue;
            }
            user.give(&path)?;
            if about.is_dir() {
                waiting.push(path);
            } else if about.is_file() {
                fs::set_permissions(&path, fs::Permissions::from_mode(about.mode() & 0o777 | OWNER_WRITES))?;
            }
        }
    }
    Ok(())
}

/// Gives all folders below a folder. A file is as readable as the one that it comes from.
fn give_folders(user: &User, folder: &Path) -> io::Result<()> {
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                user.give(&entry.path())?;
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Writes a file of the server that nobody else reads.
pub fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}
