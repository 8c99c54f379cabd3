//! What tests of this crate share: documents from text and a host that lives in memory.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use crate::{
    ast::Expr,
    eval::{EvalError, Evaluator, Host, PathKind, literal_text},
    json::from_json,
    module::Module,
    parse::parse,
    source::Source,
    types::{EnumType, StructType, Type},
    value::Value,
    version::{Dialect, Version},
};

/// Files by path. What lies under `/in/` is known as `/task/...` inside a task.
#[derive(Default)]
pub(crate) struct Memory {
    /// Contents by path.
    pub(crate) files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Whether texts are made for a command.
    pub(crate) inside_task: bool,
}

impl Memory {
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        Memory { files: RefCell::new(files), inside_task: false }
    }
}

fn absent(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no {path}"))
}

impl Host for Memory {
    fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let content = self.files.borrow().get(path).cloned().ok_or_else(|| absent(path))?;
        if content.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    fn write(&self, function: &str, content: &[u8]) -> io::Result<Arc<str>> {
        let mut files = self.files.borrow_mut();
        let path = format!("/made/{function}_{}", files.len());
        files.insert(path.clone(), content.to_vec());
        Ok(Arc::from(path))
    }

    fn size(&self, path: &str) -> io::Result<u64> {
        self.files.borrow().get(path).map(|c| c.len() as u64).ok_or_else(|| absent(path))
    }

    fn exists(&self, path: &str) -> Option<PathKind> {
        self.files.borrow().contains_key(path).then_some(PathKind::File)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<Arc<str>>> {
        let wanted = pattern.trim_start_matches('*');
        Ok(self.files.borrow().keys().filter(|p| p.ends_with(wanted)).map(|p| Arc::from(p.as_str())).collect())
    }

    fn stdout(&self) -> io::Result<Arc<str>> {
        Ok(Arc::from("/out"))
    }

    fn stderr(&self) -> io::Result<Arc<str>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "`stderr` can only be used in the outputs of a task"))
    }

    fn path_text(&self, path: &str) -> Arc<str> {
        match path.strip_prefix("/in/") {
            Some(rest) if self.inside_task => Arc::from(format!("/task/{rest}")),
            _ => Arc::from(path),
        }
    }
}

/// The module of a text; imports are not followed. Its first error ends the test.
pub(crate) fn module(text: &str) -> Arc<Module> {
    let source = Source::new("test.wdl", text);
    let (document, findings) = parse(&source);
    if let Some(error) = findings.iter().find(|d| d.is_error()) {
        panic!("{error}\n{text}");
    }
    let mut module = Module { document, namespaces: Vec::new(), structs: HashMap::new(), enums: HashMap::new(), id: String::new() };
    // In textual order, so a struct may only use those before it.
    let definitions: Vec<_> = module.document.structs.iter().map(|s| (s.name.text.to_string(), s.members.clone())).collect();
    for (name, members) in definitions {
        let members = members.iter().map(|d| (d.name.text.to_string(), module.resolve(&d.ty).expect("a known type"))).collect();
        module.structs.insert(name.clone(), Arc::new(StructType { name, members }));
    }
    let color = EnumType {
        name: "Color".to_owned(),
        value_type: Type::Int,
        typed: false,
        choices: vec![("Red".to_owned(), Value::Int(1)), ("Green".to_owned(), Value::Int(2))],
    };
    module.enums.insert("Color".to_owned(), Arc::new(color));
    Arc::new(module)
}

/// A document in whose first task the expression is the value of output `x`.
fn around(version: Version, expression: &str) -> String {
    let (head, structs) = match version {
        Version::Draft2 => (String::new(), ""),
        v => (format!("version {v}\n"), "struct Point {\n  Int x\n  Float? y\n}\n"),
    };
    format!("{head}{structs}task t {{\n  command {{ }}\n  output {{\n    String x = {expression}\n  }}\n}}\n")
}

/// An expression of a version, with the module it stands in.
pub(crate) fn expression(version: Version, text: &str) -> (Arc<Module>, Expr) {
    let module = module(&around(version, text));
    let task = module.document.tasks.first().expect("a task");
    let value = task.outputs.first().and_then(|d| d.value.clone()).expect("an output");
    (module, value)
}

/// Variables that every test can use.
fn variable(name: &str) -> Option<Value> {
    let json = |text: &str, ty: &Type| {
        let parsed = serde_json::from_str(text).expect("JSON");
        Some(from_json(&parsed, ty, Dialect::Cromwell).expect("a fitting value"))
    };
    match name {
        "undefined" | "none" => Some(Value::None),
        "yes" => Some(Value::Boolean(true)),
        "no" => Some(Value::Boolean(false)),
        "five" => Some(Value::Int(5)),
        "text" => Some(Value::string("text")),
        "file" => Some(Value::file("/in/a.bam")),
        "files" => Some(Value::array(vec![Value::file("/in/a.bam"), Value::file("/in/b.bam")])),
        "dir" => Some(Value::Directory(Arc::from("/in/d"))),
        "words" => json(r#"["a", "b", "c"]"#, &Type::array(Type::String)),
        "numbers" => json("[1, 2, 3]", &Type::array(Type::Int)),
        "floats" => json("[1.0, 2.5]", &Type::array(Type::Float)),
        "empty" => Some(Value::array(Vec::new())),
        "maybe" => json(r#"["a", null]"#, &Type::array(Type::String.optional())),
        "map" => json(r#"{"b": 1, "a": 2}"#, &Type::map(Type::String, Type::Int)),
        "object1" => json(r#"{"a": 1, "b": {"c": "d"}}"#, &Type::Object),
        "big" => Some(Value::Int(i64::MAX)),
        _ => None,
    }
}

/// Evaluates an expression with a host of one's own.
pub(crate) fn eval_with(host: &Memory, version: Version, text: &str) -> Result<Value, EvalError> {
    let (module, expression) = expression(version, text);
    let scope: &dyn Fn(&str) -> Option<Value> = &variable;
    let evaluator = Evaluator { module: &module, scope: &scope, host, version, dialect: Dialect::of(version) };
    evaluator.eval(&expression)
}

/// Evaluates an expression and shows the value as a literal, or the error after `error: `.
pub(crate) fn show_with(host: &Memory, version: Version, text: &str) -> String {
    match eval_with(host, version, text) {
        Ok(value) => literal_text(&value, Dialect::of(version), 10_000),
        Err(e) => format!("error: {e}"),
    }
}

/// [`show_with`] a host without files.
pub(crate) fn show(version: Version, text: &str) -> String {
    show_with(&Memory::default(), version, text)
}

/// Checks a table of expressions and what each shows; `error: ...` needs to be contained only.
pub(crate) fn check(versions: &[Version], table: &[(&str, &str)]) {
    check_with(&Memory::default(), versions, table);
}

/// [`check`] with a host of one's own.
pub(crate) fn check_with(host: &Memory, versions: &[Version], table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for version in versions {
        for (text, expected) in table {
            let shown = show_with(host, *version, text);
            let fits =
                if expected.starts_with("error") { shown.starts_with("error") && shown.contains(*expected) } else { shown == *expected };
            if !fits {
                wrong.push(format!("{version}: {text}\n  expected {expected}\n  found    {shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
