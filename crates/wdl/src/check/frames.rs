//! Names of a workflow with their types, as they are seen from each block.
//!
//! A frame belongs to one body. It holds what the body declares and what its scatters and conditionals give to the
//! outside, with the type changed by the way out. Names of enclosing bodies are found through the chain of
//! frames that the checker keeps while it walks.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{call_outputs, callees::identity};
use crate::{
    ast::{Call, Conditional, Decl, Node, Workflow},
    coerce::unify,
    limits::MAX_NAMES_IN_BLOCKS,
    module::Module,
    source::Span,
    types::{StructType, Type},
    version::Dialect,
};

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Input,
    Decl,
    Call,
}

/// A name with its type, seen from the body of the frame.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ty: Type,
    pub(super) span: Span,
    pub(super) origin: Origin,
    /// Whether it comes out of a block inside the body.
    pub(super) promoted: bool,
}

/// Two things with one name.
#[derive(Debug)]
pub(super) struct Clash {
    pub(super) name: Arc<str>,
    pub(super) first: Entry,
    pub(super) second: Entry,
}

/// The names of one body.
#[derive(Debug, Default)]
pub(super) struct Frame {
    names: HashMap<Arc<str>, Entry>,
    /// Names in textual order, for everything that is shown.
    order: Vec<Arc<str>>,
    /// Frames of the blocks inside: one per scatter and per clause, in textual order.
    pub(super) inner: Vec<Frame>,
    pub(super) clashes: Vec<Clash>,
    /// Names that clauses of one conditional declare with types that have nothing in common.
    pub(super) discords: Vec<Clash>,
    /// Whether names are missing because there are more than [`MAX_NAMES_IN_BLOCKS`]; only told at the top.
    pub(super) overfull: bool,
}

impl Frame {
    /// The names at the top of a workflow.
    pub(super) fn of_workflow(module: &Arc<Module>, workflow: &Workflow) -> Frame {
        let mut frame = Frame::default();
        for input in &workflow.inputs {
            frame.declare(module, input, Origin::Input);
        }
        let mut survey = Survey::new(module);
        frame.fill(&mut survey, &workflow.body);
        frame.overfull = survey.adopted > MAX_NAMES_IN_BLOCKS;
        frame
    }

    pub(super) fn get(&self, name: &str) -> Option<&Type> {
        self.names.get(name).map(|entry| &entry.ty)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.names.get(name)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(|name| &**name)
    }

    pub(super) fn into_types(self) -> impl Iterator<Item = (Arc<str>, Type)> {
        self.names.into_iter().map(|(name, entry)| (name, entry.ty))
    }

    /// Every output of every call as `call.out`, in textual order.
    pub(super) fn call_outputs(&self) -> Vec<(String, Type)> {
        let mut list = Vec::new();
        for name in &self.order {
            if let Some(Type::Call(outputs)) = self.get(name) {
                list.extend(outputs.members.iter().map(|(output, ty)| (format!("{name}.{output}"), ty.clone())));
            }
        }
        list
    }

    fn fill(&mut self, survey: &mut Survey<'_>, body: &[Node]) {
        for node in body {
            match node {
                Node::Decl(decl) => self.declare(survey.module, decl, Origin::Decl),
                Node::Call(call) => {
                    let entry = Entry { ty: survey.call_type(call), span: call.name().span, origin: Origin::Call, promoted: false };
                    self.insert(Arc::clone(&call.name().text), entry);
                }
                Node::Scatter(scatter) => {
                    let mut inner = Frame::default();
                    inner.fill(survey, &scatter.body);
                    self.adopt(survey, &inner, Way::Scatter);
                    self.inner.push(inner);
                }
                Node::If(conditional) => self.conditional(survey, conditional),
            }
        }
    }

    fn declare(&mut self, module: &Module, decl: &Decl, origin: Origin) {
        let ty = module.resolve(&decl.ty).unwrap_or(Type::Any);
        self.insert(Arc::clone(&decl.name.text), Entry { ty, span: decl.name.span, origin, promoted: false });
    }

