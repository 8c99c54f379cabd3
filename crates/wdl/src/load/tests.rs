//! Tests of loading: identities, cycles, namespaces, structs and enums.

use std::{fmt::Write, fs, io, path::PathBuf, sync::Arc};

use insta::assert_snapshot;

use super::{FileLoader, Loaded, LoadedText, Loader, MemoryLoader, load};
use crate::{
    diagnostic::Diagnostic,
    limits::{MAX_IMPORT_DEPTH, STACK_BYTES},
    types::Type,
};

fn loaded(documents: &[(&str, &str)]) -> Loaded {
    let loader = documents.iter().fold(MemoryLoader::default(), |loader, (id, text)| loader.with(*id, *text));
    load(documents[0].0, &loader).unwrap()
}

fn report(loaded: &Loaded) -> String {
    let mut out = String::new();
    for finding in &loaded.diagnostics {
        write!(out, "{finding}").unwrap();
        if let Some(hint) = &finding.hint {
            write!(out, " ({hint})").unwrap();
        }
        out.push('\n');
    }
    out
}

fn struct_text(loaded: &Loaded, name: &str) -> String {
    let ty = &loaded.module.structs[name];
    let members: Vec<String> = ty.members.iter().map(|(n, t)| format!("{t} {n}")).collect();
    format!("{}: {}", ty.name, members.join(", "))
}

#[test]
fn each_document_is_read_once() {
    let documents = loaded(&[
        ("main", "version 1.0\nimport \"a\"\nimport \"b\" as bee"),
        ("a", "version 1.0\nimport \"c\""),
        ("b", "import \"c\"\ntask t { command {} }"),
        ("c", "version 1.0\ntask u { command {} }"),
    ]);
    assert_eq!(documents.sources.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["main", "a", "c", "b"]);
    let of = |from: &str| documents.module.namespace(from).unwrap().namespace("c").unwrap();
    assert!(Arc::ptr_eq(of("a"), of("bee")));
    let recorded: Vec<String> = documents.imports.iter().map(|(from, uri, to)| format!("{from}:{uri}={to}")).collect();
    assert_eq!(recorded, ["main:a=a", "a:c=c", "main:b=b", "b:c=c"]);
    assert!(documents.diagnostics.is_empty());
}

#[test]
fn a_recorded_run_loads_again() {
    let first = loaded(&[("main", "version 1.0\nimport \"x/a.wdl\""), ("x/a.wdl", "version 1.0\ntask t { command {} }")]);
    let texts = first.sources.iter().map(|(id, s)| (format!("/store/{id}"), (s.name.clone(), s.text.clone())));
    let links = first.imports.iter().map(|(a, uri, b)| (format!("/store/{a}"), uri.clone(), format!("/store/{b}")));
    let again = load("/store/main", &MemoryLoader::new(texts, links)).unwrap();
    assert!(again.module.namespace("a").unwrap().task("t").is_some());
    assert_eq!(again.sources[1].1.name, "x/a.wdl");
}

