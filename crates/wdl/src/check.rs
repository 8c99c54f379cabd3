//! The checker: everything that is wrong with a document and can be known before a run.
//!
//! Two attitudes live here, see [`crate::version::Dialect`]. Draft-2 and 1.0 documents run as Cromwell runs them, so only what
//! cannot succeed is an error. From 1.1 on the text of the specification counts; its "limited exceptions" are
//! warnings.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    ast::{Decl, Expr, Workflow},
    diagnostic::Diagnostic,
    findings::Findings,
    load::{newer_type, with_guess},
    module::Module,
    source::Span,
    types::Type,
    version::Version,
};

mod assign;
mod callees;
mod calls;
mod cycles;
mod frames;
mod functions;
mod literals;
mod members;
mod operators;
mod outputs;
mod placeholders;
pub(crate) mod requirements;
mod tasks;
#[cfg(test)]
mod tests;
mod typer;
mod workflows;

pub use frames::types_over_clauses;
pub use outputs::{call_outputs, workflow_outputs};

use frames::Frame;
use typer::{Place, Typer};

/// Finds what is wrong with a module and all it imports; each document is checked once, the main one first.
///
/// Needs up to [`crate::limits::STACK_BYTES`] of stack for hostile documents.
pub fn check(module: &Arc<Module>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut seen: HashSet<*const Module> = HashSet::new();
    let mut waiting = vec![Arc::clone(module)];
    while let Some(module) = waiting.pop() {
        if !seen.insert(Arc::as_ptr(&module)) {
            continue;
        }
        let mut checker = Checker::new(&module);
        checker.document();
        let losses = &module.document.losses;
        found.extend(checker.findings.finish().into_iter().filter(|finding| !losses.doubts(finding.span)));
        waiting.extend(module.namespaces.iter().rev().map(|(_, imported)| Arc::clone(imported)));
    }
    found
}

/// Types of all names that can be used at the top of a workflow: inputs, declarations, and calls as [`Type::Call`].
/// What stands in scatters and conditionals has the type it has from outside.
pub fn workflow_scope_types(module: &Arc<Module>, workflow: &Workflow) -> HashMap<String, Type> {
    let frame = Frame::of_workflow(module, workflow);
    frame.into_types().map(|(name, ty)| (name.to_string(), ty)).collect()
}

/// The type of an expression, given the types of names. `None` when it has none because something is wrong with it.
pub fn infer(module: &Module, expr: &Expr, names: &dyn Fn(&str) -> Option<Type>) -> Option<Type> {
    let mut findings = Findings::default();
    let ty = Typer::new(module, &typer::Lookup(names), Place::Anywhere, &mut findings).expr(expr);
    (!findings.has_errors()).then_some(ty)
}

/// Checks one document.
struct Checker<'m> {
    module: &'m Arc<Module>,
    version: Version,
    findings: Findings,
    callees: callees::Callees,
}

impl<'m> Checker<'m> {
    fn new(module: &'m Arc<Module>) -> Self {
        let version = module.document.version;
        Checker { module, version, findings: Findings::default(), callees: callees::Callees::default() }
    }

    fn document(&mut self) {
        let module = self.module;
        for member in module.document.structs.iter().flat_map(|definition| &definition.members) {
            // Unknown types were reported when the struct was made.
            if let Ok(ty) = module.resolve(&member.ty) {
                self.check_map_keys(&ty, member.ty.span);
            }
        }
        for task in &module.document.tasks {
            self.task(task);
        }
        if let Some(workflow) = &module.document.workflow {
            self.workflow(workflow);
        }
    }

    fn error(&mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.module.document.source, span, message)
    }

    /// An error from `since` on, a warning before: for what old engines let pass.
    fn graded(&self, since: Version, span: Span, message: impl Into<String>) -> Diagnostic {
        if self.version >= since {
            Diagnostic::error(&self.module.document.source, span, message)
        } else {
            Diagnostic::warning(&self.module.document.source, span, message)
        }
    }

    /// The type a declaration gives; unknown names are reported.
    fn declared(&mut self, decl: &Decl) -> Type {
        let name = &decl.name;
        if self.version >= Version::V1_3 && (self.module.structs.contains_key(&*name.text) || self.module.enums.contains_key(&*name.text)) {
            // The text forbids it; another engine has tests in which the declaration hides the type.
            let warning =
                Diagnostic::warning(&self.module.document.source, name.span, format!("`{}` is the name of a type already", name.text));
            self.findings.push(warning.hint("give the declaration another name").rule(crate::rule::Rule::ShadowedName));
        }
        match self.module.resolve(&decl.ty) {
            Ok(ty) => {
                self.check_map_keys(&ty, decl.ty.span);
                ty
            }
            Err(name) => {
                if !self.module.document.losses.may_define(&name.text) {
                    let error = newer_type(&self.module.document, &name).unwrap_or_else(|| {
                        let error = self.error(name.span, format!("unknown type `{}`", name.text));
                        let known = self.module.structs.keys().chain(self.module.enums.keys()).map(String::as_str);
                        with_guess(error, guess(&name.text, known.chain(crate::load::BUILT_IN.iter().copied())))
                    });
                    self.findings.push(error);
                }
                Type::Any
            }
        }
    }

    fn check_map_keys(&mut self, ty: &Type, span: Span) {
        match ty {
            Type::Array { item, .. } | Type::Optional(item) => self.check_map_keys(item, span),
            Type::Pair(left, right) => {
                self.check_map_keys(left, span);
                self.check_map_keys(right, span);
            }
            Type::Map(key, value) => {
                let simple = !matches!(
                    **key,
                    Type::Array { .. } | Type::Map(..) | Type::Pair(..) | Type::Object | Type::Struct(_) | Type::Optional(_)
                );
                if !simple {
                    let finding = self.graded(Version::V1_1, span, format!("keys of a map cannot be of type `{key}`"));
                    self.findings.push(finding.hint("keys are of a primitive type, such as `String`"));
                }
                self.check_map_keys(value, span);
            }
            _ => {}
        }
    }

    /// A typer for expressions of this document.
    fn typer<'t>(&'t mut self, names: &'t dyn typer::Names, place: Place) -> Typer<'t> {
        Typer::new(self.module, names, place, &mut self.findings)
    }
}

/// The known name that was probably meant. Long names are nobody's slip and would cost time.
fn guess<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 80;
    const MOST: usize = 5_000;
    if name.len() > LONGEST {
        return None;
    }
    crate::spelling::nearest(name, known.into_iter().filter(|k| k.len() <= LONGEST).take(MOST))
}
