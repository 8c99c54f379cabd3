//! The object store.

use crate::stub::Person;

fn with_objects(objects: &[(&str, &[u8])]) -> Person {
    let person = Person::known();
    let mut store = person.stub.store.lock().unwrap();
    store.objects.extend(objects.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec())));
    drop(store);
    person
}

fn keys(person: &Person) -> Vec<String> {
    person.stub.store.lock().unwrap().objects.keys().cloned().collect()
}

#[test]
fn folders_are_listed_and_files_printed() {
    let person = with_objects(&[("b/d/", b""), ("b/d/a.txt", b"0123456789"), ("b/d/sub/x", b""), ("mybucket/bcscli/f", b"f\n")]);
    assert_eq!(person.done("o ls oss://b/d/"), "exec: bcs o ls oss://b/d/\nsub/\na.txt (10B)\n");
    assert_eq!(person.done("o ls oss://b/d/ -n a -t 5"), "exec: bcs o ls oss://b/d/\na.txt (10B)\n");
    assert_eq!(person.done("o ls"), "exec: bcs o ls oss://mybucket/bcscli/\nf (2B)\n");
    assert_eq!(person.done("o cat oss://b/d/a.txt -r 2:4"), "234\n");
    assert_eq!(person.done("o cat f oss://b/d/a.txt"), "f\n0123456789\n");
    assert_eq!(person.done("o pwd"), "osspath : oss://mybucket/bcscli/\nbucket : mybucket\nkey : bcscli/\n");
    assert!(person.fails("o cat oss://b/nothing").contains("OSS read `oss://b/nothing`: HTTP status 404, code NoSuchKey"));
    assert!(person.stub.asked().iter().all(|a| a.headers["authorization"].starts_with("OSS AKID123:")));
}

#[test]
fn trees_go_up_and_down() {
    let person = with_objects(&[]);
    person.write("tree/a.txt", "a");
    person.write("tree/sub/b.txt", "b");
    let out = person.done("o up tree oss://b/t");
    assert!(out.contains("sub/b.txt => oss://b/t/sub/b.txt\ndone ("), "{out}");
    assert_eq!(keys(&person), ["b/t/a.txt", "b/t/sub/b.txt"]);
    person.done("o down oss://b/t/ back/deep/");
    assert_eq!(person.read("back/deep/sub/b.txt"), "b");
    person.done("o down oss://b/t/a.txt new/");
    assert_eq!(person.read("new/a.txt"), "a");
    person.done("o up tree/a.txt oss://b/single/");
    assert!(keys(&person).contains(&"b/single/a.txt".to_owned()));
    assert!(person.fails("o up nothing").contains("Not found "));
}

#[test]
fn keys_cannot_lead_out_of_the_folder() {
    let person = with_objects(&[("b/t/../../evil", b"x")]);
    assert!(person.fails("o down oss://b/t/ safe/").contains("would not lie in"));
    assert!(!person.path("evil").exists() && !person.path("../evil").exists());
}

#[test]
fn copies_keep_the_tree() {
    let person = with_objects(&[("b/t/x", b"1"), ("b/t/s/x", b"2")]);
    assert!(person.done("o cp oss://b/t/ oss://b/u").ends_with("done\n"));
    assert_eq!(keys(&person), ["b/t/s/x", "b/t/x", "b/u/s/x", "b/u/x"]);
    person.done("o cp oss://b/t/x oss://c/y/");
    assert_eq!(person.stub.store.lock().unwrap().objects["c/y/x"], b"1");
}

#[test]
fn everything_under_a_path_is_deleted() {
    let mut person = with_objects(&[("b/t/x", b"1"), ("b/t/s/x", b"2"), ("b/u", b"3")]);
    person.answers = b"no\n".to_vec();
    let out = person.done("o del oss://b/t/");
    assert!(out.contains("Found 2 files\n  s/x\n  x\nDelete all these 2 files? [n] "), "{out}");
    assert_eq!(keys(&person).len(), 3);
    assert_eq!(person.done("o del oss://b/t/ -y"), "done\n");
    assert_eq!(keys(&person), ["b/u"]);
    assert_eq!(person.done("o del oss://b/t/ -y"), "Not found\n");
}

