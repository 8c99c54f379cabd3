//! `oss`: login, pwd, ls, cat, delete. Copies and transfers are in [`super::oss_carry`].

use super::{agreed, login::keys};
use crate::{failure::Failure, grammar::parse::Arguments, oss::location::Location, render::size, session::Session};

pub use super::oss_carry::{copy, download, upload};

/// Files named when deleting.
const MAX_NAMED: usize = 200;

/// A key of its own for the object store.
///
/// # Errors
///
/// The store's; nothing is remembered then. So for all functions here.
pub fn login(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let region = arguments.needed("region")?.to_owned();
    let (id, secret) = keys(session, arguments)?;
    session.config.set("oss_region", &region);
    session.config.set("oss_id", &id);
    session.config.set("oss_key", &secret);
    session.forget_connections();
    if let Ok(path) = session.config.oss_path() {
        let place = session.location(&path)?;
        session.store()?.list(&place, "/")?;
    }
    session.config.save()?;
    session.terminal.good("login success")
}

/// Forgets it.
///
/// # Errors
///
/// See [`login`].
pub fn logout(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    for key in ["oss_region", "oss_id", "oss_key", "osspath"] {
        session.config.remove(key);
    }
    session.config.save()
}

/// The default path.
///
/// # Errors
///
/// See [`login`].
pub fn pwd(session: &mut Session, _: &Arguments) -> Result<(), Failure> {
    let path = session.config.oss_path()?;
    let place = session.location(&path)?;
    let paint = session.terminal.paint;
    session.terminal.line(format!("{} : {}", paint.blue("osspath"), paint.green(&path)))?;
    session.terminal.line(format!("{} : {}", paint.blue("bucket"), place.bucket))?;
    session.terminal.line(format!("{} : {}", paint.blue("key"), place.key))
}

/// Makes a bucket; ours, for stores without a console.
///
/// # Errors
///
/// See [`login`].
pub fn make_bucket(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let place = bucket(arguments.needed("bucket")?)?;
    session.store()?.make_bucket(&place)?;
    session.terminal.good("done")
}

/// Removes an empty bucket; ours.
///
/// # Errors
///
/// See [`login`].
pub fn remove_bucket(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let place = bucket(arguments.needed("bucket")?)?;
    if agreed(session, arguments, &format!("Remove bucket {}", place.bucket))? {
        session.store()?.remove_bucket(&place)?;
        session.terminal.good("done")?;
    }
    Ok(())
}

/// `oss://bucket`, or its bare name.
fn bucket(word: &str) -> Result<Location, Failure> {
    let path = if word.contains("oss://") { word.to_owned() } else { format!("oss://{word}") };
    let place = Location::parse(&path, || Ok(String::new()))?;
    if place.key.is_empty() { Ok(place) } else { Err(Failure::told(format!("`{word}` is not a bucket: it names something in one"))) }
}

/// Lists a folder.
///
/// # Errors
///
/// See [`login`].
pub fn ls(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let path = match arguments.word("osspath") {
        Some(path) => path.to_owned(),
        None => session.config.oss_path()?,
    };
    let top = match arguments.value("top") {
        Some(text) => text.parse().map_err(|_| Failure::Argument(format!("-t `{text}` is not a number")))?,
        None => usize::MAX,
    };
    let wanted = arguments.value("name").unwrap_or_default();
    let place = session.location(&path)?;
    let listing = session.store()?.list(&place, "/")?;
    let under = |key: &str| key.strip_prefix(place.key.as_str()).unwrap_or(key).to_owned();
    let folders = listing.folders.iter().map(|f| under(f)).filter(|name| name.contains(wanted));
    let files =
        listing.objects.iter().filter(|o| o.key != place.key).map(|o| (under(&o.key), o.size)).filter(|(name, _)| name.contains(wanted));
    if arguments.has("json") {
        let files: Vec<_> = files.take(top).map(|(name, size)| serde_json::json!({"Name": name, "Size": size})).collect();
        let all = serde_json::json!({"Path": place.to_string(), "Folders": folders.take(top).collect::<Vec<_>>(), "Files": files});
        return super::print_thing(session, &all);
    }
    session.terminal.line(format!("exec: bcs o ls {place}"))?;
    let paint = session.terminal.paint;
    let folders = folders.map(|name| format!("{}/", paint.blue(name.trim_end_matches('/'))));
    let files = files.map(|(name, bytes)| format!("{name} {}", paint.white(&format!("({})", size(bytes)))));
    for line in folders.chain(files).take(top) {
        session.terminal.line(line)?;
    }
    Ok(())
}

