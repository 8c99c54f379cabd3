//! Lists of keys, page by page. The index is ordered, so a page costs what it shows, however many objects there are.

use std::ops::Bound;

use crate::{MAX_PAGE, ObjectError, Objects, Record, index::decode};

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that have this after the prefix are shown as one entry up to it; none if empty.
    pub delimiter: String,
    /// Only entries after this one.
    pub after: String,
    /// Entries on the page; at most [`MAX_PAGE`].
    pub limit: usize,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A key.
    Object(String, Box<Record>),
    /// What several keys begin with.
    Prefix(String),
}

impl Entry {
    /// The key, or what the keys begin with.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Prefix(name) => name,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In the order of their names' bytes.
    pub entries: Vec<Entry>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Page {
    /// What the next page comes after.
    pub fn next(&self) -> Option<&str> {
        self.entries.last().filter(|_| self.truncated).map(Entry::name)
    }
}

/// What to do with a key.
pub(crate) enum Step {
    /// It is shown itself.
    Single,
    /// It is shown as this.
    Rolled(String),
    /// It has been shown; go on after all keys that begin so.
    Shown(String),
}

impl Listing {
    /// Where to begin.
    pub(crate) fn start(&self) -> Bound<Vec<u8>> {
        if self.after.as_bytes() >= self.prefix.as_bytes() && !self.after.is_empty() {
            Bound::Excluded(self.after.clone().into_bytes())
        } else {
            Bound::Included(self.prefix.clone().into_bytes())
        }
    }

    pub(crate) fn step(&self, key: &str) -> Step {
        let rest = key.get(self.prefix.len()..).unwrap_or_default();
        let end = if self.delimiter.is_empty() { None } else { rest.find(&self.delimiter) };
        let Some(common) = end.and_then(|end| key.get(..self.prefix.len() + end + self.delimiter.len())) else { return Step::Single };
        // An entry that is not after the marker was on an earlier page.
        if common <= self.after.as_str() { Step::Shown(common.to_owned()) } else { Step::Rolled(common.to_owned()) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.min(MAX_PAGE)
    }
}

/// The first bytes after everything that begins with this text.
pub(crate) fn successor(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    // The last byte of a text is never the highest one.
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_add(1);
    }
    bytes
}

impl Objects {
    /// Lists a bucket.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn list(&self, bucket: &str, listing: &Listing) -> Result<Page, ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        let table = snapshot.objects()?;
        let mut page = Page::default();
        let mut start = listing.start();
        'seek: loop {
            let bound = start.as_ref().map(|key| (bucket, key.as_slice()));
            for row in table.range::<(&str, &[u8])>((bound, Bound::Unbounded))? {
                let (place, value) = row?;
                let (in_bucket, key) = place.value();
                let key = String::from_utf8_lossy(key);
                if in_bucket != bucket || !key.starts_with(&listing.prefix) {
                    return Ok(page);
                }
                let step = listing.step(&key);
                if let Step::Shown(common) = step {
                    start = Bound::Included(successor(&common));
                    continue 'seek;
                }
                if page.entries.len() >= listing.limit() {
                    page.truncated = !page.entries.is_empty();
                    return Ok(page);
                }
                match step {
                    Step::Rolled(common) => {
                        start = Bound::Included(successor(&common));
                        page.entries.push(Entry::Prefix(common));
                        continue 'seek;
                    }
                    _ => page.entries.push(Entry::Object(key.into_owned(), Box::new(decode(value.value())?))),
                }
            }
            return Ok(page);
        }
    }

    /// Number of objects in a bucket and their bytes.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn usage(&self, bucket: &str) -> Result<(u64, u64), ObjectError> {
        let snapshot = self.snapshot()?;
        snapshot.bucket(bucket)?;
        let (mut count, mut bytes) = (0, 0);
        for row in snapshot.objects()?.range::<(&str, &[u8])>((bucket, b"".as_slice())..)? {
            let (place, value) = row?;
            if place.value().0 != bucket {
                break;
            }
            count += 1;
            bytes += decode::<Record>(value.value())?.size;
        }
        Ok((count, bytes))
    }
}
