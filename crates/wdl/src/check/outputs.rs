//! What calls and workflows give back.

use std::sync::Arc;

use super::frames::Frame;
use crate::{
    ast::{Decl, LegacyOutput, Workflow},
    module::{Callee, Module},
    types::{StructType, Type},
    version::Version,
};

/// The outputs that a call of `callee` has for its caller, as names and types.
///
/// A workflow without an output section has none to offer, and draft-2 lines without a type are not visible to
/// callers. What the same workflow exports when it is run itself is told by [`workflow_outputs`].
pub fn call_outputs(_caller: &Module, callee: &Callee) -> Arc<StructType> {
    let module = callee.module();
    let decls: &[Decl] = match callee {
        Callee::Task(_, task) => &task.outputs,
        Callee::Workflow(_, workflow) => workflow.outputs.as_ref().map_or(&[], |section| &section.decls),
    };
    let members = decls.iter().map(|decl| (decl.name.text.to_string(), module.resolve(&decl.ty).unwrap_or(Type::Any))).collect();
    Arc::new(StructType { name: callee.name().to_owned(), members })
}

/// What a run of a workflow exports: names below the workflow, `out` or `call.out`, with their types.
///
/// Without an output section draft-2 and 1.0 export every output of every call, newer versions nothing.
pub fn workflow_outputs(module: &Arc<Module>, workflow: &Workflow) -> Vec<(String, Type)> {
    let Some(section) = &workflow.outputs else {
        return if module.document.version <= Version::V1_0 { Frame::of_workflow(module, workflow).call_outputs() } else { Vec::new() };
    };
    let mut list = Vec::new();
    if !section.legacy.is_empty() {
        let frame = Frame::of_workflow(module, workflow);
        for line in &section.legacy {
            list.extend(legacy_outputs(&frame, line).unwrap_or_default());
        }
    }
    for decl in &section.decls {
        list.push((decl.name.text.to_string(), module.resolve(&decl.ty).unwrap_or(Type::Any)));
    }
    list
}

/// What a draft-2 line exports; `None` when it names nothing known.
pub(super) fn legacy_outputs(frame: &Frame, line: &LegacyOutput) -> Option<Vec<(String, Type)>> {
    let (first, rest) = line.path.split_first()?;
    let ty = frame.get(&first.text)?;
    match (ty, rest, line.wildcard) {
        (Type::Call(outputs), [], true) => Some(outputs.members.iter().map(|(n, t)| (format!("{}.{n}", first.text), t.clone())).collect()),
        (Type::Call(outputs), [output], false) => {
            let ty = outputs.member(&output.text)?;
            Some(vec![(format!("{}.{}", first.text, output.text), ty.clone())])
        }
        // A call that could not be resolved was reported where it stands.
        (Type::Any, ..) => Some(Vec::new()),
        (ty, [], false) if !matches!(ty, Type::Call(_)) => Some(vec![(first.text.to_string(), ty.clone())]),
        _ => None,
    }
}
