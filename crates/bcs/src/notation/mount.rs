//! `source:destination[:true|false]`, the same reversed, and `source:::destination[:::true|false]` for any scheme.

use indexmap::IndexMap;
use serde::Serialize;

use crate::failure::Failure;

/// Something that is seen at a place of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// Where it is seen.
    pub destination: String,
    /// What it is.
    pub source: String,
    /// Whether files may be written there.
    pub write_support: bool,
}

/// The schemes of the two-colon notation.
const SCHEMES: [&str; 2] = ["oss://", "nas://"];

/// Reads a comma list of mounts; the same pair twice counts once.
///
/// # Errors
///
/// [`Failure::Told`] for an item that is none.
pub fn entries(text: &str) -> Result<Vec<Entry>, Failure> {
    let mut found: IndexMap<(String, String), Entry> = IndexMap::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let entry = entry(item)?;
        found.insert((entry.source.clone(), entry.destination.clone()), entry);
    }
    Ok(found.into_values().collect())
}

/// Adds mounts to others; the same pair counts once, the later one.
pub fn join(all: &mut Vec<Entry>, more: Vec<Entry>) {
    for entry in more {
        match all.iter_mut().find(|e| e.source == entry.source && e.destination == entry.destination) {
            Some(same) => *same = entry,
            None => all.push(entry),
        }
    }
}

/// Reads a comma list of pairs `object store:local` (or reversed) into local → object store.
///
/// # Errors
///
/// [`Failure::Told`] for an item that is none.
pub fn outputs(text: &str) -> Result<IndexMap<String, String>, Failure> {
    let mut found = IndexMap::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (source, destination) = if let Some((destination, source)) = reversed(item) {
            (source.to_owned(), destination.to_owned())
        } else {
            let pair = if SCHEMES.iter().any(|s| item.starts_with(s)) { item.rsplit_once(':') } else { item.split_once(':') };
            let pair = pair.filter(|(source, _)| !SCHEMES.iter().any(|s| s.trim_end_matches("://") == *source));
            let Some((source, destination)) = pair else { return Err(wrong(item)) };
            (source.to_owned(), destination.to_owned())
        };
        found.insert(drive(&destination), source);
    }
    Ok(found)
}

fn entry(item: &str) -> Result<Entry, Failure> {
    let (source, destination, write) = if item.contains(":::") {
        let mut parts = item.split(":::");
        let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let swapped = second.contains("://") && !first.contains("://");
        let (source, destination) = if swapped { (second, first) } else { (first, second) };
        (source, destination, parts.next().map(|w| w == "true"))
    } else {
        let (rest, write) = match item.rsplit_once(':') {
            Some((rest, "true")) => (rest, Some(true)),
            Some((rest, "false")) => (rest, Some(false)),
            _ => (item, None),
        };
        if SCHEMES.iter().any(|s| rest.starts_with(s)) {
            let (source, destination) = rest.rsplit_once(':').ok_or_else(|| wrong(item))?;
            (source, destination, write)
        } else {
            let (destination, source) = reversed(rest).ok_or_else(|| wrong(item))?;
            (source, destination, write)
        }
    };
    // `oss://bucket/x` alone splits at its scheme.
    if source.is_empty() || destination.is_empty() || destination.starts_with("//") {
        return Err(wrong(item));
    }
    let write_support = write.unwrap_or_else(|| source.ends_with('/'));
    Ok(Entry { destination: drive(destination), source: source.to_owned(), write_support })
}

/// `destination:oss://...` taken apart.
fn reversed(item: &str) -> Option<(&str, &str)> {
    SCHEMES.iter().find_map(|scheme| {
        let at = item.find(&format!(":{scheme}"))?;
        Some((item.get(..at)?, item.get(at + 1..)?))
    })
}

/// A single letter is a drive.
fn drive(destination: &str) -> String {
    let mut letters = destination.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_alphabetic() => format!("{letter}:"),
        _ => destination.to_owned(),
    }
}

fn wrong(item: &str) -> Failure {
    Failure::told(format!("Invalid mounts format: `{item}` is not <source>:<destination>[:true|false]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, bool)> {
        entries(text).unwrap().into_iter().map(|e| (e.source, e.destination, e.write_support)).collect()
    }

    fn one(source: &str, destination: &str, write: bool) -> Vec<(String, String, bool)> {
        vec![(source.to_owned(), destination.to_owned(), write)]
    }

    #[test]
    fn all_orders_and_schemes() {
        assert_eq!(read("oss://b/in/:/home/in/"), one("oss://b/in/", "/home/in/", true));
        assert_eq!(read("oss://b/f:/home/f"), one("oss://b/f", "/home/f", false));
        assert_eq!(read("oss://b/in/:/home/in/:false"), one("oss://b/in/", "/home/in/", false));
        assert_eq!(read("/home/in/:oss://b/in/"), one("oss://b/in/", "/home/in/", true));
        assert_eq!(read("/home/f:nas://h/f:true"), one("nas://h/f", "/home/f", true));
        assert_eq!(read("smb://h:445/share/:::/mnt/"), one("smb://h:445/share/", "/mnt/", true));
        assert_eq!(read("/mnt/:::lustre://h/x:::true"), one("lustre://h/x", "/mnt/", true));
        assert_eq!(read("oss://b/in/:D"), one("oss://b/in/", "D:", true));
    }

    #[test]
    fn the_same_pair_counts_once() {
        assert_eq!(read("oss://b/f:/f,oss://b/f:/g, oss://b/f:/f:true").len(), 2);
        let mut all = entries("oss://b/f:/f").unwrap();
        join(&mut all, entries("oss://b/f:/f:true,oss://b/g:/g").unwrap());
        assert_eq!((all.len(), all[0].write_support), (2, true));
    }

    #[test]
    fn outputs_map_local_to_stored() {
        let map = outputs("oss://b/out/:/home/out/,/home/x:oss://b/x").unwrap();
        assert_eq!(map["/home/out/"], "oss://b/out/");
        assert_eq!(map["/home/x"], "oss://b/x");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for wrong in ["oss://b/f", "/home/x", "x:y", "oss://b/f:", ":::x"] {
            let text = entries(wrong).unwrap_err().to_string();
            assert!(text.starts_with("Invalid mounts format") && text.contains(wrong), "{wrong}: {text}");
        }
        assert!(outputs("oss://b/f").is_err());
    }
}
