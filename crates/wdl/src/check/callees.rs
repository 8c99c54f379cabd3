//! What callers see of tasks and workflows, worked out once for each.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use crate::{module::Callee, types::Type};

/// An input that a call can give.
pub(super) struct Input {
    pub(super) ty: Type,
    pub(super) has_default: bool,
}

/// The inputs of a task or workflow.
pub(super) struct Inputs {
    pub(super) by_name: HashMap<Arc<str>, Input>,
    /// Inputs without which nothing runs, in order.
    pub(super) required: Vec<Arc<str>>,
}

/// Inputs by task or workflow.
#[derive(Default)]
pub(super) struct Callees(HashMap<*const (), Rc<Inputs>>);

impl Callees {
    pub(super) fn inputs(&mut self, callee: &Callee) -> Rc<Inputs> {
        Rc::clone(self.0.entry(identity(callee)).or_insert_with(|| Rc::new(Inputs::of(callee))))
    }
}

impl Inputs {
    fn of(callee: &Callee) -> Self {
        let mut inputs = Inputs { by_name: HashMap::new(), required: Vec::new() };
        for decl in callee.input_decls() {
            let ty = callee.module().resolve(&decl.ty).unwrap_or(Type::Any);
            if decl.value.is_none() && !decl.ty.optional {
                inputs.required.push(Arc::clone(&decl.name.text));
            }
            inputs.by_name.insert(Arc::clone(&decl.name.text), Input { ty, has_default: decl.value.is_some() });
        }
        inputs
    }

    /// Names in alphabetical order, for suggestions.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}

/// What distinguishes a task or workflow from every other; valid while its module lives.
pub(super) fn identity(callee: &Callee) -> *const () {
    match callee {
        Callee::Task(_, task) => Arc::as_ptr(task).cast(),
        Callee::Workflow(_, workflow) => Arc::as_ptr(workflow).cast(),
    }
}
