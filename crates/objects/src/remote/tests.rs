use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use opendal::{Operator, layers::ChaosLayer, services::Memory};

use super::{store::steadied, *};

fn settings(base: &str, place: Place) -> StoreSettings {
    StoreSettings { base: StoreSettings::base(base).unwrap(), place: Ok(place), read_only: false, accounts: None }
}

fn service(base: &str) -> StoreSettings {
    let place = Service { endpoint: Some("http://127.0.0.1:9".into()), ..Service::default() };
    settings(base, place.complete(&StoreSettings::base(base).unwrap()).unwrap())
}

/// A store in memory, some of whose operations fail.
fn in_memory(errors: f64) -> Stores {
    let operator = steadied(Operator::new(Memory::default()).unwrap().layer(ChaosLayer::new(errors)));
    Stores::of(vec![Store::over(service("oss://data"), Arc::default(), operator)]).unwrap()
}

struct Yard {
    dir: tempfile::TempDir,
}

impl Yard {
    fn new() -> Yard {
        Yard { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn folder_store(&self) -> (Stores, PathBuf) {
        let folder = self.dir.path().join("store");
        fs::create_dir_all(&folder).unwrap();
        (Stores::new(vec![settings("oss://data/in", Place::Folder(folder.clone()))]).unwrap(), folder)
    }
}

/// Bytes of which no two pieces are alike.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn what_was_stored_comes_back() {
    let yard = Yard::new();
    let stores = in_memory(0.0);
    // Several parts, several pieces, and odd ends.
    for (name, length) in [("empty", 0), ("small", 5), ("large", (21 << 20) + 7)] {
        let content = bytes(length);
        let url = format!("oss://data/a/{name}");
        let stored = stores.put_file(&yard.file(name, &content), &url, Some("text/plain")).unwrap();
        assert_eq!(stored.size, length as u64);
        assert_eq!(stores.stat(&url).unwrap(), stored);
        let back = yard.dir.path().join("back");
        stores.get_file(&url, &back).unwrap();
        assert!(fs::read(&back).unwrap() == content, "{name}");
    }
    let mut keys: Vec<_> = stores.list("oss://data/a/").unwrap().map(|listed| listed.unwrap().key).collect();
    keys.sort();
    assert_eq!(keys, ["a/empty", "a/large", "a/small"]);
    stores.delete("oss://data/a/small").unwrap();
    assert!(stores.stat("oss://data/a/small").unwrap_err().is_missing());
    let names = fs::read_dir(yard.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("part")));
}

#[test]
fn passing_faults_are_overcome() {
    let yard = Yard::new();
    let stores = in_memory(0.2);
    let content = bytes(40 << 20);
    stores.put_file(&yard.file("f", &content), "oss://data/f", None).unwrap();
    let back = yard.dir.path().join("back");
    stores.get_file("oss://data/f", &back).unwrap();
    assert!(fs::read(&back).unwrap() == content);
}

#[test]
fn lasting_faults_are_told_and_leave_nothing() {
    let yard = Yard::new();
    let stores = in_memory(1.0);
    let target = yard.dir.path().join("target");
    let told = stores.get_file("oss://data/f", &target).unwrap_err();
    assert!(told.to_string().contains("`oss://data/f`"), "{told}");
    assert_eq!(fs::read_dir(yard.dir.path()).unwrap().count(), 0);
}

#[test]
fn folders_are_stores_too() {
    let yard = Yard::new();
    let (stores, folder) = yard.folder_store();
    let stored = stores.put_file(&yard.file("x", "abc"), "oss://data/in/a/b.txt", None).unwrap();
    assert_eq!((stored.size, fs::read_to_string(folder.join("a/b.txt")).unwrap()), (3, "abc".into()));
    stores.copy("oss://data/in/a/b.txt", "oss://data/in/c.txt").unwrap();
    let mut listed: Vec<_> = stores.list("oss://data/in/").unwrap().map(|l| l.unwrap()).map(|l| (l.key, l.size)).collect();
    listed.sort();
    assert_eq!(listed, [("in/a/b.txt".into(), 3), ("in/c.txt".into(), 3)]);
    // A folder is no object, and nothing leads out of it.
    assert!(stores.stat("oss://data/in/a").unwrap_err().is_missing());
    for key in ["../x", "a/../../x", "./c.txt", ".batchyard-unfinished/x"] {
        assert!(matches!(stores.stat(&format!("oss://data/in/{key}")), Err(RemoteError::NoFileName { .. })), "{key}");
    }
    assert!(matches!(stores.stat("oss://data/other"), Err(RemoteError::NoStore { .. })));
}

