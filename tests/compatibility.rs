//! Holds what the compatibility tables promise: whatever they call the same or better is tested, by tests that exist.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each table in both languages.
const TABLES: [(&str, &str); 4] = [
    (include_str!("../docs/compatibility-batchcompute.md"), include_str!("../docs/compatibility-batchcompute.zh-CN.md")),
    (include_str!("../docs/compatibility-bcs.md"), include_str!("../docs/compatibility-bcs.zh-CN.md")),
    (include_str!("../docs/compatibility-cromwell.md"), include_str!("../docs/compatibility-cromwell.zh-CN.md")),
    (include_str!("../docs/compatibility-oss.md"), include_str!("../docs/compatibility-oss.zh-CN.md")),
];
/// What each verdict is called in both languages, and whether it needs a test.
const VERDICTS: [(&str, &str, bool); 4] =
    [("same", "相同", true), ("better", "更好", true), ("differs", "不同", false), ("not yet", "尚无", false)];

/// One row: what it is about, the verdict's place in [`VERDICTS`], and its tests.
struct Row<'t> {
    about: &'t str,
    verdict: usize,
    tests: Vec<&'t str>,
}

fn rows<'t>(text: &'t str, name: impl Fn(&(&'static str, &'static str, bool)) -> &'static str) -> Vec<Row<'t>> {
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| | "));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [about, verdict, _, tests] = cells[..] else { panic!("a row has four cells: {line}") };
            let place = VERDICTS.iter().position(|known| name(known) == verdict).unwrap_or_else(|| panic!("no verdict: {line}"));
            Row { about, verdict: place, tests: tests.split_whitespace().map(|test| test.trim_matches('`')).collect() }
        })
        .collect()
}

/// All rows of the tables in English.
fn english() -> Vec<Row<'static>> {
    TABLES.iter().flat_map(|(english, _)| rows(english, |verdict| verdict.0)).collect()
}

/// Files that the module of a test may be in.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_module(path: &Path, module: &str) -> bool {
    let name = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    name(path) == module || (name(path) == "tests" && path.parent().is_some_and(|folder| name(folder) == module))
}

/// Whether a function of this name stands in the text with `#[test]` above it.
fn has_test(text: &str, name: &str) -> bool {
    let start = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&start))
}

#[test]
fn every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("tests/e2e"), &mut files);
    sources(&root.join("crates"), &mut files);
    let named: BTreeSet<&str> = english().into_iter().flat_map(|row| row.tests).collect();
    assert!(named.len() > 50, "only {} tests are named", named.len());
    for test in named {
        let (module, name) = test.split_once("::").unwrap_or_else(|| panic!("`{test}` is no module::name"));
        let found = files.iter().filter(|path| is_module(path, module)).any(|path| has_test(&fs::read_to_string(path).unwrap(), name));
        assert!(found, "there is no test `{test}`");
    }
}

#[test]
fn what_is_called_the_same_is_tested() {
    for row in english() {
        assert!(!VERDICTS[row.verdict].2 || !row.tests.is_empty(), "{} is called {} without a test", row.about, VERDICTS[row.verdict].0);
    }
}

#[test]
fn both_languages_say_the_same() {
    for (english, chinese) in TABLES {
        let (english, chinese) = (rows(english, |verdict| verdict.0), rows(chinese, |verdict| verdict.1));
        assert_eq!(english.len(), chinese.len());
        for (one, other) in english.iter().zip(&chinese) {
            assert_eq!((one.verdict, &one.tests), (other.verdict, &other.tests), "{} / {}", one.about, other.about);
        }
    }
}