/// Prints files.
///
/// # Errors
///
/// See [`login`].
pub fn cat(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let range = arguments.value("byte_range").map(byte_range).transpose()?;
    let paths: Vec<String> = std::iter::once(arguments.needed("osspath")?.to_owned()).chain(arguments.rest().iter().cloned()).collect();
    let store = session.store()?;
    for path in paths {
        let place = session.location(&path)?;
        let mut reader = store.open(&place, range, None)?;
        let mut buffer = vec![0; 64 << 10];
        let mut last = b'\n';
        loop {
            let count = std::io::Read::read(&mut reader, &mut buffer)
                .map_err(|e| Failure::Unreachable { url: place.to_string(), reason: e.to_string() })?;
            let Some(piece) = buffer.get(..count).filter(|p| !p.is_empty()) else { break };
            last = piece.last().copied().unwrap_or(last);
            session.terminal.bytes(piece)?;
        }
        if last != b'\n' {
            session.terminal.line("")?;
        }
    }
    Ok(())
}

/// `from:to`, or `to` alone.
fn byte_range(text: &str) -> Result<(u64, Option<u64>), Failure> {
    let (from, to) = text.split_once(':').unwrap_or(("0", text));
    let number = |t: &str| t.trim().parse::<u64>().ok();
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, Some(to))),
        (Some(from), None) if to.trim().is_empty() => Ok((from, None)),
        _ => Err(Failure::Argument(format!("-r `{text}` is not <from>:<to> or <to>"))),
    }
}

/// Deletes everything that begins with a path.
///
/// # Errors
///
/// See [`login`].
pub fn delete(session: &mut Session, arguments: &Arguments) -> Result<(), Failure> {
    let path = arguments.needed("osspath")?;
    let place = session.location(path)?;
    let store = session.store()?;
    let keys: Vec<String> = store.list(&place, "")?.objects.into_iter().map(|o| o.key).collect();
    if keys.is_empty() {
        return session.terminal.line("Not found");
    }
    let count = keys.len();
    let mut names: Vec<String> = keys.iter().take(MAX_NAMED).map(|key| named(key, &place.key)).collect();
    if count > MAX_NAMED {
        names.push(format!("... and {} more", count - MAX_NAMED));
    }
    let last = if count > 1 { format!("Delete all these {count} files") } else { "Delete this file".to_owned() };
    let title = session.terminal.paint.blue("Delete oss path");
    let question = format!("{title} {path}\nFound {count} files\n  {}\n{last}", names.join("\n  "));
    if agreed(session, arguments, &question)? {
        store.delete_all(&place, &keys)?;
        if place.key.is_empty() {
            return session.terminal.good("done");
        }
        store.delete(&place)?;
        session.terminal.good("done")?;
    }
    Ok(())
}

fn named(key: &str, prefix: &str) -> String {
    match key.strip_prefix(prefix) {
        Some("") => format!(".({key})"),
        Some(rest) => rest.to_owned(),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(byte_range("100:1024").unwrap(), (100, Some(1024)));
        assert_eq!(byte_range("9").unwrap(), (0, Some(9)));
        assert_eq!(byte_range("9:").unwrap(), (9, None));
        assert!(byte_range("9:1").is_err() && byte_range("x").is_err());
        assert_eq!((named("a/b", "a/"), named("a/", "a/")), ("b".to_owned(), ".(a/)".to_owned()));
    }
}
