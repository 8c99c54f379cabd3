//! What a task names and reads itself, for the identity of a call: its inputs do not tell it.

use std::{collections::HashSet, path::Path, sync::Arc};

use batchyard_wdl::{
    ast::{Decl, Expr, ExprKind, StringPart},
    inputs,
    types::Type,
    value::{Value, text_bytes},
};

use super::TaskFrame;
use crate::documents::Failure;

/// Stands for a file that is not there when a call is looked up: no file has this path.
const NOT_THERE: &str = "";

/// Bytes of a value, as text, that was read ahead and is kept until the call begins.
const KEPT_BYTES: u64 = 4 << 10;
/// Functions that choose among what they are given.
const CHOICES: [&str; 3] = ["select_first", "select_all", "flatten"];

/// Whether values of a type are files and nothing else.
fn is_of_files(ty: &Type) -> bool {
    match ty {
        Type::File | Type::Directory => true,
        Type::Array { item, .. } | Type::Optional(item) => is_of_files(item),
        _ => false,
    }
}

impl TaskFrame {
    /// Whether the value of a declaration may hold paths of files.
    pub fn may_name_files(&self, decl: &Decl) -> bool {
        self.ty(decl).is_ok_and(|ty| ty.names_files())
    }

    /// The value of a declaration as it was before files were put in place; what is not there has an empty path. `None` when it has no
    /// value yet, and when it names what this attempt itself writes: that follows from the rest.
    ///
    /// # Errors
    /// It has none, now at least.
    pub fn unplaced(&self, decl: &Decl) -> Result<Option<Value>, Failure> {
        let Some(value) = self.value_ahead(decl)? else { return Ok(None) };
        let mapped = inputs::map_files(&value, &mut |path: &Arc<str>, _| {
            let original = self.host.original(path).unwrap_or_else(|| Arc::clone(path));
            let is_own = Path::new(&*original).starts_with(self.host.call_dir());
            Ok::<_, std::convert::Infallible>(Some(if is_own { NOT_THERE.into() } else { original }))
        });
        match mapped {
            Ok(value) => Ok(Some(value)),
            Err(never) => match never {},
        }
    }

    /// Computes what names files or reads them, so that all that has to be brought for it is here, but for what follows from what this
    /// attempt itself writes.
    ///
    /// # Errors
    /// The first one that has no value, now at least.
    pub fn reach_ahead(&self) -> Result<(), Failure> {
        let named = self.name_ahead();
        named.and(self.read_ahead())
    }

    /// The same for what names files alone: they are then known to the host.
    ///
    /// # Errors
    /// As there.
    pub fn name_ahead(&self) -> Result<(), Failure> {
        let mut named = Ok(());
        for decl in self.task.inputs.iter().chain(&self.task.decls).filter(|decl| decl.value.is_some() && self.may_name_files(decl)) {
            named = named.and(self.value_ahead(decl).map(drop));
        }
        named
    }

    /// Computes what reads files that are not values themselves, in declarations and in the command. [`crate::host::TaskHost::learnt`]
    /// tells what was read.
    ///
    /// # Errors
    /// The first one that has no value, now at least.
    pub fn read_ahead(&self) -> Result<(), Failure> {
        let known: HashSet<Arc<str>> = self.values.borrow().keys().cloned().collect();
        let read = self.read_all();
        // Until the call begins, which may be a long time, many hold what they have read: the next reading is of files that are here.
        self.values.borrow_mut().retain(|name, value| {
            let names_files = || self.declaration(name).is_some_and(|decl| self.may_name_files(decl));
            known.contains(name) || text_bytes([&*value], KEPT_BYTES) <= KEPT_BYTES || names_files()
        });
        read
    }

    fn read_all(&self) -> Result<(), Failure> {
        let reading = |expr: &&Expr| self.reads(expr);
        for decl in self.task.inputs.iter().chain(&self.task.decls).filter(|decl| !self.given.contains(&decl.name.text)) {
            match decl.value.as_ref().filter(reading) {
                Some(expr) if self.writes(expr, &mut Vec::new()) => self.read_inside(expr),
                Some(_) => drop(self.value_of(decl)?),
                None => {}
            }
        }
        for part in &self.task.command.parts {
            let StringPart::Placeholder(placeholder) = part else { continue };
            match Some(&placeholder.expr).filter(reading) {
                Some(expr) if self.writes(expr, &mut Vec::new()) => self.read_inside(expr),
                Some(_) => drop(self.render(std::slice::from_ref(part))?),
                None => {}
            }
        }
        Ok(())
    }

