//! Strings and commands: placeholders, units, regular expressions, numbers with decimals.

use std::collections::HashMap;

use super::Upgrade;
use crate::{
    ast::{Expr, ExprKind, Placeholder, StringPart, Task, visit_exprs},
    check::{infer, workflow_scope_types},
    library::patterns,
    lint::{task_exprs, workflow_exprs},
    source::Span,
    types::Type,
    version::{Dialect, Version},
};

impl Upgrade<'_> {
    pub(super) fn texts(&mut self) {
        let module = self.module;
        for task in &module.document.tasks {
            let decls = task.inputs.iter().chain(&task.decls).chain(&task.outputs);
            let types: HashMap<String, Type> =
                decls.map(|decl| (decl.name.text.to_string(), module.resolve(&decl.ty).unwrap_or(Type::Any))).collect();
            self.command(task);
            self.decimals(&task.command.parts, &types);
            task_exprs(task, &mut |expr| self.expression(expr, &types));
            for (key, value) in task.runtime.iter().filter(|(key, _)| &*key.text == "memory") {
                self.memory(key.span, value);
            }
        }
        if let Some(workflow) = &module.document.workflow {
            let types = workflow_scope_types(module, workflow);
            workflow_exprs(workflow, &mut |expr| self.expression(expr, &types));
        }
    }

    fn expression(&mut self, expr: &Expr, types: &HashMap<String, Type>) {
        visit_exprs(expr, &mut |expr| match &expr.kind {
            ExprKind::String(parts) => {
                self.string(expr.span, parts);
                self.decimals(parts, types);
            }
            ExprKind::Call(name, arguments) => match (&*name.text, arguments.as_slice()) {
                ("size", [_, unit]) => self.unit(unit),
                ("sub", [_, pattern, replacement]) => self.substitution(pattern, replacement),
                _ => {}
            },
            _ => {}
        });
    }

    /// Literal texts of draft-2 know no `~{`, and write the quotes of texts in placeholders with backslashes.
    fn string(&mut self, span: Span, parts: &[StringPart]) {
        if self.module.document.version > Version::Draft2 {
            return;
        }
        self.tildes(span, parts);
        self.quotes(parts);
    }

    /// `~{` that is text stays text.
    fn tildes(&mut self, span: Span, parts: &[StringPart]) {
        let inside = |at: u32| placeholders(parts).any(|placeholder| (placeholder.span.start..placeholder.span.end).contains(&at));
        let found: Vec<u32> = self.slice(span).match_indices("~{").map(|(i, _)| span.start + i as u32).collect();
        for at in found.into_iter().filter(|at| !inside(*at)) {
            self.insert(at, "\\");
        }
    }

    /// Quotes in placeholders lose their backslashes.
    fn quotes(&mut self, parts: &[StringPart]) {
        for placeholder in placeholders(parts) {
            let text = self.slice(placeholder.span);
            let found: Vec<u32> = ["\\\"", "\\'"].iter().flat_map(|quote| text.match_indices(quote)).map(|(i, _)| i as u32).collect();
            for at in found {
                let start = placeholder.span.start + at;
                self.replace(Span { start, end: start + 1 }, "");
            }
        }
    }

    fn command(&mut self, task: &Task) {
        if self.module.document.version > Version::Draft2 {
            return;
        }
        let parts = &task.command.parts;
        self.tildes(task.command.span, parts);
        self.quotes(parts);
        // From 1.0 on `${` in a heredoc command is the shell's.
        if self.slice(task.command.span).trim_start_matches("command").trim_start().starts_with("<<<") {
            for placeholder in placeholders(parts) {
                let start = placeholder.span.start;
                self.replace(Span { start, end: start + 1 }, "~");
            }
        }
    }

    /// The unit of `size`: up to 1.0 all of them count by 1024 here, later `GB` counts by 1000.
    fn unit(&mut self, unit: &Expr) {
        let literal = matches!(&unit.kind, ExprKind::String(parts) if matches!(parts.as_slice(), [StringPart::Text(_)]));
        if !literal {
            self.note(unit.span, "this unit counts by 1000 from 1.1 on, unless it is one such as `GiB`", "make it one that counts by 1024");
            return;
        }
        self.binary_unit(unit.span);
    }

    fn memory(&mut self, key: Span, value: &Expr) {
        let mut literals = Vec::new();
        visit_exprs(value, &mut |expr| {
            if let ExprKind::String(_) = expr.kind {
                literals.push(expr.span);
            }
        });
        let changed = literals.into_iter().filter(|span| self.binary_unit(*span)).count();
        let plain = matches!(value.kind, ExprKind::Ident(_) | ExprKind::Member(..));
        if changed == 0 && plain {
            self.note(key, "a memory size in `GB` counts by 1000 from 1.1 on", "give sizes in `GiB`");
        }
    }

    /// Makes the unit at the end of a literal one that counts by 1024; false when there is none.
    fn binary_unit(&mut self, span: Span) -> bool {
        let text = self.slice(span);
        let closed = text.trim_end_matches(['"', '\'', '\\']);
        let letters = closed.len() - closed.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (before, unit) = closed.split_at(closed.len() - letters);
        let binary = match unit {
            "K" | "KB" => "KiB",
            "M" | "MB" => "MiB",
            "G" | "GB" => "GiB",
            "T" | "TB" => "TiB",
            _ => return false,
        };
        if !before.ends_with(|c: char| c.is_ascii_digit() || matches!(c, ' ' | '"' | '\'' | '}')) {
            return false;
        }
        let start = span.start + before.len() as u32;
        self.replace(Span { start, end: start + letters as u32 }, binary);
        true
    }

    /// Up to 1.0 patterns and replacements are those of Java.
    fn substitution(&mut self, pattern: &Expr, replacement: &Expr) {
        let plain = |expr: &Expr| match &expr.kind {
            ExprKind::String(parts) => match parts.as_slice() {
                [StringPart::Text(text)] => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        if let Some(text) = plain(pattern)
            && let Some(problem) = patterns::problem(&text, Dialect::Specification)
        {
            self.note(pattern.span, format!("this pattern does not work from 1.1 on: {problem}"), "write it without what only Java knows");
        }
        let groups: Vec<usize> = self.slice(replacement.span).match_indices('$').map(|(i, _)| i).collect();
        for at in groups {
            let rest = self.slice(replacement.span).get(at + 1..).unwrap_or_default();
            let escaped = self.slice(replacement.span).get(..at).is_some_and(|before| before.ends_with('\\'));
            if rest.starts_with(|c: char| c.is_ascii_digit()) && !escaped {
                let start = replacement.span.start + at as u32;
                self.replace(Span { start, end: start + 1 }, "\\\\");
            }
        }
    }

    /// Numbers with decimals in placeholders.
    fn decimals(&mut self, parts: &[StringPart], types: &HashMap<String, Type>) {
        for placeholder in placeholders(parts) {
            let ty = infer(self.module, &placeholder.expr, &|name| types.get(name).cloned());
            if ty.is_some_and(|ty| *ty.required() == Type::Float) {
                self.note(placeholder.span, "a number with decimals prints six of them from 1.1 on: `1.500000` for `1.5`", "");
            }
        }
    }
}

fn placeholders(parts: &[StringPart]) -> impl Iterator<Item = &Placeholder> {
    parts.iter().filter_map(|part| if let StringPart::Placeholder(placeholder) = part { Some(&**placeholder) } else { None })
}
