//! The store: what can be done with buckets and objects.

mod append;
mod bucket;
mod copy;
#[cfg(test)]
mod tests;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::Database;

use crate::{
    Attributes, Content, Draft, Kind, MAX_METADATA_BYTES, MAX_TAGS, ObjectError, Reader, Record, Staged, Sync,
    content::Segment,
    draft::{self, Bytes},
    files::{Epoch, Files},
    index::{self, Snapshot, Tables, Writer},
    name,
};

/// How a store works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// When something counts as stored.
    pub sync: Sync,
    /// Bytes of the disk that are left free; writing is refused before the index could fail to grow.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Always, reserve_bytes: 64 << 20 }
    }
}

/// The store. A cheap handle that threads share; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct Objects {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    database: Arc<Database>,
    pub(crate) writer: Writer,
    pub(crate) files: Arc<Files>,
    closing: Arc<AtomicBool>,
    sweep: Option<JoinHandle<()>>,
}

/// What must hold for an object to be overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// There is none yet.
    Absent,
    /// There is one, with this ETag.
    Etag(String),
}

/// What is said about bytes that are put.
#[derive(Debug, Clone, Default)]
pub struct Put {
    /// What their maker says.
    pub attributes: Attributes,
    /// What must hold.
    pub condition: Condition,
}

/// An object as it was at one moment; its bytes stay readable while this lives.
#[derive(Debug)]
pub struct Found {
    /// What is known of it.
    pub record: Record,
    segments: Vec<(Segment, u64)>,
    pin: Arc<Epoch>,
    files: Arc<Files>,
}

impl Found {
    /// Reads `length` bytes from `offset`.
    pub fn read(&self, offset: u64, length: u64) -> Reader {
        Reader::new(Arc::clone(&self.files), Arc::clone(&self.pin), self.segments.clone(), offset, length)
    }

    /// Reads all.
    pub fn read_all(&self) -> Reader {
        self.read(0, self.record.size)
    }

    /// The one file that holds all of its bytes, if there is one. It stays as long as this does.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match self.record.content {
            Content::File(id) => Some(self.files.path(id)),
            _ => None,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(sweep) = self.sweep.take() {
            // It holds the index open.
            drop(sweep.join());
        }
    }
}

impl Objects {
    /// Opens the store in a folder, which is made if need be. Only one process can.
    ///
    /// # Errors
    /// The folder cannot be used, or the index is in use or of a newer version.
    pub fn open(folder: &Path, options: Options) -> Result<Self, ObjectError> {
        fs::create_dir_all(folder).map_err(ObjectError::io(format!("cannot make `{}`", folder.display())))?;
        let (database, generation) = index::open(&folder.join("index.redb"), options.sync)?;
        let files = Arc::new(Files::open(folder.join("data"), generation, options.sync, options.reserve_bytes)?);
        if options.sync == Sync::Always {
            let synced = fs::File::open(folder).and_then(|f| f.sync_all()).and_then(|()| fs::File::open(folder.join("data"))?.sync_all());
            synced.map_err(ObjectError::io(format!("cannot bring `{}` to the disk", folder.display())))?;
        }
        let writer = Writer::start(Arc::clone(&database), Arc::clone(&files))?;
        let closing = Arc::new(AtomicBool::new(false));
        let sweep = Some(sweep(Arc::clone(&database), Arc::clone(&files), Arc::clone(&closing))?);
        Ok(Self { inner: Arc::new(Inner { database, writer, files, closing, sweep }) })
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, ObjectError> {
        Snapshot::take(&self.inner.database)
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        self.inner.writer.write(Duration::ZERO, change)
    }

    /// Begins to receive bytes.
    ///
    /// # Errors
    /// The disk is full.
    pub fn draft(&self) -> Result<Draft, ObjectError> {
        Draft::new(Arc::clone(&self.inner.files))
    }

    /// Names received bytes. Afterwards they are on disk, and what was there before is gone.
    ///
    /// # Errors
    /// No such bucket, a key that is none, a condition that does not hold.
    pub fn put(&self, bucket: &str, key: &str, staged: Staged, put: Put) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        check_attributes(&put.attributes)?;
        let record = record_of(&staged, put.attributes);
        self.set(bucket, key, staged, record, put.condition)
    }

    /// Takes the bytes of a file of this machine, as [`Objects::put_file`] does; nothing names them yet.
    ///
    /// # Errors
    /// The file cannot be read, or the disk refuses.
    pub fn take_file(&self, path: &Path) -> Result<Staged, ObjectError> {
        draft::take_file(&self.inner.files, path)
    }