    /// Reads what stands inside an expression that also writes, and does not depend on what is written. What cannot be read may belong
    /// to a branch that is not taken.
    fn read_inside(&self, expr: &Expr) {
        expr.holds(&|inner| {
            if self.reads_itself(inner) && !self.writes(inner, &mut Vec::new()) {
                let _ = self.eval(inner);
            }
            false
        });
    }

    /// The value of a declaration, unless it has none yet or holds what this attempt itself writes.
    fn value_ahead(&self, decl: &Decl) -> Result<Option<Value>, Failure> {
        match &decl.value {
            Some(expr) if !self.writes(expr, &mut Vec::new()) => self.value_of(decl).map(Some),
            _ => Ok(None),
        }
    }

    fn value_of(&self, decl: &Decl) -> Result<Value, Failure> {
        if let Some(value) = self.values.borrow().get(&decl.name.text) {
            return Ok(value.clone());
        }
        self.failure.borrow_mut().take();
        self.declared(decl)
    }

    /// Whether an expression reads, or asks for the size of, anything but a file that has a name: such a file counts itself.
    fn reads(&self, expr: &Expr) -> bool {
        expr.holds(&|inner| self.reads_itself(inner))
    }

    fn reads_itself(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Call(name, arguments) if name.text.starts_with("read_") || &*name.text == "size" => {
                !arguments.first().is_some_and(|file| self.is_named_file(file))
            }
            _ => false,
        }
    }

    /// Whether all files that an expression may be are those of values with names.
    fn is_named_file(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Ident(name) => self.declaration(name).is_some_and(|decl| self.may_name_files(decl)),
            ExprKind::Index(..) | ExprKind::Member(..) => self.part_of_named(expr).is_some_and(|ty| is_of_files(&ty)),
            ExprKind::If(_, yes, no) => self.is_named_file(yes) && self.is_named_file(no),
            ExprKind::Array(items) => items.iter().all(|item| self.is_named_file(item)),
            ExprKind::Call(name, arguments) if CHOICES.contains(&&*name.text) => arguments.iter().all(|one| self.is_named_file(one)),
            _ => false,
        }
    }

    /// The type of a part of a value with a name.
    fn part_of_named(&self, expr: &Expr) -> Option<Type> {
        match &expr.kind {
            ExprKind::Ident(name) => self.ty(self.declaration(name)?).ok(),
            ExprKind::Index(whole, _) => match self.part_of_named(whole)? {
                Type::Array { item: part, .. } | Type::Map(_, part) => Some((*part).clone()),
                _ => None,
            },
            ExprKind::Member(whole, name) => match (self.part_of_named(whole)?, &*name.text) {
                (Type::Struct(of), name) => of.member(name).cloned(),
                (Type::Pair(part, _), "left") | (Type::Pair(_, part), "right") => Some((*part).clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a value holds what this attempt writes, by itself or by a name.
    fn writes(&self, expr: &Expr, seen: &mut Vec<Arc<str>>) -> bool {
        if expr.calls(&|name| name.starts_with("write_")) {
            return true;
        }
        let mut names = Vec::new();
        expr.names(&mut |name| names.push(Arc::clone(name)));
        names.into_iter().any(|name| {
            if seen.contains(&name) {
                return false;
            }
            seen.push(Arc::clone(&name));
            // One that was given holds nothing of the kind.
            let default = self.declaration(&name).filter(|_| !self.given.contains(&name)).and_then(|decl| decl.value.as_ref());
            default.is_some_and(|value| self.writes(value, seen))
        })
    }

    fn declaration(&self, name: &str) -> Option<&Decl> {
        self.task.inputs.iter().chain(&self.task.decls).find(|decl| &*decl.name.text == name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use batchyard_wdl::{
        load::{self, MemoryLoader},
        version::Dialect,
    };
    use indexmap::IndexMap;

    use super::*;

    /// A task whose input `bam` is a file of a folder.
    fn frame(dir: &Path, declarations: &str, command: &str) -> TaskFrame {
        frame_of(&format!("version 1.1\ntask t {{ input {{ File bam }} {declarations} command <<<{command}>>> }}"), dir)
    }

    fn frame_of(text: &str, dir: &Path) -> TaskFrame {
        let module = load::load("t.wdl", &MemoryLoader::default().with("t.wdl", text)).unwrap().module;
        let task = Arc::clone(module.document.tasks.first().unwrap());
        let bam = Value::file(dir.join("a.bam").to_str().unwrap());
        let mut frame = TaskFrame::new(&module, &task, Dialect::Specification, &dir.join("call"), &IndexMap::from([("bam".into(), bam)]));
        frame.host.has_neighbours = true;
        frame
    }

    #[test]
    fn one_file_that_is_not_there_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.bam", "a.bam.bai"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let indexes = "Array[File?] indexes = [bam + \".bai\", bam + \".csi\"]";
        let frame = frame(dir.path(), &format!("{indexes} File list = write_lines([\"a\"]) File again = list"), "");
        let named: Vec<_> = frame.task.decls.iter().map(|decl| frame.unplaced(decl).unwrap()).collect();
        let there = Value::file(dir.path().join("a.bam.bai").to_str().unwrap());
        assert_eq!(named, [Some(Value::array(vec![there, Value::file(NOT_THERE)])), None, None], "what it writes follows from the rest");
        assert!(!dir.path().join("call/execution").exists(), "and is not written yet");
    }

    #[test]
    fn what_is_read_beside_a_file_is_learnt_before_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("a.bam", "x");
        write("a.md5", "sum");
        let learnt = |declarations: &str, command: &str| {
            let frame = frame(dir.path(), declarations, command);
            frame.read_ahead().map(|()| frame.host.learnt())
        };
        for (declarations, command) in [
            ("String sum = read_string(sub(bam, \"bam$\", \"md5\"))", ""),
            ("String path = sub(bam, \"bam$\", \"md5\") String sum = read_string(path)", ""),
            ("", "~{read_string(sub(bam, \"bam$\", \"md5\"))}"),
            ("Float bytes = size(sub(bam, \"bam$\", \"md5\"))", ""),
            ("File list = write_lines([bam, read_string(sub(bam, \"bam$\", \"md5\"))])", ""),
            ("", "~{write_lines(read_lines(sub(bam, \"bam$\", \"md5\")))}"),
        ] {
            write("a.md5", "sum");
            let before = learnt(declarations, command).unwrap();
            assert_eq!((before.len(), &learnt(declarations, command).unwrap()), (1, &before), "{declarations}");
            write("a.md5", "other");
            assert_ne!(learnt(declarations, command).unwrap(), before, "{declarations}");
        }
        assert!(learnt("String sum = read_string(bam) Float bytes = size(bam)", "~{read_string(bam)}").unwrap().is_empty());
        assert!(learnt("File list = write_lines([\"a\"]) Array[String] lines = read_lines(list)", "").unwrap().is_empty());
        assert!(learnt("String sum = read_string(bam + \".none\")", "").is_err());
    }

    #[test]
    fn what_is_read_ahead_is_not_held_until_the_call_begins() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("a.bam", "line\n");
        write("a.small", "line\n");
        write("a.large", &"line\n".repeat(5000));
        let beside = |name: &str| format!("sub(bam, \"bam$\", \"{name}\")");
        let held = |declarations: &str| {
            let frame = frame(dir.path(), &format!("{declarations} Array[String] ids = read_lines(from)"), "");
            frame.read_ahead().unwrap();
            let is_held = frame.values.borrow().contains_key("ids");
            frame.settle().unwrap();
            assert!(frame.values.borrow().contains_key("ids"));
            is_held
        };
        assert!(held(&format!("String from = {}", beside("small"))));
        assert!(!held(&format!("String from = {}", beside("large"))));
        // What counts itself is not read at all.
        let structs = "struct S { File f String s }\n";
        let is_read = |declarations: &str, list: &str| {
            let text = format!(
                "version 1.1\n{structs} task t {{ input {{ File bam }} {declarations} Array[String] ids = read_lines({list}) command <<<>>> }}"
            );
            let frame = frame_of(&text, dir.path());
            frame.read_ahead().unwrap();
            frame.values.borrow().contains_key("ids")
        };
        for (declarations, list) in [
            ("Array[File] lists = [bam]", "lists[0]"),
            ("Map[String, Pair[File, Int]] lists = {\"a\": (bam, 1)}", "lists[\"a\"].left"),
            ("S s = S { f: bam, s: bam }", "s.f"),
            ("File? one = bam", "select_first([one, bam])"),
            ("Boolean b = true", "if b then bam else bam"),
        ] {
            assert!(!is_read(declarations, list), "{list}");
        }
        assert!(is_read("S s = S { f: bam, s: bam }", "s.s"), "a text is no file that counts");
        assert!(is_read("Array[String] texts = [bam]", "texts[0]"));
    }
}
