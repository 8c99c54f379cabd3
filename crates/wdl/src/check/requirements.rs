//! `runtime`, `requirements` and `hints` of tasks.

use std::collections::HashMap;

use super::{
    Checker, guess,
    typer::{Names, Place},
};
use crate::{
    ast::{Expr, Name, Task},
    coerce::can_coerce,
    diagnostic::Diagnostic,
    load::with_guess,
    rule::Rule,
    source::Span,
    types::Type,
    version::{Dialect, Version},
};

/// The keys of `requirements`, with the names older versions gave them.
pub(crate) const REQUIREMENTS: &[&str] =
    &["container", "docker", "cpu", "memory", "gpu", "fpga", "disks", "max_retries", "maxRetries", "return_codes", "returnCodes"];

impl Checker<'_> {
    pub(super) fn requirements(&mut self, task: &Task, names: &dyn Names) {
        for (name, value) in &task.runtime {
            // Before 1.1 no key had a meaning fixed by the text, and Cromwell takes most types for most keys.
            let wanted = if self.version >= Version::V1_1 { wanted(&name.text) } else { Vec::new() };
            if let Some((span, message)) = self.misfit(name, value, names, &wanted) {
                let warning = self.warning(span, message);
                self.findings.push(warning.rule(Rule::RuntimeValue));
            }
        }
        for (name, value) in &task.requirements {
            if !REQUIREMENTS.contains(&&*name.text) {
                let error = self.error(name.span, format!("`{}` is not a requirement", name.text));
                let nearest = guess(&name.text, REQUIREMENTS.iter().copied());
                self.findings.push(match nearest {
                    Some(_) => with_guess(error, nearest),
                    None => error.hint("move it into the `hints` section"),
                });
            }
            if let Some((span, message)) = self.misfit(name, value, names, &wanted(&name.text)) {
                let error = self.error(span, message);
                self.findings.push(error);
            }
        }
        let two = self.two_spellings(&task.requirements, "requirement");
        self.findings.extend(two);
        // Hints never keep a task from running.
        for (name, value) in &task.hints {
            if let Some((span, message)) = self.misfit(name, value, names, &wanted_hint(&name.text)) {
                let warning = self.warning(span, message);
                self.findings.push(warning.rule(Rule::RuntimeValue).hint("the hint has no effect like this"));
            }
        }
        let two = self.two_spellings(&task.hints, "hint");
        self.findings.extend(two.into_iter().map(|error| error.into_warning().rule(Rule::RuntimeValue)));
    }

    /// One entry under two of its names.
    fn two_spellings(&self, entries: &[(Name, Expr)], what: &str) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut seen: HashMap<&str, &Name> = HashMap::new();
        for (name, _) in entries {
            match seen.insert(present_name(&name.text), name) {
                // The same name twice is reported with the section.
                Some(first) if first.text != name.text => {
                    let message = format!("`{}` and `{}` are the same {what}", first.text, name.text);
                    let error = Diagnostic::error(&self.module.document.source, name.span, message);
                    found.push(error.hint("remove one of them").related(first.span, "the other one"));
                }
                _ => {}
            }
        }
        found
    }

    /// Checks the expression of an entry, and that it can be of one of the types.
    fn misfit(&mut self, name: &Name, value: &Expr, names: &dyn Names, wanted: &[Type]) -> Option<(Span, String)> {
        let ty = self.typer(names, Place::Runtime).value(value);
        if wanted.is_empty() || wanted.iter().any(|to| fits(&ty, to)) {
            return None;
        }
        let list = wanted.iter().map(|ty| format!("`{ty}`")).collect::<Vec<_>>().join(" or ");
        Some((value.span, format!("`{}` must be {list}, not `{ty}`", name.text)))
    }
}

/// Whether a value can stand for an entry. That truth values have a text does not make them one.
pub(crate) fn fits(from: &Type, to: &Type) -> bool {
    let made_text = from.required() == &Type::Boolean && to == &Type::String;
    !made_text && can_coerce(from.required(), to, Dialect::Specification).is_possible()
}

/// The name a requirement or hint has now.
fn present_name(key: &str) -> &str {
    match key {
        "docker" => "container",
        "maxRetries" => "max_retries",
        "returnCodes" => "return_codes",
        "maxCpu" => "max_cpu",
        "maxMemory" => "max_memory",
        "shortTask" => "short_task",
        "localizationOptional" => "localization_optional",
        name => name,
    }
}

/// The types that an entry of `runtime` or `requirements` may have; empty when there is no rule.
pub(crate) fn wanted(key: &str) -> Vec<Type> {
    match key {
        "container" | "docker" => vec![Type::String, Type::array(Type::String)],
        "cpu" => vec![Type::Int, Type::Float],
        "memory" => vec![Type::Int, Type::String],
        "gpu" | "fpga" => vec![Type::Boolean],
        "disks" => vec![Type::Int, Type::String, Type::array(Type::String)],
        "max_retries" | "maxRetries" => vec![Type::Int],
        "return_codes" | "returnCodes" => vec![Type::Int, Type::String, Type::array(Type::Int)],
        _ => Vec::new(),
    }
}

/// The types that a hint of the specification may have; empty when there is no rule.
fn wanted_hint(key: &str) -> Vec<Type> {
    match present_name(key) {
        "max_cpu" => vec![Type::Int, Type::Float],
        "max_memory" => vec![Type::Int, Type::String],
        "disks" => vec![Type::String, Type::map(Type::String, Type::String)],
        "gpu" | "fpga" => vec![Type::Int, Type::String],
        "short_task" | "localization_optional" => vec![Type::Boolean],
        "inputs" | "outputs" => vec![Type::Object],
        _ => Vec::new(),
    }
}
