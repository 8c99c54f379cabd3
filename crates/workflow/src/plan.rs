//! A workflow compiled for execution: sections of steps that say which values they need and which they define.
//!
//! Made once per workflow. A [`Section`] is the body of the workflow, of a scatter or of a branch; values live in
//! numbered slots, and a step waits for slots of its own section or of enclosing ones.

use std::{collections::HashMap, sync::Arc};

use batchyard_wdl::{
    ast::{Call, Conditional, Decl, Expr, ExprKind, Node, Scatter, Task, Workflow},
    check, graph, inputs,
    module::{Callee, Module},
    source::Span,
    types::Type,
};

/// What a slot holds, which decides how it is gathered over a scatter.
#[derive(Clone, Debug)]
pub enum SlotKind {
    /// The value of a declaration.
    Value,
    /// The outputs of a call: an object with these members.
    Call(Arc<[Arc<str>]>),
}

impl SlotKind {
    /// Adds outputs that another call of the same name has.
    fn add_outputs(&mut self, more: &[Arc<str>]) {
        let SlotKind::Call(outputs) = self else { return };
        let new: Vec<Arc<str>> = more.iter().filter(|name| !outputs.contains(name)).cloned().collect();
        if !new.is_empty() {
            *outputs = outputs.iter().cloned().chain(new).collect();
        }
    }
}

/// A named place for a value.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The name it has in the document.
    pub name: Arc<str>,
    /// What it holds.
    pub kind: SlotKind,
}

/// A slot seen from a step: `up` sections outwards, then by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// 0 is the step's own section.
    pub up: usize,
    /// Index of the slot there.
    pub slot: usize,
}

/// Steps that run in one scope.
#[derive(Debug, Default)]
pub struct Section {
    /// The names it defines. In a scatter body slot 0 is the loop variable.
    pub slots: Vec<Slot>,
    /// Slot by name.
    pub index: HashMap<Arc<str>, usize>,
    /// What is to be done, in textual order.
    pub steps: Vec<Step>,
}

/// Something to do once its needs are met.
#[derive(Debug)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// Slots that must be filled first.
    pub needs: Vec<Need>,
}

/// The forms of [`Step`].
#[derive(Debug)]
pub enum StepKind {
    /// Evaluate a declaration.
    Decl {
        /// Its slot.
        slot: usize,
        /// Its declared type.
        ty: Type,
        /// Its value or default.
        value: Option<Expr>,
        /// Whether the inputs may set it.
        input: bool,
        /// Where it stands.
        span: Span,
    },
    /// Run a task or workflow.
    Call(CallStep),
    /// Repeat a section.
    Scatter {
        /// What is iterated.
        collection: Expr,
        /// The body.
        body: Arc<Section>,
        /// Own slot for each slot of the body after the loop variable.
        exports: Vec<usize>,
    },
    /// Run at most one of several sections.
    If {
        /// In the order in which their conditions are tried.
        clauses: Vec<Clause>,
    },
}

/// One way through a conditional.
#[derive(Debug)]
pub struct Clause {
    /// `None` for `else`.
    pub condition: Option<Expr>,
    /// Its body.
    pub body: Arc<Section>,
    /// Own slot for each slot of the body.
    pub exports: Vec<usize>,
    /// For each of them the type that all clauses have together, where it is not the one it has here.
    pub converted: Vec<Option<Type>>,
}

/// A call, resolved.
#[derive(Debug)]
pub struct CallStep {
    /// Slot of its outputs.
    pub slot: usize,
    /// Its name in the workflow.
    pub name: Arc<str>,
    /// What it calls.
    pub callee: Callee,
    /// Inputs it sets, with the declared type in the callee.
    pub inputs: Vec<(Arc<str>, Expr)>,
    /// Where it stands.
    pub span: Span,
}

/// A workflow ready to run.
#[derive(Debug)]
pub struct Plan {
    /// The document it is in.
    pub module: Arc<Module>,
    /// The workflow; `None` when a single task is run.
    pub workflow: Option<Arc<Workflow>>,
    /// Its body with inputs.
    pub root: Arc<Section>,
}

/// Why a workflow has no plan although it was checked.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A call names nothing known.
    #[error("call `{0}` names no task or workflow")]
    UnknownCallee(String),
    /// A type names nothing known.
    #[error("type `{0}` is not defined")]
    UnknownType(String),
}

