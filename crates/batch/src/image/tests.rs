use std::{io::Write, os::unix::fs::PermissionsExt, sync::Arc};

use batchyard_objects::{Objects, Options, Put};
use serde_json::json;

use super::*;

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// A small image: its layer, its description, and the digest of that.
struct Small {
    layer: Vec<u8>,
    description: Vec<u8>,
}

impl Small {
    fn new(word: &str) -> Self {
        let layer = tar_of(&[("bin/sh", b"#!"), ("word", word.as_bytes())]);
        let description = json!({"architecture": architecture(), "os": "linux", "config": {"Env": ["WORD=image", "PATH=/x:/y"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
        Small { layer, description: description.to_string().into_bytes() }
    }

    fn id(&self) -> String {
        hex(&Sha256::digest(&self.description))
    }

    /// As `docker save` writes it.
    fn saved(&self, tags: &[&str]) -> Vec<u8> {
        let manifest = json!([{"Config": "c.json", "RepoTags": tags, "Layers": ["1/layer.tar"]}]).to_string();
        tar_of(&[("c.json", &self.description), ("1/layer.tar", &self.layer), ("manifest.json", manifest.as_bytes())])
    }

    /// Parts by digest, and the digest of the manifest.
    fn parts(&self) -> (Vec<(String, Vec<u8>)>, String) {
        let layer = packed(&self.layer);
        let manifest = json!({"schemaVersion": 2, "config": {"digest": digest(&self.description)}, "layers": [{"digest": digest(&layer)}]});
        let manifest = manifest.to_string().into_bytes();
        let name = digest(&manifest);
        ([self.description.clone(), layer, manifest].map(|bytes| (digest(&bytes), bytes)).into(), name)
    }

    /// The files of an OCI layout.
    fn layout(&self, tag: &str) -> Vec<(String, Vec<u8>)> {
        let (parts, manifest) = self.parts();
        let index = json!({"schemaVersion": 2, "manifests": [
            {"digest": digest(b"other"), "platform": {"os": "linux", "architecture": "s390x"}, "annotations": {"org.opencontainers.image.ref.name": tag}},
            {"digest": manifest, "platform": {"os": "linux", "architecture": architecture()}, "annotations": {"org.opencontainers.image.ref.name": tag}}]});
        let mut files: Vec<(String, Vec<u8>)> =
            parts.into_iter().map(|(digest, bytes)| (format!("blobs/{}", digest.replace(':', "/")), bytes)).collect();
        files.push(("index.json".into(), index.to_string().into_bytes()));
        files.push(("oci-layout".into(), b"{\"imageLayoutVersion\": \"1.0.0\"}".into()));
        files
    }
}

struct Store {
    _dir: tempfile::TempDir,
    objects: Objects,
    images: Images,
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(&dir.path().join("oss"), Options::default()).unwrap();
        objects.create_bucket("data", "me", None).unwrap();
        Store { objects, images: Images::new(dir.path().join("images")), _dir: dir }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        self.objects.put_bytes("data", key, bytes, Put::default()).unwrap();
    }

    fn find(&self, image: &str, url: &str) -> Result<Located, ImageError> {
        Located::stored(ImagePlace::bucket(&self.objects, url), image, url, &self.images.scratch().unwrap())
    }

    fn word(&self, image: &str, url: &str) -> Result<String, ImageError> {
        let kept = self.images.unpacked(&self.find(image, url)?)?;
        Ok(fs::read_to_string(kept.rootfs.join("word")).unwrap())
    }

    fn problem(&self, image: &str, url: &str) -> String {
        self.word(image, url).unwrap_err().to_string()
    }
}

#[test]
fn every_form_gives_the_same_image() {
    let store = Store::new();
    let small = Small::new("one");
    store.put("saved/tool_1.tar", &small.saved(&["tool:1"]));
    store.put("packed/tool-1.tar.gz", &packed(&small.saved(&["tool:1"])));
    store.put("folder/tool/1.tar", &small.saved(&[]));
    store.put("untagged/tool.tar", &small.saved(&["localhost:5000/tool:1"]));
    store.put("exact.tar", &small.saved(&["other:7"]));
    let layout = small.layout("1");
    for (name, bytes) in &layout {
        store.put(&format!("layout/{name}"), bytes);
    }
    let files: Vec<(&str, &[u8])> = layout.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    store.put("oci/tool_1.tar", &tar_of(&files));
    let (parts, manifest) = small.parts();
    for (digest, bytes) in parts {
        let hex = digest.strip_prefix("sha256:").unwrap();
        store.put(&format!("hub/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]), &bytes);
    }
    store.put("hub/docker/registry/v2/repositories/tool/_manifests/tags/1/current/link", manifest.as_bytes());
    for place in ["saved/", "packed/", "packed", "folder/", "untagged/", "exact.tar", "layout/", "oci/", "hub/"] {
        let located = store.find("localhost:5000/tool:1", &format!("oss://data/{place}")).unwrap();
        let kept = store.images.unpacked(&located).map_err(|error| format!("{place}: {error}")).unwrap();
        assert_eq!(kept.rootfs, store.images.folder.join(small.id()).join("rootfs"), "{place}");
        assert_eq!(kept.env, [("WORD".into(), "image".into()), ("PATH".into(), "/x:/y".into())]);
        assert!(!kept.has_bash);
        assert_eq!(store.images.known(&located), Some(small.id()));
    }
    let mode = fs::metadata(&store.images.folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "programs of images are nobody else's");
    assert_eq!(fs::read_dir(store.images.folder.join(SCRATCH)).unwrap().count(), 0);
}

#[test]
fn a_new_content_is_a_new_image() {
    let store = Store::new();
    store.put("i/tool_1.tar", &Small::new("one").saved(&["tool:1"]));
    store.put("i/tool_2.tar", &Small::new("two").saved(&["tool:2"]));
    assert_eq!(store.word("localhost:5000/tool:1", "oss://data/i/").unwrap(), "one");
    assert_eq!(store.word("localhost:5000/tool:2", "oss://data/i/").unwrap(), "two");
    store.put("i/tool_1.tar", &Small::new("three").saved(&["tool:1"]));
    assert_eq!(store.word("localhost:5000/tool:1", "oss://data/i/").unwrap(), "three");
}

#[test]
fn what_is_wrong_is_said() {
    let store = Store::new();
    let small = Small::new("one");
    store.put("i/tool.tar", &small.saved(&["tool:1"]));
    let (mut broken, mut other) = (Small::new("one"), Small::new("one"));
    broken.layer = tar_of(&[("bin/sh", b"#!"), ("word", b"uno")]);
    store.put("i/broken_1.tar", &broken.saved(&[]));
    other.description = String::from_utf8(other.description).unwrap().replace(architecture(), "s390x").into_bytes();
    store.put("i/other_1.tar", &other.saved(&[]));
    store.put("i/noise_1.tar", b"no archive");
    store.put("i/empty_1.tar", &tar_of(&[("x", b"")]));
    let layer = tar_of(&[("word", b"x")]);
    let description = json!({"rootfs": {"diff_ids": [digest(&layer)]}}).to_string().into_bytes();
    store.put("i/bare_1.tar", &Small { layer, description }.saved(&[]));
    for (name, bytes) in small.layout("1").iter().filter(|(name, _)| !name.starts_with("blobs")) {
        store.put(&format!("half/{name}"), bytes);
    }
    for (image, place, words) in [
        ("localhost:5000/none:1", "i/", "looked for `oss://data/i/none_1.tar`, `oss://data/i/none_1.tar.gz`"),
        ("localhost:5000/none:1", "gone.tar", "looked for `oss://data/gone.tar`, `oss://data/gone.tar/none_1.tar`"),
        ("localhost:5000/tool:2", "i/", "it holds `tool:1`, and not `tool:2`"),
        ("localhost:5000/broken:1", "i/", "layer 1 of 1: its content is `sha256:"),
        ("localhost:5000/other:1", "i/", "it is for linux on s390x"),
        ("localhost:5000/noise:1", "i/", "`oss://data/i/noise_1.tar` is not usable"),
        ("localhost:5000/empty:1", "i/", "neither `manifest.json` nor `index.json`"),
        ("localhost:5000/bare:1", "i/", "neither `/bin/bash` nor `/bin/sh`"),
        ("localhost:5000/x:1", "half/", "is missing"),
        ("localhost:5000/Bad", "i/", "`localhost:5000/Bad` is no name of an image"),
    ] {
        let problem = store.problem(image, &format!("oss://data/{place}"));
        assert!(problem.contains(words), "{image}: {problem}");
    }
    assert!(store.problem("localhost:5000/x:1", "oss://nowhere/").contains("bucket `nowhere` does not exist"));
    let left = fs::read_dir(&store.images.folder).unwrap().flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "part"));
    assert_eq!(left.count(), 0, "what cannot be used is not kept");
}

#[test]
fn many_at_once_load_it_once() {
    let store = Arc::new(Store::new());
    store.put("i/tool_1.tar", &Small::new("one").saved(&["tool:1"]));
    let calls = store.images.scratch().unwrap().join("calls");
    let fake = format!(
        "echo $1 >> {0}; case $1 in load) sleep 0.2; tar -xOf $3 manifest.json > {0}.manifest ;; image) [ -e {0}.manifest ] ;; esac",
        calls.display()
    );
    let engine =
        Engine { kind: EngineKind::Docker, command: ["bash", "-c", &fake, "docker"].map(String::from).into(), arguments: Vec::new() };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, engine) = (Arc::clone(&store), engine.clone());
            std::thread::spawn(move || {
                let located = store.find("localhost:5000/tool:1", "oss://data/i/").unwrap();
                (store.images.in_engine(&located, &engine).unwrap(), store.images.unpacked(&located).unwrap().rootfs)
            })
        })
        .collect();
    let made: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let name = format!("localhost/batchyard-image:{}", Small::new("one").id());
    assert!(made.iter().all(|one| *one == (name.clone(), made[0].1.clone())), "{made:?}");
    let told = fs::read_to_string(&calls).unwrap();
    assert_eq!(told.lines().filter(|line| *line == "load").count(), 1, "{told}");
    assert!(fs::read_to_string(calls.with_extension("manifest")).unwrap().contains(&name));
    // Half an image that a dead process has left is no image.
    let located = store.find("localhost:5000/tool:1", "oss://data/i/").unwrap();
    fs::rename(store.images.folder.join(Small::new("one").id()), store.images.folder.join(format!("{}.part", Small::new("one").id())))
        .unwrap();
    fs::remove_file(store.images.folder.join(format!("{}.part/rootfs/word", Small::new("one").id()))).unwrap();
    assert!(store.images.unpacked(&located).unwrap().rootfs.join("word").is_file());
}