#[test]
fn whole_folders_go_and_come() {
    let yard = Yard::new();
    let (stores, _) = yard.folder_store();
    yard.file("up/a.txt", "a");
    yard.file("up/deep/b.txt", "bb");
    let stored = stores.put_folder(&yard.dir.path().join("up"), "oss://data/in/set/").unwrap();
    assert_eq!(stored, Amount { files: 2, bytes: 3 });
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    let down = yard.dir.path().join("down");
    assert_eq!(cache.link_folder("oss://data/in/set/", &down, MAX_FOLDER).unwrap(), stored);
    assert_eq!(fs::read_to_string(down.join("deep/b.txt")).unwrap(), "bb");
    let told = cache.link_folder("oss://data/in/set/", &down, Amount { files: 1, bytes: 9 }).unwrap_err().to_string();
    assert!(told.contains("more than 1 objects"), "{told}");
    assert!(cache.link_folder("oss://data/in/set/", &down, Amount { files: 9, bytes: 2 }).unwrap_err().to_string().contains("2 bytes"));
}

#[test]
fn what_is_kept_is_brought_again_when_it_has_changed() {
    let yard = Yard::new();
    let (stores, folder) = yard.folder_store();
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    for (name, text) in [("r.bam", "reads"), ("r.bam.bai", "index")] {
        fs::write(folder.join(name), text).unwrap();
    }
    let inode = |path: &PathBuf| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let first = cache.file("oss://data/in/r.bam").unwrap();
    let (before, index) = (inode(&first), cache.file("oss://data/in/r.bam.bai").unwrap());
    assert_eq!((first.parent(), index.file_name().unwrap().to_str()), (index.parent(), Some("r.bam.bai")));
    assert_eq!(inode(&cache.file("oss://data/in/r.bam").unwrap()), before);
    let mark = first.parent().unwrap().join(".marks/r.bam");
    // A reader of the former file keeps it.
    let link = yard.dir.path().join("link");
    cache.link_file("oss://data/in/r.bam", &link).unwrap();
    fs::write(folder.join("r.bam"), "other reads").unwrap();
    assert_eq!(fs::read_to_string(cache.file("oss://data/in/r.bam").unwrap()).unwrap(), "other reads");
    assert_eq!(fs::read_to_string(&link).unwrap(), "reads");
    // What lies there without a mark is of no known state, for example after a crash.
    fs::write(&mark, "").unwrap();
    fs::write(&first, "half").unwrap();
    assert_eq!(fs::read_to_string(cache.file("oss://data/in/r.bam").unwrap()).unwrap(), "other reads");
    assert!(cache.file("oss://data/in/.marks").is_err() && cache.file("oss://data/in/none").unwrap_err().is_missing());
}

