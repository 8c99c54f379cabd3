//! Whatever the text, the crate answers: no panic, and findings point into their document.

use std::{sync::Arc, thread};

use batchyard_wdl::{
    ast::Workflow,
    check::{check, workflow_outputs, workflow_scope_types},
    diagnostic::Diagnostic,
    format::{FormatError, format},
    graph::{dot, mermaid},
    limits::STACK_BYTES,
    lint::lint,
    load::{Loaded, MemoryLoader, load},
    module::Module,
    source::Source,
};
use proptest::{
    prelude::{Strategy, any, prop, proptest},
    sample::Index,
    test_runner::Config,
};

const DOCUMENTS: &[(&str, &str)] = &[
    ("draft2.wdl", include_str!("documents/draft2.wdl")),
    ("library.wdl", include_str!("documents/library.wdl")),
    ("v1_0.wdl", include_str!("documents/v1_0.wdl")),
    ("v1_1.wdl", include_str!("documents/v1_1.wdl")),
    ("v1_2.wdl", include_str!("documents/v1_2.wdl")),
    ("v1_3.wdl", include_str!("documents/v1_3.wdl")),
];

/// Pieces that change the meaning of what follows them.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "~{",
    "${",
    "<<<",
    ">>>",
    "\\",
    "\n",
    "\r\n",
    "/*",
    "*/",
    "#",
    ",",
    ":",
    "=",
    "==",
    "?",
    "+",
    "-",
    "!",
    "**",
    "if ",
    "then ",
    "else ",
    "call ",
    "as ",
    "task ",
    "workflow ",
    "struct A { A a }",
    "enum E { a, b }",
    "import \"library.wdl\"",
    "import \"v1_1.wdl\" as x\n",
    "version 1.0\n",
    "version 1.3\n",
    "object {",
    "Array[",
    "Map[Int, ",
    "input {",
    "output {",
    "command <<<",
    "command {",
    "runtime {",
    "scatter (x in ",
    "None",
    "9223372036854775808",
    "1e999",
    "\u{feff}",
    "é",
    "\u{0}",
];

fn loaded(id: &str, text: &str) -> Loaded {
    let loader = DOCUMENTS.iter().fold(MemoryLoader::default(), |loader, (id, text)| loader.with(*id, *text));
    load(id, &loader.with(id, text)).expect("the main document is in memory")
}

/// Does everything that can be done with a document.
fn exercise(id: &str, text: &str) {
    let loaded = loaded(id, text);
    let findings = check(&loaded.module);
    for finding in loaded.diagnostics.iter().chain(&findings) {
        let text = &finding.source.text;
        let (start, end) = (finding.span.start as usize, finding.span.end as usize);
        assert!(start <= end && text.get(start..end).is_some(), "{finding} at {start}..{end}");
        assert!(!finding.message.is_empty());
    }
    lint(&loaded.module);
    match format(&loaded.module.document.source) {
        Ok(once) => assert_eq!(format(&Source::new(id, once.as_str())).expect("a layout can be read"), once),
        Err(error) => assert!(matches!(error, FormatError::Syntax(_)), "no safe layout for {text:?}"),
    }
    if let Some(workflow) = &loaded.module.document.workflow {
        draw(&loaded.module, workflow);
    }
}

fn draw(module: &Arc<Module>, workflow: &Workflow) {
    workflow_scope_types(module, workflow);
    workflow_outputs(module, workflow);
    assert!(dot(module, workflow).starts_with("digraph "));
    assert!(mermaid(module, workflow).starts_with("flowchart "));
}

