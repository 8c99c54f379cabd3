//! Stored seeds and seeded changes of them through everything that takes a stranger's bytes: lexer and parser,
//! loader and checker, evaluator, inputs. None may panic, overflow the stack, hang or eat the memory.
//!
//! The changes follow from `SEED` (default 1), so a failure repeats; `FUZZ_SECONDS` makes a longer hunt of it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{
    cell::Cell,
    collections::HashMap,
    fs, io,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use batchyard_wdl::{
    ast::{Decl, Expr, Node, StringPart},
    check::check,
    diagnostic::Diagnostic,
    eval::{Evaluator, Host, PathKind},
    format::format,
    inputs::{bind, list_inputs},
    json::{from_json, from_json_any, to_json},
    limits::STACK_BYTES,
    lint::lint,
    load::{LoadedText, Loader, load},
    module::{Callee, Module},
    parse::parse,
    source::Source,
    value::Value,
    version::Dialect,
};
use serde_json::Value as Json;

/// Longest time for one input in an unoptimised build; a hang takes for ever.
const INPUT_LIMIT: Duration = Duration::from_secs(20);
/// Most memory that all of this may ever have used, in KiB.
const MEMORY_LIMIT_KIB: u64 = 1_500_000;
/// Longest input made by changes, in bytes.
const LONGEST: usize = 20_000;

/// Pieces that mean something where they land.
const PIECES: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"\"",
    b"'",
    b"~{",
    b"${",
    b"<<<",
    b">>>",
    b"\\",
    b"\n",
    b"\0",
    b"\xff",
    b"#",
    b",",
    b":",
    b"=",
    b"?",
    b"+",
    b"-",
    b"!",
    b"/",
    b"%",
    b".",
    b"if ",
    b"call ",
    b"task t ",
    b"workflow w ",
    b"struct S { S s }",
    b"import \"strings.wdl\" ",
    b"version 1.1\n",
    b"9223372036854775807",
    b"1e308",
    b"null",
    b"range(99)",
    b"object {",
    b"Array[Map[Int,",
];

/// A generator that gives the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(30)).min(bytes.len());
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] = self.next() as u8,
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
            3 => drop(bytes.splice(at..end, PIECES[self.below(PIECES.len())].repeat(1 + self.below(4)))),
            4 => {
                let copied = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copied);
            }
            5 => bytes.truncate(at),
            _ => {
                let from = self.below(other.len() + 1);
                let upto = (from + self.below(200)).min(other.len());
                bytes.splice(at..end, other[from..upto].iter().copied());
            }
        }
        bytes.truncate(LONGEST);
    }
}

