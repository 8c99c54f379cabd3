use std::collections::BTreeMap;

use proptest::prelude::*;
use tar::Header;

use super::*;

/// One entry of a layer: path, kind, text or target.
type Item<'a> = (&'a str, EntryType, &'a str);

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;

fn layer(items: &[Item<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, text) in items {
        let mut header = Header::new_gnu();
        // Set by hand: the library refuses the paths that an attack would use.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        let is_file = *kind == FILE;
        if !is_file {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_size(if is_file { text.len() as u64 } else { 0 });
        header.set_cksum();
        archive.append(&header, if is_file { text.as_bytes() } else { b"" }).unwrap();
    }
    archive.into_inner().unwrap()
}

struct Box {
    dir: tempfile::TempDir,
}

impl Box {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::write(dir.path().join("secret"), "outside").unwrap();
        Box { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn unpack_within(&self, layers: &[&[Item<'_>]], limits: Limits) -> io::Result<()> {
        let mut unpacker = Unpacker::new(&self.root(), limits);
        for items in layers {
            let bytes = layer(items);
            unpacker.layer(bytes.as_slice(), &hex(&Sha256::digest(&bytes)))?;
        }
        Ok(())
    }

    fn unpack(&self, layers: &[&[Item<'_>]]) -> io::Result<()> {
        self.unpack_within(layers, Limits::default())
    }

    /// All files and links with their texts, and folders with none.
    fn tree(&self) -> BTreeMap<String, String> {
        let (mut tree, mut waiting) = (BTreeMap::new(), vec![self.root()]);
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned();
                let known = fs::symlink_metadata(&path).unwrap();
                if known.is_symlink() {
                    tree.insert(name, format!("-> {}", fs::read_link(&path).unwrap().display()));
                } else if known.is_dir() {
                    waiting.push(path);
                    tree.insert(name, String::new());
                } else {
                    tree.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        tree
    }

    fn text(&self, name: &str) -> Option<String> {
        self.tree().get(name).cloned()
    }
}

#[test]
fn later_layers_cover_and_take_away() {
    let place = Box::new();
    let lower: &[Item<'_>] = &[
        ("etc/", FOLDER, ""),
        ("etc/a", FILE, "1"),
        ("etc/b", FILE, "1"),
        ("opt/x/deep", FILE, "1"),
        ("opt/y", FILE, "1"),
        ("usr/bin/tool", FILE, "1"),
        ("bin", EntryType::Symlink, "usr/bin"),
        ("var", FILE, "a file that becomes a folder"),
    ];
    let upper: &[Item<'_>] = &[
        ("./etc/.wh.a", FILE, ""),
        ("etc/b", FILE, "2"),
        ("opt/new", FILE, "2"),
        // After what the layer itself has put there: only what is below goes.
        ("opt/.wh..wh..opq", FILE, ""),
        ("opt/.wh.new", FILE, ""),
        ("bin/added", FILE, "through the link"),
        ("var/lib/", FOLDER, ""),
        ("etc/.wh..wh.plnk", FILE, ""),
        ("none/.wh.none", FILE, ""),
        ("/dev/null", EntryType::Char, ""),
        ("hard", EntryType::Link, "/etc/b"),
        ("pipe", EntryType::Fifo, ""),
    ];
    place.unpack(&[lower, upper]).unwrap();
    fs::remove_file(place.root().join("pipe")).unwrap();
    let tree = place.tree();
    let expected = [
        ("bin", "-> usr/bin"),
        ("dev", ""),
        ("etc", ""),
        ("etc/b", "2"),
        ("hard", "2"),
        ("opt", ""),
        ("opt/new", "2"),
        ("usr", ""),
        ("usr/bin", ""),
        ("usr/bin/added", "through the link"),
        ("usr/bin/tool", "1"),
        ("var", ""),
        ("var/lib", ""),
    ];
    assert_eq!(tree, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
}

#[test]
fn nothing_is_written_outside() {
    for (items, words) in [
        (vec![("../secret", FILE, "x")], "leads out of the image"),
        (vec![("a/../../secret", FILE, "x")], "leads out of the image"),
        (vec![("..", FOLDER, "")], "leads out of the image"),
        (vec![("hard", EntryType::Link, "../secret")], "leads out of the image"),
        (vec![("hard", EntryType::Link, "missing")], "something that is missing"),
        (vec![("d/", FOLDER, ""), ("hard", EntryType::Link, "d")], "second name of a folder"),
        (vec![(".wh...", FILE, "")], "takes away what is no file"),
        (vec![("loop", EntryType::Symlink, "loop"), ("loop/x", FILE, "")], "more than 40 links"),
    ] {
        let place = Box::new();
        let error = place.unpack(&[&items]).unwrap_err().to_string();
        assert!(error.contains(words), "{items:?}: {error}");
        assert_eq!(fs::read_to_string(place.dir.path().join("secret")).unwrap(), "outside");
    }
    // Links lead inside, wherever they point.
    let place = Box::new();
    let outside = place.dir.path().to_str().unwrap().to_owned();
    place
        .unpack(&[
            &[("up", EntryType::Symlink, "../.."), ("abs", EntryType::Symlink, &outside), ("twice", EntryType::Symlink, "up/../abs")],
            &[("up/secret", FILE, "1"), ("abs/secret", FILE, "2"), ("twice/third", FILE, "3"), ("abs/.wh.gone", FILE, "")],
        ])
        .unwrap();
    assert_eq!(fs::read_to_string(place.dir.path().join("secret")).unwrap(), "outside");
    assert_eq!(place.text("secret").as_deref(), Some("1"));
    assert_eq!(place.text(&format!("{}/secret", outside.trim_start_matches('/'))).as_deref(), Some("2"));
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 2);
    // What covers a link does not go through it.
    place.unpack(&[&[("abs", FILE, "a file now"), ("up/", FOLDER, "")]]).unwrap();
    assert_eq!(place.text("abs").as_deref(), Some("a file now"));
    assert_eq!(place.text("up").as_deref(), Some(""));
}

#[test]
fn limits_and_digests_hold() {
    let items: &[Item<'_>] = &[("a", FILE, "12345"), ("b", FILE, "12345")];
    for limits in [Limits { entries: 1, bytes: 1000 }, Limits { entries: 10, bytes: 9 }] {
        assert!(Box::new().unpack_within(&[items], limits).unwrap_err().to_string().contains("the image has more than"));
    }
    // Over all layers together.
    assert!(Box::new().unpack_within(&[items, items], Limits { entries: 3, bytes: 1000 }).is_err());
    let place = Box::new();
    let bytes = layer(items);
    let mut unpacker = Unpacker::new(&place.root(), Limits::default());
    assert!(unpacker.layer(bytes.as_slice(), &"0".repeat(64)).unwrap_err().to_string().contains("its content is `sha256:"));
    assert!(unpacker.layer([0x28, 0xb5, 0x2f, 0xfd, 0].as_slice(), "").unwrap_err().to_string().contains("zstd"));
    assert!(unpacker.layer(b"no archive at all, but long enough to be read as one".repeat(20).as_slice(), "").is_err());
}

#[test]
fn compressed_layers_are_the_same() {
    use std::io::Write;
    let place = Box::new();
    let bytes = layer(&[("a", FILE, "text")]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    Unpacker::new(&place.root(), Limits::default()).layer(packed.finish().unwrap().as_slice(), &hex(&Sha256::digest(&bytes))).unwrap();
    assert_eq!(place.text("a").as_deref(), Some("text"));
}

/// What one step of a layer does to a tree of files: the model of unpacking.
#[derive(Clone, Debug)]
enum Step {
    File(String, String),
    Folder(String),
    Gone(String),
    Opaque(String),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::collection::vec("[ab]", 1..4).prop_map(|names| names.join("/"));
    prop_oneof![
        (path(), "[a-z]{0,3}").prop_map(|(path, text)| Step::File(path, text)),
        path().prop_map(Step::Folder),
        path().prop_map(Step::Gone),
        path().prop_map(Step::Opaque),
    ]
}

/// A folder has no text.
type Tree = BTreeMap<String, Option<String>>;

fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What the whole layer takes away goes first, then what it adds is added.
fn model(layers: &[Vec<Step>]) -> Tree {
    let mut tree = Tree::new();
    for steps in layers {
        for step in steps {
            match step {
                Step::Gone(path) => tree.retain(|known, _| known != path && !below(known, path)),
                Step::Opaque(path) => tree.retain(|known, _| !below(known, path)),
                Step::File(..) | Step::Folder(_) => {}
            }
        }
        for step in steps {
            let (path, text) = match step {
                Step::File(path, text) => (path, Some(text.clone())),
                Step::Folder(path) => (path, None),
                Step::Gone(_) | Step::Opaque(_) => continue,
            };
            for (at, _) in path.match_indices('/') {
                if tree.get(&path[..at]).is_none_or(Option::is_some) {
                    tree.insert(path[..at].to_owned(), None);
                }
            }
            if text.is_some() || tree.get(path).is_none_or(Option::is_some) {
                tree.retain(|known, _| !below(known, path));
                tree.insert(path.clone(), text);
            }
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Removals come first in a layer, as every program writes them.
    #[test]
    fn unpacking_follows_the_model(layers in prop::collection::vec(prop::collection::vec(step(), 0..6), 1..4)) {
        let place = Box::new();
        let mut unpacker = Unpacker::new(&place.root(), Limits::default());
        for steps in &layers {
            let (removals, additions): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| matches!(step, Step::Gone(_) | Step::Opaque(_)));
            let named: Vec<(String, EntryType, String)> = removals.into_iter().chain(additions).map(|step| match step {
                Step::File(path, text) => (path.clone(), FILE, text.clone()),
                Step::Folder(path) => (format!("{path}/"), FOLDER, String::new()),
                Step::Gone(path) => {
                    let (folder, name) = path.rsplit_once('/').map_or((String::new(), path.as_str()), |(folder, name)| (format!("{folder}/"), name));
                    (format!("{folder}.wh.{name}"), FILE, String::new())
                }
                Step::Opaque(path) => (format!("{path}/.wh..wh..opq"), FILE, String::new()),
            }).collect();
            let items: Vec<Item<'_>> = named.iter().map(|(path, kind, text)| (path.as_str(), *kind, text.as_str())).collect();
            let bytes = layer(&items);
            unpacker.layer(bytes.as_slice(), &hex(&Sha256::digest(&bytes))).unwrap();
        }
        let found: Tree = place.tree().into_iter().map(|(name, text)| {
            let is_dir = place.root().join(&name).is_dir();
            (name, (!is_dir).then_some(text))
        }).collect();
        prop_assert_eq!(found, model(&layers));
    }

    /// Whatever the bytes, nothing panics and nothing is written outside.
    #[test]
    fn any_bytes_are_harmless(noise in prop::collection::vec((0_usize..2048, any::<u8>()), 1..20)) {
        let place = Box::new();
        let mut bytes = layer(&[("a/", FOLDER, ""), ("a/b", FILE, "text"), ("c", EntryType::Symlink, "../.."), ("c/secret", FILE, "x")]);
        for (at, byte) in noise {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        // An error is as good as a success.
        let _ = Unpacker::new(&place.root(), Limits { entries: 100, bytes: 1 << 20 }).layer(bytes.as_slice(), "");
        prop_assert_eq!(fs::read_to_string(place.dir.path().join("secret")).unwrap(), "outside");
        prop_assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 2);
    }
}
