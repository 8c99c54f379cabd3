//! Runtime attributes that are wrong whatever a run is given: told before anything runs, not when their call comes.

use std::{collections::HashSet, sync::Arc};

use batchyard_wdl::{
    ast::{Expr, Node, Task},
    module::{Callee, Module},
    source::Span,
    value::Value,
    version::Dialect,
};
use indexmap::IndexMap;

use crate::{
    constants,
    documents::Failure,
    runtime::{Runtime, RuntimeError},
    settings::Settings,
    task::place,
};

/// Right as they are written, and refused only where a task that this machine cannot run is about to.
const LEFT_TO_THE_CALL: [&str; 2] = ["gpu", "fpga"];

/// An attribute that is given from outside (by `call.runtime.cpu` or the like), or of one of the tasks that a run may call and
/// written as a constant, that makes no sense. Written ones of which another value is given are left alone: it may mend them.
pub fn wrong_constant(callee: &Callee, settings: &Settings, given: &IndexMap<String, Value>) -> Option<Failure> {
    let dialect = settings.dialect_of(callee.module().document.version);
    if let Some(failure) = given.iter().find_map(|(key, value)| wrong_if_given(callee, key, value, dialect)) {
        return Some(failure);
    }
    let given: HashSet<&str> = given.keys().filter_map(|key| key.rsplit('.').next()).collect();
    let mut seen = HashSet::new();
    let mut waiting = vec![callee.clone()];
    while let Some(callee) = waiting.pop() {
        match callee {
            Callee::Task(module, task) => {
                if seen.insert(Arc::as_ptr(&task).cast::<()>())
                    && let Some(failure) = of_task(&module, &task, settings, &given)
                {
                    return Some(failure);
                }
            }
            Callee::Workflow(module, workflow) => {
                if seen.insert(Arc::as_ptr(&workflow).cast::<()>()) {
                    add_callees(&module, &workflow.body, &mut waiting);
                }
            }
        }
    }
    None
}

fn wrong_if_given(callee: &Callee, key: &str, value: &Value, dialect: Dialect) -> Option<Failure> {
    let (before, name) = key.rsplit_once('.')?;
    let is_section = matches!(before.rsplit('.').next(), Some("runtime" | "requirements"));
    if !is_section || LEFT_TO_THE_CALL.contains(&name) {
        return None;
    }
    let error = Runtime::read(&IndexMap::from([(name.to_owned(), value.clone())]), dialect).err()?;
    Some(Failure::new(format!("runtime validation failed: input `{}.{key}`: {error}", callee.name())))
}

fn add_callees(module: &Arc<Module>, body: &[Node], into: &mut Vec<Callee>) {
    for node in body {
        match node {
            Node::Decl(_) => {}
            Node::Call(call) => into.extend(module.callee(&call.target)),
            Node::Scatter(scatter) => add_callees(module, &scatter.body, into),
            Node::If(conditional) => conditional.clauses.iter().for_each(|clause| add_callees(module, &clause.body, into)),
        }
    }
}

/// The first attribute of a task that is a constant and makes no sense, and where its value stands.
pub fn wrong_attribute(module: &Module, task: &Task, dialect: Dialect) -> Option<(Span, RuntimeError)> {
    wrong_unless_given(module, task, dialect, &HashSet::new())
}

fn wrong_unless_given(module: &Module, task: &Task, dialect: Dialect, given: &HashSet<&str>) -> Option<(Span, RuntimeError)> {
    // Of a repeated attribute the last one counts.
    let written: IndexMap<&str, &Expr> = task.runtime.iter().chain(&task.requirements).map(|(name, expr)| (&*name.text, expr)).collect();
    let is_asked = |name: &str| !given.contains(name) && !LEFT_TO_THE_CALL.contains(&name);
    let constants: IndexMap<String, Value> = written
        .iter()
        .filter(|(name, _)| is_asked(name))
        .filter_map(|(name, expr)| Some(((*name).to_owned(), constants::value(module, expr, dialect)?)))
        .collect();
    let error = Runtime::read(&constants, dialect).err()?;
    Some((written.get(error.name.as_str()).map_or(task.name.span, |expr| expr.span), error))
}

fn of_task(module: &Module, task: &Task, settings: &Settings, given: &HashSet<&str>) -> Option<Failure> {
    let (span, error) = wrong_unless_given(module, task, settings.dialect_of(module.document.version), given)?;
    Some(Failure {
        place: Some(place(module, span)),
        ..Failure::new(format!("runtime validation failed: task `{}`: {error}", task.name.text))
            .hint("nothing was run: this value would have failed the first call of the task")
    })
}

#[cfg(test)]
mod tests {
    use batchyard_wdl::load::{MemoryLoader, load};

    use super::*;

    fn found(wdl: &str, given: &[(&str, Value)]) -> Option<String> {
        let library = "version 1.0\nworkflow inner { call far }\ntask far { command {} runtime { cpu: 0 } }";
        let loader = MemoryLoader::default().with("w.wdl", wdl).with("lib.wdl", library);
        let loaded = load("w.wdl", &loader).unwrap();
        let workflow = Arc::clone(loaded.module.document.workflow.as_ref().unwrap());
        let callee = Callee::Workflow(Arc::clone(&loaded.module), workflow);
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let failure = wrong_constant(&callee, &Settings::default(), &given)?;
        Some(format!("{} at {}", failure.message, failure.place.unwrap_or_default()))
    }

    #[test]
    fn constants_are_looked_at_in_every_task_that_may_be_called() {
        let of = |attributes: &str| {
            format!(
                "version 1.0\nworkflow w {{ if (false) {{ scatter (i in [1]) {{ call t }} }} }}\ntask t {{ input {{ String s = \"x\" }} command {{}}\nruntime {{ {attributes} }} }}"
            )
        };
        let told = "runtime validation failed: task `t`: runtime attribute `memory` must be a number of bytes or a size such as \"4 GiB\", \
                    not \"lots\" at w.wdl:4:19";
        assert_eq!(found(&of("memory: \"lots\""), &[]).as_deref(), Some(told));
        assert_eq!(found(&of("memory: \"lots\" memory: \"1 GB\""), &[]), None, "the last one counts");
        assert_eq!(found(&of("memory: s cpu: length([s])"), &[]), None, "what it is depends on inputs");
        let other = |text: &str| [("t.runtime.memory", Value::string(text))];
        assert_eq!(found(&of("memory: \"lots\""), &other("1 GB")), None, "another value is given");
        let told = "runtime validation failed: input `w.t.runtime.memory`: runtime attribute `memory` must be a number of bytes or a size \
                    such as \"4 GiB\", not \"more\" at ";
        assert_eq!(found(&of("cpu: 1"), &other("more")).as_deref(), Some(told));
        assert_eq!(found(&of("gpu: true"), &[]), None, "it is right, and perhaps never called");
        let imported = "version 1.0\nimport \"lib.wdl\"\nworkflow w { call lib.inner }";
        assert!(found(imported, &[]).unwrap().starts_with("runtime validation failed: task `far`: runtime attribute `cpu`"));
    }
}
