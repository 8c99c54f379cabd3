//! What users are told, and that nothing makes the reader panic or work for ever.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use batchyard_hocon::{Disk, Include, Length, Loader, Problems, Remark, Value};
use proptest::prelude::*;

fn read(text: &str) -> Result<(Value, Vec<Remark>), Problems> {
    let disk = Disk { built_in: &[("application.conf", "from = application")] };
    let mut loader = Loader::new(&disk);
    loader.add_text("x.conf", text);
    loader.resolve(&|name| (name == "HOME").then(|| "/home/yard".into()))
}

fn problems(text: &str) -> String {
    read(text).map(|(value, _)| value).unwrap_err().to_string()
}

#[test]
fn all_mistakes_are_told_with_place_line_and_hint() {
    let text = "a = me@x\nb { c = 1\n  d e\n  f = [1,, 2]\n}\ng = 5\nh = \"open\ni = 1+2\n}\nj = ok";
    let told = problems(text);
    let places: Vec<&str> = told.lines().filter(|line| line.starts_with("x.conf:")).collect();
    assert_eq!(places.len(), 6, "{told}");
    for (place, line) in places.iter().zip([1, 3, 4, 7, 8, 9]) {
        assert!(place.starts_with(&format!("x.conf:{line}:")), "{told}");
    }
    assert!(told.contains("x.conf:1:7: error: `@` cannot stand outside of quotes\n    1 | a = me@x\n      |       ^\n  hint: "), "{told}");
}

#[test]
fn unresolved_substitutions_are_all_told() {
    let told = problems("a = ${b.c}\nd = [${e}]\nf = ${f}\n");
    assert!(told.contains("x.conf:1:5: error: `${b.c}` is defined neither"), "{told}");
    assert!(told.contains("x.conf:2:6: error: `${e}`"), "{told}");
    assert!(told.contains("x.conf:3:5: error: `${f}` needs itself"), "{told}");
}