#[test]
fn cycles_are_shown() {
    let documents = loaded(&[
        ("main", "version 1.0\nimport \"a\""),
        ("a", "version 1.0\nimport \"b\""),
        ("b", "version 1.0\nimport \"main\"\nimport \"b\" as me"),
    ]);
    assert_snapshot!(report(&documents), @r"
    b:2:8: error: import cycle: `main` -> `a` -> `b` -> `main` (move what both need into a third document)
    b:3:8: error: import cycle: `b` -> `b` (move what both need into a third document)
    ");
}

#[test]
fn missing_documents_are_findings_unless_they_are_the_main_one() {
    let documents = loaded(&[("main", "version 1.0\nimport \"nowhere.wdl\" as n\nworkflow w { call n.t }")]);
    assert_snapshot!(report(&documents), @"main:2:8: error: cannot import `nowhere.wdl`: no such document");
    assert!(documents.module.document.losses.is_any());
    let failure = load("nowhere", &MemoryLoader::default()).unwrap_err();
    assert_eq!(failure.to_string(), "cannot read `nowhere`: no such document");
}

#[test]
fn names_and_versions_that_newer_documents_do_not_allow() {
    let documents = |version: &str| {
        loaded(&[
            (
                "main",
                &format!(
                    "version {version}\nimport \"my-tasks.wdl\"\nstruct t {{ Int a }}\nstruct w {{ Int a }}\ntask t {{ command {{}} }}\nworkflow w {{}}"
                ),
            ),
            ("my-tasks.wdl", "version 1.3\nenum E { a }\ntask E { command {} }"),
        ])
    };
    assert_snapshot!(report(&documents("1.0")), @r"
    main:2:8: warning[portability]: namespace `my-tasks` is no identifier: nothing in it can be called (give it a name with `as`)
    main:2:8: warning[portability]: document of version 1.0 imports one of version 1.3; other engines may refuse it (begin this document with `version 1.3`)
    main:3:8: warning[repeated-name]: struct and task are both named `t` (rename one of them)
    main:4:8: warning[repeated-name]: struct and workflow are both named `w` (rename one of them)
    my-tasks.wdl:2:6: error: enum and task are both named `E` (rename one of them)
    ");
    assert_snapshot!(report(&documents("1.2")), @r"
    main:2:8: error: namespace `my-tasks` is no identifier: nothing in it can be called (give it a name with `as`)
    main:2:8: error: a document of version 1.2 cannot import one of version 1.3 (begin this document with `version 1.3`)
    main:3:8: error: struct and task are both named `t` (rename one of them)
    main:4:8: error: struct and workflow are both named `w` (rename one of them)
    my-tasks.wdl:2:6: error: enum and task are both named `E` (rename one of them)
    ");
}

#[test]
fn namespaces() {
    let documents = loaded(&[
        ("main", "version 1.0\nimport \"x/a.wdl\"\nimport \"y/a.wdl\"\nimport \"x/a.wdl\"\nimport \"my-tasks.wdl?v=1\""),
        ("x/a.wdl", "version 1.0"),
        ("y/a.wdl", "version 1.0"),
        ("my-tasks.wdl?v=1", "version 1.0"),
    ]);
    assert_snapshot!(report(&documents), @r"
    main:3:8: error: namespace `a` is already taken (give another name with `as`)
    main:4:8: warning[repeated-name]: namespace `a` is already taken (give another name with `as`)
    main:5:8: warning[portability]: namespace `my-tasks` is no identifier: nothing in it can be called (give it a name with `as`)
    ");
    assert_eq!(documents.module.namespaces.last().unwrap().0, "my-tasks");
}

#[test]
fn repeated_tasks() {
    let documents = loaded(&[("main", "version 1.1\ntask t { command {} }\ntask t { command {} }\nworkflow t {}")]);
    assert_snapshot!(report(&documents), @r"
    main:3:6: error: second task named `t` (rename one of them)
    main:4:10: warning[repeated-name]: workflow and task are both named `t`; calls in this document mean the task (rename one of them)
    ");
}

// ---- structs ----

#[test]
fn structs_come_with_imports() {
    let documents = loaded(&[
        ("main", "version 1.0\nimport \"a\" alias Inner as Renamed\nstruct Mine { Renamed r Array[Outer]+ o }"),
        ("a", "version 1.0\nimport \"b\"\nstruct Outer { Inner i }"),
        ("b", "version 1.0\nstruct Inner { Int? n }\nstruct Other { Inner i }"),
    ]);
    assert!(documents.diagnostics.is_empty());
    let mut names: Vec<&str> = documents.module.structs.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["Mine", "Other", "Outer", "Renamed"]);
    assert_eq!(struct_text(&documents, "Renamed"), "Inner: Int? n");
    assert_eq!(struct_text(&documents, "Mine"), "Mine: Inner r, Array[Outer]+ o");
}

#[test]
fn equal_structs_are_one_type() {
    let documents = loaded(&[
        ("main", "version 1.1\nimport \"a\"\nimport \"b\"\nstruct S { Int x }"),
        ("a", "version 1.1\nstruct S { Int x }"),
        ("b", "version 1.1\nstruct S { Int x }"),
    ]);
    assert!(documents.diagnostics.is_empty());
    let theirs = &documents.module.namespace("a").unwrap().structs["S"];
    assert!(Arc::ptr_eq(&documents.module.structs["S"], theirs));
}

#[test]
fn different_structs_of_one_name() {
    let texts = |version: &str| {
        loaded(&[
            ("main", &format!("version {version}\nimport \"a\"\nimport \"b\"\nstruct S {{ Int x }}")),
            ("a", "version 1.0\nstruct S { Float x }\nstruct T { Int x }"),
            ("b", "version 1.0\nstruct T { Int y }"),
        ])
    };
    assert_snapshot!(report(&texts("1.1")), @r#"
    main:3:8: error: `b` brings another `T` than an earlier import (rename one: `import "b" alias T as OtherT`)
    main:4:8: error: struct `S` differs from the imported struct of the same name (rename one of them, or use `alias` at the import)
    "#);
    let lenient = texts("1.0");
    assert!(!lenient.diagnostics.iter().any(Diagnostic::is_error));
    assert_eq!(struct_text(&lenient, "S"), "S: Int x");
}

#[test]
fn wrong_structs() {
    let text = "version 1.1
import \"a\" alias Missng as M
struct A { B b }
struct B { Array[C] c Strng s }
struct C { A? a Int x Int x }
struct A { Int y }
";
    let documents = loaded(&[("main", text), ("a", "version 1.1\nstruct Missing { Int x }")]);
    assert_snapshot!(report(&documents), @r"
    main:2:18: error: `a` has no struct `Missng` (did you mean `Missing`?)
    main:4:23: error: unknown type `Strng` (did you mean `String`?)
    main:5:12: error: struct contains itself: `A` -> `B` -> `C` -> `A` (a struct cannot be recursive)
    main:5:27: error: second member `x` (rename one of them)
    main:6:8: error: `A` is defined twice (rename one of them)
    ");
}

#[test]
fn struct_towers_are_limited() {
    let tower = |n: usize, members: &str| {
        let levels: Vec<String> = (0..n).map(|i| format!("struct S{} {{ {} }}", i + 1, members.replace('@', &i.to_string()))).collect();
        loaded(&[("main", &format!("version 1.1\nstruct S0 {{ Int x }}\n{}", levels.join("\n")))])
    };
    assert!(tower(150, "S@ a").diagnostics.is_empty());
    assert!(report(&tower(250, "S@ a")).contains("struct `S199` is too large"));
    assert!(report(&tower(40, "S@ a S@ b")).contains("too large"));
}

// ---- enums ----

#[test]
fn enum_values() {
    let documents =
        loaded(&[("main", "version 1.3\nenum A { x, y }\nenum B { x = 1, y = 2.5 }\nenum C[File] { x = \"f\" }\nstruct S { B? b }")]);
    assert!(documents.diagnostics.is_empty(), "{}", report(&documents));
    let types: Vec<&Type> = ["A", "B", "C"].iter().map(|name| &documents.module.enums[*name].value_type).collect();
    assert_eq!(types, [&Type::String, &Type::Float, &Type::File]);
    assert_eq!(format!("{:?}", documents.module.enums["B"].choices[0].1), "Float(1.0)");
    assert_eq!(struct_text(&documents, "S"), "S: B? b");
}

#[test]
fn enums_of_one_name_agree_in_everything() {
    let texts = |second: &str| {
        let second = format!("version 1.3\n{second}");
        loaded(&[("main", "version 1.3\nimport \"a\"\nimport \"b\""), ("a", "version 1.3\nenum Shade { dark, light }"), ("b", &second)])
    };
    assert_eq!(report(&texts("enum Shade { dark, light, }")), "");
    for other in ["enum Shade { light, dark }", "enum Shade[String] { dark, light }", "enum Shade { dark, light = \"pale\" }"] {
        assert!(report(&texts(other)).contains("`b` brings another `Shade` than an earlier import"), "{other}");
    }
}

#[test]
fn wrong_enums() {
    let text = "version 1.3
enum A { x = 1, y = \"z\" }
enum B[Int] { x = \"z\", y }
enum C { x = 1 + 1, x }
enum D { x = \"~{y}\" }
";
    assert_snapshot!(report(&loaded(&[("main", text)])), @r#"
    main:2:6: error: choices of enum `A` have no common type (give every choice a value of the same type)
    main:3:19: error: choice `x`: `"z"` of type `String` cannot be used as `Int`
    main:3:24: error: choice `y`: `"y"` of type `String` cannot be used as `Int`
    main:4:14: error: value of a choice is not a literal (expressions and placeholders are not allowed here)
    main:4:21: error: second choice `x` (rename one of them)
    main:5:14: error: value of a choice is not a literal (expressions and placeholders are not allowed here)
    "#);
}

// ---- text and limits ----

struct Bytes(&'static [u8]);

impl Loader for Bytes {
    fn load(&self, _: &str, _: Option<&str>) -> io::Result<LoadedText> {
        Ok(LoadedText { id: "main".into(), name: "main.wdl".into(), text: self.0.to_vec() })
    }
}

#[test]
fn bytes_that_are_no_text() {
    let document = load("main", &Bytes(b"version 1.0\n# caf\xe9\nworkflow w { Int = 1 }")).unwrap();
    assert_snapshot!(report(&document), @r"
    main.wdl:2:6: error: document is not UTF-8 text (save it as UTF-8)
    main.wdl:3:18: error: expected a name for the declaration, found `=`
    ");
    let document = load("main", &Bytes(b"\xff\xfev\0e\0")).unwrap();
    assert!(report(&document).contains("it looks like UTF-16"));
    let document = load("main", &Bytes(b"\xef\xbb\xbfversion 1.1\nworkflow w {}")).unwrap();
    assert!(document.diagnostics.is_empty());
}

/// Every document imports the next one.
struct Endless;

impl Loader for Endless {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let id = importer.map_or(0, |i| i.parse::<usize>().unwrap() + 1).to_string();
        Ok(LoadedText { id, name: uri.into(), text: b"version 1.0\nimport \"next\" as n".to_vec() })
    }
}

#[test]
fn import_chains_are_limited() {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(|| {
            let document = load("first", &Endless).unwrap();
            assert_eq!(document.sources.len(), MAX_IMPORT_DEPTH);
            assert!(report(&document).contains("imports are nested more than 64 levels deep"));
        })
        .unwrap()
        .join()
        .unwrap();
}

// ---- files ----

#[test]
fn files_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let task = "version 1.0\ntask t { command {} }";
    write("lib/a b.wdl", task);
    write("flat/deep.wdl", task);
    write("mirror/x/y.wdl", "version 1.0\nimport \"../z.wdl\"");
    write("mirror/z.wdl", task);
    let single = write("single.wdl", task);
    let root = dir.path().display();
    let main = write(
        "flows/main.wdl",
        &format!(
            "version 1.0
            import \"../lib/./a b.wdl\" as relative
            import \"file://{root}/lib/a%20b.wdl\" as url
            import \"{root}/lib/a b.wdl\" as absolute
            import \"../../tasks/deep.wdl\" as by_name
            import \"https://example.org/pipes/x/y.wdl\" as mapped
            import \"https://example.org/one.wdl\" as one
            import \"https://example.org/other.wdl\" as other
            import \"../lib\" as folder
            import \"gone.wdl\" as gone"
        ),
    );
    let loader = FileLoader {
        search: vec![dir.path().join("flat")],
        map: vec![
            ("https://example.org/pipes/".into(), dir.path().join("mirror")),
            ("https://example.org/one.wdl".into(), single),
            ("https://elsewhere.org".into(), PathBuf::from("/nowhere")),
        ],
    };
    let documents = load(main.to_str().unwrap(), &loader).unwrap();
    assert_snapshot!(report(&documents).replace(&root.to_string(), "DIR"), @r"
    DIR/flows/main.wdl:8:20: error: cannot import `https://example.org/other.wdl`: no network import: give `--import-map URL=DIR`
    DIR/flows/main.wdl:9:20: error: cannot import `../lib`: it is a folder
    DIR/flows/main.wdl:10:20: error: cannot import `gone.wdl`: no such file
    ");
    let module = |name: &str| documents.module.namespace(name).unwrap();
    assert!(Arc::ptr_eq(module("relative"), module("url")) && Arc::ptr_eq(module("url"), module("absolute")));
    assert!(module("by_name").task("t").is_some() && module("one").task("t").is_some());
    assert!(module("mapped").namespace("z").unwrap().task("t").is_some());
}
