//! The zip of dependencies, unpacked in memory with limits.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use zip::ZipArchive;

/// Most entries of an archive.
const MAX_ENTRIES: usize = 20_000;
/// Most bytes of one text.
const MAX_TEXT: u64 = 16 << 20;
/// Most bytes of all texts together: what a small archive may grow to.
const MAX_TOTAL: u64 = 64 << 20;

/// The texts of an archive by their path in it. Entries that are no text (data beside the documents) are left out.
///
/// # Errors
/// It is no zip archive, a path leaves it, or it is too big, in words for the sender.
pub fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("it is no zip archive ({error})"))?;
    if archive.len() > MAX_ENTRIES {
        return Err(format!("it has {} entries, more than the {MAX_ENTRIES} that are allowed", archive.len()));
    }
    let mut texts = BTreeMap::new();
    let mut total = 0;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| format!("its entry {index} cannot be read ({error})"))?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(|error| format!("the name of its entry {index} cannot be read ({error})"))?.replace('\\', "/");
        let Some(path) = inner_path(&name) else {
            return Err(format!("its entry `{name}` would lie outside of the archive's folder"));
        };
        let mut content = Vec::new();
        let read = file.take(MAX_TEXT + 1).read_to_end(&mut content);
        read.map_err(|error| format!("its entry `{name}` cannot be unpacked ({error})"))?;
        total += content.len() as u64;
        if content.len() as u64 > MAX_TEXT {
            return Err(format!("its entry `{name}` has more than {} MiB", MAX_TEXT >> 20));
        }
        if total > MAX_TOTAL {
            return Err(format!("its texts have more than {} MiB together", MAX_TOTAL >> 20));
        }
        if let Ok(text) = String::from_utf8(content) {
            texts.insert(path, text);
        }
    }
    Ok(texts)
}

/// A path without `.` and `..`; `None` when it leads outside.
pub fn inner_path(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn texts_by_path() {
        let zip = archive(&[("a.wdl", b"one"), ("sub/./b.wdl", b"two"), ("data.bin", b"\xff\xfe")]);
        let texts = unpack(&zip).unwrap();
        assert_eq!(texts.into_iter().collect::<Vec<_>>(), [("a.wdl".into(), "one".into()), ("sub/b.wdl".into(), "two".into())]);
    }

    #[test]
    fn paths_that_leave_are_refused() {
        for name in ["../evil.wdl", "/etc/passwd", "a/../../b", "..\\evil"] {
            assert!(unpack(&archive(&[(name, b"x")])).unwrap_err().contains("outside"), "{name}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let bomb = vec![b'0'; (MAX_TEXT + 1) as usize];
        assert!(unpack(&archive(&[("bomb", &bomb)])).unwrap_err().contains("MiB"));
        let many: Vec<(String, Vec<u8>)> = (0..5).map(|n| (format!("f{n}"), vec![b'0'; MAX_TEXT as usize])).collect();
        let entries: Vec<(&str, &[u8])> = many.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
        assert!(unpack(&archive(&entries)).unwrap_err().contains("together"));
        assert!(unpack(b"PK\x03\x04rubbish").is_err());
    }
}
