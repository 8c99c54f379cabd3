//! The store as its callers see it.

use std::{collections::BTreeMap, fs, io::Read};

use proptest::prelude::*;

use super::*;
use crate::{Acl, Entry, INLINE_BYTES, Listing, folder, listing::successor};

fn open(folder: &Path) -> Objects {
    Objects::open(folder, Options { sync: Sync::Off, ..Options::default() }).unwrap()
}

fn store() -> (tempfile::TempDir, Objects) {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    objects.create_bucket("bucket", "me", None).unwrap();
    (folder, objects)
}

fn bytes(objects: &Objects, key: &str) -> Vec<u8> {
    objects.get("bucket", key).unwrap().read_all().into_bytes(1 << 30).unwrap()
}

fn staged(objects: &Objects, bytes: &[u8]) -> Staged {
    let mut draft = objects.draft().unwrap();
    draft.write(bytes).unwrap();
    draft.finish().unwrap()
}

fn data_files(folder: &Path) -> usize {
    fs::read_dir(folder.join("data")).unwrap().flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap()).count()
}

/// Unlinking is done by another thread.
fn wait_for_files(folder: &Path, count: usize) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while data_files(folder) != count {
        assert!(std::time::Instant::now() < end, "{} data files instead of {count}", data_files(folder));
        thread::yield_now();
    }
}

#[test]
fn small_and_large_objects() {
    let (folder, objects) = store();
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for (key, content) in [("empty", &b""[..]), ("small", b"hello"), ("large", &large)] {
        let record = objects.put_bytes("bucket", key, content, Put::default()).unwrap();
        assert_eq!((record.size, bytes(&objects, key).as_slice()), (content.len() as u64, content));
    }
    let record = objects.head("bucket", "small").unwrap();
    assert_eq!(record.etag, "5d41402abc4b2a76b9719d911017c592");
    let mut middle = Vec::new();
    objects.get("bucket", "large").unwrap().read(1_000_001, 5).read_to_end(&mut middle).unwrap();
    assert_eq!(middle, large[1_000_001..1_000_006]);
    assert_eq!(data_files(folder.path()), 1);
    assert_eq!(objects.usage("bucket").unwrap(), (3, 5 + large.len() as u64));
    assert!(objects.delete("bucket", "large").unwrap() && !objects.delete("bucket", "large").unwrap());
    wait_for_files(folder.path(), 0);
    assert!(matches!(objects.get("bucket", "large"), Err(ObjectError::NoSuchKey { .. })));
    assert!(matches!(objects.put_bytes("other", "k", b"", Put::default()), Err(ObjectError::NoSuchBucket(_))));
}

#[test]
fn what_is_stored_is_there_after_a_restart() {
    let (folder, objects) = store();
    let large = vec![7; INLINE_BYTES + 1];
    let attributes = Attributes { user: BTreeMap::from([("a".to_owned(), "ü".to_owned())]), ..Attributes::default() };
    objects.put_bytes("bucket", "large", &large, Put { attributes: attributes.clone(), ..Put::default() }).unwrap();
    fs::write(folder.path().join("data/00/000000010000000000000000000000ff"), "left by a crash").unwrap();
    drop(objects);
    let objects = open(folder.path());
    assert_eq!((bytes(&objects, "large"), objects.head("bucket", "large").unwrap().attributes), (large, attributes));
    wait_for_files(folder.path(), 1);
}

#[test]
fn readers_go_on_when_an_object_is_replaced_or_deleted() {
    let (folder, objects) = store();
    let first = vec![1; 100_000];
    objects.put_bytes("bucket", "k", &first, Put::default()).unwrap();
    let found = objects.get("bucket", "k").unwrap();
    objects.put_bytes("bucket", "k", &vec![2; 100_000], Put::default()).unwrap();
    objects.delete("bucket", "k").unwrap();
    assert_eq!(found.read_all().into_bytes(1 << 20).unwrap(), first);
    drop(found);
    wait_for_files(folder.path(), 0);
}