#[test]
fn what_lies_beside_a_copy_has_the_url_beside_that_of_its_object() {
    let yard = Yard::new();
    let (stores, folder) = yard.folder_store();
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    fs::write(folder.join("r.bam"), "reads").unwrap();
    let copy = cache.file("oss://data/in/r.bam").unwrap();
    let index = Beside::At("oss://data/in/r.bai".into());
    assert_eq!(cache.beside(&copy, "r.bai"), index);
    fs::remove_file(folder.join("r.bam")).unwrap();
    let kept = |name: &str| cache.kept(&Address::object(&format!("oss://data/in/{name}")).unwrap());
    assert_eq!([kept("r.bam"), kept("r.bai")], [Some(copy.clone()), None], "its store is not asked");
    fs::write(folder.join("r.bam"), "reads").unwrap();
    assert_eq!([cache.beside(&copy, ".."), cache.beside(&folder.join("r.bam"), "r.bai")], [Beside::Unknown, Beside::NoCopy]);
    // Neither a copy that is being brought nor one whose mark is lost is without a place.
    let mark = fs::OpenOptions::new().write(true).open(copy.parent().unwrap().join(".marks/r.bam")).unwrap();
    rustix::fs::flock(&mark, rustix::fs::FlockOperation::LockExclusive).unwrap();
    mark.set_len(0).unwrap();
    assert_eq!(cache.beside(&copy, "r.bai"), index);
    drop(mark);
    // What was written by halves is written again, and a place of somebody else's is none.
    let place = yard.dir.path().join("cache/.places").join(copy.parent().unwrap().file_name().unwrap());
    for text in ["", "oss://other/in"] {
        fs::write(&place, text).unwrap();
        assert_eq!(cache.beside(&copy, "r.bai"), Beside::Unknown);
        cache.file("oss://data/in/r.bam").unwrap();
        assert_eq!(cache.beside(&copy, "r.bai"), index);
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// A cache with objects of ten bytes, by name, each last used so many hours ago.
fn cache_of(yard: &Yard, used: &[(&str, u32)]) -> Cache {
    let (stores, folder) = yard.folder_store();
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    for (name, hours) in used {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "ten bytes.").unwrap();
        let file = cache.file(&format!("oss://data/in/{name}")).unwrap();
        let mark = file.parent().unwrap().join(".marks").join(file.file_name().unwrap());
        fs::File::options().write(true).open(mark).unwrap().set_modified(SystemTime::now() - HOUR * *hours).unwrap();
    }
    cache
}

/// Names of the objects in a cache.
fn kept(yard: &Yard) -> Vec<String> {
    let folders = fs::read_dir(yard.dir.path().join("cache")).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.') && entry.path().is_dir());
    let files =
        folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    let mut names: Vec<String> = files.filter(|name| name != ".marks").collect();
    names.sort();
    names
}

fn forget(cache: &Cache, bounds: Bounds, hours: u32) -> Removed {
    cache.clone().with_bounds(bounds).forget_unused(SystemTime::now() + HOUR * hours).unwrap()
}

#[test]
fn what_nobody_uses_is_removed_and_can_be_brought_again() {
    let yard = Yard::new();
    let cache = cache_of(&yard, &[("a/old", 50), ("a/new", 2), ("b/old", 49), ("now", 0)]);
    let days = |days| Bounds { unused: Some(HOUR * 24 * days), bytes: None };
    assert_eq!(forget(&cache, Bounds::default(), 10_000), Removed::default(), "without bounds everything stays");
    assert_eq!(forget(&cache, days(3), 0), Removed::default());
    assert_eq!(forget(&cache, days(2), 0), Removed { files: 2, bytes: 20 });
    assert_eq!(kept(&yard), ["new", "now"]);
    let folders =
        fs::read_dir(yard.dir.path().join("cache")).unwrap().filter(|entry| entry.as_ref().unwrap().path().join(".marks").is_dir());
    assert_eq!(folders.count(), 2, "the folder of `b/old` is gone, that of `a/new` is not");
    assert_eq!(fs::read_to_string(cache.file("oss://data/in/b/old").unwrap()).unwrap(), "ten bytes.");
    assert_eq!(forget(&cache, days(2), 47), Removed { files: 1, bytes: 10 }, "a use counts from now");
    assert_eq!(kept(&yard), ["now", "old"]);
}

#[test]
fn the_longest_unused_make_room() {
    let yard = Yard::new();
    let cache = cache_of(&yard, &[("c", 30), ("a", 50), ("b", 40), ("now", 0), ("linked", 60)]);
    // Inputs of runs are second names: they take no room that could be won.
    let link = yard.dir.path().join("link");
    cache.link_file("oss://data/in/linked", &link).unwrap();
    let bytes = |bytes| Bounds { unused: None, bytes: Some(bytes) };
    assert_eq!(forget(&cache, bytes(40), 0), Removed::default());
    assert_eq!(forget(&cache, bytes(29), 0), Removed { files: 2, bytes: 20 });
    assert_eq!(kept(&yard), ["c", "linked", "now"]);
    assert_eq!(forget(&cache, bytes(0), 0), Removed { files: 1, bytes: 10 }, "what was just used stays");
    assert_eq!(forget(&cache, Bounds { unused: Some(HOUR), bytes: Some(0) }, 2), Removed { files: 1, bytes: 10 });
    assert_eq!(kept(&yard), ["linked"]);
    fs::remove_file(link).unwrap();
    assert_eq!(forget(&cache, bytes(0), 2), Removed { files: 1, bytes: 10 });
    assert!(kept(&yard).is_empty());
}

#[test]
fn what_a_run_needs_stays_until_it_has_ended() {
    let yard = Yard::new();
    let cache = cache_of(&yard, &[("a", 50), ("b", 50)]);
    let run = cache.leased();
    let (file, again) = (run.file("oss://data/in/a").unwrap(), run.clone());
    let all = Bounds { unused: Some(HOUR), bytes: Some(0) };
    assert_eq!(forget(&cache, all, 1000), Removed { files: 1, bytes: 10 });
    assert_eq!(kept(&yard), ["a"]);
    drop(run);
    assert_eq!(forget(&cache, all, 1000), Removed::default(), "another thread of the run may need it");
    // Another process takes the run up, and knows the file by its path.
    let next = cache.leased();
    next.hold(&file).unwrap();
    next.hold(&yard.file("elsewhere", "text")).unwrap();
    drop(again);
    assert_eq!(forget(&cache, all, 1000), Removed::default());
    drop(next);
    assert_eq!(forget(&cache, all, 1000), Removed { files: 1, bytes: 10 });
    assert!(!file.exists());
}

#[test]
fn who_brings_looks_what_can_go() {
    let yard = Yard::new();
    let cache = cache_of(&yard, &[("a", 50), ("b", 50), ("c", 0)]).with_bounds(Bounds { unused: Some(HOUR * 24), bytes: None });
    cache.file("oss://data/in/c").unwrap();
    assert_eq!(kept(&yard), ["a", "b", "c"], "nothing was brought");
    fs::write(yard.dir.path().join("store/c"), "other").unwrap();
    cache.file("oss://data/in/c").unwrap();
    assert_eq!(kept(&yard), ["c"]);
}

/// Some use objects while others remove them all the time: nobody is without his file.
#[test]
fn who_uses_and_who_removes_do_not_meet() {
    let yard = Yard::new();
    let cache = cache_of(&yard, &[("a", 50)]);
    let all = Bounds { unused: Some(HOUR), bytes: None };
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let remove = || {
            // Seen from far ahead all that no run needs is old.
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                forget(&cache, all, 1000);
            }
        };
        let remover = scope.spawn(remove);
        for _ in 0..300 {
            let run = cache.leased();
            let file = run.file("oss://data/in/a").unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), "ten bytes.");
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        remover.join().unwrap();
    });
}