    fn insert(&mut self, name: Arc<str>, entry: Entry) {
        if let Some(first) = self.names.get(&name) {
            self.clashes.push(Clash { name, first: first.clone(), second: entry });
            return;
        }
        self.order.push(Arc::clone(&name));
        self.names.insert(name, entry);
    }

    /// Takes over the names of a block, with their types as seen from here.
    fn adopt(&mut self, survey: &mut Survey<'_>, inner: &Frame, way: Way) {
        survey.adopted += inner.order.len();
        if survey.adopted > MAX_NAMES_IN_BLOCKS {
            return;
        }
        for name in &inner.order {
            if let Some(entry) = inner.names.get(name) {
                self.insert(Arc::clone(name), Entry { ty: survey.seen_from_outside(entry, way), promoted: true, ..entry.clone() });
            }
        }
    }

    fn of_clauses(survey: &mut Survey<'_>, conditional: &Conditional) -> Vec<Frame> {
        let frame = |body: &[Node]| {
            let mut frame = Frame::default();
            frame.fill(survey, body);
            frame
        };
        conditional.clauses.iter().map(|clause| clause.body.as_slice()).map(frame).collect()
    }

    /// Names of all clauses together: a name is always defined only if every way through declares it.
    fn conditional(&mut self, survey: &mut Survey<'_>, conditional: &Conditional) {
        let frames = Frame::of_clauses(survey, conditional);
        if let [only] = frames.as_slice() {
            self.adopt(survey, only, Way::If);
        } else {
            let exhaustive = conditional.clauses.last().is_some_and(|clause| clause.condition.is_none());
            let (mut together, seen) = survey.together(&frames);
            self.discords.append(&mut together.discords);
            for (name, entry) in &mut together.names {
                if !exhaustive || seen.get(name) != Some(&frames.len()) {
                    entry.ty = survey.seen_from_outside(entry, Way::If);
                }
            }
            self.adopt(survey, &together, Way::Clauses);
        }
        self.inner.extend(frames);
    }
}

/// How a name leaves its block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// As an array.
    Scatter,
    /// As an optional.
    If,
    /// As it is.
    Clauses,
}

impl Way {
    fn apply(self, ty: &Type) -> Type {
        match self {
            Way::Scatter => Type::array(ty.clone()),
            Way::If => ty.clone().optional(),
            Way::Clauses => ty.clone(),
        }
    }
}

/// Makes the types of calls. Outputs are shared: with many outputs and many calls of one task they would
/// otherwise fill the memory.
struct Survey<'m> {
    module: &'m Arc<Module>,
    /// Outputs by task or workflow.
    outputs: HashMap<*const (), Arc<StructType>>,
    /// Outputs as seen from outside, by what they are inside; the latter are kept so that their place is not used again.
    outside: HashMap<(*const StructType, Way), [Arc<StructType>; 2]>,
    /// Names taken over from blocks so far.
    adopted: usize,
}

/// For each clause of a conditional the names whose type in it is not the one that all clauses have together, with that type.
pub fn types_over_clauses(module: &Arc<Module>, conditional: &Conditional) -> Vec<HashMap<Arc<str>, Type>> {
    let mut survey = Survey::new(module);
    let frames = Frame::of_clauses(&mut survey, conditional);
    let (together, _) = survey.together(&frames);
    let other = |frame: &Frame, name: &Arc<str>, entry: &Entry| frame.get(name).is_some_and(|own| *own != entry.ty);
    let of_clause = |frame: &Frame| {
        let different = together.names.iter().filter(|(name, entry)| other(frame, name, entry));
        different.map(|(name, entry)| (Arc::clone(name), entry.ty.clone())).collect()
    };
    frames.iter().map(of_clause).collect()
}

impl<'m> Survey<'m> {
    fn new(module: &'m Arc<Module>) -> Self {
        Survey { module, outputs: HashMap::new(), outside: HashMap::new(), adopted: 0 }
    }