#[test]
fn conditions() {
    let (folder, objects) = store();
    let put = |condition| objects.put_bytes("bucket", "k", &vec![0; 50_000], Put { condition, ..Put::default() });
    assert!(matches!(put(Condition::Etag("x".to_owned())), Err(ObjectError::NoSuchKey { .. })));
    let etag = put(Condition::Absent).unwrap().etag;
    assert!(matches!(put(Condition::Absent), Err(ObjectError::ObjectExists(_))));
    assert!(matches!(put(Condition::Etag("x".to_owned())), Err(ObjectError::PreconditionFailed(_))));
    put(Condition::Etag(etag.to_uppercase())).unwrap();
    wait_for_files(folder.path(), 1);
}

#[test]
fn buckets() {
    let (_folder, objects) = store();
    assert!(!objects.create_bucket("bucket", "me", Some(Acl::PublicRead)).unwrap());
    assert_eq!(objects.bucket("bucket").unwrap().acl, Acl::PublicRead);
    assert!(matches!(objects.create_bucket("bucket", "you", None), Err(ObjectError::BucketTaken(_))));
    assert!(matches!(objects.create_bucket("../x", "me", None), Err(ObjectError::InvalidBucketName(_))));
    objects.create_bucket("bucket2", "me", None).unwrap();
    objects.put_bytes("bucket2", "k", b"x", Put::default()).unwrap();
    let upload = objects.begin_upload("bucket", "k", Attributes::default()).unwrap();
    assert!(matches!(objects.delete_bucket("bucket"), Err(ObjectError::BucketNotEmpty(_))));
    objects.abort_upload("bucket", "k", upload).unwrap();
    objects.delete_bucket("bucket").unwrap();
    assert!(matches!(objects.delete_bucket("bucket2"), Err(ObjectError::BucketNotEmpty(_))));
    assert_eq!(objects.buckets().unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["bucket2"]);
}

#[test]
fn uploads_in_parts() {
    let (folder, objects) = store();
    let id = objects.begin_upload("bucket", "big", Attributes::default()).unwrap();
    let part = |number: u32, fill: u8, size: usize| {
        let etag = objects.put_part("bucket", "big", id, number, staged(&objects, &vec![fill; size])).unwrap().etag;
        (number, etag)
    };
    let (third, first) = (part(3, 3, 10), part(1, 1, 200_000));
    part(2, 9, 200_000);
    let second = part(2, 2, 150_000);
    part(7, 7, 200_000);
    assert_eq!(objects.parts("bucket", "big", id, 1, 2).unwrap().parts.iter().map(|p| p.number).collect::<Vec<_>>(), [2, 3]);
    let complete = |parts: &[(u32, String)]| objects.complete_upload("bucket", "big", id, parts.to_vec(), Condition::Always);
    assert!(matches!(complete(&[second.clone(), first.clone()]), Err(ObjectError::PartOrder)));
    assert!(matches!(complete(&[(4, "x".to_owned())]), Err(ObjectError::InvalidPart(4))));
    assert!(matches!(complete(&[(1, second.1.clone())]), Err(ObjectError::InvalidPart(1))));
    assert!(matches!(complete(&[]), Err(ObjectError::InvalidArgument { .. })));
    assert!(matches!(complete(&[third.clone(), (7, part(7, 7, 200_000).1)]), Err(ObjectError::PartTooSmall { number: 3, .. })));
    let record = complete(&[first, second, third]).unwrap();
    assert!(record.etag.ends_with("-3") && record.size == 350_010);
    assert!(matches!(complete(&[]), Err(ObjectError::NoSuchUpload(_))));
    wait_for_files(folder.path(), 2);
    let all = [vec![1; 200_000], vec![2; 150_000], vec![3; 10]].concat();
    assert_eq!(bytes(&objects, "big"), all);
    assert_eq!(record.crc64, objects.put_bytes("bucket", "same", &all, Put::default()).unwrap().crc64);
    let mut across = Vec::new();
    objects.get("bucket", "big").unwrap().read(199_999, 3).read_to_end(&mut across).unwrap();
    assert_eq!(across, [1, 2, 2]);

    let found = objects.get("bucket", "big").unwrap();
    let copy = objects.copy(&found, "bucket", "copy", None, Condition::Always).unwrap();
    assert_eq!((copy.etag, bytes(&objects, "copy")), (record.etag.clone(), all.clone()));
    objects.delete("bucket", "copy").unwrap();
    assert_eq!(objects.settle("bucket", "big").unwrap().etag, record.etag);
    drop(found);
    wait_for_files(folder.path(), 2);
    assert_eq!(bytes(&objects, "big"), all);
}

