//! `gen --source`: published files of the workflows from a folder, an archive (by path or URL), or the original package.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read},
};

use super::package::files_of;
use crate::{
    api::agent,
    failure::Failure,
    session::Session,
    templates::{Kind, PIPELINE},
};

/// Largest archive, and largest file of one.
const MAX_BYTES: u64 = 64 << 20;
/// Most files of an archive.
const MAX_FILES: usize = 20_000;

/// Files by their path in the source.
#[derive(Default)]
pub struct Published {
    files: BTreeMap<String, Vec<u8>>,
}

impl Published {
    /// The file that is meant by a path of a template: the same path, or else the same name where only one file has it.
    pub fn find(&self, kind: Kind, name: &str) -> Option<Vec<u8>> {
        let ends = |path: &str| path == name || path.ends_with(&format!("/{name}"));
        if let Some((_, text)) = self.files.iter().find(|(path, _)| ends(path)) {
            return Some(text.clone());
        }
        // Scripts are ours: they fit our way to submit. What is published are workflows and their inputs.
        let base = name.rsplit('/').next().unwrap_or(name);
        if kind != Kind::Gatk || name.starts_with(PIPELINE) || !(base.ends_with(".wdl") || base.ends_with(".json")) {
            return None;
        }
        let mut same = self.files.iter().filter(|(path, _)| path.rsplit('/').next() == Some(base));
        match (same.next(), same.next()) {
            (Some((_, text)), None) => Some(text.clone()),
            _ => None,
        }
    }

    fn add(&mut self, path: String, text: Vec<u8>) -> Result<(), Failure> {
        if self.files.len() >= MAX_FILES {
            return Err(Failure::told(format!("the source holds more than {MAX_FILES} files")));
        }
        // The original package holds its templates packed once more.
        if path.ends_with("templates/gatk.zip") || path.ends_with("templates/wdl.zip") {
            return self.unzip(&text);
        }
        self.files.insert(path, text);
        Ok(())
    }

    fn unpack(&mut self, bytes: Vec<u8>, of: &str) -> Result<(), Failure> {
        if bytes.starts_with(b"PK") { self.unzip(&bytes) } else { self.untar(&bytes, of) }
    }

    fn unzip(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let wrong = |e: &dyn std::fmt::Display| Failure::told(format!("the zip archive cannot be read: {e}"));
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| wrong(&e))?;
        for n in 0..archive.len() {
            let mut entry = archive.by_index(n).map_err(|e| wrong(&e))?;
            if entry.is_file() {
                let name = entry.name().map_err(|e| wrong(&e))?.into_owned();
                let text = limited(&mut entry).map_err(|e| wrong(&e))?;
                self.add(name, text)?;
            }
        }
        Ok(())
    }

    fn untar(&mut self, bytes: &[u8], of: &str) -> Result<(), Failure> {
        let wrong = |e: std::io::Error| Failure::told(format!("`{of}` is neither a zip nor a tar.gz archive: {e}"));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
        for entry in archive.entries().map_err(wrong)? {
            let mut entry = entry.map_err(wrong)?;
            if entry.header().entry_type().is_file() {
                let name = entry.path().map_err(wrong)?.to_string_lossy().into_owned();
                let text = limited(&mut entry).map_err(wrong)?;
                self.add(name, text)?;
            }
        }
        Ok(())
    }
}

/// Opens a source.
///
/// # Errors
///
/// A source that cannot be read, or holds no workflow.
pub fn open(session: &Session, source: &str) -> Result<Published, Failure> {
    let mut published = Published::default();
    if source.starts_with("http://") || source.starts_with("https://") {
        published.unpack(fetch(source)?, source)?;
    } else {
        let path = session.path(source);
        if path.is_dir() {
            for (file, name) in files_of(&path)? {
                let text = fs::read(&file).map_err(Failure::file("read", &file))?;
                published.add(name, text)?;
            }
        } else {
            published.unpack(fs::read(&path).map_err(Failure::file("read", &path))?, source)?;
        }
    }
    if !published.files.keys().any(|name| name.ends_with(".wdl")) {
        return Err(Failure::told(format!("`{source}` holds no .wdl file")));
    }
    Ok(published)
}

fn fetch(url: &str) -> Result<Vec<u8>, Failure> {
    let unreachable = |reason: String| Failure::Unreachable { url: url.to_owned(), reason };
    let mut answer = agent(url, false).get(url).config().max_redirects(5).build().call().map_err(|e| unreachable(e.to_string()))?;
    if !answer.status().is_success() {
        return Err(unreachable(format!("HTTP status {}", answer.status().as_u16())));
    }
    answer.body_mut().with_config().limit(MAX_BYTES).read_to_vec().map_err(|e| unreachable(e.to_string()))
}

fn limited(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other("a file of it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_path_or_by_a_name_of_their_own() {
        let mut published = Published::default();
        for (path, text) in
            [("x/gatk4-data-processing/src/a.wdl", "1"), ("one/b.wdl", "2"), ("one/c.json", "3"), ("two/c.json", "4"), ("main.sh", "5")]
        {
            published.add(path.to_owned(), text.as_bytes().to_vec()).unwrap();
        }
        let find = |name: &str| published.find(Kind::Gatk, name);
        assert_eq!(find("gatk4-data-processing/src/a.wdl").unwrap(), b"1");
        assert_eq!(find("gatk4-germline-snps-indels/src/b.wdl").unwrap(), b"2");
        assert_eq!(find("y/c.json"), None);
        assert_eq!(find("fastq-to-ubam/main.sh"), None);
    }
}