fn corpus(extension: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for folder in ["corpus", "documents"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == extension) {
                seeds.push((path.display().to_string(), fs::read(path).unwrap()));
            }
        }
    }
    seeds.sort();
    assert!(seeds.len() > 2, "the corpus is there");
    seeds
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs `target` on every seed and then on changed ones until `share` seconds are over. Each input is watched: one
/// that takes too long is printed and fails the test.
fn hunt(name: &'static str, extension: &str, share: u64, target: fn(&[u8])) {
    let seeds = corpus(extension);
    let time = Duration::from_secs(number("FUZZ_SECONDS", share));
    let current: Arc<Mutex<(Instant, Vec<u8>)>> = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (done, finished) = mpsc::channel();
    let watched = Arc::clone(&current);
    let work = move || {
        let run = |input: &[u8]| {
            *watched.lock().unwrap() = (Instant::now(), input.to_vec());
            target(input);
        };
        for (_, seed) in &seeds {
            run(seed);
        }
        let mut random = Random(number("SEED", 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let start = Instant::now();
        let mut count = seeds.len();
        while start.elapsed() < time {
            let mut input = seeds[random.below(seeds.len())].1.clone();
            for _ in 0..=random.below(6) {
                let other = random.below(seeds.len());
                random.change(&mut input, &seeds[other].1);
            }
            run(&input);
            count += 1;
        }
        let _ = done.send(count);
    };
    let worker = thread::Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(work).unwrap();
    loop {
        match finished.recv_timeout(Duration::from_millis(100)) {
            Ok(count) => {
                assert!(count > 50, "{name}: only {count} inputs in {time:?}");
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let current = current.lock().unwrap();
                assert!(current.0.elapsed() < INPUT_LIMIT, "{name}: more than {INPUT_LIMIT:?} for {}", shown(&current.1));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let panicked = worker.join().is_err();
    let last = current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(!panicked, "{name}: panic (above) on {}", shown(&last.1));
    assert!(peak_kib() < MEMORY_LIMIT_KIB, "{name}: {} KiB were used", peak_kib());
}

fn shown(input: &[u8]) -> String {
    format!("these {} bytes: b\"{}\"", input.len(), input.escape_ascii())
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

fn sound(findings: &[Diagnostic]) {
    for finding in findings {
        let text = &finding.source.text;
        assert!(text.get(finding.span.start as usize..finding.span.end as usize).is_some(), "{finding}");
        // Writing it out looks up lines and columns.
        assert!(!finding.to_string().is_empty());
    }
}

/// The corpus as a place for imports; the main document is the changed one.
struct Corpus<'a>(&'a [u8]);

impl Loader for Corpus<'_> {
    fn load(&self, uri: &str, importer: Option<&str>) -> io::Result<LoadedText> {
        let text = match importer {
            None => self.0.to_vec(),
            Some(_) if uri.contains('/') || uri.contains('\0') => return Err(io::ErrorKind::NotFound.into()),
            Some(_) => fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(uri))?,
        };
        Ok(LoadedText { id: uri.to_owned(), name: uri.to_owned(), text })
    }
}

#[test]
fn lexer_and_parser() {
    hunt("parse", "wdl", 2, |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let source = Source::new("main.wdl", text);
        let (_, findings) = parse(&source);
        sound(&findings);
    });
}

#[test]
fn loader_and_checker() {
    hunt("check", "wdl", 3, |bytes| {
        let loaded = load("main.wdl", &Corpus(bytes)).unwrap();
        sound(&loaded.diagnostics);
        sound(&check(&loaded.module));
        sound(&lint(&loaded.module));
        if let Ok(once) = format(&loaded.module.document.source) {
            let twice = format(&Source::new("main.wdl", once.as_str()));
            assert_eq!(twice.ok(), Some(once), "the layout of a layout is itself");
        }
    });
}

/// Small files, limited writing.
#[derive(Default)]
struct Files {
    written: Cell<usize>,
}

impl Host for Files {
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let content: &[u8] = match path {
            "in.tsv" => b"a\tb\nc\td\n",
            "num" => b"12.5\n",
            "out" => b"{\"a\": [1, {\"b\": null}]}",
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        if content.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content.to_vec()) }
    }
    fn write(&self, function: &str, content: &[u8]) -> io::Result<Arc<str>> {
        self.written.set(self.written.get() + content.len());
        Ok(format!("/written/{function}").into())
    }
    fn size(&self, path: &str) -> io::Result<u64> {
        Ok(path.len() as u64)
    }
    fn exists(&self, path: &str) -> Option<PathKind> {
        path.len().is_multiple_of(2).then_some(PathKind::File)
    }
    fn glob(&self, pattern: &str) -> io::Result<Vec<Arc<str>>> {
        Ok(vec![pattern.into()])
    }
    fn stdout(&self) -> io::Result<Arc<str>> {
        Ok("out".into())
    }
    fn stderr(&self) -> io::Result<Arc<str>> {
        Ok("num".into())
    }
    fn path_text(&self, path: &str) -> Arc<str> {
        path.into()
    }
}

/// Evaluates whatever a document holds, in textual order, right or wrong.
struct Everything<'a> {
    module: &'a Module,
    host: &'a Files,
    names: HashMap<Arc<str>, Value>,
    dialect: Dialect,
}

