//! Packages: an archive that is unpacked into the working directory, or one program.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{Access, PlaceError};

/// First bytes of what gzip writes.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Most files of a package.
const MAX_FILES: usize = 1_000_000;
/// Most bytes of its files together.
const MAX_BYTES: u64 = 1 << 40;

/// Puts the package of a job into `work`.
pub fn package(access: &Access, url: &str, work: &Path) -> Result<(), PlaceError> {
    let what = || format!("unpack `{url}`");
    let mut reader = io::BufReader::new(access.open(url)?);
    let mut head = [0; 2];
    let begin = read_head(&mut reader, &mut head).map_err(|source| PlaceError::File { what: what(), source })?;
    if begin == GZIP {
        return unpack(MultiGzDecoder::new(begin.chain(reader)), work).map_err(|source| PlaceError::File { what: what(), source });
    }
    // No archive, then it is the program itself.
    let name = url.rsplit('/').next().unwrap_or(url);
    let path = work.join(name);
    let write = || -> io::Result<()> {
        io::copy(&mut begin.chain(reader), &mut fs::File::create(&path)?)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    write().map_err(|source| PlaceError::File { what: format!("write `{}`", path.display()), source })
}

fn read_head<'b>(reader: &mut impl Read, head: &'b mut [u8; 2]) -> io::Result<&'b [u8]> {
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(head.get(..length).unwrap_or_default())
}

fn unpack(reader: impl Read, work: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(false);
    let mut left = MAX_BYTES;
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        left = left
            .checked_sub(entry.size())
            .filter(|_| count < MAX_FILES)
            .ok_or_else(|| io::Error::other(format!("it holds more than {MAX_FILES} files or {MAX_BYTES} bytes")))?;
        let path = entry.path()?.into_owned();
        // False for a path that would leave the folder.
        if !entry.unpack_in(work)? {
            return Err(io::Error::other(format!("`{}` in it lies outside of the working directory", path.display())));
        }
    }
    Ok(())
}