impl Plan {
    /// Compiles a workflow.
    ///
    /// # Errors
    /// [`PlanError`] for what [`check::check`] would have refused.
    pub fn new(module: &Arc<Module>, workflow: &Arc<Workflow>) -> Result<Plan, PlanError> {
        let version = module.document.version;
        let input_names: Vec<Arc<str>> = inputs::workflow_input_decls(workflow, version).iter().map(|d| Arc::clone(&d.name.text)).collect();
        let builder = Builder { module, input_names };
        let mut section = Section::default();
        for decl in &workflow.inputs {
            section.add_slot(&decl.name.text, SlotKind::Value);
        }
        builder.slots(&mut section, &workflow.body)?;
        let mut outer: Vec<HashMap<Arc<str>, usize>> = Vec::new();
        let mut steps = Vec::new();
        for decl in &workflow.inputs {
            steps.push(builder.decl(&section, &outer, decl, true)?);
        }
        builder.steps(&mut section, &mut outer, &workflow.body, steps, true)?;
        Ok(Plan { module: Arc::clone(module), workflow: Some(Arc::clone(workflow)), root: Arc::new(section) })
    }

    /// A plan that calls one task, under its own name, with nothing but what the inputs give.
    pub fn of_task(module: &Arc<Module>, task: &Arc<Task>) -> Plan {
        let callee = Callee::Task(Arc::clone(module), Arc::clone(task));
        let outputs: Arc<[Arc<str>]> = task.outputs.iter().map(|d| Arc::clone(&d.name.text)).collect();
        let name = Arc::clone(&task.name.text);
        let mut root = Section::default();
        let slot = root.add_slot(&name, SlotKind::Call(outputs));
        let step = CallStep { slot, name, callee, inputs: Vec::new(), span: task.name.span };
        root.steps.push(Step { kind: StepKind::Call(step), needs: Vec::new() });
        Plan { module: Arc::clone(module), workflow: None, root: Arc::new(root) }
    }
}

impl Section {
    fn add_slot(&mut self, name: &Arc<str>, kind: SlotKind) -> usize {
        if let Some(slot) = self.index.get(name) {
            // Calls of one name in several clauses (1.3) give all their outputs to the outside.
            if let (Some(known), SlotKind::Call(more)) = (self.slots.get_mut(*slot), kind) {
                known.kind.add_outputs(&more);
            }
            return *slot;
        }
        let slot = self.slots.len();
        self.slots.push(Slot { name: Arc::clone(name), kind });
        self.index.insert(Arc::clone(name), slot);
        slot
    }
}

struct Builder<'a> {
    module: &'a Arc<Module>,
    input_names: Vec<Arc<str>>,
}