#[test]
fn appended_objects() {
    let (folder, objects) = store();
    let append = |position: u64, content: &[u8]| objects.append("bucket", "log", position, staged(&objects, content), Put::default());
    let mut all = Vec::new();
    for number in 0..2 * crate::MAX_PIECES {
        let piece = format!("line {number}\n");
        let record = append(all.len() as u64, piece.as_bytes()).unwrap();
        all.extend(piece.as_bytes());
        assert_eq!(record.size, all.len() as u64);
    }
    assert_eq!(bytes(&objects, "log"), all);
    assert_eq!(objects.head("bucket", "log").unwrap().crc64, objects.put_bytes("bucket", "same", &all, Put::default()).unwrap().crc64);
    assert!(matches!(append(1, b"x"), Err(ObjectError::WrongPosition { position: 1, .. })));
    assert!(matches!(objects.append("bucket", "same", 0, staged(&objects, b"x"), Put::default()), Err(ObjectError::NotAppendable(_))));
    objects.delete_many("bucket", vec!["log".to_owned(), "same".to_owned()]).unwrap();
    wait_for_files(folder.path(), 0);
}

#[test]
fn copies_and_links() {
    let (folder, objects) = store();
    let content = vec![5; 60_000];
    objects.put_bytes("bucket", "a", &content, Put::default()).unwrap();
    let found = objects.get("bucket", "a").unwrap();
    objects.copy(&found, "bucket", "b", None, Condition::Always).unwrap();
    objects.copy(&found, "bucket", "a", Some(Attributes::default()), Condition::Always).unwrap();
    drop(found);
    wait_for_files(folder.path(), 2);
    objects.delete("bucket", "a").unwrap();
    assert_eq!(bytes(&objects, "b"), content);

    objects.link("bucket", "link", "b", Put::default()).unwrap();
    objects.link("bucket", "link2", "link", Put::default()).unwrap();
    objects.link("bucket", "dangling", "none", Put::default()).unwrap();
    assert_eq!((bytes(&objects, "link"), objects.get("bucket", "link").unwrap().record.kind), (content, Kind::Symlink));
    assert!(matches!(objects.get("bucket", "link2"), Err(ObjectError::TargetIsLink(_))));
    assert!(matches!(objects.get("bucket", "dangling"), Err(ObjectError::NoSuchTarget(_))));
    assert_eq!(objects.head("bucket", "link").unwrap().target.as_deref(), Some("b"));
}

#[test]
fn refused_drafts_leave_nothing() {
    let (folder, objects) = store();
    let staged = staged(&objects, &vec![1; 50_000]);
    assert!(matches!(objects.put("nowhere", "k", staged, Put::default()), Err(ObjectError::NoSuchBucket(_))));
    let mut draft = objects.draft().unwrap().limited(40_000);
    draft.write(&vec![1; 30_000]).unwrap();
    assert!(matches!(draft.write(&vec![1; 30_000]), Err(ObjectError::TooLarge { size: 60_000, limit: 40_000 })));
    drop(draft);
    wait_for_files(folder.path(), 0);
    let many = Attributes { user: (0..500).map(|n| (format!("{n}"), "x".repeat(20))).collect(), ..Attributes::default() };
    assert!(matches!(objects.begin_upload("bucket", "k", many), Err(ObjectError::MetadataTooLarge { .. })));
}