    /// Names all of these, in one commit. Bucket and key come with the bytes, conditions do not count. The commit may wait for
    /// so long that others come for the same one: many who are not in a hurry cost little more than one.
    ///
    /// # Errors
    /// As for [`Objects::put`]; then nothing is named.
    pub fn put_all(&self, all: Vec<(String, String, Staged)>, put: Put, patience: Duration) -> Result<(), ObjectError> {
        all.iter().try_for_each(|(_, key, _)| name::check_key(key))?;
        check_attributes(&put.attributes)?;
        let (mut places, mut bytes) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        for (bucket, key, staged) in all {
            places.push((bucket, key));
            bytes.push(staged);
        }
        let files = Arc::clone(&self.inner.files);
        self.with_all_staged_within(patience, bytes, move |tables, bytes| {
            // Whoever refuses must not have changed anything.
            places.iter().try_for_each(|(bucket, _)| tables.bucket(bucket).map(drop))?;
            for ((bucket, key), staged) in places.iter().zip(bytes) {
                let mut record = record_of(staged, put.attributes.clone());
                record.content = tables.adopt(&files, staged)?;
                tables.set_object(bucket, key, &record)?;
            }
            Ok(())
        })
    }

    fn set(&self, bucket: &str, key: &str, staged: Staged, mut record: Record, condition: Condition) -> Result<Record, ObjectError> {
        let (bucket, key, files) = (bucket.to_owned(), key.to_owned(), Arc::clone(&self.inner.files));
        self.with_staged(staged, move |tables, staged| {
            tables.bucket(&bucket)?;
            check_condition(tables, &bucket, &key, &condition)?;
            record.content = tables.adopt(&files, staged)?;
            tables.set_object(&bucket, &key, &record)?;
            Ok(record)
        })
    }

    /// A change that gives received bytes a name. If it is refused they go away; if nobody knows what became of it they
    /// stay, and the next start decides.
    pub(crate) fn with_staged<T: Send + 'static>(
        &self,
        staged: Staged,
        change: impl FnOnce(&mut Tables<'_>, &Staged) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        self.with_all_staged(vec![staged], move |tables, all| match all {
            [staged] => change(tables, staged),
            _ => Err(ObjectError::Index("received bytes got lost".to_owned())),
        })
    }

    pub(crate) fn with_all_staged<T: Send + 'static>(
        &self,
        staged: Vec<Staged>,
        change: impl FnOnce(&mut Tables<'_>, &[Staged]) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        self.with_all_staged_within(Duration::ZERO, staged, change)
    }

    fn with_all_staged_within<T: Send + 'static>(
        &self,
        patience: Duration,
        staged: Vec<Staged>,
        change: impl FnOnce(&mut Tables<'_>, &[Staged]) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let staged = Arc::new(staged);
        let theirs = Arc::clone(&staged);
        let outcome = self.inner.writer.write(patience, move |tables| change(tables, &theirs));
        // The change is done with, so ours is the only one.
        let staged = Arc::into_inner(staged).unwrap_or_default();
        if matches!(outcome, Ok(_) | Err(ObjectError::Index(_))) {
            staged.into_iter().for_each(Staged::keep);
        }
        outcome
    }

    /// Puts few bytes.
    ///
    /// # Errors
    /// As for [`Objects::put`].
    pub fn put_bytes(&self, bucket: &str, key: &str, bytes: &[u8], put: Put) -> Result<Record, ObjectError> {
        self.put_reader(bucket, key, &mut &*bytes, put)
    }

    /// Puts all that a reader has.
    ///
    /// # Errors
    /// As for [`Objects::put`], and those of the reader.
    pub fn put_reader(&self, bucket: &str, key: &str, reader: &mut dyn Read, put: Put) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        self.bucket(bucket)?;
        let mut draft = self.draft()?;
        draft.read_from(reader)?;
        self.put(bucket, key, draft.finish()?, put)
    }

    /// Puts a file of this machine: the file system clones it where it can, otherwise it is copied. What becomes of the
    /// file later is no matter of the object.
    ///
    /// # Errors
    /// As for [`Objects::put`], and the file cannot be read.
    pub fn put_file(&self, bucket: &str, key: &str, path: &Path, put: Put) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        self.bucket(bucket)?;
        self.put(bucket, key, draft::take_file(&self.inner.files, path)?, put)
    }

    /// What is known of an object; of a symbolic link, not what it points to.
    ///
    /// # Errors
    /// There is none.
    pub fn head(&self, bucket: &str, key: &str) -> Result<Record, ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        snapshot.object(bucket, key)?.ok_or_else(|| no_such_key(bucket, key))
    }

    /// An object and its bytes; of a symbolic link, those of what it points to, with the link's own kind.
    ///
    /// # Errors
    /// There is none, or the link points to nothing or to a link.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Found, ObjectError> {
        let pin = self.inner.files.pin();
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        let mut record = snapshot.object(bucket, key)?.ok_or_else(|| no_such_key(bucket, key))?;
        if let Some(target) = record.target.take() {
            let found = snapshot.object(bucket, &target)?.ok_or_else(|| ObjectError::NoSuchTarget(target.clone()))?;
            if found.target.is_some() {
                return Err(ObjectError::TargetIsLink(target));
            }
            record = Record { kind: Kind::Symlink, target: Some(target), ..found };
        }
        let segments = snapshot.segments(record.content, record.size)?;
        Ok(Found { record, segments, pin, files: Arc::clone(&self.inner.files) })
    }

    /// Deletes an object. Whether there was one.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<bool, ObjectError> {
        self.delete_many(bucket, vec![key.to_owned()]).map(|count| count > 0)
    }

    /// Deletes objects, all in one commit. How many there were.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn delete_many(&self, bucket: &str, keys: Vec<String>) -> Result<usize, ObjectError> {
        let bucket = bucket.to_owned();
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let mut count = 0;
            for key in &keys {
                count += usize::from(tables.remove_object(&bucket, key)?);
            }
            Ok(count)
        })
    }

    /// Changes what is said about an object; bytes and date stay.
    ///
    /// # Errors
    /// There is none, or there is too much of it.
    pub fn change_attributes(
        &self,
        bucket: &str,
        key: &str,
        change: impl FnOnce(&mut Attributes) + Send + 'static,
    ) -> Result<Record, ObjectError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let mut record = tables.object(&bucket, &key)?.ok_or_else(|| no_such_key(&bucket, &key))?;
            change(&mut record.attributes);
            check_attributes(&record.attributes)?;
            tables.set_object(&bucket, &key, &record)?;
            Ok(record)
        })
    }

    /// Makes a symbolic link to another key of the bucket, which need not exist.
    ///
    /// # Errors
    /// As for [`Objects::put`].
    pub fn link(&self, bucket: &str, key: &str, target: &str, put: Put) -> Result<Record, ObjectError> {
        name::check_key(key)?;
        name::check_key(target)?;
        check_attributes(&put.attributes)?;
        let nothing = self.draft()?.finish()?;
        let record = Record {
            kind: Kind::Symlink,
            etag: nothing.etag(),
            modified_ms: now_ms(),
            target: Some(target.to_owned()),
            attributes: put.attributes,
            ..Record::default()
        };
        self.set(bucket, key, nothing, record, put.condition)
    }
}