impl Builder<'_> {
    /// Adds the slots of everything a body defines, nested blocks included.
    fn slots(&self, section: &mut Section, body: &[Node]) -> Result<(), PlanError> {
        for node in body {
            match node {
                Node::Decl(decl) => {
                    section.add_slot(&decl.name.text, SlotKind::Value);
                }
                Node::Call(call) => {
                    let outputs = check::call_outputs(self.module, &self.callee(call)?);
                    let names: Arc<[Arc<str>]> = outputs.members.iter().map(|(name, _)| Arc::from(name.as_str())).collect();
                    section.add_slot(&call.name().text, SlotKind::Call(names));
                }
                Node::Scatter(scatter) => {
                    let mut inner = Section::default();
                    self.slots(&mut inner, &scatter.body)?;
                    section.adopt(&inner);
                }
                Node::If(conditional) => {
                    for clause in &conditional.clauses {
                        let mut inner = Section::default();
                        self.slots(&mut inner, &clause.body)?;
                        section.adopt(&inner);
                    }
                }
            }
        }
        Ok(())
    }

    fn steps(
        &self,
        section: &mut Section,
        outer: &mut Vec<HashMap<Arc<str>, usize>>,
        body: &[Node],
        mut steps: Vec<Step>,
        top: bool,
    ) -> Result<(), PlanError> {
        for node in body {
            let step = match node {
                Node::Decl(decl) => self.decl(section, outer, decl, top)?,
                Node::Call(call) => self.call(section, outer, call)?,
                Node::Scatter(scatter) => self.scatter(section, outer, scatter)?,
                Node::If(conditional) => self.conditional(section, outer, conditional)?,
            };
            steps.push(step);
        }
        section.steps = steps;
        Ok(())
    }

    fn decl(&self, section: &Section, outer: &[HashMap<Arc<str>, usize>], decl: &Decl, top: bool) -> Result<Step, PlanError> {
        let input = top && self.input_names.contains(&decl.name.text);
        let ty = self.module.resolve(&decl.ty).map_err(|name| PlanError::UnknownType(name.text.to_string()))?;
        let needs = self.needs(section, outer, decl.value.as_ref());
        let slot = section.slot(&decl.name.text);
        Ok(Step { kind: StepKind::Decl { slot, ty, value: decl.value.clone(), input, span: decl.span }, needs })
    }

    fn call(&self, section: &Section, outer: &[HashMap<Arc<str>, usize>], call: &Call) -> Result<Step, PlanError> {
        let mut inputs: Vec<(Arc<str>, Expr)> = Vec::new();
        for (name, value) in &call.inputs {
            // `x` alone stands for `x = x`.
            let value = value.clone().unwrap_or_else(|| Expr { span: name.span, kind: ExprKind::Ident(Arc::clone(&name.text)) });
            // Of an input given twice the last counts.
            inputs.retain(|(known, _)| *known != name.text);
            inputs.push((Arc::clone(&name.text), value));
        }
        let mut needs = self.needs(section, outer, inputs.iter().map(|(_, value)| value));
        for name in &call.after {
            add_need(&mut needs, find(section, outer, &name.text));
        }
        let name = Arc::clone(&call.name().text);
        let step = CallStep { slot: section.slot(&name), name, callee: self.callee(call)?, inputs, span: call.span };
        Ok(Step { kind: StepKind::Call(step), needs })
    }

    fn scatter(&self, section: &Section, outer: &mut Vec<HashMap<Arc<str>, usize>>, scatter: &Scatter) -> Result<Step, PlanError> {
        let needs = self.needs(section, outer, [&scatter.collection]);
        let mut body = Section::default();
        body.add_slot(&scatter.variable.text, SlotKind::Value);
        self.slots(&mut body, &scatter.body)?;
        self.inner(section, outer, &mut body, &scatter.body)?;
        let exports = body.slots.iter().skip(1).map(|slot| section.slot(&slot.name)).collect();
        Ok(Step { kind: StepKind::Scatter { collection: scatter.collection.clone(), body: Arc::new(body), exports }, needs })
    }

    fn conditional(
        &self,
        section: &Section,
        outer: &mut Vec<HashMap<Arc<str>, usize>>,
        conditional: &Conditional,
    ) -> Result<Step, PlanError> {
        let needs = self.needs(section, outer, conditional.clauses.iter().filter_map(|c| c.condition.as_ref()));
        // Several clauses are compared; one alone has nothing to agree with.
        let types = match conditional.clauses.as_slice() {
            [_] => Vec::new(),
            _ => check::types_over_clauses(self.module, conditional),
        };
        let mut clauses = Vec::new();
        for (n, clause) in conditional.clauses.iter().enumerate() {
            let mut body = Section::default();
            self.slots(&mut body, &clause.body)?;
            self.inner(section, outer, &mut body, &clause.body)?;
            let exports = body.slots.iter().map(|slot| section.slot(&slot.name)).collect();
            let converted = body.slots.iter().map(|slot| types.get(n)?.get(&slot.name).cloned()).collect();
            clauses.push(Clause { condition: clause.condition.clone(), body: Arc::new(body), exports, converted });
        }
        Ok(Step { kind: StepKind::If { clauses }, needs })
    }

    fn inner(
        &self,
        section: &Section,
        outer: &mut Vec<HashMap<Arc<str>, usize>>,
        body: &mut Section,
        nodes: &[Node],
    ) -> Result<(), PlanError> {
        outer.push(section.index.clone());
        let result = self.steps(body, outer, nodes, Vec::new(), false);
        outer.pop();
        result
    }

    fn needs<'e>(
        &self,
        section: &Section,
        outer: &[HashMap<Arc<str>, usize>],
        expressions: impl IntoIterator<Item = &'e Expr>,
    ) -> Vec<Need> {
        let mut names = Vec::new();
        for expression in expressions {
            graph::free_names(expression, &mut names);
        }
        let mut needs = Vec::new();
        for name in names {
            add_need(&mut needs, find(section, outer, &name));
        }
        needs
    }

    fn callee(&self, call: &Call) -> Result<Callee, PlanError> {
        self.module
            .callee(&call.target)
            .ok_or_else(|| PlanError::UnknownCallee(call.target.iter().map(|n| n.text.to_string()).collect::<Vec<_>>().join(".")))
    }
}

impl Section {
    /// Adds the slots that a nested block makes visible.
    fn adopt(&mut self, inner: &Section) {
        for slot in &inner.slots {
            self.add_slot(&slot.name, slot.kind.clone());
        }
    }

    fn slot(&self, name: &Arc<str>) -> usize {
        // `Builder::slots` has added every name that the body defines.
        *self.index.get(name).expect("every defined name has a slot")
    }
}

fn find(section: &Section, outer: &[HashMap<Arc<str>, usize>], name: &Arc<str>) -> Option<Need> {
    if let Some(slot) = section.index.get(name) {
        return Some(Need { up: 0, slot: *slot });
    }
    outer.iter().rev().enumerate().find_map(|(n, index)| index.get(name).map(|slot| Need { up: n + 1, slot: *slot }))
}