impl Everything<'_> {
    fn with<T>(&self, work: impl FnOnce(Evaluator<'_>) -> T) -> T {
        work(Evaluator {
            module: self.module,
            scope: &self.names,
            host: self.host,
            version: self.module.document.version,
            dialect: self.dialect,
        })
    }

    fn expr(&self, expr: &Expr) -> Option<Value> {
        let value = self.with(|evaluator| evaluator.eval(expr)).ok()?;
        let json = to_json(&value);
        drop(from_json_any(&json));
        Some(value)
    }

    fn decl(&mut self, decl: &Decl) {
        let Some(expr) = &decl.value else { return };
        let value = match self.module.resolve(&decl.ty) {
            Ok(ty) => self.with(|evaluator| evaluator.eval_as(expr, &ty)).ok(),
            Err(_) => self.expr(expr),
        };
        if let Some(value) = value {
            self.names.insert(Arc::clone(&decl.name.text), value);
        }
    }

    fn text(&self, parts: &[StringPart]) {
        drop(self.with(|evaluator| evaluator.render(parts)));
    }

    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Decl(decl) => self.decl(decl),
                Node::Call(call) => call.inputs.iter().filter_map(|(_, e)| e.as_ref()).for_each(|e| drop(self.expr(e))),
                Node::Scatter(scatter) => {
                    if let Some(Value::Array(items)) = self.expr(&scatter.collection)
                        && let Some(item) = items.first()
                    {
                        self.names.insert(Arc::clone(&scatter.variable.text), item.clone());
                    }
                    self.nodes(&scatter.body);
                }
                Node::If(conditional) => {
                    for clause in &conditional.clauses {
                        clause.condition.iter().for_each(|e| drop(self.expr(e)));
                        self.nodes(&clause.body);
                    }
                }
            }
        }
    }
}

#[test]
fn evaluator() {
    hunt("eval", "wdl", 3, |bytes| {
        let loaded = load("main.wdl", &Corpus(bytes)).unwrap();
        let module = &loaded.module;
        let host = Files::default();
        for dialect in [Dialect::Cromwell, Dialect::Specification] {
            let mut all = Everything { module, host: &host, names: HashMap::new(), dialect };
            for task in &module.document.tasks {
                task.inputs.iter().chain(&task.decls).for_each(|decl| all.decl(decl));
                all.text(&task.command.parts);
                task.runtime.iter().chain(&task.requirements).chain(&task.hints).for_each(|(_, e)| drop(all.expr(e)));
                task.outputs.iter().for_each(|decl| all.decl(decl));
            }
            if let Some(workflow) = &module.document.workflow {
                workflow.inputs.iter().for_each(|decl| all.decl(decl));
                all.nodes(&workflow.body);
                workflow.outputs.iter().flat_map(|o| &o.decls).for_each(|decl| all.decl(decl));
            }
        }
    });
}

#[test]
fn inputs_as_json() {
    hunt("json", "json", 2, |bytes| {
        // What is no JSON is the JSON library's matter; nesting that it refuses never reaches us.
        let Ok(json) = serde_json::from_slice::<Json>(bytes) else { return };
        let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/inputs.wdl")).unwrap();
        let loaded = load("main.wdl", &Corpus(&text)).unwrap();
        let workflow = loaded.module.document.workflow.as_ref().unwrap();
        let callee = Callee::Workflow(Arc::clone(&loaded.module), Arc::clone(workflow));
        for dialect in [Dialect::Cromwell, Dialect::Specification] {
            if let Json::Object(map) = &json
                && let Err(problems) = bind(&callee, map, dialect)
            {
                assert!(problems.iter().all(|problem| !problem.message.is_empty()));
            }
            for input in list_inputs(&callee, true) {
                drop(from_json(&json, &input.ty, dialect).map(|value| to_json(&value)));
            }
        }
        drop(to_json(&from_json_any(&json)));
    });
}
