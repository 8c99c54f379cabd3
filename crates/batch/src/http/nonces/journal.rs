//! The journal of nonces: entries of one size, added to a file. An entry is with the operating system before its request is
//! worked on, so that `kill -9` loses none; the disk has it a second later, so that no request waits for the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{Mark, REMEMBERED};
use crate::engine::tell;

/// Bytes of an entry: epoch seconds, little end first, then the mark.
const ENTRY: usize = 24;
/// How long the disk may lack what the operating system has: what the machine's own end, unlike the server's, can lose.
const SYNC_PAUSE: Duration = Duration::from_secs(1);

/// Two files: the one that is added to, and the one before it (`.before`). When all entries of the former are old, or it is
/// full, it takes the place of the latter; so what is thrown away is older than all that must be known.
pub struct Journal {
    path: PathBuf,
    file: Arc<File>,
    /// Bytes of whole entries in the file.
    length: u64,
    /// When the first of them came, epoch seconds.
    began: Option<i64>,
    /// Most entries of a file.
    most: usize,
    /// Brings files to the disk.
    syncer: SyncSender<Arc<File>>,
    /// Whether the last entry could not be added; told once.
    is_failing: bool,
}

impl Journal {
    /// The journal at this path, made if need be, and its entries, oldest first.
    ///
    /// # Errors
    /// Its files cannot be read or written, or its thread not be started.
    pub fn open(path: &Path, most: usize) -> io::Result<(Journal, Vec<(i64, Mark)>)> {
        let mut entries = entries(&before(path))?;
        let own = self::entries(path)?;
        let length = (own.len() * ENTRY) as u64;
        let file = begin(path)?;
        // Half an entry would put all later ones out of step.
        file.set_len(length)?;
        let began = own.first().map(|(came, _)| *came);
        entries.extend(own);
        let (syncer, files) = sync_channel(1);
        thread::Builder::new().name("nonces".into()).spawn(move || sync(&files))?;
        Ok((Journal { path: path.to_owned(), file: Arc::new(file), length, began, most, syncer, is_failing: false }, entries))
    }

    /// Adds an entry. What cannot be written is known to this process alone: better than to answer nobody.
    pub fn note(&mut self, now: i64, mark: Mark) {
        match self.add(now, mark) {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                // Without room to cut it off the next start does.
                let _ = self.file.set_len(self.length);
                if !self.is_failing {
                    let path = self.path.display();
                    tell(&format!(
                        "nonces cannot be added to `{path}`: {error}; until they can, a server that is started again does not know them"
                    ));
                }
                self.is_failing = true;
            }
        }
    }

    fn add(&mut self, now: i64, mark: Mark) -> io::Result<()> {
        if self.began.is_some_and(|began| began + REMEMBERED < now) || self.length >= (self.most * ENTRY) as u64 {
            fs::rename(&self.path, before(&self.path))?;
            self.file = Arc::new(begin(&self.path)?);
            (self.length, self.began) = (0, None);
        }
        let mut entry = [0; ENTRY];
        let bytes = now.to_le_bytes().into_iter().chain(mark);
        entry.iter_mut().zip(bytes).for_each(|(into, byte)| *into = byte);
        (&*self.file).write_all(&entry)?;
        self.length += ENTRY as u64;
        self.began.get_or_insert(now);
        // When one waits there already, it is brought to the disk after this one was written.
        let _ = self.syncer.try_send(Arc::clone(&self.file));
        Ok(())
    }
}

fn before(path: &Path) -> PathBuf {
    path.with_extension("before")
}

fn begin(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Brings what was written to the disk, for all entries of a while together.
fn sync(files: &Receiver<Arc<File>>) {
    while let Ok(file) = files.recv() {
        thread::sleep(SYNC_PAUSE);
        // A disk that cannot is told of by the next entry.
        let _ = file.sync_data();
    }
}

/// The whole entries of a file; none when there is no such file.
fn entries(path: &Path) -> io::Result<Vec<(i64, Mark)>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    Ok(entries.iter().map(|entry| entry_of(*entry)).collect())
}

fn entry_of(entry: [u8; ENTRY]) -> (i64, Mark) {
    let (mut came, mut mark) = ([0; 8], Mark::default());
    let mut bytes = entry.into_iter();
    came.iter_mut().chain(&mut mark).zip(&mut bytes).for_each(|(into, byte)| *into = byte);
    (i64::from_le_bytes(came), mark)
}