#[test]
fn folders_and_prefixes() {
    let (folder, objects) = store();
    let large = vec![3; 50_000];
    let keys = ["in/a", "in/d/b", "in/d/../../evil", "in//abs", "in/d/b/c", "in/.", "in/f/", "out"];
    for key in keys {
        objects.put_bytes("bucket", key, if key == "in/a" { &large } else { b"small" }, Put::default()).unwrap();
    }
    let target = folder.path().join("view/deep/x");
    let linked = objects.link_into("bucket", "in/", &target).unwrap();
    assert_eq!((linked.files, linked.bytes), (2, 50_005));
    let left: Vec<&str> = linked.left_out.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(left, ["in/.", "in//abs", "in/d/../../evil", "in/d/b/c"]);
    assert_eq!((fs::read(target.join("a")).unwrap(), fs::read(target.join("d/b")).unwrap()), (large.clone(), b"small".to_vec()));
    assert!(target.join("f").is_dir() && !folder.path().join("view/deep/evil").exists() && !folder.path().join("view/evil").exists());

    assert_eq!(objects.upload_folder(&target, "bucket", "back/").unwrap(), (2, 50_005));
    assert_eq!(bytes(&objects, "back/a"), large);
    let source = folder.path().join("own");
    fs::write(&source, &large).unwrap();
    objects.put_file("bucket", "taken", &source, Put::default()).unwrap();
    fs::write(&source, "changed later").unwrap();
    assert_eq!(bytes(&objects, "taken"), large);
    let copy = folder.path().join("copies/a");
    assert_eq!(objects.copy_file("bucket", "in/a", &copy).unwrap(), 50_000);
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&copy, "changed").unwrap();
    assert_eq!(bytes(&objects, "in/a"), large, "a copy is a file of its own");
    assert!(objects.copy_file("bucket", "in/a", &copy).is_err(), "what is there stays");
    assert_eq!(objects.copy_file("bucket", "in/d/b", &folder.path().join("copies/b")).unwrap(), 5);
    for (key, expected) in
        [("a/b", Some("a/b")), ("a/", Some("a")), ("/a", None), ("a//b", None), ("", None), ("../a", None), ("a/..", None)]
    {
        assert_eq!(folder::place(key).as_deref(), expected.map(Path::new), "{key}");
    }
}

#[test]
fn many_are_put_together() {
    let (folder, objects) = store();
    let large = vec![7; INLINE_BYTES + 1];
    let named = |key: &str, bytes: &[u8]| ("bucket".to_owned(), key.to_owned(), staged(&objects, bytes));
    objects.put_all(vec![named("a", b"small"), named("b", &large)], Put::default(), Duration::ZERO).unwrap();
    assert_eq!((bytes(&objects, "a"), bytes(&objects, "b")), (b"small".to_vec(), large.clone()));

    let missing = ("missing".to_owned(), "d".to_owned(), staged(&objects, b"x"));
    let refused = objects.put_all(vec![named("c", &large), missing], Put::default(), Duration::ZERO);
    assert!(matches!(refused, Err(ObjectError::NoSuchBucket(_))));
    assert!(objects.head("bucket", "c").is_err(), "all or nothing");
    wait_for_files(folder.path(), 1);
    let wrong = objects.put_all(vec![named("", b"x")], Put::default(), Duration::ZERO);
    assert!(matches!(wrong, Err(ObjectError::InvalidKey { .. })), "{wrong:?}");
}

/// They would wait for longer than this test may take, if nobody took them along.
#[test]
fn the_patient_go_with_others() {
    let (_folder, objects) = store();
    let patient: Vec<_> = (0..3)
        .map(|number| {
            let (objects, named) = (objects.clone(), ("bucket".to_owned(), format!("patient/{number}"), staged(&objects, b"x")));
            thread::spawn(move || objects.put_all(vec![named], Put::default(), Duration::from_secs(3600)))
        })
        .collect();
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while patient.iter().any(|thread| !thread.is_finished()) {
        assert!(std::time::Instant::now() < end, "somebody still waits");
        objects.put_bytes("bucket", "hasty", b"x", Put::default()).unwrap();
    }
    patient.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    assert_eq!(bytes(&objects, "patient/2"), b"x");
    // A lone one waits no longer than it said.
    let lone = vec![("bucket".to_owned(), "lone".to_owned(), staged(&objects, b"x"))];
    objects.put_all(lone, Put::default(), Duration::from_millis(5)).unwrap();
    assert_eq!(bytes(&objects, "lone"), b"x");
}