/// A change of a text.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index, usize),
    Insert(Index, &'static str, usize),
    Repeat(Index, usize, Index),
    Truncate(Index),
    Character(Index, char),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop::strategy::Union::new([
        (place(), 0..60_usize).prop_map(|(at, length)| Change::Cut(at, length)).boxed(),
        (place(), prop::sample::select(PIECES), 1..4_usize).prop_map(|(at, piece, times)| Change::Insert(at, piece, times)).boxed(),
        (place(), 0..300_usize, place()).prop_map(|(from, length, to)| Change::Repeat(from, length, to)).boxed(),
        place().prop_map(Change::Truncate).boxed(),
        (place(), any::<char>()).prop_map(|(at, c)| Change::Character(at, c)).boxed(),
    ])
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let length = chars.len();
        let place = |index: &Index| index.index(length + 1);
        match change {
            Change::Cut(at, count) => {
                let at = place(at);
                chars.drain(at..(at + count).min(length));
            }
            Change::Insert(at, piece, times) => {
                let at = place(at);
                chars.splice(at..at, piece.repeat(*times).chars());
            }
            Change::Repeat(from, count, to) => {
                let from = place(from);
                let copied = chars[from..(from + count).min(length)].to_vec();
                let to = place(to);
                chars.splice(to..to, copied);
            }
            Change::Truncate(at) => chars.truncate(place(at)),
            Change::Character(at, c) => chars.insert(place(at), *c),
        }
    }
    chars.into_iter().collect()
}

#[test]
fn the_documents_are_right() {
    for (id, text) in DOCUMENTS {
        let loaded = loaded(id, text);
        let findings: Vec<String> =
            loaded.diagnostics.iter().chain(&check(&loaded.module)).filter(|d| d.is_error()).map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{findings:?}");
        exercise(id, text);
    }
}

#[test]
fn every_beginning_of_a_document_is_answered() {
    for (id, text) in DOCUMENTS {
        for (end, _) in text.char_indices() {
            exercise(id, &text[..end]);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn changed_documents_are_answered(document in 0..DOCUMENTS.len(), changes in prop::collection::vec(change(), 1..6)) {
        let (id, text) = DOCUMENTS[document];
        exercise(id, &apply(text, &changes));
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        exercise("main.wdl", &text);
    }

    #[test]
    fn any_pieces_are_answered(version in 0..4, pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        exercise("main.wdl", &format!("version 1.{version}\nworkflow w {{ {}", pieces.concat()));
    }
}

#[test]
fn hostile_documents_are_answered() {
    let workflow = |body: String| format!("version 1.3\nworkflow w {{ {body} }}");
    let numbered =
        |n: usize, line: &str| (0..n).map(|i| line.replace("@+", &(i + 1).to_string()).replace('@', &i.to_string())).collect::<String>();
    let texts = vec![
        workflow(format!("Int x = {}", "(".repeat(50_000))),
        workflow(format!("String x = {}", "\"~{".repeat(50_000))),
        workflow(format!("Int x = 1{}", " + 1".repeat(1_990))),
        workflow(format!("Int x = {} 1", "if true then 1 else ".repeat(1_900))),
        workflow("scatter (x in [1]) { ".repeat(50_000)),
        workflow(format!("Int a0 = 1 {}", numbered(20_000, "Int a@+ = a@ "))),
        workflow(numbered(20_000, "Int a@ = unknown@ ")),
        workflow(format!("Int x0 = 1 {} String s = x150 {}", numbered(150, "scatter (x@+ in [(x@, x@)]) { "), "}".repeat(150))),
        format!("version 1.3\nstruct S0 {{ Int a }}\n{}", numbered(5_000, "struct S@+ { S@ a S@ b }\n")),
        format!(
            "version 1.3\ntask t {{ command {{}} output {{ {} }} }}\nworkflow w {{ {} }}",
            numbered(2_000, "Int o@ = 1 "),
            numbered(2_000, "scatter (x in [1]) { call t as c@ } ")
        ),
        format!("version 1.0\ntask t {{ command <<< {} >>> }}", "~{/*".repeat(50_000)),
        "{".repeat(50_000),
        "import \"main.wdl\"\n".repeat(2_000),
    ];
    let run = move || texts.iter().for_each(|text| exercise("main.wdl", text));
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn errors_are_never_crowded_out() {
    let warnings = "String a = \"\\d\"\n".repeat(2_000);
    let loaded = loaded("main.wdl", &format!("version 1.0\nworkflow w {{\n{warnings} Int = 1\n}}"));
    assert_eq!(loaded.diagnostics.iter().filter(|d| Diagnostic::is_error(d)).count(), 1);
}