#[test]
fn what_dead_processes_have_left_is_removed() {
    let store = Store::new();
    let part = store.images.part(&"ab".repeat(32)).unwrap();
    let busy = store.images.part(&"cd".repeat(32)).unwrap();
    let lock = store.images.lock_file("image", &"cd".repeat(32)).unwrap();
    lock.lock().unwrap();
    let fresh = store.images.scratch().unwrap().join("open-1-1");
    fs::write(&fresh, "").unwrap();
    let old = store.images.scratch().unwrap().join("open-1-2");
    File::create(&old).unwrap().set_modified(std::time::SystemTime::now() - 2 * FORGOTTEN).unwrap();
    store.images.tidy();
    assert_eq!([&part, &busy, &fresh, &old].map(|path| path.exists()), [false, true, true, false]);
}

#[test]
fn apptainer_gets_a_file() {
    let store = Store::new();
    store.put("i/tool_1.tar", &Small::new("one").saved(&["tool:1"]));
    let fake = "[ \"$1 $2\" = 'build --force' ] && tar -tf ${4#docker-archive:} >/dev/null && echo made > $3";
    let engine =
        Engine { kind: EngineKind::Apptainer, command: ["bash", "-c", fake, "apptainer"].map(String::from).into(), arguments: Vec::new() };
    let located = store.find("localhost:5000/tool:1", "oss://data/i/").unwrap();
    let name = store.images.in_engine(&located, &engine).unwrap();
    assert!(name.ends_with(&format!("{}.sif", Small::new("one").id())), "{name}");
    assert_eq!(fs::read_to_string(&name).unwrap(), "made\n");
    // What the engine says is passed on, and nothing is left of what it did not make.
    fs::remove_file(&name).unwrap();
    store.images.seen.lock().unwrap().clear();
    let broken = Engine { command: ["bash", "-c", "echo no room >&2; exit 1", "apptainer"].map(String::from).into(), ..engine };
    let problem = store.images.in_engine(&located, &broken).unwrap_err().to_string();
    assert!(problem.contains("did not take the image at `oss://data/i/tool_1.tar`") && problem.contains("no room"), "{problem}");
    assert!(!Path::new(&name).exists());
}