    /// The names of several clauses with their common types, and in how many clauses each is.
    fn together(&self, frames: &[Frame]) -> (Frame, HashMap<Arc<str>, usize>) {
        let mut together = Frame::default();
        let mut seen: HashMap<Arc<str>, usize> = HashMap::new();
        for frame in frames {
            for name in &frame.order {
                let Some(entry) = frame.names.get(name) else { continue };
                *seen.entry(Arc::clone(name)).or_default() += 1;
                match together.names.get_mut(name) {
                    Some(known) => match self.common_type(&known.ty, &entry.ty) {
                        Some(ty) => known.ty = ty,
                        None => {
                            let first = std::mem::replace(known, Entry { ty: Type::Any, ..known.clone() });
                            together.discords.push(Clash { name: Arc::clone(name), first, second: entry.clone() });
                        }
                    },
                    None => together.insert(Arc::clone(name), entry.clone()),
                }
            }
        }
        (together, seen)
    }

    /// The outputs of a call; anything when its target is unknown.
    fn call_type(&mut self, call: &Call) -> Type {
        let Some(callee) = self.module.callee(&call.target) else { return Type::Any };
        let outputs = self.outputs.entry(identity(&callee)).or_insert_with(|| call_outputs(self.module, &callee));
        Type::Call(Arc::clone(outputs))
    }

    fn seen_from_outside(&mut self, entry: &Entry, way: Way) -> Type {
        match &entry.ty {
            // A call whose target is unknown stays unknown.
            Type::Any if entry.origin == Origin::Call => Type::Any,
            Type::Call(outputs) if way == Way::Clauses => Type::Call(Arc::clone(outputs)),
            Type::Call(outputs) => {
                let [_, outside] = self.outside.entry((Arc::as_ptr(outputs), way)).or_insert_with(|| {
                    let members = outputs.members.iter().map(|(name, ty)| (name.clone(), way.apply(ty))).collect();
                    [Arc::clone(outputs), Arc::new(StructType { name: outputs.name.clone(), members })]
                });
                Type::Call(Arc::clone(outside))
            }
            ty => way.apply(ty),
        }
    }

    /// The type of a name that two clauses declare.
    fn common_type(&self, a: &Type, b: &Type) -> Option<Type> {
        let dialect = Dialect::of(self.module.document.version);
        match (a, b) {
            (Type::Call(x), Type::Call(y)) if Arc::ptr_eq(x, y) => Some(a.clone()),
            (Type::Call(x), Type::Call(y)) => Some(Type::Call(common_outputs(x, y, dialect))),
            // Numbers become texts elsewhere, but the text on conditionals says that these have nothing in common.
            _ if is_text(a) && is_plain(b) || is_plain(a) && is_text(b) => None,
            _ => unify(a, b, dialect),
        }
    }
}

fn is_text(ty: &Type) -> bool {
    matches!(ty.required(), Type::String)
}

fn is_plain(ty: &Type) -> bool {
    matches!(ty.required(), Type::Boolean | Type::Int | Type::Float)
}

/// The outputs of two calls under one name; what only one of them has is optional.
fn common_outputs(a: &StructType, b: &StructType, dialect: Dialect) -> Arc<StructType> {
    let of_b: HashMap<&str, &Type> = b.members.iter().map(|(name, ty)| (name.as_str(), ty)).collect();
    let of_a: HashSet<&str> = a.members.iter().map(|(name, _)| name.as_str()).collect();
    let mut members = Vec::new();
    for (name, ty) in &a.members {
        let ty = match of_b.get(name.as_str()) {
            Some(other) => unify(ty, other, dialect).unwrap_or(Type::Any),
            None => ty.clone().optional(),
        };
        members.push((name.clone(), ty));
    }
    let only_there = b.members.iter().filter(|(name, _)| !of_a.contains(name.as_str()));
    members.extend(only_there.map(|(name, ty)| (name.clone(), ty.clone().optional())));
    Arc::new(StructType { name: a.name.clone(), members })
}
