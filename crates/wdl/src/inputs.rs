//! Inputs of workflows and tasks: which there are, JSON templates for them, and binding JSON to them.
//!
//! An input of a call that the call leaves open can be set from outside. Its name is the way to it: `wf.call.x`, or
//! `wf.sub.inner.x` through a sub-workflow.

mod bind;
mod draft2;
mod paths;
mod template;

use std::sync::Arc;

pub use self::{
    bind::{Bound, InputProblem, bind, bind_as, parse_argument},
    paths::{
        MapFilesError, PathMapper, files, map_files, map_files_as_far_as_known, map_files_except_keys, map_files_typed,
        map_files_typed_except_keys,
    },
    template::template,
};
use crate::{
    ast::{Call, Decl, Expr, MetaValue, Name, Node, Workflow},
    limits::MAX_IMPORT_DEPTH,
    module::{Callee, Module},
    types::Type,
    version::Version,
};

/// Most inputs that are listed for one workflow; sub-workflows that call sub-workflows multiply.
pub const MAX_INPUTS: usize = 50_000;

/// An input as its author declared it.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Fully qualified name: `wf.x`, `wf.call.x`, `wf.sub.inner.x`, `task.x`.
    pub name: String,
    /// Declared type; `Any` when the document does not define it.
    pub ty: Type,
    /// Whether a run needs a value for it.
    pub required: bool,
    /// Source text of the default.
    pub default: Option<String>,
    /// Text from `parameter_meta`.
    pub help: Option<String>,
}

/// The declarations of a workflow that can be set from outside, in order.
///
/// From 1.0 on that is the `input` section. In draft-2 every declaration at the top of the body is an input, unless
/// it depends on calls, by itself or through others.
pub fn workflow_input_decls(workflow: &Workflow, version: Version) -> Vec<&Decl> {
    match version {
        Version::Draft2 => draft2::input_decls(workflow),
        _ => workflow.inputs.iter().collect(),
    }
}

/// The inputs of a task or workflow; `nested` adds those of calls that the calls leave open.
///
/// From 1.1 on optional inputs of calls are listed only if the workflow permits them with `allowNestedInputs`.
pub fn list_inputs(callee: &Callee, nested: bool) -> Vec<InputSpec> {
    let name = callee.name();
    let all = collect(callee, nested);
    let open = callee.module().document.version <= Version::V1_0 || callee.allows_nested_inputs();
    let listed = all.into_iter().filter(|found| open || !found.nested || found.spec.required);
    listed.map(|found| InputSpec { name: format!("{name}.{}", found.spec.name), ..found.spec }).collect()
}

/// An input with its name below the callee.
struct Found {
    spec: InputSpec,
    /// Whether it belongs to a call.
    nested: bool,
}

fn collect(callee: &Callee, nested: bool) -> Vec<Found> {
    let mut collector = Collector { nested, calls: 0, out: Vec::new() };
    collector.callee(callee, "", &[], 0);
    collector.out
}

struct Collector {
    nested: bool,
    /// Calls seen so far. They are limited too, for they multiply even when none has an open input.
    calls: usize,
    out: Vec<Found>,
}

impl Collector {
    fn callee(&mut self, callee: &Callee, prefix: &str, set: &[(Name, Option<Expr>)], depth: usize) {
        let module = callee.module();
        let is_open = |decl: &&Decl| !set.iter().any(|(name, _)| name.text == decl.name.text);
        for decl in callee.input_decls().into_iter().filter(is_open) {
            if self.out.len() >= MAX_INPUTS {
                return;
            }
            self.out.push(Found { spec: spec(callee, module, decl, prefix), nested: depth > 0 });
        }
        let Callee::Workflow(_, workflow) = callee else { return };
        if !self.nested || depth >= MAX_IMPORT_DEPTH {
            return;
        }
        for call in calls(&workflow.body) {
            self.calls += 1;
            if self.calls > MAX_INPUTS {
                return;
            }
            if let Some(target) = module.callee(&call.target) {
                self.callee(&target, &format!("{prefix}{}.", call.name().text), &call.inputs, depth + 1);
            }
        }
    }
}

fn spec(callee: &Callee, module: &Module, decl: &Decl, prefix: &str) -> InputSpec {
    let ty = resolved(module, decl);
    InputSpec {
        name: format!("{prefix}{}", decl.name.text),
        required: decl.value.is_none() && !ty.is_optional(),
        ty,
        default: decl.value.as_ref().map(|v| module.document.source.slice(v.span).to_owned()),
        help: help(callee, &decl.name.text),
    }
}

fn resolved(module: &Module, decl: &Decl) -> Type {
    module.resolve(&decl.ty).unwrap_or(Type::Any)
}

fn help(callee: &Callee, input: &str) -> Option<String> {
    let meta = match callee {
        Callee::Task(_, task) => &task.parameter_meta,
        Callee::Workflow(_, workflow) => &workflow.parameter_meta,
    };
    match &meta.iter().find(|(name, _)| &*name.text == input)?.1 {
        MetaValue::String(text) => Some(text.clone()),
        MetaValue::Object(members) => members.iter().find_map(|(name, value)| match value {
            MetaValue::String(text) if matches!(name.as_str(), "help" | "description") => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    }
}

/// All calls of a body, those inside of scatters and conditionals included.
pub fn calls(body: &[Node]) -> Vec<&Call> {
    let mut out = Vec::new();
    visit_calls(body, &mut out);
    out
}

fn visit_calls<'a>(body: &'a [Node], out: &mut Vec<&'a Call>) {
    for node in body {
        match node {
            Node::Decl(_) => {}
            Node::Call(call) => out.push(call),
            Node::Scatter(scatter) => visit_calls(&scatter.body, out),
            Node::If(conditional) => conditional.clauses.iter().for_each(|clause| visit_calls(&clause.body, out)),
        }
    }
}

impl Callee {
    /// The module that defines it.
    pub fn module(&self) -> &Arc<Module> {
        match self {
            Callee::Task(module, _) | Callee::Workflow(module, _) => module,
        }
    }

    /// Its own name, whatever alias calls it.
    pub fn name(&self) -> &str {
        match self {
            Callee::Task(_, task) => &task.name.text,
            Callee::Workflow(_, workflow) => &workflow.name.text,
        }
    }

    /// The declarations that can be set from outside, in order.
    pub fn input_decls(&self) -> Vec<&Decl> {
        match self {
            Callee::Task(_, task) => task.inputs.iter().collect(),
            Callee::Workflow(module, workflow) => workflow_input_decls(workflow, module.document.version),
        }
    }

    /// Whether a workflow says that inputs of its calls may be set from outside (1.1 and newer).
    pub fn allows_nested_inputs(&self) -> bool {
        let Callee::Workflow(_, workflow) = self else { return false };
        let permits = |(name, value): &(Name, MetaValue)| {
            matches!(&*name.text, "allowNestedInputs" | "allow_nested_inputs") && *value == MetaValue::Boolean(true)
        };
        workflow.meta.iter().chain(&workflow.hints).any(permits)
    }
}

#[cfg(test)]
mod tests;