#[test]
fn images_that_nobody_uses_are_removed() {
    use std::time::{Duration, SystemTime};

    const DAY: Duration = Duration::from_secs(24 * 3600);
    let store = Store::new();
    for name in ["one", "two"] {
        store.put(&format!("{name}.tar"), &Small::new(name).saved(&["tool:1"]));
    }
    let kept = |name: &str| store.images.unpacked(&store.find("tool:1", &format!("oss://data/{name}.tar")).unwrap()).unwrap();
    let (one, two) = (kept("one").rootfs, kept("two").rootfs);
    let now = SystemTime::now();
    assert_eq!(store.images.forget_unused(now + DAY * 29, DAY * 30), 0);
    // The second was used a moment ago, the first long before.
    let used = |rootfs: &Path, at| {
        fs::File::options().write(true).open(rootfs.parent().unwrap().join("image.json")).unwrap().set_modified(at).unwrap();
    };
    used(&one, now - DAY * 40);
    assert_eq!(store.images.forget_unused(now, DAY * 30), 1);
    assert!(!one.parent().unwrap().exists() && two.exists());
    // It is unpacked again when somebody wants it, and a use keeps it.
    assert_eq!(store.word("tool:1", "oss://data/one.tar").unwrap(), "one");
    used(&one, now - DAY * 40);
    kept("one");
    assert_eq!(store.images.forget_unused(now, DAY * 30), 0);
    assert_eq!(
        fs::read_dir(one.parent().unwrap().parent().unwrap()).unwrap().flatten().filter(|e| e.path().extension().is_some()).count(),
        0
    );
}