/// What is known of received bytes.
fn record_of(staged: &Staged, attributes: Attributes) -> Record {
    Record { size: staged.size, etag: staged.etag(), crc64: staged.crc64, modified_ms: now_ms(), attributes, ..Record::default() }
}

/// Removes in the background what a crash has left behind.
fn sweep(database: Arc<Database>, files: Arc<Files>, closing: Arc<AtomicBool>) -> Result<JoinHandle<()>, ObjectError> {
    let work = move || {
        let known = |id| {
            if closing.load(Ordering::Relaxed) {
                return Err(ObjectError::Index("it is being closed".to_owned()));
            }
            Snapshot::take(&database)?.is_file_named(id)
        };
        // What cannot be swept now is swept at the next start.
        drop(files.sweep(known));
    };
    thread::Builder::new().name("objects-sweep".to_owned()).spawn(work).map_err(ObjectError::io("cannot start a thread"))
}

impl Staged {
    pub(crate) fn keep(self) {
        if let Bytes::File(data) = self.bytes {
            data.keep();
        }
    }
}

pub(crate) fn check_condition(tables: &Tables<'_>, bucket: &str, key: &str, condition: &Condition) -> Result<(), ObjectError> {
    match condition {
        Condition::Always => Ok(()),
        Condition::Absent if tables.object(bucket, key)?.is_some() => Err(ObjectError::ObjectExists(key.to_owned())),
        Condition::Absent => Ok(()),
        Condition::Etag(etag) => {
            let record = tables.object(bucket, key)?.ok_or_else(|| no_such_key(bucket, key))?;
            if record.etag.eq_ignore_ascii_case(etag) { Ok(()) } else { Err(ObjectError::PreconditionFailed("If-Match")) }
        }
    }
}

pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), ObjectError> {
    let pairs = attributes.user.iter().chain(&attributes.headers);
    let size: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA_BYTES {
        return Err(ObjectError::MetadataTooLarge { size, limit: MAX_METADATA_BYTES });
    }
    let wrong = |value: &str, reason: String| Err(ObjectError::InvalidArgument { name: "tagging", value: name::shortened(value), reason });
    if attributes.tags.len() > MAX_TAGS {
        return wrong(&attributes.tags.len().to_string(), format!("an object has at most {MAX_TAGS} tags"));
    }
    for (key, value) in &attributes.tags {
        if key.is_empty() || key.len() > 128 || value.len() > 256 {
            return wrong(key, "a tag has a name of 1 to 128 bytes and a value of at most 256".to_owned());
        }
    }
    Ok(())
}

pub(crate) fn no_such_key(bucket: &str, key: &str) -> ObjectError {
    ObjectError::NoSuchKey { bucket: bucket.to_owned(), key: name::shortened(key) }
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
