//! What is kept for a while and then forgotten: tokens, notes of changes, images.

use std::{
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use batchyard_store::{BatchWrite, ResourceKind, Store, StoreError, Write};

use crate::{engine::tell, image::Images, instance::FindEngine};

/// How long a token makes a request harmless to repeat.
pub const TOKENS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

/// How long things are kept; nothing for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Notes of changes.
    pub audit: Option<Duration>,
    /// Images that nobody uses: unpacked ones, and those that engines were given.
    pub images: Option<Duration>,
}

/// Looks now and then, on a thread that lasts as long as the process.
///
/// # Errors
/// When there is no thread to be had.
pub fn watch(store: Arc<Store>, images: Arc<Images>, engine: FindEngine, keeping: Keeping) -> std::io::Result<()> {
    let work = move || {
        images.tidy();
        loop {
            if let Err(error) = forget(&store, &images, &engine, keeping, SystemTime::now()) {
                tell(&format!("what is too old could not be forgotten; it is tried again: {error}"));
            }
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("expiry".into()).spawn(work).map(drop)
}

/// Forgets what is too old by now.
///
/// # Errors
/// What kept the store from recording it.
pub fn forget(store: &Store, images: &Images, engine: &FindEngine, keeping: Keeping, now: SystemTime) -> Result<(), StoreError> {
    if let Some(unused) = keeping.images {
        let removed = images.forget_unused(now, unused);
        if removed > 0 {
            tell(&format!("{removed} unpacked images that nobody used were removed"));
        }
        // Engines are not even looked for without need.
        if images.has_unused_given(now, unused)
            && let Some(engine) = engine()
        {
            let removed = images.take_back_unused(&engine, now, unused);
            if removed > 0 {
                tell(&format!("{removed} images that nobody used were taken away from {}", engine.kind.program()));
            }
        }
    }
    let before = |age: Duration| {
        let at = now.checked_sub(age).and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
    };
    let mut writes = vec![BatchWrite::ExpireResources(ResourceKind::Token, before(TOKENS))];
    writes.extend(keeping.audit.map(|age| BatchWrite::ForgetAudit(before(age))));
    store.write(writes.into_iter().map(Write::Batch).collect()).wait()
}

#[cfg(test)]
mod tests {
    use batchyard_store::{AuditFilter, AuditRecord, Location, Options, ResourceRecord};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn what_is_old_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(dir.path().join("s.db")), Options::default()).unwrap();
        let start = UNIX_EPOCH + DAY * 20_000;
        let at = |days: u32| i64::try_from((DAY * days).as_millis()).unwrap();
        let resource = |kind, id: &str, created_ms| ResourceRecord {
            kind,
            id: id.into(),
            owner: "1".into(),
            name: String::new(),
            state: String::new(),
            version: 1,
            created_ms,
            doc: String::new(),
        };
        let audit = |id: &str, at_ms| {
            let text = || String::from("x");
            BatchWrite::InsertAudit(AuditRecord { id: id.into(), at_ms, account: text(), action: text(), resource: text(), detail: text() })
        };
        let writes = [
            BatchWrite::InsertResource(resource(ResourceKind::Token, "old", at(20_000))),
            BatchWrite::InsertResource(resource(ResourceKind::Token, "new", at(20_005))),
            BatchWrite::InsertResource(resource(ResourceKind::App, "app", at(20_000))),
            audit("1", at(20_000)),
            audit("2", at(20_005)),
        ];
        store.write(writes.into_iter().map(Write::Batch).collect()).wait().unwrap();
        let images = Images::new(dir.path().join("images"));
        let none: FindEngine = Arc::new(|| None);
        let count = |kind| store.list_resources(kind, None, "", 9).unwrap().len();
        let notes = || store.list_audit(&AuditFilter { limit: 9, ..AuditFilter::default() }).unwrap().len();
        let keeping = Keeping { audit: Some(DAY * 10), images: Some(DAY) };
        forget(&store, &images, &none, keeping, start + TOKENS).unwrap();
        assert_eq!((count(ResourceKind::Token), notes()), (2, 2), "not yet");
        forget(&store, &images, &none, keeping, start + TOKENS + DAY).unwrap();
        assert_eq!((count(ResourceKind::Token), count(ResourceKind::App), notes()), (1, 1, 2));
        forget(&store, &images, &none, Keeping { audit: None, ..keeping }, start + DAY * 1000).unwrap();
        assert_eq!((count(ResourceKind::Token), notes()), (0, 2), "notes are kept for ever when that is wanted");
        forget(&store, &images, &none, keeping, start + DAY * 11).unwrap();
        assert_eq!(notes(), 1);
    }
}