#[test]
fn what_nobody_wants_any_more_is_left() {
    let yard = Yard::new();
    let (stores, folder) = yard.folder_store();
    fs::write(folder.join("f"), bytes(20 << 20)).unwrap();
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    let asked = std::sync::atomic::AtomicU32::new(0);
    let bored = cache.clone().wanted_while(move || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2);
    assert!(matches!(bored.file("oss://data/in/f"), Err(RemoteError::Unwanted { .. })));
    assert_eq!(fs::read_dir(yard.dir.path().join("cache/.parts")).unwrap().count(), 0);
    assert_eq!(fs::read(cache.file("oss://data/in/f").unwrap()).unwrap().len(), 20 << 20);
}

#[test]
fn many_who_want_the_same_bring_it_once() {
    let yard = Yard::new();
    let (stores, folder) = yard.folder_store();
    fs::write(folder.join("f"), bytes(1 << 20)).unwrap();
    let cache = Cache::new(stores, yard.dir.path().join("cache"));
    let inodes: std::collections::HashSet<u64> = std::thread::scope(|scope| {
        let bring = || {
            let file = cache.file("oss://data/in/f").unwrap();
            std::os::unix::fs::MetadataExt::ino(&fs::metadata(file).unwrap())
        };
        let all: Vec<_> = (0..8).map(|_| scope.spawn(bring)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(inodes.len(), 1);
}

#[test]
fn the_longest_url_and_the_rights_decide() {
    let open = service("s3://data");
    let private = StoreSettings { accounts: Some(vec!["ann".into()]), read_only: true, ..service("s3://data/private") };
    let stores = Stores::new(vec![open.clone(), private]).unwrap();
    assert!(stores.knows("s3://data/x") && stores.knows("s3://data/private/x"));
    assert!(!stores.knows("oss://data/x") && !stores.knows("s3://data2/x"));
    stores.allow("s3://data/privates", Some("bob"), true).unwrap();
    stores.allow("s3://data/private/x", Some("ann"), false).unwrap();
    stores.allow("s3://data/private/x", None, false).unwrap();
    assert!(matches!(stores.allow("s3://data/private/x", Some("bob"), false), Err(RemoteError::NotForAccount { .. })));
    assert!(matches!(stores.allow("s3://data/private/x", Some("ann"), true), Err(RemoteError::ReadOnly { .. })));
    assert!(matches!(stores.delete("s3://data/private/x"), Err(RemoteError::ReadOnly { .. })));
    let told = stores.stat("oss://other/key").unwrap_err().to_string();
    assert!(told.contains("no store is configured for `oss://other/key`") && told.contains("url = \"oss://other\""), "{told}");
    assert!(Stores::new(vec![open.clone(), open.clone()]).is_err());
    // One for all buckets stands behind those that are named.
    let all = Stores::new(vec![StoreSettings { read_only: true, ..service("s3://") }, open]).unwrap();
    all.allow("s3://data/x", None, true).unwrap();
    assert!(matches!(all.allow("s3://any/x", None, true), Err(RemoteError::ReadOnly { .. })) && !all.knows("oss://any/x"));
}

#[test]
fn what_nobody_can_know_is_told_when_it_is_needed() {
    let stores = Stores::new(vec![StoreSettings { place: Err("has no secret".into()), ..service("s3://data") }]).unwrap();
    assert_eq!(stores.stat("s3://data/x").unwrap_err().to_string(), "the store `s3://data` has no secret");
}

#[test]
fn a_store_that_is_not_there_is_told() {
    let yard = Yard::new();
    let missing = yard.dir.path().join("none");
    let stores = Stores::new(vec![settings("oss://data", Place::Folder(missing.clone()))]).unwrap();
    let told = stores.stat("oss://data/x").unwrap_err().to_string();
    assert!(told.contains("there is no folder") && !missing.exists(), "{told}");
}
