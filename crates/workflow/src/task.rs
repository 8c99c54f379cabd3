//! The values of one attempt of a task: inputs, declarations and outputs, each computed when first asked for.

mod named;
mod placed;

use std::{
    cell::RefCell,
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use batchyard_wdl::{
    ast::{Decl, Expr, MetaValue, Name, StringPart, Task},
    coerce,
    diagnostic::Diagnostic,
    eval::{EvalError, Evaluator, Host, PathKind, Scope},
    inputs,
    module::{Module, clean},
    source::Span,
    types::Type,
    value::Value,
    version::{Dialect, Version},
};
use indexmap::IndexMap;

use crate::{
    attributes::{is_requirement, prevail},
    documents::Failure,
    frame::outputs_object,
    host::TaskHost,
    runtime::Runtime,
};

/// One attempt of a task, from its inputs to its outputs.
#[derive(Debug)]
pub struct TaskFrame {
    module: Arc<Module>,
    task: Arc<Task>,
    dialect: Dialect,
    /// The files it may touch.
    pub host: TaskHost,
    values: RefCell<IndexMap<Arc<str>, Value>>,
    /// Names of the inputs that were given.
    given: HashSet<Arc<str>>,
    /// Names being evaluated, to notice a declaration that needs itself.
    open: RefCell<Vec<Arc<str>>>,
    /// The first failure inside a name's evaluation; the expression that used the name knows less about it.
    failure: RefCell<Option<Failure>>,
    /// What the attempt before this one asked for.
    previous: Option<Runtime>,
    finished: bool,
}

impl TaskFrame {
    /// An attempt in `call_dir` with these inputs (original paths).
    pub fn new(module: &Arc<Module>, task: &Arc<Task>, dialect: Dialect, call_dir: &Path, inputs: &IndexMap<Arc<str>, Value>) -> Self {
        let mut host = TaskHost::new(call_dir);
        // The texts of 1.2 (since 1.2.1) and 1.3 say so; the older ones say nothing.
        host.dangling_globs = module.document.version >= Version::V1_2;
        for value in inputs.values() {
            inputs::files(value, &mut |path, directory| {
                if directory {
                    host.expect_directory(path);
                }
            });
        }
        let values = inputs.iter().map(|(name, value)| (Arc::clone(name), localize(&host, value))).collect();
        TaskFrame {
            module: Arc::clone(module),
            task: Arc::clone(task),
            dialect,
            host,
            values: RefCell::new(values),
            given: inputs.keys().cloned().collect(),
            open: RefCell::default(),
            failure: RefCell::default(),
            previous: None,
            finished: false,
        }
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The task, to keep.
    pub fn shared_task(&self) -> &Arc<Task> {
        &self.task
    }

    /// The document it is in.
    pub fn module(&self) -> &Module {
        &self.module
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { module: &self.module, scope: self, host: &self.host, version: self.module.document.version, dialect: self.dialect }
    }

    /// The value of an expression of the task.
    ///
    /// # Errors
    /// What went wrong, with its place in the document.
    pub fn eval(&self, expr: &Expr) -> Result<Value, Failure> {
        self.failure.borrow_mut().take();
        self.evaluator().eval(expr).map_err(|e| self.failed(&e))
    }

    /// The command with its placeholders filled in.
    ///
    /// # Errors
    /// What went wrong, with its place in the document.
    pub fn command(&self) -> Result<String, Failure> {
        self.render(&self.task.command.parts)
    }

    fn render(&self, parts: &[StringPart]) -> Result<String, Failure> {
        self.failure.borrow_mut().take();
        self.evaluator().render(parts).map_err(|e| self.failed(&e))
    }

    /// Computes every input and declaration, so that all files to put in place are known.
    ///
    /// # Errors
    /// The first one that has no value.
    pub fn settle(&self) -> Result<(), Failure> {
        for decl in self.task.inputs.iter().chain(&self.task.decls) {
            if self.values.borrow().contains_key(&decl.name.text) {
                continue;
            }
            self.failure.borrow_mut().take();
            self.declared(decl)?;
        }
        Ok(())
    }

    /// Environment variables that the task declares (1.2): name and text.
    ///
    /// # Errors
    /// A value that cannot be computed.
    pub fn environment(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut variables = Vec::new();
        for decl in self.task.inputs.iter().chain(&self.task.decls).filter(|d| d.env) {
            let text = match self.get(&decl.name.text).unwrap_or(Value::None) {
                Value::None => String::new(),
                Value::String(text) | Value::File(text) | Value::Directory(text) => text.to_string(),
                value => {
                    let json = batchyard_wdl::json::to_json(&value);
                    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
                }
            };
            variables.push((decl.name.text.to_string(), text));
        }
        Ok(variables)
    }

    /// Evaluates `runtime`, `requirements` and `hints`, each overridden by `overrides` (`runtime.cpu`...), on top of
    /// `defaults`.
    ///
    /// # Errors
    /// An attribute without a value.
    pub fn attributes(
        &self,
        defaults: &IndexMap<String, Value>,
        overrides: &IndexMap<String, Value>,
    ) -> Result<IndexMap<String, Value>, Failure> {
        let mut own = IndexMap::new();
        let sections: [(bool, &[(Name, Expr)]); 3] =
            [(true, &self.task.hints), (false, &self.task.runtime), (false, &self.task.requirements)];
        for (hint, (name, expr)) in sections.into_iter().flat_map(|(hint, entries)| entries.iter().map(move |entry| (hint, entry))) {
            let value = self.eval(expr)?;
            if hint && is_requirement(&name.text) {
                continue;
            }
            // An undefined attribute leaves the default in force.
            if !value.is_none() || !own.contains_key(&*name.text) {
                own.insert(name.text.to_string(), value);
            }
        }
        let given = overrides.iter().filter_map(|(key, value)| {
            let (section, name) = key.split_once('.')?;
            (section != "hints" || !is_requirement(name)).then(|| (name.to_owned(), value.clone()))
        });
        let mut attributes = defaults.clone();
        for level in [own, given.collect()] {
            prevail(&mut attributes, level);
        }
        Ok(attributes)
    }

    /// Sets what `task.previous` (1.3) tells.
    pub fn set_previous(&mut self, runtime: Option<Runtime>) {
        self.previous = runtime;
    }

    /// Binds the `task` variable of 1.2 and newer; without `runtime` (1.3) what is known before it is evaluated.
    pub fn bind_task_variable(&self, id: &str, attempt: u32, runtime: Option<&Runtime>, return_code: Option<i32>) {
        let since = if runtime.is_some() { Version::V1_2 } else { Version::V1_3 };
        if self.module.document.version < since {
            return;
        }
        let entry = |name: &str, value: Value| (Arc::from(name), value);
        let meta = |entries: &[(Name, MetaValue)]| outputs_object(entries.iter().map(|(n, v)| (Arc::clone(&n.text), meta_value(v))));
        let requirements = |runtime: &Runtime| {
            [
                entry("container", runtime.images.first().map_or(Value::None, |i| Value::string(i.as_str()))),
                entry("cpu", Value::Float(runtime.cores)),
                entry("memory", Value::Int(runtime.memory_bytes.map_or(2 << 30, |m| m as i64))),
                entry("gpu", Value::array(Vec::new())),
                entry("fpga", Value::array(Vec::new())),
                entry("disks", self.disks(runtime)),
                entry("max_retries", Value::Int(i64::from(runtime.max_retries))),
            ]
        };
        let previous = match &self.previous {
            Some(runtime) => outputs_object(requirements(runtime)),
            None => outputs_object(["container", "cpu", "memory", "gpu", "fpga", "disks", "max_retries"].map(|n| entry(n, Value::None))),
        };
        let mut members = vec![
            entry("name", Value::String(Arc::clone(&self.task.name.text))),
            entry("id", Value::string(id)),
            entry("attempt", Value::Int(i64::from(attempt) - 1)),
            entry("meta", meta(&self.task.meta)),
            entry("parameter_meta", meta(&self.task.parameter_meta)),
            entry("ext", outputs_object([])),
            entry("previous", previous),
        ];
        if let Some(runtime) = runtime {
            members.extend(requirements(runtime));
            members.push(entry("end_time", Value::None));
            members.push(entry("return_code", return_code.map_or(Value::None, |c| Value::Int(i64::from(c)))));
        }
        self.values.borrow_mut().insert("task".into(), outputs_object(members));
    }

    /// The disks of a task by mount point, in bytes. One without a mount point is where the task works.
    fn disks(&self, runtime: &Runtime) -> Value {
        let mut sizes: IndexMap<String, u64> = IndexMap::new();
        for disk in &runtime.disks {
            let mount = disk.mount.clone().unwrap_or_else(|| self.host.execution_dir().to_string_lossy().into_owned());
            *sizes.entry(mount).or_default() += disk.bytes;
        }
        Value::Map(Arc::new(sizes.into_iter().map(|(mount, bytes)| (Value::string(mount), Value::Int(bytes as i64))).collect()))
    }

    /// Evaluates the outputs after the command has run; file paths are made absolute and must exist.
    ///
    /// # Errors
    /// The first output that has no value or whose file is missing.
    pub fn outputs(&mut self) -> Result<IndexMap<Arc<str>, Value>, Failure> {
        self.host.finish();
        self.finished = true;
        let task = Arc::clone(&self.task);
        let mut outputs = IndexMap::new();
        for decl in &task.outputs {
            self.failure.borrow_mut().take();
            let ty = self.ty(decl)?;
            let known = if self.is_declared(&decl.name.text) { None } else { self.values.borrow().get(&decl.name.text).cloned() };
            let value = match known {
                // An earlier output has asked for it already.
                Some(value) => value,
                None => self.declared(decl)?,
            };
            let value = self.delocalized(&value, &ty).map_err(|mut failure| {
                failure.message = format!("bad output `{}`: {}", decl.name.text, failure.message);
                failure.place = Some(self.place(decl.span));
                failure
            })?;
            outputs.insert(Arc::clone(&decl.name.text), value);
        }
        Ok(outputs)
    }

    /// Paths of an output value as the rest of the run knows them.
    fn delocalized(&self, value: &Value, ty: &Type) -> Result<Value, Failure> {
        inputs::map_files_typed(value, ty, &mut |path, directory| {
            if path.contains("://") && !path.starts_with("file://") {
                return Ok(Some(Arc::clone(path)));
            }
            let resolved: PathBuf = self.host.resolve(path);
            match (self.host.exists(path), directory) {
                (None, _) => Ok(None),
                // Cromwell takes a directory for a file, and older documents know no other way to pass one on.
                (Some(PathKind::Directory), false) if self.dialect == Dialect::Specification => {
                    Err(Failure::new(format!("`{}` is a directory, not a file", resolved.display())))
                }
                (Some(PathKind::File), true) => Err(Failure::new(format!("`{}` is a file, not a directory", resolved.display()))),
                _ => Ok(Some(resolved.to_string_lossy().trim_end_matches('/').into())),
            }
        })
        .map_err(|e: inputs::MapFilesError<Failure>| match e {
            inputs::MapFilesError::Missing { path, .. } => {
                Failure::new(format!("could not process output, file not found: `{}`", self.host.resolve(&path).display()))
                    .hint("the command ended well but left no such file; a file that may be absent has the type `File?`")
            }
            inputs::MapFilesError::Failed(failure) => failure,
        })
    }

    /// An output's value as later outputs see it: optional files that the command has not made are undefined. What
    /// must exist and does not is left alone, it is reported with the output itself.
    fn without_missing(&self, value: Value, ty: &Type) -> Value {
        let mapped = inputs::map_files_typed_except_keys(&value, ty, &mut |path, _| {
            let remote = path.contains("://");
            let known = remote || self.host.exists(path).is_some();
            // From 1.3 on the value is the whole path.
            let whole = known && !remote && self.module.document.version >= Version::V1_3 && Path::new(&**path).is_relative();
            let path = if whole { clean(&self.host.resolve(path)).to_string_lossy().into() } else { Arc::clone(path) };
            Ok::<_, std::convert::Infallible>(known.then_some(path))
        });
        mapped.unwrap_or(value)
    }

    fn ty(&self, decl: &Decl) -> Result<Type, Failure> {
        self.module.resolve(&decl.ty).map_err(|name| self.failure_at(name.span, format!("type `{}` is not defined", name.text)))
    }

    /// Computes a declaration and keeps its value.
    fn declared(&self, decl: &Decl) -> Result<Value, Failure> {
        if self.open.borrow().contains(&decl.name.text) {
            return Err(self.failure_at(decl.span, format!("`{}` needs its own value", decl.name.text)));
        }
        let ty = self.ty(decl)?;
        let Some(expr) = &decl.value else {
            if ty.is_optional() {
                self.values.borrow_mut().insert(Arc::clone(&decl.name.text), Value::None);
                return Ok(Value::None);
            }
            return Err(self.failure_at(decl.span, format!("required input `{}` has no value", decl.name.text)));
        };
        self.open.borrow_mut().push(Arc::clone(&decl.name.text));
        let value = self.evaluator().eval(expr);
        self.open.borrow_mut().pop();
        let value = value.map_err(|e| self.failed(&e))?;
        self.evaluator().ask_for_copy(&value, expr.span).map_err(|e| self.failed(&e))?;
        let value = coerce::coerce(&value, &ty, self.dialect)
            .map_err(|message| self.failure_at(expr.span, format!("`{}`: {message}", decl.name.text)))?;
        let value = if self.finished { self.without_missing(value, &ty) } else { self.placed(decl, expr.span, value, &ty)? };
        // An output that bears the name of an input hides it for callers alone: inside the task the name stays the input's.
        if self.finished && self.is_declared(&decl.name.text) && self.values.borrow().contains_key(&decl.name.text) {
            return Ok(value);
        }
        self.values.borrow_mut().insert(Arc::clone(&decl.name.text), value.clone());
        Ok(value)
    }

    fn is_declared(&self, name: &str) -> bool {
        self.task.inputs.iter().chain(&self.task.decls).any(|d| &*d.name.text == name)
    }

    fn failed(&self, error: &EvalError) -> Failure {
        // A failure inside a name that the expression uses says more than "no such name".
        if let Some(inner) = self.failure.borrow_mut().take() {
            return inner;
        }
        Failure { hint: error.hint.clone(), ..self.failure_at(error.span, error.message.clone()) }
    }

    fn failure_at(&self, span: Span, message: String) -> Failure {
        Failure { place: Some(self.place(span)), ..Failure::new(message) }
    }

    fn place(&self, span: Span) -> String {
        place(&self.module, span)
    }
}

/// `file:line:column` of a span.
pub fn place(module: &Module, span: Span) -> String {
    let source = &module.document.source;
    let (line, column) = Diagnostic::error(source, span, "").source.position(span.start);
    format!("{}:{line}:{column}", source.name)
}

fn localize(host: &TaskHost, value: &Value) -> Value {
    let mapped = inputs::map_files(value, &mut |path: &Arc<str>, _| Ok::<_, std::convert::Infallible>(Some(host.localize(path))));
    match mapped {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn meta_value(meta: &MetaValue) -> Value {
    match meta {
        MetaValue::Null => Value::None,
        MetaValue::Boolean(b) => Value::Boolean(*b),
        MetaValue::Int(n) => Value::Int(*n),
        MetaValue::Float(n) => Value::Float(*n),
        MetaValue::String(s) => Value::string(s.as_str()),
        MetaValue::Array(items) => Value::array(items.iter().map(meta_value).collect()),
        MetaValue::Object(members) => outputs_object(members.iter().map(|(n, v)| (Arc::from(n.as_str()), meta_value(v)))),
    }
}

impl Scope for TaskFrame {
    fn get(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.values.borrow().get(name) {
            return Some(value.clone());
        }
        let named = |decl: &&Decl| &*decl.name.text == name;
        let declared = self.task.inputs.iter().chain(&self.task.decls).find(named);
        let outputs = if self.finished { self.task.outputs.as_slice() } else { &[] };
        let decl = match declared {
            // While an output of the same name is computed, the name means the input.
            Some(decl) => decl,
            None => outputs.iter().find(named)?,
        };
        match self.declared(decl) {
            Ok(value) => Some(value),
            Err(failure) => {
                self.failure.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use batchyard_wdl::load::{self, MemoryLoader};

    use super::*;
    use crate::fetch::{Fetch, Remote};

    fn frame(text: &str, call_dir: &Path) -> TaskFrame {
        let module = load::load("t.wdl", &MemoryLoader::default().with("t.wdl", text)).unwrap().module;
        let task = Arc::clone(module.document.tasks.first().unwrap());
        let dialect = Dialect::of(module.document.version);
        TaskFrame::new(&module, &task, dialect, call_dir, &IndexMap::new())
    }

    #[test]
    fn outputs_see_optional_files_that_are_absent_as_undefined() {
        let dir = tempfile::tempdir().unwrap();
        let mut frame = frame(
            "version 1.1\ntask t { command <<< >>> output {\n Array[File?] all = [\"a\", \"b\"]\n Int made = length(select_all(all))\n File? b = \"b\"\n Boolean has_b = defined(b) } }",
            dir.path(),
        );
        fs::create_dir_all(dir.path().join("execution")).unwrap();
        fs::write(dir.path().join("execution/a"), "").unwrap();
        let outputs = frame.outputs().unwrap();
        assert_eq!((outputs.get("made"), outputs.get("has_b")), (Some(&Value::Int(1)), Some(&Value::Boolean(false))));
    }

    #[test]
    fn links_that_lead_nowhere_are_matches_of_globs_from_1_2_on() {
        for (version, expected) in [("1.0", 1), ("1.1", 1), ("1.2", 2), ("1.3", 2)] {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().canonicalize().unwrap();
            let outputs = |more: &str| {
                let text = format!("version {version}\ntask t {{ command <<< >>> output {{ Int n = length(glob(\"*.x\")) {more} }} }}");
                frame(&text, &folder).outputs()
            };
            fs::create_dir_all(folder.join("execution")).unwrap();
            fs::write(folder.join("execution/a.x"), "").unwrap();
            std::os::unix::fs::symlink("nowhere", folder.join("execution/b.x")).unwrap();
            assert_eq!(outputs("").unwrap().get("n"), Some(&Value::Int(expected)), "{version}");
            let optional = outputs("Array[File?] all = glob(\"*.x\") Int made = length(select_all(all))").unwrap();
            assert_eq!(optional.get("made"), Some(&Value::Int(1)), "{version}");
            let required = outputs("Array[File] all = glob(\"*.x\")");
            assert_eq!(required.is_err(), expected == 2, "an output must exist: {version}");
        }
    }

    #[test]
    fn relative_files_of_declarations_come_from_the_folder_of_the_document() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::write(folder.join("data.txt"), "x").unwrap();
        let document = folder.join("t.wdl");
        let text = "version 1.2\ntask t { input { File a = \"data.txt\" } File b = \"data.txt\" String c = \"data.txt\" command <<< ~{b} ~{c} >>> output { File d = \"data.txt\" } }";
        fs::write(&document, text).unwrap();
        let module = load::load(document.to_str().unwrap(), &load::FileLoader::default()).unwrap().module;
        let task = Arc::clone(module.document.tasks.first().unwrap());
        let call_dir = folder.join("call");
        fs::create_dir_all(call_dir.join("execution")).unwrap();
        fs::write(call_dir.join("execution/data.txt"), "made").unwrap();
        let mut frame = TaskFrame::new(&module, &task, Dialect::Specification, &call_dir, &IndexMap::new());
        frame.settle().unwrap();
        let originals: Vec<Arc<str>> = frame.host.files().into_iter().map(|(_, original)| original).collect();
        assert_eq!(originals, [Arc::from(folder.join("data.txt").to_str().unwrap())]);
        let localized = frame.host.localize(&originals[0]);
        assert_eq!(frame.command().unwrap().trim(), format!("{localized} data.txt"));
        let made = Value::file(call_dir.join("execution/data.txt").to_str().unwrap());
        assert_eq!(frame.outputs().unwrap().get("d"), Some(&made), "outputs count from the execution directory");
    }

    /// As the revision 1.2.1 clarifies.
    #[test]
    fn files_of_1_2_are_what_their_types_say_once_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::create_dir_all(folder.join("set")).unwrap();
        fs::write(folder.join("set/a.txt"), "x").unwrap();
        let run = |version: &str, declarations: &str, outputs: &str| {
            let document = folder.join("t.wdl");
            fs::write(&document, format!("version {version}\ntask t {{ {declarations} command <<< >>> output {{ {outputs} }} }}")).unwrap();
            let module = load::load(document.to_str().unwrap(), &load::FileLoader::default()).unwrap().module;
            let task = Arc::clone(module.document.tasks.first().unwrap());
            let call_dir = folder.join("call");
            fs::create_dir_all(call_dir.join("execution")).unwrap();
            let mut frame = TaskFrame::new(&module, &task, Dialect::of(module.document.version), &call_dir, &IndexMap::new());
            frame.settle()?;
            let files = frame.host.files().len();
            Ok::<_, Failure>((files, frame.outputs()?.into_values().collect::<Vec<_>>()))
        };
        let optional = "input { File? a = \"none.txt\" File? b = \"set/a.txt\" } Directory? c = \"none\" Array[File?] d = [\"none.txt\", \"set/a.txt\"]";
        let defined = "Array[Boolean] known = [defined(a), defined(b), defined(c), defined(d[0]), defined(d[1])]";
        let known = |list: [bool; 5]| vec![Value::array(list.map(Value::Boolean).into())];
        assert_eq!(run("1.2", optional, defined).unwrap(), (1, known([false, true, false, false, true])));
        let lazy = run("1.2", "File a = \"none.txt\" Array[File] b = [\"none.txt\", \"set/a.txt\"]", "String name = basename(a)").unwrap();
        assert_eq!(lazy, (1, vec![Value::string("none.txt")]), "what is not accessed need not be there");
        for (declaration, wrong) in
            [("File a = \"set\"", "`set` is a directory, not a file"), ("Directory a = \"set/a.txt\"", "is a file, not a")]
        {
            let failure = run("1.2", declaration, "").unwrap_err();
            assert!(failure.message.contains(wrong), "{failure:?}");
        }
        // The working directory of the tests has a folder of this name: it is no business of the task.
        run("1.2", "File a = \"src\"", "String name = basename(a)").unwrap();
        let optional = run("1.2", "File? a = \"Cargo.toml\" Boolean is_there = defined(a)", "Boolean said = is_there").unwrap();
        assert_eq!(optional.1, [Value::Boolean(false)], "nor has it a file for it");
        let directory = |dialect: Dialect| {
            let text = format!("version 1.2\ntask t {{ File a = \"{}\" command <<< >>> }}", folder.join("set").display());
            TaskFrame { dialect, ..frame(&text, &folder.join("call")) }.settle().is_ok()
        };
        assert_eq!([Dialect::Cromwell, Dialect::Specification].map(directory), [true, false]);
        let spelled = "File a = \"set/a.txt\" Boolean same = a == \"set/../set/./a.txt\" && a == \"set/a.txt\" && a != \"set\"";
        assert_eq!(run("1.2", spelled, "Boolean said = same").unwrap().1, [Value::Boolean(true)]);
        assert_eq!(run("1.1", "File a = \"set/a.txt\"", "Boolean said = a == \"set/./a.txt\"").unwrap().1, [Value::Boolean(false)]);
    }

    /// Keeps a copy of everything in a folder.
    #[derive(Debug)]
    struct Kept(PathBuf);

    impl Fetch for Kept {
        fn fetch(&self, url: &str, _: Option<&str>) -> Result<PathBuf, String> {
            Ok(self.0.join(url.rsplit('/').next().unwrap()))
        }
    }

    #[test]
    fn what_a_task_names_at_a_url_is_put_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("ref.fa"), "x").unwrap();
        for version in ["1.0", "1.1", "1.2", "1.3"] {
            for declaration in ["File a = \"http://x/ref.fa\"", "input { File a = \"http://x/ref.fa\" }"] {
                let text = format!("version {version}\ntask t {{ {declaration} Array[File?] b = [a] command <<<~{{a}}>>> }}");
                let mut frame = frame(&text, &dir.path().join("call"));
                frame.host.remote = Arc::new(Remote { fetch: Some(Arc::new(Kept(kept.clone()))), ..Remote::default() });
                frame.settle().unwrap();
                let command = frame.command().unwrap();
                assert!(Path::new(&command).starts_with(dir.path().join("call/inputs")), "{version}: {command}");
                let original = kept.join("ref.fa").to_str().unwrap().into();
                assert_eq!(frame.host.files(), [(Arc::from(&*command), original)], "{version} {declaration}");
            }
        }
    }

    #[test]
    fn keys_of_maps_are_what_the_document_calls_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        for version in ["1.0", "1.2"] {
            let text = format!(
                "version {version}\ntask t {{ Map[File, File] m = {{\"http://x/a\": \"http://x/a\"}} command <<<~{{m[\"http://x/a\"]}}>>> }}"
            );
            let mut frame = frame(&text, &dir.path().join("call"));
            frame.host.remote = Arc::new(Remote { fetch: Some(Arc::new(Kept(dir.path().to_owned()))), ..Remote::default() });
            frame.settle().unwrap();
            let command = frame.command().unwrap();
            assert!(Path::new(&command).starts_with(dir.path().join("call/inputs")), "{version}: {command}");
            assert_eq!(frame.host.files().len(), 1);
        }
    }

    #[test]
    fn one_file_has_one_path_from_1_3_on() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        fs::create_dir(folder.join("set")).unwrap();
        fs::write(folder.join("set/a.txt"), "x").unwrap();
        let run = |name: &str, declarations: &str| {
            let document = folder.join("t.wdl");
            let declarations = declarations.replace("HERE", folder.to_str().unwrap());
            let outputs = "output { File kept = a Boolean spelled = a == \"HERE/set/../set/a.txt\" && a == \"set/a.txt\" }"
                .replace("HERE", folder.to_str().unwrap());
            fs::write(&document, format!("version 1.3\ntask t {{ {declarations} command <<< >>> {outputs} }}")).unwrap();
            let module = load::load(document.to_str().unwrap(), &load::FileLoader::default()).unwrap().module;
            let task = Arc::clone(module.document.tasks.first().unwrap());
            let call_dir = folder.join(name);
            fs::create_dir_all(call_dir.join("execution")).unwrap();
            let mut frame = TaskFrame::new(&module, &task, Dialect::Specification, &call_dir, &IndexMap::new());
            frame.settle()?;
            let of = |name: &str| frame.values.borrow().get(name).cloned();
            let (known, files) = ([of("b"), of("n"), of("same")], frame.host.files());
            Ok::<_, Failure>((known, files, frame.outputs()?))
        };
        let whole = "File a = \"set/a.txt\" File b = \"HERE/./set/a.txt\" Map[File, Int] m = {\"set/../set/a.txt\": 7}
            Int n = m[a] + m[\"set/a.txt\"] Boolean same = a == b && a == \"set/../set/a.txt\" && a != \"set\"";
        let (known, files, outputs) = run("whole", whole).unwrap();
        assert_eq!(files.len(), 1, "it is put in place once: {files:?}");
        assert_eq!(known, [Some(Value::file(&*files[0].0)), Some(Value::Int(14)), Some(Value::Boolean(true))]);
        assert_eq!(outputs.get("kept"), Some(&Value::file(folder.join("set/a.txt").to_str().unwrap())));
        assert_eq!(outputs.get("spelled"), Some(&Value::Boolean(true)));
        for (declaration, wrong) in [
            ("File a = \"set\"", "`set` is a directory, not a file"),
            ("File a = \"set/a.txt\" File? b = \"HERE/set\"", "/set` is a directory, not a file"),
            ("File a = \"set/a.txt\" Directory? b = \"HERE/set/a.txt\"", "/set/a.txt` is a file, not a directory"),
            ("File a = \"HERE/absent\"", "/absent` does not exist"),
        ] {
            let failure = run("wrong", declaration).unwrap_err();
            assert!(failure.message.contains(wrong), "{declaration}: {}", failure.message);
        }
    }

    #[test]
    fn placeholders_print_nothing_for_what_this_engine_does_not_say_of_itself() {
        let mut frame = frame(
            "version 1.3\ntask t { command <<<[~{task.ext.zone}]>>> output { String zone = task.ext.zone } }",
            Path::new("/run/call-t"),
        );
        frame.bind_task_variable("t", 1, None, None);
        assert_eq!(frame.command().unwrap(), "[]");
        assert!(frame.outputs().unwrap_err().message.contains("no member `zone`"));
    }

    #[test]
    fn requirements_know_the_attempt_and_what_the_last_one_asked_for() {
        let mut frame = frame(
            "version 1.3\ntask t { requirements { memory: 1000000 * (task.attempt + 1) + select_first([task.previous.memory, 0]) } command <<< >>> }",
            Path::new("/run/call-t"),
        );
        let asked = |frame: &TaskFrame, attempt| {
            frame.bind_task_variable("t", attempt, None, None);
            Runtime::read(&frame.attributes(&IndexMap::new(), &IndexMap::new()).unwrap(), Dialect::Specification).unwrap()
        };
        let first = asked(&frame, 1);
        assert_eq!((first.memory_bytes, first.memory_mib), (Some(1_000_000), Some(1)));
        frame.set_previous(Some(first));
        assert_eq!(asked(&frame, 2).memory_bytes, Some(3_000_000));
    }
}