#[test]
fn passwords_stay_hidden_in_source_lines() {
    let told = problems("db { user = u, password = s3cret@here }");
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn what_guides_print_is_read_with_remarks() {
    let (value, remarks) =
        read("include required(classpath(application))\nurl = jdbc:mysql://h/d?a=b&c=d # x\np = a.B$\nw = a//b\n").unwrap();
    assert_eq!(value.string("url").unwrap().unwrap(), "jdbc:mysql://h/d?a=b&c=d");
    assert_eq!(value.string("p").unwrap().unwrap(), "a.B$");
    assert_eq!(value.string("from").unwrap().unwrap(), "application");
    assert_eq!(value.string("w").unwrap().unwrap(), "a");
    let lines: Vec<usize> = remarks.iter().map(|remark| remark.origin.as_ref().unwrap().line()).collect();
    assert_eq!(lines, [1, 2, 3, 4], "{remarks:?}");
}

#[test]
fn an_include_that_is_missing_is_remarked_upon() {
    let (_, remarks) = read("include \"absent.conf\"").unwrap();
    assert!(remarks[0].message.contains("`absent.conf`"), "{remarks:?}");
    assert!(problems("include url(\"http://example.org/x\")").contains("not supported"));
    assert!(problems("include required(classpath(\"nope\"))").contains("built in are"));
}

#[test]
fn typed_access_converts_as_lightbend_does() {
    let (value, _) = read(
        "a = \"12\", b = 3.7, c = yes, d = 5 minutes, e = 10k, f = [x, 1, true], g { 1 = b, 0 = a }\n\
         h = Inf, i = null, j { k = [[1]] }, \"l.m\" = 1, n = nan",
    )
    .unwrap();
    assert_eq!(value.integer("a", 0..=100).unwrap(), Some(12));
    assert_eq!(value.integer("b", 0..=100).unwrap(), Some(3));
    assert_eq!(value.boolean("c").unwrap(), Some(true));
    assert_eq!(value.duration("d").unwrap(), Some(Duration::from_secs(300)));
    assert_eq!(value.bytes("e").unwrap(), Some(10_240));
    assert_eq!(value.strings("f").unwrap().unwrap(), ["x", "1", "true"]);
    assert_eq!(value.strings("g").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(value.length("h").unwrap(), Some(Length::Infinite));
    assert_eq!(value.string("i").unwrap(), None);
    assert_eq!(value.string("nothing.at.all").unwrap(), None);
    assert_eq!(value.integer("\"l.m\"", 0..=9).unwrap(), Some(1));
    let told = |problem: batchyard_hocon::Problem| problem.to_string().lines().next().unwrap().to_string();
    assert_eq!(told(value.integer("a", 0..=9).unwrap_err()), "x.conf:1:5: error: `a` must be a whole number from 0 to 9, not \"12\"");
    assert_eq!(told(value.boolean("j").unwrap_err()), "x.conf:2:22: error: `j` must be `true` or `false`, not an object");
    assert_eq!(told(value.strings("j.k").unwrap_err()), "x.conf:2:29: error: `j.k[0]` must be a text, not a list");
    assert!(value.duration("h").is_err() && value.number("n").is_err());
}

#[test]
fn settings_win_and_say_where_they_are_from() {
    let disk = Disk { built_in: &[] };
    let mut loader = Loader::new(&disk);
    loader.add_text("x.conf", "a { b = 1 }, c = ${a.b}");
    loader.add_settings(&[("a.b".into(), "many".into())]);
    let (value, _) = loader.resolve(&|_| None).unwrap();
    assert_eq!(value.string("c").unwrap().unwrap(), "many");
    assert_eq!(
        value.integer("a.b", 0..=9).unwrap_err().to_string(),
        "-Da.b: error: `a.b` must be a whole number from 0 to 9, not \"many\""
    );
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin.conf"), b"a = \xe9").unwrap();
    let disk = Disk { built_in: &[] };
    for (name, reason) in [("latin.conf", "not UTF-8 from byte 4"), ("absent.conf", "no document"), ("", "a folder")] {
        let mut loader = Loader::new(&disk);
        loader.add(Include::File(folder.path().join(name).to_str().unwrap()));
        let told = loader.resolve(&|_| None).map(|(value, _)| value).unwrap_err().to_string();
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn hostile_documents_end_soon_with_a_problem() {
    let mut doubling = String::from("a0 = [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n");
    for i in 0..60 {
        doubling += &format!("b{} = ${{a{i}}} ${{a{i}}}\na{} = ${{b{}}} ${{b{}}}\n", i + 1, i + 1, i + 1, i + 1);
    }
    let mut chain = String::new();
    for i in 0..5_000 {
        chain += &format!("c{i} = ${{c{}}}\n", i + 1);
    }
    let mut wide = String::new();
    for i in 0..40 {
        wide += &format!("o {{ x = ${{?o.y}} ${{?o.z}}{i}, y = ${{?o.x}} ${{?o.z}}, z = ${{?o.y}}${{?o.x}} }}\n");
    }
    let documents = [
        ("open lists", "a = ".to_string() + &"[".repeat(200_000)),
        ("open objects", "a {".repeat(200_000)),
        ("a long key", "a.".repeat(200_000) + "b = 1"),
        ("nested keys", "a.b.c.d.e { ".repeat(50)),
        ("a chain", chain + "c5000 = 1"),
        ("doubling", doubling),
        ("parts that need each other", wide),
        ("substitution in substitution", "a = ".to_string() + &"${".repeat(100_000)),
        ("a list in itself", "a = [${a}, ${a}]".into()),
        ("many mistakes", "a = @\n".repeat(100_000)),
    ];
    for (name, text) in documents {
        let begin = Instant::now();
        let outcome = read(&text);
        assert!(begin.elapsed() < Duration::from_secs(20), "{name} took {:?}", begin.elapsed());
        if name != "parts that need each other" {
            let Err(problems) = outcome else { panic!("{name} was read") };
            assert!(!problems.0.is_empty() && problems.0.len() <= 25, "{name}");
        }
    }
}

const WORDS: &[&str] = &[
    "a",
    "b.c",
    "\"q\"",
    "\"\"\"t\"\"\"",
    "{",
    "}",
    "[",
    "]",
    "=",
    ":",
    "+=",
    ",",
    "\n",
    " ",
    "${a}",
    "${?b.c}",
    "${",
    "include ",
    "classpath(",
    "required(",
    "\"application\"",
    ")",
    "//",
    "#",
    "1",
    "-2.5",
    "true",
    "null",
    "\\",
    "$",
    "oss://x",
    "é",
    "\t",
    "\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn no_sequence_of_tokens_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        if let Err(problems) = read(&words.concat()) {
            prop_assert!(!problems.0.is_empty());
            let _ = problems.to_string();
        }
    }

    #[test]
    fn settings_of_any_kind_are_read(key in ".{0,30}", value in ".{0,30}") {
        let disk = Disk { built_in: &[] };
        let mut loader = Loader::new(&disk);
        loader.add_settings(&[(key, value)]);
        prop_assert!(loader.resolve(&|_| None).is_ok());
    }
}