#[test]
fn engines_give_back_what_nobody_uses() {
    use std::time::{Duration, SystemTime};

    const DAY: Duration = Duration::from_secs(24 * 3600);
    let store = Store::new();
    for name in ["one", "two"] {
        store.put(&format!("{name}.tar"), &Small::new(name).saved(&["tool:1"]));
    }
    // Has what it was given, and refuses to forget what `busy` names.
    let has = tempfile::tempdir().unwrap();
    let fake = r#"cd "$0"; case "$1" in
        load) tar -xOf "$3" manifest.json | grep -o 'batchyard-image:[0-9a-f]*' | while read -r tag; do touch "${tag#*:}"; done; echo load >> calls;;
        image) [ -e "${3#*:}" ];;
        rmi) [ ! -e "busy-${2#*:}" ] && rm "${2#*:}";;
    esac"#;
    let command = ["bash", "-c", fake, &has.path().to_string_lossy()].map(String::from).into();
    let engine = Engine { kind: EngineKind::Podman, command, arguments: Vec::new() };
    let given = |name: &str| store.images.in_engine(&store.find("tool:1", &format!("oss://data/{name}.tar")).unwrap(), &engine).unwrap();
    let id = |name: &str| given(name).rsplit_once(':').unwrap().1.to_owned();
    let (one, two) = (id("one"), id("two"));
    let now = SystemTime::now();
    let take = |now| store.images.take_back_unused(&engine, now, DAY * 30);
    assert!(!store.images.has_unused_given(now + DAY * 29, DAY * 30));
    assert_eq!(take(now + DAY * 29), 0);
    let note = |id: &str| store.images.given(&engine, id);
    let used = |id: &str, at| fs::File::options().write(true).open(note(id)).unwrap().set_modified(at).unwrap();
    used(&one, now - DAY * 40);
    assert!(store.images.has_unused_given(now, DAY * 30));
    assert_eq!((take(now), has.path().join(&one).exists(), has.path().join(&two).exists()), (1, false, true));
    // Whoever wants it has it given again, and notes the use.
    given("one");
    assert_eq!(fs::read_to_string(has.path().join("calls")).unwrap(), "load\nload\nload\n");
    used(&one, now - DAY * 40);
    given("one");
    assert_eq!(take(now), 0);
    // What a container uses stays, and so does what was not given by us.
    used(&two, now - DAY * 40);
    fs::write(has.path().join(format!("busy-{two}")), "").unwrap();
    assert_eq!((take(now), note(&two).exists()), (0, true));
    fs::remove_file(has.path().join(format!("busy-{two}"))).unwrap();
    // A removal that was cut off is finished.
    fs::rename(note(&two), note(&format!("{two}.leaving"))).unwrap();
    assert_eq!((take(now), has.path().join(&two).exists()), (1, false));
    let other = Engine { kind: EngineKind::Docker, ..engine.clone() };
    assert_eq!(store.images.take_back_unused(&other, now + DAY * 100, DAY * 30), 0);
}

#[test]
fn nobody_goes_on_for_an_attempt_that_was_ended() {
    use std::time::Duration;

    use batchyard_runner::{Control, EndedBy};

    let store = Store::new();
    let small = Small::new("one");
    for (name, bytes) in [("one.tar", small.saved(&["tool:1"])), ("packed.tar.gz", packed(&small.saved(&["tool:1"])))] {
        store.put(name, &bytes);
        let attempt = Control::new(name);
        let located = store.find("tool:1", &format!("oss://data/{name}")).unwrap().wanted_by(&attempt);
        // Somebody else is at it, for longer than anybody would wait.
        let held = store.images.lock_place(&store.find("tool:1", &format!("oss://data/{name}")).unwrap()).unwrap();
        let error = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.images.unpacked(&located));
            attempt.end(EndedBy::Abort, Duration::from_secs(1));
            waiting.join().unwrap().unwrap_err()
        });
        assert!(matches!(error, ImageError::Unwanted), "{error}");
        drop(held);
        let read = Source::open(&located, &store.images.scratch().unwrap()).and_then(|source| Image::read(&source, &located));
        assert!(read.err().unwrap().to_string().contains("was ended"), "{name}");
    }
    assert!(fs::read_dir(&store.images.folder).unwrap().flatten().all(|entry| entry.path().extension().is_none()));
    assert_eq!(store.word("tool:1", "oss://data/packed.tar.gz").unwrap(), "one");
}