#[test]
fn large_files_go_in_parts_and_on_where_they_stopped() {
    let person = with_objects(&[]);
    let bytes: Vec<u8> = (0..34u32 << 18).flat_map(u32::to_le_bytes).collect();
    std::fs::write(person.path("large"), &bytes).unwrap();
    // The third part fails more often than it is tried.
    person.stub.store.lock().unwrap().failing = vec!["partNumber=3".to_owned(); 4];
    assert!(person.fails("o up large oss://b/large").contains("OSS write a part of `oss://b/large`: HTTP status 500"));
    let first = person.stub.lines();
    assert_eq!(first.iter().filter(|l| l.contains("partNumber=3")).count(), 4, "{first:?}");
    person.done("o up large oss://b/large");
    let second = person.stub.lines();
    assert!(!second.iter().any(|l| l.contains("uploads") || l.contains("partNumber=1&") || l.contains("partNumber=2&")), "{second:?}");
    assert_eq!(second.iter().filter(|l| l.starts_with("PUT")).count(), 3);
    assert!(person.stub.store.lock().unwrap().objects["b/large"] == bytes);
    person.done("o up large oss://b/whole -p");
    assert!(person.stub.lines().iter().all(|l| !l.contains("partNumber")));
}

#[test]
fn an_interrupted_download_goes_on() {
    let person = with_objects(&[]);
    let bytes = vec![7u8; 9 << 20];
    person.stub.store.lock().unwrap().objects.insert("b/large".to_owned(), bytes.clone());
    person.done("o down oss://b/large");
    assert!(std::fs::read(person.path("large")).unwrap() == bytes);
    assert!(!person.path("large.bcs-part").exists());
    person.stub.asked();
    // As it is after a kill: a part of the file, and the note of what it is a part of.
    std::fs::rename(person.path("large"), person.path("large.bcs-part")).unwrap();
    std::fs::OpenOptions::new().write(true).open(person.path("large.bcs-part")).unwrap().set_len(1 << 20).unwrap();
    let note = batchyard_bcs::sign::md5_hex(format!("down|None|oss://b/large|{}", person.path("large").display()).as_bytes());
    person.write(&format!(".batchcompute/transfers/{note}.json"), r#"{"size": 9437184, "etag": "\"E\""}"#);
    person.done("o down oss://b/large");
    let asked = person.stub.asked();
    let read = asked.iter().find(|a| a.method() == "GET").unwrap();
    assert_eq!((read.headers["range"].as_str(), read.headers["if-match"].as_str()), ("bytes=1048576-", "\"E\""));
    assert!(std::fs::read(person.path("large")).unwrap() == bytes);
}

#[test]
fn trouble_that_passes_is_tried_again() {
    let person = with_objects(&[]);
    person.write("f", "x");
    person.stub.store.lock().unwrap().failing.push("PUT /b/f".to_owned());
    person.done("o up f oss://b/f");
    assert_eq!(person.stub.lines(), ["PUT /b/f", "PUT /b/f"]);
}

#[test]
fn the_store_may_have_a_key_of_its_own() {
    let person = with_objects(&[("mybucket/bcscli/f", b"")]);
    let (id, secret) = crate::stub::KEY;
    assert!(person.done(&format!("o login other {id} {secret}")).ends_with("login success\n"));
    let config = person.read(".batchcompute/cliconfig");
    assert!(config.contains("oss_region = other\noss_id = AKID123\noss_key = SECRET456\n"), "{config}");
    assert!(person.done("me").contains("oss_key: SEC******456"));
    person.done("o logout");
    assert!(!person.read(".batchcompute/cliconfig").contains("oss"));
}

#[test]
fn buckets_are_made_and_removed() {
    let person = with_objects(&[]);
    assert_eq!(person.done("o mb oss://new"), "done\n");
    assert_eq!(person.done("o rb new -y"), "done\n");
    assert_eq!(person.stub.lines(), ["PUT /new/", "DELETE /new/"]);
    assert!(person.fails("o mb oss://new/x").contains("is not a bucket"));
}

#[test]
fn large_objects_are_copied_in_parts() {
    let person = with_objects(&[]);
    // The stub says what size it is told, so that no gigabytes are needed.
    person.stub.store.lock().unwrap().sizes.insert("b/huge".to_owned(), (1 << 30) + 5);
    person.done("o cp oss://b/huge oss://b/copy");
    let asked = person.stub.asked();
    let parts: Vec<&str> = asked.iter().filter_map(|a| a.headers.get("x-oss-copy-source-range")).map(String::as_str).collect();
    assert_eq!(parts, ["bytes=0-536870911", "bytes=536870912-1073741823", "bytes=1073741824-1073741828"]);
    assert!(asked.last().unwrap().line.starts_with("POST /b/copy?uploadId=U1"));
}