/// What a page should be, by looking at all keys.
fn model(keys: &[String], listing: &Listing) -> (Vec<String>, bool) {
    let mut names: Vec<String> = keys
        .iter()
        .filter_map(|key| {
            let rest = key.strip_prefix(&listing.prefix)?;
            let end = if listing.delimiter.is_empty() { None } else { rest.find(&listing.delimiter) };
            Some(end.map_or(key.clone(), |end| format!("{}{}", listing.prefix, &rest[..end + listing.delimiter.len()])))
        })
        .filter(|name| name > &listing.after)
        .collect();
    names.sort();
    names.dedup();
    let truncated = names.len() > listing.limit;
    names.truncate(listing.limit);
    (names, truncated)
}

#[test]
fn listings_are_what_the_model_says() {
    let (_folder, objects) = store();
    objects.create_bucket("bucket-after", "me", None).unwrap();
    objects.put_bytes("bucket-after", "a", b"", Put::default()).unwrap();
    let key = "[ab/ü]{1,5}".prop_filter("begins with a slash", |key| !key.starts_with('/'));
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    let parts = (prop::collection::btree_set(key, 0..40), "[ab/ü]{0,3}", prop::sample::select(vec!["", "/", "ab", "ü"]), 1..12_usize);
    runner
        .run(&parts, |(keys, prefix, delimiter, limit)| {
            let keys: Vec<String> = keys.into_iter().collect();
            for key in &keys {
                objects.put_bytes("bucket", key, b"", Put::default()).unwrap();
                objects.begin_upload("bucket", key, Attributes::default()).unwrap();
            }
            let mut listing = Listing { prefix, delimiter: delimiter.to_owned(), after: String::new(), limit };
            let mut uploads = (listing.clone(), None);
            loop {
                let page = objects.list("bucket", &listing).unwrap();
                let names: Vec<String> = page.entries.iter().map(|entry| entry.name().to_owned()).collect();
                prop_assert_eq!((names, page.truncated), model(&keys, &listing));
                let found = objects.uploads("bucket", &uploads.0, uploads.1).unwrap();
                let mut names: Vec<String> = found.uploads.iter().map(|upload| upload.key.clone()).chain(found.prefixes.clone()).collect();
                names.sort();
                prop_assert_eq!((names, found.next.is_some()), model(&keys, &uploads.0));
                let Some(next) = page.next() else { break };
                listing.after = next.to_owned();
                let (key, id) = found.next.unwrap();
                uploads = (Listing { after: key, ..uploads.0 }, id);
            }
            objects.delete_many("bucket", keys).unwrap();
            let all = Listing { limit: 1000, ..Listing::default() };
            for upload in objects.uploads("bucket", &all, None).unwrap().uploads {
                objects.abort_upload("bucket", &upload.key, upload.id).unwrap();
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn many_puts_at_once_share_commits() {
    let (_folder, objects) = store();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let objects = objects.clone();
            thread::spawn(move || {
                for number in 0..50 {
                    objects.put_bytes("bucket", &format!("{thread}/{number}"), b"x", Put::default()).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let page = objects.list("bucket", &Listing { delimiter: "/".to_owned(), limit: 1000, ..Listing::default() }).unwrap();
    assert!(page.entries.len() == 8 && page.entries.iter().all(|entry| matches!(entry, Entry::Prefix(_))));
    assert_eq!(objects.usage("bucket").unwrap(), (400, 400));
    assert_eq!(successor("ab"), b"ac");
}

#[test]
fn only_one_process_opens_a_store() {
    let (folder, _objects) = store();
    assert!(matches!(Objects::open(folder.path(), Options::default()), Err(ObjectError::Index(_))));
}
