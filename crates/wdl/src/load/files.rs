//! Documents in files.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{LoadedText, Loader};
use crate::{limits::MAX_SOURCE_BYTES, module::clean};

/// Loads from local paths and `file://` URLs.
///
/// A relative uri is looked for beside the importing document first, then in each folder of `search`, there also
/// by its bare file name: release bundles of published pipelines are flat, though their documents name folders.
#[derive(Clone, Debug, Default)]
pub struct FileLoader {
    /// Further folders for relative imports.
    pub search: Vec<PathBuf>,
    /// URL prefixes and the folder or file that stands for them.
    pub map: Vec<(String, PathBuf)>,
}

impl Loader for FileLoader {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let path = match uri.split_once("://") {
            Some(("file", path)) => PathBuf::from(percent_decoded(path)),
            Some(_) => self.mapped(uri)?,
            None => self.local(uri, importer),
        };
        read(&path)
    }
}

impl FileLoader {
    /// The local stand-in for a URL: the longest prefix in the map wins.
    fn mapped(&self, uri: &str) -> io::Result<PathBuf> {
        let fits = |prefix: &str| {
            let rest = uri.strip_prefix(prefix)?;
            (rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
        };
        let entries = self.map.iter().filter_map(|(prefix, path)| fits(prefix).map(|rest| (prefix.len(), rest, path)));
        match entries.max_by_key(|(length, ..)| *length) {
            Some((_, rest, path)) if rest.is_empty() => Ok(path.clone()),
            Some((_, rest, path)) => Ok(path.join(percent_decoded(&rest))),
            None => Err(io::Error::new(io::ErrorKind::Unsupported, "no network import: give `--import-map URL=DIR`")),
        }
    }

    fn local(&self, uri: &str, importer: Option<&str>) -> PathBuf {
        let beside = match importer.and_then(|i| Path::new(i).parent()) {
            Some(folder) => folder.join(uri),
            None => PathBuf::from(uri),
        };
        if importer.is_none() || Path::new(uri).is_absolute() || beside.is_file() {
            return beside;
        }
        let by_path = self.search.iter().map(|root| root.join(uri));
        let by_name = self.search.iter().filter_map(|root| Some(root.join(Path::new(uri).file_name()?)));
        by_path.chain(by_name).find(|path| path.is_file()).unwrap_or(beside)
    }
}

fn read(path: &Path) -> io::Result<LoadedText> {
    let file = File::open(path).map_err(|e| plain(&e))?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let mut text = Vec::new();
    // One byte more than allowed: the parser then reports the size.
    file.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut text).map_err(|e| plain(&e))?;
    let id = path.canonicalize().map_err(|e| plain(&e))?.to_string_lossy().into_owned();
    Ok(LoadedText { id, name: shown(path), text })
}

/// The error without its number, in the words of this program.
fn plain(error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "no such file",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::IsADirectory => "it is a folder",
        io::ErrorKind::NotADirectory => "a part of the path is not a folder",
        _ => return io::Error::new(error.kind(), error.to_string()),
    };
    io::Error::new(error.kind(), text)
}

/// The path with `.` and `..` taken out, relative to the working directory when it lies below.
fn shown(path: &Path) -> String {
    let clean = clean(path);
    let below = std::env::current_dir().ok().and_then(|here| clean.strip_prefix(here).ok().map(Path::to_path_buf));
    below.unwrap_or(clean).to_string_lossy().into_owned()
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut pos = 0;
    while let Some(byte) = bytes.get(pos) {
        let code = text.get(pos + 1..pos + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                out.push(code);
                pos += 3;
            }
            _ => {
                out.push(*byte);
                pos += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