fn add_need(needs: &mut Vec<Need>, need: Option<Need>) {
    if let Some(need) = need
        && !needs.contains(&need)
    {
        needs.push(need);
    }
}

/// A call in the drawing of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnCall {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is inside a scatter.
    pub scattered: bool,
    /// Whether it is inside a branch.
    pub conditional: bool,
    /// Whether it calls a workflow.
    pub workflow: bool,
    /// Indices of the calls whose outputs it needs, directly or through declarations.
    pub needs: Vec<usize>,
}

impl Plan {
    /// The calls of the plan and what each needs, in textual order.
    pub fn calls(&self) -> Vec<DrawnCall> {
        let mut drawing = Drawing::default();
        drawing.walk(&self.root, &mut Vec::new(), &[], (false, false));
        drawing.calls
    }
}

#[derive(Default)]
struct Drawing {
    calls: Vec<DrawnCall>,
}

/// For each slot of a section the calls its value comes from.
type Sources = Vec<Vec<usize>>;

impl Drawing {
    /// Walks a section; `around` are the sources of the enclosing ones, `given` those that every step inherits (the
    /// collection of a scatter, the condition of a branch). Returns the sources of its slots.
    fn walk(&mut self, section: &Section, around: &mut Vec<Sources>, given: &[usize], (scattered, conditional): (bool, bool)) -> Sources {
        let mut sources: Sources = vec![Vec::new(); section.slots.len()];
        // Steps may stand before what they need: each pass settles at least one more of them.
        let mut open: Vec<usize> = (0..section.steps.len()).collect();
        let mut defined: Vec<bool> = vec![true; section.slots.len()];
        for step in &section.steps {
            step.defines(&mut |slot| defined.iter_mut().skip(slot).take(1).for_each(|d| *d = false));
        }
        while !open.is_empty() {
            let ready = open.iter().position(|n| {
                section
                    .steps
                    .get(*n)
                    .is_some_and(|s| s.needs.iter().all(|need| need.up > 0 || defined.get(need.slot).copied().unwrap_or(true)))
            });
            // A cycle cannot be here after the check; taking any step ends the loop all the same.
            let n = open.remove(ready.unwrap_or(0));
            let Some(step) = section.steps.get(n) else { continue };
            let mut from: Vec<usize> = given.to_vec();
            for need in &step.needs {
                let found = match need.up {
                    0 => sources.get(need.slot),
                    up => around.len().checked_sub(up).and_then(|n| around.get(n)).and_then(|s| s.get(need.slot)),
                };
                from.extend(found.into_iter().flatten());
            }
            from.sort_unstable();
            from.dedup();
            self.step(step, &mut sources, around, from, (scattered, conditional));
            step.defines(&mut |slot| defined.iter_mut().skip(slot).take(1).for_each(|d| *d = true));
        }
        sources
    }

    fn step(
        &mut self,
        step: &Step,
        sources: &mut Sources,
        around: &mut Vec<Sources>,
        from: Vec<usize>,
        (scattered, conditional): (bool, bool),
    ) {
        let put = |sources: &mut Sources, slot: usize, value: Vec<usize>| {
            sources.iter_mut().skip(slot).take(1).for_each(|s| s.clone_from(&value))
        };
        match &step.kind {
            StepKind::Decl { slot, .. } => put(sources, *slot, from),
            StepKind::Call(call) => {
                let workflow = matches!(call.callee, Callee::Workflow(..));
                self.calls.push(DrawnCall { name: Arc::clone(&call.name), scattered, conditional, workflow, needs: from });
                put(sources, call.slot, vec![self.calls.len() - 1]);
            }
            StepKind::Scatter { body, exports, .. } => {
                around.push(sources.clone());
                let inner = self.walk(body, around, &from, (true, conditional));
                around.pop();
                exports.iter().zip(inner.into_iter().skip(1)).for_each(|(slot, value)| put(sources, *slot, value));
            }
            StepKind::If { clauses } => {
                for Clause { body, exports, .. } in clauses {
                    around.push(sources.clone());
                    let inner = self.walk(body, around, &from, (scattered, true));
                    around.pop();
                    exports.iter().zip(inner).for_each(|(slot, value)| put(sources, *slot, value));
                }
            }
        }
    }
}

impl Step {
    /// Calls `visit` with each slot of its own section that it fills.
    fn defines(&self, visit: &mut dyn FnMut(usize)) {
        match &self.kind {
            StepKind::Decl { slot, .. } => visit(*slot),
            StepKind::Call(call) => visit(call.slot),
            StepKind::Scatter { exports, .. } => exports.iter().for_each(|slot| visit(*slot)),
            StepKind::If { clauses } => clauses.iter().for_each(|clause| clause.exports.iter().for_each(|slot| visit(*slot))),
        }
    }
}
