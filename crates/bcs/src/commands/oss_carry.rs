//! `oss copy`, `oss upload`, `oss download`.

use std::{fs, path::Path, time::Instant};

use super::package::files_of;
use crate::{
    failure::Failure,
    grammar::parse::Arguments,
    oss::{location::Location, multipart::COPIED_WHOLE},
    render::times::largest,
    session::Session,
};

/// Copies a file, or everything in a folder with its tree.
///
/// # Errors
///
/// The store's; so for all functions here.
pub fn copy(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let (source, target) = (arguments.needed("source")?, arguments.needed("target")?);
    let (from, to) = (session.location(source)?, session.location(target)?);
    session.terminal.line(format!("copy from {source} to {target}"))?;
    if from.is_folder() {
        let folder = if to.is_folder() { to.key.clone() } else { format!("{}/", to.key) };
        for object in session.store()?.list(&from, "")?.objects {
            let name = object.key.strip_prefix(from.key.as_str()).unwrap_or(&object.key).to_owned();
            // The folder itself, stored as an empty object.
            if name.is_empty() {
                continue;
            }
            let key = format!("{folder}{name}");
            copy_one(session, &from.with_key(object.key), &to.with_key(key.clone()), Some(object.size))?;
            session.terminal.line(format!("{key} done"))?;
        }
    } else {
        let key = if to.is_folder() { format!("{}{}", to.key, from.name()) } else { to.key.clone() };
        copy_one(session, &from, &to.with_key(key), None)?;
        session.terminal.line(format!("{target} done\n"))?;
    }
    session.terminal.good("done")
}

/// Within a bucket the store copies by itself; otherwise the bytes come by here.
fn copy_one(session: &mut Session, from: &Location, to: &Location, size: Option<u64>) -> Result<(), Failure> {
    let store = session.store()?;
    let size = size.map_or_else(|| store.head(from).map(|head| head.size), Ok)?;
    if from.bucket == to.bucket && from.region == to.region {
        return if size > COPIED_WHOLE { store.copy_parts(from, to, size) } else { store.copy(from, to) };
    }
    let mut body = store.open(from, None, None)?;
    store.put(to, &mut body, size, String::new())
}

/// Uploads a file, or a folder with its tree.
///
/// # Errors
///
/// See [`copy`]; files that cannot be read.
pub fn upload(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let local = arguments.needed("localpath")?;
    let target = match arguments.word("osspath") {
        Some(path) => path.to_owned(),
        None => session.config.oss_path()?,
    };
    let path = session.path(local);
    if !path.exists() {
        return Err(Failure::told(format!("Not found {}", path.display())));
    }
    let whole = arguments.has("use_put_object");
    let started = Instant::now();
    let to = session.location(&target)?;
    if path.is_dir() {
        let folder = if to.is_folder() { to.key.clone() } else { format!("{}/", to.key) };
        let title = session.terminal.paint.blue("upload folder");
        session.terminal.line(format!("{title}: {} to {}", path.display(), to.with_key(folder.clone())))?;
        for (file, name) in files_of(&path)? {
            let place = to.with_key(format!("{folder}{name}"));
            session.terminal.line(format!("  {} => {place}", file.display()))?;
            session.transfer(true, |transfers, out| transfers.upload(&file, &place, whole, out))?;
        }
    } else {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let place = if to.is_folder() { to.with_key(format!("{}{name}", to.key)) } else { to };
        session.transfer(true, |transfers, out| transfers.upload(&path, &place, whole, out))?;
    }
    finished(session, started)
}

/// Downloads a file, or a folder with its tree.
///
/// # Errors
///
/// See [`copy`]; files that cannot be written; keys that lead out of the folder.
pub fn download(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let source = arguments.needed("osspath")?;
    let local = arguments.word("localpath").unwrap_or("./");
    let target = session.path(local);
    let from = session.location(source)?;
    let started = Instant::now();
    if from.is_folder() {
        make(&target)?;
        let title = session.terminal.paint.blue("Download folder");
        session.terminal.line(format!("{title} : {source}"))?;
        for object in session.store()?.list(&from, "")?.objects {
            let name = object.key.strip_prefix(from.key.as_str()).unwrap_or_default();
            if name.is_empty() || name.ends_with('/') {
                continue;
            }
            if name.split('/').any(|part| matches!(part, ".." | "." | "")) {
                return Err(Failure::told(format!("`{}` would not lie in `{}`", object.key, target.display())));
            }
            let path = target.join(name);
            make(path.parent().unwrap_or(&target))?;
            session.terminal.line(format!("  {} ==> {}", object.key, path.display()))?;
            let place = from.with_key(object.key.clone());
            session.transfer(true, |transfers, out| transfers.download(&place, &path, out))?;
        }
    } else {
        let path = if local.ends_with('/') || target.is_dir() { target.join(from.name()) } else { target };
        if let Some(folder) = path.parent() {
            make(folder)?;
        }
        session.terminal.line(format!("{source} ==> {}", path.display()))?;
        session.transfer(true, |transfers, out| transfers.download(&from, &path, out))?;
    }
    finished(session, started)
}

fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(Failure::file("make", folder))
}

fn finished(session: &mut Session, started: Instant) -> Result<(), Failure> {
    let seconds = i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
    let took = largest(seconds);
    let done = session.terminal.paint.green("done");
    session.terminal.line(format!("{done} ({})", if took.is_empty() { "0s" } else { &took }))
}
