//! Names of a workflow with their types, as they are seen from each block.
//!
//! A frame belongs to one body. It holds what the body declares and what its scatters and conditionals give to the
//! outside, with the type changed by the way out. Names of enclosing bodies are found through the chain of
//! frames that the checker keeps while it walks.

use std::{collections::HashMap, sync::Arc};

use super::no_outputs;
use crate::{
    ast::{Call, Decl, Node, Workflow},
    coerce::unify,
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
}

impl Frame {
    /// The names at the top of a workflow.
    pub(super) fn of_workflow(module: &Arc<Module>, workflow: &Workflow) -> Frame {
        let mut frame = Frame::default();
        for input in &workflow.inputs {
            frame.declare(module, input, Origin::Input);
        }
        frame.fill(module, &workflow.body);
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

    fn fill(&mut self, module: &Arc<Module>, body: &[Node]) {
        for node in body {
            match node {
                Node::Decl(decl) => self.declare(module, decl, Origin::Decl),
                Node::Call(call) => {
                    let entry = Entry { ty: call_type(module, call), span: call.name().span, origin: Origin::Call, promoted: false };
                    self.insert(Arc::clone(&call.name().text), entry);
                }
                Node::Scatter(scatter) => {
                    let mut inner = Frame::default();
                    inner.fill(module, &scatter.body);
                    self.adopt(&inner, &|ty| Type::array(ty.clone()));
                    self.inner.push(inner);
                }
                Node::If(conditional) => self.conditional(module, conditional),
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
    fn adopt(&mut self, inner: &Frame, outside: &dyn Fn(&Type) -> Type) {
        for name in &inner.order {
            if let Some(entry) = inner.names.get(name) {
                self.insert(Arc::clone(name), Entry { ty: seen_from_outside(entry, outside), promoted: true, ..entry.clone() });
            }
        }
    }

    /// Names of all clauses together: a name is always defined only if every way through declares it.
    fn conditional(&mut self, module: &Arc<Module>, conditional: &crate::ast::Conditional) {
        let dialect = Dialect::of(module.document.version);
        let frames: Vec<Frame> = conditional
            .clauses
            .iter()
            .map(|clause| {
                let mut inner = Frame::default();
                inner.fill(module, &clause.body);
                inner
            })
            .collect();
        if let [only] = frames.as_slice() {
            self.adopt(only, &|ty| ty.clone().optional());
        } else {
            let exhaustive = conditional.clauses.last().is_some_and(|clause| clause.condition.is_none());
            let mut together = Frame::default();
            for (i, frame) in frames.iter().enumerate() {
                for name in &frame.order {
                    let earlier = frames.iter().take(i).any(|f| f.names.contains_key(name));
                    let Some(entry) = frame.names.get(name).filter(|_| !earlier) else { continue };
                    let everywhere = exhaustive && frames.iter().all(|f| f.names.contains_key(name));
                    let types = frames.iter().filter_map(|f| f.get(name));
                    let mut common = Entry { ty: common_type(types, dialect), ..entry.clone() };
                    if !everywhere {
                        common.ty = seen_from_outside(&common, &|ty| ty.clone().optional());
                    }
                    together.insert(Arc::clone(name), common);
                }
            }
            self.adopt(&together, &Type::clone);
        }
        self.inner.extend(frames);
    }
}

/// The type one name has after a conditional with several clauses.
fn common_type<'t>(types: impl Iterator<Item = &'t Type>, dialect: Dialect) -> Type {
    let mut types = types.cloned();
    let Some(first) = types.next() else { return Type::Any };
    types.fold(first, |a, b| match (&a, &b) {
        (Type::Call(x), Type::Call(y)) => Type::Call(common_outputs(x, y, dialect)),
        _ => unify(&a, &b, dialect).unwrap_or(Type::Any),
    })
}

/// The outputs of two calls under one name; what only one of them has is optional.
fn common_outputs(a: &StructType, b: &StructType, dialect: Dialect) -> Arc<StructType> {
    let mut members = Vec::new();
    for (name, ty) in &a.members {
        let ty = match b.member(name) {
            Some(other) => unify(ty, other, dialect).unwrap_or(Type::Any),
            None => ty.clone().optional(),
        };
        members.push((name.clone(), ty));
    }
    let only_there = b.members.iter().filter(|(name, _)| a.member(name).is_none());
    members.extend(only_there.map(|(name, ty)| (name.clone(), ty.clone().optional())));
    Arc::new(StructType { name: a.name.clone(), members })
}

fn seen_from_outside(entry: &Entry, outside: &dyn Fn(&Type) -> Type) -> Type {
    match &entry.ty {
        // A call whose target is unknown stays unknown.
        Type::Any if entry.origin == Origin::Call => Type::Any,
        Type::Call(outputs) => {
            let members = outputs.members.iter().map(|(name, ty)| (name.clone(), outside(ty))).collect();
            Type::Call(Arc::new(StructType { name: outputs.name.clone(), members }))
        }
        ty => outside(ty),
    }
}

/// The outputs of a call under its own name; anything when its target is unknown.
fn call_type(module: &Arc<Module>, call: &Call) -> Type {
    let Some(callee) = module.callee(&call.target) else { return Type::Any };
    let outputs = super::call_outputs(module, &callee);
    let mut named = no_outputs(&call.name().text);
    if let Some(named) = Arc::get_mut(&mut named) {
        named.members = outputs.members.clone();
    }
    Type::Call(named)
}
